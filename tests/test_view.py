"""The machine view in a real browser: it shows what the frames hold, and says what the user does."""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
import subprocess
import sys

import pytest
from canned_machine import PAPER, STATES, CannedMachine, run
from canned_server import LINK, serving

from rainforest_model.errors import InputError
from rainforest_model.view import ASSETS, asset, player

LETTERS = dict(zip(STATES, "CLSW·×", strict=True))
COLOURS = {  # Okabe and Ito's
    "computing": "rgb(0, 158, 115)", "in a lock": "rgb(0, 114, 178)", "spinning": "rgb(213, 94, 0)",
    "waiting for a shootdown": "rgb(204, 121, 167)",
}
GLUE = """
window.sent = [];
window.view = (layout, frame, history = []) => {
  const el = document.createElement("div");
  document.body.append(el);
  const model = new Model({ machine: layout, frame, history }, (message) => window.sent.push(message));
  machineView({ model, el });
  return model;
};
"""


@pytest.fixture
def show(new_page):
    """Draws a machine alone on an empty page; gives the page, with the view's model as ``window.model``."""

    def draw(machine, history=(), **options):
        page = new_page(**{"viewport": {"width": 760, "height": 1100}} | options)
        page.set_content("<!DOCTYPE html><title>view</title><link rel='icon' href='data:,'>")
        page.add_script_tag(type="module", content=asset("machine_view.js") + GLUE)
        layout = machine.layout()
        page.wait_for_function("typeof window.view === 'function'")
        page.evaluate("([layout, frame, history]) => { window.model = view(layout, frame, history) }",
                      [layout, machine.frame(), list(history)])
        page.wait_for_selector("[data-serial]")
        return page

    return draw


def put(page, frame) -> None:
    """Show a frame and wait until it is painted."""
    page.evaluate("frame => model.set('frame', frame)", frame)
    page.wait_for_selector(f"[data-serial='{frame['serial']}']")


def reached(page, place, serial) -> None:
    """Wait until a running machine has come to a frame, or past it."""
    for _ in range(1500):
        if int(place.locator("[data-serial]").get_attribute("data-serial")) >= serial:
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"no frame {serial}")


def sent(page) -> list[dict]:
    """What the view said, and forget it."""
    return page.evaluate("window.sent.splice(0)")


def tile(page, core):
    return page.locator(f"[data-core='{core}']")


# --- what a frame shows -----------------------------------------------------------------------------------


def test_every_core_has_the_colour_the_letter_and_the_words_of_its_state(show):
    machine = CannedMachine(instances=3)
    machine.move(7, -1)
    page = show(machine)
    looks = {}
    for frame in run(machine, 6):
        put(page, frame)
        for core, (state, owner) in enumerate(zip(frame["state"], frame["owner"], strict=True)):
            words, name = STATES[state], f"subOS {owner}" if owner >= 0 else "the pool"
            assert tile(page, core).get_attribute("aria-label") == f"core {core}, {name}: {words}"
            assert tile(page, core).locator(".letter").text_content() == LETTERS[words]
            style = tile(page, core).evaluate(
                "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).backgroundImage]")
            looks[words] = tuple(style)
    assert set(looks) == set(STATES)
    assert {words: colour for words, (colour, _) in looks.items() if words in COLOURS} == COLOURS
    assert len(set(looks.values())) == len(STATES)
    patterns = [pattern for words, (_, pattern) in looks.items() if words not in ("computing", "idle")]
    assert len(set(patterns)) == len(patterns) == 4  # told apart without colours, too
    assert "none" not in patterns


