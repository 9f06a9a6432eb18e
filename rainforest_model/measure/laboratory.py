"""Having a plan measured by a process of its own, and what comes back."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import histogram
from ..units import to_us
from .clock import Clock
from .host import Host, check_system, host
from .plan import Case, Plan

START_S = 120.0
"""Time in which the process has to start and to compile, on a slow and busy machine."""
SLACK_S = 15.0
"""What a case may take beyond its slice."""

Progress = Callable[[int, int], None]


class MeasurementError(RuntimeError):
    """A measurement that did not come to its end."""


@dataclass(frozen=True)
class Series:
    """Latencies of one kind in one slice.

    Attributes
    ----------
    counts : int64[BUCKETS]
        Histogram in engine ticks (`rainforest_model.histogram`), the clock's own cost subtracted.
    ticks : int
        Sum of all.
    """

    counts: np.ndarray
    ticks: int

    @property
    def n(self) -> int:
        """How many."""
        return int(self.counts.sum())

    @property
    def mean_us(self) -> float:
        """Their mean; nan of none."""
        return to_us(self.ticks / self.n) if self.n else float("nan")

    @property
    def midmean_us(self) -> float:
        """Mean of the middle half: what is neither lucky nor disturbed; nan of none."""
        if not self.n:
            return float("nan")
        ends = np.cumsum(self.counts)
        inside = np.minimum(ends, 0.75 * self.n) - np.maximum(ends - self.counts, 0.25 * self.n)
        return float(to_us(np.average(histogram.midpoints(), weights=np.maximum(inside, 0.0))))

    def statistic_us(self, name: str) -> float:
        """``"mean"``, ``"midmean"``, or a percentile such as ``"p99.9"``."""
        if name == "mean":
            return self.mean_us
        return self.midmean_us if name == "midmean" else self.quantile_us(float(name.removeprefix("p")) / 100)

    def quantile_us(self, q: float) -> float:
        """The quantile `q` (0 .. 1); nan of none."""
        return to_us(histogram.quantile(self.counts, q)) if self.n else float("nan")


@dataclass(frozen=True)
class Found:
    """What one case came to in one round.

    Attributes
    ----------
    case : Case
    repeat : int
    elapsed_ns : float
    involuntary : int
        Context switches that the workers did not ask for.
    wall_s, cpu_s : float
        Time from before the first fork until the last worker had ended, and processor time used by what measures.
    used_s, idle_s, steal_s : float
        Of the cores in that time, by /proc/stat.
    operations : dict of str to int
        By loop.
    series : dict of str to Series
        By name.
    """

    case: Case
    repeat: int
    elapsed_ns: float
    involuntary: int
    wall_s: float
    cpu_s: float
    used_s: float
    idle_s: float
    steal_s: float
    operations: dict[str, int]
    series: dict[str, Series]


@dataclass(frozen=True)
class Spread:
    """Least, middle and greatest of the values of all rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values) -> Spread:
        """The spread of some values; nan where there is none."""
        values = [value for value in values if value == value]
        if not values:
            return cls(*(float("nan"),) * 3)
        return cls(float(min(values)), float(np.median(values)), float(max(values)))

    def __repr__(self) -> str:
        return f"<Spread {self.low:.4g} .. {self.middle:.4g} .. {self.high:.4g}>"


