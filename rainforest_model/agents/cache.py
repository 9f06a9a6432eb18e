"""Cache lines: who owns one, who shares it, what getting it costs, and how its users queue for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..tables import ATOMIC, BUSY, LOAD, OWN, STORE, Tables
from .invariants import InvariantViolation

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel


class Interconnect:
    """What it costs to move a line between two cores of the machine, in ticks.

    Attributes
    ----------
    read_occupancy : int
        Ticks for which a read keeps a line busy: the next request for it starts only then.
    """

    def __init__(self, tables: Tables):
        self.read_occupancy = tables.read_occupancy
        self._latency = tables.latency.tolist()
        self._distance = tables.distance.tolist()

    def transfer(self, source: Core, target: Core, use: int) -> int:
        """Ticks for `target` to get a line that `source` has modified; `use` is LOAD, STORE or ATOMIC (or BUSY)."""
        row = OWN if source is target else self._distance[source.socket][target.socket]
        return self._latency[row][use]


class CacheLine(mesa.Agent):
    """One line of memory that cores read and write.

    Attributes
    ----------
    owner : Core or None
        Who wrote it last.
    sharers : set of Core
        Who has a copy.
    busy_until : int
        Tick until which earlier requests keep it busy.
    version : int
        How often it has been written (what a sequence count counts).
    """

    def __init__(self, model: MachineModel, name: str):
        super().__init__(model)
        self.name = name
        self.owner: Core | None = None
        self.sharers: set[Core] = set()
        self.busy_until = 0
        self.version = 0

    def read(self, core: Core) -> int:
        """Ticks until `core` has read the line: nothing moves if it has a copy, else the owner sends one."""
        links = self.model.interconnect
        if core in self.sharers:
            return links.transfer(core, core, LOAD)
        queueing = self._queue(links.read_occupancy)
        self.sharers.add(core)
        return queueing + links.transfer(self.owner or core, core, LOAD)

    def write(self, core: Core, use: int = STORE) -> int:
        """Ticks until `core` has written the line, and all other copies are gone.

        The writer waits for the line, then for the farthest copy to be invalidated.
        """
        links = self.model.interconnect
        self.version += 1
        if self.owner is core and self.sharers == {core}:
            return links.transfer(core, core, use)
        queueing = self._queue(links.transfer(self.owner or core, core, BUSY))
        moves = [links.transfer(holder, core, use) for holder in self.sharers | {self.owner or core}]
        self.owner = core
        self.sharers = {core}
        return queueing + max(moves)

    def _queue(self, occupancy: int) -> int:
        """Ticks until the requests that came before are served; this one keeps the line busy after them."""
        now = self.model.now
        start = max(now, self.busy_until)
        self.busy_until = start + occupancy
        return start - now

    def check(self) -> None:
        """Raise `InvariantViolation` unless the owner is among the sharers."""
        if self.owner is not None and self.owner not in self.sharers:
            raise InvariantViolation(
                "OneOwner", f"{self.owner} owns line {self.name} without a copy of it", self.model.now
            )

    def __repr__(self) -> str:
        return f"<CacheLine {self.name}: {len(self.sharers)} copies, owner {self.owner}>"


__all__ = ["ATOMIC", "BUSY", "LOAD", "STORE", "CacheLine", "Interconnect"]
