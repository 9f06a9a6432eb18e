"""Something that must hold, what was found, and how that is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..stats import mean_interval

LEVEL = 0.999
"""Confidence of each interval."""
SHARP = 0.01
"""Half-width, as a share of the value, above which an interval is too wide to hold a theory against."""
SEED = 2012
COLUMNS = 100
"""Width of a line whose check holds."""


class Effort(NamedTuple):
    """How much work the checks may do.

    Attributes
    ----------
    replications : int
    stretch : int
        Factor on all simulated times.
    twin_events : int
        Events for which the engine and its twin are compared, for each workload and system.
    lots : int
        Random programs.
    """

    replications: int = 20
    stretch: int = 1
    twin_events: int = 4000
    lots: int = 150


EFFORTS = {"quick": Effort(), "full": Effort(replications=40, stretch=4, twin_events=10_000, lots=1000)}


class Finding(NamedTuple):
    """What a check has found: see `CheckResult`."""

    passed: bool
    note: str = ""
    expected: float = math.nan
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check.

    Attributes
    ----------
    name : str
    group : {"closed form", "limit", "twin"}
    passed : bool
    expected : float
        What theory says; nan where a check compares traces.
    value, low, high : float
        The model's answer and its interval, in `unit`; nan likewise.
    note : str
        How it came about, or where it went wrong.
    unit : str
    """

    name: str
    group: str
    passed: bool
    expected: float
    value: float
    low: float
    high: float
    note: str
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """Something that must hold.

    Attributes
    ----------
    name : str
    group : {"closed form", "limit", "twin"}
    find : callable
        From an `Effort` to a `Finding`.
    """

    name: str
    group: str
    find: Callable[[Effort], Finding]

    def result(self, effort: Effort) -> CheckResult:
        """Run the check.  An error inside is a failed check, so that the others still run."""
        try:
            finding = self.find(effort)
        except Exception as error:
            finding = Finding(False, f"{type(error).__name__}: {error}")
        return CheckResult(name=self.name, group=self.group, **finding._asdict())


def inside(expected: float, values: list[float], unit: str, slack: float = 0.0, note: str = "") -> Finding:
    """Whether an expectation lies in the interval of the replications, widened by a relative `slack`."""
    e = mean_interval(values, LEVEL)
    low, high = e.low - slack * abs(e.value), e.high + slack * abs(e.value)
    if e.half_width > SHARP * abs(e.value):
        return Finding(False, "too wide to tell", expected, e.value, low, high, unit)
    return Finding(low <= expected <= high, note or f"{e.n} replications", expected, e.value, low, high, unit)


def together(wrong: list[str], note: str) -> Finding:
    """Passed if nothing is wrong."""
    return Finding(not wrong, "; ".join(wrong) or note)


def line(result: CheckResult) -> str:
    """The result in one line of at most `COLUMNS` columns; a failed check says all it knows, however long.

    Examples
    --------
    >>> print(line(CheckResult("M/M/1 mean sojourn", "closed form", True, 2, 2.003, 1.989, 2.017, "n=20", "us")))
    holds  M/M/1 mean sojourn           theory 2.000 us   model 2.003 [1.989, 2.017]    n=20
    """
    head = f"{'holds' if result.passed else 'FAILS':7}{result.name:29}"
    if math.isnan(result.value):
        return f"{head}{result.note}"
    width = result.high - result.low
    room = 5 - len(f"{abs(result.value):.0f}")
    digits = max(0, min(room, 1 - math.floor(math.log10(width)) if width > 0 else 3))
    expected, value, low, high = (
        f"{number:.{digits}f}" for number in (result.expected, result.value, result.low, result.high)
    )
    claim, answer = f"theory {expected} {result.unit}", f"model {value} [{low}, {high}]"
    return f"{head}{claim:18}{answer:29} {result.note}"
