"""Figure 7: its eleven programs on every system, who is measured beside whom, what neighbours share, its furniture."""

from __future__ import annotations

import numpy as np
import pytest

from rainforest_model import paper, plots, results
from rainforest_model.descriptions import load
from rainforest_model.descriptions.program import Measure
from rainforest_model.experiments import common
from rainforest_model.experiments import fig07_slowdown_grid as experiment
from rainforest_model.lowering import lower
from rainforest_model.simulation import simulate
from rainforest_model.workloads import operations, workload
from rainforest_model.workloads.microbenchmarks import microbenchmarks

NAMES = microbenchmarks()
SYSTEMS = (*load.systems(), "rainforest on linux-4.9.40")
OTHERS = ("lxc", "xen", "rainforest")


def described(id: str):
    return load.system(*id.split(" on "))


def mean(scenario, replications: int = 2) -> float:
    return float(simulate(scenario, replications=replications).replicated("mean").mean())


# --- the programs -----------------------------------------------------------------------------------------


def test_there_are_eleven_in_the_papers_order():
    families = [name.split("_")[0] for name in NAMES]
    assert families == ["bzip2", "sphinx3", *["cachebench"] * 3, *["iozone"] * 3, *["netperf"] * 3]


@pytest.mark.parametrize("id", SYSTEMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_program_runs_on_every_system(name, id):
    pair = experiment.pair("rainforest", name, experiment.ALONE, "8 ms").model_copy(update={"system": described(id)})
    assert len(lower(pair).series) == 1
    run = simulate(pair, replications=1)
    assert run.samples > 0
    assert run.replicated("mean")[0] > 0


def test_no_two_programs_measure_under_one_name():
    """Or what the background takes would be mixed into what the foreground takes."""
    measured = [item.name for name in NAMES for item in operations(workload(name)) if isinstance(item, Measure)]
    assert len(set(measured)) == len(measured) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_program_asks_of_memory_is_its_own(name):
    footprint = workload(name).footprint
    assert footprint is not None
    assert footprint.id == name


def test_cachebench_streams_over_more_than_the_cache():
    cache = load.machine("S-A").memory.llc_per_socket.plain()
    for name, write_back in (("read", 0), ("write", 1), ("modify", 1)):
        footprint = workload(f"cachebench_{name}").footprint
        assert footprint.working_set.plain() > cache
        assert footprint.exponent.value == 0
        assert footprint.write_back.value == write_back


# --- pairs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", experiment.SYSTEMS)
def test_a_pair_has_half_of_a_socket_each(id):
    pair = experiment.pair(id, "bzip2", "iozone_write")
    assert pair.cores == pair.machine.topology.cores_per_socket
    assert [entry.partition for entry in pair.loads] == [0, 1]
    assert all(entry.pinned == (id in OTHERS) for entry in pair.loads)


@pytest.mark.parametrize(("front", "back"), [
    ("bzip2", "cachebench_write"), ("iozone_write", "iozone_read"), ("netperf_tcp_rr", "netperf_tcp_crr"),
])
def test_the_foreground_is_what_is_measured(front, back):
    """Where nothing at all is shared, it takes as long as it takes alone."""
    alone, beside = (common.without_pressure(experiment.pair("rainforest", front, b, "8 ms")) for b in ("", back))
    assert mean(beside) == pytest.approx(mean(alone), rel=0.003)


def test_one_kernel_for_both_costs_and_one_each_does_not():
    slower = {}
    for id in ("lxc", "rainforest"):
        alone, beside = (
            common.without_pressure(experiment.pair(id, "iozone_write", b, "8 ms")) for b in ("", "iozone_write")
        )
        slower[id] = mean(beside) / mean(alone) - 1
    assert slower["rainforest"] == pytest.approx(0, abs=0.003)
    assert slower["lxc"] > 0.01


@pytest.mark.parametrize("id", experiment.SYSTEMS)
def test_a_stream_slows_who_lives_in_the_cache_on_every_system(id):
    alone, beside = (mean(experiment.pair(id, "sphinx3", b, "8 ms")) for b in ("", "cachebench_write"))
    assert beside > 1.2 * alone


# --- the experiment ---------------------------------------------------------------------------------------


FEW = ["bzip2", "cachebench_write", "cachebench_modify", "iozone_write"]


@pytest.fixture(scope="module")
def short_runs():
    """The experiment with four of its benchmarks, in short runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "microbenchmarks", lambda: FEW)
        patch.setattr(common.Options, "span", lambda self, quick, full: "10 ms")
        return experiment.run(common.Options(jobs=2))


@pytest.fixture
def few(short_runs, monkeypatch):
    """Its results, while four is all that there are."""
    monkeypatch.setattr(experiment, "microbenchmarks", lambda: FEW)
    return short_runs


def test_every_pair_has_a_row_for_each_replication(few):
    table = few.frames["statistics"]
    assert set(table.statistic) == {"mean"}
    counted = table.groupby(experiment.KEYS).replication.nunique()
    assert len(counted) == 4 * 4 * 5  # systems, foregrounds, and backgrounds with none
    assert counted.nunique() == 1


def test_slowdowns_are_relative_to_running_alone(few):
    grids = experiment.grids(few)
    table = few.frames["statistics"].set_index([*experiment.KEYS, "replication"]).value_us.sort_index()
    for id, grid in grids.items():
        assert grid.shape == (4, 4)
        beside, alone = (table[id, "bzip2", back] for back in ("cachebench_write", experiment.ALONE))
        assert grid[0, 1] == pytest.approx(100 * (beside / alone - 1).mean(), abs=0.5)


def test_it_is_drawn_told_and_judged(few):
    figure = experiment.figure(few)
    assert len(plots.encode(figure, "png")) > 20_000
    assert [ax.get_title() for ax in figure.axes[:4]] == [load.system(id).title for id in experiment.SYSTEMS]
    for id in experiment.SYSTEMS:
        assert load.system(id).title in experiment.describe_figure(few)
    judged = {verdict.id: verdict for verdict in experiment.verdicts(few)}
    claims = {claim.id for claim in paper.claims() if claim.artefact == "fig07_slowdown_grid"}
    assert set(judged) == claims
    assert all(verdict.verdict != "not modelled" for verdict in judged.values())


def test_what_is_committed_is_the_whole_grid():
    found = results.load("fig07_slowdown_grid", "quick")
    assert found is not None
    for grid in experiment.grids(found).values():
        assert grid.shape == (11, 11)
        assert np.isfinite(grid).all()
        assert grid.min() > -0.5  # a neighbour does not help
