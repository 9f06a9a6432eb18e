"""A scenario: which programs run where, on which machine under which system, for how long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .machine import MAX_CORES, Machine
from .parameter import Description, Name, Parameter, Time, misfit
from .program import Program, time_ns
from .structure import Structure
from .system import System

MAX_TASKS = 4096


class Load(Description):
    """Threads that run one program.

    Attributes
    ----------
    program : Program
    processes : int
        Processes in each partition; each has an address space of its own.
    threads : int
        Threads of each process.
    place : {"partition", "outside"}
        ``outside``: clients on other machines, once, with nothing to contend for.
    pinned : bool
        Whether each thread keeps to one core.
    partition : int, optional
        The one partition that runs it, counted from 0; without a number each of them runs a copy.
    joins : int, optional
        Number of an earlier load, counted from 0, to whose processes these threads belong: they share its address
        space.  Without a number they have processes of their own.
    """

    program: Program
    processes: int = Field(default=1, ge=1, le=MAX_TASKS)
    threads: int = Field(default=1, ge=1, le=MAX_TASKS)
    place: Literal["partition", "outside"] = "partition"
    pinned: bool = False
    partition: int | None = Field(default=None, ge=0, lt=MAX_CORES)
    joins: int | None = Field(default=None, ge=0)

    def copies(self, partitions: int) -> range:
        """Numbers of its copies: outside it runs once, else in its partition, or in each."""
        if self.place == "outside":
            return range(1)
        return range(partitions) if self.partition is None else range(self.partition, self.partition + 1)

    def __repr__(self) -> str:
        return f"<Load {self.program.id}: {self.processes} x {self.threads} threads>"


class Scenario(Description):
    """Everything a run needs to know, and nothing of how it is run.

    Attributes
    ----------
    machine, system : Machine, System
    loads : tuple of Load
    cores : int
        Cores in use, the machine's first ones, socket after socket.
    partitions : int
        OS instances (or, on a system without partitions, copies of the load) among which the cores are
        divided evenly.
    shares : tuple of int
        Cores of each partition at the start, where they are not even: 0 for one that is created later. What is
        left of `cores` belongs to nobody yet.
    duration, warmup : str
        Simulated time, and how much of its beginning is not recorded.
    stagger : str
        Threads start at times uniform on 0 .. stagger, so that they do not march in step.
    structures, costs : dict
        Structures and path costs of the scenario's own, over those of the system.
    """

    machine: Machine
    system: System
    loads: tuple[Load, ...] = Field(min_length=1)
    cores: int = Field(ge=1, le=MAX_CORES)
    partitions: int = Field(default=1, ge=1, le=MAX_CORES)
    shares: tuple[int, ...] = ()
    duration: str = "20 ms"
    warmup: str = "1 ms"
    stagger: str = "20 us"
    structures: dict[Name, Structure] = {}
    costs: dict[Name, Time] = {}

    @model_validator(mode="after")
    def _fits(self):
        have = self.machine.topology.cores
        if self.cores > have:
            raise misfit("cores", f"machine {self.machine.id} has {have}")
        self._fit_shares()
        for key in ("duration", "warmup", "stagger"):
            try:
                time_ns(getattr(self, key))
            except ValueError as error:
                raise misfit(key, str(error)) from None
        if not time_ns(self.warmup) < time_ns(self.duration):
            raise misfit("warmup", f"must end before the duration of {self.duration.strip()}")
        for number, load in enumerate(self.loads):
            if load.partition is not None and load.partition >= self.partitions:
                reason = f"{load.partition}, but there are {self.partitions}, counted from 0"
                raise misfit(("loads", number, "partition"), reason)
        self._fit_joins()
        tasks = sum(load.processes * load.threads * len(load.copies(self.partitions)) for load in self.loads)
        if tasks > MAX_TASKS:
            raise misfit("loads", f"{tasks} threads; the engines have room for {MAX_TASKS}")
        return self

    def _fit_joins(self) -> None:
        for number, load in enumerate(self.loads):
            if load.joins is None:
                continue
            if load.joins >= number:
                raise misfit(("loads", number, "joins"), "must be the number of an earlier load")
            host = self.loads[load.joins]
            if (host.processes, host.place, host.partition) != (load.processes, load.place, load.partition):
                reason = f"load {load.joins} differs in processes, place or partition"
                raise misfit(("loads", number, "joins"), reason)

    def _fit_shares(self) -> None:
        if not self.shares:
            if self.cores % self.partitions:
                raise misfit("partitions", f"{self.cores} cores cannot be divided evenly among them")
            return
        if not self.system.partitioning.partitioned:
            raise misfit("shares", f"system {self.system.id} has no partitions")
        if len(self.shares) != self.partitions:
            raise misfit("shares", f"there are {self.partitions} partitions")
        if min(self.shares) < 0 or not 1 <= sum(self.shares) <= self.cores:
            raise misfit("shares", f"must be 0 or more, and 1 .. {self.cores} together")

    @property
    def all_structures(self) -> dict[str, Structure]:
        """The system's structures with the scenario's own laid over them."""
        return {**self.system.structures, **self.structures}

    @property
    def all_costs(self) -> dict[str, Parameter]:
        """The system's path costs, without surcharges, with the scenario's own laid over them."""
        return {**self.system.costs, **self.costs}

    def path_ns(self, name: str) -> float:
        """Uncontended time of a kernel path in nanoseconds.

        Raises
        ------
        KeyError
            If neither the scenario nor the system knows the path.
        """
        if name in self.costs:
            return self.costs[name].ns(self.machine.clock_ghz)
        return self.system.path_ns(name, self.machine.clock_ghz)

    def __repr__(self) -> str:
        names = ", ".join(load.program.id for load in self.loads)
        return (
            f"<Scenario {names} on {self.system.id}, {self.machine.id}: {self.cores} cores in "
            f"{self.partitions} parts, {self.duration}>"
        )
