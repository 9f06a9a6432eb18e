"""Fitting by machine: it finds what is known, refuses what does not fit, and its record agrees with the data."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rainforest_model import calibration, cli, paper
from rainforest_model.calibration import fitting
from rainforest_model.calibration.search import identified
from rainforest_model.descriptions.fitted import (
    FITTED,
    at_key,
    fitted_parameters,
    fitted_value,
    fitted_values,
    read_fitted,
    with_fitted,
)
from rainforest_model.errors import InputError
from rainforest_model.experiments.common import Options
from rainforest_model.reference import closed_lock
from rainforest_model.simulation import simulate

A, B, C = (f"workloads/toy.toml:{key}" for key in ("a", "b", "c"))

HOME = """
kind = "toy"
threads = 4
a = { value = 2, unit = "us", range = [1, 8], basis = "fitted", source = "a test", fitted_to = ["X1", "X2", "X3"] }
b = { value = 2, unit = "us", range = [1, 5], basis = "fitted", source = "a test", fitted_to = ["X1", "X2", "X3"] }
cited = { value = 2, unit = "us", range = [1, 5], basis = "cited", source = "a test" }
"""
LATER = 'c = { value = 5, unit = "us", range = [1, 100], basis = "fitted", source = "a test", fitted_to = ["X4"] }\n'


def claim(id: str, value: float | None, role: str = "fitted") -> str:
    number = 'kind = "ordering"' if value is None else f'kind = "exact"\nvalue = {value}\nunit = "us"'
    return (
        f'[[claim]]\nid = "{id}"\nwhere = "a test"\nartefact = "general"\nquantity = "x"\nsystems = []\n'
        f'{number}\nreading = "as it stands"\nrole = "{role}"\n'
    )


def fit(id: str, parameters: list[str], claims: list[str]) -> str:
    return f'[[fit]]\nid = "{id}"\nparameters = {parameters}\nclaims = {claims}\nsource = "a test"\n'


TOY = fit("toy", [A, B], ["X1", "X2", "X3"])
CLAIMS = claim("X1", 13) + claim("X2", 12) + claim("X3", 43) + claim("X4", 30)


def toy(values, options=None) -> dict[str, float]:
    """Meets the claims at a = 3, b = 4."""
    a, b = values[A], values[B]
    return {"X1": a * a + b, "X2": a * b, "X3": a + 10 * b}


def later(values, options=None) -> dict[str, float]:
    """Meets its claim at c = 30 / a, from an earlier fit."""
    return {"X4": values[A] * values[C]}


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder of data with one fit of two parameters to three claims."""
    contents = {"parameters/calibration.toml": TOY, "workloads/toy.toml": HOME, "paper/claims.toml": CLAIMS}
    for name, text in contents.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    return tmp_path


def declare(data: Path, text: str) -> None:
    (data / "parameters" / "calibration.toml").write_text(text)


def run(data: Path, offers=None, **rest):
    return calibration.calibrate(data=data, offers=offers or {"toy": toy}, **rest)


# --- what is found ----------------------------------------------------------------------------------------


def test_a_known_answer_is_found_and_recorded(data):
    (found,), path = run(data)
    assert path == data / FITTED
    assert found.values == pytest.approx({A: 3, B: 4}, rel=1e-3)
    assert [c.residual for c in found.claim] == pytest.approx([0, 0, 0], abs=1e-3)
    assert [(c.id, c.printed) for c in found.claim] == [("X1", 13), ("X2", 12), ("X3", 43)]
    assert (found.seed, found.unidentified) == (1, ())
    assert found.evaluations < 60
    assert read_fitted(data) == (found,)
    assert fitted_value(A, data) == found.values[A]
    assert fitted_value(C, data) is None


def test_the_same_fit_gives_the_same_bytes(data):
    run(data)
    before = (data / FITTED).read_bytes()
    assert run(data)[1].read_bytes() == before


