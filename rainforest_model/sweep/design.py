"""What a sweep varies, and where in the space of it the points lie."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ..descriptions.parameter import Description, misfit

MOST_POINTS = 1_000_000
_DIGITS = 9
"""Of a number between the ends of a range: enough for a parameter, and the same text on every machine."""


class Axis(Description):
    """One thing that varies: a key of the scenario file, and the values that it takes.

    Attributes
    ----------
    key : str or tuple of str
        Dotted key as in ``rainforest simulate --set``; several keys get the same value.
    values : tuple
        The values themselves; or else a range:
    low, high : float
        Its ends.
    steps : int, optional
        How many values a grid takes of the range, ends included.
    scale : {"linear", "log"}
        On which the range is even.
    whole : bool
        Whether only whole numbers are meant.
    unit : str
        Written behind each number, as in ``"20 us"``.

    Examples
    --------
    >>> Axis(key="cores", values=(2, 4)).of_grid()
    (2, 4)
    >>> Axis(key="duration", low=1, high=100, steps=3, scale="log", unit="ms").of_grid()
    ('1 ms', '10 ms', '100 ms')
    >>> Axis(key="cores", low=1, high=12, whole=True).at(0.999)
    12
    """

    key: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)]
    values: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None
    steps: int | None = Field(default=None, ge=2, le=MOST_POINTS)
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False
    unit: str = ""

    @model_validator(mode="after")
    def _values_or_range(self):
        if self.values is not None:
            for key in ("low", "high", "steps", "unit"):
                if key in self.model_fields_set:
                    raise misfit(key, "values are given too; it is the one or the other")
            if not self.values:
                raise misfit("values", "is empty: there is nothing to vary")
            for number, value in enumerate(self.values):
                if isinstance(value, float) and not np.isfinite(value):
                    raise misfit(("values", number), "is not finite")
            return self
        for key in ("low", "high"):
            if getattr(self, key) is None:
                raise misfit(key, "is missing: an axis has values, or low and high")
        if not self.low < self.high:
            raise misfit("high", f"the range from low = {self.low:g} to {self.high:g} is empty")
        if self.scale == "log" and self.low <= 0:
            raise misfit("low", "is above 0 on a logarithmic scale")
        if self.whole and (self.low % 1 or self.high % 1):
            raise misfit("whole", "then low and high are whole numbers too")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that get the value."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def name(self) -> str:
        """Column of its values in a table: its first key."""
        return self.keys[0]

    def at(self, u: float):
        """The value at a place `u` in [0, 1) of the axis."""
        if self.values is not None:
            return self.values[int(u * len(self.values))]
        # Whole numbers get equal parts of the axis, the ends too.
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        return self._told(low * (high / low) ** u if self.scale == "log" else low + u * (high - low))

    def of_grid(self) -> tuple:
        """The values that a grid takes."""
        if self.values is not None:
            return self.values
        even = np.geomspace if self.scale == "log" else np.linspace
        found = (self._told(value) for value in even(self.low, self.high, self.steps))
        return tuple(dict.fromkeys(found))

    def _told(self, value: float) -> int | float | str:
        value = float(f"{value:.{_DIGITS}g}")
        if self.whole:
            value = int(min(max(round(value), self.low), self.high))
        return f"{value:g} {self.unit}" if self.unit else value


class Grid(Description):
    """Every combination of the axes' values."""

    kind: Literal["grid"] = "grid"

    def refused(self, axes: tuple[Axis, ...]):
        """What keeps the axes from being laid out so, as an error, or None."""
        for number, axis in enumerate(axes):
            if axis.values is None and axis.steps is None:
                return misfit(("vary", number, "steps"), "is missing: so many values a grid takes of a range")
        return _too_many(self.count(axes))

    def count(self, axes: tuple[Axis, ...]) -> int:
        """How many points there are."""
        return prod(len(axis.of_grid()) for axis in axes)

    def rows(self, axes: tuple[Axis, ...]) -> Iterator[tuple]:
        """The axes' values at each point; the last axis varies fastest."""
        return product(*(axis.of_grid() for axis in axes))


class _Scattered(Description):
    """Points scattered over the unit cube, each axis a side of it."""

    points: int = Field(ge=1, le=MOST_POINTS)
    seed: int = Field(default=1, ge=0, lt=2**63)

    def refused(self, axes: tuple[Axis, ...]):
        """What keeps the axes from being laid out so, as an error, or None."""
        for number, axis in enumerate(axes):
            if axis.steps is not None:
                return misfit(("vary", number, "steps"), "only a grid has steps; this design has points")
        return None

    def count(self, axes: tuple[Axis, ...]) -> int:
        """How many points there are."""
        return self.points

    def rows(self, axes: tuple[Axis, ...]) -> Iterator[tuple]:
        """The axes' values at each point."""
        for places in self.cube(len(axes)):
            yield tuple(axis.at(float(u)) for axis, u in zip(axes, places, strict=True))

    def cube(self, sides: int) -> np.ndarray:
        """Places on so many sides of the unit cube: float64[points, sides]."""
        raise NotImplementedError


class LatinHypercube(_Scattered):
    """Each axis in as many equal parts as there are points, and one point in each part of each axis.

    References
    ----------
    McKay, Beckman and Conover (1979). A comparison of three methods for selecting values of input
    variables in the analysis of output from a computer code. *Technometrics* 21(2).
    """

    kind: Literal["lhs"]

    def cube(self, sides: int) -> np.ndarray:
        from scipy.stats import qmc

        return qmc.LatinHypercube(sides, rng=np.random.default_rng(self.seed)).random(self.points)


class Sobol(_Scattered):
    """A scrambled Sobol sequence: with twice the points the first half stays.

    References
    ----------
    Sobol' (1967). On the distribution of points in a cube and the approximate evaluation of integrals.
    Owen (1998). Scrambling Sobol' and Niederreiter-Xing points. *Journal of Complexity* 14(4).
    """

    kind: Literal["sobol"]

    @model_validator(mode="after")
    def _balanced(self):
        if self.points & (self.points - 1):
            above = 1 << self.points.bit_length()
            raise misfit("points", f"of a Sobol sequence are a power of two, such as {above // 2} or {above}")
        return self

    def cube(self, sides: int) -> np.ndarray:
        from scipy.stats import qmc

        return qmc.Sobol(sides, rng=np.random.default_rng(self.seed)).random(self.points)


Design = Annotated[Grid | LatinHypercube | Sobol, Field(discriminator="kind")]


def _too_many(count: int):
    return misfit("vary", f"makes {count:,} points; {MOST_POINTS:,} at most") if count > MOST_POINTS else None
