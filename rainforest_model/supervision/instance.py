"""An OS instance as the supervisor knows it: its name, its partition, what it has, and how it is."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import mesa

from .ownership import BLOCK_BYTES

if TYPE_CHECKING:
    from .machine import ElasticMachine


class Phase(Enum):
    """How an OS instance is."""

    DORMANT = "dormant"
    BOOTING = "booting"
    RUNNING = "running"
    RESIZING = "resizing"
    STOPPING = "stopping"
    DESTROYED = "destroyed"
    FAILED = "failed"


ALIVE = (Phase.RUNNING, Phase.RESIZING)
"""Phases in which its threads run and its kernel answers."""


class Instance(mesa.Agent):
    """An OS instance: a subOS, a guest, or a container.

    Attributes
    ----------
    name : str
    domain : int
        Number of its partition in the engine.
    priority : int
        Who may preempt it: those of a higher one.
    state : Phase
    devices : tuple of str
        What it drives on its own.
    series : tuple of str
        Names of the latencies that its programs measure, the one of whole requests first.
    home : int or None
        Socket of its first core; None before it had one.
    begun : bool
        Whether its threads were ever started.
    """

    def __init__(
        self, model: ElasticMachine, name: str, domain: int, series: tuple[str, ...], devices: tuple[str, ...],
    ):
        super().__init__(model)
        self.name, self.domain = name, domain
        self.series, self.devices = series, devices
        self.priority = 0
        self.state = Phase.DORMANT
        self.begun = False
        self.home: int | None = None

    @property
    def alive(self) -> bool:
        """Whether its threads run and its kernel answers."""
        return self.state in ALIVE

    def move_into(self, other: Instance) -> None:
        """Be created in the partition of another instance next time."""
        self.domain, self.series, self.devices = other.domain, other.series, other.devices

    @property
    def gone(self) -> bool:
        """Whether its partition is there for another."""
        return self.state in (Phase.DORMANT, Phase.DESTROYED)

    @property
    def cores(self) -> tuple[int, ...]:
        """Its cores in the order in which it got them."""
        return self.model.ledger.cores_of(self.name)

    @property
    def blocks(self) -> int:
        """Its memory in blocks of `rainforest_model.supervision.ownership.BLOCK_BYTES`."""
        return self.model.ledger.blocks_of(self.name)

    @property
    def memory_gb(self) -> float:
        """Its memory in GB."""
        return self.blocks * BLOCK_BYTES / 2**30

    @property
    def communication_core(self) -> int | None:
        """The core that handles its messages; None without one."""
        return self.model.ficm.communication_cores.get(self.name)

    @property
    def answered(self) -> int:
        """Latencies of its first series so far, without those of the warm-up."""
        return self.model.answered(self.name)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.state.value}, {len(self.cores)} cores, {self.memory_gb:g} GB>"
