"""The scoreboard sums verdicts up and changes none; misses are explained; the STRESS-DES checklist is filled in."""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model import cli, paper, reproduce, scoreboard
from rainforest_model.errors import InputError
from rainforest_model.resources import data_path
from rainforest_model.scoreboard.misses import with_reasons

ROOT = Path(__file__).resolve().parents[1]
VALUED = [c for c in paper.claims() if c.role != "context" and c.value]
BOUNDED = [c for c in paper.claims() if c.role != "context" and c.has_number and c.value is None]


@pytest.fixture(scope="module")
def board():
    return scoreboard.scoreboard()


@pytest.fixture(scope="module")
def verdicts():
    return reproduce.verdicts()


def judged(stated: paper.Claim, model: float, note: str = "") -> paper.Verdict:
    return paper.judge_value(stated, SimpleNamespace(value=model, low=None, high=None), note)


# --- the verdicts stay what they are ----------------------------------------------------------------------


def test_a_verdict_keeps_all_but_the_end_of_its_note(board, verdicts):
    assert len(board.verdicts) == len(verdicts)
    for ours, theirs in zip(board.verdicts, verdicts, strict=True):
        assert replace(ours, note="") == replace(theirs, note="")
        assert ours.note.startswith(theirs.note)
        assert ours.note == theirs.note or ours.verdict == "misses"


def test_totals_are_counts_of_the_verdicts(board, verdicts):
    found = board.totals
    assert (found.claims, found.hold + found.miss + found.not_modelled) == (len(paper.claims()), len(verdicts))
    assert found.hold == sum(row.verdict == "holds" for row in verdicts)
    assert found.miss == sum(row.verdict == "misses" for row in verdicts)
    for role, count, held in (
        ("fitted", found.fitted_claims, found.fitted_hold), ("predicted", found.predicted_claims, found.predicted_hold),
    ):
        rows = [row for row in verdicts if row.role == role and row.verdict != "not modelled"]
        assert (count, held) == (len(rows), sum(row.verdict == "holds" for row in rows))
    stated = [row for row in verdicts if row.kind == "ordering" and row.role != "context"]
    orderings = [row.model for row in stated if row.model is not None]
    assert (found.orderings, found.certain) == (len(orderings), sum(p >= 0.95 for p in orderings))


def test_medians_are_those_of_the_verdicts(board, verdicts):
    for role, errors in (("fitted", board.totals.fitted_errors), ("predicted", board.totals.predicted_errors)):
        apart = [
            abs(row.model / row.value - 1) for row in verdicts
            if row.role == role and row.value and row.verdict != "not modelled"
        ]
        assert errors.count == len(apart) > 0
        assert errors.median == pytest.approx(median(apart))
        assert errors.median <= errors.upper_quartile <= max(apart)


def test_fitted_parameters_are_those_of_the_file(board):
    file = tomllib.loads(data_path("parameters", "fitted.toml").read_text())
    assert board.totals.fitted_parameters == sum(len(fit["parameter"]) for fit in file["fit"])
    assert {claim["id"] for fit in file["fit"] for claim in fit["claim"]} == {
        claim.id for claim in paper.claims() if claim.role == "fitted"
    }


# --- errors -----------------------------------------------------------------------------------------------


@given(st.sampled_from(VALUED), st.floats(-0.9, 5))
def test_an_error_is_relative_and_has_a_sign(stated, off):
    model = stated.value * (1 + off)
    assert scoreboard.error(judged(stated, model)) == pytest.approx(math.copysign(1, stated.value) * off, abs=1e-12)


@given(st.sampled_from(BOUNDED), st.floats(0, 1e4))
def test_a_bound_has_an_error_exactly_where_it_misses(stated, model):
    row = judged(stated, model)
    found = scoreboard.error(row)
    if found is not None:
        assert (found == 0) == (row.verdict == "holds")


def test_there_is_no_error_of_inputs_orderings_and_zeros():
    zero = next(c for c in paper.claims() if c.role == "predicted" and c.value == 0)
    ordering = next(c for c in paper.claims() if c.kind == "ordering")
    set_up = next(c for c in paper.claims() if c.kind == "configuration" and c.value)
    always = SimpleNamespace(value=1.0, low=None, high=None)
    rows = [
        judged(zero, 1.0), paper.judge_probability(ordering, always), paper.judge_fact(set_up, set_up.value),
        paper.not_modelled(VALUED[0]),
    ]
    assert [scoreboard.error(row) for row in rows] == [None] * 4


# --- aims -------------------------------------------------------------------------------------------------


def answers(rows, fits=()) -> list[str]:
    return [aim.answer for aim in scoreboard.aims(scoreboard.totals(rows, fits))]


def test_aims_follow_the_verdicts():
    fitted = [c for c in VALUED if c.role == "fitted"][:2]
    predicted = next(c for c in VALUED if c.role == "predicted")
    one, two = (SimpleNamespace(parameter=("p",) * n) for n in (1, 2))
    good = [judged(c, c.value) for c in (*fitted, predicted)]
    assert answers(good, [one])[:4] == ["met"] * 4
    assert answers(good, [two])[0] == "not met"
    assert answers(good[:2], [one])[1] == "not met"
    assert answers([judged(c, 1.06 * c.value) for c in fitted])[2] == "not met"
    assert answers([judged(predicted, 1.2 * predicted.value)])[3:] == ["not met", "open", "not met"]
    assert answers([judged(predicted, 1.2 * predicted.value, "a cause")])[5] == "met"


