"""The lowered scenario: plain integer tables that both engines take, and that nothing writes to.

Times are ticks (`rainforest_model.units`).  Tasks, cores, locks and the rest are numbered from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .opcodes import (
    ENTER_KERNEL,
    GATHER,
    JUMP,
    LEAVE_KERNEL,
    MUTEX_LOCK,
    MUTEX_UNLOCK,
    QUEUE_LOCK,
    QUEUE_UNLOCK,
    READ_LOCK,
    READ_UNLOCK,
    RECEIVE_PART,
    TICKET_LOCK,
    TICKET_UNLOCK,
    WRITE_LOCK,
    WRITE_UNLOCK,
)
from .opcodes import FLUSH as FLUSH_CODE

_LOCKING = (TICKET_LOCK, QUEUE_LOCK, MUTEX_LOCK, READ_LOCK, WRITE_LOCK)
_UNLOCKING = (TICKET_UNLOCK, QUEUE_UNLOCK, MUTEX_UNLOCK, READ_UNLOCK, WRITE_UNLOCK)
_TAKING, _GIVING = (ENTER_KERNEL, *_LOCKING), (LEAVE_KERNEL, *_UNLOCKING)

(
    SPIN_LOCK, SLEEPING_LOCK, RW_LOCK, LINE, COUNTER, QUEUE,
) = range(6)
"""Kinds of shared object a symbol may be bound to (a `Tables.objects` row's kind)."""

# Columns of Tables.latency: what is done with a line that its owner has modified, and how long a write keeps it busy.
LOAD, STORE, ATOMIC, BUSY = range(4)
# Rows of Tables.latency: the running core owns it; same socket; one hop; two hops.
OWN, SAME_SOCKET, ONE_HOP, TWO_HOPS = range(4)

KERNEL_THREAD = -1
"""Address space of a thread of the kernel, which has none of its own."""

OUTSIDE = -1
"""Domain of a task that runs on no core of the machine (a client)."""

NOWHERE = -2
"""Domain of what belongs to a core that nobody owns."""

NO_GROUP = -1
"""Group of a task whose speed depends on nobody."""

FULL_SPEED = 2**20
"""A slowdown of 1: slowdowns are whole numbers of this fraction, so that both engines round alike."""

LAST_TICK = 2**49 - 2
"""The last tick that an event can have (93 minutes of 10 ps): of those that never come."""

Running = tuple[tuple[int, ...], ...]
"""For each socket: how many threads of each group run there."""


class Memory(Protocol):
    """Who runs where, to how much slower each computes than alone (`rainforest_model.memory.MemoryModel`)."""

    def slowdowns(self, running: Running) -> tuple[tuple[float, ...], ...]:
        """For each socket the slowdown of each group."""


@dataclass(frozen=True)
class Domain:
    """A set of cores that one scheduler serves, with that scheduler's prices in ticks.

    Attributes
    ----------
    cores : tuple of int
        Cores among which its tasks may be placed, at the start; none: its tasks begin when it gets some.
    latency, min_granularity, wakeup_granularity : int
        CFS knobs, already scaled.
    tick_period, tick_phase, tick_cost : int
        Timer tick; a period of 0 means none.
    context_switch, wakeup, idle_wakeup, migration : int
        Switching to another task; the waker's work; waking an idle core; a task's cold cache.
    """

    cores: tuple[int, ...]
    latency: int = 0
    min_granularity: int = 0
    wakeup_granularity: int = 0
    tick_period: int = 0
    tick_phase: int = 0
    tick_cost: int = 0
    context_switch: int = 0
    wakeup: int = 0
    idle_wakeup: int = 0
    migration: int = 0


class Elastic(Protocol):
    """What an engine tells before a core changes hands."""

    def living(self, domain: int) -> bool:
        """Whether any thread of a program has begun in a domain and not ended."""


def check_release(core: int, domain: int, cores: list[int], engine: Elastic) -> None:
    """Refuse to take a core that nobody owns, or the last one from threads that need it.

    Raises
    ------
    ValueError
    """
    if domain < 0:
        raise ValueError(f"core {core} belongs to nobody")
    if len(cores) == 1 and engine.living(domain):
        raise ValueError(f"core {core} is the last of domain {domain}, which has threads")


def check_adopt(core: int, domain: int) -> None:
    """Refuse to give away a core that somebody owns.

    Raises
    ------
    ValueError
    """
    if domain >= 0:
        raise ValueError(f"core {core} belongs to domain {domain}")


def check_start(domain: int, cores: list[int]) -> None:
    """Refuse to start threads without a core.

    Raises
    ------
    ValueError
    """
    if not cores:
        raise ValueError(f"domain {domain} has no core")


@dataclass(frozen=True)
class TaskRow:
    """One thread: where its program starts, whose address space it has, where it may run, when it starts.

    `group` numbers the threads that press on caches and memory alike (`Tables.memory`).
    """

    name: str
    start: int
    address_space: int
    domain: int
    home: int
    pinned: bool
    begins: int
    group: int = NO_GROUP


@dataclass(frozen=True)
class ObjectRow:
    """One copy of a shared structure.  `stream` seeds its random order of hand-off."""

    name: str
    kind: int
    stream: int = 0


@dataclass(frozen=True)
class Tables:
    """Everything an engine needs.

    Attributes
    ----------
    ops : int64[n, 8]
        Operation code and seven operands (`rainforest_model.opcodes`).
    reals : float64[m]
        Parameters of random durations.
    tasks : list of TaskRow
    domains : list of Domain
    objects : list of ObjectRow
        Every copy of every shared structure.
    symbols : list of str
        What the symbol operands stand for.
    bind : int64[tasks, symbols]
        First object of each symbol for each task (-1: never used).
    streams : int64[tasks, purposes]
        Start of each task's random streams.
    registers : int
        Registers a task needs.
    sockets : int64[cores]
        Socket of each core.
    distance : int64[sockets, sockets]
        Row of `latency` for a pair of sockets.
    latency : int64[4, 4]
        Ticks of load, store, atomic by distance; and for which a write keeps the line busy.
    read_occupancy : int
        Ticks for which a read keeps a line busy.
    series : list of str
        Names of the measured latencies.
    queue_capacity : int
        Requests that a queue can hold.
    groups : int
        Groups of threads that press on caches and memory.
    memory : Memory, optional
        How they slow each other; needed where there are groups.
    arrivals : int64[times]
        Scheduled ticks, one schedule after the other.
    """

    ops: np.ndarray
    reals: np.ndarray
    tasks: list[TaskRow]
    domains: list[Domain]
    objects: list[ObjectRow]
    symbols: list[str]
    bind: np.ndarray
    streams: np.ndarray
    registers: int
    sockets: np.ndarray
    distance: np.ndarray
    latency: np.ndarray
    read_occupancy: int
    series: list[str]
    queue_capacity: int = 4096
    labels: list[str] = field(default_factory=list)
    groups: int = 0
    memory: Memory | None = None
    arrivals: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def cores(self) -> int:
        """Number of cores in use."""
        return len(self.sockets)

    @property
    def uses_interrupts(self) -> bool:
        """Whether cores interrupt each other."""
        return self.uses(FLUSH_CODE)

    @property
    def uses_ticks(self) -> bool:
        """Whether any scheduler has a timer tick."""
        return any(domain.tick_period for domain in self.domains)

    def slowdowns(self, running: Running) -> list[list[int]]:
        """For each socket and group its slowdown, in units of ``1 / FULL_SPEED``."""
        return [[round(FULL_SPEED * factor) for factor in socket] for socket in self.memory.slowdowns(running)]

    def first_ticks(self) -> list[int]:
        """Time of each core's first timer tick, 0 for none: spread over half a period, as Linux skews them."""
        first = [0] * self.cores
        for domain in self.domains:
            for place, core in enumerate(domain.cores):
                if domain.tick_period:
                    first[core] = domain.tick_phase + place * (domain.tick_period // 2) // len(domain.cores) + 1
        return first

    def threads_of(self, domain: int) -> list[int]:
        """Numbers of the threads of a domain that begin and end with it: not those that the kernel has on each core."""
        return [
            number for number, task in enumerate(self.tasks)
            if task.domain == domain and not (task.address_space == KERNEL_THREAD and task.pinned)
        ]

    def queues_of(self, domain: int) -> list[int]:
        """Numbers of the queues whose parts the threads of a domain receive."""
        found = set()
        for number in self.threads_of(domain):
            row = self.tasks[number].start
            while self.ops[row, 0] != JUMP:  # the only one is the last of the program
                if self.ops[row, 0] == RECEIVE_PART:
                    found.add(int(self.bind[number, self.ops[row, 1]]))
                row += 1
        return sorted(found)

    def begins_at_once(self, task: TaskRow) -> bool:
        """Whether a task is there from the start: not one of a domain that has no cores yet."""
        if task.domain in (OUTSIDE, NOWHERE):
            return task.domain == OUTSIDE
        return bool(self.domains[task.domain].cores)

    def interruptible(self) -> tuple[np.ndarray, np.ndarray]:
        """Where a program can be ended without leaving anything behind, and where its thread has a part of a request.

        Returns
        -------
        ending, parts : bool[operations]
            Whether before each operation its thread holds no lock and is not in the kernel; and whether it has
            a part. Programs are nested, so counting row by row tells.
        """
        return self._depth(_TAKING, _GIVING) == 0, self._depth((RECEIVE_PART,), (GATHER,)) > 0

    def locked(self) -> np.ndarray:
        """Where a thread holds a lock: bool[operations], before each of them."""
        return self._depth(_LOCKING, _UNLOCKING) > 0

    def _depth(self, opening, closing) -> np.ndarray:
        """How many operations before each one have opened what none has closed."""
        steps = np.isin(self.ops[:, 0], opening).astype(int) - np.isin(self.ops[:, 0], closing)
        return np.cumsum(steps) - steps

    def uses(self, *codes: int) -> bool:
        """Whether any operation has one of these codes."""
        return bool(np.isin(self.ops[:, 0], codes).any())
