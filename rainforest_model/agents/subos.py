"""A set of cores under one scheduler: a subOS, a container, a guest, or the whole machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..tables import Domain
from .states import State

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel
    from .queue import RequestQueue
    from .task import Task


class SubOS(mesa.Agent):
    """Cores, the tasks that share them, and the knobs of their scheduler.

    On an undivided system there is one, and it owns the machine; on a divided one there are several, and no
    task ever leaves the cores of its own.

    Attributes
    ----------
    knobs : Domain
        Prices and granularities of the scheduler, in ticks (`rainforest_model.tables.Domain`).
    cores : list of Core
        The cores that it owns.
    tasks : list of Task
    """

    def __init__(self, model: MachineModel, name: str, knobs: Domain):
        super().__init__(model)
        self.name = name
        self.knobs = knobs
        self.cores: list[Core] = []
        self.tasks: list[Task] = []

    def core_for(self, task: Task) -> Core:
        """The core for a woken task: its last one if idle, else an idle one, near first, else its last.

        If that is not a core of this instance any more, the one with the shortest queue takes its place.
        """
        last = task.last_core
        ours = last.subos is self
        if ours and (task.pinned or last.idle):
            return last
        idle = [core for core in self.cores if core.idle]
        near = [core for core in idle if core.socket == last.socket]
        if near or idle:
            return (near or idle)[0]
        return last if ours else min(self.cores, key=lambda core: len(core.run_queue))

    def busiest_core(self) -> Core | None:
        """The core with the longest run queue that holds a task which may move (ties: the first); None if none does."""
        holding = [core for core in self.cores if any(not task.pinned for task in core.run_queue)]
        return max(holding, key=lambda core: len(core.run_queue), default=None)

    @property
    def roaming(self) -> bool:
        """Whether it has tasks that may move between its cores."""
        return any(not task.pinned for task in self.tasks)

    # --- what a supervisor does to it -----------------------------------------------------------------------

    @property
    def threads(self) -> list[Task]:
        """The threads that begin and end with it: not those that the kernel has on each core."""
        return [task for task in self.tasks if not task.of_its_core]

    @property
    def living(self) -> bool:
        """Whether any thread of a program has begun and not ended."""
        return any(task.state is not State.OFF for task in self.threads if task.address_space is not None)

    def release(self, core: Core) -> bool:
        """Let a core go, and let the others take over what it has to do; False if that cannot be at this moment."""
        tasks = [*([core.current] if core.current else []), *core.run_queue]
        if not core.movable or (len(self.cores) == 1 and tasks):
            return False
        self.cores.remove(core)
        core.subos, core.loaded, core.needs_switch = self.model.nobody, None, False
        if core.current is not None:
            self._take_over(core.lose_current(), core)
        while core.run_queue:
            self._take_over(core.take(core.run_queue), core)
        for task in self.tasks[:]:
            if task.of_its_core and task.last_core is core:
                task.change_owner(self.model.nobody)
                task.stand_still()
            elif not self.cores and not task.of_its_core:
                task.stand_still()
        if self.knobs.tick_period:
            self.model.events.cancel(core.timer.slot)
        return True

    def _take_over(self, task: Task, core: Core) -> None:
        """A task that was on `core` goes to another one."""
        task.state = State.READY
        to = self.core_for(task)
        task.vruntime += to.min_vruntime - core.min_vruntime
        to.accept(task)

    def adopt(self, core: Core) -> None:
        """Take a core that nobody owns: its timer and its kernel threads start, and it looks for work."""
        model = self.model
        self.cores.append(core)
        core.subos = self
        if self.knobs.tick_period:
            model.plan(core.timer, model.now + self.knobs.tick_period)
        for task in model.nobody.tasks[:]:
            if task.last_core is core:
                task.change_owner(self)
                task.begin(model.now)
        core.look_for_work()

    def start(self) -> None:
        """Let those of its threads begin that are not there, on its cores in turn."""
        for nth, task in enumerate(self.threads):
            if task.state is State.OFF:
                task.begin_anew(self.cores[nth % len(self.cores)])
        for queue in self.queues:
            queue.closed = False

    def end(self) -> bool:
        """End the threads of programs that hold no lock and are not in the kernel; whether none is left."""
        self.close_queues()
        for task in self.threads:
            if task.address_space is not None and task.state is not State.OFF and task.may_end:
                task.end()
        return not self.living

    @property
    def queues(self) -> list[RequestQueue]:
        """The queues whose parts its threads receive."""
        numbers = self.model.tables.queues_of(self.model.subsystems.index(self))
        return [self.model.objects[number] for number in numbers]

    def close_queues(self) -> None:
        """Lose the parts of requests that wait, and all that are sent later."""
        for queue in self.queues:
            queue.close()

    @property
    def busy_ticks(self) -> int:
        """Ticks for which its cores together had a task."""
        return sum(core.busy_ticks for core in self.cores)

    @property
    def utilisation(self) -> float:
        """Share of its cores' time in which they had a task."""
        available = self.model.now * len(self.cores)
        return self.busy_ticks / available if available else 0.0

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.cores)} cores, {len(self.tasks)} tasks>"


class FreePool(SubOS):
    """Cores that nobody owns, and the kernel threads that will serve them; runs nothing."""

    def __init__(self, model: MachineModel):
        super().__init__(model, "free pool", Domain(cores=()))