def test_borders_lie_exactly_where_the_owner_changes(show):
    machine = CannedMachine(sockets=4, cores=10, instances=5)
    page = show(machine)
    for core, to in ((13, 0), (26, -1), (39, 1), (0, 4)):
        machine.move(core, to)
    frame = machine.frame()
    put(page, frame)
    boxes = page.locator(".cell").evaluate_all("""cells => cells.map(cell => {
        const box = cell.getBoundingClientRect();
        const grid = cell.closest(".socket").getAttribute("aria-label");
        return {x: box.x, y: box.y, width: box.width, height: box.height, grid,
                core: Number(cell.querySelector("[data-core]").dataset.core), sides: cell.dataset.borders.split(" ")};
    })""")
    assert len(boxes) == 40
    beside = 0
    for one, other in itertools.permutations(boxes, 2):
        if one["grid"] != other["grid"]:
            continue
        right, below = other["x"] - one["x"], other["y"] - one["y"]
        for near, far, side in ((right, below, "r"), (below, right, "b")):
            if 0 < near < 70 and abs(far) < 10:
                beside += 1
                apart = frame["owner"][one["core"]] != frame["owner"][other["core"]]
                assert (side in one["sides"]) == apart
    assert beside == 4 * (2 * 4 + 5)


def test_shares_and_totals_are_the_frames_numbers(show):
    machine = CannedMachine()
    page = show(machine)
    for frame in run(machine, 3):
        put(page, frame)
        for state, share in zip(STATES, frame["share"], strict=True):
            value = page.locator(f".legend [data-state='{state}'] .value")
            assert float(value.get_attribute("data-value")) == share
            assert value.text_content() == f"{round(100 * share)} %"
        widths = page.locator(".part").evaluate_all("parts => parts.map(part => part.getBoundingClientRect().width)")
        assert [width / sum(widths) for width in widths] == pytest.approx(frame["share"], abs=0.005)
        for id, value in (*frame["total"].items(), ("time", frame["time"])):
            assert float(page.locator(f"[data-id='{id}']").get_attribute("data-value")) == value
        assert page.locator("[data-id='p99']").text_content() == f"{frame['total']['p99']:.3g} µs"


def test_no_number_is_a_dash(show):
    page = show(CannedMachine(paper=[]))
    assert page.locator("[data-id='p99']").text_content() == "– µs"
    assert "no window has ended yet" in page.locator(".chart").get_attribute("aria-label")
    assert page.locator(".chart .empty").count() == 1


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_letters_stand_out_from_their_colours(show, color_scheme):
    """Contrast of 4.5 for the small figures, as WCAG 2.2 (1.4.3) asks; on blue white, else black."""
    machine = CannedMachine(instances=3)
    machine.move(7, -1)
    page = show(machine, color_scheme=color_scheme)

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    seen = set()
    for frame in run(machine, 5):
        put(page, frame)
        colours = page.locator(".tile .core").evaluate_all(
            "all => all.map(e => [e, getComputedStyle(e)])"
            ".map(([e, style]) => [style.color, style.backgroundColor, e.parentNode.dataset.look])")
        for ink, ground, look in colours:
            low, high = sorted((luminance(ink), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (look, ink, ground)
            seen.add(look)
    assert len(seen) == 6


def test_names_are_text_and_never_markup(show):
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    machine = CannedMachine(title=evil, workload=evil, paper=[{"claim": evil, "label": evil, "value": 5.0}])
    page = show(machine, history=[machine.tail(1)])
    assert page.locator("h2").text_content() == evil
    assert page.locator("img, b").count() == 0


def test_an_unknown_state_of_a_later_version_is_still_shown(show):
    machine = CannedMachine()
    layout = machine.layout() | {"states": [*STATES[:4], "migrating", "off"]}
    machine.layout = lambda: layout
    page = show(machine)
    put(page, machine.frame() | {"serial": 9, "state": [4] * 12})
    assert tile(page, 0).locator(".letter").text_content() == "M"


# --- the chart --------------------------------------------------------------------------------------------


def test_the_table_of_the_chart_has_the_windows_newest_first(show):
    machine = CannedMachine()
    history = [machine.tail(number) for number in range(1, 5)]
    page = show(machine, history)
    machine.time = machine.before = 400.0
    (frame,) = run(machine, 1)
    put(page, frame)
    page.locator("summary").click()
    page.locator("tbody tr").first.wait_for()
    cells = page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => Number(cell.dataset.value)))")
    wanted = [[point["time"], point["p99"], point["p50"], point["n"]] for point in [*history, frame["window"]]]
    assert cells == wanted[::-1]


