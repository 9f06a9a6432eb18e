"""Whole numbers written as arithmetic: ``max(32, 2 * cpus)``, ``ceil(pages / pages_per_flush)``."""

from __future__ import annotations

import ast
import math
import operator
from functools import lru_cache
from threading import Lock

from .near import hint

LONGEST = 200
"""Characters of an expression."""
LARGEST = 2**53
"""The largest result; with `LONGEST` it bounds what an expression can cost."""


def _power(base, exponent):
    if abs(base) > 2**32 or abs(exponent) > 64:
        raise ValueError("a power is too large")
    return base**exponent


_FUNCTIONS = {"min": min, "max": max, "ceil": math.ceil, "floor": math.floor, "log2": math.log2}
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: _power, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}


def whole(expression: int | str, names: dict[str, float]) -> int:
    """The value of `expression` as a whole number, rounded down.

    Parameters
    ----------
    expression : int or str
        Numbers, `names`, ``+ - * / // % **``, comparisons, ``a if b else c``, and the functions min, max,
        ceil, floor and log2.
    names : dict of str to float
        What it may name.

    Raises
    ------
    ValueError
        If it does not parse, names something unknown, or is no finite number of a sensible size.

    Examples
    --------
    >>> whole("max(32, 2 * cpus)", {"cpus": 40})
    80
    """
    value = expression if isinstance(expression, int) else _parsed(expression, names)
    if abs(value) > LARGEST:
        raise ValueError("the number is larger than 2**53")
    return value


_PARSING = Lock()


@lru_cache(maxsize=4096)
def _tree(expression: str) -> ast.Expression:
    """The parsed expression; one thread at a time, as CPython 3.11's parser is not safe (gh-106905)."""
    with _PARSING:
        return ast.parse(expression, mode="eval")


def _parsed(expression: str, names: dict[str, float]) -> int:
    if len(expression) > LONGEST:
        raise ValueError(f"an expression has at most {LONGEST} characters, not {len(expression)}")
    try:
        return math.floor(_value(_tree(expression.strip()).body, names))
    except SyntaxError as error:
        reason = error.msg
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        reason = str(error)
    raise ValueError(f"{expression!r} is no number here ({reason})")


def _value(node: ast.expr, names: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"no {name}{hint(name, sorted(names))}")
            return names[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*[_value(argument, names) for argument in arguments])
    raise ValueError(f"{ast.unparse(node)} is no arithmetic")
