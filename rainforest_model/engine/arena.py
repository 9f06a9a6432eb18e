"""The memory of the compiled engine: one int64 array, in which an entity's handle is its offset.

``a[t + PC]`` is the program counter of the task at `t`.  Handles are offsets, so no base address is
looked up and a helper takes three arrays, not thirty.
"""

from __future__ import annotations

import numpy as np

from .. import draws
from .. import opcodes as op
from .. import tables as tb

# --- header -----------------------------------------------------------------------------------------
(
    NOW, EVENTS, STATUS, CULPRIT, TASKS, CORES, INBOX_SLOT, TICK_SLOT, LEAVES, WARMUP, CORE0, TRACE, TRACE_SIZE,
    HIST, SERIES, MOMENTS, READ_OCC, LATENCY, DISTANCE, SOCKETS, QUEUE_SIZE, TRACED, STEPS, ACTING,
    GROUPS, MIX, MIX_CHANGED, MIX_MASK, WEIGHTS, MIXES, REQUESTS, FREE_REQUEST, SENT, ANSWERED, LOST, ARRIVALS,
) = range(36)
HEADER = 40

# --- task -------------------------------------------------------------------------------------------
(
    PC, STATE, CORE, T0, NO_PREEMPT, IRQ_OFF, BIND, STREAMS, HELD, REGS, SLOT, NEXT, REMAIN, VRUNTIME, SINCE, PICKED,
    SPACE, DOMAIN, PINNED, ACKS, ACK_TIME, HANDLER, ROLE, RETRY, LAST_CORE, ANSWER_GAP,
    AFTER_ANSWER, GROUP, SLOWDOWN, REQUEST,
) = range(30)
TASK_WIDTH = 32
TASK0 = HEADER

# --- core -------------------------------------------------------------------------------------------
(
    CURRENT, IRQ_UNTIL, C_SOCKET, C_INDEX, C_DOMAIN, LOADED, QUEUED, QUEUE_HEAD, RESCHED, MIN_VRUNTIME, INBOX,
    INBOX_COUNT, DEFERRED, TICK_PENDING, BUSY_SINCE, BUSY,
) = range(16)
CORE_WIDTH = 16

# --- domain -----------------------------------------------------------------------------------------
(
    D_LATENCY, D_MIN_GRAN, D_WAKE_GRAN, D_TICK, D_TICK_COST, D_SWITCH, D_WAKEUP, D_IDLE_WAKEUP, D_MIGRATION, D_ROAMING,
    D_SIZE, D_CORES,
) = range(12)

# --- shared objects: of one width, so that the copies of a symbol lie side by side -----------------------
OWNER, READERS, WAITERS, HEAD, TAIL, LAST, BUSY_UNTIL, L_STREAM = range(8)
SLEEP_HEAD, SLEEP_TAIL, SLEEPERS = 8, 9, 10
LINE_OWNER, LINE_BUSY, VERSION, SHARERS, SHARER_WORDS, N_SHARERS = range(6)
LOCALS = 0
RING, RING_HEAD, RING_COUNT, IDLE_HEAD, IDLE_TAIL, CLOSED = range(6)
OBJECT_WIDTH = 12

# --- a request that several receivers have parts of ---------------------------------------------------------
STAMP, MISSING = range(2)
REQUEST_WIDTH = 2

MIX_SLOTS, MIX_WORDS = 1 << 14, 1 << 21
"""Places for mixes of running groups and their slowdowns: at most so many, and in so many integers."""
NO_MIX = -1

OP_WIDTH = 8

# --- states of a task -------------------------------------------------------------------------------
READY, RUNNING, SPINNING, ASLEEP, TIMED_SLEEP, ACK_WAIT, OFF = range(7)

# --- statuses -----------------------------------------------------------------------------------------
FINE, LIVELOCK, QUEUE_FULL, NOT_HELD, TRACE_FULL, NEW_MIX = range(6)

NEVER = 2**63 - 1
SLOT_BITS = 14
SLOT_MASK = (1 << SLOT_BITS) - 1
MAX_SLOTS = 1 << SLOT_BITS
HORIZON = NEVER >> SLOT_BITS
"""First tick that no event can have: 93 minutes of 10 ps."""