def test_bounds_are_respected_on_the_way_too(data):
    seen = []

    def greedy(values, options):
        seen.append((values[A], values[B]))
        return {"X1": values[A], "X2": values[A], "X3": 1e4 * values[B]}

    (found,), _ = run(data, {"toy": greedy})
    assert found.values == pytest.approx({A: 8, B: 1}, rel=2e-2)
    assert all(1 <= a <= 8 and 1 <= b <= 5 for a, b in seen)
    assert len(set(seen)) == len(seen) == found.evaluations
    assert "at its bound" in calibration.report(found)


def test_a_start_on_a_bound_and_a_logarithmic_range(data):
    (data / "workloads" / "toy.toml").write_text(
        HOME.replace("value = 2, unit = \"us\", range = [1, 8]", "value = 1e4, unit = \"us\", range = [0.01, 1e4]", 1)
    )
    (found,), _ = run(data)
    assert found.values == pytest.approx({A: 3, B: 4}, rel=1e-2)


def test_a_parameter_that_does_not_matter_is_told(data):
    (found,), _ = run(data, {"toy": lambda v, o: {"X1": 4 * v[A], "X2": 4 * v[A], "X3": 14 * v[A]}})
    assert [(p.path, p.value) for p in found.unidentified] == [(B, 2)]
    assert list(found.values) == [A]
    assert found.correlations == ((1,),)
    assert read_fitted(data) == (found,)
    assert re.search(rf"{B}  2      \[1, 5\]  2 us +not identified by the claims", calibration.report(found))


def test_parameters_of_which_only_the_sum_is_known_are_told(data):
    (found,), _ = run(data, {"toy": lambda v, o: dict.fromkeys(("X1", "X2", "X3"), 3 * (v[A] + v[B]))})
    assert [(p.path, p.value) for p in found.unidentified] == [(B, 2)]
    assert found.values == pytest.approx({A: found.values[A]})


def test_where_nothing_is_identified_nothing_is_fitted_and_the_check_says_so(data):
    (found,), _ = run(data, {"toy": lambda v, o: {"X1": 10.0, "X2": 11.0, "X3": 40.0}})
    assert (found.values, [p.path for p in found.unidentified]) == ({}, [B, A])
    assert [c.model for c in found.claim] == [10, 11, 40]
    problems, _ = calibration.check(data=data, offers={"toy": toy})
    assert [line for line in problems if f"{A} is declared free, but nothing identifies it" in line]


def test_correlations_are_those_of_the_inverse_of_the_normal_matrix():
    slopes = np.array([[9.0, 4.0], [2.0, 7.0], [5.0, 5.0]])
    covariance = np.linalg.inv(slopes.T @ slopes)
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    values, correlations, unidentified = identified(slopes)
    assert correlations[0, 1] == pytest.approx(expected)
    assert (values[0] >= values[1], unidentified) == (True, None)


def test_a_simulated_model_gives_back_what_it_was_simulated_with(data):
    """Common random numbers: the parameters come back although every run is random."""

    def simulated(values, options):
        scenario = closed_lock(4, think_us=values[A], hold_us=values[B], duration="4 ms")
        runs = simulate(scenario, replications=3, seed=options.seed, jobs=options.jobs)
        response, total = runs.replicated("mean").mean(), sum(float(o.counts.sum()) for o in runs.outcomes)
        return {"X1": response, "X2": runs.replicated("p99").mean(), "X3": 1e5 / total}

    truth = {A: 3.3, B: 1.7}
    claims = "".join(claim(id, round(value, 5)) for id, value in simulated(truth, Options(seed=5)).items())
    (data / "paper" / "claims.toml").write_text(claims)
    (found,), _ = run(data, {"toy": simulated}, options=Options(seed=5, jobs=2))
    assert found.values == pytest.approx(truth, rel=0.02)
    assert max(abs(c.residual) for c in found.claim) < 0.01
    assert found.seed == 5


# --- several fits -----------------------------------------------------------------------------------------


@pytest.fixture
def two(data):
    (data / "workloads" / "toy.toml").write_text(HOME + LATER)
    declare(data, TOY + fit("later", [C], ["X4"]))
    return data


