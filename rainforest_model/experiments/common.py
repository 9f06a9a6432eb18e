"""What experiments share: how many replications, running many scenarios at once, tidy tables of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..descriptions.scenario import Scenario
from ..simulation import STATISTICS, Run, simulate
from ..stats import Estimate, Precision, mean_interval, ordering_probability

CURVE_POINTS = 160


@dataclass(frozen=True)
class Options:
    """How an experiment is run.

    Attributes
    ----------
    quality : {"quick", "full"}
        ``full``: longer runs, more replications.
    seed : int
    engine : {"compiled", "agents"}
    jobs : int
        Scenarios run at the same time.
    progress : callable, optional
        Called with (done, expected) replications.
    """

    quality: str = "quick"
    seed: int = 1
    engine: str = "compiled"
    jobs: int = 1
    progress: Callable[[int, int], None] | None = None

    @property
    def precision(self) -> Precision:
        """Replications: until the mean p99 is known to 2 %, at least 10 (full: 20); the cap is 16 (full: 40)."""
        if self.quality == "quick":
            return Precision(relative=0.02, minimum=10, cap=16)
        return Precision(relative=0.02, minimum=20, cap=40)

    def span(self, quick: str, full: str) -> str:
        """The simulated time of this quality."""
        return quick if self.quality == "quick" else full


Key = tuple


def without_pressure(scenario: Scenario) -> Scenario:
    """The same scenario, with nobody's speed depending on who else presses on caches and memory."""
    loads = tuple(
        load.model_copy(update={"program": load.program.model_copy(update={"footprint": None})})
        for load in scenario.loads
    )
    return scenario.model_copy(update={"loads": loads})


def run_all(
    scenarios: Mapping[Key, Scenario], options: Options, replications: int | Precision | None = None
) -> dict[Key, Run]:
    """Simulate scenarios side by side; all meet the same random streams.

    `replications` is their number, or the rule for it, where it is not that of the options.
    """
    rule = replications or options.precision
    done, expected = 0, len(scenarios) * (rule if isinstance(rule, int) else rule.minimum)

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if options.progress is not None:
            options.progress(done, expected)

    def one(item: tuple[Key, Scenario]) -> Run:
        key, scenario = item
        return simulate(
            scenario, replications=rule, seed=options.seed, engine=options.engine, progress=tell,
            name=" ".join(map(str, key)),
        )

    with ThreadPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(one, scenarios.items()))
    if options.progress is not None:
        options.progress(done, done)
    return dict(zip(scenarios, runs, strict=True))


def statistics(runs: Mapping[Key, Run], columns: list[str]) -> pd.DataFrame:
    """One row for each key, replication and statistic, in us."""
    rows = []
    for key, run in runs.items():
        for statistic in STATISTICS:
            for i, value in enumerate(run.replicated(statistic)):
                rows.append((*key, i, statistic, value))
    return pd.DataFrame(rows, columns=[*columns, "replication", "statistic", "value_us"])


def curves(runs: Mapping[Key, Run], columns: list[str]) -> pd.DataFrame:
    """Cumulative distributions over all replications, thinned evenly in nines and in share."""
    rows = []
    for key, run in runs.items():
        latency, probability = run.cdf()
        tail = np.minimum(-np.log10(np.maximum(1 - probability, 1e-9)), 6) / 6
        keep = np.unique(np.searchsorted(probability / 2 + tail / 2, np.linspace(0, 1, CURVE_POINTS)))
        keep = np.unique(np.append(keep[keep < len(latency)], len(latency) - 1))
        rows += [(*key, latency[k], probability[k]) for k in keep]
    return pd.DataFrame(rows, columns=[*columns, "latency_us", "probability"])


MANY = 4
"""So many programs are counted in a caption, not named."""


def notes(runs: Mapping[Key, Run], options: Options, replications: int | Precision | None = None) -> dict:
    """What a caption says of the runs; `replications` as for `run_all`."""
    rule = replications or options.precision
    n = [len(run.outcomes) for run in runs.values()]
    tight = sum("<=" in run.stopped for run in runs.values())
    durations: dict[str, list[str]] = {}
    for run in runs.values():
        names = durations.setdefault(run.scenario.duration, [])
        names += [load.program.id for load in run.scenario.loads if load.program.id not in names]
    told = "; ".join(
        f"{', '.join(names) if len(names) < MANY else f'{len(names)} programs'}: {time}"
        for time, names in durations.items()
    )
    return {
        "replications": [min(n), max(n)], "scenarios": len(runs), "tight": tight, "duration": told,
        "samples": sum(run.samples for run in runs.values()), "engine": options.engine,
        "rule": "" if isinstance(rule, int) else f"p99 to {100 * rule.relative:g} % or {rule.cap} replications",
    }


def caption(notes: Mapping, seed: int) -> str:
    """How the numbers came about, computed from the notes of the results."""
    low, high = notes["replications"]
    n = f"{low}" if low == high else f"{low} to {high}"
    rule = f"; {notes['rule']}: {notes['tight']} of {notes['scenarios']} were tight" if notes["rule"] else ""
    return (
        f"{n} replications ({notes['duration']}) for each curve, {notes['samples']:,} calls in all{rule}. Common "
        f"random numbers, seed {seed}."
    )


class Replicated:
    """A table with a column of statistics, asked by condition: values and estimates over its replications."""

    def __init__(self, frame: pd.DataFrame, columns: list[str], value: str = "value_us"):
        self._columns = columns
        self._groups = {
            key: group.sort_values("replication")[value].to_numpy()
            for key, group in frame.groupby([*columns, "statistic"], sort=False)
        }

    def values(self, *key) -> np.ndarray:
        """Values over the replications of a condition and statistic, in the unit of the table."""
        return self._groups[key]

    def estimate(self, *key) -> Estimate:
        """Their mean with its 95 % interval."""
        return mean_interval(self.values(*key))

    def holds(self, *orders: tuple[tuple, tuple]) -> Estimate:
        """Probability over replications that for all pairs the first is smaller than the second."""
        together = min(len(self.values(*key)) for pair in orders for key in pair)
        held = np.ones(together, bool)
        for smaller, larger in orders:
            held &= self.values(*smaller)[:together] < self.values(*larger)[:together]
        return ordering_probability(held)
