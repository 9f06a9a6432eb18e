"""Estimates with intervals, over independent replications: one value a replication.

Observations inside one run depend on each other (a long queue makes every wait behind it long), so
an interval over them is too narrow. Each replication therefore gives one number, such as its mean
or its 99th percentile, and intervals are taken over these numbers. Two systems that met the same
arrivals and services are compared by pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "Decision",
    "Estimate",
    "Precision",
    "mean_interval",
    "mser5",
    "ordering_probability",
    "paired_difference",
    "paired_ratio",
    "probability_interval",
]


@dataclass(frozen=True, repr=False)
class Estimate:
    """A value, its confidence interval, and how both were come by.

    Parameters
    ----------
    value, low, high : float
        Point estimate and ends of the interval, in the unit of what was estimated. The ends may be
        infinite: too few replications to tell.
    n : int
        Number of independent replications (or trials).
    level : float, default 0.95
        Confidence level of the interval.
    method : str
        How the interval was computed, fit for a caption.

    Raises
    ------
    ValueError
        Unless low <= value <= high.

    Examples
    --------
    >>> Estimate(4.0, 3.9, 4.2, n=20, method="Student t over replications")
    Estimate(4, 95 % [3.9, 4.2], n=20, Student t over replications)
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    method: str = ""

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"need low <= value <= high, not {self.low} <= {self.value} <= {self.high}")

    def __repr__(self) -> str:
        interval = f"{100 * self.level:g} % [{self.low:.5g}, {self.high:.5g}]"
        return f"Estimate({self.value:.5g}, {interval}, n={self.n}{', ' * bool(self.method)}{self.method})"

    def scaled(self, factor: float) -> Estimate:
        """The same estimate in a unit that is ``1 / factor`` as large.

        Examples
        --------
        >>> Estimate(1500, 1400, 1600, n=5).scaled(1e-3)
        Estimate(1.5, 95 % [1.4, 1.6], n=5)
        """
        return replace(self, value=self.value * factor, low=self.low * factor, high=self.high * factor)

    @property
    def half_width(self) -> float:
        """Half the length of the interval, in the unit of ``value``."""
        return (self.high - self.low) / 2.0

    @property
    def relative_half_width(self) -> float:
        """Half-width as a share of ``|value|``: 0 for a point, else infinite where the value is 0."""
        if self.half_width == 0.0:
            return 0.0
        return self.half_width / abs(self.value) if self.value else math.inf


def mean_interval(values: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean over independent replications, with Student's t interval.

    Parameters
    ----------
    values : array_like
        float[n], one value a replication.
    level : float, default 0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        ``mean ± t(n - 1) * s / sqrt(n)``. One replication says nothing of its own spread: its
        interval is (-inf, inf). Equal values give an interval of length 0.

    Raises
    ------
    ValueError
        If ``values`` is empty, not one-dimensional or not finite, or ``level`` is not in (0, 1).

    References
    ----------
    Law, A. M. (2015). *Simulation Modeling and Analysis*, 5th ed. McGraw-Hill, section 9.4.1.

    Examples
    --------
    >>> mean_interval([9.0, 10.0, 11.0])
    Estimate(10, 95 % [7.5159, 12.484], n=3, Student t over replications)
    >>> mean_interval([9.0]).high
    inf
    """
    return _student_t(_replications("values", values), level, "Student t over replications")


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of ``a - b`` over pairs of replications that met the same random draws.

    Parameters
    ----------
    a, b : array_like
        float[n], one value a replication; item i of both comes from the same seed.
    level : float, default 0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        Of ``a - b``, in the unit of both; (-inf, inf) for a single pair.

    Raises
    ------
    ValueError
        If the lengths differ, or as `mean_interval`.

    References
    ----------
    Law, A. M. (2015). *Simulation Modeling and Analysis*, 5th ed. McGraw-Hill, sections 10.2.1 and 11.2
    (common random numbers).

    Examples
    --------
    >>> paired_difference([11.0, 21.0, 31.0], [10.0, 20.0, 30.0])
    Estimate(1, 95 % [1, 1], n=3, Student t over paired differences)
    """
    a, b = _pairs(a, b)
    return _student_t(a - b, level, "Student t over paired differences")


def paired_ratio(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Estimate:
    """Typical ratio ``a / b`` over pairs of replications that met the same random draws.

    Parameters
    ----------
    a, b : array_like
        float[n], positive, one value a replication; item i of both comes from the same seed.
    level : float, default 0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        Geometric mean of the ratios; the interval is Student's t of their logarithms, carried back,
        so that ``a / b`` and ``b / a`` say the same. (0, inf) for a single pair.

    Raises
    ------
    ValueError
        If a value is not positive, the lengths differ, or as `mean_interval`.

    References
    ----------
    Fleming, P. J., & Wallace, J. J. (1986). How not to lie with statistics: the correct way to
    summarize benchmark results. *Communications of the ACM* 29(3).

    Examples
    --------
    >>> paired_ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0])
    Estimate(2, 95 % [2, 2], n=3, Student t over logs of paired ratios)
    """
    a, b = _pairs(a, b)
    if min(a.min(), b.min()) <= 0.0:
        raise ValueError("a ratio through logarithms needs positive values in both samples")
    logs = _student_t(np.log(a) - np.log(b), level, "Student t over logs of paired ratios")
    with np.errstate(over="ignore"):
        value, low, high = (float(np.exp(end)) for end in (logs.value, logs.low, logs.high))
    return Estimate(value, low, high, logs.n, level, logs.method)


def probability_interval(successes: int, n: int, level: float = 0.95) -> Estimate:
    """Probability of success from n independent trials, with the Clopper-Pearson interval.

    Parameters
    ----------
    successes : int
        In 0..n.
    n : int
        Trials, at least 1.
    level : float, default 0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        ``successes / n``, with an interval that lies in [0, 1].

    Raises
    ------
    ValueError
        If the counts are not whole numbers with 0 <= successes <= n and n >= 1, or ``level`` is not
        in (0, 1).

    Notes
    -----
    Wilson's and Jeffreys' intervals are shorter, but cover less often than they say for some
    probabilities. Here the interval carries a verdict on a claim, so it is the one which covers at
    ``level`` or more for every probability and n.

    References
    ----------
    Clopper, C. J., & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in
    the case of the binomial. *Biometrika* 26(4).
    Brown, L. D., Cai, T. T., & DasGupta, A. (2001). Interval estimation for a binomial proportion.
    *Statistical Science* 16(2).

    Examples
    --------
    >>> probability_interval(20, 20)
    Estimate(1, 95 % [0.83157, 1], n=20, Clopper-Pearson)
    """
    whole = all(isinstance(count, (int, np.integer)) for count in (successes, n))
    if not (whole and n >= 1 and 0 <= successes <= n):
        raise ValueError(f"need whole numbers 0 <= successes <= n and n >= 1, not {successes!r} of {n!r}")
    tail = _tail(level)
    from scipy.special import betaincinv  # here: scipy is slow to import

    failures = n - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1.0 - tail)) if failures else 1.0
    return Estimate(successes / n, low, high, int(n), level, "Clopper-Pearson")


