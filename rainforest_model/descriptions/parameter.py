"""A number with a home: value, unit, range and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal, LiteralString

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .. import units
from .near import hint
from .told import MISFIT, UNKNOWN_KEY

Basis = Literal["cited", "derived", "fitted"]

LONGEST_NS = 3600e9
"""An hour: no time of a description is longer, and no simulation."""
MOST_CYCLES = 3.6e11
"""An hour of the slowest clock (`rainforest_model.descriptions.machine.CLOCK_GHZ`)."""
LARGEST = 1e18


def misfit(key: str | tuple[str | int, ...], reason: str, kind: LiteralString = MISFIT) -> PydanticCustomError:
    """What a validator raises where one `key` of its table, or of a table in it, is at fault."""
    keys = (key,) if isinstance(key, str) else key
    return PydanticCustomError(kind, "{reason}", {"keys": keys, "reason": reason})


def _in_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a name is printable and stands in one line")
    return text


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_in_one_line)]
"""Handle of something, fit for a message, a legend and a file name's neighbour."""


class Description(BaseModel):
    """Base of every description: frozen, and no key passes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table):
        if isinstance(table, dict):
            for key in table:
                if key not in cls.model_fields:
                    raise misfit(str(key), f"no such key{hint(key, cls.model_fields)}", UNKNOWN_KEY)
                if isinstance(table[key], bool) and cls.model_fields[key].annotation in (int, float):
                    raise misfit(key, "a number is needed")
        return table

    def __str__(self) -> str:
        return repr(self)


class Parameter(Description):
    """One number of a machine or a kernel.

    Attributes
    ----------
    value : float
        The value that the model uses.
    unit : str
        One of `rainforest_model.units.UNITS`.
    range : tuple of two floats
        The range in which the literature or our reading leaves it.
    basis : {"cited", "derived", "fitted"}
        ``cited``: a published number or source code; ``derived``: arithmetic on cited ones or an
        engineering estimate inside the cited range; ``fitted``: found by fitting to `fitted_to`.
    source : str
        Where it comes from, or how it was derived.
    fitted_to : tuple of str
        Ids of the paper's claims that a fitted value was fitted to.

    Examples
    --------
    >>> Parameter(value=120, unit="cycles", range=(110, 130), basis="cited", source="SOSP'13").ns(2.4)
    50.0
    """

    value: float
    unit: str
    range: tuple[float, float]
    basis: Basis
    source: str = Field(min_length=3)
    fitted_to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self):
        low, high = self.range
        if self.unit not in units.UNITS:
            raise ValueError(f"unknown unit {self.unit!r}; known: {', '.join(sorted(units.UNITS))}")
        if not low <= self.value <= high:
            raise ValueError(f"value {self.value:g} lies outside its range [{low:g}, {high:g}]")
        if low < 0:
            raise ValueError("costs, sizes and rates are not negative")
        if high > LARGEST or (self.unit == "cycles" and high > MOST_CYCLES):
            raise ValueError(f"{high:g} {self.unit} is too large")
        if self.unit in units.DIMENSIONS["time"] - {"cycles"} and self.ns() > LONGEST_NS:
            raise ValueError(f"{self.value:g} {self.unit} is longer than the hour that a simulation may last")
        if (self.basis == "fitted") != bool(self.fitted_to):
            raise ValueError("fitted_to names the claims of a fitted value, and of no other")
        return self

    def ns(self, clock_ghz: float | None = None) -> float:
        """The value in nanoseconds (`clock_ghz` turns cycles into time)."""
        return units.nanoseconds(self.value, self.unit, clock_ghz)

    def ticks(self, clock_ghz: float | None = None) -> int:
        """The value in engine ticks."""
        return units.ticks(self.value, self.unit, clock_ghz)

    def plain(self) -> float:
        """The value in the base unit of its kind (bytes, bytes/s, Hz, a bare number)."""
        return units.plain(self.value, self.unit)


def _of(dimension: str):
    def check(parameter: Parameter) -> Parameter:
        known = units.DIMENSIONS[dimension]
        if parameter.unit not in known:
            raise misfit("unit", f"no unit of {dimension}; known: {', '.join(sorted(known))}")
        return parameter

    return AfterValidator(check)


Time = Annotated[Parameter, _of("time")]
Size = Annotated[Parameter, _of("size")]
Rate = Annotated[Parameter, _of("rate")]
Frequency = Annotated[Parameter, _of("frequency")]
Plain = Annotated[Parameter, _of("number")]
"""Parameters whose unit says that they are a time, a size, a rate, a frequency or a bare number."""
