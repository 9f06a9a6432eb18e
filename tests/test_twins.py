"""The compiled engine and the Mesa model mean the same: one trace, event for event, and one outcome."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import pytest

from rainforest_model import opcodes
from rainforest_model.agents import MachineModel, model, task
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.machine import Coherence, Interrupt, Machine, Tlb, Topology, Transfer
from rainforest_model.descriptions.parameter import Parameter
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import SCOPES, Structure
from rainforest_model.descriptions.system import Background, Kernel, Partitioning, Scheduler, System
from rainforest_model.engine import loop
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.lowering import lower
from rainforest_model.outcome import StopReason
from rainforest_model.reference import bare_system, closed_lock, ideal_machine, open_queue
from rainforest_model.tables import Tables
from rainforest_model.workloads import workloads

FOREVER = 10**13  # 100 s


def assert_twins(tables: Tables, events: int, until: int = FOREVER, warmup: int = 0) -> StopReason:
    """Run both engines for about so many events, or to `until`, and compare all that can be compared."""
    probe = CompiledEngine(tables, trace=events)
    if probe.run(until) is StopReason.TRACE_FULL:
        until = probe.now - 1  # at every earlier tick all events have room
    engine = CompiledEngine(tables, warmup=warmup, trace=events)
    twin = MachineModel(tables, warmup=warmup, trace=True, checked=True)
    reason = engine.run(until)
    assert twin.run(until) is reason
    assert twin.culprit() == engine.culprit()
    assert_same_trace(engine.trace(), twin.trace(), tables)
    ours, theirs = twin.outcome(), engine.outcome()
    np.testing.assert_array_equal(ours.counts, theirs.counts)
    np.testing.assert_array_equal(ours.moments, theirs.moments)  # bit for bit
    np.testing.assert_array_equal(ours.busy, theirs.busy)
    assert (ours.now, ours.events) == (theirs.now, theirs.events)
    return reason


def assert_same_trace(engine: np.ndarray, twin: np.ndarray, tables: Tables) -> None:
    """Like `assert_array_equal`, but says where the two part and what they were about to do."""
    common = min(len(engine), len(twin))
    apart = np.flatnonzero((engine[:common] != twin[:common]).any(axis=1))
    if not len(apart) and len(engine) == len(twin):
        return
    first = int(apart[0]) if len(apart) else common

    def lines(trace):
        for time, slot, number in trace[max(0, first - 3):first + 2].tolist():
            name = tables.tasks[slot].name if slot < len(tables.tasks) else f"slot {slot}"
            yield f"    {time} {name} {tables.labels[number] if number >= 0 else 'interrupt'}"

    text = "\n".join(["  engine", *lines(engine), "  twin", *lines(twin)])
    pytest.fail(f"the traces part at event {first} of {len(engine)} and {len(twin)}:\n{text}")


# --- textbook scenarios -----------------------------------------------------------------------------------

REFERENCE = {
    "queue lock": closed_lock(12),
    "queue lock, one core": closed_lock(1),
    "queue lock, saturated": closed_lock(48, think_us=1),
    "ticket lock": closed_lock(12, kind="ticket_lock", occupancy_ns=30),
    "ticket lock, collapsed": closed_lock(48, kind="ticket_lock", occupancy_ns=30),
    "mutex": closed_lock(6, kind="mutex", duration="50 ms"),
    "rwsem": closed_lock(6, kind="rwsem", duration="50 ms"),
    "open queue, exponential": open_queue(3, "8 ms", mean="20 ms"),
    "open queue, lognormal": open_queue(12, "2381 us", mean="20 ms", cv=0.8),
    "open queue, constant": open_queue(2, "11 ms", constant="20 ms"),
}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("seed", [1, 2])
def test_reference_scenarios(name, seed):
    tables = lower(REFERENCE[name], seed)
    assert assert_twins(tables, events=5000, warmup=10**6) is StopReason.REACHED


def test_a_full_queue_stops_both():
    assert assert_twins(lower(open_queue(1, "1 us", constant="1 s")), events=10_000) is StopReason.QUEUE_FULL


def one_program(*ops, cores=2, structures=None, **load_options) -> Scenario:
    """Threads that do one thing on an ideal machine."""
    return Scenario(
        machine=ideal_machine(cores), system=bare_system(), cores=cores, stagger="0 ns",
        loads=(Load(program=pg.program("program", *ops), **load_options),),
        structures={
            name: Structure(source="a test", scope="machine", kind=kind)
            for name, kind in (structures or {}).items()
        },
    )


def test_a_program_that_costs_nothing_stops_both():
    free = one_program(pg.lock("lock"), pg.unlock("lock"), structures={"lock": "queue_lock"}, pinned=True)
    assert assert_twins(lower(free), events=10) is StopReason.LIVELOCK


def test_waiting_for_ever_stops_both():
    assert assert_twins(lower(one_program(pg.receive("never"))), events=10) is StopReason.DEADLOCK


def test_two_locks_in_two_orders_stop_both():
    hold, think = pg.compute(pg.constant("1 us")), pg.compute(pg.exponential("1 us"))
    one = pg.program("one", think, pg.lock("a"), hold, pg.lock("b"), pg.unlock("a"), pg.unlock("b"))
    two = pg.program("two", think, pg.lock("b"), hold, pg.lock("a"), pg.unlock("a"), pg.unlock("b"))
    for kind in ("queue_lock", "ticket_lock", "mutex", "rwsem"):
        scenario = one_program(think, structures={"a": kind, "b": kind}).model_copy(
            update={"loads": (Load(program=one), Load(program=two))}
        )
        assert assert_twins(lower(scenario), events=5000) is StopReason.DEADLOCK


def test_a_woken_task_tries_for_the_mutex_that_it_slept_for():
    """It may wake on another core than it slept on, where a mutex of scope "core" has another copy."""
    never = pg.receive("never")
    holder = pg.program(
        "holder", pg.lock("m"), pg.sleep(pg.constant("10 us")), pg.unlock("m"),
        pg.compute(pg.constant("1 us")), never,
    )
    other = pg.program(
        "other", pg.sleep(pg.constant("1 us")),
        pg.measure("wait", pg.lock("m"), pg.compute(pg.constant("100 ns")), pg.unlock("m")), never,
    )
    scenario = one_program(never).model_copy(
        update={
            "loads": (Load(program=holder), Load(program=other, threads=4)),
            "structures": {"m": Structure(kind="mutex", scope="core", source="a test")},
        }
    )
    tables = lower(scenario)
    assert assert_twins(tables, events=1000) is StopReason.DEADLOCK  # all have done their round
    engine = CompiledEngine(tables)
    engine.run(10**8)
    assert engine.outcome().moments[0, 0] == 4  # and nobody was left asleep at a free mutex


def test_readers_of_a_sequence_count_retry():
    reader = pg.program("reader", pg.read("data"), pg.compute(pg.exponential("300 ns")))
    writer = pg.program("writer", pg.touch("data"), pg.compute(pg.exponential("300 ns")))
    scenario = one_program(pg.read("data"), cores=6, structures={"data": "seqlock"}).model_copy(
        update={
            "machine": ideal_machine(6, transfer_ns=500, occupancy_ns=50),
            "loads": (Load(program=reader, threads=4), Load(program=writer, threads=2)),
        }
    )
    tables = lower(scenario)
    assert_twins(tables, events=4000)
    twin = MachineModel(tables, trace=True)
    twin.run(10**7)
    trace = twin.trace()
    first_reader = tables.ops[trace[trace[:, 1] == 0, 2], 0]
    retries = (first_reader[:-1] == opcodes.SEQ_RETRY) & (first_reader[1:] == opcodes.SEQ_BEGIN)
    assert retries.sum() > 10


@pytest.mark.parametrize("kind", ["mutex", "rwsem"])
def test_optimistic_waiters_spin(kind):
    body = pg.syscall("call", pg.lock("lock"), pg.compute(pg.exponential("1 us")), pg.unlock("lock"))
    optimistic = Structure(kind=kind, scope="machine", waiting="optimistic", source="a test")
    free = dict.fromkeys(("syscall_enter", "syscall_exit"), number(10))
    scenario = one_program(body, pg.compute(pg.exponential("2 us")), cores=6, threads=8).model_copy(
        update={"structures": {"lock": optimistic}, "costs": free}
    )
    assert assert_twins(lower(scenario), events=4000) is StopReason.REACHED


def test_the_limits_are_the_same():
    assert task.MAX_INSTANT_OPERATIONS == loop.MAX_INSTANT_OPS
    assert model.MAX_INSTANT_EVENTS == loop.MAX_INSTANT_EVENTS


# --- everything that is shipped ---------------------------------------------------------------------------

PLACEMENTS = {
    "two threads a process": {"threads": 2},
    "two threads, pinned": {"threads": 2, "pinned": True},
    "more threads than cores": {"processes": 2, "threads": 3},
}
# What the textbook programs name and no system has.
TEXTBOOK = {"lock": Structure(kind="queue_lock", scope="machine", source="Boyd-Wickizer et al., OLS 2012")}
PARTNERS = {"queue_source": "queue_server", "queue_server": "queue_source"}


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("workload", list(workloads()))
@pytest.mark.parametrize("system", load.systems())
def test_shipped_workloads_on_shipped_systems(system, workload, placement):
    programs = [workloads()[id] for id in (workload, PARTNERS.get(workload)) if id]
    scenario = Scenario(
        machine=load.machine("S-A"), system=load.system(system), cores=12, partitions=6, structures=TEXTBOOK,
        loads=tuple(Load(program=program, **PLACEMENTS[placement]) for program in programs),
    )
    assert assert_twins(lower(scenario), events=3000) is StopReason.REACHED


# --- random programs on random machines -------------------------------------------------------------------

SOURCE = "drawn by lot"


def number(value: float, unit: str = "ns") -> Parameter:
    """A parameter of this value."""
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source=SOURCE)


@dataclass(frozen=True)
class Where:
    """Where in a program an operation stands: what is held around it, and so on."""

    held: tuple[str, ...] = ()
    spinning: bool = False
    kernel: bool = False
    measuring: bool = False


class Lot:
    """Draws a scenario: everything that a description can say is drawn from one generator."""

    LOCKS = ("ticket_lock", "queue_lock", "mutex", "rwsem", "absent")
    COUNTERS = ("percpu_counter", "atomic", "absent")
    REFERENCES = ("atomic", "percpu", "rcu", "locked_count", "sloppy_counter", "absent")
    DATA = ("line", "atomic", "percpu", "seqlock", "absent")
    PATHS = ("path0", "path1", "path2")

    def __init__(self, seed: int):
        self.rng = rng = random.Random(seed)
        self.orderly = rng.random() < 0.7  # locks are taken in one order, so that nobody deadlocks
        self.structures = self.draw_structures()

    def ns(self, high: float) -> Parameter:
        """A cost, often 0."""
        rng = self.rng
        return number(rng.choice([0.0, float(rng.randrange(1, int(high) + 1)), rng.uniform(0.01, high)]))

    def time(self, high_us: float) -> pg.Duration:
        """A duration of a program, at least 20 ns in the mean."""
        mean = f"{self.rng.uniform(0.02, high_us):.3f} us"
        cv = self.rng.uniform(0.1, 2.0)
        return self.rng.choice(
            [pg.constant(mean), pg.exponential(mean), pg.uniform(mean), pg.lognormal(mean, cv)]
        )

    # --- where it runs ------------------------------------------------------------------------------------

    def machine(self) -> Machine:
        rng = self.rng
        sockets = rng.randint(1, 4)
        hops = [[0] * sockets for _ in range(sockets)]
        for a in range(sockets):
            for b in range(a):
                hops[a][b] = hops[b][a] = rng.randint(1, 2)
        transfer = [
            Transfer(load=self.ns(300), store=self.ns(300), atomic=self.ns(300)) for _ in range(3)
        ]
        return Machine(
            kind="machine", id="lot", title="a machine", source=SOURCE,
            topology=Topology(
                sockets=sockets, cores_per_socket=rng.randint(1, 3), clock=number(2.4, "GHz"), hops=hops
            ),
            coherence=Coherence(
                own_load=self.ns(5), own_store=self.ns(5), own_atomic=self.ns(30),
                same_socket=transfer[0], one_hop=transfer[1], two_hops=transfer[2],
                read_occupancy=self.ns(60), write_occupancy=self.ns(60),
            ),
            memory=load.machine("S-A").memory,
            interrupt=Interrupt(send=self.ns(300), deliver=self.ns(1000), entry=self.ns(1500)),
            tlb=Tlb(
                entries=number(64, "count"), full_flush=self.ns(200), single_page=self.ns(90),
                refill=self.ns(900),
            ),
        )

    def system(self) -> System:
        rng = self.rng
        ticks = rng.random() < 0.7
        scheduler = Scheduler(
            latency=number(rng.uniform(1, 60), "us"), min_granularity=number(rng.uniform(0.5, 10), "us"),
            wakeup_granularity=self.ns(10_000), tick_period=number(rng.uniform(1, 30) if ticks else 0, "us"),
            tick_cost=self.ns(600), context_switch=self.ns(1500), wakeup=self.ns(600),
            idle_wakeup=self.ns(1500), migration=self.ns(5000),
        )
        background = {
            f"daemon{i}": Background(
                per=rng.choice(["core", "instance"]), period=number(rng.uniform(2, 40), "us"),
                work=number(rng.uniform(1, 4000)),
            )
            for i in range(rng.choice([0, 0, 1, 2]))
        }
        costs = {
            name: self.ns(300) for name in (
                "syscall_enter", "syscall_exit", "fault_enter", "fault_exit", "counter_fold", "counter_local",
                "count_section", "reference_local", "rcu_read", "flush_hypercall", *self.PATHS,
            )
        }
        return System(
            kernel=Kernel(
                kind="kernel", id="lot", title="a kernel", released=2026, source=SOURCE, scheduler=scheduler,
                path_variation=number(rng.choice([0, 0.1, 0.5]), "ratio"), costs=costs,
                structures=self.structures, background=background,
            ),
            partitioning=Partitioning(
                kind="partitioning", id="lot", title="a partitioning", source=SOURCE,
                kernels=rng.choice(["one", "each"]), partitioned=rng.random() < 0.5, memory="any",
                instance_name="instance", default_kernel="lot",
            ),
        )

    def structure(self, kind: str) -> Structure:
        rng = self.rng
        own_lock = kind in ("percpu_counter", "locked_count", "tlb")
        scopes = SCOPES[2:] if kind in ("percpu_counter", "tlb") else SCOPES
        slots = rng.choice([0, 1, 2, 8]) if kind == "tlb" else 0
        return Structure(
            kind=kind, scope=rng.choice(scopes), source=SOURCE,
            lock=rng.choice(["ticket", "queue"]) if own_lock and (kind != "tlb" or slots) else None,
            waiting=rng.choice(["sleep", "optimistic"]) if kind in ("mutex", "rwsem") else "sleep",
            interrupts_off=kind != "tlb" and rng.random() < 0.3,
            batch=str(rng.randint(1, 6)) if kind in ("percpu_counter", "sloppy_counter") else None,
            slots=slots, pages_per_flush=8 if kind == "tlb" else None,
            single_page_limit=rng.choice([0, 2]) if kind == "tlb" else 0,
        )

    def draw_structures(self) -> dict[str, Structure]:
        rng = self.rng
        return {
            **{f"lock{i}": self.structure(rng.choice(self.LOCKS)) for i in range(4)},
            **{f"rw{i}": self.structure(rng.choice(["rwsem", "rwsem", "absent"])) for i in range(2)},
            **{f"count{i}": self.structure(rng.choice(self.COUNTERS)) for i in range(2)},
            **{f"reference{i}": self.structure(rng.choice(self.REFERENCES)) for i in range(3)},
            **{f"data{i}": self.structure(rng.choice(self.DATA)) for i in range(3)},
            "tlb": self.structure("tlb"),
        }

    # --- what it does -------------------------------------------------------------------------------------

    def program(self, id: str) -> pg.Program:
        ops = [*self.block(3, Where()), pg.compute(self.time(5), name="think")]
        return pg.program(id, *ops)

    def block(self, depth: int, where: Where) -> list:
        return [op for _ in range(self.rng.randint(1, 4)) for op in self.ops(depth, where)]

    def ops(self, depth: int, where: Where) -> list:
        """One or several operations that belong together."""
        rng, spinning = self.rng, where.spinning
        draws = {"compute": 3, "path": 2, "count": 2, "reference": 2, "data": 3, "send": 0.5}
        if depth > 0:
            draws |= {"critical": 6, "crossed": 2, "syscall": 4, "loop": 2}
            draws["measure"] = 2 * (not where.measuring)
        if not spinning:
            draws |= {"sleep": 1, "receive": 0.3, "flush": 4 * where.kernel}
        match rng.choices(list(draws), list(draws.values()))[0]:
            case "compute":
                name = rng.choice([None, "work"])
                return [pg.compute(self.time(3), times=rng.choice([1, 1, 2]), name=name)]
            case "path":
                return [pg.compute(rng.choice(self.PATHS), times=rng.choice([1, 1, 3]))]
            case "count":
                return [pg.count(f"count{rng.randrange(2)}", rng.choice([-3, -1, 1, 3]))]
            case "reference":
                return [rng.choice([pg.get, pg.put])(f"reference{rng.randrange(3)}")]
            case "data":
                return [rng.choice([pg.read, pg.read, pg.touch])(f"data{rng.randrange(3)}")]
            case "critical":
                return self.critical(depth, where)
            case "crossed":
                return self.critical(depth, where, crossed=True)
            case "syscall":
                body = self.block(depth - 1, replace(where, kernel=True))
                return [rng.choice([pg.syscall("call", *body), pg.fault(*body)])]
            case "loop":
                body = self.block(depth - 1, where)
                return [rng.choice([pg.repeat, pg.every])(rng.randint(1, 4), *body)]
            case "measure":
                body = self.block(depth - 1, replace(where, measuring=True))
                return [pg.measure(f"series{rng.randrange(3)}", *body)]
            case "flush":
                return [pg.flush_tlb("tlb", rng.randint(1, 4))]
            case "sleep":
                return [pg.sleep(self.time(20))]
            case "send":
                return [pg.send(f"queue{rng.randrange(2)}")]
            case "receive":
                return [pg.receive(f"queue{rng.randrange(2)}")]

    def critical(self, depth: int, where: Where, crossed: bool = False) -> list:
        """A critical section; `crossed`: of two locks of which the first is released first."""
        first = self.take(where)
        if first is None:
            return [pg.compute(self.time(1))]
        acquire, name, inside = first
        body = self.block(depth - 1, inside)
        second = self.take(inside) if crossed else None
        if second is None:
            return [acquire, *body, pg.unlock(name)]
        acquire_2, name_2, both = second
        inner = self.block(depth - 1, both)
        spins_2 = self.structures[name_2].kind.endswith("_lock")
        rest = replace(where, held=(*where.held, name_2), spinning=where.spinning or spins_2)
        outer = self.block(depth - 1, rest)
        return [acquire, *body, acquire_2, *inner, pg.unlock(name), *outer, pg.unlock(name_2)]

    def take(self, where: Where):
        """A lock that may be taken here: the operation, its name, and where one is then; None without any."""
        choices = []
        names = [name for name in self.structures if name.startswith(("lock", "rw"))]
        for place, name in enumerate(names):
            s = self.structures[name]
            too_late = any(names.index(other) > place for other in where.held)
            if name in where.held or (self.orderly and too_late):
                continue
            sleeps = s.kind in ("mutex", "rwsem")
            if sleeps and (where.spinning or (s.waiting == "optimistic" and not where.kernel)):
                continue
            verbs = [pg.lock] if name.startswith("lock") else [pg.read_lock, pg.read_lock, pg.write_lock]
            spinning = where.spinning or s.kind.endswith("_lock")
            inside = replace(where, held=(*where.held, name), spinning=spinning)
            choices.append((self.rng.choice(verbs)(name), name, inside))
        return self.rng.choice(choices) if choices else None

    # --- together -----------------------------------------------------------------------------------------

    def scenario(self) -> Scenario:
        rng = self.rng
        machine, system = self.machine(), self.system()
        cores = rng.randint(1, machine.topology.cores)
        partitions = rng.choice([n for n in range(1, cores + 1) if cores % n == 0])
        loads = [
            Load(
                program=self.program(f"program{i}"), processes=rng.randint(1, 2), threads=rng.randint(1, 4),
                pinned=rng.random() < 0.5,
            )
            for i in range(rng.randint(1, 3))
        ]
        if rng.random() < 0.5:
            source = pg.program("clients", pg.sleep(self.time(30)), pg.send(f"queue{rng.randrange(2)}"))
            loads.append(Load(program=source, place="outside", threads=rng.randint(1, 2)))
        return Scenario(
            machine=machine, system=system, loads=loads, cores=cores, partitions=partitions,
            stagger=rng.choice(["0 ns", "1 us", "20 us"]),
        )


BLOCKS, BLOCK = 12, 50


def test_random_programs_use_every_operation():
    used = set().union(*(lower(Lot(seed).scenario(), seed).ops[:, 0].tolist() for seed in range(30)))
    assert used == set(range(len(opcodes.NAMES)))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_programs(block):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        try:
            assert_twins(lower(Lot(seed).scenario(), seed), events=1000, until=10**10)
        except BaseException as error:
            error.add_note(f"the scenario is Lot({seed}).scenario()")
            raise
