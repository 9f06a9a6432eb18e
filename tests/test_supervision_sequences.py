"""The live machine under anything in any order, on both engines alike."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from live_machine import ENGINES, NAMES, FastLifecycle, Scripted, after, fake, service

from rainforest_model.errors import InputError
from rainforest_model.supervision import ElasticMachine, Phase, SecurityGuard


def test_both_engines_tell_the_same():
    def told(engine):
        machine = ElasticMachine(
            service(), NAMES, seed=3, engine=engine, lifecycle=FastLifecycle(), policy=Scripted(1, -1, 2, 0, -2)
        )
        for ask in (
            lambda: machine.rfm.create("web", cores=2), lambda: machine.rfm.fail("batch"),
            lambda: machine.rfm.destroy("batch"), lambda: machine.rfm.resize("search", cores=9), lambda: None,
        ):
            ask()
            machine.step()
            machine.check()
        return machine

    compiled, agents = told("compiled"), told("agents")
    assert compiled.timeline.equals(agents.timeline)
    assert compiled.rfm.account().equals(agents.rfm.account())
    assert [vars(o) for o in compiled.rfm.operations] == [vars(o) for o in agents.rfm.operations]
    ours, theirs = compiled.engine.outcome(), agents.engine.outcome()
    np.testing.assert_array_equal(ours.counts, theirs.counts)
    np.testing.assert_array_equal(ours.busy, theirs.busy)
    assert (ours.now, ours.events) == (theirs.now, theirs.events)
    assert compiled.engine.requests() == agents.engine.requests()


def test_the_seed_decides_how_long_operations_take():
    def took(seed):
        machine = fake(seed=seed)
        return after(machine, machine.rfm.preempt("search", "batch")).took_s

    assert took(1) == took(1) != took(2)


class AnythingInAnyOrder(RuleBasedStateMachine):
    """Random commands and failures, in both engines and the stand-in; what must always hold is checked after each."""

    names = st.sampled_from((*NAMES, "shop"))
    pairs = st.sampled_from([
        *[("search", "batch"), ("batch", "search")] * 3, ("search", "web"), ("web", "search"), ("batch", "web"),
        ("web", "batch"), ("shop", "search"), ("batch", "shop"),
    ])

    @initialize(engines=st.sampled_from([("fake",), ("compiled",), ("compiled", "agents")]), guarded=st.booleans())
    def begin(self, engines, guarded):
        self.machines = [
            ElasticMachine(
                service((4, 3, 0)), NAMES, engine=ENGINES[engine], lifecycle=FastLifecycle(cv=0.5),
                guard=SecurityGuard() if guarded else None,
            )
            for engine in engines
        ]

    def asking(self, ask):
        answers = {self.answer(machine, ask) for machine in self.machines}
        assert len(answers) == 1

    @staticmethod
    def answer(machine, ask):
        try:
            return repr(ask(machine.rfm))
        except InputError as error:
            text = str(error)
            assert "no such instance" in text or "it is" in text
            return text

    @rule(name=names, cores=st.integers(1, 3), gb=st.sampled_from([None, 0.5]))
    def create(self, name, cores, gb):
        self.asking(lambda rfm: rfm.create(name, cores=cores, memory_gb=gb))

    @rule(name=names, sure=st.integers(0, 2))
    def destroy(self, name, sure):
        if not sure:
            self.asking(lambda rfm: rfm.destroy(name))

    @rule(name=names, cores=st.integers(1, 12), gb=st.sampled_from([None, None, 2, 8, 20]))
    def resize(self, name, cores, gb):
        self.asking(lambda rfm: rfm.resize(name, cores=cores, memory_gb=gb))

    @rule(pair=pairs, cores=st.integers(0, 2), gb=st.sampled_from([0.5, 8]))
    def borrow(self, pair, cores, gb):
        self.asking(lambda rfm: rfm.borrow(*pair, cores=cores, memory_gb=gb))

    @rule(pair=pairs)
    def give_back(self, pair):
        self.asking(lambda rfm: rfm.give_back(*pair))

    @precondition(lambda self: self.machines[0].ledger.loans)
    @rule(which=st.integers(0, 9))
    def give_a_loan_back(self, which):
        loans = list(self.machines[0].ledger.loans.values())
        loan = loans[which % len(loans)]
        self.asking(lambda rfm: rfm.give_back(loan.borrower, loan.lender))

    @rule(pair=pairs, cores=st.integers(1, 2))
    def preempt(self, pair, cores):
        self.asking(lambda rfm: rfm.preempt(*pair, cores=cores))

    @rule(name=names, sure=st.integers(0, 4))
    def fail(self, name, sure):
        if not sure:
            self.asking(lambda rfm: rfm.fail(name))

    @rule()
    def supervisor_fails(self):
        for machine in self.machines:
            machine.supervisor.fail()

    @rule()
    def supervisor_recovers(self):
        for machine in self.machines:
            machine.supervisor.recover()

    @rule(us=st.sampled_from([1, 20, 100, 500, 2000, 5000]))
    def run_on(self, us):
        for machine in self.machines:
            was = {
                name: (instance.state, machine.ledger.account(name).busy_ticks)
                for name, instance in machine.instances.items()
            }
            machine.run(machine.seconds_passed + us * 1e-6)
            machine.check()
            for name, instance in machine.instances.items():
                state, busy = was.get(name, (None, 0))
                if us == 5000 and state is instance.state is Phase.RUNNING:
                    assert machine.ledger.account(name).busy_ticks > busy, f"{name} stands still"

    @invariant()
    def holds(self):
        for machine in getattr(self, "machines", ()):
            machine.check()
            for instance in machine.instances.values():
                assert not instance.alive or (instance.cores and instance.communication_core in instance.cores)
                assert not instance.gone or not (instance.cores or instance.blocks)
            if machine.guard is not None:
                assert not machine.guard.refused
        told = {
            (machine.engine.requests(), repr(machine.rfm.operations), repr(machine.ledger), machine.now)
            for machine in getattr(self, "machines", ())
        }
        assert len(told) <= 1

    def teardown(self):
        for machine in getattr(self, "machines", ()):
            machine.supervisor.recover()
            machine.run(machine.seconds_passed + 0.1)
            machine.check()
            assert not machine.supervisor.pending
            assert not machine.ledger.cores_of("in transit")
            sent, answered, lost = machine.engine.requests()
            # Who is being served when it ends is lost, and who waits: nobody is under way to the dead.
            if not any(instance.domain == 0 and instance.alive for instance in machine.instances.values()):
                assert sent == answered + lost


TestAnythingInAnyOrder = AnythingInAnyOrder.TestCase
TestAnythingInAnyOrder.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