def test_a_later_fit_sees_what_an_earlier_one_found(two):
    found, _ = run(two, {"toy": toy, "later": later})
    assert [f.id for f in found] == ["toy", "later"]
    assert found[1].values[C] == pytest.approx(10, rel=1e-2)


def test_one_fit_of_two_keeps_the_other(two):
    offers = {"toy": toy, "later": later}
    run(two, offers)
    before = (two / FITTED).read_bytes()
    found, _ = run(two, offers, ids=("later",))
    assert [f.id for f in found] == ["later"]
    assert (two / FITTED).read_bytes() == before


def test_an_earlier_fit_that_changed_outdates_a_later_one(two):
    offers = {"toy": toy, "later": later}
    run(two, offers)
    run(two, {**offers, "toy": lambda v, o: {k: 1.1 * x for k, x in toy(v).items()}}, ids=("toy",))
    problems, _ = calibration.check(data=two, offers=offers)
    assert problems == [
        "later: ranges, start values, printed numbers, home files or earlier fits have changed since the fit"
    ]


# --- the overlay ------------------------------------------------------------------------------------------


def test_a_fitted_value_replaces_the_start_value_of_its_home_file(data):
    (found,), _ = run(data)
    path = data / "workloads" / "toy.toml"
    table = tomllib.loads(path.read_text())
    for file in (path, "workloads/toy.toml"):
        laid = with_fitted(table, file, data=data)
        assert laid["a"]["value"] == found.values[A]
        assert laid["cited"] == table["cited"]
    assert table["a"]["value"] == 2
    assert with_fitted(table, path, {A: 7.0}, data)["a"]["value"] == 7
    assert with_fitted(table, path, {A: 7.0}, data)["b"]["value"] == 2
    assert with_fitted(table, data.parent / "mine.toml", data=data) is table


def test_a_fitted_value_outside_a_range_that_was_narrowed_is_refused(data):
    run(data)
    table = tomllib.loads(HOME.replace("[1, 8]", "[1, 2.5]"))
    with pytest.raises(InputError, match=r"a = .*: lies outside the range \[1, 2.5\]"):
        with_fitted(table, "workloads/toy.toml", data=data)


def test_a_value_of_a_parameter_that_is_fitted_no_more_is_left_out(data):
    table = {"a": {"value": 2, "basis": "cited"}}
    assert with_fitted(table, "workloads/toy.toml", {A: 3.0, B: 4.0}, data) == table


@pytest.mark.parametrize("key", ["", "a.", "a\nb", "x", "a.b.c", "l.7", "l.x"])
def test_a_key_that_leads_nowhere(key):
    assert at_key({"a": 1, "l": [1, 2]}, key) is None


# --- refusals ---------------------------------------------------------------------------------------------

REFUSED = {
    "an unknown file": (fit("t", ["workloads/none.toml:a"], ["X1"]), "fit.0.parameters.0", "no such parameter"),
    "a file outside": (fit("t", ["../x/toy.toml:a"], ["X1"]), "fit.0.parameters.0", "no such parameter"),
    "no key": (fit("t", ["workloads/toy.toml"], ["X1"]), "fit.0.parameters.0", "reads as a file"),
    "an unknown key": (fit("t", ["workloads/toy.toml:z"], ["X1"]), "fit.0.parameters.0", "no such parameter in"),
    "no parameter": (fit("t", ["workloads/toy.toml:threads"], ["X1"]), "fit.0.parameters.0", "no such parameter in"),
    "a cited one": (fit("t", ["workloads/toy.toml:cited"], ["X1"]), "fit.0.parameters.0", "is cited, not fitted"),
    "other claims": (fit("t", [A], ["X1", "X2"]), "fit.0.parameters.0", "X1, X2 here, but to X1, X2, X3 in"),
    "an unknown claim": (fit("t", [A], ["X1", "X22"]), "fit.0.claims.1", r"no such claim; did you mean X2\?"),
    "a predicted claim": (fit("t", [A], ["X1", "P1"]), "fit.0.claims.1", "is predicted .* never both"),
    "a claim of nothing": (fit("t", [A], ["X1", "N1"]), "fit.0.claims.1", "no single number"),
    "too many parameters": (fit("t", [A, B], ["X1"]), "fit.0.parameters", "2 parameters cannot be fitted to 1 claims"),
    "a claim of two fits": (TOY + fit("u", [C], ["X1"]), "fit.1.claims.0", "used already by the fit toy"),
    "a parameter of two fits": (TOY + fit("u", [A], ["X4"]), "fit.1.parameters.0", "used already by the fit toy"),
    "a claim twice": (fit("t", [A], ["X1", "X1"]), "fit.0.claims.1", "used already by the fit t"),
    "an id twice": (TOY + fit("toy", [C], ["X4"]), "fit.1.id", "is there twice"),
    "no claims": (fit("t", [A], []), "fit.0.claims", "at least 1 item"),
    "a misspelt key": (TOY.replace("claims", "claim"), "fit.0.claim", r"did you mean claims\?"),
    "no reason": (TOY.replace('source = "a test"', ""), "fit.0.source", "is missing"),
    "another table": ("[[fits]]", "fits", r"did you mean fit\?"),
    "no TOML": ("[[fit", None, "no valid TOML"),
}


