"""Least squares inside a box, for a model that simulates, and what its slopes say of the parameters.

The coordinates are shares of the parameters' ranges, and the residuals are counted in tolerances, so that
a slope reads: tolerances by which a claim moves when a parameter crosses its whole range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .declaration import Fit, Free, tolerance

STEP = 0.02
"""Share of the range by which a parameter is moved to learn a slope: wide against what simulation adds."""
OPTIMISER = f"scipy.optimize.least_squares, trf, two-sided differences of {STEP:g} of the range"
MOST_STEPS = 60
LEAST_MOVE, LEAST_GAIN = 1e-3, 1e-5
"""The search ends with a step of less than this share of the ranges, or a gain of less of the squares."""
OPEN = 1.0
"""A combination of parameters that moves the claims by less than a tolerance across its range is not identified."""

Model = Callable[[dict[str, float]], dict[str, float]]


@dataclass(frozen=True)
class Solution:
    """Where a search ended.

    Attributes
    ----------
    values, claims : tuple of float
        The parameters' values, and what the model gives for the claims there, in the order of the fit.
    slopes : ndarray
        float[claims, parameters], tolerances a range.
    evaluations : int
    ended : str
    """

    values: tuple[float, ...]
    claims: tuple[float, ...]
    slopes: np.ndarray
    evaluations: int
    ended: str


@dataclass
class _Objective:
    """Residuals of a fit at coordinates, computed once for each set of values."""

    fit: Fit
    model: Model
    tell: Callable[[int, float], None] | None = None
    known: dict[tuple, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        self.printed = np.array([claim.value for claim in self.fit.claims])
        self.unit = np.array([tolerance(claim) for claim in self.fit.claims]) * np.abs(self.printed)

    def values(self, x: Sequence[float]) -> tuple[float, ...]:
        return tuple(free.value(share) for free, share in zip(self.fit.parameters, x, strict=True))

    def residuals(self, x: Sequence[float]) -> np.ndarray:
        values = self.values(x)
        if values not in self.known:
            paths = [free.path for free in self.fit.parameters]
            answer = self.model(dict(zip(paths, values, strict=True)))
            self.known[values] = np.array([float(answer[claim.id]) for claim in self.fit.claims])
            if self.tell is not None:
                best = self.known[self.best()]
                self.tell(len(self.known), float(np.abs(best / self.printed - 1).max()))
        return self._apart(self.known[values])

    def _apart(self, claims: np.ndarray) -> np.ndarray:
        return (claims - self.printed) / self.unit

    def best(self) -> tuple[float, ...]:
        """The values with the least squares so far; the earliest of equals."""
        return min(self.known, key=lambda values: float(np.sum(self._apart(self.known[values]) ** 2)))

    def slopes(self, x: Sequence[float]) -> np.ndarray:
        columns = []
        for i in range(len(x)):
            ends = np.array([x, x], float)
            ends[:, i] = np.clip(ends[:, i] + (-STEP, STEP), 0, 1)
            rise = self.residuals(ends[1]) - self.residuals(ends[0])
            columns.append(rise / (ends[1, i] - ends[0, i]))
        return np.array(columns).T


def solve(fit: Fit, model: Model, tell: Callable[[int, float], None] | None = None) -> Solution:
    """The values in the parameters' ranges that bring a model nearest to the claims of a fit.

    Parameters
    ----------
    fit : Fit
    model : callable
        From the parameters' values by their paths to the claims' values by their ids, the same ones always.
    tell : callable, optional
        Called with the evaluations so far and the largest relative residual of the best of them.

    Returns
    -------
    Solution
        The best of all values that were tried.
    """
    from scipy.optimize import least_squares  # here: scipy is slow to import

    objective = _Objective(fit, model, tell)
    start = [free.coordinate(free.start) for free in fit.parameters]
    objective.residuals(start)
    if not start:
        return Solution((), tuple(objective.known[()].tolist()), np.zeros((len(fit.claims), 0)), 1, "with nothing free")
    found = least_squares(
        objective.residuals, start, jac=objective.slopes, bounds=(0, 1), method="trf", max_nfev=MOST_STEPS,
        xtol=LEAST_MOVE, ftol=LEAST_GAIN, gtol=1e-8,
    )
    slopes = objective.slopes([free.coordinate(v) for free, v in zip(fit.parameters, objective.best(), strict=True)])
    best = objective.best()  # asked again: a step for a slope may have met a better one
    ended = "after the most steps that it may take" if found.status == 0 else "converged"
    return Solution(best, tuple(objective.known[best].tolist()), slopes, len(objective.known), ended)


def identified(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int | None]:
    """What claims tell of the parameters.

    Parameters
    ----------
    slopes : ndarray
        float[claims, parameters], tolerances a range.

    Returns
    -------
    singular_values : ndarray
        Largest first.
    correlations : ndarray
        Of the parameters' estimates.
    open : int or None
        The parameter that has the largest part in the combination of which the claims tell least, if its singular
        value is below `OPEN`; the last of equals.

    Examples
    --------
    The second claim says the same as the first, so that only the sum of the parameters is known:

    >>> values, correlations, unidentified = identified(np.array([[8.0, 8.0], [4.0, 4.0]]))
    >>> unidentified, float(round(correlations[0, 1], 3))
    (1, -1.0)
    """
    if not slopes.size:
        return np.zeros(0), np.zeros((0, 0)), None
    _, values, directions = np.linalg.svd(slopes, full_matrices=False)
    values[values < 1e-9 * values[0]] = 0.0  # rounding, which differs between machines
    least = max(values[0] * 1e-6, 1e-12)  # an unknown combination is very uncertain, not infinitely so
    covariance = (directions.T / np.maximum(values, least) ** 2) @ directions
    spread = np.sqrt(np.diag(covariance))
    correlations = np.clip(covariance / np.outer(spread, spread), -1, 1)
    part = np.round(np.abs(directions[-1]), 6)
    weakest = len(part) - 1 - int(np.argmax(part[::-1]))
    return values, correlations, weakest if values[-1] < OPEN else None


def settle(
    fit: Fit, model: Model, tell: Callable[[int, float], None] | None = None
) -> tuple[Fit, Solution, tuple[Free, ...]]:
    """Fit only what the claims identify: one by one, parameters that they leave open go back to their start values.

    Parameters
    ----------
    fit, model, tell
        As in `solve`; the model is asked with the start values of what is not in the parameters.

    Returns
    -------
    settled : Fit
        Of the parameters that remain.
    solution : Solution
    unidentified : tuple of Free
        The others, in the order in which they went.
    """
    unidentified: list[Free] = []
    while True:
        solution = solve(fit, model, tell)
        *_, weakest = identified(solution.slopes)
        if weakest is None:
            return fit, solution, tuple(unidentified)
        unidentified.append(fit.parameters[weakest])
        fit = replace(fit, parameters=fit.parameters[:weakest] + fit.parameters[weakest + 1:])
