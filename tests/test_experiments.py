"""Experiments as furniture and verdicts: what holds for every one of them, found by its id."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from experiment_results import DRAWN, IDS, ROOT, saved

from rainforest_model import experiments, paper, reproduce, resources
from rainforest_model.errors import InputError
from rainforest_model.experiments import common

# --- one id, and everything that it names -----------------------------------------------------------------


def test_there_are_experiments_tables_first():
    assert IDS
    assert sorted(set(IDS), key=lambda id: (not id.startswith("tab"), id)) == IDS


def test_every_module_of_an_experiment_is_found():
    here = Path(experiments.__file__).parent
    assert {path.stem for path in here.glob("*.py") if re.match(r"(fig|tab|sec)\d", path.stem)} == set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_an_id_names_module_notebook_results_figure_and_argument(id):
    assert id in [item.id for item in paper.contents()]
    assert experiments.experiment(id).__name__ == f"rainforest_model.experiments.{id}"
    assert (ROOT / "notebooks" / f"{id}.ipynb").is_file()
    provenance = json.loads((ROOT / "data" / "results" / f"{id}.json").read_text())
    assert (provenance["id"], provenance["quality"], provenance["seed"]) == (id, "quick", 1)
    tables = {path.name for path in (ROOT / "data" / "results").glob(f"{id}.*.csv")}
    assert tables == {f"{id}.{name}.csv" for name in provenance["tables"]}
    kinds = ("png", "svg", "json") if id in DRAWN else ("md",)
    drawn = {path.name for path in (ROOT / "figures").glob(f"{id}.*")}
    assert drawn == {f"{id}.{kind}" for kind in kinds}
    assert reproduce.chosen([id]) == [id]
    short = id.split("_")[0]
    if [other.split("_")[0] for other in IDS].count(short) == 1:
        assert reproduce.chosen([short]) == [id]


def test_nothing_is_committed_for_experiments_that_are_not_there():
    for folder in ("figures", "data/results"):
        named = {path.name.split(".")[0] for path in (ROOT / folder).iterdir() if path.is_file()}
        assert {name for name in named if re.match(r"(fig|tab|sec)\d", name)} == set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_a_module_has_the_furniture_in_its_order(id):
    module = experiments.experiment(id)
    assert len(inspect.getdoc(module)) > 200
    assert experiments.summary(id).endswith(".")
    assert module.TITLE
    assert not module.TITLE.endswith(".")
    rooms = ["describe", "run", *(["figure", "describe_figure"] if id in DRAWN else ["text"]), "verdicts"]
    places = [inspect.getsourcelines(getattr(module, room))[1] for room in rooms]
    assert places == sorted(places)
    assert all(getattr(module, room).__doc__ for room in rooms)
    for room in ("describe", "run"):
        assert list(inspect.signature(getattr(module, room)).parameters) == ["options"]
    for room in rooms[2:]:
        assert list(inspect.signature(getattr(module, room)).parameters) == ["results"]


def test_an_unknown_experiment_is_told_with_the_known_ones():
    with pytest.raises(InputError, match="no such experiment; known: tab01") as caught:
        experiments.experiment("fig99_nothing")
    assert (caught.value.key, caught.value.value) == ("id", "fig99_nothing")


def test_an_experiment_of_the_paper_that_is_not_modelled_is_told_so():
    missing = [item.id for item in paper.contents() if item.id not in IDS]
    for id in missing:
        with pytest.raises(InputError, match="in the paper but not modelled yet"):
            experiments.experiment(id)


def test_choosing():
    assert reproduce.chosen([]) == IDS
    assert reproduce.chosen(["tab03", IDS[0], "tab03_effort"]) == ["tab03_effort", IDS[0]]
    with pytest.raises(InputError, match="fits several experiments") as caught:
        reproduce.chosen(["tab"])
    assert caught.value.value == "tab"
    with pytest.raises(InputError, match="no such experiment"):
        reproduce.chosen(["tab01_shared_states"])


# --- verdicts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS)
def test_verdicts_come_from_saved_results_without_a_run(id, monkeypatch):
    monkeypatch.setattr(experiments.experiment(id), "run", lambda options: pytest.fail("was run"))
    for module in (common, experiments.experiment(id)):
        if hasattr(module, "simulate"):
            monkeypatch.setattr(module, "simulate", lambda *a, **k: pytest.fail("was simulated"))
    verdicts = experiments.experiment(id).verdicts(saved(id))
    assert verdicts
    assert {verdict.artefact for verdict in verdicts} == {id}
    assert len({verdict.id for verdict in verdicts}) == len(verdicts)


def test_every_claim_has_one_verdict_and_every_judgement_is_in_the_score():
    rows = {row.id: row for row in reproduce.verdicts()}
    assert list(rows) == [claim.id for claim in paper.claims()]
    for id in IDS:
        for verdict in experiments.experiment(id).verdicts(saved(id)):
            assert rows[verdict.id] == verdict
    assert {row.artefact for row in rows.values() if row.verdict != "not modelled"} <= set(IDS)


def test_without_results_nothing_is_judged(tmp_path):
    assert {row.verdict for row in reproduce.verdicts("quick", tmp_path)} == {"not modelled"}


def test_a_verdict_follows_the_numbers():
    found = saved("tab02_hardware")
    table = found.frames["table"].copy()
    table.loc[(table.machine == "S-A") & (table.property == "sockets"), "value"] = "3"
    changed = dataclasses.replace(found, frames={"table": table})
    verdicts = {verdict.id: verdict for verdict in experiments.experiment("tab02_hardware").verdicts(changed)}
    assert (verdicts["T2a.sockets"].verdict, verdicts["T2a.sockets"].model) == ("misses", 3)
    assert verdicts["T2b.sockets"].verdict == "holds"


def test_reversed_latencies_turn_an_ordering_over():
    found = saved("fig03a_mmap")
    table = found.frames["statistics"].copy()
    table["value_us"] = 1e6 / table["value_us"]
    changed = dataclasses.replace(found, frames={**found.frames, "statistics": table})
    verdicts = {verdict.id: verdict for verdict in experiments.experiment("fig03a_mmap").verdicts(changed)}
    assert (verdicts["F3a2"].model, verdicts["F3a2"].verdict) == (0, "misses")


# --- orderings --------------------------------------------------------------------------------------------


def replicated(**values) -> common.Replicated:
    rows = [(name, i, "p99", value) for name, all in values.items() for i, value in enumerate(all)]
    return common.Replicated(pd.DataFrame(rows, columns=["x", "replication", "statistic", "value_us"]), ["x"])


def test_an_ordering_holds_in_each_replication_or_not():
    r = replicated(a=[1, 1, 1, 5], b=[2, 2, 2, 2], c=[3, 3, 1, 3])
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 0.75
    assert r.holds((("b", "p99"), ("c", "p99"))).value == 0.75
    both = r.holds((("a", "p99"), ("b", "p99")), (("b", "p99"), ("c", "p99")))
    assert (both.value, both.n) == (0.5, 4)
    assert r.holds((("b", "p99"), ("a", "p99"))).value == 0.25


def test_equal_is_not_below():
    r = replicated(a=[2, 2], b=[2, 2])
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 0


def test_an_ordering_pairs_replications_by_their_number():
    rows = [("a", 1, "p99", 9.0), ("b", 0, "p99", 2.0), ("a", 0, "p99", 1.0), ("b", 1, "p99", 10.0)]
    frame = pd.DataFrame(rows, columns=["x", "replication", "statistic", "value_us"])
    r = common.Replicated(frame, ["x"])
    assert r.values("a", "p99").tolist() == [1, 9]
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 1


def test_an_ordering_counts_only_replications_that_all_have():
    r = replicated(a=[1, 1, 1], b=[2, 2, 0, 0, 0])
    found = r.holds((("a", "p99"), ("b", "p99")))
    assert (found.n, found.value) == (3, pytest.approx(2 / 3))


def test_an_estimate_is_over_replications():
    e = replicated(a=[1, 2, 3]).estimate("a", "p99")
    assert (e.value, e.n) == (2, 3)
    assert e.low < 1 < 3 < e.high


# --- mechanism does not know the paper --------------------------------------------------------------------

MECHANISM = [
    "agents", "descriptions", "engine", "live", "lowering", "memory.py", "simulation.py", "supervision", "workloads",
]
DATA = ["machines", "systems", "workloads"]


def test_no_mechanism_and_no_data_names_an_experiment_or_a_claim():
    names = [*(claim.id for claim in paper.claims()), *(item.id for item in paper.contents()), *IDS]
    any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.])({any_name})(?!\w)")
    places = [Path(experiments.__file__).parents[1] / name for name in MECHANISM]
    places += [resources.data_path(name) for name in DATA]
    assert all(place.exists() for place in places)
    sources = [path for place in places for path in ([place] if place.is_file() else place.rglob("*.*"))]
    sources = [path for path in sources if path.suffix in (".py", ".toml")]
    assert len(sources) > 30
    found = []
    for path in sources:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line) and not re.search(r"\bfitted_to\b", line):
                found.append(f"{path.name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
