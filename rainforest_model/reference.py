"""Textbook scenarios on an ideal machine: what theory can answer, and what the benchmark measures.

The machine's lines cost nothing to move, or one stated time; its kernel has no ticks, no background work
and no variation, so that nothing happens but what the program says.
"""

from __future__ import annotations

from .descriptions.machine import Coherence, Interrupt, Machine, Memory, Tlb, Topology, Transfer
from .descriptions.parameter import Parameter
from .descriptions.program import (
    compute,
    constant,
    exponential,
    lock,
    lognormal,
    measure,
    program,
    receive,
    send,
    sleep,
    unlock,
)
from .descriptions.scenario import Load, Scenario
from .descriptions.structure import Structure
from .descriptions.system import Kernel, Partitioning, Scheduler, System

_SOURCE = "an ideal machine, by definition"


def _ns(value: float) -> Parameter:
    return Parameter(value=value, unit="ns", range=(value, value), basis="derived", source=_SOURCE)


def _number(value: float, unit: str) -> Parameter:
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source=_SOURCE)


def ideal_machine(cores: int, transfer_ns: float = 0.0, occupancy_ns: float = 0.0) -> Machine:
    """A machine of one socket on which only the hand-over of a line costs time.

    Parameters
    ----------
    cores : int
    transfer_ns : float
        Load of a line that another core has written.
    occupancy_ns : float
        Time for which each re-read keeps the line busy (what makes ticket locks collapse).

    Examples
    --------
    >>> ideal_machine(4)
    <Machine ideal: 1 sockets x 4 cores, 1 GHz>
    """
    free = _ns(0)
    away = Transfer(load=_ns(transfer_ns), store=free, atomic=free)
    return Machine(
        kind="machine", id="ideal", title="ideal machine", source=_SOURCE,
        topology=Topology(sockets=1, cores_per_socket=cores, clock=_number(1, "GHz")),
        coherence=Coherence(
            own_load=free, own_store=free, own_atomic=free, same_socket=away, one_hop=away,
            read_occupancy=_ns(occupancy_ns), write_occupancy=free,
        ),
        memory=Memory(
            capacity=_number(1, "GB"), llc_per_socket=_number(1, "MB"), l1_latency=free, l2_latency=free,
            llc_latency=free, local_latency=free, remote_latency=free, socket_bandwidth=_number(1, "GB/s"),
            core_bandwidth=_number(1, "GB/s"), link_bandwidth=_number(1, "GB/s"), queueing=_number(0, "ratio"),
        ),
        interrupt=Interrupt(send=free, deliver=free, entry=free),
        tlb=Tlb(entries=_number(1, "count"), full_flush=free, single_page=free, refill=free),
    )


def bare_system(context_switch_ns: float = 0.0) -> System:
    """A kernel without ticks or background work on an undivided machine."""
    free, knob = _ns(0), _number(5, "ms")
    scheduler = Scheduler(
        latency=knob, min_granularity=knob, wakeup_granularity=knob, tick_period=free, tick_cost=free,
        context_switch=_ns(context_switch_ns), wakeup=free, idle_wakeup=free, migration=free,
    )
    kernel = Kernel(
        kind="kernel", id="bare", title="bare kernel", released=2026, source=_SOURCE,
        path_variation=_number(0, "ratio"), scheduler=scheduler, costs={}, structures={},
    )
    whole = Partitioning(
        kind="partitioning", id="whole", title="undivided", source=_SOURCE, kernels="one", partitioned=False,
        memory="any", instance_name="kernel", default_kernel="bare",
    )
    return System(kernel=kernel, partitioning=whole)


def closed_lock(
    cores: int, think_us: float = 2.0, hold_us: float = 0.3, transfer_ns: float = 100.0,
    kind: str = "queue_lock", occupancy_ns: float = 0.0, duration: str = "20 ms",
) -> Scenario:
    """`cores` threads, one a core, think and then hold one first-come first-served lock.

    With `kind` = ``"queue_lock"`` a hand-over to a waiter takes `transfer_ns`; with ``"ticket_lock"``
    it takes `transfer_ns` and `occupancy_ns` for each waiter served before.

    Examples
    --------
    >>> closed_lock(12)
    <Scenario closed_lock on bare, ideal: 12 cores in 1 parts, 20 ms>
    """
    loop = program(
        "closed_lock",
        compute(exponential(f"{think_us} us"), name="think"),
        measure("response", lock("lock"), compute(exponential(f"{hold_us} us"), name="hold"), unlock("lock")),
        title="think, then hold a first-come first-served lock",
    )
    return Scenario(
        machine=ideal_machine(cores, transfer_ns, occupancy_ns), system=bare_system(),
        loads=(Load(program=loop, threads=cores, pinned=True),), cores=cores,
        structures={"lock": Structure(kind=kind, scope="machine", source=_SOURCE)},
        duration=duration, stagger="10 us",
    )


def open_queue(
    servers: int, interarrival: str, duration: str = "20 s", **service_time
) -> Scenario:
    """Poisson arrivals at `servers` servers with one queue.

    Parameters
    ----------
    interarrival : str
        Mean time between arrivals.
    service_time : keyword arguments
        ``mean`` and ``cv`` of a lognormal service; without ``cv`` an exponential one; ``constant``.

    Examples
    --------
    >>> open_queue(12, "2381 us", mean="20 ms", cv=0.8).cores
    12
    """
    if "constant" in service_time:
        time = constant(service_time["constant"])
    elif "cv" in service_time:
        time = lognormal(service_time["mean"], service_time["cv"])
    else:
        time = exponential(service_time["mean"])
    source = program("source", sleep(exponential(interarrival), name="interarrival"), send("requests"))
    server = program("server", measure("sojourn", receive("requests"), compute(time, name="service")))
    return Scenario(
        machine=ideal_machine(servers), system=bare_system(),
        loads=(Load(program=source, place="outside"), Load(program=server, threads=servers, pinned=True)),
        cores=servers, duration=duration, warmup="500 ms", stagger="1 us",
    )
