"""The course: its tools, and that every lesson asks before it shows, answers in time and checks its own solutions."""

from __future__ import annotations

import os
import re
from pathlib import Path

import ipywidgets
import nbformat
import pytest

import rainforest_model
from rainforest_model import theory
from rainforest_model.book.client import Client
from rainforest_model.course import Choice, Number, Trial, Wrong, check, predict, predictions, reveal, sliders
from rainforest_model.course.checks import exercise, known
from rainforest_model.errors import InputError

LESSONS = sorted((Path(__file__).resolve().parents[1] / "notebooks" / "learn").glob("0[1-8]_*.ipynb"))
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>\n\n(.*?)</details>", re.DOTALL)
"""Folded in JupyterLab, on GitHub and in a static book, and not run by "Run All"; so the tests run it."""
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
PREDICTION = re.compile(r"(\w+) = predict\(")
MOST_CPU_S = 1.0
"""What a slider's answer may take here: twice what it may take a student, since others share the machine."""


# --- predictions ------------------------------------------------------------------------------------------


def test_nothing_is_revealed_before_a_prediction():
    guess = predict("How long?", unit="us")
    told = reveal(guess, 12.5, "Because of the lock.")
    assert "not predicted yet" in told.text
    assert "12.5" not in told.text
    assert "lock" not in told.text


def test_where_nobody_can_be_asked_the_value_is_folded(monkeypatch):
    monkeypatch.setenv(predictions.PRINTED, "1")
    told = reveal(predict("How long?", unit="us"), 12.5, "Because of the lock.").text
    assert told.startswith("<details><summary>")
    assert "It is **12.5 us**. Because of the lock." in told
    guess = predict("Which is slower?", ["Linux", "RainForest"])
    assert "It is **Linux**." in reveal(guess, "Linux").text
    guess.say("Linux")
    assert "so it is" in reveal(guess, "Linux").text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (100, "exactly so"),
        (110, "close"),
        (50, "the right order of magnitude, too little by a factor of 2"),
        ("1,000", "too much by a factor of 10"),
        (0, "100 too little"),
        (-5, "105 too little"),
    ],
)
def test_a_number_is_compared_by_its_factor(said, words):
    guess = predict("How long?", unit="us")
    guess.say(said)
    assert words in reveal(guess, 100).text


@pytest.mark.parametrize("nonsense", ["many", "", None, float("nan"), float("inf"), ...])
def test_what_is_no_number_is_no_prediction(nonsense):
    guess = predict("How long?", unit="us")
    assert "number" in guess.say(nonsense).text
    assert guess.guess is None


def test_a_choice_is_compared_with_what_came_true():
    guess = predict("Which is slower?", ["Linux", "RainForest"])
    assert "Choose" in guess.say("Xen").text
    assert guess.guess is None
    guess.say("Linux")
    assert "so it is" in reveal(guess, "Linux").text
    assert "it is **RainForest**" in reveal(guess, "RainForest").text


def test_a_question_needs_an_answer_of_one_kind():
    for wrong in ({}, {"options": ["a", "b"], "unit": "us"}, {"options": ["a"]}, {"options": ["a", "a"]}):
        with pytest.raises(InputError):
            predict("What?", **wrong)
    with pytest.raises(InputError):
        reveal(predict("Which?", ["a", "b"]), "c")


def parts(box) -> list:
    """All widgets inside of a box."""
    return [box] + [part for child in getattr(box, "children", ()) for part in parts(child)]


@pytest.mark.parametrize(
    ("question", "answer", "guess"), [({"unit": "us"}, "12", 12.0), ({"options": ["a", "b"]}, "b", "b")]
)
def test_a_click_commits_to_what_is_entered_and_to_nothing_before(question, answer, guess):
    asked = predict("What?", **question)
    widgets = parts(asked.widget())
    (button,) = [widget for widget in widgets if isinstance(widget, ipywidgets.Button)]
    (entry,) = [widget for widget in widgets if isinstance(widget, (ipywidgets.Text, ipywidgets.RadioButtons))]
    button.click()
    assert asked.guess is None
    assert not entry.disabled
    entry.value = answer
    assert asked.guess is None
    button.click()
    assert asked.guess == guess
    assert entry.disabled
    assert button.disabled


@pytest.mark.parametrize(("question", "guess"), [({"unit": "us"}, 12.0), ({"options": ["a", "b"]}, "b")])
def test_a_prediction_stays_when_its_cell_is_run_anew(question, guess, monkeypatch):
    monkeypatch.setattr(predictions, "_in_notebook", lambda: True)
    monkeypatch.setattr(predictions, "_kept", {})
    predict("What?", **question).say(guess)
    again = predict("What?", **question)
    assert again.guess == guess
    assert all(part.disabled for part in parts(again.widget()) if isinstance(part, ipywidgets.Button))
    assert again.guess == guess
    assert predict("What else?", **question).guess is None


