"""What the experiments on Spark share: its clusters on S-B, and the table of what their jobs take."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..descriptions import load
from ..simulation import Run
from ..units import TICKS_PER_NS
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
    """What jobs take: one row for each key, replication and statistic.

    Returns
    -------
    DataFrame
        Statistics ``job`` (ms as simulated), ``fetch`` (percent of the threads' time that tasks spend on a shuffle's
        transfer) and ``collection`` (percent of the job's time for which a worker collects garbage).
    """
    rows = []
    for key, run in runs.items():
        for i, outcome in enumerate(run.outcomes):
            def total_ms(name, run=run, outcome=outcome):
                found = outcome.moments[run.series.index(name)][1] if name in run.series else 0.0
                return found / TICKS_PER_NS / 1e6

            job, workers = total_ms(JOB), run.scenario.partitions
            if not job:
                raise ValueError(f"a job has not ended within {SECONDS} s")
            found = {
                "job": job,
                "fetch": 100 * total_ms(FETCH) / (job * run.scenario.cores),
                "collection": 100 * total_ms(COLLECTION) / (job * workers),
            }
            rows += [(*key, i, statistic, value) for statistic, value in found.items()]
    return pd.DataFrame(rows, columns=[*columns, "replication", "statistic", "value"])