def test_a_window_is_appended_once_even_if_its_frame_comes_twice(show):
    machine = CannedMachine()
    page = show(machine)
    (frame,) = run(machine, 1)
    put(page, frame)
    put(page, frame)
    assert page.evaluate("model.get('history').length") == 1


def test_points_and_the_papers_lines_lie_on_one_logarithmic_scale(show):
    machine = CannedMachine()
    history = [machine.tail(number) for number in range(1, 12)]
    page = show(machine, history)
    points = page.locator("circle.p99").evaluate_all(
        "all => all.map(e => [Number(e.getAttribute('cx')), Number(e.getAttribute('cy'))])")
    assert len(points) == len(history)
    (x0, y0), (x1, y1) = points[0], points[4]
    first, last = history[0], history[4]
    a_decade = (y0 - y1) / math.log10(last["p99"] / first["p99"])
    assert a_decade > 0
    for (x, y), point in zip(points, history, strict=True):
        assert y0 - y == pytest.approx(a_decade * math.log10(point["p99"] / first["p99"]), abs=0.2)
        assert (x - x0) / (x1 - x0) == pytest.approx((point["time"] - first["time"]) / (last["time"] - first["time"]))
    lines = page.locator(".paper line").evaluate_all("all => all.map(e => Number(e.getAttribute('y1')))")
    for y, item in zip(lines, PAPER, strict=True):
        assert y0 - y == pytest.approx(a_decade * math.log10(item["value"] / first["p99"]), abs=0.2)
    labels = page.locator(".chart text[data-claim]").all()
    assert [float(label.get_attribute("data-value")) for label in labels] == [item["value"] for item in PAPER]
    assert all(item["label"] in label.text_content() for label, item in zip(labels, PAPER, strict=True))
    heights = [label.bounding_box()["y"] for label in labels]
    assert abs(heights[0] - heights[1]) >= 12  # neither covers the other
    described = page.locator(".chart").get_attribute("aria-label")
    assert f"99th percentile {history[-1]['p99']:.3g} µs" in described
    assert "paper: 99th percentile: 40 µs" in described


def test_a_long_chart_keeps_its_peaks(show):
    machine = CannedMachine(paper=[])
    history = [{"time": float(k), "p50": 1.0, "p99": 2.0, "n": 1} for k in range(1, 20_001)]
    history[7777]["p99"] = 900.0
    page = show(machine, history)
    path = page.locator("path.p99").get_attribute("d")
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert len(heights) < 1000
    assert sum(y < min(heights) + 1 for y in heights) == 1
    assert max(heights) - min(heights) > 100


# --- what the user does -----------------------------------------------------------------------------------


def test_choose_a_core_then_where_it_goes(show):
    page = show(CannedMachine(instances=3))
    assert page.locator(".here:visible").count() == 0
    tile(page, 2).click()
    assert tile(page, 2).get_attribute("aria-pressed") == "true"
    offers = page.locator(".here:visible").all_text_contents()
    assert offers == ["move core 2 here", "move core 2 here", "return core 2"]
    page.locator(".card[data-owner='1'] .here").click()
    assert sent(page) == [{"type": "move", "core": 2, "to": 1}]
    assert page.locator(".here:visible").count() == 0
    assert "pending" in tile(page, 2).get_attribute("class")


def test_a_core_is_pending_until_it_has_moved(show):
    machine = CannedMachine(instances=3)
    page = show(machine)
    tile(page, 2).press("1")
    assert sent(page) == [{"type": "move", "core": 2, "to": 1}]
    (before,) = run(machine, 1)
    put(page, before)
    assert "pending" in tile(page, 2).get_attribute("class")
    machine.move(2, 1)
    put(page, machine.frame())
    assert "pending" not in tile(page, 2).get_attribute("class")
    assert page.locator(".words").text_content() == "Core 2 is now with subOS 1."
    assert tile(page, 2).evaluate("e => e === e.getRootNode().activeElement")  # new borders leave the focus alone
    assert page.locator(".card .count").all_text_contents() == ["3 cores", "5 cores", "4 cores", "0 cores"]


