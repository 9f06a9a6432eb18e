"""What the paper states, and whether the model agrees: claims, contents and verdicts.

Every figure, table and result of the paper is an :class:`Item` of ``data/paper/contents.toml``; every
number and ordering that it prints is a :class:`Claim` of ``data/paper/claims.toml``. An experiment
computes its numbers first and only then asks :func:`judge_value`, :func:`judge_probability` or
:func:`judge_fact` for a :class:`Verdict`; :func:`score` puts the verdicts of all experiments beside
the whole list, so that what no experiment judged shows as not modelled.

How a claim is judged depends on what it states. A number holds within its tolerance, inside its printed
range, or when it lies in the model's own 95 % interval. An ordering holds when it holds in at least
`CERTAIN` of the replications. A fact of the set-up holds exactly or not at all.

Examples
--------
>>> from types import SimpleNamespace
>>> stated = claim("F87.rainforest")
>>> stated.printed, stated.artefact
('69.7 %', 'fig08_search_load')
>>> verdict = judge_value(stated, SimpleNamespace(value=71.8, low=71.2, high=72.4))
>>> verdict.verdict, verdict.note
('holds', '3.0 % above')
"""

from __future__ import annotations

import math
import re
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rainforest_model.errors import InputError
from rainforest_model.units import UNITS as _MODEL_UNITS

DEFAULT_TOLERANCE = 0.10
CERTAIN = 0.95
UNITS = _MODEL_UNITS | {"req/s", "rpm"}
GENERAL = "general"
WIDTH = 100
_CAPS = (24, 12, 9, 14, 24)

ClaimKind = Literal["exact", "approximate", "ordering", "configuration", "derived"]
ItemKind = Literal["figure", "table", "text"]
Role = Literal["predicted", "fitted", "context"]
SystemId = Literal[
    "linux-2.6.32", "linux-2.6.35m", "linux-3.17.4", "linux-4.9.40", "lxc", "xen", "rainforest", "barrelfish"
]
Outcome = Literal["holds", "misses", "not modelled"]

_CONTENTS = ("paper", "contents.toml")
_CLAIMS = ("paper", "claims.toml")
_CLAIM_ID = re.compile(r"[A-Z][A-Za-z0-9]*(\.[a-z0-9]+([._-][a-z0-9]+)*)?")
_ITEM_ID = re.compile(r"(fig|tab|sec)\d+[a-z]?(_[a-z0-9]+)+")