# --- checks -----------------------------------------------------------------------------------------------


def number(**options) -> Number:
    return Number(lambda: 2.5, "us", **options)


@pytest.mark.parametrize(
    ("answer", "right", "words"),
    [
        (2.5, True, "It waits."),
        (2.52, True, "It waits."),
        ("2.5", True, "It waits."),
        (3.5, False, "too large"),
        (1.5, False, "too small"),
        (2500, False, "in us"),
        (0.0025, False, "in us"),
        (2.0, False, "forgot the wait"),
        ("much", False, "Not a number"),
        (float("nan"), False, "finite"),
        ([1], False, "Not a number"),
        (10**400, False, "Not a number"),
    ],
)
def test_a_number_is_judged_with_a_reason(answer, right, words):
    verdict = number(slips={"You forgot the wait.": lambda: 2.0}, why="It waits.").judge(answer)
    assert (bool(verdict), verdict.right) == (right, right)
    assert words in verdict.text
    assert right or "2.5" not in verdict.text


def test_a_letter_is_judged_with_what_speaks_against_it():
    asked = Choice({"a": "It is free.", "b": "All of them wait."}, right=lambda: "b")
    assert asked.judge(" B ").right
    assert asked.judge("a").text == "**Not yet.** It is free."
    assert "Not an option" in asked.judge("z").text
    assert "Not an option" in asked.judge(3).text


def test_a_trial_turns_whatever_is_raised_into_a_reason():
    def test(answer):
        if answer(1) < 0:
            raise Wrong("It must not be negative.")
        return "It works."

    asked = Trial(test)
    assert asked.judge(lambda x: x).text == "**Right.** It works."
    assert asked.judge(lambda x: -x).text == "**Not yet.** It must not be negative."
    assert "ZeroDivisionError" in asked.judge(lambda x: x / 0).text
    assert "TypeError" in asked.judge(12).text


def test_an_open_question_is_neither_right_nor_wrong():
    for id in known():
        for nothing in (None, ...):
            verdict = check(id, nothing)
            assert verdict.right is None
            assert "Not answered yet" in verdict.text


def test_an_unknown_exercise_is_named():
    with pytest.raises(InputError, match="no exercise"):
        check("01.nothing", 1)


@pytest.mark.parametrize("id", known())
def test_wrong_answers_fail(id):
    asked = exercise(id)
    if isinstance(asked, Number):
        right = asked.expected()
        assert asked.judge(right).right
        wrong = [right * 1.5 + 0.1, right / 2 - 0.1, right * 1000 + 1, "?"] + [slip() for slip in asked.slips.values()]
    elif isinstance(asked, Choice):
        assert asked.right() in asked.reasons
        assert asked.judge(asked.right()).right
        wrong = [letter for letter in asked.reasons if letter != asked.right()] + ["?"]
    else:
        wrong = [3, object(), lambda *_: None, type("Nothing", (), {})]
    for answer in wrong:
        assert asked.judge(answer).right is False


def test_a_mean_response_is_checked_against_theory():
    assert check("01.short_hold", theory.machine_repairman(2, 1.0, 0.1).response)


# --- sliders ----------------------------------------------------------------------------------------------


def test_a_slider_starts_at_the_default_and_answers_only_when_let_go(monkeypatch):
    displayed = []
    monkeypatch.setattr("ipywidgets.widgets.interaction.display", displayed.append)
    monkeypatch.setattr(sliders, "shown", {})

    def square(x=2, load=0.5, pages=4, kind="a"):
        return x * x

    sliders.slider(square, x=(1, 4), load=(0.1, 0.9, 0.1), pages=[1, 4, 16], kind=["a", "b"])
    box = displayed[-1]
    *controls, _ = box.children
    assert [control.value for control in controls] == [2, 0.5, 4, "a"]
    assert not any(getattr(control, "continuous_update", False) for control in controls)
    assert sliders.shown["square"].ends == {"x": (1, 4), "load": (0.1, 0.9), "pages": (1, 16), "kind": ("a", "b")}
    assert sliders.shown["square"].cpu_s() < MOST_CPU_S


@pytest.mark.parametrize("ranges", [{"y": (1, 2)}, {"x": (3, 4)}, {"x": 5}, {"x": [1, 3]}])
def test_a_slider_that_cannot_be_is_refused(ranges):
    def square(x=2):
        return x * x

    with pytest.raises(InputError):
        sliders.slider(square, **ranges)