def test_an_error_is_told_and_nothing_is_pending_any_more(show):
    page = show(CannedMachine(instances=3))
    tile(page, 2).press("1")
    page.evaluate("model.emit('msg:custom', {type: 'error', text: 'core = 2: <i>an instance</i> keeps its last core'})")
    assert page.locator("[role=alert]").text_content() == "core = 2: <i>an instance</i> keeps its last core"
    assert "pending" not in tile(page, 2).get_attribute("class")


def test_plus_and_minus_add_a_core_of_the_pool_and_take_one(show):
    machine = CannedMachine(instances=3)
    page = show(machine)
    assert page.locator(".more:enabled").count() == 0  # the pool is empty
    page.locator(".card[data-owner='1'] .less").click()
    assert sent(page) == [{"type": "move", "core": 7, "to": -1}]
    machine.move(7, -1)
    put(page, machine.frame())
    page.locator(".card[data-owner='2'] .more").click()
    assert sent(page) == [{"type": "move", "core": 7, "to": 2}]


def test_two_clicks_take_two_cores_before_the_first_is_gone(show):
    page = show(CannedMachine(instances=3))
    for _ in range(2):
        page.locator(".card[data-owner='1'] .less").click()
    assert [message["core"] for message in sent(page)] == [7, 6]


def test_an_instance_is_given_a_core_of_a_socket_where_it_is(show):
    machine = CannedMachine(instances=3)
    for core in (1, 10):
        machine.move(core, -1)
    page = show(machine)
    for instance, core in ((2, 10), (0, 1)):
        page.locator(f".card[data-owner='{instance}'] .more").click()
        assert sent(page) == [{"type": "move", "core": core, "to": instance}]


@pytest.mark.parametrize("target", ["[data-core='11']", ".card[data-owner='2']"])
def test_drag_a_core_across_a_border(show, target):
    page = show(CannedMachine(instances=3))
    start, end = tile(page, 0).bounding_box(), page.locator(target).bounding_box()
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 15, end["y"] + 15, steps=5)
    assert page.locator(".aimed").get_attribute("data-owner") == "2"
    page.mouse.up()
    assert sent(page) == [{"type": "move", "core": 0, "to": 2}]
    assert page.locator(".ghost, .aimed, [aria-pressed='true']").count() == 0


@pytest.mark.parametrize("target", ["[data-core='1']", "h2"])
def test_a_drag_that_ends_at_home_or_nowhere_moves_nothing(show, target):
    page = show(CannedMachine(instances=3))
    tile(page, 0).drag_to(page.locator(target))
    assert sent(page) == []
    assert page.locator(".ghost, .aimed, .pending").count() == 0


def test_arrows_go_from_core_to_core_and_tab_stops_once(show):
    page = show(CannedMachine(sockets=2, cores=6, instances=3))
    focused = "document.querySelector('div').shadowRoot.activeElement?.dataset.core"
    page.keyboard.press("Tab")
    seen = [page.evaluate(focused)]
    for key in ("Right", "Down", "Right", "Right", "Up", "Left", "Home", "End", "Right"):
        page.keyboard.press(key if key in ("Home", "End") else f"Arrow{key}")
        seen.append(page.evaluate(focused))
    assert seen == ["0", "1", "4", "5", "9", "6", "2", "0", "11", "11"]
    assert page.locator(".tile[tabindex='0']").count() == 1
    outline = tile(page, 11).evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
    assert outline == "solid3px"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) is None
    assert page.evaluate("document.querySelector('div').shadowRoot.activeElement.className") == "less"


@pytest.mark.parametrize(("key", "to"), [("2", 2), ("+", 1), ("-", -1), ("Delete", -1)])
def test_keys_move_the_core_that_has_the_focus(show, key, to):
    page = show(CannedMachine(instances=3))
    tile(page, 3).press(key)
    assert sent(page) == [{"type": "move", "core": 3, "to": to}]


