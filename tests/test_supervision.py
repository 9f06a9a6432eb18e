"""The live machine: operations take their time and lose nothing, whatever fails, on either engine."""

from __future__ import annotations

import itertools
import math

import pytest
from fake_engine import FakeEngine
from live_machine import ENGINES, MS, NAMES, FastLifecycle, Scripted, after, fake, held, service

from rainforest_model.descriptions import load
from rainforest_model.errors import InputError
from rainforest_model.experiments.searching import search_on
from rainforest_model.outcome import StopReason
from rainforest_model.simulation import SimulationError
from rainforest_model.supervision import (
    FREE,
    SUPERVISOR,
    ElasticMachine,
    OwnershipViolation,
    Phase,
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


# --- what is asked for at the beginning ----------------------------------------------------------------------


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
