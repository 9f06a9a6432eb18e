"""What one machine runs: a system, a workload, how much of it, on how many cores."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from ..descriptions import load as shipped
from ..descriptions.machine import MAX_CORES, Machine
from ..descriptions.parameter import Description, Name, misfit
from ..descriptions.read import validated
from ..descriptions.scenario import Scenario
from ..descriptions.system import System
from ..errors import InputError
from .offers import DEFAULT_MACHINE, Offer, offer

LONGEST_WINDOWS = 2000
"""A run is as long as so many points of its chart, so that its link can be replayed in a minute."""


class Configuration(Description):
    """A machine before it runs.

    Attributes
    ----------
    system, workload : str
        Ids; a user's own system is the path of its file.
    load : float
        How much of the workload: processes, threads, requests a second.
    cores : int
    machine : str
        By default that of the workload, else the smallest one with enough cores.
    shares : tuple of int
        Cores of each OS instance at the start; by default they are shared out evenly.
    seed : int

    Examples
    --------
    >>> Configuration(system="rainforest", workload="mmap", load=12, cores=12).scenario()
    <Scenario mmap, mmap, mmap, mmap, mmap, mmap on rainforest, S-A: 12 cores in 6 parts, 2 s>
    """

    system: Name
    workload: Name
    load: float = Field(gt=0)
    cores: int = Field(ge=1, le=MAX_CORES)
    machine: str = ""
    shares: tuple[int, ...] = Field(default=(), max_length=MAX_CORES)
    seed: int = Field(default=1, ge=0, lt=2**63)

    @field_validator("system")
    @classmethod
    def _shipped_system(cls, id):
        if id not in shipped.systems():
            raise ValueError(f"no such system; known: {', '.join(shipped.systems())}")
        return id

    @field_validator("machine")
    @classmethod
    def _shipped_machine(cls, id):
        if id and id not in shipped.machines():
            raise ValueError(f"no such machine; known: {', '.join(shipped.machines())}")
        return id

    @model_validator(mode="after")
    def _offered(self):
        for key, check in (("workload", lambda: self.offer), ("load", lambda: self.offer.load.fitting(self.load)),
                           ("cores", lambda: self.described_machine)):
            try:
                check()
            except InputError as error:
                raise misfit(key, error.reason) from None
        return self

    @property
    def offer(self) -> Offer:
        """Its workload."""
        return offer(self.workload)

    @property
    def described_system(self) -> System:
        """Its system."""
        return shipped.system(self.system)

    @property
    def described_machine(self) -> Machine:
        """Its machine: the named one, the workload's, or the smallest with enough cores."""
        named = self.machine or self.offer.machine
        known = [shipped.machine(id) for id in ([named] if named else [DEFAULT_MACHINE, *shipped.machines()])]
        for machine in known:
            if machine.topology.cores >= self.cores:
                return machine
        largest = max(known, key=lambda machine: machine.topology.cores)
        raise InputError(f"machine {largest.id} has {largest.topology.cores}", key="cores", value=self.cores)

    @property
    def instances(self) -> int:
        """OS instances (on plain Linux: parts of the load): they divide the cores, and sockets if they can."""
        if self.shares:
            return len(self.shares)
        socket = self.described_machine.topology.cores_per_socket
        fitting = [n for n in range(1, self.offer.instances + 1) if self.cores % n == 0]
        inside = [n for n in fitting if socket % (self.cores // n) == 0]
        return max(inside or fitting)

    def scenario(self) -> Scenario:
        """What is simulated.

        Raises
        ------
        InputError
            If shares, cores and load do not fit together.
        """
        offered = self.offer
        return validated(Scenario, {
            "machine": self.described_machine, "system": self.described_system, "cores": self.cores,
            "partitions": self.instances, "shares": self.shares, "costs": offered.costs,
            "loads": offered.loads(offered.load.fitting(self.load), self.instances),
            "duration": f"{LONGEST_WINDOWS * offered.window_us / 1e6:g} s", "warmup": "0 s",
        })


def configuration(**values) -> Configuration:
    """A checked configuration.

    Raises
    ------
    InputError
        Naming what does not fit.
    """
    return validated(Configuration, values)