def test_an_ordering_that_misses_asks_for_a_word():
    ordering = next(c for c in paper.claims() if c.kind == "ordering" and c.role == "predicted")
    seldom = SimpleNamespace(value=0.5, low=0.1, high=0.9)
    assert answers([paper.judge_probability(ordering, seldom)])[4] == "not met"
    assert answers([paper.judge_probability(ordering, seldom, "a cause")])[4] == "met"


# --- explanations -----------------------------------------------------------------------------------------


def test_every_miss_is_explained(board):
    assert not board.totals.unexplained


def test_written_explanations_are_about_misses_only(verdicts):
    missed = {row.id for row in verdicts if row.verdict == "misses"}
    assert not set(scoreboard.read_reasons()) - missed, "holds now: take the sentence away"


def test_only_a_miss_is_given_a_reason():
    stated = VALUED[0]
    rows = [judged(stated, stated.value), judged(stated, 9 * stated.value)]
    held, missed = with_reasons(rows, {stated.id: "Because."})
    assert (held, scoreboard.explanation(missed)) == (rows[0], "Because.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[miss]]\nclaims = ["F0"]\nwhy = "a sentence of some length"', "no such claim"),
        ('[[miss]]\nclaims = ["F85", "F85"]\nwhy = "a sentence of some length"', "twice"),
        ('[[miss]]\nclaims = ["F85"]\nwhy = "short"', "why"),
        ("[[hit]]", "no such key"),
    ],
)
def test_a_file_of_explanations_that_does_not_fit_is_refused(text, words, tmp_path):
    path = tmp_path / "misses.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        scoreboard.read_reasons(path)
    assert str(path) in str(caught.value)


# --- text, figure and files -------------------------------------------------------------------------------


def test_the_text_has_totals_then_aims_then_claims(board):
    lines = scoreboard.text(board).splitlines()
    assert lines[0].startswith(f"{board.totals.claims} claims: {board.totals.hold} hold, {board.totals.miss} miss")
    for aim, line in zip(scoreboard.aims(board.totals), lines[2:], strict=False):
        assert line.split() == f"{aim.what} {aim.stands} {aim.answer}".split()
    assert max(map(len, lines)) <= paper.WIDTH


def test_the_figure_has_a_row_for_every_claim_that_has_an_answer(board):
    figure = scoreboard.figure(board.verdicts)
    shown = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    orderings = [row for row in board.verdicts if row.kind == "ordering" and row.role != "context"]
    wanted = {row.id for row in board.verdicts if scoreboard.error(row) is not None}
    wanted |= {row.id for row in orderings if row.model is not None}
    names = {item.name for item in paper.contents()}
    assert sorted(text for text in shown if text not in names) == sorted(wanted)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        marks = [x for line in axes.lines if line.get_marker() not in ("None", None) for x in line.get_xdata()]
        assert all(low <= x <= high for x in marks), "a mark lies outside of its axis"


def test_what_is_committed_is_the_scoreboard_of_the_committed_results(board, tmp_path):
    committed = (ROOT / "figures" / "scoreboard.json").read_text()
    assert committed == scoreboard.json_text(board), "run python -m rainforest_model.gallery"
    names = [path.name for path in scoreboard.write(board, tmp_path)]
    assert names == ["scoreboard.png", "scoreboard.svg", "scoreboard.json"]
    assert all((ROOT / "figures" / name).is_file() for name in names)


def test_the_json_has_the_numbers_of_the_verdicts(board, verdicts):
    rows = json.loads(scoreboard.json_text(board))["claims"]
    assert [(row["id"], row["model"], row["verdict"]) for row in rows] == [(v.id, v.model, v.verdict) for v in verdicts]


def test_nothing_judged_is_no_error(tmp_path):
    empty = scoreboard.scoreboard("quick", tmp_path)
    assert empty.totals.tested == 0
    assert "open" in scoreboard.text(empty)
    assert scoreboard.json_text(empty)


def test_score_draws_where_it_is_asked_to(tmp_path):
    place = tmp_path / "claims.svg"
    result = CliRunner().invoke(cli.cli, ["score", "--json", "--figure", str(place)])
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == len(paper.claims())
    assert place.read_text().lstrip().startswith("<?xml")
    refused = CliRunner().invoke(cli.cli, ["score", "--figure", "claims.gif"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "ends in .png or .svg" in refused.stderr


# --- STRESS-DES -------------------------------------------------------------------------------------------

ITEMS = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5.1", "2.5.2", "2.5.3", "2.5.4", "2.5.5", "3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "6.1"]
"""Items of version 1.0 of the checklist for discrete-event models."""
CHECKLIST = (ROOT / "STRESS-DES.md").read_text(encoding="utf-8")
ANSWERS = re.findall(r"^\| (\d[\d.]*) [^|]+ \| ([^|]+) \|$", CHECKLIST, re.MULTILINE)


def test_the_checklist_answers_every_item_once_in_order():
    assert [number for number, _ in ANSWERS] == ITEMS


@pytest.mark.parametrize(("number", "answer"), ANSWERS)
def test_an_answer_points_to_code_or_data_that_is_there(number, answer):
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", answer) if "://" not in target]
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
