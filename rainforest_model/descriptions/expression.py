"""Whole numbers written as arithmetic: ``max(32, 2 * cpus)``, ``ceil(pages / pages_per_flush)``."""

from __future__ import annotations

import math

from simpleeval import InvalidExpression, SimpleEval

_FUNCTIONS = {"min": min, "max": max, "ceil": math.ceil, "floor": math.floor, "log2": math.log2}


def whole(expression: int | str, names: dict[str, float]) -> int:
    """The value of `expression` as a whole number.

    Raises
    ------
    ValueError
        If it does not parse, names something unknown, or is no finite number.

    Examples
    --------
    >>> whole("max(32, 2 * cpus)", {"cpus": 40})
    80
    """
    if isinstance(expression, int):
        return expression
    try:
        value = SimpleEval(names=names, functions=_FUNCTIONS).eval(expression)
        return math.floor(value)
    except (InvalidExpression, SyntaxError, TypeError, ValueError, ArithmeticError) as error:
        known = ", ".join(sorted(names))
        raise ValueError(f"{expression!r} is no number here ({error}); it may name {known}") from None
