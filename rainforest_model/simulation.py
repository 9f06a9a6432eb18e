"""From a scenario to a run: independent replications by either engine, until they are tight enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from . import histogram
from .descriptions.program import Program, time_ns
from .descriptions.scenario import Load, Scenario
from .errors import InputError
from .lowering import lower
from .outcome import Outcome, StopReason
from .stats import Estimate, Precision, mean_interval
from .units import TICKS_PER_NS, to_us

ENGINES = ("compiled", "agents")
STATISTICS = ("mean", "sd", "p50", "p99", "p99.9", "max")
"""What `Run.replicated` knows; all in microseconds."""

DEFAULT = Precision(relative=0.05, minimum=5, cap=20)

Progress = Callable[[int], None]


class SimulationError(RuntimeError):
    """A scenario that cannot be simulated to its end."""


def engine_class(engine: str) -> type:
    """The class of an engine by its name; none is imported before it is asked for.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    if engine == "compiled":
        from .engine.door import CompiledEngine

        return CompiledEngine
    if engine == "agents":
        from .agents.model import MachineModel

        return MachineModel
    raise InputError(f"no such engine; known: {', '.join(ENGINES)}", key="engine", value=engine)


def replicate(scenario: Scenario, seed: int = 1, replication: int = 0, engine: str = "compiled") -> Outcome:
    """One replication of a scenario.

    Parameters
    ----------
    scenario : Scenario
    seed, replication : int
        Together they seed all random streams.
    engine : {"compiled", "agents"}

    Raises
    ------
    InputError
        If the scenario does not fit (`rainforest_model.lowering.lower`), or there is no such engine.
    SimulationError
        If the run stops before its end (a deadlock, an overfull queue, ...).

    Examples
    --------
    >>> from rainforest_model.reference import closed_lock
    >>> int(replicate(closed_lock(2, duration="2 ms")).counts.sum()) > 500
    True
    """
    tables = lower(scenario, seed=f"{seed}.{replication}")
    model = engine_class(engine)(tables, warmup=round(time_ns(scenario.warmup) * TICKS_PER_NS))
    reason = model.run(round(time_ns(scenario.duration) * TICKS_PER_NS))
    if reason is not StopReason.REACHED:
        where = f"{to_us(model.now):.3f} us"
        raise SimulationError(f"{scenario!r}: thread {model.culprit()} {reason.value} (at {where})")
    return model.outcome()


