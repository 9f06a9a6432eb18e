"""Runs of an experiment: the same numbers however many run at a time, shorter or longer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from experiment_results import QUICK

from rainforest_model.experiments import common
from rainforest_model.simulation import scenario


def a_few() -> dict:
    return {
        (system, processes): scenario("S-A", system, "mmap", cores=4, processes=processes, duration="2 ms")
        for system in ("linux-2.6.32", "linux-4.9.40") for processes in (1, 3)
    }


def test_runs_do_not_depend_on_how_many_run_at_a_time():
    columns = ["system", "processes"]
    tables = []
    for jobs in (1, 2):
        runs = common.run_all(a_few(), common.Options(jobs=jobs))
        tables.append((common.statistics(runs, columns), common.curves(runs, columns), list(runs)))
    pd.testing.assert_frame_equal(tables[0][0], tables[1][0], check_exact=True)
    pd.testing.assert_frame_equal(tables[0][1], tables[1][1], check_exact=True)
    assert tables[0][2] == tables[1][2] == list(a_few())


def test_a_scenario_runs_as_if_it_were_alone():
    together = common.run_all(a_few(), QUICK)
    key = ("linux-4.9.40", 3)
    alone = common.run_all({key: a_few()[key]}, QUICK)
    np.testing.assert_array_equal(together[key].counts(), alone[key].counts())


def test_progress_counts_every_replication_and_ends_complete():
    told = []
    options = common.Options(jobs=2, progress=lambda done, expected: told.append((done, expected)))
    runs = common.run_all(a_few(), options)
    total = sum(len(run.outcomes) for run in runs.values())
    assert told[-1] == (total, total)
    assert sorted(done for done, _ in told[:-1]) == list(range(1, total + 1))


def test_a_full_run_is_longer_than_a_quick_one():
    quick, full = common.Options(), common.Options(quality="full")
    assert full.precision.minimum > quick.precision.minimum
    assert full.precision.cap > quick.precision.cap
    assert (quick.span("1 ms", "2 ms"), full.span("1 ms", "2 ms")) == ("1 ms", "2 ms")


def test_curves_are_thinned_but_keep_their_ends_and_their_tail():
    runs = common.run_all(a_few(), QUICK)
    table = common.curves(runs, ["system", "processes"])
    for key, run in runs.items():
        here = table[(table.system == key[0]) & (table.processes == key[1])]
        latency, probability = run.cdf()
        assert len(here) <= common.CURVE_POINTS + 1
        assert here.latency_us.is_monotonic_increasing
        assert (here.latency_us.iloc[-1], here.probability.iloc[-1]) == (latency[-1], 1)
        for p in (0.5, 0.9, 0.99):
            shown = here.latency_us[here.probability >= p].iloc[0]
            assert shown == pytest.approx(latency[np.argmax(probability >= p)], rel=0.05)
