"""What the verdicts sum up to, and where that stands against the aims of the suite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from ..descriptions.fitted import FittedFit
from ..paper import CERTAIN, Verdict, claim
from .misses import explanation

MOST_PARAMETERS = 1 / 2
"""Largest number of fitted parameters, relative to the claims that they are fitted to."""
LEAST_PREDICTED = 1 / 3
"""Smallest share of predictions among the claims that test the model."""
MOST_ERROR = {"fitted": 0.05, "predicted": 0.15}
"""Largest median of the relative errors, by role."""
ROLES = tuple(MOST_ERROR)
"""Roles whose claims test the model; those of context are its inputs."""


def error(verdict: Verdict) -> float | None:
    """How far the model lies from a printed number, relative to it and with its sign.

    Parameters
    ----------
    verdict : Verdict

    Returns
    -------
    float or None
        For a claim that prints bounds only: how far outside of them, 0 inside. None where nothing can be said: for
        orderings, for inputs, without a model's number, and where the printed number is 0.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rainforest_model.paper import judge_value
    >>> at = lambda id, x: round(error(judge_value(claim(id), SimpleNamespace(value=x, low=x, high=x))), 3)
    >>> at("F91.lxc", 155), at("F94", 7), at("F94", 10)
    (0.199, 0.0, 0.25)
    """
    stated, model = claim(verdict.id), verdict.model
    if verdict.role not in ROLES or not stated.has_number or model is None or not math.isfinite(model):
        return None
    target = stated.value
    if target is None:
        low = -math.inf if stated.low is None else stated.low
        high = math.inf if stated.high is None else stated.high
        target = min(max(model, low), high)
        if target == model:
            return 0.0
    return (model - target) / abs(target) if target else None


@dataclass(frozen=True)
class Errors:
    """Absolute relative errors of the claims of a role that print one number other than 0.

    Attributes
    ----------
    count : int
    median, upper_quartile : float or None
        None where there are none.
    """

    count: int
    median: float | None
    upper_quartile: float | None


@dataclass(frozen=True)
class Totals:
    """What the verdicts sum up to.

    A claim is *tested* where it is no mere input of the model and the model has an answer.

    Attributes
    ----------
    claims, hold, miss, not_modelled : int
        Of all claims of the paper.
    fitted_parameters : int
        Parameters whose values a search found.
    fitted_claims, predicted_claims : int
        Tested claims by role.
    fitted_hold, predicted_hold : int
        Those of them that hold.
    open_claims : int
        Claims that would test the model, but are not modelled.
    fitted_errors, predicted_errors : Errors
    orderings, certain : int
        Tested orderings, and those that hold in at least 95 % of the replications.
    unexplained : tuple of str
        Misses without a word of why.
    """

    claims: int
    hold: int
    miss: int
    not_modelled: int
    fitted_parameters: int
    fitted_claims: int
    predicted_claims: int
    fitted_hold: int
    predicted_hold: int
    open_claims: int
    fitted_errors: Errors
    predicted_errors: Errors
    orderings: int
    certain: int
    unexplained: tuple[str, ...]

    @property
    def tested(self) -> int:
        """Claims that test the model."""
        return self.fitted_claims + self.predicted_claims

    @property
    def predicted_share(self) -> float:
        """Share of predictions among the tested claims; NaN where none is tested."""
        return self.predicted_claims / self.tested if self.tested else math.nan


def totals(verdicts: Iterable[Verdict], fits: Iterable[FittedFit]) -> Totals:
    """Sum verdicts up.

    Parameters
    ----------
    verdicts : iterable of Verdict
        One for each claim of the paper.
    fits : iterable of FittedFit
        What was fitted (`rainforest_model.descriptions.fitted.read_fitted`).
    """
    rows = list(verdicts)
    tested = [row for row in rows if row.role in ROLES and row.verdict != "not modelled"]
    by_role = {role: [row for row in tested if row.role == role] for role in ROLES}
    held = {role: sum(row.verdict == "holds" for row in by_role[role]) for role in ROLES}
    orderings = [row for row in tested if row.kind == "ordering"]
    outcomes = [row.verdict for row in rows]
    return Totals(
        claims=len(rows), hold=outcomes.count("holds"), miss=outcomes.count("misses"),
        not_modelled=outcomes.count("not modelled"), fitted_parameters=sum(len(fit.parameter) for fit in fits),
        fitted_claims=len(by_role["fitted"]), predicted_claims=len(by_role["predicted"]),
        fitted_hold=held["fitted"], predicted_hold=held["predicted"],
        open_claims=sum(row.role in ROLES and row.verdict == "not modelled" for row in rows),
        fitted_errors=_errors(by_role["fitted"]), predicted_errors=_errors(by_role["predicted"]),
        orderings=len(orderings),
        certain=sum(row.model is not None and row.model >= CERTAIN for row in orderings),
        unexplained=tuple(row.id for row in rows if row.verdict == "misses" and not explanation(row)),
    )


def _errors(rows: Sequence[Verdict]) -> Errors:
    """Bounds are left out: a number inside them has no error that could be compared with others."""
    found = [abs(e) for row in rows if row.value is not None and (e := error(row)) is not None]
    if not found:
        return Errors(0, None, None)
    middle = median(found)
    return Errors(len(found), middle, median(sorted(found)[len(found) // 2:]))


@dataclass(frozen=True)
class Aim:
    """An aim of the suite and where it stands.

    Attributes
    ----------
    what, stands : str
        In words.
    met : bool or None
        None where nothing tells yet.
    """

    what: str
    stands: str
    met: bool | None

    @property
    def answer(self) -> str:
        """Whether it is met, in words."""
        return {True: "met", False: "not met", None: "open"}[self.met]


def aims(found: Totals) -> list[Aim]:
    """The aims of the suite, each with where it stands.

    Examples
    --------
    >>> nothing = totals([], [])
    >>> [aim.answer for aim in aims(nothing)][:2]
    ['open', 'open']
    """
    ratio = found.fitted_parameters / found.fitted_claims if found.fitted_claims else math.nan
    tested, share = found.tested, found.predicted_share
    return [
        Aim(
            "fitted parameters at most half the fitted claims",
            f"{found.fitted_parameters} parameters for {found.fitted_claims} claims",
            None if math.isnan(ratio) else ratio <= MOST_PARAMETERS,
        ),
        Aim(
            "at least a third of the tested claims predicted",
            f"{found.predicted_claims} of {tested}" + (f" ({100 * share:.0f} %)" if tested else ""),
            None if not tested else share >= LEAST_PREDICTED,
        ),
        *(
            _error_aim(role, errors)
            for role, errors in zip(ROLES, (found.fitted_errors, found.predicted_errors), strict=True)
        ),
        Aim(
            "every ordering in 95 % of the runs, or explained",
            f"{found.certain} of {found.orderings} in 95 %, {found.orderings - found.certain} miss",
            _explained(found.orderings, found.unexplained, "ordering"),
        ),
        Aim(
            "every miss explained",
            f"{found.miss - len(found.unexplained)} of {found.miss}",
            None if not tested else not found.unexplained,
        ),
    ]


def _explained(count: int, unexplained: Iterable[str], kind: str) -> bool | None:
    return not any(claim(id).kind == kind for id in unexplained) if count else None


def _error_aim(role: str, errors: Errors) -> Aim:
    what = f"median error of {role} numbers at most {100 * MOST_ERROR[role]:.0f} %"
    if errors.median is None:
        return Aim(what, "no numbers", None)
    stands = f"{100 * errors.median:.1f} % of {errors.count}, a quarter above {100 * errors.upper_quartile:.0f} %"
    return Aim(what, stands, errors.median <= MOST_ERROR[role])
