"""Sweeps: what they cost, the command, the tables, a cluster."""

from __future__ import annotations

import os
import time

import pandas as pd
import pytest
import sweep_tasks
from sweeps import (
    ROOT,
    InProcess,
    assert_refused,
    numbered,
    pages,
    rainforest,
    sweep_file,
    swept,
)

from rainforest_model.sweep import ClusterWorkers, LocalWorkers, load_plan, parquet, summary, table
from rainforest_model.sweep.description import Sweep
from rainforest_model.sweep.design import Axis

# --- what it costs ----------------------------------------------------------------------------------------


def test_sharing_points_out_and_keeping_them_costs_little(place):
    """In processor time of the process that does it, which other work on the machine does not change much."""
    path = numbered(place, 1000)
    began = time.process_time()
    done = swept(path, place / "points.store", LocalWorkers(2, sweep_tasks.quick))
    assert len(done.outcomes) == 1000
    assert time.process_time() - began < 1000 * 5e-3


def test_resuming_ten_thousand_finished_points_takes_less_than_three_seconds(place):
    path, store = numbered(place, 10_000), place / "points.store"
    swept(path, store, InProcess(sweep_tasks.quick))
    began = time.process_time()
    done = swept(path, store, InProcess(task=None))
    assert "10000 finished" in summary(done)
    assert time.process_time() - began < 3


# --- the command, the files, the cluster ------------------------------------------------------------------


def test_the_command_runs_tells_and_exports(place):
    path, store, csv = sweep_file(place, pages(1, 2)), place / "points.store", place / "points.csv"
    first = rainforest("sweep", path, "--store", store, "--csv", csv, "--jobs", 1)
    assert first.exit_code == 0, first.stderr
    assert "2 finished, 0 failed; 0 of them were in the store" in first.stdout
    frame = pd.read_csv(csv)
    assert list(frame["load.0.parameters.pages"]) == [1, 2]
    assert frame["failure"].isna().all()
    second = rainforest("sweep", path, "--store", store)
    assert "2 of them were in the store" in second.stdout


def test_a_sweep_of_which_no_point_finishes_says_so(place):
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [0]')
    done = rainforest("sweep", path, "--store", place / "points.store", "--jobs", 1)
    assert done.exit_code == 1
    assert "cores = 0" in done.stdout
    assert "no point finished" in done.stderr


def test_parquet_holds_the_same_table(place):
    pytest.importorskip("pyarrow")
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [1, 2, "many"]')
    frame = table(swept(path, place / "points.store"))
    (place / "points.parquet").write_bytes(parquet(frame))
    pd.testing.assert_frame_equal(pd.read_parquet(place / "points.parquet"), frame, check_dtype=False)


def test_the_shipped_example_fits():
    plan = load_plan(ROOT / "examples" / "sweep.toml")
    assert len(plan.points) == plan.sweep.count == 60
    assert len({point.asked for point in plan.points}) == 60


@pytest.fixture
def cluster(monkeypatch):
    """A Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1",
    ) as found:
        yield found


def test_a_cluster_gives_the_same_table(place, cluster):
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [1, 2, 0]')
    here = table(swept(path, place / "a.store"))
    there = table(swept(path, place / "b.store", ClusterWorkers(cluster.scheduler_address)))
    pd.testing.assert_frame_equal(here, there)


def test_a_worker_of_a_cluster_that_dies_costs_no_point(place, cluster):
    path = numbered(place, 12)
    workers = ClusterWorkers(cluster.scheduler_address, sweep_tasks.deadly_once)
    done = swept(path, place / "points.store", workers)
    assert (len(done.outcomes), done.failures) == (12, {})


def test_a_scheduler_that_does_not_answer_is_told(place, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("rainforest_model.sweep.cluster.WAIT_S", 0.5)
    path = sweep_file(place, pages(1))
    done = rainforest("sweep", path, "--store", place / "points.store", "--scheduler", "tcp://127.0.0.1:9")
    assert_refused(done, "--scheduler")


def test_every_key_of_a_sweep_is_documented():
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8").partition("## Sweeps")[2]
    keys = {*Sweep.model_fields, *Axis.model_fields}
    assert not [key for key in keys if f"`{key}`" not in text and f"[{key}]" not in text]
