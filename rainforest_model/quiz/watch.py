"""The Mesa model stepped through a scenario, with each event told in words and each core drawn as a strip."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..agents import MachineModel
from ..agents.core import Core
from ..agents.model import Event
from ..agents.states import State
from ..descriptions.scenario import Scenario
from ..units import TICKS_PER_NS
from .pieces import LETTERS, NIGHT, NIGHT_TICKS

SIGNS = {
    "works": "=", "holds the lock": "#", "spins": "~", "has interrupts off": "x", "waits for answers": "?",
    "handles an interrupt": "!", "idle": ".",
}
WIDTH = 60
"""Columns of a strip at most."""
_SCALES = [digit * 10.0**power for power in range(-2, 6) for digit in (1, 2, 5)]
_SILENT = {"before the first", "arrive", "begin", "end", "sleep", NIGHT, "syscall_enter", "flush_hypercall"}
_WORDS = {
    "lock lock": "asks for the lock", "unlock lock": "releases the lock",
    "lock quiet": "turns interrupts off", "unlock quiet": "turns interrupts on again",
    "touch line": "writes the line", "send jobs": "sends a request", "receive jobs": "takes a request",
    "flush own TLB": "flushes its own TLB", "others to flush?": "looks who else must",
    "flush others": "interrupts them and waits for their answers", "syscall_exit": "has all answers, and is done",
}
_UNITS = {"ns": TICKS_PER_NS, "us": 1000 * TICKS_PER_NS}


@dataclass(frozen=True)
class Watched:
    """What was seen.

    Attributes
    ----------
    steps, strips : tuple of str
        Events in words; activity of the cores over time, with its legend.
    latency, longest : dict
        Of each measure by its name: sum and largest of its samples, in the problem's unit.
    """

    steps: tuple[str, ...]
    strips: tuple[str, ...]
    latency: dict[str, float]
    longest: dict[str, float]


def watch(scenario: Scenario, unit: str) -> Watched:
    """Step through a scenario until every thread has gone to sleep for the night.

    Parameters
    ----------
    scenario : Scenario
        Of threads that do something once (`rainforest_model.quiz.pieces.once`).
    unit : {"ns", "us"}
        Of all times that are told.
    """
    model, tick = MachineModel.from_scenario(scenario), _UNITS[unit]
    steps: list[str] = []
    cores = model.cores[:scenario.cores]  # without those of clients outside
    spans: list[list[tuple[int, int, str]]] = [[] for _ in cores]
    doing = [(0, "idle")] * len(cores)
    while (event := model.next_event()) is not None and event.time < NIGHT_TICKS:
        words = _words(event, [model.tables.labels[number] for number in model.executed])
        if words:
            steps.append(f"{event.time / tick:8.6g} {unit}  {words}")
        for number, core in enumerate(cores):
            since, before = doing[number]
            if (now := _activity(core, model)) != before:
                spans[number].append((since, event.time, before))
                doing[number] = (event.time, now)
    last = max(until for one in spans for _, until, what in one if what != "idle")
    moments = dict(zip(model.tables.series, model.outcome().moments, strict=True))
    sums, longest = ({name: float(row[column]) / tick for name, row in moments.items()} for column in (1, 3))
    return Watched(tuple(steps), _strips(spans, last, tick, unit), sums, longest)


def _words(event: Event, labels: list[str]) -> str:
    """An event in words; none where nothing of the problem happens."""
    if isinstance(event.agent, Core):
        off = " and is kept waiting: interrupts are off" * event.agent.interrupts_off
        return f"an interrupt arrives at core {LETTERS[event.agent.number]}{off}"
    told = [_WORDS.get(label, label) for label in labels if label not in _SILENT]
    if event.agent.state is State.SPINNING:
        told.append("and spins")
    if event.agent.state is State.ASLEEP:
        told[-1] = "waits for a request"
    return f"{event.agent.name.partition('.')[0]} {', '.join(told)}" if told else ""


def _activity(core: Core, model: MachineModel) -> str:
    """What a core does, in the words of `SIGNS`."""
    if core.activity == "interrupted":
        return "handles an interrupt"
    if core.idle:
        return "idle"
    if core.current.state is State.RUNNING:
        if core.interrupts_off:
            return "has interrupts off"
        return "holds the lock" if any(lock.owner is core.current for lock in model.locks) else "works"
    return "spins" if core.current.state is State.SPINNING else "waits for answers"


def _strips(spans: list[list[tuple[int, int, str]]], last: int, tick: int, unit: str) -> tuple[str, ...]:
    """A line for each core, a sign for each stretch of time: what the core does in its middle."""
    scale = next(scale for scale in _SCALES if last / tick <= WIDTH * scale)
    columns = math.ceil(last / tick / scale)
    rows, seen = [], set()
    for number, one in enumerate(spans):
        middles = ((column + 0.5) * scale * tick for column in range(columns))
        what = [next((w for since, until, w in one if since <= at < until), "idle") for at in middles]
        seen |= set(what)
        rows.append(f"    core {LETTERS[number]}  {''.join(SIGNS[w] for w in what)}")
    legend = ", ".join(f"{sign} {what}" for what, sign in SIGNS.items() if what in seen)
    return (*rows, f"    a sign is {scale:g} {unit}: {legend}")
