"""A number with a home: value, unit, range and where it comes from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .. import units

Basis = Literal["cited", "derived", "fitted"]


class Description(BaseModel):
    """Base of every description: frozen, and no key passes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
