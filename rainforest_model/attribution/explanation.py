"""A tail, explained: all subsets of the causes under common random numbers, each cause's share with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..lowering import lower
from ..simulation import Run, replicate
from ..stats import Estimate, mean_interval
from .causes import CAUSES, Cause, switched_off
from .shapley import shapley

OF_OUR_OWN = "the program alone"
TOGETHER = "all together"
COLUMNS = ["workload", "system", "cause", "us", "low_us", "high_us", "percent", "low_percent", "high_percent", "n"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rule:
    """Stopping rule: replicate until every share's interval is short enough, or a cap is reached.

    Attributes
    ----------
    points : float
        Wanted half-width of the 95 % interval of each share, in points of the whole.
    minimum, cap : int
        Replications before the rule may stop, and at which it stops in any case.

    Raises
    ------
    ValueError
        Unless `points` is positive and 2 <= minimum <= cap.
    """

    points: float = 5.0
    minimum: int = 8
    cap: int = 128

    def __post_init__(self) -> None:
        if not self.points > 0 or not 2 <= self.minimum <= self.cap:
            raise ValueError(f"need points > 0 and 2 <= minimum <= cap, not {self}")


QUICK = Rule()
RULES = {"quick": QUICK, "full": Rule(points=2.0, minimum=16, cap=256)}
"""By quality."""


@dataclass(frozen=True)
class Explanation:
    """What the causes contribute to one percentile under one system.

    Attributes
    ----------
    name : str
        What is explained.
    scenario : Scenario
        With all causes at work.
    percentile : float
        For example 99.
    causes : tuple of Cause
    values : ndarray
        float[replications, 2**causes], us: the percentile with those causes at work that are bits of the index.
    seed : int
    stopped : str
        Why there are so many replications and no more.
    """

    name: str
    scenario: Scenario
    percentile: float
    causes: tuple[Cause, ...]
    values: np.ndarray
    seed: int
    stopped: str = ""

    @cached_property
    def contributed(self) -> np.ndarray:
        """What each cause adds in each replication: float64[replications, causes], us."""
        return shapley(self.values)

    @property
    def whole(self) -> np.ndarray:
        """What all causes add together in each replication: float64[replications], us."""
        return self.values[:, -1] - self.values[:, 0]

    @property
    def bare(self) -> Estimate:
        """The percentile with all causes off, us."""
        return mean_interval(self.values[:, 0])

    @property
    def tail(self) -> Estimate:
        """The percentile with all causes at work, us."""
        return mean_interval(self.values[:, -1])

    def contribution(self, cause: int) -> Estimate:
        """What a cause, by its number, adds to the percentile, us."""
        return mean_interval(self.contributed[:, cause])

    def share(self, cause: int) -> Estimate:
        """What a cause, by its number, adds, in percent of what all add.

        A ratio of means over the same replications, with the interval of its linearisation: (-inf, inf) where what
        all add cannot be told from nothing, and nothing at all where no cause does anything.

        References
        ----------
        Cochran, W. G. (1977). *Sampling Techniques*, 3rd ed. Wiley, chapter 6 (ratio estimators).
        """
        return share_of(self.contributed[:, cause], self.whole)

    @property
    def widest(self) -> float:
        """The largest half-width of a share, in points."""
        return max(self.share(k).half_width for k in range(len(self.causes)))

    def table(self):
        """Tidy DataFrame: a row for each cause, then all together and the program alone.

        Returns
        -------
        DataFrame
            Columns `COLUMNS`: contribution in us and in percent of what all causes add, with 95 % intervals over n
            replications; for the program alone, which the causes come on top of, in us only.
        """
        import pandas as pd

        rows = [
            (cause.title, self.contribution(k), self.share(k)) for k, cause in enumerate(self.causes)
        ]
        rows.append((TOGETHER, mean_interval(self.whole), share_of(self.whole, self.whole)))
        rows.append((OF_OUR_OWN, self.bare, None))
        nan = (math.nan,) * 3
        return pd.DataFrame(
            [
                (self.name, self.scenario.system.id, title, us.value, us.low, us.high,
                 *((part.value, part.low, part.high) if part is not None else nan), us.n)
                for title, us, part in rows
            ],
            columns=COLUMNS,
        )

    def text(self) -> str:
        """The table for a terminal."""
        n = len(self.values)
        unit, factor = readable(self.tail.value)
        tail, bare = self.tail.scaled(factor), self.bare.scaled(factor)
        lines = [
            f"{self.name} on {self.scenario.system.title}: the {self.percentile:g}th percentile is {tail.value:.4g} "
            f"{unit} [{tail.low:.4g}, {tail.high:.4g}], {bare.value:.4g} {unit} with all causes switched off",
            f"{'cause':28}{unit:>11}   {'95 % interval':24}{'share':>7}   95 % interval",
        ]
        for row in self.table().itertuples():
            time = f"{factor * row.us:11.4g}   {f'[{factor * row.low_us:.4g}, {factor * row.high_us:.4g}]':24}"
            known = math.isfinite(row.low_percent) and row.cause != TOGETHER
            part = f"{row.percent:6.1f}%" + f"   [{row.low_percent:.1f}, {row.high_percent:.1f}]" * known
            lines.append(f"{row.cause:28}{time}{part if not math.isnan(row.percent) else ''}".rstrip())
        return "\n".join([*lines, f"{n} replications of {self.scenario.duration}, seed {self.seed}; {self.stopped}"])

    def __repr__(self) -> str:
        return f"<Explanation {self.name} on {self.scenario.system.id}: p{self.percentile:g} {self.tail.value:.4g} us>"


def readable(us: float) -> tuple[str, float]:
    """Unit in which such times are shown, and what a microsecond is in it.

    Examples
    --------
    >>> readable(7.2), readable(143_600)
    (('us', 1.0), ('ms', 0.001))
    """
    return ("ms", 1e-3) if us >= 10_000 else ("us", 1.0)


def tables(explanations: Sequence[Explanation]):
    """The tables of several explanations, one below the other."""
    import pandas as pd

    return pd.concat([found.table() for found in explanations], ignore_index=True)


def share_of(part: np.ndarray, whole: np.ndarray) -> Estimate:
    """Mean of `part` in percent of the mean of `whole`, over replications, with its interval.

    Examples
    --------
    >>> round(share_of(np.array([1.0, 2.0, 3.0]), np.array([4.0, 8.0, 12.0])).value)
    25
    """
    n, total = len(whole), mean_interval(whole)
    if not part.any():
        return Estimate(0.0, 0.0, 0.0, n)
    ratio = float(part.mean() / whole.mean()) if whole.mean() else math.nan
    if math.isnan(ratio) or total.low <= 0 <= total.high:
        return Estimate(0.0 if math.isnan(ratio) else 100 * ratio, -math.inf, math.inf, n)
    half = mean_interval(part - ratio * whole).half_width / abs(total.value)
    return Estimate(100 * ratio, 100 * (ratio - half), 100 * (ratio + half), n)


def explain(
    scenario: Scenario, *, name: str = "", percentile: float = 99.0, causes: Sequence[Cause] = CAUSES,
    rule: Rule | int = QUICK, seed: int = 1, engine: str = "compiled", jobs: int = 1,
    progress: Progress | None = None,
) -> Explanation:
    """Explain a percentile of a scenario's first latency by its causes.

    Parameters
    ----------
    scenario : Scenario
    name : str
        What is explained; the names of its programs by default.
    percentile : float
        Above 0, at most 100.
    causes : sequence of Cause
    rule : Rule or int
        How many replications of each subset; at least 2.
    seed, engine, jobs
        As for `rainforest_model.simulation.simulate`; the result does not depend on `jobs`.
    progress : callable, optional
        Called with (done, expected) runs.

    Raises
    ------
    InputError
        If the percentile is out of bounds, or the scenario does not fit or measures nothing.
    SimulationError
        If a run does not come to its end.

    Examples
    --------
    >>> from rainforest_model.reference import closed_lock
    >>> found = explain(closed_lock(4, duration="3 ms"), rule=3)
    >>> bool(found.share(0).value > 50), found.share(4).value
    (True, 0.0)
    """
    if not 0 < percentile <= 100:
        raise InputError("must lie above 0 and up to 100", key="percentile", value=percentile)
    rule = Rule(math.inf, rule, rule) if isinstance(rule, int) else rule
    series = tuple(lower(scenario, seed).series)
    if not series:
        raise InputError("none of its programs measures a latency", key="load")
    name = name or ", ".join(load.program.id for load in scenario.loads)
    at_work = _effective(scenario, causes)
    coalitions = [s for s in range(2 ** len(causes)) if s & ~at_work == 0]
    variants = {
        s: switched_off(scenario, [cause for k, cause in enumerate(causes) if not s >> k & 1]) for s in coalitions
    }
    columns = [coalitions.index(s & at_work) for s in range(2 ** len(causes))]
    done = 0

    def one(point: tuple[int, int]) -> float:
        nonlocal done
        i, s = point
        run = Run(variants[s], seed, engine, series, (replicate(variants[s], seed, i, engine),))
        done += 1
        if progress is not None:
            progress(done, max(done, len(coalitions) * expected))
        return float(run.replicated(f"p{percentile:.12g}")[0])

    values = np.empty((0, 2 ** len(causes)))
    expected, wanted = rule.minimum, rule.minimum
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            points = [(i, s) for i in range(len(values), wanted) for s in coalitions]
            fresh = np.array(list(pool.map(one, points))).reshape(-1, len(coalitions))
            values = np.vstack([values, fresh[:, columns]])
            found = Explanation(name, scenario, percentile, tuple(causes), values, seed)
            if found.widest <= rule.points or wanted == rule.cap:
                break
            expected = _expected(found.widest, wanted, rule)
            wanted = min(rule.cap, wanted + rule.minimum // 2)
    if progress is not None:
        progress(done, done)
    return Explanation(name, scenario, percentile, tuple(causes), values, seed, _reason(found.widest, rule))


def _effective(scenario: Scenario, causes: Sequence[Cause]) -> int:
    """The causes that change anything here, as bits: the others contribute nothing, and need no runs."""
    return sum(1 << k for k, cause in enumerate(causes) if cause.without(scenario) != scenario)


def _expected(widest: float, replications: int, rule: Rule) -> int:
    """Replications that are likely to do: an interval shrinks with the root of their number."""
    if not math.isfinite(widest):
        return rule.cap
    return min(rule.cap, max(replications + 1, math.ceil(replications * (widest / rule.points) ** 2)))


def _reason(widest: float, rule: Rule) -> str:
    reached = f"every share is known to {widest:.2g} points" if math.isfinite(widest) else "shares cannot be told"
    if math.isinf(rule.points):
        return f"{reached}; {rule.cap} replications, as asked"
    if widest <= rule.points:
        return f"{reached} (wanted: {rule.points:g})"
    return f"{reached}, not to the {rule.points:g} wanted: the cap of {rule.cap} replications was reached"
