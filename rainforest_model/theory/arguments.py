"""What the arguments of closed forms must be."""

from __future__ import annotations

import math

import numpy as np


def check(zero_allowed: bool = False, **values: float) -> None:
    """Raise ValueError for the first value which is not finite and positive (or zero if allowed)."""
    for name, value in values.items():
        if not (math.isfinite(value) and (value > 0 or (zero_allowed and value == 0))):
            wanted = "finite and not negative" if zero_allowed else "finite and positive"
            raise ValueError(f"{name} must be {wanted}, not {value!r}")


def check_count(name: str, count: int) -> None:
    """Raise ValueError unless count is a whole number >= 1."""
    if not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"{name} must be a whole number >= 1, not {count!r}")
