"""The compiled engine and the Mesa model mean the same: one trace, event for event, and one outcome."""

from __future__ import annotations

import numpy as np
import pytest

from rainforest_model import opcodes
from rainforest_model.agents import MachineModel, model, task
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import Structure
from rainforest_model.engine import loop
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.experiments import sec7_barrelfish_munmap
from rainforest_model.lowering import lower
from rainforest_model.outcome import StopReason
from rainforest_model.random_scenarios import Lot, number
from rainforest_model.reference import bare_system, closed_lock, ideal_machine, open_queue
from rainforest_model.tables import Tables
from rainforest_model.workloads import partners, workloads

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



@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("workload", list(workloads()))
@pytest.mark.parametrize("system", load.systems())
def test_shipped_workloads_on_shipped_systems(system, workload, placement):
    programs = [workloads()[id] for id in (workload, *partners(workload))]
    scenario = Scenario(
        machine=load.machine("S-A"), system=load.system(system), cores=12, partitions=6, structures=TEXTBOOK,
        loads=tuple(Load(program=program, **PLACEMENTS[placement]) for program in programs),
    )
    assert assert_twins(lower(scenario), events=3000) is StopReason.REACHED


@pytest.mark.parametrize("cores", [2, 12])
def test_an_unmap_by_messages(cores):
    assert assert_twins(lower(sec7_barrelfish_munmap.point("barrelfish", cores, 4, "2 ms")), events=6000)


# --- random programs on random machines -------------------------------------------------------------------

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
