"""The five causes of section 3.3, each as a change of a scenario that switches it off.

One principle decides what goes and what stays: *a program executes the same operations on data that nobody else
disturbs*.  Waiting for others, and what others do to one's lines, translations, core, cache and bandwidth, goes;
the uncontended price of each operation stays, and so does the random length of paths and of the program's own
computation, its sleep, and waiting in an application's own queues of requests.

Where two causes meet they are told apart as follows.

- A counter and the lock inside it, or a list and the lock around it, are two things: with locks off, the data are
  still one copy, whose line wanders; with software resources off, the lock around the private data is still one.
- A line that wanders is a shared resource *and* a coherence event: with either off, it costs what an own line does.
- What a sleeping lock costs beyond the wait (switches, wake-ups) is a lock's *and* the scheduler's.
- Cores are hardware capacity.  A task that waits because others use its core lacks capacity; what the kernel takes
  for ticks, switches, wake-ups, migrations and housekeeping is scheduling and timers.  The ticks themselves stay,
  without a price, since they end time slices.

Every change leaves all others possible, does nothing when repeated, and does not depend on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..descriptions.machine import MAX_CORES, Coherence, Transfer
from ..descriptions.parameter import Parameter
from ..descriptions.scenario import Load, Scenario
from ..descriptions.structure import Structure
from ..descriptions.system import Kernel, Partitioning, System
from ..errors import InputError
from ..lowering.placement import Placement

LOCKS = frozenset({"ticket_lock", "queue_lock", "mutex", "rwsem"})
DATA = frozenset({"percpu_counter", "sloppy_counter", "atomic", "locked_count", "percpu", "rcu", "seqlock", "line"})
PRICES = ("tick_cost", "context_switch", "wakeup", "idle_wakeup", "migration")
"""What a scheduler charges; its other knobs say whom it runs."""
PRIVATE = "core"


@dataclass(frozen=True)
class Cause:
    """One cause of a tail.

    Attributes
    ----------
    id, title : str
        Handle, and the words of section 3.3.
    without : callable
        Scenario to the same scenario with this cause switched off.
    """

    id: str
    title: str
    without: Callable[[Scenario], Scenario]


def switched_off(scenario: Scenario, causes: Iterable[Cause]) -> Scenario:
    """The scenario without these causes.

    Examples
    --------
    >>> from rainforest_model.simulation import scenario
    >>> off = switched_off(scenario("S-A", "linux-4.9.40", "mmap"), CAUSES)
    >>> off.all_structures["mmap_sem"], off.system.background
    (<Structure rwsem, one a core>, {})
    """
    for cause in causes:
        scenario = cause.without(scenario)
    return scenario


def together(id: str, title: str, causes: Sequence[Cause]) -> Cause:
    """Several causes as one, where only their sum is asked for: fewer subsets to run.

    Examples
    --------
    >>> together("sharing", "what is shared", [CAUSES[0], CAUSES[1], CAUSES[3]]).id
    'sharing'
    """
    return Cause(id, title, lambda scenario: switched_off(scenario, causes))


def _nothing(unit: str) -> Parameter:
    return Parameter(value=0, unit=unit, range=(0, 0), basis="derived", source="switched off, to see what it adds")


# --- (1) shared locks -------------------------------------------------------------------------------------


def without_shared_locks(scenario: Scenario) -> Scenario:
    """Every core takes a copy of its own of each lock, those inside counters and around TLB-flush slots included."""
    return _with_structures(scenario, _own_lock)


def _own_lock(s: Structure) -> Structure:
    if s.kind in LOCKS:
        return s.model_copy(update={"scope": PRIVATE, "copies": 1})
    if s.kind == "tlb":
        return s.model_copy(update={"slots": 0, "lock": None})
    return s if s.lock is None else s.model_copy(update={"lock_scope": PRIVATE})


# --- (2) shared software resources ------------------------------------------------------------------------


def without_shared_resources(scenario: Scenario) -> Scenario:
    """Every core has a copy of its own of each counter, reference count and piece of data; locks stay as they are."""
    return _with_structures(scenario, _own_data)


def _own_data(s: Structure) -> Structure:
    if s.kind not in DATA:
        return s
    keeps = {} if s.lock is None else {"lock_scope": s.lock_scope or s.scope}
    return s.model_copy(update={"scope": PRIVATE, "copies": 1, **keeps})


def _with_structures(scenario: Scenario, change: Callable[[Structure], Structure]) -> Scenario:
    known = scenario.all_structures
    changed = {name: new for name, s in known.items() if (new := change(s)) != s}
    return scenario.model_copy(update={"structures": {**scenario.structures, **changed}}) if changed else scenario


# --- (3) scheduling and timers ----------------------------------------------------------------------------


def without_scheduling(scenario: Scenario) -> Scenario:
    """Ticks, switches, wake-ups and migrations are free, and the kernel does no housekeeping of its own."""
    kernel, how = scenario.system.kernel, scenario.system.partitioning
    free = {name: _nothing(getattr(kernel.scheduler, name).unit) for name in PRICES}
    kept = {name: extra for name, extra in how.surcharges.items() if not name.startswith("scheduler.")}
    return _with_system(
        scenario, kernel.model_copy(update={"scheduler": kernel.scheduler.model_copy(update=free), "background": {}}),
        how.model_copy(update={"surcharges": kept, "background": {}}),
    )


def _with_system(scenario: Scenario, kernel: Kernel, partitioning: Partitioning) -> Scenario:
    return scenario.model_copy(update={"system": System(kernel=kernel, partitioning=partitioning)})


# --- (4) coherence and TLB events -------------------------------------------------------------------------


def without_coherence_events(scenario: Scenario) -> Scenario:
    """A line of anybody costs what an own one does, at once, and nobody's translations are flushed by another core."""
    found = _with_structures(scenario, _no_shootdown)
    machine = found.machine.model_copy(update={"coherence": _flat(found.machine.coherence)})
    return found.model_copy(update={"machine": machine})


