"""Cores change hands and programs begin and end in the middle of everything, in both engines alike."""

from __future__ import annotations

import numpy as np
import pytest

from rainforest_model import tables as tb
from rainforest_model.agents import MachineModel
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.arrivals import Arrivals
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.engine.arena import HORIZON
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.outcome import StopReason
from rainforest_model.random_scenarios import Lot
from rainforest_model.twins import LONGEST_STEP, attempt, compare_under_supervision

MS = 10**8
EVENTS = 3000


@pytest.mark.parametrize("first", range(0, 300, 25))
def test_both_engines_agree_whatever_a_supervisor_does(first):
    for seed in range(first, first + 25):
        lot = Lot(seed)
        assert not compare_under_supervision(lower(lot.scenario(), seed), lot, EVENTS).difference, f"Lot({seed})"


def test_the_lot_draws_every_answer():
    answers = set()
    for seed in range(60):
        lot = Lot(seed)
        tables = lower(lot.scenario(), seed)
        engine = CompiledEngine(tables)
        for _ in range(40):
            engine.run(engine.now + lot.rng.randrange(1, LONGEST_STEP))
            what, arguments = lot.intervention(len(tables.domains), tables.cores)
            answers.add((what, attempt(engine, what, arguments)))
    for what in ("release", "end_threads"):
        assert {(what, True), (what, False)} <= answers
    refusals = [answer for _, answer in answers if isinstance(answer, str)]
    for part in ("belongs to nobody", "is the last of domain", "belongs to domain", "has no core"):
        assert any(part in refusal for refusal in refusals), part


def test_a_difference_under_supervision_is_told(monkeypatch):
    monkeypatch.setattr(MachineModel, "occupy", lambda model, core, ticks: None)
    lots = [Lot(seed) for seed in range(12)]
    found = [compare_under_supervision(lower(lot.scenario(), 1), lot, EVENTS).difference for lot in lots]
    assert any(found)


# --- a small service on a divided machine, in both engines -------------------------------------------------------

SERVE = pg.program("serve", pg.receive_part("requests"), pg.compute(pg.exponential("100 us")), pg.gather("answer"))
WORK = pg.program("work", pg.measure("round", pg.compute(pg.exponential("300 us"))))


def service(shares=(6, 6), rate_us: float = 50, **rest) -> Scenario:
    asks = pg.program("ask", pg.sleep(pg.exponential(f"{rate_us} us")), pg.scatter("requests"))
    return load.validated(Scenario, {
        "machine": load.machine("S-A"), "system": load.system(rest.pop("system", "rainforest")), "cores": 12,
        "partitions": len(shares), "shares": shares, "duration": "100 ms",
        "loads": [
            Load(program=asks, place="outside"), Load(program=SERVE, threads=4, partition=0),
            Load(program=WORK, threads=6, partition=1),
        ],
        **rest,
    })


@pytest.fixture(params=["compiled", "agents"])
def make(request):
    def engine(scenario, seed=1):
        tables = lower(scenario, seed)
        return CompiledEngine(tables) if request.param == "compiled" else MachineModel(tables, checked=True)

    return engine


def release(engine, core):
    """Release a core as a supervisor does: ask until it can be."""
    for _ in range(1000):
        if engine.release(core):
            return
        engine.run(engine.now + 10_000)
    raise AssertionError(f"core {core} never comes free")


def test_cores_that_move_do_other_work(make):
    engine = make(service())
    engine.run(20 * MS)
    for core in (6, 7, 8, 9):
        release(engine, core)
        assert engine.owner(core) == tb.NOWHERE
        engine.adopt(core, 0)
    assert engine.cores_of(0) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    before, rounds = engine.outcome(), engine.outcome().moments[1, 0]
    engine.run(60 * MS)
    busy = (engine.outcome().busy - before.busy) / (engine.now - before.now)
    assert busy[10:] == pytest.approx(1, abs=0.01)  # six threads of work share two cores
    assert busy[:10].sum() < 5  # and four handlers can keep no more than four cores
    assert engine.outcome().moments[1, 0] > rounds


def test_a_core_that_nobody_owns_does_nothing(make):
    engine = make(service())
    engine.run(10 * MS)
    release(engine, 3)
    before = engine.outcome().busy[3]
    engine.run(50 * MS)
    assert engine.outcome().busy[3] == before


def test_who_loses_cores_is_slower_in_proportion(make):
    rounds = []
    for cores in (6, 3):
        engine = make(service())
        for core in range(6 + cores, 12):
            release(engine, core)
        engine.run(100 * MS)
        rounds.append(engine.outcome().moments[1, 0])
    assert rounds[0] / rounds[1] == pytest.approx(2, rel=0.15)


def test_the_last_core_stays_while_threads_live(make):
    engine = make(service((1, 11)))
    engine.run(MS)
    with pytest.raises(ValueError, match="core 0 is the last of domain 0"):
        engine.release(0)
    with pytest.raises(ValueError, match="core 5 belongs to domain 1"):
        engine.adopt(5, 0)