def test_instances_of_two_digits_are_typed_in_two(show):
    page = show(CannedMachine(sockets=4, cores=10, instances=13))
    tile(page, 0).press("1")
    assert sent(page) == []  # 1 could be the beginning of 12
    tile(page, 0).press("2")
    assert sent(page) == [{"type": "move", "core": 0, "to": 12}]
    page.evaluate("model.emit('msg:custom', {type: 'error', text: 'refused'})")
    tile(page, 0).press("1")
    tile(page, 0).press("ArrowRight")  # what was typed on one core does not move another
    page.wait_for_function("window.sent.length")
    assert sent(page) == [{"type": "move", "core": 0, "to": 1}]


def test_what_cannot_be_moved_is_told_and_not_sent(show):
    page = show(CannedMachine(instances=3))
    tile(page, 0).press("7")
    assert page.locator("[role=alert]").text_content() == "There is no instance 7."
    tile(page, 0).press("0")
    assert page.locator("[role=alert]").text_content() == "Core 0 is already with subOS 0."
    linux = show(CannedMachine(instances=1))
    tile(linux, 0).press("-")
    assert "none can move" in linux.locator("[role=alert]").text_content()
    assert linux.locator(".card:visible, .here:visible").count() == 0
    assert sent(page) == sent(linux) == []


# --- size and speed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 6, 3), (4, 10, 4), (2, 6, 1)])
def test_everything_fits_a_narrow_phone(show, shape):
    machine = CannedMachine(*shape)
    page = show(machine, [machine.tail(number) for number in range(1, 9)], viewport={"width": 360, "height": 740})
    tile(page, 2).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    outside = page.locator(".tile, .card, .card button, .legend li, .value, .chart, .chart text").evaluate_all(
        "all => all.map(e => [e, e.getBoundingClientRect()])"
        ".filter(([e, box]) => box.width && (box.left < -0.5 || box.right > 360.5)).map(([e]) => e.outerHTML)")
    assert outside == []
    smallest = page.locator(".tile").evaluate_all("all => Math.min(...all.map(e => e.getBoundingClientRect().width))")
    assert smallest >= 32


def test_two_machines_of_40_cores_are_painted_ten_times_a_second(show, record_property):
    machine = CannedMachine(sockets=4, cores=10, instances=4)
    page = show(machine)
    frames = run(machine, 40)
    slices = page.evaluate("""async ([layout, frames]) => {
        const models = [model, view(layout, frames[0])];
        const roots = [...document.querySelectorAll("div")].map(e => e.shadowRoot);
        const rates = [];
        let serial = 1000;
        for (let slice = 0; slice < 3; slice++) {
            const begun = performance.now();
            let painted = 0;
            while (performance.now() < begun + 1000) {
                serial += 1;
                for (const each of models) each.set("frame", {...frames[serial % frames.length], serial});
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
                if (roots.every(root => root.querySelector("[data-serial]").dataset.serial == serial)) painted += 1;
            }
            rates.push(1000 * painted / (performance.now() - begun));
        }
        return rates;
    }""", [machine.layout(), frames])
    painted = max(slices)  # others may use the machine, too
    record_property("frames_per_second", painted)
    logging.getLogger(__name__).info("two machines of 40 cores: %.0f frames painted in a second", painted)
    assert painted >= 10


# --- the page ---------------------------------------------------------------------------------------------


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


