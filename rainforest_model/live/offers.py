"""What can be watched: workloads, how much of each, and at what pace of simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..descriptions.parameter import Parameter
from ..descriptions.program import Program
from ..descriptions.scenario import Load
from ..errors import InputError
from ..workloads import memcached as mc
from ..workloads import workload
from ..workloads.search import search_loads

DEFAULT_MACHINE = "S-A"
INSTANCES = 6
"""OS instances of a microbenchmark, as in figure 6: 2 cores each of the 12 of S-A."""


@dataclass(frozen=True)
class Amount:
    """A number that the user chooses: what it counts, its bounds, and where it begins."""

    name: str
    unit: str
    low: float
    high: float
    value: float
    whole: bool = True

    def fitting(self, number: float) -> float:
        """The number, if it fits.

        Raises
        ------
        InputError
        """
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            raise InputError(f"must be {kind} in {self.low:g} .. {self.high:g} ({self.name})", key="load", value=number)
        return int(number) if self.whole else float(number)


@dataclass(frozen=True)
class Offer:
    """A workload that can be watched.

    Attributes
    ----------
    id, title : str
    load : Amount
    loads : callable
        From the load and the number of OS instances to the loads of a scenario.
    unit : {"us", "ms"}
        Of its latencies.
    window_us : float
        Length of a window of the tail chart: some hundred latencies end in it.
    pace_us : float
        Simulated time of a frame at first.
    instances : int
        OS instances at most, on a system that has them.
    machine : str, optional
        Instead of the smallest one with enough cores.
    cores : int
        Cores at first.
    costs : dict
        Path costs that belong to the workload.
    """

    id: str
    title: str
    load: Amount
    loads: Callable[[float, int], tuple[Load, ...]]
    unit: str
    window_us: float
    pace_us: float
    instances: int = INSTANCES
    machine: str | None = None
    cores: int = 12
    costs: dict[str, Parameter] = field(default_factory=dict)


def _shares(count: int, instances: int) -> list[tuple[int, int]]:
    """So many things shared out evenly: (instance, how many) of each that has any."""
    each, more = divmod(count, instances)
    return [(number, each + (number < more)) for number in range(instances) if each + (number < more)]


Loads = Callable[[float, int], tuple[Load, ...]]


def _processes(program: Program, pinned: bool = False) -> Loads:
    """Processes of one thread, shared out among the instances; one kernel has the same ones."""
    return lambda load, instances: tuple(
        Load(program=program, processes=count, partition=number, pinned=pinned)
        for number, count in _shares(int(load), instances)
    )


def _threads(program: Program) -> Loads:
    """A process in each instance, among which the threads are shared out."""
    return lambda load, instances: tuple(
        Load(program=program, threads=count, partition=number) for number, count in _shares(int(load), instances)
    )


def _micro(id: str, kind: Callable[[Program], Loads], name: str, window_us: float, pace_us: float) -> Offer:
    program = workload(id)
    return Offer(id, program.title, Amount(name, "in all", 1, 160, 12), kind(program), "us", window_us, pace_us)


def _search(id: str, title: str, back_ends: int) -> Offer:
    return Offer(
        id, title, Amount("requests", "a second", 1, 2000, 300, whole=False),
        lambda load, instances: search_loads(load, min(back_ends, instances)), "ms", 1e6, 5e4, instances=2,
    )


_OFFERS = {offer.id: offer for offer in (
    _micro("mmap", _processes, "processes", 1000, 200),
    _micro("malloc", _threads, "threads", 1000, 200),
    _micro("munmap", _threads, "threads", 10_000, 1000),
    _micro("open", _threads, "threads", 500, 100),
    _micro("page_fault", _threads, "threads", 500, 100),
    _micro("iozone_write", _threads, "threads", 5000, 500),
    _micro("netperf_tcp_crr", _threads, "threads", 10_000, 1000),
    _search("search", "Search in one OS instance; the other has cores to give", 1),
    _search("search_split", "Search on two back ends, each with half the index", 2),
    Offer(
        "memcached", mc.memcached.title.removeprefix("memcached: "), Amount("servers", "in all", 1, 40, 40), _processes(mc.memcached, pinned=True),
        "us", 10_000, 1000, instances=4, machine="S-B", cores=40, costs={"slab_line": mc.description().slab_line},
    ),
)}


def offers() -> list[Offer]:
    """All of them, in the order in which a page lists them.

    Examples
    --------
    >>> [offer.id for offer in offers()][:3]
    ['mmap', 'malloc', 'munmap']
    """
    return list(_OFFERS.values())


def offer(id: str) -> Offer:
    """The workload `id`.

    Raises
    ------
    InputError
        If it is not among those that can be watched.
    """
    if not isinstance(id, str) or id not in _OFFERS:
        raise InputError(f"no such workload here; known: {', '.join(_OFFERS)}", key="workload", value=id)
    return _OFFERS[id]
