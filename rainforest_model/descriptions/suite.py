"""A suite of measured programs: what was counted on one machine, and how it is carried over to another."""

from __future__ import annotations

import itertools
from typing import Literal

from pydantic import model_validator

from .footprint import Footprint
from .machine import Machine
from .parameter import Description, Frequency, Name, Parameter, Plain, Rate, Size, Time, misfit

LEAST_CPI = 0.25
"""No core that is meant here retires more than four instructions a cycle."""


def cpi_without_misses(ipc: float, mpki: float, overlap: float, extra_ns: float, clock_ghz: float) -> float:
    """Cycles of an instruction, without those for which it waits for memory.

    The measured ``1 / ipc`` is taken as ``cpi + mpki / 1000 * extra_ns * clock_ghz / overlap``.

    Parameters
    ----------
    ipc : float
        Instructions of a cycle, misses included.
    mpki, overlap : float
        Last-level cache misses of a thousand instructions, and how many are under way at a time.
    extra_ns : float
        By how much a miss takes longer than a hit.
    clock_ghz : float

    Examples
    --------
    An instruction of 4 cycles, of which one in 61 waits 70 ns, one and a half at a time:

    >>> round(cpi_without_misses(0.25, 16.3, 1.5, 70, 2.5), 2)
    2.1
    """
    return 1 / ipc - mpki / 1000 * extra_ns * clock_ghz / overlap


def latency_under_load(idle_ns: float, queueing: float, utilisation: float) -> float:
    """Latency of a memory that is busy for a share `utilisation` of the time.

    Examples
    --------
    >>> latency_under_load(90, 0.45, 0.5)
    130.5
    """
    return idle_ns * (1 + queueing * utilisation / (1 - utilisation))


class MeasuredOn(Description):
    """The machine of the measurement, as far as the counters depend on it.

    Attributes
    ----------
    threads : Parameter
        Threads of each run.
    clock : Parameter
        The frequency that counted cycles were divided by; what runs faster shows more busy cores than threads.
    all_busy : Parameter
        Busy cores that a run shows whose threads never wait.
    cache, cache_latency : Parameter
        Last-level cache of a socket, and a hit in it.
    memory_latency, bandwidth, queueing : Parameter
        Local memory when idle, what it sustains, and how its latency grows with its load.
    """

    threads: Plain
    clock: Frequency
    all_busy: Plain
    cache: Size
    cache_latency: Time
    memory_latency: Time
    bandwidth: Rate
    queueing: Plain

    @property
    def true_clock_ghz(self) -> float:
        """The clock at which it ran, by what all threads at work show."""
        return self.clock.plain() / 1e9 * self.all_busy.value / self.threads.value

    def extra_ns(self, traffic: float) -> float:
        """By how much a miss takes longer than a hit while `traffic` bytes/s are moved."""
        utilisation = min(0.95, traffic / self.bandwidth.plain())
        loaded = latency_under_load(self.memory_latency.ns(), self.queueing.plain(), utilisation)
        return loaded - self.cache_latency.ns()


class CarriedOver(Description):
    """Rules that turn what was measured into what is simulated.

    Attributes
    ----------
    older_core : Parameter
        Cycles of an instruction on the simulated core over those on the measured one, where nothing misses.
        Misses are not scaled: they follow the footprint's power law to whatever cache there is.
    """

    older_core: Plain


class Simulated(Description):
    """What no counter tells, and the simulation needs.

    Attributes
    ----------
    section : Parameter
        How long a thread holds the mutex of its process.
    evenness : Parameter
        Coefficient of variation of the bursts between barriers.
    """

    section: Time
    evenness: Plain