class Layout:
    """Offsets of everything in the arena of one scenario."""

    def __init__(self, tables: tb.Tables, trace: int = 0):
        self.tables = tables
        n_tasks, n_cores = len(tables.tasks), tables.cores
        outside = sum(task.domain == tb.OUTSIDE for task in tables.tasks)
        self.all_cores = n_cores + outside
        self._top = TASK0 + n_tasks * TASK_WIDTH
        self.core0 = self._take(self.all_cores * CORE_WIDTH)
        self.domains = [self._take(D_CORES + n_cores) for _ in tables.domains]
        self.outside_domain = self._take(D_CORES) if outside else 0
        self.nowhere = self._take(D_CORES)
        self.object0 = self._take(len(tables.objects) * OBJECT_WIDTH)
        self.ops = self._take(tables.ops.size)
        self.bind = self._take(tables.bind.size)
        self.held = self._take(tables.bind.size)
        self.streams = self._take(tables.streams.size)
        self.registers = self._take(n_tasks * tables.registers)
        self.inboxes = self._take(n_cores * n_tasks * 2) if tables.uses_interrupts else 0
        self.latency = self._take(16)
        self.distance = self._take(tables.distance.size)
        self.words = (self.all_cores + 62) // 63
        kinds = [row.kind for row in tables.objects]
        self.sharers = {i: self._take(self.words) for i, k in enumerate(kinds) if k == tb.LINE}
        self.locals = {i: self._take(n_cores) for i, k in enumerate(kinds) if k == tb.COUNTER}
        self.rings = {i: self._take(tables.queue_capacity) for i, k in enumerate(kinds) if k == tb.QUEUE}
        self.pairs = len(tables.distance) * tables.groups
        self.weights = self._take(self.pairs)
        self.mix_width = 1 + self.pairs
        self.mix_slots = MIX_SLOTS
        while self.mix_slots * self.mix_width > MIX_WORDS:
            self.mix_slots //= 2
        self.mixes = self._take(self.mix_slots * self.mix_width) if self.pairs else 0
        self.requests = self._take(tables.queue_capacity * REQUEST_WIDTH) if tables.uses(op.SCATTER) else 0
        self.arrivals = self._take(tables.arrivals.size)
        self.trace = self._take(3 * trace)
        self.trace_size = trace

    def _take(self, size: int) -> int:
        start = self._top
        self._top += int(size) + (-int(size)) % 8
        return start

    def mix_weights(self) -> list[int]:
        """What a thread adds to the number of the mix, by its socket and group.

        The number's digits count threads, where 62 bits have room for them all; else weights are random words,
        and two of some thousand mixes share a number with a probability of less than 10**-11.
        """
        base = int(np.bincount(self.tables.sockets).max()) + 1
        if base**self.pairs < 2**62:
            return [base**place for place in range(self.pairs)]
        return [draws.stream("mix", "weight", place) for place in range(self.pairs)]

    @property
    def size(self) -> int:
        """Integers in the arena."""
        return self._top

    def task(self, index: int) -> int:
        """Offset of a task."""
        return TASK0 + index * TASK_WIDTH

    def core(self, index: int) -> int:
        """Offset of a core."""
        return self.core0 + index * CORE_WIDTH

    def object(self, index: int) -> int:
        """Offset of a shared object."""
        return self.object0 + index * OBJECT_WIDTH

    def op(self, index: int) -> int:
        """Offset of an operation."""
        return self.ops + index * OP_WIDTH


def build(layout: Layout, warmup: int) -> np.ndarray:
    """The arena of a scenario before its first event."""
    t = layout.tables
    a = np.zeros(layout.size, np.int64)
    n_tasks, n_cores = len(t.tasks), t.cores
    inbox = n_tasks
    tick = inbox + (n_cores if t.uses_interrupts else 0)
    header = {
        TASKS: n_tasks, CORES: n_cores, INBOX_SLOT: inbox, TICK_SLOT: tick, WARMUP: warmup, CORE0: layout.core0,
        TRACE: layout.trace, TRACE_SIZE: layout.trace_size, SERIES: len(t.series), READ_OCC: t.read_occupancy,
        LATENCY: layout.latency,
        DISTANCE: layout.distance, SOCKETS: len(t.distance), QUEUE_SIZE: t.queue_capacity, CULPRIT: -1,
        GROUPS: t.groups, MIX_MASK: layout.mix_slots - 1, WEIGHTS: layout.weights, MIXES: layout.mixes,
        REQUESTS: layout.requests, ARRIVALS: layout.arrivals,
    }
    for key, value in header.items():
        a[key] = value
    a[layout.latency:layout.latency + 16] = t.latency.ravel()
    a[layout.distance:layout.distance + t.distance.size] = t.distance.ravel()
    a[layout.arrivals:layout.arrivals + t.arrivals.size] = t.arrivals
    _fill_ops(a, layout)
    _fill_cores(a, layout)
    _fill_objects(a, layout)
    _fill_tasks(a, layout)
    _fill_mixes(a, layout)
    _fill_requests(a, layout)
    return a


def _fill_ops(a, layout):
    ops = layout.tables.ops.copy()
    targets = {
        op.JUMP: 1, op.COUNT: 5, op.SPARE: 5, op.SEQ_RETRY: 5, op.LOOP: 2, op.EVERY: 3, op.FLUSH_TEST: 1,
        op.GATHER: 2,
    }
    for row in ops:
        column = targets.get(int(row[0]))
        if column is not None:
            row[column] = layout.op(row[column])
    a[layout.ops:layout.ops + ops.size] = ops.ravel()


