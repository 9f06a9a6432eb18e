"""How far orderings survive what is not known: all parameters moved together, every system at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..stats import Estimate, ordering_probability
from ..sweep.design import LatinHypercube
from .studies import Measure, Ordering

FEWEST = 10
"""Points from which a rank correlation says something."""


@dataclass(frozen=True)
class Survival:
    """In which share of the points an ordering holds.

    Attributes
    ----------
    ordering : Ordering
    share : Estimate
        Of the points, with the 95 % interval of Clopper and Pearson.
    driver : str
        The factor with whose place in its range the margin is most correlated; empty where no correlation is more than
        chance among so many factors.
    correlation : float
        That rank correlation (Spearman): positive where a larger value makes the ordering safer.
    """

    ordering: Ordering
    share: Estimate
    driver: str
    correlation: float


def hypercube(factors: int, points: int, seed: int = 1) -> np.ndarray:
    """Points of the unit cube of which each factor meets every equal part of its range once.

    Returns
    -------
    float64[points, factors]

    Examples
    --------
    >>> sorted((4 * hypercube(2, 4)[:, 1]).astype(int).tolist())
    [0, 1, 2, 3]
    """
    return LatinHypercube(kind="lhs", points=points, seed=seed).cube(factors)


def margin(ordering: Ordering, measured: Mapping[Measure, np.ndarray]) -> np.ndarray:
    """By how much the closest pair of an ordering is apart at each point: logarithm of the ratio, below 0 if it fails.

    Parameters
    ----------
    ordering : Ordering
    measured : mapping of Measure to float64[points, replications]
        Its mean over the replications is compared.

    Returns
    -------
    float64[points]

    Examples
    --------
    >>> a, b = ("mmap", "rainforest", "p99"), ("mmap", "lxc", "p99")
    >>> told = {a: np.array([[1.0], [4.0]]), b: np.array([[2.0], [2.0]])}
    >>> (margin(Ordering("mine", ((a, b),)), told) > 0).tolist()
    [True, False]
    """
    return np.min([
        np.log(measured[larger].mean(axis=1) / measured[smaller].mean(axis=1)) for smaller, larger in ordering.pairs
    ], axis=0)


def survival(
    ordering: Ordering, measured: Mapping[Measure, np.ndarray], names: Sequence[str], points: np.ndarray
) -> Survival:
    """How often an ordering holds, and what that hangs on; points whose values exclude one another are left out.

    Parameters
    ----------
    ordering : Ordering
    measured : mapping of Measure to float64[points, replications]
    names : sequence of str
        The factors.
    points : float64[points, factors]
    """
    apart = margin(ordering, measured)
    apart, points = apart[np.isfinite(apart)], points[np.isfinite(apart)]
    driver, correlation = _driver(apart, names, points)
    return Survival(ordering, ordering_probability(apart > 0), driver, correlation)


def _driver(apart: np.ndarray, names: Sequence[str], points: np.ndarray) -> tuple[str, float]:
    """The factor that is most correlated with the margin, by ranks, if chance alone would hardly do it."""
    if len(apart) < FEWEST or np.ptp(apart) == 0:
        return "", 0.0
    ranks = np.argsort(np.argsort(np.column_stack([apart, points]), axis=0, kind="stable"), axis=0, kind="stable")
    correlations = np.corrcoef(ranks, rowvar=False)[0, 1:]
    strongest = int(np.argmax(np.abs(correlations)))
    if abs(correlations[strongest]) < by_chance(len(names), len(apart)):
        return "", 0.0
    return names[strongest], float(correlations[strongest])


def by_chance(factors: int, points: int) -> float:
    """The rank correlation that the largest of so many unrelated factors exceeds in 5 % of the cases.

    Spearman's correlation of independent ranks is nearly normal with variance 1 / (points - 1); Bonferroni's correction
    for the largest of several.

    Examples
    --------
    >>> round(by_chance(1, 101), 3)
    0.196
    """
    from scipy.special import ndtri

    return float(ndtri(1 - 0.05 / (2 * factors)) / np.sqrt(points - 1))
