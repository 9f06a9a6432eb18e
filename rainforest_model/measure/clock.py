"""The clock of the loops: how long one of its ticks is, and what reading it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..units import TICKS_PER_NS
from .layout import SCALE_BITS

CALIBRATION_S = 0.05


@dataclass(frozen=True)
class Clock:
    """A clock against CLOCK_MONOTONIC.

    Attributes
    ----------
    name : str
    ticks_per_ns : float
        Its ticks in a nanosecond.
    overhead_ns : float
        Median of what lies between two reads with nothing between them.
    step_ns : float
        Least difference of two times that it can tell apart, as far as was seen.
    """

    name: str
    ticks_per_ns: float
    overhead_ns: float = 0.0
    step_ns: float = 0.0

    @property
    def scaled(self) -> int:
        """Engine ticks of one of its ticks, as a whole number of 2**-SCALE_BITS."""
        return round(TICKS_PER_NS / self.ticks_per_ns * 2**SCALE_BITS)

    def ticks(self, seconds: float) -> int:
        """Its ticks in so many seconds."""
        return round(seconds * 1e9 * self.ticks_per_ns)

    def __repr__(self) -> str:
        return f"<Clock {self.name}: {self.ticks_per_ns:.4g} ticks a ns, {self.overhead_ns:.3g} ns a reading>"


def calibrate(name: str, now: Callable[[], int], seconds: float = CALIBRATION_S) -> Clock:
    """Hold the clock `now` against CLOCK_MONOTONIC.

    Parameters
    ----------
    name : str
    now : callable
        Reads the clock, in ticks of its own.
    seconds : float
        For how long.

    Examples
    --------
    >>> calibrate("the same clock", time.monotonic_ns, 0.001)
    <Clock the same clock: 1 ticks a ns, 0 ns a reading>
    """
    first, began = _together(now)
    time.sleep(seconds)
    last, ended = _together(now)
    return Clock(name, (last - first) / (ended - began))


def _together(now: Callable[[], int]) -> tuple[int, int]:
    """Both clocks at one time: of a few tries the one that was least disturbed."""
    tries = []
    for _ in range(20):
        before = time.monotonic_ns()
        here = now()
        after = time.monotonic_ns()
        tries.append((after - before, here, (before + after) // 2))
    _, here, then = min(tries)
    return here, then
