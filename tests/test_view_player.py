"""The player of recorded runs, the widget of notebooks, and the files that both are made of."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import pytest
from canned_machine import CannedMachine, run
from shown_machine import reached, tile

from rainforest_model.errors import InputError
from rainforest_model.view import ASSETS, asset, player

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
