"""A task: a thread that runs its program, one micro-operation after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..outcome import StopReason
from ..tables import FULL_SPEED, NO_GROUP, TaskRow
from .operations import WAITS, Operations
from .states import State
from .streams import Stream

if TYPE_CHECKING:
    from .core import Core
    from .lock import Lock
    from .model import MachineModel
    from .queue import Request, RequestQueue
    from .subos import SubOS

MAX_INSTANT_OPERATIONS = 100_000
"""A task that does more at one instant lets no time pass."""


class Stopped(Exception):
    """The simulation cannot go on.

    Attributes
    ----------
    reason : StopReason
    task : Task or None
        Whose fault it is.
    """

    def __init__(self, reason: StopReason, task: Task | None = None):
        super().__init__(f"{task.name if task else 'everybody'} {reason.value}")
        self.reason = reason
        self.task = task


class Task(Operations, mesa.Agent):
    """A thread.  What its operations mean stands in `Operations`; how it gets and loses its core, here.

    Attributes
    ----------
    number, name : int, str
    subos : SubOS
        The cores that it may run on, and their scheduler.
    address_space : int or None
        Its process; None for a thread of the kernel.
    pinned : bool
        Whether it keeps to one core.
    pc : int
        Number of its next operation.
    registers : list of int
        Loop counters and remembered versions.
    held : dict of int to Lock
        The copy that it took of each lock symbol.
    state : State
    core, last_core : Core
        Where it runs or queues; where it ran last.
    no_preempt, interrupts_off : int
        How many reasons there are not to preempt it, and to keep interrupts out.
    remaining : int
        Ticks of its operation that were left when it was preempted.
    vruntime, charged_at, picked_at : int
        Virtual run time; until when it is accounted for; when it last got its core.
    measured_since : int
        When the measured time began.
    request : Request or None
        The request of which it has a part.
    group : int or None
        Whom it presses on caches and memory with; None if its speed depends on nobody.
    slowdown : int
        How much slower it computes than alone, in units of ``1 / FULL_SPEED``.
    """

    def __init__(
        self, model: MachineModel, number: int, row: TaskRow, subos: SubOS, core: Core,
        bindings: list[int], streams: list[int], registers: int,
    ):
        super().__init__(model)
        self.number = self.slot = number
        self.name = row.name
        self.subos = subos
        self.address_space = row.address_space if row.address_space >= 0 else None
        self.pinned = row.pinned
        self.pc = row.start
        # Counters of `every` start at different phases, as threads that have run for a while would.
        self.registers = [number] * registers
        self.bindings = bindings
        self.streams = [Stream(start) for start in streams]
        self.held: dict[int, Lock] = {}
        self.state = State.TIMED_SLEEP if model.tables.begins_at_once(row) else State.OFF
        self.core = self.last_core = core
        self.no_preempt = 0
        self.interrupts_off = 0
        self.remaining = 0
        self.vruntime = 0
        self.charged_at = 0
        self.picked_at = 0
        self.measured_since = 0
        self.request: Request | None = None
        self.group = None if row.group == NO_GROUP else row.group
        self.slowdown = FULL_SPEED
        self.asks_again = False
        self._asked: tuple[Lock, bool] | None = None

    # --- running ------------------------------------------------------------------------------------------

    def fire(self) -> None:
        """Its event has come: a sleep or an operation is over."""
        if self.state is State.TIMED_SLEEP:
            self.wake()
            if not self.model.take_if_next(self):
                return  # it got no core, or not at once
        self.run_operations()

    def run_operations(self) -> None:
        """Go in where it has waited to, then do operation after operation until one takes time or waits."""
        model, core, program = self.model, self.core, self.model.program
        model.acting = self
        if self._asked is not None and not self.asks_again:
            self._enter(*self._asked)
        for _ in range(MAX_INSTANT_OPERATIONS):
            operation, operands = program[self.pc]
            model.executed.append(self.pc)
            self.pc += 1
            ticks = operation(self, *operands)
            if ticks is WAITS:
                model.acting = None
                return
            if ticks or core.stolen_until > model.now or (core.needs_switch and self.preemptible):
                break
        else:
            raise Stopped(StopReason.LIVELOCK, self)
        model.acting = None
        if core.needs_switch and self.preemptible:
            core.preempt(remaining=ticks)
        else:
            model.plan(self, core.free_at + self.slowed(ticks))

    def resume(self, time: int) -> None:
        """Go on with the next operation at the tick `time`."""
        self.state = State.RUNNING
        self.model.plan(self, time)

    def slowed(self, ticks: int) -> int:
        """Ticks that it needs now for what takes `ticks` alone."""
        return ticks if self.group is None else int(ticks * (self.slowdown / FULL_SPEED) + 0.5)

    def alone(self, ticks: int) -> int:
        """Ticks that what takes so long now would take alone."""
        return ticks if self.group is None else int(ticks * (FULL_SPEED / self.slowdown) + 0.5)

    @property
    def preemptible(self) -> bool:
        """Whether it may lose its core: not in the kernel, and not while it holds or wants a spin lock."""
        return self.no_preempt == 0

    @property
    def runs(self) -> bool:
        """Whether it has a core."""
        return self.core.current is self

    # --- leaving the core and coming back -----------------------------------------------------------------

    def leave_core(self, state: State) -> None:
        """Wait in `state`; the core goes on with another task."""
        self.charge()
        self.model.memory.stops(self)
        self.state = state
        self.model.events.cancel(self.slot)
        self.core.pick_next()

    def wake(self) -> None:
        """End the wait: on an idle core at once, else in a run queue, perhaps ahead of who runs there."""
        core = self.subos.core_for(self)
        if core is not self.last_core:
            self.vruntime += core.min_vruntime - self.last_core.min_vruntime
        # A sleeper gets credit for at most half a latency period (GENTLE_FAIR_SLEEPERS).
        self.vruntime = max(self.vruntime, core.min_vruntime - core.subos.knobs.latency // 2)
        core.accept(self)

    @property
    def ran_since_charge(self) -> int:
        """Ticks of its run that are not in its virtual run time yet."""
        return self.model.now - self.charged_at

    def charge(self) -> None:
        """Account for what it has run."""
        self.vruntime += self.ran_since_charge
        self.charged_at = self.model.now

    # --- beginning and ending -----------------------------------------------------------------------------

    @property
    def of_its_core(self) -> bool:
        """Whether it is a thread of the kernel that serves its core alone, and goes where that goes."""
        return self.address_space is None and self.pinned

    def begin(self, time: int) -> None:
        """Be there from the tick `time` on."""
        self.state = State.TIMED_SLEEP
        self.model.plan(self, time)

    def begin_anew(self, core: Core) -> None:
        """Begin its program on this core."""
        row = self.model.tables.tasks[self.number]
        self.pc, self.remaining = row.start, 0
        self.registers = [self.number] * len(self.registers)
        self.core = self.last_core = core
        self.vruntime = core.min_vruntime
        self.begin(self.model.now + row.begins)

    @property
    def may_end(self) -> bool:
        """Whether it holds no lock, has not been chosen to take one, and is not in the kernel."""
        if self.asks_again or (self.state is State.ASLEEP and self._waits_at() is None):
            return False
        return bool(self.model.interruptible[0][self.pc])

    def _waits_at(self) -> RequestQueue | None:
        """The queue at which it waits for requests, if that is what it sleeps for."""
        return next((queue for queue in self.model.queues if self in queue.idle), None)

    def end(self) -> None:
        """End here and now; the part of a request that it has is lost."""
        if self.state is State.ASLEEP:
            self._waits_at().idle.remove(self)
        elif self.model.interruptible[1][self.pc]:
            self.request.lose_part(self.model)
        if self.state is State.RUNNING:
            self.leave_core(State.OFF)
            return
        if self.state is State.READY:
            self.core.run_queue.remove(self)
        self.stand_still()

    def stand_still(self) -> None:
        """Be there no more."""
        self.state = State.OFF
        self.model.events.cancel(self.slot)

    def change_owner(self, subos: SubOS) -> None:
        """Belong to another instance from now on."""
        self.subos.tasks.remove(self)
        self.subos = subos
        subos.tasks.append(self)

    # --- its own account of the locks (see `Ledger`) ------------------------------------------------------

    def _goes_in(self, lock: Lock, ticks: int | None, shared: bool = False) -> int | None:
        """Note whether the lock lets it in; `ticks` is the lock's answer, and is passed on."""
        if ticks is not WAITS:
            self._enter(lock, shared)
        else:
            self._asked = (lock, shared)
            if self.model.ledger is not None:
                self.model.ledger.asks(self, lock)
        return ticks

    def _enter(self, lock: Lock, shared: bool) -> None:
        self._asked = None
        if self.model.ledger is not None:
            self.model.ledger.enters(self, lock, shared)

    def _leaves(self, lock: Lock) -> None:
        if self.model.ledger is not None:
            self.model.ledger.leaves(self, lock)

    def _stop(self, reason: StopReason) -> Stopped:
        return Stopped(reason, self)

    def __repr__(self) -> str:
        return f"<Task {self.name}: {self.state.value}>"
