"""The compiled engine held against its twin, the Mesa model: one trace, event for event, and one outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import tables as tb
from .engine.door import CompiledEngine
from .outcome import StopReason

if TYPE_CHECKING:
    from .agents.model import MachineModel
    from .random_scenarios import Lot

LONGEST_STEP = 5 * 10**6
"""Ticks between two interventions of a supervisor: at most so many (50 us), so that most meet somebody at work."""


class Comparison(NamedTuple):
    """How many events the engine and its twin had in common, and what then differed ("" if nothing)."""

    events: int
    difference: str


def compare_twins(tables: tb.Tables, events: int, until: int = 10**13) -> Comparison:
    """Run both engines for about so many events, and compare traces, histograms, moments and busy times.

    Examples
    --------
    >>> from rainforest_model.lowering import lower
    >>> from rainforest_model.reference import closed_lock
    >>> compare_twins(lower(closed_lock(3)), events=500).difference
    ''
    """
    from .agents.model import MachineModel

    probe = CompiledEngine(tables, trace=events)
    if probe.run(until) is StopReason.TRACE_FULL:
        until = probe.now - 1  # every earlier tick is complete
    engine, twin = CompiledEngine(tables, trace=events), MachineModel(tables, trace=True)
    reasons = engine.run(until), twin.run(until)
    if reasons[0] is not reasons[1] or engine.culprit() != twin.culprit():
        return Comparison(0, f"one stops as {reasons[0].name}, the other as {reasons[1].name}")
    return _told(engine, twin)


def compare_under_supervision(tables: tb.Tables, lot: Lot, events: int, interventions: int = 40) -> Comparison:
    """Let a supervisor try what a lot draws, between events of both engines, and compare as `compare_twins` does.

    What each intervention answers, who owns which core, and what became of the requests must be the same too.

    Parameters
    ----------
    tables : Tables
    lot : Lot
        Draws the interventions (`rainforest_model.random_scenarios.Lot.intervention`) and the time between them.
    events : int
        Room in the trace: it ends before that is full.
    interventions : int
    """
    from .agents.model import MachineModel

    engine, twin = CompiledEngine(tables, trace=events), MachineModel(tables, trace=True)
    until = 0
    for nth in range(interventions):
        until += lot.rng.randrange(1, LONGEST_STEP)
        reasons = engine.run(until), twin.run(until)
        if reasons[0] is StopReason.TRACE_FULL:
            break
        if reasons[0] is not reasons[1]:
            return Comparison(engine.events, f"one stops as {reasons[0].name}, the other as {reasons[1].name}")
        if reasons[0] not in (StopReason.REACHED, StopReason.DEADLOCK):
            break
        what, arguments = lot.intervention(len(tables.domains), tables.cores)
        if attempt(engine, what, arguments) != attempt(twin, what, arguments):
            return Comparison(engine.events, f"intervention {nth}, {what}{arguments}, is answered differently")
        twin.check()
        if _owned(engine, tables) != _owned(twin, tables) or engine.requests() != twin.requests():
            return Comparison(engine.events, f"after intervention {nth}, {what}{arguments}, owners or requests differ")
    else:
        return _told(engine, twin)
    return _same_trace(engine.trace(), twin.trace())


def attempt(engine, what: str, arguments: tuple):
    """What an intervention answers, or why it is refused."""
    try:
        return getattr(engine, what)(*arguments)
    except ValueError as error:
        return str(error)


def _owned(engine, tables: tb.Tables) -> list[list[int]]:
    return [engine.cores_of(domain) for domain in range(len(tables.domains))]


def _told(engine: CompiledEngine, twin: MachineModel) -> Comparison:
    found = _same_trace(engine.trace(), twin.trace())
    if found.difference:
        return found
    if len(engine.trace()) != len(twin.trace()):
        return Comparison(found.events, f"the traces part at event {found.events}")
    a, b = engine.outcome(), twin.outcome()
    for what in ("counts", "moments", "busy", "now", "events"):
        if not np.array_equal(getattr(a, what), getattr(b, what)):
            return Comparison(found.events, f"{what} differ")
    return found


def _same_trace(ours: np.ndarray, theirs: np.ndarray) -> Comparison:
    """As far as both go."""
    shorter = min(len(ours), len(theirs))
    apart = np.flatnonzero((ours[:shorter] != theirs[:shorter]).any(axis=1))
    if len(apart):
        return Comparison(int(apart[0]), f"the traces part at event {int(apart[0])}")
    return Comparison(shorter, "")