def _fill_cores(a, layout):
    t = layout.tables
    domain_of = {core: layout.domains[i] for i, d in enumerate(t.domains) for core in d.cores}
    for number, (offset, d) in enumerate(zip(layout.domains, t.domains, strict=True)):
        roaming = any(task.domain == number and not task.pinned for task in t.tasks)
        fields = (
            d.latency, d.min_granularity, d.wakeup_granularity, d.tick_period, d.tick_cost, d.context_switch,
            d.wakeup, d.idle_wakeup, d.migration, int(roaming), len(d.cores),
        )
        a[offset:offset + len(fields)] = fields
        a[offset + D_CORES:offset + D_CORES + len(d.cores)] = [layout.core(core) for core in d.cores]
    for index in range(layout.all_cores):
        c = layout.core(index)
        inside = index < t.cores
        a[c + CURRENT], a[c + QUEUE_HEAD], a[c + LOADED] = -1, -1, -1
        a[c + C_INDEX] = index
        a[c + C_SOCKET] = t.sockets[index] if inside else 0
        a[c + C_DOMAIN] = domain_of.get(index, layout.nowhere) if inside else layout.outside_domain
        a[c + INBOX] = layout.inboxes + index * len(t.tasks) * 2 if inside else 0


def _fill_objects(a, layout):
    for index, row in enumerate(layout.tables.objects):
        o = layout.object(index)
        if row.kind == tb.LINE:
            a[o + LINE_OWNER], a[o + SHARERS], a[o + SHARER_WORDS] = -1, layout.sharers[index], layout.words
        elif row.kind == tb.COUNTER:
            a[o + LOCALS] = layout.locals[index]
        elif row.kind == tb.QUEUE:
            a[o + RING], a[o + IDLE_HEAD] = layout.rings[index], -1
        else:
            a[o + OWNER], a[o + HEAD], a[o + SLEEP_HEAD], a[o + LAST] = -1, -1, -1, -1
            a[o + L_STREAM] = row.stream


def _fill_tasks(a, layout):
    t = layout.tables
    symbols, streams = t.bind.shape[1], t.streams.shape[1]
    bind = np.where(t.bind < 0, 0, layout.object0 + t.bind * OBJECT_WIDTH)
    a[layout.bind:layout.bind + bind.size] = bind.ravel()
    a[layout.streams:layout.streams + t.streams.size] = t.streams.ravel()
    outside = 0
    for index, task in enumerate(t.tasks):
        o = layout.task(index)
        if task.domain == tb.OUTSIDE:
            core, domain = layout.core(t.cores + outside), layout.outside_domain
            outside += 1
        else:
            core = layout.core(task.home)
            domain = layout.nowhere if task.domain == tb.NOWHERE else layout.domains[task.domain]
        a[o + STATE] = TIMED_SLEEP if t.begins_at_once(task) else OFF
        a[o + PC], a[o + CORE], a[o + LAST_CORE] = layout.op(task.start), core, core
        a[o + BIND] = layout.bind + index * symbols
        a[o + HELD] = layout.held + index * symbols
        a[o + STREAMS] = layout.streams + index * streams
        a[o + REGS] = layout.registers + index * t.registers
        a[o + SLOT], a[o + NEXT], a[o + SPACE] = index, -1, task.address_space
        a[o + DOMAIN], a[o + PINNED] = domain, int(task.pinned or task.domain == tb.OUTSIDE)
        a[o + GROUP], a[o + SLOWDOWN] = task.group, tb.FULL_SPEED
        begin_registers(a, o, t.registers)


def begin_registers(a, o, registers):
    """Counters of `every` start at different phases, as threads that have run for a while would."""
    a[a[o + REGS]:a[o + REGS] + registers] = a[o + SLOT]


def _fill_mixes(a, layout):
    a[layout.weights:layout.weights + layout.pairs] = layout.mix_weights()
    forget_mixes(a, layout)


def forget_mixes(a, layout):
    """Mark every place for a mix as free."""
    if not layout.pairs:
        return
    a[layout.mixes:layout.mixes + layout.mix_slots * layout.mix_width:layout.mix_width] = NO_MIX


def _fill_requests(a, layout):
    """Chain the free requests by their stamps; the last one ends the chain."""
    if not layout.requests:
        return
    first, last = layout.requests, layout.requests + (layout.tables.queue_capacity - 1) * REQUEST_WIDTH
    a[FREE_REQUEST] = first
    a[first:last:REQUEST_WIDTH] = np.arange(first + REQUEST_WIDTH, last + 1, REQUEST_WIDTH)
    a[last] = 0
