"""The page around two machines, in a real browser."""

from __future__ import annotations

import re

import pytest
from canned_server import LINK, serving
from shown_machine import reached

from rainforest_model.view import ASSETS


@pytest.fixture
def server():
    with serving() as running:
        yield running


def side(page, number):
    return page.locator(f"[data-side='{number}']")


def open_page(new_page, server, link=""):
    page = new_page(viewport={"width": 1300, "height": 1000})
    page.goto(server.address + (f"#{link}" if link else ""))
    for number in range(2):
        side(page, number).locator("[data-serial]").wait_for()
    return page


def heard(server, page, type) -> dict:
    """The last message of a kind; waits for it."""
    for _ in range(1000):
        found = [message for message in server.heard if message["type"] == type]
        if found:
            return found[-1]
        page.wait_for_timeout(20)
    raise AssertionError(f"no {type}: {server.heard}")


def test_step_run_and_pause_go_to_both_sides(new_page, server):
    page = open_page(new_page, server)
    page.get_by_role("button", name="Step").click()
    for number in range(2):
        side(page, number).locator("[data-serial='1']").wait_for()
    assert heard(server, page, "step") == {"type": "step", "side": None}
    page.get_by_role("button", name="Run").click()
    reached(page, side(page, 0), 5)
    assert page.get_by_role("button", name="Step").is_disabled()
    page.get_by_role("button", name="Pause").click()
    assert heard(server, page, "pause") == {"type": "pause", "side": None}
    page.locator(".step:enabled").wait_for()
    page.get_by_role("button", name="Run").wait_for()


def test_both_charts_have_one_scale_and_the_tails_are_compared(new_page, server):
    page = open_page(new_page, server)
    for serial in range(1, 9):
        page.get_by_role("button", name="Step").click()
        side(page, 0).locator(f"[data-serial='{serial}']").wait_for()
    page.wait_for_function("document.getElementById('verdict').textContent.includes('48.5 µs')")
    assert page.locator("#verdict").text_content() == (
        "99th percentile so far: Linux 4.9.40 48.5 µs, RainForest (Linux 2.6.32) 19.4 µs: "
        "the first tail is 2.5 times as long.")
    axes = [side(page, number).locator(".grid text[text-anchor='end']").all_text_contents() for number in range(2)]
    assert axes[0] == axes[1] != []


def test_moves_and_refusals_belong_to_their_side(new_page, server):
    page = open_page(new_page, server)
    side(page, 1).locator("[data-core='2']").press("1")
    assert heard(server, page, "move") == {"type": "move", "side": 1, "core": 2, "to": 1}
    side(page, 1).get_by_text("Core 2 is now with subOS 1.").wait_for()
    for core in (0, 1, 3):
        side(page, 1).locator(f"[data-core='{core}']").press("-")
    side(page, 1).get_by_text("keeps its last core").wait_for()
    assert side(page, 0).locator(".alarm").text_content() == ""
    assert page.locator("#error").is_hidden()


def test_a_choice_configures_its_side(new_page, server):
    page = open_page(new_page, server)
    form = side(page, 0).locator("form")
    form.locator("[name='workload']").select_option("search")
    wanted = {"type": "configure", "side": 0, "system": "linux-4.9.40", "workload": "search", "load": 100, "cores": 12}
    assert heard(server, page, "configure") == wanted
    side(page, 0).locator("header").get_by_text("search on S-A").wait_for()
    assert form.locator(".unit").text_content() == "requests/s"
    form.locator("[name='load']").fill("250")
    form.locator("[name='load']").press("Tab")
    page.wait_for_timeout(100)
    assert heard(server, page, "configure") == wanted | {"load": 250}
    assert form.locator("[name='load']").input_value() == "250"
    form.locator("[name='system']").select_option("rainforest")
    side(page, 0).locator("h2", has_text="RainForest").wait_for()
    assert heard(server, page, "configure") == wanted | {"load": 250, "system": "rainforest"}
    said = len(server.heard)
    form.locator("[name='load']").fill("100000")  # beyond what the workload offers
    form.locator("[name='load']").press("Tab")
    page.wait_for_timeout(100)
    assert len(server.heard) == said


def test_a_field_that_is_being_typed_into_is_left_alone(new_page, server):
    page = open_page(new_page, server)
    load = side(page, 0).locator("[name='load']")
    load.fill("9")
    side(page, 0).locator("[name='system']").evaluate(
        "e => { e.value = 'rainforest'; e.dispatchEvent(new Event('change', {bubbles: true})) }")
    side(page, 0).locator("h2", has_text="RainForest").wait_for()
    assert load.input_value() == "9"


def test_the_speed_is_told_in_microseconds_of_a_frame(new_page, server):
    page = open_page(new_page, server)
    page.get_by_label("simulated time in a frame").press("End")
    message = heard(server, page, "speed")
    assert message == {"type": "speed", "side": None, "value": 1e6}
    assert page.locator(".speed output").text_content() == "1 s a frame"


def test_the_link_is_in_the_field_and_the_address(new_page, server):
    page = open_page(new_page, server)
    page.wait_for_function("location.hash.length > 1")
    assert page.url == page.locator("#link").input_value() == f"{server.address}#{LINK}"
    page.reload()
    side(page, 0).locator("[data-serial]").wait_for()
    assert heard(server, page, "open")["state"] == LINK


def test_a_broken_link_is_told_and_the_message_can_be_dismissed(new_page, server):
    page = open_page(new_page, server, "no-such-link")
    assert heard(server, page, "open")["state"] == "no-such-link"
    page.get_by_text("the checksum does not fit: this is the default").wait_for()
    page.get_by_label("dismiss this message").click()
    assert page.locator("#error").is_hidden()


def test_a_lost_connection_is_told_and_can_be_made_again(new_page, server):
    page = open_page(new_page, server)
    page.wait_for_function("location.hash.length > 1")
    server.cut()
    page.get_by_text("The connection to the simulation is lost").wait_for()
    page.get_by_role("button", name="Connect again").click()
    page.locator("#lost").wait_for(state="hidden")
    page.get_by_text("connected", exact=True).wait_for()
    assert [message["state"] for message in server.heard if message["type"] == "open"] == ["", LINK]


def test_the_page_asks_nothing_of_others(new_page, server):
    page = new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.address)
    side(page, 1).locator("[data-serial]").wait_for()
    assert {url for url in asked if not url.startswith("data:")} == {
        server.address, *(server.address + name for name in ASSETS if name != "page.html")}


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_has_no_sideways_scrolling(new_page, server, width):
    page = new_page(viewport={"width": width, "height": 900})
    page.goto(server.address)
    side(page, 1).locator("[data-serial]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(new_page, server):
    page = open_page(new_page, server)
    for role in ("button", "combobox", "spinbutton", "slider", "textbox", "img"):
        for control in page.get_by_role(role).all():
            snapshot = control.aria_snapshot()
            assert re.match(rf"- '?{role} \".+\"", snapshot), snapshot