# --- lessons as they are committed ------------------------------------------------------------------------


def lesson(path: Path) -> str:
    return path.stem


def read(path: Path) -> tuple[list, str, str]:
    """Cells, all code and all text of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return cells, code, "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", LESSONS, ids=lesson)
def test_a_lesson_says_how_long_it_takes_and_what_is_needed_and_where_to_go_on(path):
    cells, _, text = read(path)
    assert re.search(r"\d+ minutes", cells[0].source)
    assert "You will learn" in cells[0].source
    assert "You need" in cells[0].source
    assert "## Exercises" in text
    links = re.findall(r"\]\(([\w./]+\.(?:ipynb|md))\)", cells[-1].source)
    assert links
    assert all((path.parent / link).is_file() for link in links)


@pytest.mark.parametrize("path", LESSONS, ids=lesson)
def test_a_lesson_asks_before_it_shows(path):
    cells, code, _ = read(path)
    asked = {}
    for index, cell in enumerate(cells):
        if cell.cell_type == "code":
            for name in re.findall(r"reveal\(\s*(\w+),", cell.source):
                assert asked[name] < index, f"{name} is revealed in the cell that asks"
            asked |= {name: index for name in PREDICTION.findall(cell.source)}
    assert len(asked) >= 2
    assert sorted(asked) == sorted(set(re.findall(r"reveal\(\s*(\w+),", code)))
    assert "slider(" in code


@pytest.mark.parametrize("path", LESSONS, ids=lesson)
def test_a_lesson_has_exercises_with_folded_solutions_and_checks(path):
    _, code, text = read(path)
    assert text.count("### Exercise ") >= 3
    assert len(SOLUTION.findall(text)) == text.count("### Exercise ")
    checked = re.findall(r'check\("([\w.]+)", \w+\)', code)
    assert len(checked) >= 2
    number = path.stem[:2]
    assert sorted(checked) == sorted(id for id in known() if id.startswith(number))


# --- lessons, with the solutions in place -----------------------------------------------------------------


def solved(path: Path):
    """The notebook with a guess at each prediction, the code of each solution, and at the end the sliders' times."""
    notebook = nbformat.read(path, as_version=4)
    cells, solutions = [], []
    for cell in notebook.cells:
        cells.append(cell)
        for name in PREDICTION.findall(cell.source):
            cells.append(nbformat.v4.new_code_cell(f"{name}.say({name}.options[0] if {name}.options else 1)"))
        for solution in SOLUTION.findall(cell.source) if cell.cell_type == "markdown" else ():
            for source in PYTHON.findall(solution):
                cells.append(nbformat.v4.new_code_cell(source))
                solutions.append(cells[-1])
    timing = nbformat.v4.new_code_cell(
        "from rainforest_model.course import sliders\nprint({name: one.cpu_s() for name, one in sliders.shown.items()})"
    )
    notebook.cells = [*cells, timing]
    return notebook, solutions, timing


def told(cell) -> str:
    """What a cell shows, as text."""
    shown = cell.get("outputs", [])
    return "\n".join(str(output.get("data", {}).get("text/plain", output.get("text", ""))) for output in shown)


@pytest.mark.parametrize("path", LESSONS, ids=lesson)
def test_a_lessons_solutions_are_right_and_its_sliders_answer_in_time(path, tmp_path):
    notebook, solutions, timing = solved(path)
    package = Path(rainforest_model.__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(package), "IPYTHONDIR": str(tmp_path / "ipython")}
    here = tmp_path / "empty"
    here.mkdir()
    client = Client(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(here)}})
    client.execute(env=environment)
    assert not list(here.iterdir()), "the lesson leaves files"
    for cell in notebook.cells:
        assert not [output for output in cell.get("outputs", []) if output.get("name") == "stderr"], cell.source
        assert told(cell).count("You said") == cell.source.count("reveal("), cell.source
    checked = [cell for cell in solutions if "check(" in cell.source]
    for cell in checked:
        assert "**Right.**" in told(cell), cell.source
    number = path.stem[:2]
    ids = {id for cell in checked for id in re.findall(r'check\("([\w.]+)"', cell.source)}
    assert ids == {id for id in known() if id.startswith(number)}
    open_questions = [cell for cell in notebook.cells if cell.cell_type == "code" and cell not in solutions]
    assert not any("**Not yet.**" in told(cell) for cell in open_questions)
    times = eval(told(timing))
    assert times
    assert max(times.values()) < MOST_CPU_S, times
