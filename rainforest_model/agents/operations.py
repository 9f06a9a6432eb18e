"""What every micro-operation means.

Each method is one operation of `rainforest_model.opcodes`, found by its name, and its arguments are the
operands.  It does its effect at once and returns the ticks that pass before the task's next operation, or
`WAITS`: somebody else will let the task go on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import opcodes as op
from ..outcome import StopReason
from ..tables import ATOMIC, LAST_TICK, LOAD, STORE, Tables
from .interrupts import Shootdown
from .queue import Request
from .states import State

if TYPE_CHECKING:
    from .core import Core
    from .lock import Lock

WAITS = None
"""Answer of an operation that waits: no time is known yet."""


class Operations:
    """The micro-operations, as methods of the task that runs them."""

    # --- time and control ---------------------------------------------------------------------------------

    def jump(self, target):
        """Go on at `target`."""
        self.pc = target
        return 0

    def compute(self, ticks):
        """Run for a fixed time."""
        return ticks

    def draw_compute(self, distribution, p, q, stream):
        """Run for a random time."""
        return self._draw(distribution, p, q, stream)

    def sleep(self, distribution, p, q, stream):
        """Leave the core for a random time."""
        ticks = self._draw(distribution, p, q, stream)
        self.leave_core(State.TIMED_SLEEP)
        self.model.plan(self, self.model.now + ticks)
        return WAITS

    def measure_begin(self):
        """The measured time begins."""
        self.measured_since = self.model.now
        return 0

    def measure_end(self, series):
        """The time since `measure_begin`, or since the send of the request last received, is a sample."""
        self.model.latencies.record(series, self.measured_since, self.model.now)
        return 0

    def enter_kernel(self, ticks):
        """Enter the kernel, which is not preempted."""
        self.no_preempt += 1
        return ticks

    def leave_kernel(self, ticks):
        """Return from the kernel."""
        self.no_preempt -= 1
        return ticks

    def set(self, register, value):
        """Begin a loop of `value` passes."""
        self.registers[register] = value
        return 0

    def loop(self, register, start):
        """A pass is over: back to `start` while some are left."""
        self.registers[register] -= 1
        if self.registers[register] > 0:
            self.pc = start
        return 0

    def every(self, register, period, after):
        """Go on each `period`-th time, else jump to `after`."""
        self.registers[register] += 1
        if self.registers[register] >= period:
            self.registers[register] = 0
        else:
            self.pc = after
        return 0

    # --- spin locks ---------------------------------------------------------------------------------------

    def ticket_lock(self, symbol, place, modulus, interrupts_off):
        """Take a spin lock or spin for it, without being preempted; `interrupts_off`: nor interrupted."""
        lock = self.held[symbol] = self._copy(symbol, place, modulus)
        self.no_preempt += 1
        self.interrupts_off += interrupts_off
        return self._goes_in(lock, lock.acquire(self))

    def ticket_unlock(self, symbol, _place, _modulus, interrupts_on):
        """Release a spin lock; then what has waited for it, for interrupts or for the core gets its turn."""
        lock = self._held(symbol)
        self._leaves(lock)
        ticks = lock.release(self)
        self.no_preempt -= 1
        if interrupts_on:
            self._let_interrupts_in()
        return ticks

    queue_lock = ticket_lock  # the lock itself makes the difference
    queue_unlock = ticket_unlock

    def _let_interrupts_in(self):
        self.interrupts_off -= 1
        if not self.interrupts_off:
            self.core.inbox.catch_up()
            self.core.timer.catch_up()

    # --- sleeping locks -----------------------------------------------------------------------------------

    def mutex_lock(self, symbol, place, modulus, optimistic):
        """Take a mutex; who is woken does this again, on the same mutex, perhaps from another core."""
        lock = self.held[symbol] if self.asks_again else self._copy(symbol, place, modulus)
        self.held[symbol] = lock
        return self._goes_in(lock, lock.acquire(self, optimistic))

    def mutex_unlock(self, symbol):
        """Release a mutex."""
        lock = self._held(symbol)
        self._leaves(lock)
        return lock.release(self)

    def read_lock(self, symbol, place, modulus, _optimistic):
        """Take a reader-writer lock together with other readers."""
        lock = self.held[symbol] = self._copy(symbol, place, modulus)
        return self._goes_in(lock, lock.acquire_shared(self), shared=True)

    def write_lock(self, symbol, place, modulus, optimistic):
        """Take a reader-writer lock alone."""
        lock = self.held[symbol] = self._copy(symbol, place, modulus)
        return self._goes_in(lock, lock.acquire(self, optimistic))

    def read_unlock(self, symbol):
        """Release a reader-writer lock as a reader."""
        lock = self.held.get(symbol)
        if lock is None or self not in lock.readers:
            raise self._stop(StopReason.NOT_HELD)
        self._leaves(lock)
        return lock.release_shared(self)

    write_unlock = mutex_unlock

    # --- cache lines and counters -------------------------------------------------------------------------

    def line_read(self, symbol, place, modulus):
        """Read a line."""
        return self._copy(symbol, place, modulus).read(self.core)

    def line_write(self, symbol, place, modulus):
        """Write a line."""
        return self._copy(symbol, place, modulus).write(self.core, STORE)

    def line_atomic(self, symbol, place, modulus):
        """Read, modify and write a line in one step."""
        return self._copy(symbol, place, modulus).write(self.core, ATOMIC)

    def count(self, symbol, amount, batch, ticks, after):
        """Add to the core's part of a counter; past the batch go on with folding it, else jump over that."""
        if self._object(symbol).add(self.core, amount, batch):
            return 0
        self.pc = after
        return ticks

    def spare(self, symbol, taken, threshold, ticks, after):
        """Take or return a spare reference; without room go on to the centre, else jump over that."""
        if self._object(symbol).change_spares(self.core, taken, threshold):
            return 0
        self.pc = after
        return ticks

    def seq_begin(self, symbol, place, modulus, register):
        """Begin to read under a sequence count: remember its version."""
        line = self._copy(symbol, place, modulus)
        self.registers[register] = line.version
        return line.read(self.core)

    def seq_retry(self, symbol, place, modulus, register, start):
        """End of reading: back to `start` if somebody has written in between."""
        line = self._copy(symbol, place, modulus)
        if self.registers[register] != line.version:
            self.pc = start
        return line.read(self.core)

    def seq_write(self, symbol, place, modulus):
        """Write under a sequence count."""
        return self._copy(symbol, place, modulus).write(self.core, STORE)

    # --- TLB flushes --------------------------------------------------------------------------------------

    def flush_test(self, after):
        """Jump to `after` if no other core has the address space loaded."""
        if not self._others_with_my_address_space():
            self.pc = after
        return 0

    def flush(self, send_ticks, until_answer, after_answer, answer_gap, delivery, as_line):
        """Tell all other cores that have the address space loaded, in turn, and wait for all.

        An interrupt takes the same time to each; a message `as_line` also moves a cache line to its reader.
        """
        now, targets = self.model.now, self._others_with_my_address_space()
        if not targets:
            return 0
        sent = now + len(targets) * send_ticks
        shootdown = Shootdown(
            self, until_answer, after_answer, answer_gap, missing=len(targets), answered_at=sent
        )
        for nth, core in enumerate(targets, start=1):
            moved = self.model.interconnect.transfer(self.core, core, LOAD) if as_line else 0
            core.inbox.send(shootdown, now + nth * send_ticks + delivery + moved)
        self.state = State.ANSWER_WAIT
        return WAITS

    def _others_with_my_address_space(self) -> list[Core]:
        return [
            core for core in self.model.machine_cores
            if core is not self.core and core.loaded == self.address_space
        ]

    # --- requests -----------------------------------------------------------------------------------------

    def send(self, symbol):
        """Put a request, stamped with the time, into a queue."""
        if not self._object(symbol).send(self.model.now):
            raise self._stop(StopReason.QUEUE_FULL)
        return 0

    def receive(self, symbol):
        """Take the oldest request, or sleep until one comes; the measured time began when it was sent."""
        queue = self._object(symbol)
        if queue.waiting:
            self.measured_since = queue.waiting.popleft()
            return 0
        queue.idle.append(self)
        self.leave_core(State.ASLEEP)
        return WAITS

    def arrive(self, first, end, register):
        """Sleep until the next of the scheduled times; after the last for ever."""
        model, place = self.model, first + self.registers[register]
        self.registers[register] += 1
        due = model.arrivals[place] if place < end else LAST_TICK
        if due <= model.now:
            return 0
        self.leave_core(State.TIMED_SLEEP)
        model.plan(self, due)
        return WAITS

    def scatter(self, symbol, copies, parts):
        """Send so many parts of one request to each copy of a queue."""
        model, first = self.model, self.bindings[symbol]
        if model.requests_under_way == model.tables.queue_capacity:
            raise self._stop(StopReason.QUEUE_FULL)
        model.requests_sent += 1
        model.requests_under_way += 1
        request = Request(model.now, copies * parts)
        for queue in model.objects[first:first + copies]:
            for _ in range(parts):
                if not queue.send_part(request):
                    raise self._stop(StopReason.QUEUE_FULL)
        return 0

    def receive_part(self, symbol):
        """Take a part of the oldest request, or sleep until one comes."""
        queue = self._object(symbol)
        if queue.waiting:
            self.request = queue.waiting.popleft()
            return 0
        queue.idle.append(self)
        self.leave_core(State.ASLEEP)
        return WAITS

    def gather(self, series, otherwise):
        """The part that it has received is done; with the last the request ends, and its time is a sample."""
        if self.request.part_done(self.model):
            self.model.latencies.record(series, self.request.stamp, self.model.now)
        else:
            self.pc = otherwise
        return 0

    # --- operands -----------------------------------------------------------------------------------------

    def _object(self, symbol):
        """The (first) copy of what a symbol stands for, for this task."""
        return self.model.objects[self.bindings[symbol]]

    def _copy(self, symbol, place, modulus):
        """The copy of what a symbol stands for, for this task on its core."""
        first, core = self.bindings[symbol], self.core
        offset = {
            op.PLACE_FIXED: 0,
            op.PLACE_CORE: core.number,
            op.PLACE_SLOT: core.number % (modulus or 1),
            op.PLACE_SOCKET: core.socket,
        }[place]
        return self.model.objects[first + offset]

    def _held(self, symbol) -> Lock:
        """The lock that the task owns for this symbol."""
        lock = self.held.get(symbol)
        if lock is None or lock.owner is not self:
            raise self._stop(StopReason.NOT_HELD)
        return lock

    def _draw(self, distribution, p, q, stream):
        reals = self.model.reals
        return self.streams[stream].duration(distribution, reals[p], reals[q])


Step = tuple[Callable, tuple[int, ...]]
"""An operation and its operands."""


def decode(tables: Tables) -> list[Step]:
    """The program of the tables: for each row its method and the operands that it takes.

    Examples
    --------
    >>> from rainforest_model.lowering import lower
    >>> from rainforest_model.reference import closed_lock
    >>> steps = decode(lower(closed_lock(2)))
    >>> [operation.__name__ for operation, _ in steps][:3]
    ['draw_compute', 'measure_begin', 'ticket_lock']
    """
    methods = [getattr(Operations, name.lower()) for name in op.NAMES]
    counts = [len(inspect.signature(method).parameters) - 1 for method in methods]
    return [(methods[code], tuple(operands[:counts[code]])) for code, *operands in tables.ops.tolist()]