@pytest.fixture
def door(data, monkeypatch):
    """The command line, with this data in place of the shipped."""
    (data / "paper" / "claims.toml").write_text(CLAIMS + claim("P1", 1, "predicted") + claim("N1", None))
    monkeypatch.setattr(fitting, "data_path", lambda: data)
    monkeypatch.setattr(fitting, "output_root", lambda: data.parent)
    monkeypatch.setattr(fitting, "FITTED", f"../{data.name}/{FITTED}")
    monkeypatch.setattr(fitting, "models", lambda: {"toy": toy})
    return lambda *arguments: CliRunner().invoke(cli.cli, ["calibrate", *arguments], prog_name="rainforest")


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("why", REFUSED)
def test_a_declaration_that_does_not_fit_is_told_in_one_line(data, door, why):
    text, key, reason = REFUSED[why]
    declare(data, text)
    (data / FITTED).write_text("# what was there before\n")
    before = files(data)
    for arguments in ([], ["--check"]):
        result = door(*arguments)
        (line,) = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.search(rf"^rainforest: \S*calibration\.toml: {re.escape(key) if key else ''}.*{reason}", line)
    assert files(data) == before


def test_a_fixed_range_is_refused(data):
    (data / "workloads" / "toy.toml").write_text(HOME.replace("[1, 8]", "[2, 2]"))
    with pytest.raises(InputError, match="nothing is free"):
        run(data)


def test_a_fit_that_nobody_offers(data):
    with pytest.raises(InputError, match=r"toml: fit.id = 'toy': no experiment offers .*did you mean toys\?"):
        run(data, {"toys": toy})


def test_an_offer_that_answers_for_other_claims(data):
    with pytest.raises(InputError, match="FITS: toy: the model answers for X1, not for X1, X2, X3"):
        run(data, {"toy": lambda values, options: {"X1": 1.0}})


def test_an_offer_without_a_number_is_told(data, door, monkeypatch):
    monkeypatch.setattr(fitting, "models", lambda: {"toy": lambda v, o: toy(v) | {"X2": float("nan")}})
    result = door()
    assert result.exit_code == 2
    assert "fit toy: the model has no value for X2 at workloads/toy.toml:a = 2, " in result.stderr
    assert not (data / FITTED).exists()


