"""Caches and memory as everybody's neighbour: who runs where decides how fast each computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..tables import FULL_SPEED, Tables
from .states import State

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel
    from .task import Task


class MemorySystem(mesa.Agent):
    """The last-level caches and memory controllers together; watches which groups of threads run on which socket.

    Attributes
    ----------
    running : list of list of int
        For each socket how many threads of each group have a core there.
    slowdowns : list of list of int
        For each socket and group, in units of ``1 / FULL_SPEED``; those of the mix of the last event.
    """

    def __init__(self, model: MachineModel, tables: Tables):
        super().__init__(model)
        self.tables = tables
        sockets = range(len(tables.distance))
        self.running = [[0] * tables.groups for _ in sockets]
        self.slowdowns = [[FULL_SPEED] * tables.groups for _ in sockets]
        self._changed = False

    def starts(self, task: Task) -> None:
        """A task has got its core."""
        self._count(task, 1)
        task.slowdown = FULL_SPEED  # until the mix is settled, at the end of this event

    def stops(self, task: Task) -> None:
        """A task is about to lose its core."""
        self._count(task, -1)

    def _count(self, task: Task, change: int) -> None:
        if task.group is not None:
            self.running[task.core.socket][task.group] += change
            self._changed = True

    def settle(self) -> None:
        """Give every running task the speed of the present mix, and rescale what it has still to do."""
        if not self._changed:
            return
        self._changed = False
        self.slowdowns = self.tables.slowdowns(tuple(map(tuple, self.running)))
        for core in self.model.machine_cores:
            task = core.current
            if task is not None and task.group is not None:
                self._rescale(core, task, self.slowdowns[core.socket][task.group])

    def _rescale(self, core: Core, task: Task, new: int) -> None:
        old, task.slowdown = task.slowdown, new
        if new == old or task.state is not State.RUNNING:
            return
        events = self.model.events
        left = events.time_of(task.slot) - core.free_at
        if left > 0:
            self.model.plan(task, core.free_at + int(left * (new / old) + 0.5))

    def __repr__(self) -> str:
        return f"<MemorySystem: running {self.running}>"