# --- the player -------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path, new_page):
    """A recorded run, opened from its file; pages may ask for nothing."""
    machine = CannedMachine(instances=3)
    history = [machine.tail(0) | {"time": 50.0}]
    frames = run(machine, 30)
    path = tmp_path / "run.html"
    path.write_text(player(machine.layout(), frames, history), encoding="utf-8")
    page = new_page(viewport={"width": 800, "height": 900}, offline=True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("[data-serial]")
    yield page, frames, history
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


def test_a_recorded_run_plays_pauses_and_steps(recorded):
    page, frames, _ = recorded
    assert page.locator("[data-id='time']").get_attribute("data-value") == "100"
    page.get_by_role("button", name="Step").click()
    page.wait_for_selector("[data-serial='2']")
    page.get_by_label("frames a second").select_option("20")
    page.get_by_role("button", name="Run").click()
    reached(page, page, 8)
    page.get_by_role("button", name="Pause").click()
    at = page.get_by_role("slider").input_value()
    page.wait_for_timeout(300)
    assert page.get_by_role("slider").input_value() == at
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector(f"[data-serial='{frames[-1]['serial']}']")
    assert page.get_by_role("button", name="Run").is_visible()  # the end pauses it
    page.get_by_label("frames a second").select_option("2")
    page.get_by_role("button", name="Run").click()
    page.wait_for_selector("[data-id='time'][data-value='100']")  # from the beginning again


def test_seeking_shows_the_frame_and_the_chart_until_then(recorded):
    page, frames, history = recorded
    for at in (21, 3):
        page.get_by_role("slider").fill(str(at))
        page.wait_for_selector(f"[data-serial='{frames[at]['serial']}']")
        assert float(page.locator("[data-id='p99']").get_attribute("data-value")) == frames[at]["total"]["p99"]
        if page.locator("tbody tr").count() == 0:
            page.locator("summary").click()
            page.locator("tbody tr").first.wait_for()
        times = page.locator("tbody th").evaluate_all("all => all.map(e => Number(e.dataset.value))")
        assert times[::-1] == [history[0]["time"], *(frame["time"] for frame in frames[: at + 1])]
        assert f"frame {at + 1} of {len(frames)}" in page.get_by_role("slider").get_attribute("aria-valuetext")
    assert page.locator(".card .less").count() == 0  # nothing can be moved in a recording


def test_a_run_whose_history_is_whole_draws_each_window_once(tmp_path, new_page):
    machine = CannedMachine()
    frames = run(machine, 5)
    path = tmp_path / "run.html"
    path.write_text(player(machine.layout(), frames, machine.history), encoding="utf-8")
    page = new_page()
    page.goto(path.as_uri())
    page.get_by_role("slider").fill("4")
    page.wait_for_selector("[data-serial='5']")
    assert page.locator("circle.p99").count() == 5


def test_a_damaged_recording_says_so(tmp_path, new_page):
    machine = CannedMachine()
    text = player(machine.layout(), run(machine, 5))
    path = tmp_path / "run.html"
    path.write_text(re.sub(r'(id="record">.{40}).{40}', r"\1", text), encoding="utf-8")
    page = new_page()
    page.goto(path.as_uri())
    page.get_by_text("cannot be read").wait_for()


def test_equal_runs_give_equal_files_and_markup_in_names_is_harmless():
    evil = "</script></title><script>alert(1)</script>"
    pages = set()
    for _ in range(2):
        machine = CannedMachine(title=evil)
        pages.add(player(machine.layout(), run(machine, 3)))
    (page,) = pages
    assert evil not in page
    assert "<script>alert" not in page
    assert page.count("</script") == 2


def test_a_run_without_frames_is_refused():
    with pytest.raises(InputError, match="at least one frame"):
        player(CannedMachine().layout(), [])


# --- the widget -------------------------------------------------------------------------------------------


@pytest.fixture
def widget():
    """A widget that keeps what it sends instead of sending it."""
    from rainforest_model.view import MachineView

    class Kept(MachineView):
        def send(self, content, buffers=None):
            said.append(content)

    said = []
    made = Kept(CannedMachine(instances=3), speed_us=100)
    made.said = said
    return made


def say(widget, **message):
    widget._handle_custom_msg(message, [])


def test_a_step_simulates_a_frames_time_and_shows_it(widget):
    say(widget, type="step")
    assert (widget.frame["time"], widget.frame["serial"], widget.frame["running"]) == (100.0, 1, False)
    assert widget.history == [widget.frame["window"]]
    say(widget, type="speed", value=250)
    say(widget, type="step")
    assert widget.frame["time"] == 350.0


def test_windows_that_ended_out_of_sight_come_all_at_once(widget):
    machine = widget._session
    say(widget, type="step")
    sent = []
    widget.observe(lambda change: sent.append(list(change.new)), "history")
    run(machine, 4)
    widget.refresh()
    assert sent == [machine.history]
    assert widget.frame["window"] is None  # or it would be drawn twice
    say(widget, type="step")
    assert widget.frame["window"] == machine.history[-1]
    assert widget.history == machine.history
    assert len(sent) == 1


def test_a_run_goes_on_with_each_frame_that_was_painted(widget):
    say(widget, type="run")
    assert (widget.frame["serial"], widget.frame["running"]) == (1, True)
    say(widget, type="painted", serial=1)
    say(widget, type="painted", serial=1)  # by a second view of the same widget
    assert widget.frame["serial"] == 2
    say(widget, type="pause")
    say(widget, type="painted", serial=2)
    assert (widget.frame["serial"], widget.frame["running"]) == (2, False)
    assert len(widget.history) == 2


def test_moves_and_refusals_reach_the_browser(widget):
    say(widget, type="move", core=2, to=1)
    assert widget.frame["owner"][2] == 1
    say(widget, type="run")
    say(widget, type="move", core=99, to=1)
    assert widget.said == [{"type": "error", "text": "move = (99, 1): there is no such core or instance"}]
    assert widget.frame["running"] is False


@pytest.mark.parametrize("value", [0, -5, 1e9, "fast", None, True, math.nan])
def test_a_speed_that_cannot_be_is_refused(widget, value):
    from rainforest_model.view import MachineView

    say(widget, type="speed", value=value)
    assert widget.speed["value"] == 100
    assert widget.said[0]["type"] == "error"
    with pytest.raises(InputError, match="µs a frame"):
        MachineView(CannedMachine(), speed_us=value)


def test_the_widget_and_its_view_work_together(widget, new_page):
    """The module as a notebook loads it: its default export, with a model that speaks to the Python object."""
    page = new_page(viewport={"width": 800, "height": 1000})

    def answer(message):
        before = len(widget.said)
        say(widget, **message)
        return {"frame": widget.frame, "said": widget.said[before:]}

    page.expose_function("answer", answer)
    page.set_content("<!DOCTYPE html><title>cell</title><link rel='icon' href='data:,'><div id='cell'></div>")
    glue = """
    ;{ const widget = __default;
    window.begin = (traits) => {
      const model = new Model(traits, async (message) => {
        const { frame, said } = await window.answer(message);
        for (const each of said) model.emit("msg:custom", each);
        model.set("frame", frame);
      });
      widget.render({ model, el: document.getElementById("cell") });
    }; }"""
    module = asset("machine_view.js").replace("export default {", "const __default = {", 1)
    page.add_script_tag(type="module", content=module + glue)
    page.wait_for_function("typeof window.begin === 'function'")
    page.evaluate("begin", {"machine": widget.machine, "frame": widget.frame, "speed": widget.speed})
    page.get_by_role("button", name="Step").click()
    page.wait_for_selector("[data-serial='1']")
    page.get_by_role("button", name="Run").click()
    reached(page, page, 6)
    page.get_by_role("button", name="Pause").click()
    page.locator(".step:enabled").wait_for()
    assert not widget.frame["running"]
    tile(page, 0).press("2")
    page.get_by_text("Core 0 is now with subOS 2.").wait_for()
    assert widget.frame["owner"][0] == 2


# --- the files --------------------------------------------------------------------------------------------


def test_the_view_is_imported_without_a_notebook():
    program = ("import sys, rainforest_model.view; "
               "print([name for name in ('anywidget', 'traitlets', 'tornado', 'numpy') if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_without_anywidget_the_widget_says_what_to_install(monkeypatch):
    import rainforest_model.view

    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "rainforest_model.view.widget", raising=False)
    with pytest.raises(InputError, match=r"anywidget is not installed: pip install 'rainforest-model\[app\]'"):
        rainforest_model.view.MachineView  # noqa: B018


@pytest.mark.parametrize("name", [*ASSETS, "player.js", "player.css"])
def test_scripts_and_styles_name_no_other_host(name):
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", asset(name))
    assert set(found) <= {"http://www.w3.org/2000/svg"}
    assert "innerHTML" not in asset(name)


def test_layouts_are_plain_json():
    machine = CannedMachine()
    frames = run(machine, 2)
    assert json.loads(json.dumps(frames)) == frames
