"""What must hold after every event, whatever the locks do: checked by the tasks' own account of their steps.

The `Ledger` writes down who has gone into a lock and who waits for it *as the programs see it*, apart from
the locks' own fields.  So a lock that lets two tasks in, serves them out of turn or forgets one is caught,
whether shipped or written by a student.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .states import State

if TYPE_CHECKING:
    from .lock import Lock
    from .model import MachineModel
    from .task import Task


class InvariantViolation(AssertionError):
    """Something happened that must never happen.

    Attributes
    ----------
    invariant : str
        Its name: MutualExclusion, FifoOrder, NoLostWakeup, Conservation, ClockMonotone or OneOwner.

    Examples
    --------
    >>> print(InvariantViolation("MutualExclusion", "two tasks are in the lock", 700))
    MutualExclusion violated at tick 700: two tasks are in the lock
    """

    def __init__(self, invariant: str, what: str, now: int):
        super().__init__(f"{invariant} violated at tick {now}: {what}")
        self.invariant = invariant


class Ledger:
    """Who is inside of each lock and who waits for it, written down by the tasks.

    Attributes
    ----------
    inside : dict of Lock to dict of Task to bool
        Tasks between their acquire and their release; True for one that shares the lock with other readers.
    waiting : dict of Lock to list of Task
        Tasks that have asked and not gone in yet, in the order in which they asked.
    """

    def __init__(self, model: MachineModel):
        self.model = model
        self.inside: defaultdict[Lock, dict[Task, bool]] = defaultdict(dict)
        self.waiting: defaultdict[Lock, list[Task]] = defaultdict(list)

    def asks(self, task: Task, lock: Lock) -> None:
        """The task has to wait (a woken task that asks again keeps its place)."""
        if task not in self.waiting[lock]:
            self.waiting[lock].append(task)

    def enters(self, task: Task, lock: Lock, shared: bool) -> None:
        """The task goes on behind its acquire."""
        inside, waiting = self.inside[lock], self.waiting[lock]
        if inside and not (shared and all(inside.values())):
            others = ", ".join(other.name for other in inside)
            self._violated("MutualExclusion", f"{task.name} enters {lock.name} while {others} is inside")
        if lock.fifo and waiting and waiting[0] is not task:
            first = waiting[0].name
            self._violated("FifoOrder", f"{task.name} enters {lock.name} ahead of {first}, who came first")
        inside[task] = shared
        if task in waiting:
            waiting.remove(task)
        if not waiting:
            del self.waiting[lock]

    def leaves(self, task: Task, lock: Lock) -> None:
        """The task releases the lock."""
        inside = self.inside[lock]
        inside.pop(task, None)
        if not inside:
            del self.inside[lock]

    def check_wakeups(self) -> None:
        """A lock with nobody inside has nobody waiting, unless one of them is on its way."""
        for lock, waiting in self.waiting.items():
            nobody_comes = all(task.state in (State.SPINNING, State.ASLEEP) for task in waiting)
            if nobody_comes and lock not in self.inside:
                names = ", ".join(task.name for task in waiting)
                self._violated("NoLostWakeup", f"{lock.name} is free, and nobody will ever tell {names}")

    def _violated(self, invariant: str, what: str) -> None:
        raise InvariantViolation(invariant, what, self.model.now)


# Where a task is found in each state, and nowhere else.  "event": it has a pending event.
_PLACES = {
    State.READY: "run queue ",
    State.RUNNING: "core event ",
    State.SPINNING: "core spinners ",
    State.ANSWER_WAIT: "core interrupts ",
    State.ASLEEP: "sleepers ",
    State.TIMED_SLEEP: "event ",
    State.OFF: "",
}


def check_conservation(model: MachineModel) -> None:
    """Every task is in exactly the places of its state, and every core either runs one or has none to run."""
    found: dict[Task, str] = dict.fromkeys(model.tasks, "")
    for core in model.cores:
        task = core.current
        if task is not None:
            found[task] += "core "
            if task.core is not core:
                _not_conserved(model, f"{task.name} runs on {core}, but takes {task.core} for its core")
            if core.needs_switch and task.preemptible:
                _not_conserved(model, f"{task.name} should have left {core}")
        elif core.run_queue:
            _not_conserved(model, f"{core} is idle with {len(core.run_queue)} tasks to run")
        for task in core.run_queue:
            found[task] += "run queue "
    for lock in model.ledger.waiting:
        for task in lock.spinners:
            found[task] += "spinners "
        for task in lock.sleepers:
            found[task] += "sleepers "
    for queue in model.queues:
        for task in queue.idle:
            found[task] += "sleepers "
    _check_interrupts(model, found)
    for task, places in found.items():
        if model.events.time_of(task.slot) is not None:
            places += "event "
        if places != _PLACES[task.state]:
            should = f"it should be in [{_PLACES[task.state].strip()}], but is in [{places.strip()}]"
            _not_conserved(model, f"{task.name} is {task.state.value}: {should}")


def _check_interrupts(model, found) -> None:
    """No interrupt and no answer is lost."""
    outstanding = defaultdict(int)
    for core in model.cores:
        inbox = core.inbox
        if not inbox.arrivals:
            continue
        for _, _, shootdown in inbox.arrivals:
            outstanding[shootdown] += 1
        if inbox.deferred:
            if core.current is None or not core.current.interrupts_off:
                _not_conserved(model, f"{core} leaves interrupts unanswered although it lets them in")
        elif model.events.time_of(inbox.slot) is None:
            _not_conserved(model, f"{core} has forgotten its interrupts")
    for shootdown, missing in outstanding.items():
        if missing != shootdown.missing:
            sender = shootdown.sender.name
            _not_conserved(model, f"{sender} waits for {shootdown.missing} answers, but {missing} will come")
        found[shootdown.sender] += "interrupts "


def _not_conserved(model, what: str) -> None:
    raise InvariantViolation("Conservation", what, model.now)