@dataclass(frozen=True)
class Run:
    """The replications of one scenario.

    Attributes
    ----------
    scenario : Scenario
    seed : int
    engine : str
    series : tuple of str
        Names of the measured latencies.
    outcomes : tuple of Outcome
        One for each replication.
    stopped : str
        Why there are so many replications and no more.
    """

    scenario: Scenario
    seed: int
    engine: str
    series: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    stopped: str = ""
    name: str = field(default="")

    def _series(self, series: str | None) -> int:
        if series is None:
            return 0
        if series not in self.series:
            raise InputError(f"nothing of this name is measured; known: {', '.join(self.series)}", key="series",
                             value=series)
        return self.series.index(series)

    def replicated(self, statistic: str, series: str | None = None) -> np.ndarray:
        """One value of a statistic for each replication.

        Parameters
        ----------
        statistic : str
            One of `STATISTICS`, or any percentile such as ``"p95"``.
        series : str, optional
            Which latency; the program's first one by default.

        Returns
        -------
        float64[replications], us
        """
        k = self._series(series)
        return np.array([_statistic(outcome, k, statistic) for outcome in self.outcomes])

    def estimate(self, statistic: str, series: str | None = None) -> Estimate:
        """Mean over the replications of a statistic, in us, with its 95 % interval (Student's t)."""
        return mean_interval(self.replicated(statistic, series))

    def tail(self, p: float = 0.99, series: str | None = None) -> Estimate:
        """The percentile `p` (0 .. 1) in us: mean over replications, with its 95 % interval."""
        return self.estimate(f"p{100 * p:g}", series)

    def counts(self, series: str | None = None) -> np.ndarray:
        """Histogram of all replications together: int64[buckets]."""
        k = self._series(series)
        return sum(outcome.counts[k] for outcome in self.outcomes)

    def cdf(self, series: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Cumulative distribution over all replications: latencies in us, probabilities."""
        values, probabilities = histogram.cdf(self.counts(series))
        return to_us(values), probabilities

    @property
    def samples(self) -> int:
        """Latencies recorded in all replications."""
        return int(sum(outcome.counts.sum() for outcome in self.outcomes))

    @property
    def utilisation(self) -> float:
        """Share of core time for which a core had a task."""
        return float(np.mean([outcome.busy.mean() / outcome.now for outcome in self.outcomes]))

    def table(self, statistics: Iterable[str] = STATISTICS):
        """Tidy DataFrame: one row for each series and statistic, with value, interval and n."""
        import pandas as pd

        rows = []
        for series in self.series:
            for statistic in statistics:
                e = self.estimate(statistic, series)
                rows.append((series, statistic, e.value, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["series", "statistic", "value_us", "low_us", "high_us", "n"])

    @cached_property
    def caption(self) -> str:
        """How the numbers came about, for a figure."""
        return (
            f"{len(self.outcomes)} replications of {self.scenario.duration} "
            f"({self.samples:,} samples), seed {self.seed}"
        )

    def __repr__(self) -> str:
        if not self.series or not self.samples:
            return f"<Run {self.scenario!r}: nothing recorded>"
        e = self.estimate("p99")
        return f"<Run {self.name or self.scenario!r}: p99 {e.value:.4g} us [{e.low:.4g}, {e.high:.4g}], n={e.n}>"


def _statistic(outcome: Outcome, k: int, statistic: str) -> float:
    n, total, squares, largest = outcome.moments[k]
    if n == 0:
        raise SimulationError("no latency was recorded: the duration is shorter than one round of the program")
    if statistic == "mean":
        return to_us(total / n)
    if statistic == "sd":
        return to_us(max(0.0, squares / n - (total / n) ** 2) ** 0.5)
    if statistic == "max":
        return to_us(largest)
    try:
        q = float(statistic.removeprefix("p")) / 100
        if statistic[0] != "p" or not 0 < q <= 1:
            raise ValueError
    except ValueError:
        known = ", ".join(STATISTICS)
        raise InputError(f"no such statistic; known: {known}, or a percentile such as p95", key="statistic",
                         value=statistic) from None
    return to_us(histogram.quantile(outcome.counts[k], q))


def simulate(
    scenario: Scenario, *, replications: int | Precision = DEFAULT, seed: int = 1, engine: str = "compiled",
    jobs: int = 1, statistic: str = "p99", progress: Progress | None = None, name: str = "",
) -> Run:
    """Simulate a scenario in independent replications.

    Parameters
    ----------
    scenario : Scenario
    replications : int or Precision
        So many, or until the 95 % interval of `statistic` is tight enough or the cap is reached.
    seed : int
        Replication i of every scenario with this seed meets the same random streams.
    engine : {"compiled", "agents"}
    jobs : int
        Replications run at the same time; the result does not depend on it.
    progress : callable, optional
        Called with 1 after each replication.

    Returns
    -------
    Run

    Raises
    ------
    InputError, SimulationError
        As `replicate`.

    Examples
    --------
    >>> from rainforest_model.reference import closed_lock
    >>> run = simulate(closed_lock(4, duration="3 ms"), replications=3)
    >>> len(run.outcomes), run.series
    (3, ('response',))
    """
    rule = replications if isinstance(replications, Precision) else None
    cap = rule.cap if rule else int(replications)
    if cap < 1:
        raise InputError("must be at least 1", key="replications", value=replications)
    if jobs < 1:
        raise InputError("must be at least 1", key="jobs", value=jobs)
    series = tuple(lower(scenario, seed).series)

    def one(i: int) -> Outcome:
        outcome = replicate(scenario, seed, i, engine)
        if progress is not None:
            progress(1)
        return outcome

    outcomes: list[Outcome] = []
    stopped = f"{cap} replication{'s' * (cap > 1)}, as asked"
    with ThreadPoolExecutor(jobs) as pool:
        while len(outcomes) < cap:
            first = len(outcomes)
            wanted = min(cap, max(rule.minimum, first + jobs)) if rule else cap
            outcomes += pool.map(one, range(first, wanted))
            decision = _enough(outcomes, rule, statistic, first) if rule and series else None
            if decision is not None:
                count, stopped = decision
                outcomes = outcomes[:count]
                break
    return Run(scenario, seed, engine, series, tuple(outcomes), stopped, name)


def _enough(outcomes: list[Outcome], rule: Precision, statistic: str, checked: int) -> tuple[int, str] | None:
    """The first number of replications at which the rule stops, as if they had come one by one."""
    values = [_statistic(outcome, 0, statistic) for outcome in outcomes]
    for n in range(max(rule.minimum, checked + 1), len(values) + 1):
        decision = rule.decide(values[:n])
        if decision.stop:
            return n, f"{statistic}: {decision.reason}"
    return None


def scenario(
    machine, system, program: Program, *, cores: int | None = None, partitions: int = 1, processes: int = 1,
    threads: int = 1, pinned: bool = False, **rest,
) -> Scenario:
    """A scenario of one program, from descriptions or the ids of shipped ones.

    Parameters
    ----------
    machine, system, program : description or str
    cores : int, optional
        All of the machine's by default.
    partitions, processes, threads, pinned
        As in `Scenario` and `Load`.
    **rest
        Further fields of `Scenario`: duration, warmup, stagger, structures, costs.

    Raises
    ------
    InputError
        If something does not fit.

    Examples
    --------
    >>> scenario("S-A", "rainforest", "mmap", partitions=6, threads=2)
    <Scenario mmap on rainforest, S-A: 12 cores in 6 parts, 20 ms>
    """
    from .descriptions import load
    from .workloads import workload

    machine = load.machine(machine) if isinstance(machine, str) else machine
    system = load.system(system) if isinstance(system, str) else system
    program = workload(program) if isinstance(program, str) else program
    loads = [{"program": program, "processes": processes, "threads": threads, "pinned": pinned}]
    return load.validated(Scenario, {
        "machine": machine, "system": system, "loads": loads, "partitions": partitions,
        "cores": machine.topology.cores if cores is None else cores, **rest,
    })


__all__ = [
    "DEFAULT", "ENGINES", "STATISTICS", "Load", "Run", "SimulationError", "engine_class", "replicate", "scenario",
    "simulate",
]
