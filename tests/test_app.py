"""The interactive page as a whole: the real server and simulation behind it, a real browser before it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request

import pytest

from rainforest_model import live
from rainforest_model.live.overlays import overlays
from rainforest_model.live.pair import Pair, default
from rainforest_model.live.server import LiveApplication, listen
from rainforest_model.view import player

DESK = {"viewport": {"width": 1300, "height": 1000}}


@pytest.fixture(scope="module")
def address():
    """A running server's page."""
    ready, box = threading.Event(), {}

    async def main():
        application = LiveApplication()
        server, port = listen(application)
        box.update(address=f"http://127.0.0.1:{port}/", loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        await box["stop"].wait()
        server.stop()
        await server.close_all_connections()
        application.shut_down()

    Pair(default()).step()  # compiled before anybody waits
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(30)
    yield box["address"]
    box["loop"].call_soon_threadsafe(box["stop"].set)
    thread.join()


@pytest.fixture
def open_page(new_page, address):
    """Opens the page, each time as another user."""

    def opened(fragment=""):
        page = new_page(**DESK)
        page.goto(address + fragment)
        settled(page)
        return page

    return opened


def side(page, number):
    return page.locator(f"[data-side='{number}']")


def settled(page) -> None:
    """Wait until both sides are painted and time stands still."""
    for number in range(2):
        side(page, number).locator("[data-serial]").wait_for()
    page.locator(".step:enabled").wait_for()


def api(page, number) -> dict:
    """What the server says of a side of this page."""
    session = page.locator("#controls").get_attribute("data-session")
    origin = page.url.split("#")[0]
    with urllib.request.urlopen(f"{origin}api/state?session={session}&side={number}") as answer:
        return json.load(answer)


def shown(page, number) -> dict:
    """What a side of the page shows, in the words of a frame."""
    place = side(page, number)

    def value(selector):
        text = place.locator(selector).get_attribute("data-value")
        return float(text) if text else None

    cells = place.locator(".cell").evaluate_all("""all => all.map(cell => {
        const tile = cell.querySelector("[data-core]");
        return [Number(tile.dataset.core), Number(cell.dataset.owner), tile.getAttribute("aria-label").split(": ")[1]];
    })""")
    shares = place.locator(".legend .value").evaluate_all("all => all.map(e => Number(e.dataset.value))")
    return {
        "serial": int(place.locator("[data-serial]").get_attribute("data-serial")), "time": value("[data-id='time']"),
        "total": {which: value(f"[data-id='{which}']") for which in ("p50", "p99", "n")},
        "owner": [owner for _, owner, _ in sorted(cells)], "state": [words for *_, words in sorted(cells)],
        "share": shares,
    }


def agree(page) -> list[dict]:
    """The numbers of both sides, when what is shown and what the server says are the same."""
    for _ in range(400):
        told = [api(page, number) for number in range(2)]
        if all(shown(page, number)["serial"] == told[number]["serial"] for number in range(2)):
            break
        page.wait_for_timeout(50)
    found = [shown(page, number) for number in range(2)]
    for frame, seen in zip(told, found, strict=True):
        words = ["computing", "in a lock", "spinning", "waiting for a shootdown", "idle", "off"]
        assert seen == {key: frame[key] for key in seen} | {"state": [words[state] for state in frame["state"]]}
    return found


def lasting(seen: list[dict]) -> list[dict]:
    """Without the number of the frame, which counts from the opening of the page on."""
    return [{key: value for key, value in frame.items() if key != "serial"} for frame in seen]


def step(page, times=1) -> None:
    for _ in range(times):
        before = api(page, 0)["time"]
        page.get_by_role("button", name="Step").click()
        wait(page, lambda before=before: api(page, 0)["time"] > before)


def wait(page, condition) -> None:
    for _ in range(1200):
        if condition():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it does not come")


def test_steps_and_runs_show_the_numbers_of_the_server(open_page):
    page = open_page()
    first = agree(page)
    step(page, 2)
    second = agree(page)
    assert [frame["time"] for frame in first] == [0, 0]
    assert second[0]["time"] == second[1]["time"] > 0
    page.get_by_role("button", name="Run").click()
    wait(page, lambda: api(page, 0)["time"] > 3000)
    page.get_by_role("button", name="Pause").click()
    page.locator(".step:enabled").wait_for()
    third = agree(page)
    assert third[0]["time"] == third[1]["time"] > 3000
    page.wait_for_timeout(300)
    assert agree(page) == third
    assert all(frame["total"]["n"] > 1000 for frame in third)
    assert sum(third[1]["share"]) == pytest.approx(1)
    for number in range(2):
        side(page, number).locator("summary").click()
        side(page, number).locator("tbody tr").first.wait_for()
        times = side(page, number).locator("tbody th").evaluate_all("all => all.map(e => Number(e.dataset.value))")
        assert times == [1000.0 * k for k in range(len(times), 0, -1)]  # every window once
        assert len(times) == third[0]["time"] // 1000


def test_cores_change_hands_on_one_side_only(open_page):
    page = open_page()
    step(page)
    before = agree(page)
    side(page, 1).locator("[data-core='1']").press("5")
    side(page, 1).get_by_text("Core 1 is now with subOS 5.").wait_for()
    side(page, 1).locator(".card[data-owner='2'] .less").click()
    wait(page, lambda: -1 in api(page, 1)["owner"])
    after = agree(page)
    assert after[0]["owner"] == before[0]["owner"] == [0] * 12
    wanted = list(before[1]["owner"])
    wanted[1], wanted[5] = 5, -1
    assert after[1]["owner"] == wanted
    assert after[1]["state"][5] == "off"
    counts = side(page, 1).locator(".card .count").all_text_contents()
    assert counts == ["1 core", "2 cores", "1 core", "2 cores", "2 cores", "3 cores", "1 core"]
    step(page, 2)
    assert agree(page)[1]["owner"] == wanted


def test_a_choice_begins_anew_and_brings_the_papers_numbers(open_page):
    page = open_page()
    step(page)
    form = side(page, 1).locator("form")
    form.locator("[name='workload']").select_option("search")
    side(page, 1).locator("header", has_text="search on S-A").wait_for()
    wait(page, lambda: api(page, 0)["time"] == 0)
    agree(page)
    for number, system in enumerate(live.SYSTEMS):
        asked = live.configuration(system=system, workload="search", load=300, cores=12)
        stated = [(item["claim"], item["value"]) for item in overlays(asked)]
        assert stated
        labels = side(page, number).locator(".chart text[data-claim]").all()
        found = [(each.get_attribute("data-claim"), float(each.get_attribute("data-value"))) for each in labels]
        assert found == stated
        # Both sides have the same arrivals, or nothing could be compared.
        assert side(page, number).locator("[name='load']").input_value() == "300"
    form.locator("[name='cores']").fill("6")
    form.locator("[name='cores']").press("Tab")
    wait(page, lambda: len(api(page, 1)["owner"]) == 6)
    wait(page, lambda: side(page, 1).locator(".tile").count() == 6)
    assert form.locator("[name='cores']").input_value() == "6"
    agree(page)


def test_a_choice_that_does_not_fit_is_told_and_changes_nothing(open_page):
    page = open_page()
    step(page)
    before = agree(page)
    cores = side(page, 0).locator("[name='cores']")
    cores.fill("7")
    cores.press("Tab")
    load = side(page, 0).locator("[name='load']")
    wait(page, lambda: len(api(page, 0)["owner"]) == 7)
    load.fill("2.5")
    load.press("Tab")
    side(page, 0).locator("[role=alert]", has_text="whole number").wait_for()
    after = agree(page)
    assert len(after[0]["owner"]) == 7
    assert after[1]["owner"] == before[1]["owner"]


def test_two_browsers_do_not_disturb_each_other(open_page):
    mine, yours = open_page(), open_page()
    step(yours)
    still = agree(yours)
    mine.get_by_role("button", name="Run").click()
    side(mine, 1).locator("[data-core='0']").press("-")
    wait(mine, lambda: api(mine, 1)["owner"][0] == -1 and api(mine, 1)["time"] > 2000)
    assert agree(yours) == still
    mine.get_by_role("button", name="Pause").click()
    mine.locator(".step:enabled").wait_for()
    apart = agree(mine)
    assert apart[1]["owner"] != still[1]["owner"]
    step(yours)
    assert agree(mine) == apart


def test_a_link_restores_the_same_numbers(open_page):
    page = open_page()
    step(page, 3)
    side(page, 1).locator("[data-core='1']").press("5")
    side(page, 1).get_by_text("Core 1 is now with subOS 5.").wait_for()
    step(page, 7)
    side(page, 1).locator("[data-core='2']").press("-")
    wait(page, lambda: api(page, 1)["owner"][2] == -1)
    step(page)
    seen = lasting(agree(page))
    speed = page.locator(".speed output").text_content()
    page.wait_for_timeout(700)  # the address follows after half a second
    link = page.url.split("#")[1]
    assert page.locator("#link").input_value() == page.url

    page.reload()
    settled(page)
    page.get_by_text("connected", exact=True).wait_for()
    assert lasting(agree(page)) == seen
    elsewhere = open_page(f"#{link}")
    elsewhere.get_by_text("connected", exact=True).wait_for()
    assert lasting(agree(elsewhere)) == seen
    assert elsewhere.locator(".speed output").text_content() == speed
    for each in (page, elsewhere):  # and both go on alike
        step(each)
    assert lasting(agree(page))[0]["owner"] == lasting(agree(elsewhere))[0]["owner"]


@pytest.mark.parametrize("broken", ["nonsense", "r1.AAAA", "r9.abc", "%3Cscript%3E"])
def test_a_broken_link_shows_the_default_and_says_so(open_page, broken):
    page = open_page(f"#{broken}")
    page.locator("#error", has_text="link").wait_for()
    found = agree(page)
    assert [frame["time"] for frame in found] == [0, 0]
    titles = [side(page, number).locator("h2").text_content() for number in range(2)]
    assert titles[0].startswith("Linux")
    assert titles[1].startswith("RainForest")
    step(page)
    assert agree(page)[0]["time"] > 0


def test_a_recorded_run_shows_what_was_simulated(tmp_path, new_page):
    run = live.record(default()[1], 12)
    path = tmp_path / "run.html"
    path.write_text(player(**run), encoding="utf-8")
    page = new_page(offline=True)
    page.goto(path.as_uri())
    page.get_by_role("slider").fill("11")
    last = run["frames"][-1]
    page.wait_for_selector(f"[data-serial='{last['serial']}']")
    for which, value in last["total"].items():
        assert float(page.locator(f"[data-id='{which}']").get_attribute("data-value")) == value
    owners = page.locator(".cell").evaluate_all(
        "all => all.map(e => [Number(e.querySelector('[data-core]').dataset.core), Number(e.dataset.owner)])")
    assert [owner for _, owner in sorted(owners)] == last["owner"]
