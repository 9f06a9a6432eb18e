"""Who runs where decides how fast each computes, and a change of speed rescales the work that remains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_twins import assert_twins

from rainforest_model import histogram
from rainforest_model.agents import MachineModel
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.footprint import Footprint
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.engine import arena
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.random_scenarios import number
from rainforest_model.reference import bare_system, ideal_machine
from rainforest_model.units import TICKS_PER_NS

PRESSING = Footprint(
    id="any", cpi=number(1, "ratio"), mpki=number(1, "count"), cache=number(1, "MB"), exponent=number(0.5, "ratio"),
    working_set=number(1, "GB"), compulsory=number(0, "count"), overlap=number(1, "ratio"),
    write_back=number(0, "ratio"),
)
MS = 1_000_000 * TICKS_PER_NS


class TwiceAsSlow:
    """Two groups that run at a time each need twice the time."""

    def __init__(self):
        self.asked = []

    def slowdowns(self, running):
        self.asked.append(running)
        return tuple((2.0,) * len(row) if sum(map(sum, running)) > 1 else (1.0,) * len(row) for row in running)


def tables_of(first_ms: float, second_ms: float, cores: int = 2, later: str = "30 ms"):
    """One program computes without end; the other sleeps, computes once, and sleeps on."""
    long = pg.program("long", pg.measure("long", pg.compute(pg.constant(f"{first_ms} ms"))), footprint=PRESSING)
    short = pg.program(
        "short", pg.sleep(pg.constant(later)), pg.measure("short", pg.compute(pg.constant(f"{second_ms} ms"))),
        pg.sleep(pg.constant("10 s")), footprint=PRESSING,
    )
    found = lower(Scenario(
        machine=ideal_machine(2), system=bare_system(), cores=cores, loads=(Load(program=long), Load(program=short)),
        duration="1 s", stagger="0 ns", warmup="0 ns",
    ))
    return replace(found, memory=TwiceAsSlow())


def latencies(tables, until_ms: float, engine: str):
    model = CompiledEngine(tables) if engine == "compiled" else MachineModel(tables)
    model.run(int(until_ms * MS))
    return model.outcome().moments


@pytest.mark.parametrize("engine", ["compiled", "agents"])
def test_work_under_way_is_rescaled_when_a_neighbour_comes_and_when_it_leaves(engine):
    # 100 ms of work; from 30 ms on a neighbour of 10 ms, which takes 20: half speed from 30 to 50, so 110 in all.
    moments = latencies(tables_of(100, 10), 120, engine)
    assert moments[0].tolist() == [1, 110 * MS, (110.0 * MS) ** 2, 110 * MS]
    assert moments[1][:2].tolist() == [1, 20 * MS]


@pytest.mark.parametrize("engine", ["compiled", "agents"])
def test_on_one_core_nobody_is_a_neighbour(engine):
    tables = tables_of(100, 10, cores=1)
    latencies(tables, 150, engine)
    assert max(sum(map(sum, running)) for running in tables.memory.asked) == 1


def test_each_mix_is_solved_once_by_the_compiled_engine():
    tables = tables_of(3, 10, later="2 ms")
    latencies(tables, 900, "compiled")
    assert len(tables.memory.asked) == len(set(tables.memory.asked)) <= 4


def test_the_table_of_mixes_may_overflow(monkeypatch):
    monkeypatch.setattr(arena, "MIX_SLOTS", 2)
    tables = tables_of(100, 10)
    np.testing.assert_array_equal(latencies(tables, 120, "compiled"), latencies(tables_of(100, 10), 120, "agents"))


@pytest.mark.parametrize("cores", [1, 2])
def test_both_engines_agree(cores):
    tables = tables_of(0.7, 5, cores=cores, later="1 ms")
    assert_twins(tables, events=2000, until=200 * MS)


def test_a_program_without_footprint_asks_nobody():
    idle = pg.program("p", pg.compute(pg.constant("1 ms")))
    found = lower(Scenario(machine=ideal_machine(2), system=bare_system(), cores=2, loads=(Load(program=idle),)))
    assert found.groups == 0
    assert found.memory is None


def test_too_many_groups_are_told():
    program = pg.program("p", pg.compute(pg.constant("1 ms")), footprint=PRESSING)
    with pytest.raises(InputError, match="processes with a footprint on this machine"):
        lower(Scenario(
            machine=load.machine("S-B"), system=bare_system(), cores=40, loads=(Load(program=program, processes=1025),),
        ))


# --- requests that several receivers have parts of --------------------------------------------------------


def scattered(*service_ms: float, interval: str = "10 ms", handlers: int = 1) -> Scenario:
    """Clients whose requests go to one process for each service time."""
    clients = pg.program("clients", pg.sleep(pg.constant(interval)), pg.scatter("parts"))
    servers = [
        Load(program=pg.program(
            f"server{k}", pg.receive_part("parts"), pg.compute(pg.constant(f"{ms} ms")), pg.gather("request"),
        ), threads=handlers)
        for k, ms in enumerate(service_ms)
    ]
    return Scenario(
        machine=ideal_machine(8), system=bare_system(), cores=8, stagger="0 ns", warmup="0 ns", duration="1 s",
        loads=(Load(program=clients, place="outside"), *servers),
    )


@pytest.mark.parametrize("engine", ["compiled", "agents"])
def test_a_request_lasts_as_long_as_its_slowest_part(engine):
    count, total, _, largest = latencies(lower(scattered(2, 5, 3)), 1000, engine)[0]
    assert count == 99
    assert (total / count, largest) == (5 * MS, 5 * MS)


def test_latency_counts_from_the_scheduled_time_when_the_server_is_late():
    # 12 ms of work every 10: the n-th request waits 2 ms more than the one before it.
    outcome = CompiledEngine(lower(scattered(12)))
    outcome.run(1000 * MS)
    count, total = outcome.outcome().moments[0][:2]
    assert total == sum((12 + 2 * n) * MS for n in range(int(count)))
    assert histogram.quantile(outcome.outcome().counts[0], 1.0) >= 12 * MS


def test_handlers_of_one_process_serve_side_by_side():
    assert latencies(lower(scattered(25, handlers=3)), 1000, "compiled")[0][3] == 25 * MS


def test_both_engines_agree_on_parts():
    assert_twins(lower(scattered(2, 13, 3)), events=3000)


def test_parts_that_nobody_receives_are_refused():
    clients = pg.program("clients", pg.sleep(pg.constant("1 ms")), pg.scatter("parts"))
    with pytest.raises(InputError, match="no process receives its parts"):
        lower(Scenario(
            machine=ideal_machine(1), system=bare_system(), cores=1, loads=(Load(program=clients, place="outside"),),
        ))


RECEIVE, WORK, GATHER = pg.receive_part("parts"), pg.compute(pg.constant("1 ms")), pg.gather("x")


@pytest.mark.parametrize(
    ("ops", "reason"),
    [
        ((WORK, GATHER), "no part was received before"),
        ((RECEIVE, WORK, GATHER, GATHER), "no part was received before"),
        ((RECEIVE, WORK), "keeps a part at the end"),
        ((RECEIVE, RECEIVE, GATHER), "has a part already"),
        ((RECEIVE, pg.repeat(2, GATHER)), "different parts on each pass"),
        ((pg.every(2, RECEIVE), GATHER), "different parts on each pass"),
    ],
)
def test_each_part_is_received_and_gathered_once(ops, reason):
    with pytest.raises(InputError, match=reason):
        lower(Scenario(
            machine=ideal_machine(1), system=bare_system(), cores=1, loads=(Load(program=pg.program("p", *ops)),),
        ))
