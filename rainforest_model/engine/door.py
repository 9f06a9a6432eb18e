"""The door of the compiled engine: lowered tables in, counts and moments out."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .. import opcodes as op
from .. import tables as tb
from ..histogram import BUCKETS
from ..outcome import Outcome, Requests, StopReason
from ..tables import KERNEL_THREAD, Running, Tables, check_adopt, check_release, check_start
from . import arena, elastic, loop, memory, tree

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
            if tables.begins_at_once(task):
                tree.put(self._a, self._tree, index, task.begins)
        for domain, knobs in enumerate(tables.domains):
            if not knobs.cores:
                self._close_queues(domain)
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
        while not self._process(until):
            status = int(self._a[arena.STATUS])
            if status == arena.NEW_MIX:
                self._solve()
                continue
            if status != arena.FINE:
                return _REASONS[status]
            if on_slice is not None:
                on_slice(self.now)
        return StopReason.DEADLOCK if self._all_wait() else StopReason.REACHED

    def _process(self, until: int) -> bool:
        """Process a slice of events; whether `until` was reached."""
        return loop.run(self._a, self._tree, self._f, self._hist, until, SLICE_EVENTS)

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

    # --- what a supervisor may do between two calls of `run` -----------------------------------------------

    def owner(self, core: int) -> int:
        """Domain that a core belongs to; `tables.NOWHERE` if nobody owns it."""
        domain = int(self._a[self._layout.core(core) + arena.C_DOMAIN])
        return tb.NOWHERE if domain == self._layout.nowhere else self._layout.domains.index(domain)

    def cores_of(self, domain: int) -> list[int]:
        """Cores of a domain, in the order in which it got them."""
        a, offset = self._a, self._layout.domains[domain]
        first = offset + arena.D_CORES
        return a[a[first:first + a[offset + arena.D_SIZE]] + arena.C_INDEX].tolist()

    def living(self, domain: int) -> bool:
        """Whether any thread of a program has begun in a domain and not ended."""
        return any(
            self._a[self._layout.task(number) + arena.STATE] != arena.OFF
            for number in self.tables.threads_of(domain)
            if self.tables.tasks[number].address_space != tb.KERNEL_THREAD
        )

    def release(self, core: int) -> bool:
        """Take a core from its domain, whose other cores take over what it has to do.

        Returns
        -------
        bool
            False if that cannot be at this moment, because a thread there is in the kernel, holds a lock or
            answers an interrupt: then nothing has changed.

        Raises
        ------
        ValueError
            If nobody owns the core, or it is the last of a domain with threads.
        """
        domain = self.owner(core)
        check_release(core, domain, self.cores_of(domain) if domain >= 0 else [], self)
        c, nowhere = self._layout.core(core), self._layout.nowhere
        return bool(elastic.release(self._a, self._tree, c, nowhere, self.now))

    def adopt(self, core: int, domain: int) -> None:
        """Give a core that nobody owns to a domain.

        Raises
        ------
        ValueError
            If somebody owns it.
        """
        check_adopt(core, self.owner(core))
        elastic.adopt(self._a, self._tree, self._layout.core(core), self._layout.domains[domain], self.now)

    def occupy(self, core: int, ticks: int) -> None:
        """Keep a core for real-time work of the kernel; what runs there ends that much later."""
        elastic.occupy(self._a, self._tree, self._layout.core(core), ticks, self.now)

    def start_threads(self, domain: int) -> None:
        """Let the threads of a domain begin that are not there, on its cores in turn.

        Raises
        ------
        ValueError
            If it has no core.
        """
        cores = self.cores_of(domain)
        check_start(domain, cores)
        a, layout = self._a, self._layout
        for nth, number in enumerate(self.tables.threads_of(domain)):
            t, row = layout.task(number), self.tables.tasks[number]
            if a[t + arena.STATE] != arena.OFF:
                continue
            a[t + arena.PC] = layout.op(row.start)
            a[t + arena.REMAIN] = 0
            arena.begin_registers(a, t, self.tables.registers)
            c = layout.core(cores[nth % len(cores)])
            a[t + arena.VRUNTIME] = a[c + arena.MIN_VRUNTIME]
            elastic.start(a, self._tree, t, c, self.now + row.begins)
        for queue in self.tables.queues_of(domain):
            a[layout.object(queue) + arena.CLOSED] = 0

    def end_threads(self, domain: int) -> bool:
        """End the threads of programs in a domain that hold no lock and are not in the kernel.

        The parts of requests that they have, or that wait for them, are lost; so are those that are sent later.

        Returns
        -------
        bool
            Whether none is left.
        """
        a, layout, tables = self._a, self._layout, self.tables
        ending, parts = self._interruptible
        self._close_queues(domain)
        for number in tables.threads_of(domain):
            t = layout.task(number)
            if tables.tasks[number].address_space == tb.KERNEL_THREAD or a[t + arena.STATE] == arena.OFF:
                continue
            pc = (int(a[t + arena.PC]) - layout.ops) // arena.OP_WIDTH
            asleep = a[t + arena.STATE] == arena.ASLEEP
            q = self._waits_at(number, pc) if asleep else 0
            # Who will ask for a lock once more has been chosen to take it.
            if ending[pc] and q is not None and not a[t + arena.RETRY]:
                elastic.end(a, self._tree, t, q, bool(parts[pc]) and not asleep, self.now)
        return not self.living(domain)

    def _waits_at(self, number: int, pc: int) -> int | None:
        """The queue at which a sleeping thread waits for requests, if that is what it waits for."""
        code, symbol = self.tables.ops[pc - 1, :2].tolist()
        if code not in (op.RECEIVE, op.RECEIVE_PART):
            return None
        a, t = self._a, self._layout.task(number)
        q = self._layout.object(int(self.tables.bind[number, symbol]))
        other = a[q + arena.IDLE_HEAD]
        while other not in (-1, t):
            other = a[other + arena.NEXT]
        return q if other == t else None

    def _close_queues(self, domain: int) -> None:
        for queue in self.tables.queues_of(domain):
            q = self._layout.object(queue)
            self._a[q + arena.CLOSED] = 1
            elastic.lose_waiting(self._a, q)

    @cached_property
    def _interruptible(self):
        return self.tables.interruptible()

    def requests(self) -> Requests:
        """What became of the requests that were sent in parts."""
        a = self._a
        return Requests(int(a[arena.SENT]), int(a[arena.ANSWERED]), int(a[arena.LOST]))

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
