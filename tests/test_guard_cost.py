"""The price of Security Guard: what is added is what the described operations cost, and nothing elsewhere."""

from __future__ import annotations

import pytest

from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.simulation import scenario
from rainforest_model.supervision import guard_cost
from rainforest_model.supervision.guard_cost import ENDS, PATHS

PAGES = 200
TEN_US = pg.compute(pg.constant("10 us"))
UPDATE = pg.program("update", pg.measure("updates", TEN_US, pg.compute("pte_update", times=PAGES)))
COMPUTE = pg.program("compute", pg.measure("piece", TEN_US))


def alone(program) -> Scenario:
    """A program by itself on one core, of a kernel without variation, ticks or housekeeping."""
    system = load.system("rainforest")
    kernel = system.kernel
    zero = kernel.path_variation.model_copy(update={"value": 0.0, "range": (0.0, 0.0)})
    never = kernel.scheduler.tick_period.model_copy(update={"value": 0.0, "range": (0.0, 10.0)})
    quiet = kernel.model_copy(update={
        "path_variation": zero, "background": {},
        "scheduler": kernel.scheduler.model_copy(update={"tick_period": never}),
    })
    return Scenario(
        machine=load.machine("S-A"), system=system.model_copy(update={"kernel": quiet}), cores=1,
        loads=(Load(program=program),), duration="5 ms", warmup="100 us", stagger="0 us",
    )


def test_page_table_updates_take_what_the_description_says_at_each_end():
    found = guard_cost.runs(alone(UPDATE), replications=1)
    update, base = load.guard().page_table_update, found["without"].replicated("mean")[0]
    for end, ns in zip(ENDS, (update.range[0], update.value, update.range[1]), strict=True):
        assert found[end].replicated("mean")[0] - base == pytest.approx(PAGES * ns / 1000, rel=1e-3)


def test_what_writes_no_page_table_and_does_not_switch_pays_nothing():
    found = guard_cost.runs(alone(COMPUTE), replications=1)
    assert {run.replicated("mean")[0] for run in found.values()} == {10.0}


def test_a_mapping_that_nobody_touches_pays_nothing():
    mmap = scenario("S-A", "rainforest", "mmap", cores=2, partitions=2, duration="3 ms")
    table = guard_cost.cost(guard_cost.runs(mmap, replications=2), ("mean",))
    # Neither has a page table to write; a rare switch to a housekeeping thread is all there is.
    assert table.percent.abs().max() < 0.2


def test_the_price_comes_on_top_of_what_a_partitioning_adds():
    on_xen = scenario("S-A", "xen", "malloc")
    for path, operation in PATHS.items():
        before = on_xen.system.surcharge_ns(path, 2.4)
        after = guard_cost.guarded(on_xen, "most").system.surcharge_ns(path, 2.4)
        assert before > 0
        assert after - before == pytest.approx(getattr(load.guard(), operation).range[1])


def test_the_rest_of_the_scenario_stays():
    plain = scenario("S-A", "rainforest", "malloc")
    other = guard_cost.guarded(plain)
    assert other.system.id == plain.system.id
    assert other.system.kernel == plain.system.kernel
    assert other.loads == plain.loads
    assert set(other.system.partitioning.surcharges) == {*plain.system.partitioning.surcharges, *PATHS}


def test_a_guard_of_ones_own():
    shipped = load.guard()
    dear = shipped.page_table_update.model_copy(update={"value": 0.139, "unit": "us", "range": (0.1, 0.2)})
    gate = shipped.model_copy(update={"page_table_update": dear})
    guarded = guard_cost.guarded(scenario("S-A", "rainforest", "malloc"), guard=gate)
    assert guarded.path_ns("pte_update") == pytest.approx(139)


def test_dearer_ends_cost_more():
    table = guard_cost.cost(guard_cost.runs(alone(UPDATE), replications=2), ("mean", "p99"))
    for _, rows in table.groupby("statistic"):
        assert rows.set_index("end").percent[list(ENDS)].is_monotonic_increasing
    assert (table.low <= table.percent).all()
    assert (table.percent <= table.high).all()