def ordering_probability(held: ArrayLike, level: float = 0.95) -> Estimate:
    """Probability that an ordering, such as "A is slower than B", holds in one replication.

    Parameters
    ----------
    held : array_like
        bool[n], whether it held, one value a replication.
    level : float, default 0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        As `probability_interval`.

    Raises
    ------
    ValueError
        If ``held`` is empty, not one-dimensional or not of booleans, or ``level`` is not in (0, 1).

    Examples
    --------
    >>> slower, faster = np.array([3.0, 4.0, 2.0, 5.0]), np.array([1.0, 2.0, 3.0, 1.0])
    >>> ordering_probability(slower > faster)
    Estimate(0.75, 95 % [0.19412, 0.99369], n=4, Clopper-Pearson)
    """
    held = np.asarray(held)
    if held.dtype != np.bool_ or held.ndim != 1:
        raise ValueError(f"held must be a one-dimensional array of bool, not {held.dtype} {held.shape}")
    return probability_interval(int(held.sum()), held.size, level)


class Decision(NamedTuple):
    """What a stopping rule says, and why.

    Attributes
    ----------
    outcome : {"tight", "cap", "continue"}
        Stop with enough precision, stop without, or replicate again.
    reason : str
        The same as a readable phrase.

    Examples
    --------
    >>> Decision("continue", "2 of at least 5 replications").stop
    False
    """

    outcome: Literal["tight", "cap", "continue"]
    reason: str

    @property
    def stop(self) -> bool:
        """Whether no further replication is wanted."""
        return self.outcome != "continue"