def test_two_experiments_that_offer_the_same_fit(monkeypatch):
    modules = [fitting.experiments.experiment(id) for id in ("tab02_hardware", "tab03_effort")]
    monkeypatch.setattr(modules[0], "FITS", {"toy": toy}, raising=False)
    assert calibration.models()["toy"] is toy
    monkeypatch.setattr(modules[1], "FITS", {"toy": toy}, raising=False)
    with pytest.raises(InputError, match="experiment tab03_effort: FITS = 'toy': is offered by tab02_hardware too"):
        calibration.models()


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_fits_prints_and_agrees_with_itself(data, door):
    result = door("toy", "--seed", "3", "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    out = result.stdout
    assert re.search(r"^toy: \d+ evaluations, seed 3, converged$", out, re.M)
    assert re.search(r"^    parameter +start  bounds  fitted$", out, re.M)
    assert re.search(rf"^    {A}  2      \[1, 8\]  (3|2\.999\d) us$", out, re.M)
    assert re.search(r"^    X1 +13 us +1[23]\S* +[+-]0\.0\d %$", out, re.M)
    assert "correlation of" in out
    assert fitted_values(data).keys() == {A, B}
    checked = door("--check")
    assert "was fitted" not in checked.stdout
    assert "X4: is fitted by its role, but no fit has it" in checked.stdout
    assert checked.exit_code == 1
    alone = door("--check", "toy")
    assert (alone.exit_code, alone.stdout, alone.stderr) == (0, "the fitted values agree with their declaration\n", "")


def test_an_unknown_fit_is_refused(door):
    for arguments in (["tyo"], ["tyo", "--check"]):
        result = door(*arguments)
        assert result.exit_code == 2
        assert "fit.id = 'tyo': no such fit; did you mean toy?" in result.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_what_breaks_off_leaves_the_old_file(data, door, monkeypatch, error):
    assert door().exit_code == 0
    before = files(data)

    def broken(values, options):
        if values[A] != 2:
            raise error
        return toy(values)

    monkeypatch.setattr(fitting, "models", lambda: {"toy": broken})
    assert door("--seed", "9").exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert files(data) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("workloads/toy.toml", "[1, 8]", "[1, 9]", "toy: ranges, start values, .* have changed since the fit"),
        ("workloads/toy.toml", "threads = 4", "threads = 5", "toy: ranges, .* home files .* have changed"),
        ("workloads/toy.toml", "threads = 4", LATER, "workloads/toy.toml:c: is fitted by its basis, but no fit has it"),
        ("paper/claims.toml", "value = 13\n", "value = 14\n", "toy: .* printed numbers, .* have changed"),
        ("parameters/calibration.toml", f"'{A}', ", "", f"toy: the parameters are {B}, but {A}, {B} when it was"),
        ("parameters/calibration.toml", '"toy"', '"yot"', "yot: is declared, but not fitted yet"),
        ("parameters/calibration.toml", '"toy"', '"yot"', "toy: was fitted, but is declared no more"),
        ("parameters/calibration.toml", '"toy"', '"yot"', "toy: an experiment offers it, but no fit of this id"),
        ("parameters/fitted.toml", "\nvalue = ", "\nvalue = 9", f"toy: {A} = 9.* lies outside"),
    ],
)
def test_check_says_what_has_changed_and_writes_nothing(data, file, old, new, line):
    run(data)
    text = (data / file).read_text()
    assert old in text
    (data / file).write_text(text.replace(old, new, 1))
    before = files(data)
    problems, _ = calibration.check(data=data, offers={"toy": toy})
    assert [found for found in problems if re.match(line, found)]
    assert files(data) == before


def test_better_words_change_nothing_and_other_numbers_are_noted(data):
    run(data)
    home = data / "workloads" / "toy.toml"
    home.write_text("# a comment\n" + HOME.replace('source = "a test"', 'source = "a better sentence"'))
    assert calibration.check(("toy",), data, {"toy": toy}) == ([], [])
    (data / "machines").mkdir()
    (data / "machines" / "M.toml").write_text("cores = 4")
    problems, notes = calibration.check(("toy",), data, {"toy": toy})
    assert problems == []
    assert notes == ["toy: numbers of machines, systems or workloads have changed since the fit"]


# --- what is shipped --------------------------------------------------------------------------------------


def test_every_fitted_parameter_is_declared_and_the_other_way_round():
    declared = {free.path for fit in calibration.read_fits() for free in fit.parameters}
    assert set(fitted_parameters()) == declared


def test_every_fitted_claim_is_declared_and_the_other_way_round():
    declared = {claim.id for fit in calibration.read_fits() for claim in fit.claims}
    assert {claim.id for claim in paper.claims() if claim.role == "fitted"} == declared


def test_the_shipped_fits_agree_with_their_declaration():
    assert calibration.check()[0] == []
