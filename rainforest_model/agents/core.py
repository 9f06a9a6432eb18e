"""A core: the task that runs, those that wait for it, and who is next; after Linux's CFS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from .interrupts import Inbox, Timer
from .states import State

if TYPE_CHECKING:
    from .model import MachineModel
    from .subos import SubOS
    from .task import Task


class Core(mesa.Agent):
    """A core of the machine (or, numbered behind those, the computer of a client outside).

    Attributes
    ----------
    number, socket : int
    subos : SubOS
        Who owns it.
    current : Task or None
        The task that it runs, spins or waits for answers with.
    run_queue : list of Task
        Ready tasks, in no order: the next is the one of least virtual run time.
    needs_switch : bool
        Whether the current task shall make room as soon as it may be preempted.
    loaded : int or None
        Address space in its TLB: that of the last task that had one.
    stolen_until : int
        Tick until which interrupt handlers keep it.
    min_vruntime : int
        Virtual run time that new-comers are measured against; never falls.
    inbox, timer : Inbox, Timer
    """

    def __init__(
        self, model: MachineModel, number: int, socket: int, subos: SubOS,
        inbox_slot: int | None, timer_slot: int | None,
    ):
        super().__init__(model)
        self.number = number
        self.socket = socket
        self.subos = subos
        self.current: Task | None = None
        self.run_queue: list[Task] = []
        self.needs_switch = False
        self.loaded: int | None = None
        self.stolen_until = 0
        self.min_vruntime = 0
        self.inbox = Inbox(self, inbox_slot)
        self.timer = Timer(self, timer_slot)
        self._busy_before = 0
        self._busy_since = 0

    # --- what it looks like from outside ------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it has no task."""
        return self.current is None

    @property
    def interrupts_off(self) -> bool:
        """Whether its task keeps interrupts out."""
        return self.current is not None and self.current.interrupts_off > 0

    @property
    def free_at(self) -> int:
        """Earliest tick from now at which no interrupt handler keeps it."""
        return max(self.model.now, self.stolen_until)

    @property
    def activity(self) -> str:
        """What it does now: idle, interrupted, or the state of its task."""
        if self.stolen_until > self.model.now:
            return "interrupted"
        return "idle" if self.idle else self.current.state.value

    @property
    def busy_ticks(self) -> int:
        """Ticks for which it had a task."""
        return self._busy_before + (0 if self.idle else self.model.now - self._busy_since)

    # --- who is next --------------------------------------------------------------------------------------

    def accept(self, task: Task) -> None:
        """Take a ready task: run it at once if idle, else queue it, perhaps ahead of who runs here."""
        knobs = self.subos.knobs
        if self.idle:
            self.dispatch(task, delay=knobs.idle_wakeup)
            return
        self.enqueue(task)
        ahead = self.current.vruntime + self.current.ran_since_charge - task.vruntime
        if ahead > knobs.wakeup_granularity:
            self.request_switch()

    def enqueue(self, task: Task) -> None:
        """Put a ready task into the run queue."""
        task.state = State.READY
        task.core = self
        self.run_queue.append(task)

    def take(self, candidates: list[Task]) -> Task | None:
        """Take the candidate of least virtual run time (ties: of lowest number) out of the run queue."""
        if not candidates:
            return None
        task = min(candidates, key=lambda task: (task.vruntime, task.number))
        self.run_queue.remove(task)
        return task

    def dispatch(self, task: Task, delay: int = 0) -> None:
        """Run `task`: its operation goes on after `delay`, a context switch, and what a new core costs."""
        model, knobs = self.model, self.subos.knobs
        if self.idle:
            self._busy_since = model.now
        self.current = task
        self.needs_switch = False
        if task.address_space is not None:
            self.loaded = task.address_space
        self.min_vruntime = max(self.min_vruntime, task.vruntime)
        delay += knobs.context_switch + task.remaining
        if task.last_core is not self:
            delay += knobs.migration
        task.core = task.last_core = self
        task.remaining = 0
        model.memory.starts(task)
        task.charged_at = task.picked_at = model.now
        task.resume(self.free_at + delay)

    def pick_next(self) -> None:
        """The task has gone: run the next of the run queue, else one of the busiest core, else go idle."""
        if not self.look_for_work():
            self._go_idle()
            self.needs_switch = False

    def look_for_work(self) -> bool:
        """Run the next of the run queue, else one of the busiest core; False if there is none."""
        task = self.take(self.run_queue) or self._steal_task()
        if task is not None:
            self.dispatch(task)
        return task is not None

    def _go_idle(self) -> None:
        self._busy_before += self.model.now - self._busy_since
        self.current = None

    def _steal_task(self) -> Task | None:
        """Fetch a task that may move from the busiest core of the same subOS."""
        busiest = self.subos.busiest_core()
        if busiest is None:
            return None
        task = busiest.take([task for task in busiest.run_queue if not task.pinned])
        task.vruntime += self.min_vruntime - busiest.min_vruntime
        return task

    # --- making room --------------------------------------------------------------------------------------

    def request_switch(self) -> None:
        """Preempt the current task now if it may be, else as soon as it may."""
        task = self.current
        if task is self.model.acting or not task.preemptible:
            self.needs_switch = True
        else:
            self.preempt(remaining=task.alone(self.model.events.time_of(task.slot) - self.free_at))

    def preempt(self, remaining: int) -> None:
        """Put the current task back into the run queue; alone, its operation would take `remaining` ticks more."""
        task = self.current
        task.charge()
        self.model.memory.stops(task)
        task.remaining = remaining
        self.model.events.cancel(task.slot)
        self.enqueue(task)
        self.pick_next()

    @property
    def movable(self) -> bool:
        """Whether whatever is here may leave now."""
        if self.stolen_until > self.model.now or self.inbox.arrivals:
            return False
        task = self.current
        if task is not None and not (task.state is State.RUNNING and task.preemptible):
            return False
        return not any(task.of_its_core for task in [self.current, *self.run_queue] if task is not None)

    def lose_current(self) -> Task:
        """Take the running task, which keeps what is left of its operation, off an idle core to be."""
        task = self.current
        task.remaining = task.alone(self.model.events.time_of(task.slot) - self.model.now)
        self.model.memory.stops(task)
        task.charge()
        self.model.events.cancel(task.slot)
        self._go_idle()
        return task

    def steal(self, ticks: int) -> None:
        """Keep the core for an interrupt handler: what runs here ends that much later."""
        self.stolen_until = self.free_at + ticks
        task = self.current
        if task is not None and task is not self.model.acting and task.state is State.RUNNING:
            self.model.plan(task, self.model.events.time_of(task.slot) + ticks)

    def __repr__(self) -> str:
        return f"<Core {self.number}: {self.activity}>"
