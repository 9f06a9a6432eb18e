"""Systems side by side, at the same random streams."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

import rainforest_model as rf
from rainforest_model.comparison import compare
from rainforest_model.errors import InputError
from rainforest_model.simulation import STATISTICS, SimulationError, simulate
from rainforest_model.stats import paired_difference

SYSTEMS = ["linux-4.9.40", "rainforest"]


@pytest.fixture(scope="module")
def runs():
    return compare(SYSTEMS, "mmap", "S-A", cores=[2, 12], replications=4, seed=7, duration="3 ms")


def assert_same(a, b) -> None:
    assert a.by_point.keys() == b.by_point.keys()
    pd.testing.assert_frame_equal(a.table(), b.table(), check_exact=True)


# --- what is run ------------------------------------------------------------------------------------------


def test_every_system_runs_on_every_number_of_cores(runs):
    assert (runs.systems, runs.cores) == (SYSTEMS, [2, 12])
    assert list(runs.by_point) == [(system, cores) for system in SYSTEMS for cores in (2, 12)]
    for (system, cores), run in runs.by_point.items():
        assert (run.scenario.system.id, run.scenario.cores, run.seed) == (system, cores, 7)
        assert len(run.outcomes) == 4


def test_unless_told_every_core_is_a_partition(runs):
    assert runs["rainforest", 12].scenario.partitions == 12
    assert runs["rainforest", 2].scenario.partitions == 2
    told = compare("rainforest", "mmap", "S-A", cores=12, partitions=3, threads=4, replications=2, duration="2 ms")
    assert told["rainforest", 12].scenario.partitions == 3
    assert told["rainforest", 12].scenario.loads[0].threads == 4


def test_an_option_may_be_a_function_of_the_cores():
    found = compare(
        "lxc", "open", "S-A", cores=(4, 12), partitions=lambda cores: cores // 2, threads=2, replications=2,
        duration="2 ms",
    )
    assert [found["lxc", cores].scenario.partitions for cores in (4, 12)] == [2, 6]


def test_a_point_is_the_run_of_its_scenario(runs):
    alone = rf.scenario("S-A", "linux-4.9.40", "mmap", cores=2, partitions=2, duration="3 ms")
    run = simulate(alone, replications=4, seed=7)
    np.testing.assert_array_equal(run.counts(), runs["linux-4.9.40", 2].counts())


@pytest.mark.parametrize("jobs", [2, 5])
def test_jobs_change_nothing(runs, jobs):
    again = compare(SYSTEMS, "mmap", "S-A", cores=[2, 12], replications=4, seed=7, duration="3 ms", jobs=jobs)
    assert_same(runs, again)


def test_ids_and_descriptions_are_the_same(runs):
    systems = [rf.system(id) for id in SYSTEMS]
    described = compare(
        systems, rf.workload("mmap"), rf.machine("S-A"), cores=np.array([2, 12]), replications=4, seed=7,
        duration="3 ms",
    )
    assert_same(runs, described)


def test_one_system_on_all_cores():
    found = compare(rf.system("rainforest", kernel="linux-4.9.40"), "open", "S-A", replications=2, duration="2 ms")
    assert list(found.by_point) == [("rainforest on linux-4.9.40", 12)]


def test_the_top_level_has_it():
    assert rf.compare is compare


# --- what it says -----------------------------------------------------------------------------------------


def test_tails_are_a_tidy_table(runs):
    tail = runs.tail(0.99)
    assert list(tail.columns) == ["system", "cores", "statistic", "value_us", "low_us", "high_us", "n"]
    assert len(tail) == 4
    for row in tail.itertuples():
        e = runs[row.system, row.cores].tail(0.99)
        assert (row.value_us, row.low_us, row.high_us, row.n) == (e.value, e.low, e.high, e.n)
    assert set(tail.statistic) == {"p99"}


def test_a_table_has_all_statistics(runs):
    table = runs.table()
    assert table.statistic.drop_duplicates().tolist() == list(STATISTICS)
    assert len(table) == 4 * len(STATISTICS)
    pd.testing.assert_frame_equal(runs.table(["p99"]), runs.tail(0.99))


def test_a_difference_is_paired(runs):
    found = runs.difference("linux-4.9.40", "rainforest", "mean")
    assert list(found.columns) == ["cores", "statistic", "value_us", "low_us", "high_us", "n"]
    assert found.cores.tolist() == [2, 12]
    for row in found.itertuples():
        a, b = (runs[system, row.cores].replicated("mean") for system in SYSTEMS)
        e = paired_difference(a, b)
        assert (row.value_us, row.low_us, row.high_us, row.n) == (e.value, e.low, e.high, 4)


def test_a_difference_with_itself_is_nothing(runs):
    same = runs.difference("rainforest", "rainforest")
    assert (same[["value_us", "low_us", "high_us"]] == 0).all(axis=None)


def test_common_streams_make_differences_sharp():
    """On an idle machine two kernels differ by their constant costs: the noise of both is the same."""
    found = compare(["lxc", "rainforest"], "mmap", "S-A", cores=1, replications=6, duration="3 ms")
    difference = found.difference("rainforest", "lxc", "mean").iloc[0]
    spread = found.estimate("mean")
    widest = (spread.high_us - spread.low_us).max()
    assert difference.high_us - difference.low_us < widest


def test_differences_pair_what_both_have():
    rule = rf.Precision(relative=0.01, minimum=3, cap=12)
    found = compare(
        ["linux-2.6.32", "rainforest"], "malloc", "S-A", partitions=6, threads=2, replications=rule, duration="3 ms"
    )
    counts = [len(run.outcomes) for run in found.by_point.values()]
    assert found.difference("linux-2.6.32", "rainforest").n.tolist() == [min(counts)]


def test_isolation_shows():
    """More processes on one kernel lengthen the tail of mmap; on a kernel for each core they do not."""
    found = compare(SYSTEMS, "mmap", "S-A", cores=[1, 12], replications=4, duration="4 ms")
    tail = found.tail(0.99).set_index(["system", "cores"]).value_us
    assert tail["linux-4.9.40", 12] > 2 * tail["linux-4.9.40", 1]
    assert tail["rainforest", 12] == pytest.approx(tail["rainforest", 1], rel=0.02)


def test_it_shows_what_was_compared(runs):
    assert repr(runs) == "<Runs mmap on S-A: linux-4.9.40, rainforest; 2, 12 cores>"
    assert runs.caption.startswith("4 replications of 3 ms for each curve (")
    assert runs.caption.endswith("common random numbers, seed 7.")


# --- pictures ---------------------------------------------------------------------------------------------


def test_a_plot_has_a_panel_for_each_number_of_cores_and_a_curve_for_each_system(runs):
    figure = runs.plot()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in panels] == ["2 cores", "12 cores"]
    assert all(len(ax.get_lines()) == 2 for ax in panels)
    assert all(ax.get_xlabel() == "latency of map and unmap (us)" for ax in panels)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Linux 4.9.40", "RainForest"]
    for ax, cores in zip(panels, (2, 12), strict=True):
        for curve, system in zip(ax.get_lines(), SYSTEMS, strict=True):
            latency, probability = runs[system, cores].cdf()
            np.testing.assert_array_equal(curve.get_xdata(), latency)
            np.testing.assert_array_equal(curve.get_ydata(), probability)


def test_a_plot_shows_itself_in_a_notebook(runs):
    picture, about = runs.plot()._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert "linux-4.9.40, rainforest" in about["alt"]
    assert base64.b64encode(picture) == base64.b64encode(runs.plot()._repr_png_()[0])


def test_panels_are_wrapped_and_the_last_of_each_column_is_labelled():
    found = compare("xen", "open", "S-A", cores=[1, 2, 3, 4], replications=2, duration="2 ms")
    figure = found.plot()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in panels] == ["1 core", "2 cores", "3 cores", "4 cores"]
    assert [bool(ax.get_xlabel()) for ax in panels] == [False, True, True, True]
    assert [bool(ax.get_ylabel()) for ax in panels] == [True, False, False, True]


def test_systems_that_would_look_alike_get_other_lines(monkeypatch):
    from rainforest_model import plots

    monkeypatch.setattr(plots, "system_line", lambda id: plots.line(0))
    found = compare(SYSTEMS, "open", "S-A", cores=2, replications=2, duration="2 ms")
    curves = found.plot().axes[0].get_lines()
    assert len({(curve.get_color(), curve.get_linestyle()) for curve in curves}) == 2


# --- what does not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"systems": []}, "systems"), ({"systems": ["lxc", "xen", "lxc"]}, "systems"),
        ({"systems": ["windows"]}, "system"), ({"program": "mmapp"}, "workload"), ({"machine": "S-C"}, "machine"),
        ({"cores": []}, "cores"), ({"cores": "12"}, "cores"), ({"cores": [2, 2.5]}, "cores"), ({"cores": 13}, "cores"),
        ({"partitions": 5}, "partitions"), ({"jobs": 0}, "jobs"), ({"replications": 0}, "replications"),
        ({"prozesses": 2}, "prozesses"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_by_its_key(changed, key):
    told = {"systems": "lxc", "program": "mmap", "machine": "S-A", "replications": 2, "duration": "2 ms", **changed}
    with pytest.raises(InputError) as caught:
        compare(told.pop("systems"), told.pop("program"), told.pop("machine"), **told)
    assert caught.value.key == key


def test_what_was_not_compared_is_told_with_what_was(runs):
    with pytest.raises(InputError, match=r"known: linux-4.9.40, rainforest") as caught:
        runs.difference("xen", "rainforest")
    assert (caught.value.key, caught.value.value) == ("system", "xen")
    with pytest.raises(InputError, match="known: 2, 12") as caught:
        runs["rainforest", 6]
    assert (caught.value.key, caught.value.value) == ("cores", 6)
    with pytest.raises(InputError, match="no such statistic"):
        runs.estimate("median")
    with pytest.raises(InputError, match="map and unmap"):
        runs.tail(0.99, "unmap")


def test_a_run_that_records_nothing_is_an_error_when_asked():
    from rainforest_model.descriptions import program as pg

    slow = pg.program("slow", pg.measure("round", pg.compute(pg.constant("10 ms"))))
    found = compare("lxc", slow, "S-A", cores=1, replications=2, duration="2 ms")
    with pytest.raises(SimulationError, match="no latency was recorded"):
        found.tail()
