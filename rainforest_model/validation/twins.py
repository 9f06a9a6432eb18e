"""The compiled engine and the Mesa model, event for event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..descriptions import load
from ..descriptions.scenario import Load, Scenario
from ..descriptions.structure import Structure
from ..lowering import lower
from ..random_scenarios import Lot
from ..twins import compare_twins, compare_under_supervision
from ..workloads import partners, workloads
from .check import SEED, Check, Effort, Finding, together

# What the textbook programs need beside themselves.
_TEXTBOOK = {"lock": Structure(kind="queue_lock", scope="machine", source="Boyd-Wickizer et al., OLS 2012")}


def shipped(system: str, workload: str) -> Scenario:
    """A shipped workload on a shipped system: six partitions of two cores, with three threads each."""
    programs = [workloads()[id] for id in (workload, *partners(workload))]
    return Scenario(
        machine=load.machine("S-A"), system=load.system(system), cores=12, partitions=6, structures=_TEXTBOOK,
        loads=tuple(Load(program=program, threads=3) for program in programs),
    )


def _twin(workload: str, effort: Effort) -> Finding:
    wrong, events = [], 0
    for system in load.systems():
        common, difference = compare_twins(lower(shipped(system, workload), SEED), effort.twin_events)
        events += common
        if difference:
            wrong.append(f"on {system} {difference}")
    return together(wrong, f"the same {events:,} events on {len(load.systems())} systems")


def _random_twins(effort: Effort) -> Finding:
    wrong, events = [], 0
    for seed in range(SEED, SEED + effort.lots):
        common, difference = compare_twins(lower(Lot(seed).scenario(), seed), events=600, until=10**10)
        events += common
        if difference:
            wrong.append(f"Lot({seed}): {difference}")
    return together(wrong, f"the same {events:,} events in {effort.lots} scenarios drawn by lot")


def _supervised_twins(effort: Effort) -> Finding:
    wrong, events = [], 0
    for seed in range(SEED, SEED + effort.lots):
        lot = Lot(seed)
        common, difference = compare_under_supervision(lower(lot.scenario(), seed), lot, events=2000)
        events += common
        if difference:
            wrong.append(f"Lot({seed}): {difference}")
    return together(wrong, f"the same {events:,} events while cores and programs come and go")


def twins() -> Iterator[Check]:
    for workload in workloads():
        yield Check(f"twin: {workload}", "twin", partial(_twin, workload))
    yield Check("twin: random programs", "twin", _random_twins)
    yield Check("twin: random supervision", "twin", _supervised_twins)
