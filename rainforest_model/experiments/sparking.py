"""What the experiments on Spark share: its clusters on S-B, and the table of what their jobs take."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..descriptions import load
from ..outcome import Outcome
from ..simulation import Run
from ..workloads.spark import COLLECTION, FETCH, JOB, Cluster, SparkDescription
from .common import Key, Options

MACHINE = "S-B"
WORKERS = 4
SECONDS = 2.5
"""Simulated time: longer than any job."""


def cluster(
    system: str, job: str, channel: str, workers: int = WORKERS, described: SparkDescription | None = None,
) -> Cluster:
    """A job on S-B, by ids of system and channel."""
    return Cluster(load.machine(MACHINE), load.system(system), job, load.channel(channel), workers, described=described)


def replications(options: Options) -> int:
    """A fixed number: jobs differ by a few percent from one to the next."""
    return 3 if options.quality == "quick" else 10


def times(runs: Mapping[Key, Run], columns: list[str]) -> pd.DataFrame:
    """What jobs take, as simulated: one row for each key and replication, with statistic ``job``, in us.

    Raises
    ------
    SimulationError
        If a job has not ended.
    """
    rows = [
        (*key, i, JOB, value) for key, run in runs.items() for i, value in enumerate(run.replicated("mean", JOB))
    ]
    return pd.DataFrame(rows, columns=[*columns, "replication", "statistic", "value_us"])


def shares(runs: Mapping[Key, Run], columns: list[str]) -> pd.DataFrame:
    """Where the time of jobs goes: one row for each key, replication and statistic.

    Returns
    -------
    DataFrame
        Statistics ``fetch`` (percent of the threads' time that tasks spend on a shuffle's transfer) and ``collection``
        (percent of the job's time for which a worker waits for a collection or makes one).
    """
    rows = []
    for key, run in runs.items():
        for i, outcome in enumerate(run.outcomes):
            job = _total(run, outcome, JOB)
            found = {
                "fetch": 100 * _total(run, outcome, FETCH) / (job * run.scenario.cores),
                "collection": 100 * _total(run, outcome, COLLECTION) / (job * run.scenario.partitions),
            }
            rows += [(*key, i, statistic, value) for statistic, value in found.items()]
    return pd.DataFrame(rows, columns=[*columns, "replication", "statistic", "value"])


def _total(run: Run, outcome: Outcome, series: str) -> float:
    """Ticks of all samples of a series; none where a job has no such thing."""
    return outcome.moments[run.series.index(series)][1] if series in run.series else 0.0