class Estimate(Protocol):
    """What a verdict needs of a model result: a value and its 95 % interval over replications."""

    @property
    def value(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def _reject(key: str, reason: str) -> PydanticCustomError:
    """Validation error of one key, for rules that span several."""
    return PydanticCustomError("paper", "{reason}", {"reason": reason, "key": key})


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: str


class Item(_Entry):
    """A figure, a table or a result in the text of the paper.

    Attributes
    ----------
    id : str
        Names the experiment, its notebook, results, figure and command-line argument.
    title : str
        What it shows, in our words.
    section : str
        The section that discusses it.
    kind : {"figure", "table", "text"}

    Examples
    --------
    >>> item = contents()[0]
    >>> item.id, item.kind, item.section, item.name
    ('fig01_architecture', 'figure', '1', 'Figure 1')
    """

    title: str = Field(min_length=1)
    section: str = Field(min_length=1)
    kind: ItemKind

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        if not _ITEM_ID.fullmatch(value):
            raise _reject("id", "must look like fig08_search_load, tab02_hardware or sec642_channels")
        return value

    @property
    def name(self) -> str:
        """How the paper calls it: Figure 3a, Table 1, or the section of a result in the text."""
        kind = {"figure": "Figure", "table": "Table", "text": "Section"}[self.kind]
        number = self.section if self.kind == "text" else self.id.split("_")[0][3:].lstrip("0")
        return f"{kind} {number}"


class Claim(_Entry):
    """One statement of the paper, with at most one number.

    Attributes
    ----------
    id : str
        Row of the reading list, then what tells the numbers of that row apart.
    where : str
        Figure, table or section that states it.
    artefact : str
        Id of an :class:`Item`, or ``"general"``.
    quantity : str
        The statement, in our words.
    systems : tuple of str
        Systems that it is about.
    workload : str
        What runs, under which conditions; empty where nothing does.
    kind : {"exact", "approximate", "ordering", "configuration", "derived"}
    value : float or None
        The number, in `unit`.
    low, high : float or None
        A bound or range where that is what is stated; beside a value, the band within which the
        printed number was rounded. In `unit`.
    unit : str or None
    tolerance : float or None
        Largest error, relative to `value`, with which a model still holds. Unless the file says
        otherwise `DEFAULT_TOLERANCE` for a predicted or fitted value, 0 for one of context; None
        where there is no value.
    reading : str
        How the printed words became this entry.
    role : {"predicted", "fitted", "context"}
        Whether the model predicts it, was fitted to it, or takes it as an input.
    note : str

    Examples
    --------
    >>> stated = claim("F122.linux-2.6.32")
    >>> stated.row, stated.value, stated.unit, stated.tolerance
    ('F122', 7.8, 'ratio', 0.1)
    >>> claim("F94").printed
    '<= 8 %'
    """

    where: str = Field(min_length=1)
    artefact: str
    quantity: str = Field(min_length=1)
    systems: tuple[SystemId, ...] = Field(strict=False)
    workload: str = ""
    kind: ClaimKind
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    tolerance: float | None = Field(default=None, ge=0, lt=1)
    reading: str = Field(min_length=1)
    role: Role
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _default_tolerance(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("value") is not None and "tolerance" not in data:
            data = {**data, "tolerance": 0.0 if data.get("role") == "context" else DEFAULT_TOLERANCE}
        return data

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        if not _CLAIM_ID.fullmatch(value):
            raise _reject("id", "must look like F85 or F87.rainforest")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        if self.kind == "ordering" and self.has_number:
            raise _reject("kind", "an ordering has no number; make the number a claim of its own")
        if self.kind in ("exact", "derived") and self.value is None:
            raise _reject("value", f"a claim of kind {self.kind} needs a value")
        if self.kind == "approximate" and not self.has_number:
            raise _reject("value", "an approximate claim needs a value, a bound or a range")
        if self.kind == "configuration" and self.role != "context":
            raise _reject("role", "a configuration is an input, so its role is context")
        if self.has_number and self.unit not in UNITS:
            raise _reject("unit", f"a number needs a known unit: {', '.join(sorted(UNITS))}")
        if not self.has_number and self.unit is not None:
            raise _reject("unit", "there is no number that it could belong to")
        if self.value is None and self.tolerance is not None:
            raise _reject("tolerance", "only a value has a tolerance; bounds have none")
        numbers = [n for n in (self.low, self.value, self.high) if n is not None]
        if numbers != sorted(numbers):
            raise _reject("low", "low, value and high must ascend")
        return self

    @property
    def row(self) -> str:
        """The row of the reading list that the claim belongs to."""
        return self.id.split(".", 1)[0]

    @property
    def has_number(self) -> bool:
        """Whether it states a value, a bound or a range."""
        return not (self.value is None and self.low is None and self.high is None)

    @property
    def printed(self) -> str:
        """The number with its unit, as a table shows it; empty where there is none."""
        unit = {None: "", "count": "", "ratio": " x", "percent": " %"}.get(self.unit, f" {self.unit}")
        if self.value is not None:
            return _number(self.value) + unit
        if self.low is not None and self.high is not None:
            return f"{_number(self.low)} to {_number(self.high)}{unit}"
        if self.low is not None:
            return f">= {_number(self.low)}{unit}"
        return f"<= {_number(self.high)}{unit}" if self.high is not None else ""


# --- the files ---------------------------------------------------------------------------------

_Loaded = TypeVar("_Loaded", bound=_Entry)


def _read(path: Path, table: str, model: type[_Loaded]) -> tuple[_Loaded, ...]:
    """All ``[[table]]`` entries of a file, validated, with ids that differ."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=path) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is no valid TOML: {error}", file=path) from error
    if unknown := sorted(document.keys() - {table}):
        raise InputError(f"unknown table; the file holds [[{table}]] tables only", file=path, key=unknown[0])
    rows = document.get(table)
    if not isinstance(rows, list) or not rows:
        raise InputError("must be one or more [[...]] tables", file=path, key=table)
    entries: dict[str, _Loaded] = {}
    for position, row in enumerate(rows, start=1):
        name = row.get("id", f"#{position}") if isinstance(row, dict) else f"#{position}"
        try:
            entry = model.model_validate(row)
        except ValidationError as error:
            raise _input_error(error, path, f"{table}[{name}]") from error
        if entry.id in entries:
            raise InputError("is there twice", file=path, key=f"{table}[{name}].id", value=entry.id)
        entries[entry.id] = entry
    return tuple(entries.values())


def _input_error(error: ValidationError, path: Path, entry: str) -> InputError:
    """The first finding of a pydantic error as one line."""
    findings = error.errors()
    first = findings[0]
    where = [*first["loc"], *([first["ctx"]["key"]] if first["type"] == "paper" and not first["loc"] else [])]
    key = ".".join([entry, *(str(part) for part in where)])
    reason = first["msg"] + (f" (and {len(findings) - 1} more)" if len(findings) > 1 else "")
    if first["type"] == "missing":
        return InputError("is missing", file=path, key=key)
    found = first["input"]
    if first["type"] == "paper" and not first["loc"]:
        found = found.get(where[-1]) if isinstance(found, dict) else getattr(found, str(where[-1]), None)
    if found is None:
        return InputError(reason, file=path, key=key)
    return InputError(reason, file=path, key=key, value=found)


def _shipped(*parts: str) -> Path:
    from rainforest_model.resources import data_path

    return data_path(*parts)


def read_contents(path: Path | str | None = None) -> tuple[Item, ...]:
    """Read a table of contents.

    Parameters
    ----------
    path : path, optional
        TOML file of ``[[item]]`` tables; the shipped one unless given.

    Returns
    -------
    tuple of Item
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, is malformed, or has an id twice.

    Examples
    --------
    >>> len(read_contents())
    22
    """
    return _read(_shipped(*_CONTENTS) if path is None else Path(path), "item", Item)


def read_claims(path: Path | str | None = None) -> tuple[Claim, ...]:
    """Read a list of claims.

    Parameters
    ----------
    path : path, optional
        TOML file of ``[[claim]]`` tables; the shipped one unless given.

    Returns
    -------
    tuple of Claim
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, is malformed, has an id twice, or names an artefact that the
        table of contents does not have.

    Examples
    --------
    >>> {claim.kind for claim in read_claims()} == set(get_args(ClaimKind))
    True
    """
    path = _shipped(*_CLAIMS) if path is None else Path(path)
    known = {item.id for item in contents()} | {GENERAL}
    found = _read(path, "claim", Claim)
    for stated in found:
        if stated.artefact not in known:
            key = f"claim[{stated.id}].artefact"
            raise InputError("is not in the table of contents", file=path, key=key, value=stated.artefact)
    return found


@cache
def contents() -> tuple[Item, ...]:
    """Every figure, table and further result of the paper, in the file's order.

    Examples
    --------
    >>> [item.id for item in contents() if item.kind == "text"]
    ['sec642_channels', 'sec642_subos_count', 'sec7_barrelfish_munmap']
    """
    return read_contents()


@cache
def claims() -> tuple[Claim, ...]:
    """Every claim of the paper, in the file's order.

    Examples
    --------
    >>> [stated.id for stated in claims() if stated.artefact == "fig11_cores_timeline"]
    ['F111', 'F111.tail']
    """
    return read_claims()


@cache
def _claims_by_id() -> dict[str, Claim]:
    return {stated.id: stated for stated in claims()}


def claim(id: str) -> Claim:
    """One claim by its id.

    Parameters
    ----------
    id : str
        For example ``"F85"`` or ``"F122.linux-2.6.32"``.

    Returns
    -------
    Claim

    Raises
    ------
    InputError
        If there is no such claim; the message names the nearest ones.

    Examples
    --------
    >>> claim("F101.rate").value
    214.4
    >>> claim("F101")
    Traceback (most recent call last):
    ...
    rainforest_model.errors.InputError: paper/claims.toml: claim = 'F101': no such claim; did you mean \
F101.requests, F101.duration, F101.rate?
    """
    try:
        return _claims_by_id()[id]
    except KeyError:
        raise _unknown(id, "/".join(_CLAIMS), "claim") from None


def _unknown(id: str, file: str, key: str) -> InputError:
    """No such claim, with the ids that may be meant."""
    import difflib

    row = str(id).split(".", 1)[0]
    near = [stated.id for stated in claims() if stated.row == row]
    near = near or difflib.get_close_matches(str(id), list(_claims_by_id()), n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return InputError(f"no such claim{hint}", file=file, key=key, value=id)


# --- verdicts ----------------------------------------------------------------------------------


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
        return f"{_number(abs(model))} {unit} {side}"
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
    found = f"{_number(round(model * 100, 1))} % of runs"
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
    >>> rows = score({"tab02_hardware": [judge_fact(claim("T2a.l3"), 12)]})
    >>> len(rows) == len(claims()), sum(row.verdict == "holds" for row in rows)
    (True, 1)
    """
    rows = {stated.id: not_modelled(stated) for stated in claims()}
    judge: dict[str, str] = {}
    for experiment, verdicts in verdicts_by_experiment.items():
        for verdict in verdicts:
            if verdict.id not in rows:
                raise _unknown(verdict.id, f"experiment {experiment}", "verdict")
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


def _number(x: float | None, digits: int = 4) -> str:
    """A number for readers: few digits, no exponent where avoidable, "-" for none."""
    if x is None:
        return "-"
    if math.isfinite(x) and 10 ** (digits - 1) <= abs(x) < 1e9:
        return f"{x:.{int(digits > 3)}f}".removesuffix(".0")
    return f"{x:.{digits}g}"


def _model(row: Verdict) -> str:
    if row.model is None or row.low is None or row.high is None:
        return _number(row.model)
    return f"{_number(row.model)} [{_number(row.low, 3)}, {_number(row.high, 3)}]"


def _totals(rows: Sequence[Verdict]) -> str:
    """How many hold, in all and, held of judged, by role."""
    count = {outcome: sum(row.verdict == outcome for row in rows) for outcome in get_args(Outcome)}
    parts = []
    for role in get_args(Role):
        judged = [row for row in rows if row.role == role and row.verdict != "not modelled"]
        if judged:
            parts.append(f"{role} {sum(row.verdict == 'holds' for row in judged)}/{len(judged)}")
    head = "{} claims: {} hold, {} miss, {} not modelled".format(len(rows), *count.values())
    return head + (f" ({', '.join(parts)})" if parts else "")


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Verdicts as plain text, at most 100 columns wide.

    Parameters
    ----------
    verdicts : iterable of Verdict

    Returns
    -------
    str
        A line of totals, with those that hold of those judged for each role; then a line for each
        verdict: claim, verdict, role, printed number, model with its interval, note. A note that is too
        long for its line stands below it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> near = SimpleNamespace(value=131.2, low=130.0, high=132.4)
    >>> print(verdict_table([judge_value(claim("F91.lxc"), near), not_modelled(claim("F66"))]))
    2 claims: 1 hold, 0 miss, 1 not modelled (predicted 1/1)
    <BLANKLINE>
    claim    verdict       role       paper     model             note
    F91.lxc  holds         predicted  129.3 ms  131.2 [130, 132]  1.5 % above
    F66      not modelled  context    -         -
    """
    rows = list(verdicts)
    printed = {stated.id: stated.printed for stated in claims()}
    lines = [("claim", "verdict", "role", "paper", "model")]
    for row in rows:
        lines.append((row.id, row.verdict, row.role, printed.get(row.id) or _number(row.value), _model(row)))
    widths = [
        min(cap, max(map(len, column))) for cap, column in zip(_CAPS, zip(*lines, strict=True), strict=True)
    ]
    room = WIDTH - sum(widths) - 2 * len(widths)
    text = [_totals(rows), ""]
    for cells, note in zip(lines, ["note", *(row.note for row in rows)], strict=True):
        line = "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True))
        beside = len(note) <= room
        text.append(f"{line}  {note if beside else ''}".rstrip())
        if not beside:
            text += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(text)
