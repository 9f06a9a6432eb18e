"""Numbers as readers see them."""

from __future__ import annotations

import math


def number(x: float | None, digits: int = 4) -> str:
    """A number for readers: few digits, no exponent where avoidable, "-" for none.

    Examples
    --------
    >>> number(482400.0), number(0.0123456), number(None)
    ('482400', '0.01235', '-')
    """
    if x is None:
        return "-"
    if math.isfinite(x) and 10 ** (digits - 1) <= abs(x) < 1e9:
        return f"{x:.{int(digits > 3)}f}".removesuffix(".0")
    return f"{x:.{digits}g}"
