"""What the experiments on Search share: its scenarios on S-A, what they report, and the highest bearable load."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd

from .. import histogram
from ..descriptions import load
from ..descriptions.program import Duration, Gather, Program, ReceivePart, Scatter, Sleep
from ..descriptions.scenario import Load, Scenario
from ..simulation import Run, replicate
from ..stats import Estimate, Precision, paired_ratio
from ..units import TICKS_PER_NS, to_us
from ..workloads import operations, workload
from ..workloads.search import SearchDescription, search_loads
from .common import Key, Options

MACHINE = "S-A"
WARMUP_S = 2
LIMIT_MS = 200
RATE_STEP = 5
"""Loads are told apart to so many requests a second."""


def precision(options: Options) -> Precision:
    """Replications of a run of Search: until the mean p99 is known to 5 %, between 4 and 6 (full: 8 and 16)."""
    least, most = (4, 6) if options.quality == "quick" else (8, 16)
    return Precision(relative=0.05, minimum=least, cap=most)


def search_on(
    system: str, rate: float, back_ends: int = 1, neighbour: str | Program | None = None, pinned: bool = False,
    seconds: float = 30, search: SearchDescription | None = None, **rest,
) -> Scenario:
    """Search on S-A, in two halves of a divided system or on all cores of plain Linux, perhaps with a neighbour.

    Parameters
    ----------
    system : str
    rate : float
        Requests a second.
    back_ends : {1, 2}
        One, in the first half (Linux: on all cores), or one in each half with half the index.
    neighbour : str or Program, optional
        A workload in the other half with a thread for each of its cores (Linux: a thread for each core).
    pinned : bool
        Whether each thread keeps to one core.
    seconds : float
        Simulated time; the first two seconds are not recorded.
    search : SearchDescription, optional
        Instead of the shipped one.
    **rest
        Further fields of the scenario, such as its own structures.
    """
    machine, how = load.machine(MACHINE), load.system(system)
    divided = how.partitioning.partitioned
    parts = 2 if divided else back_ends
    loads = list(search_loads(rate, back_ends, search, pinned))
    if neighbour is not None:
        threads = machine.topology.cores // (2 if divided else 1)
        loads.append(
            Load(
                program=workload(neighbour) if isinstance(neighbour, str) else neighbour, threads=threads,
                partition=parts - 1, pinned=pinned,
            )
        )
    return load.validated(Scenario, {
        "machine": machine, "system": how, "loads": loads, "cores": machine.topology.cores, "partitions": parts,
        "duration": f"{seconds:g} s", "warmup": f"{WARMUP_S} s", "stagger": "1 ms", **rest,
    })


def back_ends_of(scenario: Scenario) -> list[Load]:
    """The back ends of a scenario, one entry for each that runs."""
    answering = [entry for entry in scenario.loads if _uses(entry, ReceivePart)]
    return [entry for entry in answering for _ in entry.copies(scenario.partitions)]


def asks_every_back_end(scenario: Scenario) -> bool:
    """Whether each request goes to all back ends and ends with the last answer."""
    return any(_uses(entry, Scatter) for entry in scenario.loads) and all(
        _uses(entry, Gather) for entry in back_ends_of(scenario)
    )


def arrives_uniformly(scenario: Scenario) -> bool:
    """Whether requests are sent at equal distances."""
    return _interval(scenario).distribution == "constant"


def rate_of(scenario: Scenario) -> float:
    """Requests a second."""
    return 1e9 / _interval(scenario).mean_ns


def _interval(scenario: Scenario) -> Duration:
    """Time between two requests."""
    [clients] = [entry for entry in scenario.loads if _uses(entry, Scatter)]
    [wait] = [op for op in operations(clients.program) if isinstance(op, Sleep)]
    return wait.time


def _uses(entry: Load, kind: type) -> bool:
    return any(isinstance(op, kind) for op in operations(entry.program))


def cores_of_an_instance(scenario: Scenario) -> int:
    """Cores of one OS instance."""
    return scenario.cores // scenario.partitions


def inside_a_node(scenario: Scenario) -> bool:
    """Whether no OS instance reaches over two sockets."""
    return scenario.machine.topology.cores_per_socket % cores_of_an_instance(scenario) == 0


def memory_of_an_instance(scenario: Scenario) -> float:
    """Memory of one OS instance in GB: its cores' share of the machine's."""
    share = cores_of_an_instance(scenario) / scenario.machine.topology.cores
    return scenario.machine.memory.capacity.plain() * share / 2**30


def resources(runs: Mapping[Key, Run], columns: list[str]) -> pd.DataFrame:
    """What the runs use: one row for each key, replication and statistic.

    Returns
    -------
    DataFrame
        Statistics ``cores`` (percent of all cores' time with a task), ``handlers`` (percent of the handlers' time
        with a part of a request), ``part`` (ms that a handler takes for a part) and ``rounds`` (of a neighbour,
        a second).
    """
    rows = []
    for key, run in runs.items():
        search = next(entry for entry in run.scenario.loads if entry.program.id == "search")
        handlers = search.threads * len(search.copies(run.scenario.partitions))
        part = run.series.index("part")
        neighbour = next((k for k, name in enumerate(run.series) if name not in ("search", "part")), None)
        for i, outcome in enumerate(run.outcomes):
            seconds = outcome.now / TICKS_PER_NS / 1e9 - WARMUP_S
            parts, in_parts = outcome.moments[part][:2]
            found = {
                "cores": 100 * outcome.busy.mean() / outcome.now,
                "handlers": 100 * to_us(in_parts) / 1e6 / seconds / handlers,
                "part": to_us(in_parts / parts) / 1000,
            }
            if neighbour is not None:
                found["rounds"] = outcome.moments[neighbour][0] / seconds
            rows += [(*key, i, statistic, value) for statistic, value in found.items()]
    return pd.DataFrame(rows, columns=[*columns, "replication", "statistic", "value"])


def highest_load(
    scenario_at, low: float, high: float, replication: int, options: Options, step: float = RATE_STEP
) -> float:
    """The highest load whose 99th percentile stays within the limit, in one replication, by bisection.

    Parameters
    ----------
    scenario_at : callable
        Rate to scenario.
    low, high : float
        Loads that are taken to be bearable and unbearable, requests a second.
    replication : int
        All loads of a replication meet the same random streams, so that the tail grows with the load.
    step : float
        Loads nearer than that are not told apart.
    """
    while high - low > step:
        rate = (low + high) / 2
        outcome = replicate(scenario_at(rate), options.seed, replication, options.engine)
        if to_us(histogram.quantile(outcome.counts[0], 0.99)) <= 1000 * LIMIT_MS:
            low = rate
        else:
            high = rate
    return (low + high) / 2


def highest_loads(
    scenarios_at: Mapping[str, object], low: float, high: float, replications: int, options: Options,
    step: float = RATE_STEP,
) -> pd.DataFrame:
    """`highest_load` of several systems in several replications: columns system, replication, rate."""
    points = [(id, i) for id in scenarios_at for i in range(replications)]

    def one(point):
        id, i = point
        return id, i, highest_load(scenarios_at[id], low, high, i, options, step)

    rows = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(one, points):
            rows.append(row)
            if options.progress is not None:
                options.progress(len(rows), len(points))
    return pd.DataFrame(rows, columns=["system", "replication", "rate"])


def growth(beside: np.ndarray, alone: np.ndarray) -> Estimate:
    """By how many percent the first is larger in the mean, paired over replications."""
    ratio = paired_ratio(beside, alone)
    return replace(ratio, value=100 * (ratio.value - 1), low=100 * (ratio.low - 1), high=100 * (ratio.high - 1))


def worst(values: Mapping[str, np.ndarray]) -> str:
    """The neighbour with the largest mean value."""
    return max(values, key=lambda name: float(np.mean(values[name])))