@dataclass(frozen=True)
class Measurement:
    """A measured plan.

    Attributes
    ----------
    plan : Plan
    host : Host
    clock : Clock
    pinned : bool
        Whether every worker was kept on its core.
    found : tuple of Found
        Round by round.
    """

    plan: Plan
    host: Host
    clock: Clock
    pinned: bool
    found: tuple[Found, ...] = field(repr=False)

    def of(self, case: str) -> list[Found]:
        """All rounds of a case.

        Raises
        ------
        KeyError
            If there is no such case.
        """
        found = [one for one in self.found if one.case.id == case]
        if not found:
            raise KeyError(case)
        return found

    def only(self, *cases: str) -> Measurement:
        """The same of these cases alone, so that whatever is made of it knows no other."""
        plan = replace(self.plan, cases=tuple(case for case in self.plan.cases if case.id in cases))
        return replace(self, plan=plan, found=tuple(one for one in self.found if one.case.id in cases))

    def pooled(self, case: str, series: str) -> Series:
        """The latencies of all rounds together."""
        each = [one.series[series] for one in self.of(case)]
        return Series(sum(one.counts for one in each), sum(one.ticks for one in each))

    def has(self, case: str) -> bool:
        """Whether a case was measured."""
        return any(one.case.id == case for one in self.found)

    def spread(self, case: str, series: str, statistic: str) -> Spread:
        """A statistic over the rounds.

        Parameters
        ----------
        case : str
        series : str
            Name of the latency.
        statistic : str
            As `Series.statistic_us`.

        Returns
        -------
        Spread
            In us.
        """
        return Spread.of(one.series[series].statistic_us(statistic) for one in self.of(case))

    def rate(self, case: str, loop: str) -> Spread:
        """Operations of a loop in a microsecond, by all workers together."""
        return Spread.of(one.operations[loop] / one.elapsed_ns * 1e3 for one in self.of(case))

    @cached_property
    def others(self) -> float:
        """Cores that somebody else used meanwhile, on average; at least 0."""
        return max(0.0, self._cores(sum(one.used_s - one.cpu_s for one in self.found)))

    @cached_property
    def stolen(self) -> float:
        """Cores that the hypervisor took meanwhile, on average."""
        return self._cores(sum(one.steal_s for one in self.found))

    def _cores(self, seconds: float) -> float:
        return seconds / sum(one.wall_s for one in self.found)


def measure(plan: Plan, progress: Progress | None = None) -> Measurement:
    """Have a plan measured.

    Parameters
    ----------
    plan : Plan
    progress : callable, optional
        Called with the slices that are done, and with all.

    Raises
    ------
    InputError
        On a system that cannot be measured.
    MeasurementError
        If the process that measures fails or does not end in time.
    """
    check_system()
    command = [sys.executable, "-c", "from rainforest_model.measure.child import main; main()"]
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True,
    )
    try:
        process.stdin.write(json.dumps(plan.table()).encode())
        process.stdin.close()
        lines = _lines(process, plan, progress)
    finally:
        _end(process)
    return _measurement(plan, lines)


def _end(process: subprocess.Popen) -> None:
    """End the process and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def _lines(process: subprocess.Popen, plan: Plan, progress: Progress | None) -> list[dict]:
    """What the process says, line by line, each in its time."""
    expected, found, rest = 1 + len(plan.cases) * plan.repeats, [], b""
    patience, errors = START_S, b""
    with selectors.DefaultSelector() as ready:
        for pipe in (process.stdout, process.stderr):
            ready.register(pipe, selectors.EVENT_READ)
        until = time.monotonic() + patience
        while ready.get_map():
            events = ready.select(max(0.0, until - time.monotonic()))
            if not events:
                raise MeasurementError("the measuring process did not answer in time, and was ended")
            for key, _ in events:
                part = os.read(key.fd, 1 << 16)
                if not part:
                    ready.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    errors = (errors + part)[-4000:]
                else:
                    *whole, rest = (rest + part).split(b"\n")
                    found += map(json.loads, whole)
                    until = time.monotonic() + plan.slice_s + SLACK_S
                    if progress is not None and found:
                        progress(len(found) - 1, expected - 1)
    if found and "error" in found[-1]:
        raise MeasurementError(found[-1]["error"])
    if len(found) != expected:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.wait()}"]
        raise MeasurementError(f"the measuring process ended early: {last[0]}")
    return found


def _measurement(plan: Plan, lines: list[dict]) -> Measurement:
    head, *rest = lines
    cases = {case.id: case for case in plan.cases}
    found = []
    for line in rest:
        loops = line["loops"]
        series = {
            name: _series(table) for loop in loops.values() for name, table in loop["series"].items()
        }
        operations = {name: loop["operations"] for name, loop in loops.items()}
        found.append(Found(
            cases[line["case"]], line["repeat"], line["elapsed_ns"], line["involuntary"], line["wall_s"], line["cpu_s"],
            **line["machine"], operations=operations, series=series,
        ))
    return Measurement(plan, host(), Clock(**head["clock"]), head["pinned"], tuple(found))


def _series(table: dict) -> Series:
    counts = np.zeros(histogram.BUCKETS, np.int64)
    counts[table["buckets"]] = table["counts"]
    return Series(counts, table["ticks"])