def test_an_instance_ends_and_its_requests_are_accounted_for(make):
    engine = make(service(rate_us=20))
    engine.run(20 * MS)
    while not engine.end_threads(0):
        engine.run(engine.now + 10_000)
    answered = engine.requests().answered
    engine.run(60 * MS)
    told = engine.requests()
    assert told.answered == answered
    assert told.lost > 1000
    assert told.under_way == 0
    assert told.sent == told.answered + told.lost
    for core in range(6):
        release(engine, core)
    assert engine.cores_of(0) == []


def test_an_instance_begins_again(make):
    engine = make(service())
    engine.run(20 * MS)
    while not engine.end_threads(0):
        engine.run(engine.now + 10_000)
    answered = engine.requests().answered
    engine.start_threads(0)
    engine.run(40 * MS)
    assert engine.requests().answered > answered + 100


def test_what_is_created_later_begins_when_it_has_cores(make):
    engine = make(service((6, 0)))
    engine.run(20 * MS)
    assert engine.outcome().moments[1, 0] == 0
    with pytest.raises(ValueError, match="domain 1 has no core"):
        engine.start_threads(1)
    for core in range(6, 12):
        engine.adopt(core, 1)
    engine.start_threads(1)
    engine.run(40 * MS)
    assert engine.outcome().moments[1, 0] > 100
    assert engine.outcome().busy[6:].min() > 15 * MS


def test_real_time_work_keeps_a_core(make):
    engine = make(service())
    engine.run(10 * MS)
    alone = make(service())
    alone.run(10 * MS)
    for core in range(6, 12):
        engine.occupy(core, 20 * MS)
    engine.run(40 * MS)
    alone.run(40 * MS)
    lost = alone.outcome().moments[1, 0] - engine.outcome().moments[1, 0]
    assert lost / alone.outcome().moments[1, 0] == pytest.approx(0.5, abs=0.1)


def test_memory_stays_where_it_is_when_a_core_comes_from_the_other_socket():
    from rainforest_model.memory import MemoryModel
    from rainforest_model.workloads import workload

    stream = workload("parsec.streamcluster")
    scenario = service(loads=[Load(program=stream, threads=6, partition=0)])
    model = lower(scenario).memory
    assert isinstance(model, MemoryModel)
    assert [group.home for group in model.groups] == [0]
    near, far = model.slowdowns(((1,), (0,)))[0][0], model.slowdowns(((0,), (1,)))[1][0]
    assert near == pytest.approx(1)
    assert far > 1.1


# --- schedules and shares that do not fit ------------------------------------------------------------------------


def test_requests_come_when_they_are_due(make):
    times = np.array([0, 0, 1.5, 1.5, 4]) / 1000
    asks = pg.program("ask", pg.arrive(Arrivals("five", times)), pg.scatter("requests", parts=2))
    serve = pg.program(
        "serve", pg.receive_part("requests"), pg.compute(pg.constant("100 us")),
        pg.gather("answer", pg.compute(pg.constant("1 us")), pg.scatter("more")),
    )
    more = pg.program("more", pg.receive_part("more"), pg.compute(pg.constant("1 us")), pg.gather("more"))
    engine = make(service(loads=[
        Load(program=asks, place="outside"), Load(program=serve, threads=4, partition=0),
        Load(program=more, partition=0),
    ]))
    assert engine.run(10 * MS) is StopReason.REACHED
    assert engine.requests() == (10, 10, 0)
    assert engine.outcome().moments[:, 0].tolist() == [5, 5]
    engine.run(100 * MS)
    assert engine.requests().sent == 10


def test_the_event_that_never_comes_is_the_last_that_the_engine_has_room_for():
    assert tb.LAST_TICK == HORIZON - 1


@pytest.mark.parametrize(
    ("shares", "system", "reason"),
    [
        ((6,), "rainforest", "there are 2 partitions"), ((-1, 6), "rainforest", "0 or more"),
        ((0, 0), "rainforest", "1 .. 12 together"), ((7, 6), "rainforest", "1 .. 12 together"),
        ((6, 6), "linux-2.6.32", "has no partitions"),
    ],
)
def test_shares_that_do_not_fit_are_refused(shares, system, reason):
    with pytest.raises(InputError, match=reason) as caught:
        service(shares, system=system, partitions=2)
    assert caught.value.key == "shares"


def test_no_program_can_be_ended_in_the_kernel_or_with_a_lock():
    from rainforest_model.workloads import workload

    scenario = service(loads=[Load(program=workload("mmap"), threads=2)])
    tables = lower(scenario)
    ending, _ = tables.interruptible()
    inside = tables.labels.index("syscall_enter") + 1
    assert ending[0]
    assert not ending[inside:tables.labels.index("syscall_exit") + 1].any()
