"""Whether the model bears a claim out: a number, the probability of an ordering, or a fact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

from ..errors import InputError
from .catalogue import claims, unknown
from .stated import Claim
from .words import number

CERTAIN = 0.95

Outcome = Literal["holds", "misses", "not modelled"]


class Estimate(Protocol):
    """What a verdict needs of a model result: a value and its 95 % interval over replications."""

    @property
    def value(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Verdict:
    """Whether the model bears a claim out.

    Attributes
    ----------
    id, kind, role, artefact : str
        Those of the claim.
    value : float or None
        The printed number, where there is a single one.
    model : float or None
        What the model gives: the number in the unit of the claim, or the probability of an ordering.
        1 or 0 for a fact without number.
    low, high : float or None
        The model's 95 % interval over replications.
    verdict : {"holds", "misses", "not modelled"}
    note : str
        The relative error, and what the experiment adds.

    Examples
    --------
    >>> from rainforest_model.paper import claim
    >>> not_modelled(claim("F111")).verdict
    'not modelled'
    """

    id: str
    kind: str
    role: str
    artefact: str
    value: float | None
    model: float | None
    low: float | None
    high: float | None
    verdict: Outcome
    note: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Outcome):
            reason = f"must be one of {', '.join(get_args(Outcome))}"
            raise InputError(reason, key=f"verdict of {self.id}", value=self.verdict)


def _verdict(
    stated: Claim, model: float | None, low: float | None, high: float | None, outcome: Outcome, *notes: str
) -> Verdict:
    about = (stated.id, stated.kind, stated.role, stated.artefact, stated.value)
    return Verdict(*about, model, low, high, outcome, "; ".join(part for part in notes if part))


def _interval(estimate: Estimate, key: str) -> tuple[float, float | None, float | None]:
    """Value, low and high of an estimate; None for an interval that is not there."""
    found = (estimate.value, estimate.low, estimate.high)
    value, low, high = (math.nan if x is None else float(x) for x in found)
    if math.isnan(low) or math.isnan(high):
        return value, None, None
    if low > high:
        raise InputError("the interval must ascend", key=f"estimate for {key}", value=(low, high))
    return value, low, high


def _inside(stated: Claim, model: float) -> bool:
    """Whether a number lies inside the printed bounds; False where there are none."""
    if stated.low is None and stated.high is None:
        return False
    return (stated.low is None or model >= stated.low) and (stated.high is None or model <= stated.high)


def _distance(model: float, target: float, unit: str | None) -> str:
    """How far a model value lies from a printed one, in words."""
    side = "above" if model > target else "below"
    if model == target:
        return "equal"
    if target == 0:
        return f"{number(abs(model))} {unit} {side}"
    return f"{abs(model - target) / abs(target) * 100:.1f} % {side}"


def judge_value(claim: Claim, estimate: Estimate, note: str = "") -> Verdict:
    """Judge a number.

    It holds if the model's value is within the claim's tolerance of the printed value or inside its
    printed bounds, or if the printed value lies in the model's interval.

    Parameters
    ----------
    claim : Claim
        A predicted or fitted claim with a number.
    estimate : Estimate
        Anything with `value`, `low` and `high`, in the claim's unit: the 95 % interval over replications.
        A missing interval may be None or NaN; one with an infinite end is too wide to save a claim.
    note : str, optional
        What the experiment adds.

    Returns
    -------
    Verdict
        Its note states the relative error, and says so where only the interval saves the claim.

    Raises
    ------
    InputError
        If the claim has no number or is a mere input, or if the interval is upside down.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rainforest_model.paper import claim
    >>> far = SimpleNamespace(value=155.0, low=151.0, high=159.0)
    >>> print(*(lambda v: (v.verdict, v.note))(judge_value(claim("F91.lxc"), far)), sep=": ")
    misses: 19.9 % above
    """
    if not claim.has_number:
        raise InputError("has no number; judge its probability or the fact", key=f"claim {claim.id}")
    if claim.role == "context":
        raise InputError("is an input, which is right or wrong; judge the fact", key=f"claim {claim.id}")
    model, low, high = _interval(estimate, claim.id)
    if math.isnan(model):
        return _verdict(claim, model, low, high, "misses", "the model has no value", note)
    if claim.value is None:
        holds = _inside(claim, model)
        bound = claim.low if claim.low is not None and model < claim.low else claim.high
        found = "inside" if holds or bound is None else _distance(model, bound, claim.unit) + " the bound"
        return _verdict(claim, model, low, high, "holds" if holds else "misses", found, note)
    reach = (claim.tolerance or 0.0) * abs(claim.value) * (1 + 1e-9)
    near = abs(model - claim.value) <= reach or _inside(claim, model)
    covered = False
    if low is not None and high is not None:
        covered = math.isfinite(high - low) and low <= claim.value <= high
    found = _distance(model, claim.value, claim.unit)
    found += ", holds by its interval" if covered and not near else ""
    return _verdict(claim, model, low, high, "holds" if near or covered else "misses", found, note)


def judge_probability(claim: Claim, estimate: Estimate, note: str = "") -> Verdict:
    """Judge an ordering by how often it holds.

    Parameters
    ----------
    claim : Claim
        A claim of kind ``"ordering"``.
    estimate : Estimate
        Probability over replications that the ordering holds, with its interval.
    note : str, optional
        What the experiment adds.

    Returns
    -------
    Verdict
        Holds if the probability is at least `CERTAIN`.

    Raises
    ------
    InputError
        If the claim is no ordering, or the estimate no probability.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rainforest_model.paper import claim
    >>> often = SimpleNamespace(value=0.97, low=0.91, high=0.99)
    >>> judge_probability(claim("F3a2"), often).note
    '97 % of runs'
    """
    if claim.kind != "ordering":
        raise InputError("is no ordering", key=f"claim {claim.id}", value=claim.kind)
    model, low, high = _interval(estimate, claim.id)
    if math.isnan(model):
        return _verdict(claim, model, low, high, "misses", "the model has no value", note)
    if not 0 <= model <= 1:
        raise InputError("must be a probability", key=f"estimate for {claim.id}", value=model)
    found = f"{number(round(model * 100, 1))} % of runs"
    return _verdict(claim, model, low, high, "holds" if model >= CERTAIN else "misses", found, note)


def judge_fact(claim: Claim, model_value: float | bool, note: str = "") -> Verdict:
    """Judge a fact in which chance has no part: a set-up, a description, a count of lines.

    Parameters
    ----------
    claim : Claim
        Any claim; one of kind ``"configuration"`` as a rule.
    model_value : float or bool
        For a claim with a number that number as the descriptions have it, in its unit; for one without,
        whether the descriptions agree with it.
    note : str, optional
        What the experiment adds.

    Returns
    -------
    Verdict
        Holds if the number is equal, or inside the printed bounds where only bounds are printed;
        tolerance plays no part.

    Raises
    ------
    InputError
        If a claim with a number gets a bool, or one without gets a number.

    Examples
    --------
    >>> from rainforest_model.paper import claim
    >>> judge_fact(claim("T2a.cores"), 2 * 6).verdict
    'holds'
    >>> judge_fact(claim("G5"), True).verdict
    'holds'
    """
    said_bool = isinstance(model_value, bool) or type(model_value).__name__ == "bool"
    if claim.has_number == said_bool:
        wanted = "a number" if claim.has_number else "True or False"
        raise InputError(f"the claim asks for {wanted}", key=f"fact for {claim.id}", value=model_value)
    model = float(model_value)
    if not claim.has_number:
        holds, found = bool(model_value), "agrees" if model_value else "disagrees"
    elif claim.value is None:
        holds = _inside(claim, model)
        found = "inside" if holds else f"not {claim.printed}"
    else:
        holds = math.isclose(model, claim.value, rel_tol=1e-9)
        found = "equal" if holds else _distance(model, claim.value, claim.unit)
    return _verdict(claim, model, None, None, "holds" if holds else "misses", found, note)


def not_modelled(claim: Claim, note: str = "") -> Verdict:
    """The verdict on a claim about which the model says nothing.

    Parameters
    ----------
    claim : Claim
    note : str, optional
        Why not.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> from rainforest_model.paper import claim
    >>> verdict = not_modelled(claim("F66"), "the plotted points are not known")
    >>> verdict.model, verdict.note
    (None, 'the plotted points are not known')
    """
    return _verdict(claim, None, None, None, "not modelled", note)


def score(verdicts_by_experiment: Mapping[str, Iterable[Verdict]]) -> list[Verdict]:
    """One verdict for every claim of the paper.

    Parameters
    ----------
    verdicts_by_experiment : mapping of str to iterable of Verdict
        The verdicts of each experiment, by its id.

    Returns
    -------
    list of Verdict
        In the order of the claims; ``"not modelled"`` where no experiment judged. An experiment that says
        so itself leaves its note, and does not bar another one from judging.

    Raises
    ------
    InputError
        If a verdict is about an unknown claim, or a claim is judged twice.

    Examples
    --------
    >>> from rainforest_model.paper import claim
    >>> rows = score({"tab02_hardware": [judge_fact(claim("T2a.l3"), 12)]})
    >>> len(rows) == len(claims()), sum(row.verdict == "holds" for row in rows)
    (True, 1)
    """
    rows = {stated.id: not_modelled(stated) for stated in claims()}
    judge: dict[str, str] = {}
    for experiment, verdicts in verdicts_by_experiment.items():
        for verdict in verdicts:
            if verdict.id not in rows:
                raise unknown(verdict.id, f"experiment {experiment}", "verdict")
            if verdict.verdict == "not modelled":
                if verdict.id not in judge:
                    notes = dict.fromkeys(part for part in (rows[verdict.id].note, verdict.note) if part)
                    rows[verdict.id] = replace(verdict, note="; ".join(notes))
                continue
            if verdict.id in judge:
                reason = f"is judged twice, before by {judge[verdict.id]}"
                raise InputError(reason, file=f"experiment {experiment}", key="verdict", value=verdict.id)
            judge[verdict.id] = experiment
            rows[verdict.id] = verdict
    return list(rows.values())
