"""Security Guard: what an instance may do to its own resources it may not do to those of others."""

from __future__ import annotations

import pytest

from rainforest_model.errors import InputError
from rainforest_model.supervision import (
    KINDS,
    SUPERVISOR,
    ConfigureIommu,
    Halt,
    LoadCr3,
    PageTableUpdate,
    ResourceDescription,
    SecurityGuard,
    StartupIpi,
    WriteDescription,
)

SEARCH = ResourceDescription(frozenset({0, 1}), (range(10),), frozenset({"nic 0"}))
BATCH = ResourceDescription(frozenset({2, 3}), (range(10, 20),), frozenset({"nic 1"}))
OF_SEARCH = [
    PageTableUpdate(3), LoadCr3(0), StartupIpi(1), Halt(0), ConfigureIommu("nic 0", 9),
]


@pytest.fixture
def guard() -> SecurityGuard:
    guard = SecurityGuard()
    assert guard.write(SUPERVISOR, "search", SEARCH)
    assert guard.write(SUPERVISOR, "batch", BATCH)
    return guard


@pytest.mark.parametrize("operation", OF_SEARCH, ids=repr)
def test_an_operation_on_ones_own_is_permitted(guard, operation):
    assert guard.attempt("search", operation)
    assert not guard.refused


@pytest.mark.parametrize("attacker", ["batch", SUPERVISOR, "nobody"])
@pytest.mark.parametrize("operation", OF_SEARCH, ids=repr)
def test_an_attack_is_refused_and_recorded(guard, attacker, operation):
    answer = guard.attempt(attacker, operation)
    assert not answer
    assert guard.refused == [answer]
    assert (answer.instance, answer.operation) == (attacker, operation)


def test_a_device_cannot_be_aimed_at_the_memory_of_others(guard):
    assert not guard.attempt("search", ConfigureIommu("nic 0", 10))


class TestDescriptions:
    def test_all_can_read_them_and_none_write_through(self, guard):
        assert guard.descriptions["search"] == SEARCH
        with pytest.raises(TypeError):
            guard.descriptions["search"] = BATCH
        with pytest.raises(AttributeError):
            guard.descriptions["search"].cores = frozenset()

    @pytest.mark.parametrize("writer", ["search", "batch", "nobody"])
    def test_nobody_but_the_supervisor_writes_them(self, guard, writer):
        widened = ResourceDescription(frozenset(range(4)), (range(20),))
        assert not guard.write(writer, "search", widened)
        assert guard.descriptions["search"] == SEARCH
        assert guard.refused[-1].operation == WriteDescription("search")

    def test_who_is_struck_out_may_do_nothing(self, guard):
        guard.write(SUPERVISOR, "batch", None)
        assert not guard.attempt("batch", Halt(2))

    def test_memory_of_others_is_mapped_once_it_is_shared(self, guard):
        assert not guard.attempt("batch", PageTableUpdate(5))
        assert not guard.share("batch", (range(4, 6),), "batch")
        assert guard.share(SUPERVISOR, (range(4, 6),), "batch")
        assert guard.attempt("batch", PageTableUpdate(5))
        assert not guard.attempt("batch", PageTableUpdate(6))
        # Mapped is not owned: a page table there could be rewritten by its owner.
        assert not guard.attempt("batch", LoadCr3(5))

    def test_sharing_with_nobody(self, guard):
        with pytest.raises(InputError, match="user"):
            guard.share(SUPERVISOR, (range(1),), "nobody")


class TestCosts:
    def test_each_check_is_charged_to_who_is_checked(self):
        charged = []
        guard = SecurityGuard({"halt": 120.0})
        guard.install(lambda: 7, lambda who, ns: charged.append((who, ns)))
        guard.write(SUPERVISOR, "search", SEARCH)
        guard.attempt("search", Halt(0))
        assert guard.attempt("search", Halt(3)).tick == 7
        assert charged == [(SUPERVISOR, 0.0), ("search", 120.0), ("search", 120.0)]
        assert guard.checked == {**dict.fromkeys(KINDS, 0), "write_description": 1, "halt": 2}

    @pytest.mark.parametrize("costs", [{"hlt": 1.0}, {"halt": -1.0}, {"halt": float("nan")}, {"halt": float("inf")}])
    def test_a_cost_that_does_not_fit(self, costs):
        with pytest.raises(InputError, match="costs_ns"):
            SecurityGuard(costs)