class Measured(Description):
    """One program of the suite.

    Attributes
    ----------
    title : str
    synchronisation : {"none", "atomic", "mutex", "condition", "barrier", "pipeline"}
        What its threads wait at for one another.
    sharing, working_set, exponent, compulsory, overlap, write_back
        As in `rainforest_model.descriptions.footprint.Footprint`.
    busy_cores : Parameter
        Cores at work on average, in the measurement's count.
    ipc, mpki, l2_mpki, bandwidth : Parameter
        Counted: instructions of a cycle, misses of a thousand instructions, bytes from and to memory a second.
    duration : Parameter
        Of a run on the machine of the measurement.
    waits : Parameter
        How often in a second a thread waits for others.
    mappings, faults : Parameter
        How often in a second a thread maps memory and unmaps it again, and takes a page fault.
    """

    title: str
    synchronisation: Literal["none", "atomic", "mutex", "condition", "barrier", "pipeline"]
    sharing: Literal["process", "thread"]
    busy_cores: Plain
    ipc: Plain
    mpki: Plain
    l2_mpki: Plain
    bandwidth: Rate
    working_set: Size
    exponent: Plain
    compulsory: Plain
    overlap: Plain
    write_back: Plain
    duration: Time
    waits: Frequency
    mappings: Frequency
    faults: Frequency

    @model_validator(mode="after")
    def _possible(self):
        for key in ("busy_cores", "ipc", "working_set", "duration"):
            if getattr(self, key).value <= 0:
                raise misfit((key, "value"), "must be above 0")
        if self.overlap.range[0] < 1:
            raise misfit("overlap", "at least one miss is under way at a time")
        if self.compulsory.value > self.mpki.value:
            raise misfit("compulsory", f"more than all misses ({self.mpki.value:g})")
        if self.faults.value < self.mappings.value:
            raise misfit("faults", "at least one page of each mapping is touched")
        return self


class Suite(Description):
    """Programs that were measured together.

    Attributes
    ----------
    id, title, source : str
    measured_on : MeasuredOn
    carried_over : CarriedOver
    simulated : Simulated
    programs : dict of str to Measured
    """

    kind: Literal["suite"]
    id: Name
    title: str
    source: str
    measured_on: MeasuredOn
    carried_over: CarriedOver
    simulated: Simulated
    programs: dict[Name, Measured]

    @model_validator(mode="after")
    def _accounted_for(self):
        for name, program in self.programs.items():
            if self._cpi(program) <= 0:
                raise misfit(("programs", name, "ipc"), "its misses alone take longer: ipc, mpki or overlap is wrong")
        return self

    def busy_share(self, name: str) -> float:
        """Share of the time for which a thread of the program computes."""
        return min(1.0, self.programs[name].busy_cores.value / self.measured_on.all_busy.value)

    def _cpi(self, program: Measured, **other: float) -> float:
        values = {key: getattr(program, key).value for key in ("ipc", "mpki", "overlap")} | other
        extra = self.measured_on.extra_ns(program.bandwidth.plain())
        return cpi_without_misses(**values, extra_ns=extra, clock_ghz=self.measured_on.true_clock_ghz)

    def cpi(self, name: str) -> Parameter:
        """Cycles of an instruction on the simulated core when nothing misses, with its range.

        The range takes every corner of those of IPC, misses, overlap and the factor for the core.
        """
        program, older = self.programs[name], self.carried_over.older_core
        corners = [
            older_core * self._cpi(program, ipc=ipc, mpki=mpki, overlap=overlap)
            for ipc, mpki, overlap, older_core in itertools.product(
                program.ipc.range, program.mpki.range, program.overlap.range, older.range
            )
        ]
        value = older.value * self._cpi(program)
        return Parameter(
            value=value, unit="ratio", range=(min(value, max(LEAST_CPI, min(corners))), max(corners)), basis="derived",
            source=f"(1 / ipc - mpki / 1000 * extra latency * clock / overlap) * older_core: {program.ipc.source}",
        )

    def footprint(self, name: str) -> Footprint:
        """What a thread of the program asks of caches and memory."""
        program = self.programs[name]
        same = ("mpki", "exponent", "working_set", "compulsory", "overlap", "write_back", "sharing")
        return Footprint(
            id=f"{self.id}.{name}", cpi=self.cpi(name), cache=self.measured_on.cache,
            **{key: getattr(program, key) for key in same},
        )

    def stretch(self, name: str, machine: Machine) -> float:
        """How much longer an instruction takes one thread alone on `machine` than it took in the measurement.

        What was measured holds the crowding of all threads there; on `machine` the simulation adds it.
        """
        program, footprint, memory = self.programs[name], self.footprint(name), machine.memory
        extra = memory.local_latency.ns(machine.clock_ghz) - memory.llc_latency.ns(machine.clock_ghz)
        misses = footprint.misses_with(memory.llc_per_socket.plain()) / 1000
        alone = footprint.cpi.plain() / machine.clock_ghz + misses * extra / program.overlap.plain()
        return alone * program.ipc.plain() * self.measured_on.true_clock_ghz

    def __repr__(self) -> str:
        return f"<Suite {self.id}: {len(self.programs)} programs>"
