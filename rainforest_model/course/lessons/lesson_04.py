"""Exercises of `04_tlb_shootdowns`."""

from __future__ import annotations

import math

from ...descriptions.load import machine, system
from ...descriptions.machine import Machine
from ...descriptions.program import Program, compute, exponential, lock, program, unlock
from ...descriptions.scenario import Load, Scenario
from ...descriptions.structure import Structure
from ...simulation import simulate
from ...workloads import workload
from ..checks import Choice, Number, Trial, Wrong

CORES = 12
OFF_US, WORK_US = 5.0, 20.0
"""How long a bystander has interrupts off at a time, and how long it works between."""
UNMAPS_A_SECOND = 20_000
"""Of each thread of a process."""


def _bystander(off_us: float) -> Program:
    """Works in user space, and has interrupts off now and then."""
    ops = [compute(exponential(f"{WORK_US} us"), name="user work")]
    if off_us:
        ops += [lock("device"), compute(exponential(f"{off_us} us"), name="driver"), unlock("device")]
    return program("bystander", *ops)


def _unmapper() -> Program:
    """Maps, touches and unmaps a page, and rests."""
    unmap = workload("munmap", pages=1)
    return program("unmapper", *unmap.ops, compute(exponential("50 us"), name="rest"), pages=1)


def _scenario(on: Machine, others: int, off_us: float = 0.0, duration: str = "20 ms") -> Scenario:
    """One thread that unmaps, and others of its process on the next cores."""
    device = Structure(kind="ticket_lock", scope="core", interrupts_off=True, source="an exercise")
    loads = (Load(program=_unmapper(), pinned=True),)
    if others:
        loads += (Load(program=_bystander(off_us), threads=others, pinned=True, joins=0),)
    return Scenario(
        machine=on, system=system("linux-4.9.40"), cores=others + 1, loads=loads, duration=duration,
        structures={"device": device} if off_us else {},
    )


def _mean_us(others: int) -> float:
    return simulate(_scenario(machine("S-A"), others), replications=1).estimate("mean").value


def _predicts(answer) -> str:
    """Whether a function of the number of other cores says what a shootdown adds to an unmap."""
    alone = _mean_us(0)
    for others in (1, 5, 6, 11):
        added, told = _mean_us(others) - alone, float(answer(others))
        if math.isclose(told * 1000, added, rel_tol=0.03) or math.isclose(told, added * 1000, rel_tol=0.03):
            raise Wrong("The digits are right: return microseconds.")
        if not math.isclose(told, added, rel_tol=0.03):
            why = "too much" if told > added else "too little"
            beyond = " Where is the last of them?" if others > 5 and told < added else ""
            raise Wrong(f"With {others} other core{'s' * (others > 1)} it says {why}.{beyond}")
    return "Within 3 % of the model for 1, 5, 6 and 11 other cores."


def _handler_us() -> float:
    """What a target loses to the flush of one page."""
    on = machine("S-A")
    clock = on.topology.clock.value
    return (on.interrupt.entry.ns(clock) + on.tlb.single_page.ns(clock)) / 1000


def _stolen_percent(flushes_a_second: float) -> float:
    return 100 * flushes_a_second * _handler_us() * 1e-6


def _halved(parameter):
    return parameter.model_copy(update={"value": parameter.value / 2, "range": (parameter.value / 2,) * 2})


def _best_change() -> str:
    """The letter of the change that shortens the 99th percentile most."""
    on = machine("S-A")
    faster = on.interrupt
    changed = {
        "a": (on.model_copy(update={"interrupt": faster.model_copy(update={"send": _halved(faster.send)})}), OFF_US),
        "b": (on.model_copy(update={"interrupt": faster.model_copy(update={"entry": _halved(faster.entry)})}), OFF_US),
        "c": (on.model_copy(update={"tlb": on.tlb.model_copy(update={"single_page": _halved(on.tlb.single_page)})}),
              OFF_US),
        "d": (on, OFF_US / 2),
    }
    tails = {
        letter: simulate(_scenario(each, CORES - 1, off), replications=3).estimate("p99").value
        for letter, (each, off) in changed.items()
    }
    return min(tails, key=tails.get)


EXERCISES = {
    "shootdown": Trial(_predicts),
    "stolen": Number(
        lambda: _stolen_percent((CORES - 1) * UNMAPS_A_SECOND), "percent", tolerance=0.01,
        slips={
            "Does a core interrupt itself?": lambda: _stolen_percent(CORES * UNMAPS_A_SECOND),
            "That is what one thread steals from each other core; there are more who unmap.":
                lambda: _stolen_percent(UNMAPS_A_SECOND),
            "That is what all cores lose together, as a share of one.":
                lambda: CORES * _stolen_percent((CORES - 1) * UNMAPS_A_SECOND),
        },
        why="And twice as many cores would lose twice as much each: the cost of sharing grows with those who share.",
    ),
    "best_change": Choice(
        {
            "a": "Sending is a part of every unmap, but a small one of the slowest.",
            "b": "Entering the handler is a part of every unmap, but a small one of the slowest.",
            "c": "The flush itself is the smallest part of all.",
            "d": "The slowest unmaps are those that meet a core with interrupts off; nothing else matters to the tail.",
        },
        right=_best_change,
    ),
}
