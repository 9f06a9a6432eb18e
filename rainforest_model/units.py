"""Units at the border: every description speaks ns, cycles or MB; the engines only know ticks.

A tick is 10 ps: a forty-second of a 2.4 GHz cycle, and 2**49 of them are 93 minutes.
"""

from __future__ import annotations

from fractions import Fraction

TICKS_PER_NS = 100

_NANOSECONDS = {"ps": Fraction(1, 1000), "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_RATES = {"B/s": 1, "MB/s": 10**6, "GB/s": 10**9, "Gb/s": 10**9 / 8, "Mb/s": 10**6 / 8}
_HERTZ = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
_PLAIN = {"count": 1, "ratio": 1, "percent": Fraction(1, 100), "pages": 1, "lines": 1}

DIMENSIONS = {
    "time": {*_NANOSECONDS, "cycles"},
    "size": set(_BYTES),
    "rate": set(_RATES),
    "frequency": set(_HERTZ),
    "number": set(_PLAIN),
}
UNITS = frozenset().union(*DIMENSIONS.values())


def nanoseconds(value: float, unit: str, clock_ghz: float | None = None) -> float:
    """A duration in nanoseconds; cycles need the machine's clock.

    Raises
    ------
    ValueError
        If `unit` is no unit of time, or is ``cycles`` without a clock.

    Examples
    --------
    >>> nanoseconds(1.5, "us")
    1500.0
    >>> nanoseconds(120, "cycles", clock_ghz=2.4)
    50.0
    """
    if unit == "cycles":
        if not clock_ghz:
            raise ValueError("cycles are a time only on a machine with a clock")
        return value / clock_ghz
    if unit not in _NANOSECONDS:
        raise ValueError(f"{unit!r} is no unit of time; known: cycles, {', '.join(_NANOSECONDS)}")
    return float(value * _NANOSECONDS[unit])


def ticks(value: float, unit: str, clock_ghz: float | None = None) -> int:
    """A duration in engine ticks, rounded to the nearest.

    Examples
    --------
    >>> ticks(1, "us")
    100000
    """
    return round(nanoseconds(value, unit, clock_ghz) * TICKS_PER_NS)


def to_us(tick_count):
    """Ticks as microseconds; works on numbers and arrays.

    Examples
    --------
    >>> to_us(250_000)
    2.5
    """
    return tick_count / (TICKS_PER_NS * 1000)


def plain(value: float, unit: str) -> float:
    """A value in the base unit of its kind: bytes, bytes/s, Hz or a bare number.

    Examples
    --------
    >>> plain(12, "MB")
    12582912.0
    """
    for table in (_BYTES, _RATES, _HERTZ, _PLAIN):
        if unit in table:
            return float(value * table[unit])
    raise ValueError(f"unknown unit {unit!r}; known: {', '.join(sorted(UNITS))}")