def _flat(c: Coherence) -> Coherence:
    own = Transfer(load=c.own_load, store=c.own_store, atomic=c.own_atomic)
    return c.model_copy(update={
        "same_socket": own, "one_hop": own, "two_hops": own if c.two_hops is not None else None,
        "read_occupancy": _nothing("ns"), "write_occupancy": _nothing("ns"),
    })


def _no_shootdown(s: Structure) -> Structure:
    return s.model_copy(update={"scope": "core"}) if s.kind == "tlb" else s


# --- (5) limited hardware capacity ------------------------------------------------------------------------


def without_limited_capacity(scenario: Scenario) -> Scenario:
    """Every thread has a core to itself, with all of its socket's cache and bandwidth.

    Where threads are more than cores, each socket and each partition gets as many times the cores; the kernel goes
    by the old number (a counter's batch, a per-CPU list).

    Raises
    ------
    InputError
        If partitions of uneven shares would need more cores, or the machine more than the engines have room for.
    """
    loads = tuple(_unpressed(load) for load in scenario.loads)
    roomy = scenario if loads == scenario.loads else scenario.model_copy(update={"loads": loads})
    times = _shortage(scenario)
    return roomy if times == 1 else _with_cores(roomy, times)


def _unpressed(load: Load) -> Load:
    if load.program.footprint is None:
        return load
    return load.model_copy(update={"program": load.program.model_copy(update={"footprint": None})})


def _shortage(scenario: Scenario) -> int:
    """How many times the cores it takes for each thread of the fullest partition to have one."""
    where = Placement(scenario)
    threads = [0] * where.parts
    for load in scenario.loads:
        if load.place != "outside":
            for copy in load.copies(scenario.partitions):
                threads[copy if where.parts > 1 else 0] += load.processes * load.threads
    return max(1, *(-(-n // max(1, cores)) for n, cores in zip(threads, where.shares, strict=True)))


def _with_cores(scenario: Scenario, times: int) -> Scenario:
    if scenario.shares:
        raise InputError("causes are told apart where partitions have even shares", key="shares", value=scenario.shares)
    topology = scenario.machine.topology
    if topology.cores * times > MAX_CORES:
        raise InputError(
            f"a core for each thread makes {topology.cores * times} cores; the engines have room for {MAX_CORES}",
            key="loads",
        )
    kernel, cpus = scenario.system.kernel, Placement(scenario).cpus(0)
    known = Parameter(
        value=cpus, unit="count", range=(cpus, cpus), basis="derived", source="what the kernel saw before it got more"
    )
    more = topology.model_copy(update={"cores_per_socket": topology.cores_per_socket * times})
    found = scenario.model_copy(update={
        "machine": scenario.machine.model_copy(update={"topology": more}), "cores": scenario.cores * times,
    })
    # A kernel's constant stands before the number of CPUs that it finds.
    constants = {"cpus": known, **kernel.constants}
    return _with_system(found, kernel.model_copy(update={"constants": constants}), scenario.system.partitioning)


CAUSES = (
    Cause("locks", "shared locks", without_shared_locks),
    Cause("resources", "shared software resources", without_shared_resources),
    Cause("scheduling", "scheduling and timers", without_scheduling),
    Cause("coherence", "coherence and TLB events", without_coherence_events),
    Cause("capacity", "limited hardware capacity", without_limited_capacity),
)
"""The five, in the paper's order."""
