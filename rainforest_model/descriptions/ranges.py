"""Descriptions whose parameters lie elsewhere in their ranges: what an honest range does to a result."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from .parameter import Description, Parameter

_Described = TypeVar("_Described", bound=Description)


def spread(description: _Described, points: int, seed: int = 1) -> list[_Described]:
    """Latin hypercube: so many copies, in which each parameter takes each of as many parts of its range once.

    Every parameter is drawn on its own, evenly in the logarithm where its range is above 0, and evenly else.
    Pages are whole. Parameters whose range is one value keep it.

    Parameters
    ----------
    description : Description
        A machine, a kernel, or whatever else holds parameters.
    points : int
    seed : int

    Examples
    --------
    >>> from rainforest_model.descriptions.load import machine
    >>> clocks = [m.tlb.refill.value for m in spread(machine("S-A"), 5)]
    >>> len(set(clocks)), min(clocks) >= 0.1, max(clocks) <= 5
    (5, True, True)
    """
    rng = np.random.default_rng(seed)
    strata: dict[str, np.ndarray] = {}

    def share(place: str, point: int) -> float:
        if place not in strata:
            strata[place] = (rng.permutation(points) + rng.random(points)) / points
        return float(strata[place][point])

    def moved(value, place: str, point: int):
        if isinstance(value, Parameter):
            low, high = value.range
            if low == high:
                return value
            u = share(place, point)
            found = low * (high / low) ** u if low > 0 else low + u * (high - low)
            found = round(found) if value.unit == "pages" else found
            return value.model_copy(update={"value": min(max(found, low), high)})
        if isinstance(value, Description):
            keys = type(value).model_fields
            return value.model_copy(update={key: moved(getattr(value, key), f"{place}.{key}", point) for key in keys})
        if isinstance(value, dict):
            return {key: moved(inner, f"{place}.{key}", point) for key, inner in value.items()}
        return value

    return [moved(description, "", point) for point in range(points)]
