"""One case for one slice of time: workers are forked, wait for one another, run, and leave their numbers."""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time

import numpy as np

from ..histogram import BUCKETS
from ..units import TICKS_PER_NS
from . import kernels
from .clock import Clock
from .layout import (
    ABANDONED,
    ARGUMENTS,
    ELAPSED,
    FAILED,
    GAP,
    LENGTH,
    LONGEST_WAIT,
    MOST_SERIES,
    OPERATION,
    OPERATIONS,
    OVERHEAD,
    PAGES,
    SCALED,
    SHARED_BYTES,
    SUMS,
    TOTALS,
    WARM_UP,
    WORKERS,
)
from .pinning import die_with_parent, pin
from .plan import Case

PATIENCE_S = 5.0
"""How long a worker waits for the others."""
_WARM_UP = 50
_GAP_S = 0.2e-6
"""A loop that reads the clock and finds less than this between two readings was not disturbed."""


class SliceError(RuntimeError):
    """A case that could not be measured."""


class Slice:
    """The workers of one case, and the pages that they share.

    Parameters
    ----------
    case : Case
    clock : Clock
    seconds : float
    """

    def __init__(self, case: Case, clock: Clock, seconds: float):
        self.case, self.seconds = case, seconds
        self._lengths = (SHARED_BYTES, 8 * case.workers * MOST_SERIES * BUCKETS, 8 * case.workers * SUMS)
        self._pages = mmap.mmap(-1, sum(self._lengths))
        words = np.frombuffer(self._pages, dtype=np.int64)
        ends = np.cumsum(self._lengths) // 8
        self._address = words.ctypes.data
        self.counts = words[ends[0] : ends[1]].reshape(case.workers, MOST_SERIES, BUCKETS)
        self.sums = words[ends[1] : ends[2]].reshape(case.workers, SUMS)
        self._arguments = np.zeros(ARGUMENTS, np.int64)
        self._arguments[[WORKERS, LENGTH, LONGEST_WAIT]] = case.workers, clock.ticks(seconds), clock.ticks(PATIENCE_S)
        self._arguments[[OVERHEAD, SCALED]] = round(clock.overhead_ns * clock.ticks_per_ns), clock.scaled
        self._arguments[[PAGES, WARM_UP, OPERATION, GAP]] = case.pages, _WARM_UP, case.operation, clock.ticks(_GAP_S)

    def _work(self, worker: int, loop: str) -> None:
        """What one thread of one process does."""
        pin(self.case.cores[worker])
        kernels.LOOPS[loop][0](self._address, self._arguments, self.counts[worker], self.sums[worker])

    def _process(self, first: int, loops: tuple[str, ...]) -> None:
        """What a process does: its other threads start, and its first one joins them."""
        threads = [
            threading.Thread(target=self._work, args=(first + k, loop)) for k, loop in enumerate(loops) if k
        ]
        for thread in threads:
            thread.start()
        self._work(first, loops[0])
        for thread in threads:
            thread.join()

    def run(self) -> dict:
        """Measure, and say what was found.

        Returns
        -------
        dict
            ``elapsed_ns``, ``involuntary`` (switches of the workers), ``cpu_s`` (which they used), and ``loops``: for
            each loop its operations, and by the names of its histograms the counts and totals.

        Raises
        ------
        SliceError
            If a worker failed, or did not come to its end in time.
        """
        running, first = {}, 0
        try:
            for loops in self.case.groups:
                pid = os.fork()
                if pid == 0:
                    self._in_child(first, loops)
                running[pid] = loops
                first += len(loops)
            usage = self._wait(running)
        finally:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        return self._found(usage)

    def _in_child(self, first: int, loops: tuple[str, ...]) -> None:
        code = 1
        try:
            die_with_parent()
            self._process(first, loops)
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's is flushed or closed twice

    def _wait(self, running: dict) -> list:
        """Wait for all; what they used.  Whoever has ended leaves `running`."""
        patience, usage = time.monotonic() + self.seconds + 2 * PATIENCE_S + 1.0, []
        while running:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid in running:
                running.pop(pid)
                usage.append(used)
                if status:
                    raise SliceError(f"{self.case.title}: a worker ended with status {status}")
            elif time.monotonic() > patience:
                raise SliceError(f"{self.case.title}: the workers did not come to their end")
            else:
                time.sleep(0.001)
        return usage

    def _found(self, usage: list) -> dict:
        if self.sums[:, FAILED].any():
            raise SliceError(f"{self.case.title}: the kernel refused a mapping of {self.case.pages} pages")
        if self.sums[:, ABANDONED].any():
            raise SliceError(f"{self.case.title}: a worker waited for another one in vain")
        loops, names = {}, [loop for group in self.case.groups for loop in group]
        for loop in dict.fromkeys(names):
            mine = [k for k, name in enumerate(names) if name == loop]
            counts, sums = self.counts[mine].sum(axis=0), self.sums[mine].sum(axis=0)
            series = {}
            for k, name in enumerate(kernels.LOOPS[loop][1]):
                filled = np.flatnonzero(counts[k])
                series[name] = {
                    "buckets": filled.tolist(), "counts": counts[k, filled].tolist(), "ticks": int(sums[TOTALS + k]),
                }
            loops[loop] = {"operations": int(sums[OPERATIONS]), "series": series}
        return {
            "elapsed_ns": float(self.sums[:, ELAPSED].max()) / TICKS_PER_NS,
            "involuntary": sum(used.ru_nivcsw for used in usage),
            "cpu_s": sum(used.ru_utime + used.ru_stime for used in usage),
            "loops": loops,
        }
