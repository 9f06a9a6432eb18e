"""Policies on a live machine, the windows that they see, and a guard in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_engine import FakeEngine
from live_machine import ENGINES, MS, NAMES, FastLifecycle, Scripted, after, fake, service

from rainforest_model.errors import InputError
from rainforest_model.simulation import replicate
from rainforest_model.supervision import (
    FREE,
    KINDS,
    SUPERVISOR,
    ConfigureIommu,
    ElasticMachine,
    Halt,
    LoadCr3,
    PageTableUpdate,
    PolicyError,
    SecurityGuard,
    StartupIpi,
    ThresholdPolicy,
)


@pytest.fixture(params=ENGINES)
def machine(request) -> ElasticMachine:
    return ElasticMachine(service(), NAMES, engine=ENGINES[request.param], lifecycle=FastLifecycle())


class TestPolicy:
    def test_decisions_become_operations(self):
        machine = fake(policy=Scripted(1, 2, -3, -100, 100, interval_s=20 * MS))
        cores = []
        for _ in range(6):
            machine.step()
            machine.check()
            cores.append(len(machine.critical.cores))
        # What it decides at the end of an interval stands at the end of the next one.
        assert cores == [6, 7, 9, 6, 1, 9]
        assert list(machine.timeline.query("instance == 'search'").decision) == [1, 2, -3, -100, 100, 0]

    def test_it_sees_the_last_interval(self):
        policy = Scripted()
        machine = fake(policy=policy).run(4 * MS)
        assert [seen.time_s for seen in policy.seen] == pytest.approx([2 * MS, 4 * MS])
        assert {(seen.arrived, seen.answered, seen.cores, seen.other_cores) for seen in policy.seen} == {(2, 2, 6, 4)}
        assert policy.seen[-1].rate == pytest.approx(1000)
        assert machine.window().tail_ms == pytest.approx(1, rel=0.01)

    def test_a_policy_that_raises_ends_the_run_and_keeps_it(self):
        machine = fake(policy=Scripted(0, 1, ZeroDivisionError("no such load")))
        with pytest.raises(PolicyError, match="no such load") as caught:
            machine.run(20 * MS)
        assert "in decide" in caught.value.traceback
        assert len(caught.value.timeline) == len(machine.timeline) == 3 * 2
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert not machine.running

    @pytest.mark.parametrize("decision", [1.5, "more", None, True])
    def test_what_is_no_decision(self, decision):
        with pytest.raises(PolicyError, match="a whole number is needed"):
            fake(policy=Scripted(decision)).run(20 * MS)

    def test_nobody_decides_while_the_supervisor_is_down(self):
        policy = Scripted()
        machine = fake(policy=policy)
        machine.supervisor.fail()
        machine.run(9 * MS)
        assert not policy.seen
        assert len(machine.timeline) == 8
        machine.supervisor.recover()
        machine.run(10 * MS)
        assert len(policy.seen) == 1

    def test_no_answer_at_all_is_an_infinite_tail(self):
        policy = Scripted()
        machine = fake(policy=policy)
        machine.engine._threads[0] = 0
        machine.run(2 * MS)
        assert policy.seen[0].tail_ms == math.inf

    @pytest.mark.parametrize("interval_s", [0, -1])
    def test_an_interval_that_is_none(self, interval_s):
        with pytest.raises(InputError, match="interval_s"):
            fake(policy=Scripted(interval_s=interval_s))

    def test_the_threshold_policy_moves_cores_to_an_overloaded_service(self):
        policy = ThresholdPolicy(lower_ms=0.1, upper_ms=0.2, interval_s=5 * MS)
        machine = ElasticMachine(service((1, 11)), ("search", "batch"), policy=policy, lifecycle=FastLifecycle())
        machine.run(30 * MS)
        machine.check()
        assert len(machine.critical.cores) > 2
        assert machine.window().tail_ms < machine.timeline.query("instance == 'search'").tail_ms.max() / 4


class TestWindows:
    def test_they_add_up_to_the_whole_run(self, machine):
        machine = ElasticMachine(
            service(), NAMES, engine=type(machine.engine), lifecycle=FastLifecycle(), policy=Scripted(1, -1, 1, 0, 0)
        )
        parts = []
        for _ in range(5):
            machine.step()
            parts.append(machine.window())
        outcome = machine.engine.outcome()
        np.testing.assert_array_equal(sum(part.counts for part in parts), outcome.counts[0])
        assert sum(part.answered for part in parts) == outcome.moments[0][0]
        assert sum(part.arrived for part in parts) == machine.engine.requests()[0]
        assert len(machine.timeline) == 2 * 5
        assert len(machine.datacollector.get_model_vars_dataframe()) == 5

    def test_two_instances_that_run_one_program_are_told_apart(self, machine):
        after(machine, machine.rfm.create("web", cores=1))
        machine.run(10 * MS)
        batch, web = machine.instances["batch"], machine.instances["web"]
        assert (batch.series, web.series) == (("round of batch",), ("round of web",))
        assert machine.instances["search"].series == ("answer",)
        if not isinstance(machine.engine, FakeEngine):
            assert batch.answered > web.answered > 0

    def test_names_that_one_partition_uses_stay(self):
        machine = ElasticMachine(service((6, 4)), NAMES[:2], engine=FakeEngine)
        assert machine.instances["batch"].series == ("round",)

    def test_telling_them_apart_changes_nothing_else(self):
        scenario = service((6, 3, 3))
        machine = ElasticMachine(scenario, NAMES).run(5 * MS)
        plain = replicate(scenario.model_copy(update={"duration": "5 ms"}))
        ours = machine.engine.outcome()
        np.testing.assert_array_equal(ours.busy, plain.busy)
        np.testing.assert_array_equal(ours.counts[0], plain.counts[0])
        np.testing.assert_array_equal(ours.counts[1] + ours.counts[2], plain.counts[1])

    def test_before_the_first_there_is_none(self):
        with pytest.raises(InputError, match="no interval has ended"):
            fake().window()

    def test_time_does_not_run_backwards(self):
        machine = fake().run(3 * MS)
        with pytest.raises(InputError, match="until_s"):
            machine.run(2 * MS)


class TestGuard:
    def test_ordinary_operations_are_permitted_and_paid_for(self):
        guard = SecurityGuard(dict.fromkeys(KINDS, 100.0))
        machine = fake(guard=guard)
        for operation in (
            machine.rfm.create("web", cores=1, memory_gb=1), machine.rfm.preempt("search", "batch"),
            machine.rfm.borrow("search", "batch", cores=1, memory_gb=1), machine.rfm.give_back("search", "batch"),
            machine.rfm.resize("batch", cores=1), machine.rfm.destroy("web"),
        ):
            assert after(machine, operation).done, operation
        assert not guard.refused
        assert all(guard.checked[kind] for kind in ("page_table_update", "startup_ipi", "halt", "iommu"))
        assert [ticks for _, _, ticks in machine.engine.occupied].count(10_000) == sum(guard.checked.values())

    def test_the_descriptions_are_those_of_the_ledger(self):
        machine = fake(guard=SecurityGuard())
        after(machine, machine.rfm.preempt("search", "batch", cores=2))
        for name, described in machine.guard.descriptions.items():
            cores = machine.ledger.cores_of(FREE if name == SUPERVISOR else name)
            assert described.cores == set(cores)
        assert set(machine.guard.descriptions) == {SUPERVISOR, "search", "batch"}

    def test_what_is_shared_stays_shared_when_an_instance_is_resized(self):
        machine = fake(guard=SecurityGuard())
        extents = machine.ledger.extents("search")
        machine.guard.share(SUPERVISOR, extents, "batch")
        after(machine, machine.rfm.resize("batch", cores=3))
        assert machine.guard.descriptions["batch"].shared == extents

    def test_attacks_on_others_are_refused_and_change_nothing(self):
        machine = fake(guard=SecurityGuard())
        victim = machine.instances["search"]
        block = machine.ledger.extents("search")[0][0]
        attacks = [
            PageTableUpdate(block), LoadCr3(block), Halt(victim.cores[0]), StartupIpi(victim.cores[0]),
            ConfigureIommu(victim.devices[0], block),
        ]
        for attack in attacks:
            assert machine.guard.attempt("search", attack)
            assert not machine.guard.attempt("batch", attack)
            assert not machine.guard.attempt(SUPERVISOR, attack)
        assert len(machine.guard.refused) == 2 * len(attacks)
        machine.run(MS)
        machine.check()

    def test_a_core_that_moved_is_no_longer_ones_own(self):
        machine = fake(guard=SecurityGuard())
        core = machine.instances["batch"].cores[-1]
        assert machine.guard.attempt("batch", Halt(core))
        after(machine, machine.rfm.preempt("search", "batch"))
        assert not machine.guard.attempt("batch", Halt(core))
        assert machine.guard.attempt("search", Halt(core))
