"""The ledger: each resource has one owner, loans name what their borrowers have, and accounts add up exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rainforest_model.supervision import FREE, TRANSIT, Account, Ledger, OwnershipViolation
from rainforest_model.supervision.choice import choose_cores

CORES, BLOCKS = 6, 40
INSTANCES = ("search", "batch", "web")


def ledger_of(**cores: tuple[int, ...]) -> Ledger:
    ledger = Ledger(CORES, BLOCKS)
    for name, numbers in cores.items():
        ledger.take(FREE, numbers, 2 * len(numbers))
        ledger.put(name, numbers, 2 * len(numbers))
    return ledger


class TestOwnership:
    def test_at_first_all_is_free(self):
        ledger = Ledger(CORES, BLOCKS)
        assert ledger.cores_of(FREE) == tuple(range(CORES))
        assert ledger.extents(FREE) == (range(BLOCKS),)
        ledger.check()

    def test_what_is_in_transit_is_nobodys(self):
        ledger = ledger_of(search=(0, 1))
        ledger.take("search", [1], 1)
        assert ledger.owner(1) == TRANSIT
        assert ledger.cores_of("search") == (0,)
        assert ledger.blocks_of("search") == 3
        ledger.check()

    @pytest.mark.parametrize(
        "wrong", [
            lambda ledger: ledger.take("search", [2]),
            lambda ledger: ledger.take(FREE, [0]),
            lambda ledger: ledger.put("batch", [0]),
            lambda ledger: ledger.take("search", [0, 0]),
            lambda ledger: ledger.take("search", [-1]),
            lambda ledger: ledger.take("search", [CORES]),
            lambda ledger: ledger.take("search", blocks=5),
            lambda ledger: ledger.take("search", blocks=-1),
            lambda ledger: ledger.put("batch", blocks=1),
            lambda ledger: ledger.take("search", [0], 5),
        ],
        ids=[
            "of another", "owned, from the pool", "not in transit", "twice", "negative", "no such core",
            "too much memory", "negative memory", "memory not in transit", "core fits, memory does not",
        ],
    )
    def test_a_wrong_entry_is_refused_and_changes_nothing(self, wrong):
        ledger = ledger_of(search=(0, 1))
        before = [(ledger.cores_of(o), ledger.blocks_of(o)) for o in (FREE, TRANSIT, "search", "batch")]
        with pytest.raises(OwnershipViolation):
            wrong(ledger)
        assert [(ledger.cores_of(o), ledger.blocks_of(o)) for o in (FREE, TRANSIT, "search", "batch")] == before
        ledger.check()

    def test_memory_has_places(self):
        ledger = ledger_of(search=(0,), batch=(1,))
        (mine,), (other,) = ledger.extents("search"), ledger.extents("batch")
        assert len(mine) == len(other) == 2
        assert not set(mine) & set(other)

    def test_an_owner_keeps_the_memory_that_it_had_from_the_first(self):
        ledger = ledger_of(search=(0, 1), batch=(2,))
        (before,) = ledger.extents("search")
        ledger.take("search", blocks=3)
        assert ledger.extents("search") == (before[:1],)
        ledger.put("batch", blocks=3)
        assert sum(map(len, ledger.extents("batch"))) == 2 + 3
        ledger.check()


class TestLoans:
    def test_a_loan_is_registered_and_struck_off(self):
        ledger = ledger_of(search=(0,), batch=(1, 2))
        ledger.take("batch", [2], 1)
        ledger.put("search", [2], 1)
        loan = ledger.lend("batch", "search", [2], 1)
        assert ledger.borrowed("search") == ({2}, 1)
        assert ledger.own_cores("search") == (0,)
        assert ledger.own_blocks("search") == 2
        rest = ledger.strike(loan, cores=[2])
        assert (rest.cores, rest.blocks) == ((), 1)
        ledger.strike(rest, blocks=1)
        assert not ledger.loans

    def test_nobody_registers_what_the_borrower_has_not_or_has_on_loan(self):
        ledger = ledger_of(search=(0, 1), batch=(2,))
        ledger.lend("batch", "search", [1])
        for cores in ([1], [2], [5]):
            with pytest.raises(OwnershipViolation):
                ledger.lend("batch", "search", cores)
        with pytest.raises(OwnershipViolation):
            ledger.lend("batch", "search", blocks=5)

    def test_a_core_on_loan_that_went_elsewhere_is_found(self):
        ledger = ledger_of(search=(0, 1), batch=(2,))
        ledger.lend("batch", "search", [1])
        ledger.take("search", [1])
        ledger.put("batch", [1])
        with pytest.raises(OwnershipViolation, match="on loan"):
            ledger.check()

    def test_a_loan_is_not_struck_off_twice(self):
        ledger = ledger_of(search=(0, 1), batch=(2,))
        loan = ledger.lend("batch", "search", [1])
        ledger.strike(loan, [1])
        with pytest.raises(OwnershipViolation):
            ledger.strike(loan, [1])


class TestAccounts:
    def test_an_account_is_ticks_times_what_was_owned(self):
        ledger = ledger_of(search=(0, 1))
        ledger.turn(100, [100, 40, 0, 0, 0, 0])
        ledger.take("search", [1])
        ledger.turn(130, [130, 40, 0, 0, 0, 0])
        assert ledger.account("search") == Account(2 * 100 + 30, 100 + 40 + 30, 4 * 130)
        assert ledger.account(TRANSIT) == Account(30, 0, 0)
        ledger.check()

    def test_time_and_busy_time_do_not_fall(self):
        ledger = Ledger(CORES, BLOCKS)
        ledger.turn(10, [5] * CORES)
        with pytest.raises(OwnershipViolation):
            ledger.turn(9, [5] * CORES)
        with pytest.raises(OwnershipViolation):
            ledger.turn(11, [4] * CORES)


class Ownership(RuleBasedStateMachine):
    """Random entries against a plain dictionary; what a ledger must not do, it refuses."""

    def __init__(self):
        super().__init__()
        self.ledger = Ledger(CORES, BLOCKS)
        self.owner = dict.fromkeys(range(CORES), FREE)
        self.blocks = {FREE: BLOCKS}
        self.now = 0
        self.busy = [0] * CORES
        self.core_ticks: dict[str, int] = {}

    @rule(giver=st.sampled_from((FREE, *INSTANCES)), core=st.integers(0, CORES - 1), blocks=st.integers(0, BLOCKS))
    def take(self, giver, core, blocks):
        self.move(giver, TRANSIT, core, blocks, lambda: self.ledger.take(giver, [core], blocks))

    @rule(taker=st.sampled_from((FREE, *INSTANCES)), core=st.integers(0, CORES - 1), blocks=st.integers(0, BLOCKS))
    def put(self, taker, core, blocks):
        self.move(TRANSIT, taker, core, blocks, lambda: self.ledger.put(taker, [core], blocks))

    def move(self, giver, taker, core, blocks, entry):
        if self.owner[core] != giver or self.blocks.get(giver, 0) < blocks:
            with pytest.raises(OwnershipViolation):
                entry()
            return
        entry()
        self.owner[core] = taker
        self.blocks[giver] -= blocks
        self.blocks[taker] = self.blocks.get(taker, 0) + blocks

    @rule(span=st.integers(0, 1000), share=st.lists(st.integers(0, 4), min_size=CORES, max_size=CORES))
    def turn(self, span, share):
        for owner in self.owner.values():
            self.core_ticks[owner] = self.core_ticks.get(owner, 0) + span
        self.now += span
        self.busy = [before + span * part // 4 for before, part in zip(self.busy, share, strict=True)]
        self.ledger.turn(self.now, self.busy)

    @invariant()
    def agrees(self):
        self.ledger.check()
        for owner in (FREE, TRANSIT, *INSTANCES):
            assert set(self.ledger.cores_of(owner)) == {c for c, o in self.owner.items() if o == owner}
            assert self.ledger.blocks_of(owner) == self.blocks.get(owner, 0)
            assert sum(map(len, self.ledger.extents(owner))) == self.blocks.get(owner, 0)
            assert self.ledger.account(owner).core_ticks == self.core_ticks.get(owner, 0)
        total = sum((self.ledger.account(o) for o in self.ledger.owners), Account(0, 0, 0))
        assert total == Account(CORES * self.now, sum(self.busy), BLOCKS * self.now)


TestRandomEntries = Ownership.TestCase
TestRandomEntries.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class TestChoice:
    SOCKETS = (0, 0, 0, 1, 1, 1)

    def test_the_receivers_socket_comes_first_then_the_latest(self):
        assert choose_cores([3, 0, 4, 1], 4, self.SOCKETS, home=0) == (1, 0, 4, 3)

    def test_without_a_home_the_latest_comes_first(self):
        assert choose_cores([3, 0, 4], 2, self.SOCKETS) == (4, 0)

    def test_the_communication_core_comes_last_wherever_it_is(self):
        assert choose_cores([0, 3, 4], 3, self.SOCKETS, home=0, last=0) == (4, 3, 0)

    @given(st.permutations(range(6)), st.integers(0, 6), st.sampled_from([None, 0, 1]))
    def test_it_chooses_so_many_of_them(self, cores, count, home):
        chosen = choose_cores(cores, count, self.SOCKETS, home, last=cores[0])
        assert len(set(chosen)) == count
        assert count == 6 or cores[0] not in chosen
