"""What a command costs: the communication core, messages and steps."""

from __future__ import annotations

import itertools

import pytest
from fake_engine import MILLISECOND, FakeEngine
from live_machine import ENGINES, MS, NAMES, FastLifecycle, after, fake, service

from rainforest_model.descriptions.lifecycle import TimedStep
from rainforest_model.errors import InputError
from rainforest_model.supervision import (
    SUPERVISOR,
    ElasticMachine,
)


@pytest.fixture(params=ENGINES)
def machine(request) -> ElasticMachine:
    return ElasticMachine(service(), NAMES, engine=ENGINES[request.param], lifecycle=FastLifecycle())


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
