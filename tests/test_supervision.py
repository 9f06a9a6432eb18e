"""The live machine: operations take their time and lose nothing, whatever fails, on either engine."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from fake_engine import MILLISECOND, FakeEngine
from live_machine import ENGINES, MS, NAMES, FastLifecycle, Scripted, after, fake, held, service

from rainforest_model.descriptions import load
from rainforest_model.descriptions.lifecycle import TimedStep
from rainforest_model.errors import InputError
from rainforest_model.experiments.searching import search_on
from rainforest_model.outcome import StopReason
from rainforest_model.simulation import SimulationError, replicate
from rainforest_model.supervision import (
    FREE,
    KINDS,
    SUPERVISOR,
    ConfigureIommu,
    ElasticMachine,
    Halt,
    LoadCr3,
    OwnershipViolation,
    PageTableUpdate,
    Phase,
    PolicyError,
    SecurityGuard,
    StartupIpi,
    ThresholdPolicy,
)


@pytest.fixture(params=ENGINES)
def machine(request) -> ElasticMachine:
    return ElasticMachine(service(), NAMES, engine=ENGINES[request.param], lifecycle=FastLifecycle())


# --- each operation ---------------------------------------------------------------------------------------------


class TestOperations:
    def test_at_first_all_is_as_described(self, machine):
        machine.check()
        assert held(machine) == {"search": 6, "batch": 4, "web": 0}
        assert machine.instances["web"].state is Phase.DORMANT
        assert machine.ledger.cores_of(FREE) == (10, 11)
        assert [machine.instances[name].memory_gb for name in NAMES] == pytest.approx([16, 32 / 3, 0], abs=0.002)

    def test_create_takes_its_time_then_threads_run(self, machine):
        operation = machine.rfm.create("web", cores=2, memory_gb=1, priority=2)
        assert operation.pending
        machine.run(0.2 * MS)
        web = machine.instances["web"]
        assert web.state is Phase.BOOTING
        assert web.cores == ()
        machine.check()
        assert after(machine, operation).done
        # Four lognormal steps of 150 us with a deviation of a tenth.
        assert operation.took_s == pytest.approx(0.6 * MS, rel=0.4)
        assert web.state is Phase.RUNNING
        assert len(web.cores) == 2
        assert web.memory_gb == 1
        assert web.priority == 2
        assert web.communication_core in web.cores
        machine.run(machine.seconds_passed + 2 * MS)
        assert machine.rfm.account().set_index("owner").busy_s["web"] > 0

    def test_a_new_name_takes_a_dormant_partition(self, machine):
        assert after(machine, machine.rfm.create("shop", cores=1)).done
        assert "web" not in machine.instances
        assert machine.instances["shop"].domain == 2

    def test_destroy_gives_everything_back_and_the_partition_can_be_used_again(self, machine):
        assert after(machine, machine.rfm.destroy("batch")).done
        assert machine.instances["batch"].state is Phase.DESTROYED
        assert len(machine.ledger.cores_of(FREE)) == 6
        busy = machine.ledger.account("batch").busy_ticks
        machine.run(machine.seconds_passed + MS)
        machine.check()
        assert machine.ledger.account("batch").busy_ticks == busy
        assert after(machine, machine.rfm.create("batch", cores=3)).done
        machine.run(machine.seconds_passed + MS)
        machine.check()
        assert machine.ledger.account("batch").busy_ticks > busy
        assert after(machine, machine.rfm.create("web", cores=1)).done

    def test_resize_of_cores_and_memory(self, machine):
        assert after(machine, machine.rfm.resize("batch", cores=2, memory_gb=4)).done
        assert held(machine)["batch"] == 2
        assert machine.instances["batch"].memory_gb == 4
        assert after(machine, machine.rfm.resize("search", cores=8, memory_gb=20)).done
        assert held(machine)["search"] == 8
        assert machine.instances["search"].memory_gb == 20

    def test_preempt_needs_a_higher_priority(self, machine):
        assert after(machine, machine.rfm.preempt("search", "batch", cores=2)).done
        assert held(machine) == {"search": 8, "batch": 2, "web": 0}
        refused = after(machine, machine.rfm.preempt("batch", "search"))
        assert refused.refused
        assert "priority" in refused.reason
        assert after(machine, machine.rfm.transfer("search", "batch", cores=2)).done
        assert held(machine) == {"search": 6, "batch": 4, "web": 0}

    def test_a_loan_is_registered_and_given_back(self, machine):
        assert after(machine, machine.rfm.borrow("search", "batch", cores=2, memory_gb=1)).done
        [loan] = machine.ledger.loans.values()
        assert (loan.lender, loan.borrower, len(loan.cores)) == ("batch", "search", 2)
        # What is borrowed is not the borrower's to give away.
        assert "of its own" in after(machine, machine.rfm.transfer("search", "batch", cores=6)).reason
        assert "of its own" in after(machine, machine.rfm.resize("search", cores=2)).reason
        assert after(machine, machine.rfm.give_back("search", "batch")).done
        assert held(machine) == {"search": 6, "batch": 4, "web": 0}
        assert not machine.ledger.loans
        assert "nothing on loan" in after(machine, machine.rfm.give_back("search", "batch")).reason

    def test_what_is_on_loan_stays_where_it_is_lent_to(self, machine):
        after(machine, machine.rfm.borrow("search", "batch", cores=2))
        [loan] = machine.ledger.loans.values()
        assert after(machine, machine.rfm.transfer("search", "batch", cores=2)).done
        assert set(loan.cores) <= set(machine.instances["search"].cores)
        assert after(machine, machine.rfm.resize("search", cores=4)).done
        assert set(loan.cores) <= set(machine.instances["search"].cores)

    def test_what_a_destroyed_borrower_had_on_loan_goes_back(self, machine):
        after(machine, machine.rfm.borrow("batch", "search", cores=2, memory_gb=1))
        before = machine.instances["search"].memory_gb
        assert after(machine, machine.rfm.destroy("batch")).done
        assert held(machine)["search"] == 6
        assert machine.instances["search"].memory_gb == before + 1
        assert len(machine.ledger.cores_of(FREE)) == 6

    def test_what_was_borrowed_from_a_destroyed_lender_goes_to_the_pool(self, machine):
        after(machine, machine.rfm.borrow("search", "batch", cores=2))
        assert after(machine, machine.rfm.destroy("batch")).done
        assert held(machine)["search"] == 8
        assert after(machine, machine.rfm.give_back("search", "batch")).done
        assert held(machine)["search"] == 6
        assert len(machine.ledger.cores_of(FREE)) == 6

    def test_operations_are_done_one_after_the_other(self, machine):
        operations = [
            machine.rfm.create("web", cores=2), machine.rfm.resize("web", cores=1), machine.rfm.destroy("web"),
        ]
        after(machine, operations[-1])
        assert all(operation.done for operation in operations)
        for first, second in itertools.pairwise(operations):
            assert first.done_at <= second.begun_at
        assert machine.rfm.operations == operations


class TestRefusals:
    @pytest.mark.parametrize(
        ("ask", "reason"),
        [
            (lambda rfm: rfm.create("web", cores=3), "2 cores are free, not 3"),
            (lambda rfm: rfm.create("web", cores=1, memory_gb=30), "GB are free, not 30"),
            (lambda rfm: rfm.create("batch", cores=1), "there is a batch already, which is running"),
            (lambda rfm: rfm.destroy("web"), "web is dormant"),
            (lambda rfm: rfm.resize("web", cores=1), "web is dormant"),
            (lambda rfm: rfm.resize("search", cores=9), "2 cores are free, not 3"),
            (lambda rfm: rfm.resize("search", memory_gb=32), "GB are free, not"),
            (lambda rfm: rfm.borrow("search", "web", cores=1), "web is dormant"),
            (lambda rfm: rfm.borrow("search", "batch", cores=4), "batch has 4 cores of its own and keeps one"),
            (lambda rfm: rfm.borrow("search", "batch", memory_gb=12), "blocks of memory of its own and keeps one"),
            (lambda rfm: rfm.preempt("search", "batch", cores=4), "batch has 4 cores of its own and keeps one"),
        ],
    )
    def test_what_cannot_be_is_refused_and_changes_nothing(self, machine, ask, reason):
        before = held(machine), machine.ledger.blocks_of(FREE)
        operation = after(machine, ask(machine.rfm))
        assert operation.refused
        assert reason in operation.reason
        assert "\n" not in repr(operation)
        assert (held(machine), machine.ledger.blocks_of(FREE)) == before

    def test_no_partition_is_left(self):
        machine = fake()
        after(machine, machine.rfm.create("web", cores=1))
        assert "no partition" in after(machine, machine.rfm.create("shop", cores=1)).reason

    def test_of_a_destroyed_instance(self):
        machine = fake()
        after(machine, machine.rfm.destroy("batch"))
        for ask in (
            lambda: machine.rfm.resize("batch", cores=1), lambda: machine.rfm.destroy("batch"),
            lambda: machine.rfm.borrow("search", "batch", cores=1),
        ):
            assert after(machine, ask()).reason == "batch is destroyed"

    @pytest.mark.parametrize(
        "ask",
        [
            lambda rfm: rfm.destroy("nobody"),
            lambda rfm: rfm.resize("search"),
            lambda rfm: rfm.resize("search", cores=0),
            lambda rfm: rfm.resize("search", cores=13),
            lambda rfm: rfm.resize("search", cores=2.5),
            lambda rfm: rfm.resize("search", cores=True),
            lambda rfm: rfm.resize("search", memory_gb=math.nan),
            lambda rfm: rfm.resize("search", memory_gb="much"),
            lambda rfm: rfm.resize("search", memory_gb=-1),
            lambda rfm: rfm.resize("search", memory_gb=33),
            lambda rfm: rfm.resize("search", memory_gb=0.0001),
            lambda rfm: rfm.create("", cores=1),
            lambda rfm: rfm.create(FREE, cores=1),
            lambda rfm: rfm.create(SUPERVISOR, cores=1),
            lambda rfm: rfm.create("web", cores=1, priority=1.5),
            lambda rfm: rfm.borrow("search", "search", cores=1),
            lambda rfm: rfm.borrow("search", "batch"),
            lambda rfm: rfm.preempt("search", "nobody"),
            lambda rfm: rfm.fail("web"),
            lambda rfm: rfm.fail("nobody"),
        ],
    )
    def test_what_is_no_command_is_told_at_once(self, ask):
        machine = fake()
        with pytest.raises(InputError) as caught:
            ask(machine.rfm)
        assert "\n" not in str(caught.value)
        assert not machine.rfm.operations


# --- the communication core, messages and steps ------------------------------------------------------------------


class TestCommunication:
    def test_it_leaves_last_and_moves_on(self):
        machine = fake()
        batch = machine.instances["batch"]
        first = batch.communication_core
        updates = machine.ficm.updates
        after(machine, machine.rfm.preempt("search", "batch", cores=3))
        assert batch.cores == (first,)
        assert machine.ficm.updates == updates
        after(machine, machine.rfm.resize("batch", cores=3))
        # The loan makes the first core one that must go: its lender wants it back.
        after(machine, machine.rfm.destroy("search"))
        assert machine.supervisor.core == batch.communication_core

    def test_a_communication_core_that_is_given_back_hands_over(self):
        machine = fake()
        after(machine, machine.rfm.borrow("batch", "search", cores=1))
        batch = machine.instances["batch"]
        [loan] = machine.ledger.loans.values()
        machine.ficm.join("batch", loan.cores[0])
        after(machine, machine.rfm.give_back("batch", "search"))
        assert batch.communication_core in batch.cores

    def test_every_message_is_delivered_or_dropped(self):
        machine = fake()
        after(machine, machine.rfm.preempt("search", "batch", cores=2))
        machine.run(machine.seconds_passed + MS)
        assert machine.ficm.under_way == 0
        # Two commands to each of the two, with an answer to each.
        assert machine.ficm.sent[SUPERVISOR] == machine.ficm.delivered[SUPERVISOR] == 4

    def test_the_dead_handle_no_message_and_the_gone_are_struck_off(self):
        machine = fake()
        machine.rfm.fail("batch")
        machine.ficm.unicast("search", "batch", "hello")
        machine.run(MS)
        assert machine.ficm.dropped["batch"] == 1
        assert not machine.ficm.read("batch")
        after(machine, machine.rfm.destroy("batch"))
        assert set(machine.ficm.communication_cores) == {"search", SUPERVISOR}
        assert set(machine.supervisor.mac_list) == {"search"}

    def test_broadcast_goes_to_all_others_one_after_the_other(self):
        machine = fake()
        handled = machine.ficm.broadcast("search", "hello", b"x" * 20)
        machine.run(MS)
        boxes = {member: machine.ficm.read(member) for member in machine.ficm.communication_cores}
        assert {member: len(box) for member, box in boxes.items()} == {"search": 0, "batch": 1, SUPERVISOR: 1}
        arrivals = sorted(box[0].delivered for box in boxes.values() if box)
        assert 0 < arrivals[0] < arrivals[1] < handled

    def test_a_message_is_a_cache_line(self):
        machine = fake()
        with pytest.raises(InputError, match="room"):
            machine.ficm.unicast("search", "batch", "hello", b"x" * 60)
        with pytest.raises(InputError, match="member"):
            machine.ficm.unicast("search", "nobody", "hello")

    def test_each_step_keeps_the_core_of_its_actor(self):
        machine = ElasticMachine(service(), NAMES, engine=FakeEngine, lifecycle=FastLifecycle(cv=0))
        batch, receiver = machine.instances["batch"], machine.instances["search"]
        last = batch.cores[-1]
        after(machine, machine.rfm.preempt("search", "batch"))
        of_steps = [(core, ticks) for _, core, ticks in machine.engine.occupied if ticks > 10_000_00]
        offline, online = (100_000 * FastLifecycle.TIMES_US[o] // 4 for o in ("cpu_offline", "cpu_online"))
        host = receiver.communication_core
        assert of_steps == [
            (host, offline), (batch.communication_core, offline), (last, offline),
            (host, online), (host, online), (last, online),
        ]


    def test_the_supervisors_process_takes_turns_with_the_threads_on_its_core(self):
        class Slow(FastLifecycle):
            def steps(self, operation, cores=0, pages=0):
                return (TimedStep("tool stack", "supervisor", 1e9, 0.0),)

        machine = ElasticMachine(service(), NAMES, engine=FakeEngine, lifecycle=Slow())
        operation = after(machine, machine.rfm.create("web", cores=1), limit_ms=1100)
        assert operation.took_s == pytest.approx(1)
        turns = [(at, ticks) for at, core, ticks in machine.engine.occupied if ticks > MILLISECOND]
        assert sum(ticks for _, ticks in turns) == pytest.approx(0.5e11, rel=0.02)
        for (at, ticks), (following, _) in itertools.pairwise(turns):
            assert following - at == 2 * ticks


# --- failure -----------------------------------------------------------------------------------------------------


class TestFailure:
    def test_a_failed_instance_stops_no_other(self, machine):
        machine.run(1 * MS)
        machine.rfm.fail("batch")
        machine.run(5 * MS)
        machine.check()
        before = machine.ledger.account("batch").busy_ticks
        answered = machine.engine.requests()[1]
        machine.run(9 * MS)
        machine.check()
        assert machine.ledger.account("batch").busy_ticks == before
        assert machine.engine.requests()[1] > answered
        assert held(machine)["batch"] == 4
        for ask in (
            machine.rfm.resize("batch", cores=1), machine.rfm.preempt("search", "batch"),
            machine.rfm.borrow("batch", "search", cores=1),
        ):
            assert after(machine, ask).reason == "batch is failed"
        assert after(machine, machine.rfm.destroy("batch")).done
        assert after(machine, machine.rfm.resize("search", cores=12)).done

    def test_requests_to_a_failed_instance_are_lost(self, machine):
        machine.run(2 * MS)
        machine.rfm.fail("search")
        machine.run(5 * MS)
        first = machine.engine.requests()
        machine.run(8 * MS)
        second = machine.engine.requests()
        assert second[1] == first[1]
        assert second[2] > first[2]
        assert second[0] - sum(second[1:]) == first[0] - sum(first[1:])

    @pytest.mark.parametrize("victim", ["search", "batch"])
    @pytest.mark.parametrize("when_us", [1, 20, 70, 100, 150])
    def test_a_failure_in_the_middle_of_a_move_loses_nothing(self, victim, when_us):
        machine = fake()
        operation = machine.rfm.preempt("search", "batch", cores=2)
        machine.run(when_us * 1e-6)
        machine.rfm.fail(victim)
        after(machine, operation)
        assert operation.refused
        assert victim in operation.reason
        assert machine.instances[victim].state is Phase.FAILED
        machine.run(machine.seconds_passed + 20 * MS)
        machine.check()
        assert not machine.ledger.cores_of("in transit")

    def test_an_instance_may_fail_while_it_boots(self, machine):
        operation = machine.rfm.create("web", cores=2)
        machine.run(0.1 * MS)
        machine.rfm.fail("web")
        assert after(machine, operation).refused
        assert machine.instances["web"].state is Phase.FAILED
        assert len(machine.ledger.cores_of(FREE)) == 2
        assert after(machine, machine.rfm.destroy("web")).done
        assert after(machine, machine.rfm.create("web", cores=2)).done

    def test_commands_wait_for_a_failed_supervisor_and_instances_do_not(self, machine):
        machine.supervisor.fail()
        operation = machine.rfm.preempt("search", "batch")
        machine.run(3 * MS)
        assert operation.pending
        assert machine.engine.requests()[1] > 0
        machine.supervisor.recover()
        assert after(machine, operation).done

    def test_a_supervisor_that_fails_in_the_middle_goes_on_where_it_was(self):
        machine = fake()
        operation = machine.rfm.preempt("search", "batch", cores=2)
        machine.run(0.1 * MS)
        machine.supervisor.fail()
        machine.run(10 * MS)
        machine.check()
        assert operation.pending
        machine.supervisor.recover()
        assert after(machine, operation).done
        assert held(machine) == {"search": 8, "batch": 2, "web": 0}


# --- accounts ----------------------------------------------------------------------------------------------------


class TestAccounts:
    def test_they_add_up_to_the_machine_in_the_middle_of_everything(self, machine):
        machine.rfm.create("web", cores=2)
        machine.rfm.preempt("search", "web")
        machine.rfm.destroy("batch")
        for _ in range(30):
            machine.run(machine.seconds_passed + 0.07 * MS)
            machine.check()
            account = machine.rfm.account()
            assert account.cores.sum() == 12
            assert account.core_s.sum() == pytest.approx(12 * machine.seconds_passed)
            assert account.memory_gb.sum() == 32
            assert account.memory_gb_s.sum() == pytest.approx(32 * machine.seconds_passed)
            assert account.busy_s.sum() == pytest.approx(machine.engine.outcome().busy.sum() / 1e11)

    def test_the_list_tells_what_there_is(self, machine):
        table = machine.rfm.list().set_index("name")
        assert table.cores.to_dict() == held(machine)
        assert table.state.to_dict() == {"search": "running", "batch": "running", "web": "dormant"}
        assert table.priority.is_monotonic_decreasing

    def test_a_core_that_the_ledger_lost_is_found(self):
        machine = fake()
        machine.engine._domain[0] = -1
        with pytest.raises(OwnershipViolation, match="core 0"):
            machine.check()


# --- what cannot go on -------------------------------------------------------------------------------------------


class TestStuck:
    """An engine that does not give what is asked of it."""

    def test_a_core_that_never_comes_free_ends_in_a_refusal(self):
        machine = fake()
        machine.engine.release = lambda core: False
        operation = machine.rfm.preempt("search", "batch")
        machine.run(30)
        assert operation.refused
        assert "does not come free" in operation.reason
        assert operation.took_s == pytest.approx(10, rel=0.01)
        assert held(machine) == {"search": 6, "batch": 4, "web": 0}
        assert machine.instances["batch"].state is Phase.RUNNING
        machine.check()

    def test_threads_that_never_end_leave_an_instance_to_be_destroyed_later(self):
        machine = fake()
        ends = machine.engine.end_threads
        machine.engine.end_threads = lambda domain: False
        operation = machine.rfm.destroy("batch")
        machine.run(30)
        assert operation.refused
        assert machine.instances["batch"].state is Phase.FAILED
        machine.engine.end_threads = ends
        assert after(machine, machine.rfm.destroy("batch")).done

    def test_an_engine_that_stops_is_told(self):
        machine = fake()
        machine.engine.run = lambda until: StopReason.LIVELOCK
        with pytest.raises(SimulationError, match="does not let time pass"):
            machine.run(1)
        assert not machine.running

    def test_the_agenda_does_not_go_back(self):
        machine = fake().run(1 * MS)
        with pytest.raises(ValueError, match="has passed"):
            machine.agenda.at(machine.now - 1, lambda: None)


# --- the guard in a live machine ---------------------------------------------------------------------------------


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


# --- policies ----------------------------------------------------------------------------------------------------


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


def test_an_undivided_system_is_one_instance_that_needs_no_life_cycle():
    scenario = search_on("linux-2.6.35m", 200, neighbour="parsec.canneal", seconds=5)
    machine = ElasticMachine(scenario, ("linux",), policy=Scripted(1, -1, interval_s=1)).run(3)
    assert machine.window().answered == pytest.approx(200, rel=0.2)
    assert not machine.rfm.operations


class TestNames:
    @pytest.mark.parametrize(
        "names", [("a",), ("a", "a", "b"), ("a", "b", FREE), ("a", "b", SUPERVISOR), ("a", "b", "")]
    )
    def test_that_do_not_fit(self, names):
        with pytest.raises(InputError, match="names"):
            ElasticMachine(service(), names, engine=FakeEngine)

    def test_an_engine_that_does_not_exist(self):
        with pytest.raises(InputError, match="engine"):
            ElasticMachine(service(), NAMES, engine="steam")


@pytest.mark.parametrize("system", ["rainforest", "xen", "lxc"])
def test_the_described_life_cycles_run(system):
    machine = ElasticMachine(service(system=system), NAMES, engine=FakeEngine)
    create = machine.rfm.create("web", cores=2, memory_gb=4)
    move = machine.rfm.preempt("search", "batch")
    destroy = machine.rfm.destroy("web")
    machine.run(40)
    machine.check()
    assert create.done
    assert move.done
    assert destroy.done
    described = load.lifecycle(system)
    mean = described.mean_s("cpu_offline", cores=1) + described.mean_s("cpu_online", cores=1)
    assert move.took_s == pytest.approx(mean, rel=0.6)