@dataclass(frozen=True)
class Precision:
    """Stopping rule: replicate until the interval of the mean is short enough, or a cap is reached.

    Parameters
    ----------
    relative : float, default 0.05
        Wanted half-width of the interval, as a share of the mean.
    minimum : int, default 5
        Replications before the rule may stop; at least 2.
    cap : int, default 20
        Replications at which it stops in any case.
    level : float, default 0.95
        Confidence level of the interval, in (0, 1).

    Raises
    ------
    ValueError
        If ``relative`` is not positive, ``level`` is not in (0, 1), or not 2 <= minimum <= cap.

    Notes
    -----
    A rule that looks after every replication stops a little too early now and then, so its interval
    covers somewhat less than ``level``; ``minimum`` keeps this small.

    References
    ----------
    Chow, Y. S., & Robbins, H. (1965). On the asymptotic theory of fixed-width sequential confidence
    intervals for the mean. *Annals of Mathematical Statistics* 36(2).
    Law, A. M. (2015). *Simulation Modeling and Analysis*, 5th ed. McGraw-Hill, section 9.4.1.

    Examples
    --------
    >>> Precision(relative=0.05).decide([10.0, 10.1, 9.9, 10.0, 10.0])
    Decision(outcome='tight', reason='half-width 0.878 % <= 5 %')
    """

    relative: float = 0.05
    minimum: int = 5
    cap: int = 20
    level: float = 0.95

    def __post_init__(self) -> None:
        if not self.relative > 0.0:
            raise ValueError(f"relative must be positive, not {self.relative!r}")
        if not 2 <= self.minimum <= self.cap:
            raise ValueError(f"need 2 <= minimum <= cap, not minimum {self.minimum!r}, cap {self.cap!r}")
        _tail(self.level)

    def decide(self, values: ArrayLike) -> Decision:
        """Say whether the replications so far are enough.

        Parameters
        ----------
        values : array_like
            float[n], one value a replication; n may be 0.

        Returns
        -------
        Decision
            "tight" if the half-width is small enough (at the cap too), else "cap" or "continue".

        Raises
        ------
        ValueError
            If ``values`` is not one-dimensional or not finite.

        Examples
        --------
        >>> Precision().decide([1.0, 2.0])
        Decision(outcome='continue', reason='2 of at least 5 replications')
        """
        values = _replications("values", values, least=0)
        if values.size < self.minimum:
            return Decision("continue", f"{values.size} of at least {self.minimum} replications")
        reached = mean_interval(values, self.level).relative_half_width
        shown, wanted = f"{100 * reached:.3g} %", f"{100 * self.relative:.3g} %"
        if reached <= self.relative:
            return Decision("tight", f"half-width {shown} <= {wanted}")
        if values.size >= self.cap:
            return Decision("cap", f"cap of {self.cap} replications reached at {shown}")
        return Decision("continue", f"half-width {shown} > {wanted} after {values.size} replications")


def mser5(series: ArrayLike) -> int | None:
    """Warm-up to drop from the front of one run's output, by the rule MSER-5.

    Parameters
    ----------
    series : array_like
        float[n], successive outputs of one run in order of time, at least 50.

    Returns
    -------
    int or None
        Number of observations to drop, a multiple of 5; None if the best cut lies in the second
        half: the run is too short to tell its warm-up from its steady state.

    Raises
    ------
    ValueError
        If ``series`` has fewer than 50 items, is not one-dimensional or not finite.

    Notes
    -----
    The series is averaged in batches of 5, and the cut d minimises the squared standard error of the
    m batches that remain, ``Σ (z - mean)² / m²``. Cuts that leave fewer than 5 batches are not
    tried, since a few that happen to agree would win.

    References
    ----------
    White, K. P. (1997). An effective truncation heuristic for bias reduction in simulation output.
    *Simulation* 69(6).
    White, K. P., Cobb, M. J., & Spratt, S. C. (2000). A comparison of five steady-state truncation
    heuristics for simulation. *Proceedings of the Winter Simulation Conference*.

    Examples
    --------
    >>> mser5([100.0] * 20 + [1.0, 2.0, 3.0, 2.0, 2.0] * 40)
    20
    """
    series = _replications("series", series, least=50)
    batches = series[: series.size // 5 * 5].reshape(-1, 5).mean(axis=1)
    # Differences from one batch, so that a constant series gives exact zeros.
    batches = (batches - batches[-1])[::-1]
    m = np.arange(1, batches.size + 1)
    spread = np.cumsum(batches**2) - np.cumsum(batches) ** 2 / m
    error = (np.maximum(spread, 0.0) / m**2)[::-1]
    cut = int(np.argmin(error[: batches.size - 4]))
    return 5 * cut if cut <= batches.size // 2 else None


def _student_t(values: np.ndarray, level: float, method: str) -> Estimate:
    """Mean of values with Student's t interval."""
    tail = _tail(level)
    n, mean = values.size, float(values.mean())
    if n == 1:
        return Estimate(mean, -math.inf, math.inf, n, level, method)
    from scipy.special import stdtrit  # here: scipy is slow to import

    half = float(stdtrit(n - 1, 1.0 - tail) * values.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, level, method)


def _tail(level: float) -> float:
    """Probability beyond each end of a two-sided interval."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), not {level!r}")
    return (1.0 - level) / 2.0


def _replications(name: str, values: ArrayLike, least: int = 1) -> np.ndarray:
    """Values as a finite float array of one dimension, at least so long."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {values.shape}")
    if values.size < least:
        raise ValueError(f"{name} must hold at least {least} value(s), not {values.size}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite")
    return values


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of the same length."""
    a, b = _replications("a", a), _replications("b", b)
    if a.size != b.size:
        raise ValueError(f"pairs need samples of one length, not {a.size} and {b.size}")
    return a, b
