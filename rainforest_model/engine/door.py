"""The door of the compiled engine: lowered tables in, counts and moments out."""

from __future__ import annotations

import numpy as np

from ..histogram import BUCKETS
from ..outcome import Outcome, StopReason
from ..tables import KERNEL_THREAD, Running, Tables
from . import arena, loop, memory, tree

SLICE_EVENTS = 200_000
"""Events between two turns of Python: some ten milliseconds, so that Ctrl-C and progress work."""

_REASONS = {
    arena.LIVELOCK: StopReason.LIVELOCK,
    arena.QUEUE_FULL: StopReason.QUEUE_FULL,
    arena.NOT_HELD: StopReason.NOT_HELD,
    arena.TRACE_FULL: StopReason.TRACE_FULL,
}


class CompiledEngine:
    """One replication of a lowered scenario on the compiled loop.

    Parameters
    ----------
    tables : Tables
        The lowered scenario.
    warmup : int
        Ticks before which nothing is recorded.
    trace : int
        Room for so many events of the trace; 0 keeps none.
    """

    def __init__(self, tables: Tables, warmup: int = 0, trace: int = 0):
        self.tables = tables
        self._layout = layout = arena.Layout(tables, trace)
        self._a = arena.build(layout, warmup)
        slots = len(tables.tasks) + tables.cores * (tables.uses_interrupts + tables.uses_ticks)
        if slots > arena.MAX_SLOTS:
            raise ValueError(f"{slots} tasks, inboxes and timers; there is room for {arena.MAX_SLOTS}")
        self._tree = tree.build(slots)
        self._mixes = 0
        self._a[arena.LEAVES] = len(self._tree) // 2
        self._a[arena.MOMENTS] = len(tables.reals)
        self._a[arena.ACTING] = -1
        self._f = np.concatenate([tables.reals, np.zeros(4 * len(tables.series))])
        self._hist = np.zeros((max(1, len(tables.series)), BUCKETS), np.int64)
        for index, task in enumerate(tables.tasks):
            tree.put(self._a, self._tree, index, task.begins)
        if tables.uses_ticks:
            for index, first in enumerate(tables.first_ticks()):
                if first:
                    tree.put(self._a, self._tree, int(self._a[arena.TICK_SLOT]) + index, first)

    @property
    def now(self) -> int:
        """Ticks that have passed."""
        return int(self._a[arena.NOW])

    @property
    def events(self) -> int:
        """Events processed."""
        return int(self._a[arena.EVENTS])

    def run(self, until: int, on_slice=None) -> StopReason:
        """Go on until the tick `until`; `on_slice` is called with the time now and then."""
        if self._a[arena.STATUS] != arena.FINE:
            return _REASONS[int(self._a[arena.STATUS])]
        while not loop.run(self._a, self._tree, self._f, self._hist, until, SLICE_EVENTS):
            status = int(self._a[arena.STATUS])
            if status == arena.NEW_MIX:
                self._solve()
                continue
            if status != arena.FINE:
                return _REASONS[status]
            if on_slice is not None:
                on_slice(self.now)
        return StopReason.DEADLOCK if self._all_wait() else StopReason.REACHED

    def _solve(self) -> None:
        """Add the slowdowns of the present mix to those that the loop remembers."""
        a, layout = self._a, self._layout
        # A table half full is still searched quickly; a fuller one is emptied.
        if self._mixes >= layout.mix_slots // 2:
            arena.forget_mixes(a, layout)
            self._mixes = 0
        entry = memory.find(a)
        a[entry] = a[arena.MIX]
        a[entry + 1:entry + 1 + layout.pairs] = np.ravel(self.tables.slowdowns(self._running()))
        self._mixes += 1
        a[arena.STATUS] = arena.FINE

    def _running(self) -> Running:
        """For each socket how many threads of each group have a core there."""
        a, tables = self._a, self.tables
        found = np.zeros((len(tables.distance), tables.groups), int)
        for index, socket in enumerate(tables.sockets):
            task = a[self._layout.core(index) + arena.CURRENT]
            if task >= 0 and a[task + arena.GROUP] >= 0:
                found[socket, a[task + arena.GROUP]] += 1
        return tuple(map(tuple, found.tolist()))

    def _all_wait(self) -> bool:
        """Whether every thread of a program spins or sleeps, so that none is left to let another go on."""
        states = self._a[arena.TASK0 + arena.STATE:][:len(self.tables.tasks) * arena.TASK_WIDTH:arena.TASK_WIDTH]
        programs = [task.address_space != KERNEL_THREAD for task in self.tables.tasks]
        return bool(np.isin(states[programs], (arena.SPINNING, arena.ASLEEP)).all())

    def culprit(self) -> str:
        """Name of the task that stopped the run; in a deadlock, of the first of all."""
        offset = max(int(self._a[arena.CULPRIT]), arena.TASK0)
        return self.tables.tasks[(offset - arena.TASK0) // arena.TASK_WIDTH].name

    def outcome(self) -> Outcome:
        """What has been recorded so far."""
        n, series = len(self.tables.reals), len(self.tables.series)
        return Outcome(
            counts=self._hist[:series].copy(),
            moments=self._f[n:].reshape(series, 4).copy(),
            busy=self._busy(),
            now=self.now,
            events=self.events,
        )

    def _busy(self) -> np.ndarray:
        busy = np.zeros(self.tables.cores, np.int64)
        for index in range(self.tables.cores):
            c = self._layout.core(index)
            busy[index] = self._a[c + arena.BUSY]
            if self._a[c + arena.CURRENT] >= 0:
                busy[index] += self.now - self._a[c + arena.BUSY_SINCE]
        return busy

    def trace(self) -> np.ndarray:
        """The trace: int64[events, 3] of time, slot and operation number (-1 for an interrupt)."""
        a, start = self._a, self._layout.trace
        rows = a[start:start + 3 * int(a[arena.TRACED])].reshape(-1, 3).copy()
        tasks = rows[:, 2] >= 0
        rows[tasks, 2] = (rows[tasks, 2] - self._layout.ops) // arena.OP_WIDTH
        return rows
