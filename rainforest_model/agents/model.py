"""The machine as a Mesa model: agents that act one event after the other."""

from __future__ import annotations

from typing import NamedTuple

import mesa
import numpy as np

from .. import opcodes as op
from .. import tables as tb
from ..descriptions.program import time_ns
from ..descriptions.scenario import Scenario
from ..lowering import lower
from ..outcome import Outcome, Requests, StopReason
from ..units import TICKS_PER_NS
from .cache import CacheLine, Interconnect
from .core import Core
from .counter import Counter
from .events import EventQueue
from .interrupts import Inbox, Timer
from .invariants import InvariantViolation, Ledger, check_conservation
from .latencies import Latencies
from .lock import Lock, Mutex, QueueLock, RwSemaphore, TicketLock
from .memory import MemorySystem
from .operations import decode
from .queue import RequestQueue
from .states import State
from .subos import FreePool, SubOS
from .task import Stopped, Task

MAX_INSTANT_EVENTS = 1_000_000
"""More events than that at one instant let no time pass."""

_LOCK_OF_OPERATION = {
    op.TICKET_LOCK: TicketLock, op.QUEUE_LOCK: QueueLock, op.MUTEX_LOCK: Mutex,
    op.READ_LOCK: RwSemaphore, op.WRITE_LOCK: RwSemaphore,
}


class Event(NamedTuple):
    """What has just happened: when, to which task or core, and what it did (the last of it goes on)."""

    time: int
    agent: Task | Core
    what: str

    def __str__(self) -> str:
        name = self.agent.name if isinstance(self.agent, Task) else f"core {self.agent.number}"
        return f"{self.time / TICKS_PER_NS:12,.1f} ns  {name}: {self.what}"


