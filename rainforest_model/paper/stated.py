"""What the paper states: its figures and tables, and the claims that it prints."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..units import UNITS as _MODEL_UNITS
from .words import number

UNITS = _MODEL_UNITS | {"req/s", "rpm"}
GENERAL = "general"
DEFAULT_TOLERANCE = 0.10

ClaimKind = Literal["exact", "approximate", "ordering", "configuration", "derived"]
ItemKind = Literal["figure", "table", "text"]
Role = Literal["predicted", "fitted", "context"]
SystemId = Literal[
    "linux-2.6.32", "linux-2.6.35m", "linux-3.17.4", "linux-4.9.40", "lxc", "xen", "rainforest", "barrelfish"
]

_CLAIM_ID = re.compile(r"[A-Z][A-Za-z0-9]*(\.[a-z0-9]+([._-][a-z0-9]+)*)?")
_ITEM_ID = re.compile(r"(fig|tab|sec)\d+[a-z]?(_[a-z0-9]+)+")


def _reject(key: str, reason: str) -> PydanticCustomError:
    """Validation error of one key, for rules that span several."""
    return PydanticCustomError("paper", "{reason}", {"reason": reason, "key": key})


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: str


class Item(Entry):
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
    >>> from rainforest_model.paper import contents
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


class Claim(Entry):
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
    >>> from rainforest_model.paper import claim
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
            return number(self.value) + unit
        if self.low is not None and self.high is not None:
            return f"{number(self.low)} to {number(self.high)}{unit}"
        if self.low is not None:
            return f">= {number(self.low)}{unit}"
        return f"<= {number(self.high)}{unit}" if self.high is not None else ""
