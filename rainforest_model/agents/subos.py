"""A set of cores under one scheduler: a subOS, a container, a guest, or the whole machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..tables import Domain

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel
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
        """The core for a woken task: its last one if idle, else an idle one, near first, else its last."""
        last = task.last_core
        if task.pinned or last.idle:
            return last
        idle = [core for core in self.cores if core.idle]
        near = [core for core in idle if core.socket == last.socket]
        return (near or idle or [last])[0]

    def busiest_core(self) -> Core | None:
        """The core with the longest run queue that holds a task which may move (ties: the first); None if none does."""
        holding = [core for core in self.cores if any(not task.pinned for task in core.run_queue)]
        return max(holding, key=lambda core: len(core.run_queue), default=None)

    @property
    def roaming(self) -> bool:
        """Whether it has tasks that may move between its cores."""
        return any(not task.pinned for task in self.tasks)

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