class MachineModel(mesa.Model):
    """A machine under a system with its tasks; the readable twin of the compiled engine.

    Parameters
    ----------
    tables : Tables
        The lowered scenario.
    warmup : int
        Ticks before which nothing is recorded.
    trace : bool
        Whether to keep every event for `trace`.
    checked : bool
        Whether to assert the invariants after every event (see `rainforest_model.agents.invariants`).
    lock_classes : dict of str to type, optional
        Classes to use for the locks of these structures, instead of the shipped ones.
    interval : int
        Ticks by which `step` advances; may be changed at any time.
    rng : int or numpy Generator
        For Mesa's own random numbers, which the shipped agents do not use: their draws are keyed.

    Attributes
    ----------
    now, events_processed : int
        Simulated ticks and processed events.
    acting : Task or None
        The task whose operations are being executed.
    executed : list of int
        Numbers of the operations that the last event has executed.
    cores, tasks, objects : list of agents
        In the order of their numbers; `cores` ends with the computers of clients outside.
    subsystems : list of SubOS
    locks, queues : list of agents
    memory : MemorySystem
    requests_sent, requests_answered, requests_under_way : int
        Requests that were sent in parts, those that are answered, and those of which parts are not done.
    nobody : FreePool
        Who has the cores that nobody owns.
    datacollector : mesa.DataCollector, optional
        If you set one, `step` collects.

    Examples
    --------
    >>> from rainforest_model.reference import closed_lock
    >>> model = MachineModel.from_scenario(closed_lock(cores=2, think_us=1, hold_us=1))
    >>> model.interval = 1_000_000
    >>> model.step()
    >>> [core.activity for core in model.cores]
    ['spinning', 'running']
    >>> model.locks
    [<QueueLock lock.machine.0: held by closed_lock.0/0.0.1, 1 waiting>]
    >>> model.run(10_000_000)
    <StopReason.REACHED: 'reached its end'>
    """

    def __init__(
        self, tables: tb.Tables, warmup: int = 0, trace: bool = False, checked: bool = True,
        lock_classes: dict[str, type[Lock]] | None = None, interval: int = 100_000, rng=1,
    ):
        super().__init__(rng=rng)
        self.tables = tables
        self.interval = interval
        self.now = 0
        self.end: int | None = None
        self.events_processed = 0
        self.acting: Task | None = None
        self.executed: list[int] = []
        self.datacollector: mesa.DataCollector | None = None
        self.checked = checked
        self.ledger = Ledger(self) if checked else None
        self.events = EventQueue()
        self.interconnect = Interconnect(tables)
        self.memory = MemorySystem(self, tables)
        self.requests_sent = self.requests_answered = 0
        self.requests_under_way = 0
        self.interruptible = tables.interruptible()
        self.latencies = Latencies(tables.series, warmup)
        self.program = decode(tables)
        self.reals = tables.reals.tolist()
        self.arrivals = tables.arrivals.tolist()
        self._instant_events = 0
        self._stopped: Stopped | None = None
        self._rows: list[tuple[int, int, int]] | None = [] if trace else None
        self.subsystems = self._make_subsystems()
        self.machine_cores = self._make_cores()
        self.objects = self._make_objects(lock_classes or {})
        self.locks = [agent for agent in self.objects if isinstance(agent, Lock)]
        self.queues = [agent for agent in self.objects if isinstance(agent, RequestQueue)]
        self.lines = [agent for agent in self.objects if isinstance(agent, CacheLine)]
        self.cores = list(self.machine_cores)
        self.tasks = self._make_tasks()
        self.sources = self._plan_first_events()
        # Mesa 3.3 would keep every model alive for ever in a table of the next ids.
        getattr(mesa.Agent, "_ids", {}).pop(self, None)

    @classmethod
    def from_scenario(cls, scenario: Scenario, seed: int = 1, **options) -> MachineModel:
        """The model of one replication of a scenario, with its warm-up and, for `run`, its end.

        Parameters
        ----------
        scenario : Scenario
        seed : int
        options : keyword arguments
            Of the class.

        Examples
        --------
        >>> from rainforest_model.reference import open_queue
        >>> model = MachineModel.from_scenario(open_queue(2, "10 us", duration="501 ms", constant="15 us"))
        >>> model
        <MachineModel: 2 cores, 3 tasks, 0 ticks>
        """
        options.setdefault("warmup", round(time_ns(scenario.warmup) * TICKS_PER_NS))
        model = cls(lower(scenario, seed), **options)
        model.end = round(time_ns(scenario.duration) * TICKS_PER_NS)
        return model

    # --- running ------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Advance by `interval` ticks, and collect if there is a `datacollector`."""
        self.run(self.now + self.interval)
        if self.datacollector is not None:
            self.datacollector.collect(self)

    def run(self, until: int | None = None) -> StopReason:
        """Go on until the tick `until` (default: the scenario's end).

        Raises
        ------
        InvariantViolation
            If the model is `checked` and something happened that must never happen.
        """
        until = self.end if until is None else until
        if until is None:
            raise ValueError("say until which tick: only a model from a scenario has an end")
        try:
            self.memory.settle()  # somebody may have moved tasks since the last event
            while self._stopped is None and (first := self.events.first()) and first[0] <= until:
                self._happen()
        except Stopped:
            self.running = False
        if self._stopped is not None:
            return self._stopped.reason
        self.now = until
        self.running = self.events.first() is not None
        return StopReason.DEADLOCK if self._all_wait() else StopReason.REACHED

    def _all_wait(self) -> bool:
        """Whether every thread of a program spins or sleeps, so that none is left to let another go on."""
        programs = [task for task in self.tasks if task.address_space is not None]
        return all(task.state in (State.SPINNING, State.ASLEEP) for task in programs)

    def next_event(self) -> Event | None:
        """Let the next event happen and return it; None if nothing will ever happen again.

        Raises
        ------
        Stopped
            If a task finds that the simulation cannot go on.
        """
        if self.events.first() is None:
            return None
        source = self._happen()
        if isinstance(source, Inbox):
            return Event(self.now, source.core, "an interrupt arrives")
        if isinstance(source, Timer):
            return Event(self.now, source.core, "the timer ticks")
        labels = self.tables.labels or [operation.__name__ for operation, _ in self.program]
        return Event(self.now, source, ", ".join(labels[number] for number in self.executed) or "wakes up")

    def _happen(self) -> Task | Inbox | Timer:
        """Let the next event happen, and return its source."""
        time, slot = self.events.pop()
        if self.checked and time < self.now:
            raise InvariantViolation("ClockMonotone", f"an event of tick {time} comes now", self.now)
        self._instant_events = self._instant_events + 1 if time == self.now else 0
        self.now = time
        self.events_processed += 1
        source = self.sources[slot]
        self.executed = []
        if self._rows is not None:
            self._rows.append((time, slot, source.pc if isinstance(source, Task) else -1))
        try:
            source.fire()
            self.memory.settle()
            if self._instant_events > MAX_INSTANT_EVENTS:
                raise Stopped(StopReason.LIVELOCK)
        except Stopped as stopped:
            self.acting = None
            self._stopped = stopped
            raise
        if self.checked:
            self.check()
        return source

    def plan(self, source: Task | Inbox | Timer, time: int) -> None:
        """Let the next event of a source be at the tick `time`."""
        if self.checked and time < self.now:
            raise InvariantViolation("ClockMonotone", f"{source} plans an event for tick {time}", self.now)
        self.events.plan(source.slot, time)

    def take_if_next(self, task: Task) -> bool:
        """Take the event of the task out if it is the next one, and is due now."""
        if self.events.first() != (self.now, task.slot):
            return False
        self.events.pop()
        return True

    def check(self) -> None:
        """Assert the invariants.

        Raises
        ------
        InvariantViolation
            Naming the invariant that does not hold.
        ValueError
            If the model is not `checked`: then it has not kept account of its locks.
        """
        if self.ledger is None:
            raise ValueError("no account was kept: make the model with checked=True")
        self.ledger.check_wakeups()
        check_conservation(self)
        for line in self.lines:
            line.check()

    # --- what a supervisor may do between two calls of `run` ------------------------------------------------

    def owner(self, core: int) -> int:
        """Number of the instance that owns a core; `tables.NOWHERE` if nobody does."""
        subos = self.machine_cores[core].subos
        return tb.NOWHERE if subos is self.nobody else self.subsystems.index(subos)

    def cores_of(self, domain: int) -> list[int]:
        """Cores of an instance, in the order in which it got them."""
        return [core.number for core in self.subsystems[domain].cores]

    def living(self, domain: int) -> bool:
        """Whether any thread of a program has begun in an instance and not ended."""
        return self.subsystems[domain].living

    def release(self, core: int) -> bool:
        """Take a core from its instance; see `rainforest_model.engine.door.CompiledEngine.release`."""
        domain = self.owner(core)
        tb.check_release(core, domain, self.cores_of(domain) if domain >= 0 else [], self)
        return self.subsystems[domain].release(self.machine_cores[core])

    def adopt(self, core: int, domain: int) -> None:
        """Give a core that nobody owns to an instance; ValueError if somebody owns it."""
        tb.check_adopt(core, self.owner(core))
        self.subsystems[domain].adopt(self.machine_cores[core])

    def occupy(self, core: int, ticks: int) -> None:
        """Keep a core for real-time work of the kernel; what runs there ends that much later."""
        self.machine_cores[core].steal(ticks)

    def start_threads(self, domain: int) -> None:
        """Let the threads of an instance begin that are not there; ValueError if it has no core."""
        tb.check_start(domain, self.cores_of(domain))
        self.subsystems[domain].start()

    def end_threads(self, domain: int) -> bool:
        """End the threads of an instance; see `rainforest_model.engine.door.CompiledEngine.end_threads`."""
        return self.subsystems[domain].end()

    def requests(self) -> Requests:
        """What became of the requests that were sent in parts."""
        sent, answered = self.requests_sent, self.requests_answered
        return Requests(sent, answered, sent - answered - self.requests_under_way)

    # --- results ------------------------------------------------------------------------------------------

    def culprit(self) -> str:
        """Name of the task that stopped the run; in a deadlock, of the first of all."""
        task = self._stopped.task if self._stopped else None
        return (task or self.tasks[0]).name

    def outcome(self) -> Outcome:
        """What has been recorded so far."""
        return Outcome(
            counts=self.latencies.counts.copy(),
            moments=self.latencies.moments(),
            busy=np.array([core.busy_ticks for core in self.machine_cores], np.int64),
            now=self.now,
            events=self.events_processed,
        )

    def trace(self) -> np.ndarray:
        """The trace: int64[events, 3] of time, slot and operation number (-1 for an interrupt)."""
        if self._rows is None:
            raise ValueError("no trace was kept: make the model with trace=True")
        return np.array(self._rows, np.int64).reshape(-1, 3)

    # --- making the agents --------------------------------------------------------------------------------

    def _make_subsystems(self) -> list[SubOS]:
        return [SubOS(self, f"subOS {i}", domain) for i, domain in enumerate(self.tables.domains)]

    def _make_cores(self) -> list[Core]:
        tables = self.tables
        first_inbox = len(tables.tasks)
        first_timer = first_inbox + (tables.cores if tables.uses_interrupts else 0)
        self.nobody = FreePool(self)
        owner_of = {core: subos for subos in self.subsystems for core in subos.knobs.cores}
        cores = []
        for number, socket in enumerate(tables.sockets.tolist()):
            inbox_slot = first_inbox + number if tables.uses_interrupts else None
            timer_slot = first_timer + number if tables.uses_ticks else None
            cores.append(Core(self, number, socket, owner_of.get(number, self.nobody), inbox_slot, timer_slot))
        for subos in self.subsystems:
            subos.cores = [cores[number] for number in subos.knobs.cores]
        return cores

    def _make_objects(self, lock_classes: dict[str, type[Lock]]) -> list[mesa.Agent]:
        tables = self.tables
        unknown = ", ".join(sorted(set(lock_classes) - set(tables.symbols)))
        if unknown:
            raise ValueError(f"no structure {unknown}; there are: {', '.join(tables.symbols)}")
        classes = {
            symbol: _LOCK_OF_OPERATION[code]
            for code, symbol, *_ in tables.ops.tolist() if code in _LOCK_OF_OPERATION
        }
        classes |= {tables.symbols.index(name): chosen for name, chosen in lock_classes.items()}
        first_copy = {
            int(first): symbol for symbol in range(tables.bind.shape[1]) for first in tables.bind[:, symbol]
        }
        objects, symbol = [], None
        for index, row in enumerate(tables.objects):
            symbol = first_copy.get(index, symbol)  # copies lie side by side
            if row.kind == tb.LINE:
                objects.append(CacheLine(self, row.name))
            elif row.kind == tb.COUNTER:
                objects.append(Counter(self, row.name))
            elif row.kind == tb.QUEUE:
                objects.append(RequestQueue(self, row.name, tables.queue_capacity))
            else:
                objects.append(classes.get(symbol, QueueLock)(self, row.name, row.stream))
        return objects

    def _make_tasks(self) -> list[Task]:
        tables, tasks = self.tables, []
        for number, row in enumerate(tables.tasks):
            if row.domain == tb.OUTSIDE:
                # A client has a computer of its own, on which nothing costs anything.
                core = self._make_client_core()
                subos = core.subos
            else:
                core = self.machine_cores[row.home]
                subos = self.nobody if row.domain == tb.NOWHERE else self.subsystems[row.domain]
            task = Task(
                self, number, row, subos, core, tables.bind[number].tolist(), tables.streams[number].tolist(),
                tables.registers,
            )
            subos.tasks.append(task)
            tasks.append(task)
        return tasks

    def _make_client_core(self) -> Core:
        outside = SubOS(self, "outside", tb.Domain(cores=()))
        core = Core(self, len(self.cores), 0, outside, None, None)
        outside.cores = [core]
        self.subsystems.append(outside)
        self.cores.append(core)
        return core

    def _plan_first_events(self) -> list[Task | Inbox | Timer]:
        tables = self.tables
        for task, row in zip(self.tasks, tables.tasks, strict=True):
            if task.state is not State.OFF:
                self.plan(task, row.begins)
        for subos in self.subsystems:
            if not subos.cores:
                subos.close_queues()
        sources: list = list(self.tasks)
        if tables.uses_interrupts:
            sources += [core.inbox for core in self.machine_cores]
        if tables.uses_ticks:
            sources += [core.timer for core in self.machine_cores]
            for core, first in zip(self.machine_cores, tables.first_ticks(), strict=True):
                if first:
                    self.plan(core.timer, first)
        return sources

    def __repr__(self) -> str:
        return f"<MachineModel: {len(self.machine_cores)} cores, {len(self.tasks)} tasks, {self.now} ticks>"
