"""The machine view in a real browser: it shows what the frames hold, and says what the user does."""

from __future__ import annotations

import itertools
import logging
import math
import re

import pytest
from canned_machine import PAPER, STATES, CannedMachine, run
from shown_machine import COLOURS, GLUE, LETTERS, put, sent, tile

from rainforest_model.view import asset


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
