"""What a run leaves between its warm-up and its end."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from .. import histogram
from ..descriptions.program import time_ns
from ..descriptions.scenario import Scenario
from ..engine.door import CompiledEngine
from ..lowering import lower
from ..outcome import Outcome, StopReason
from ..simulation import SimulationError
from ..units import TICKS_PER_NS, to_us
from .check import SEED, Effort


class Window(NamedTuple):
    """What happened between warm-up and end of a replication.

    Attributes
    ----------
    throughput : float
        Completed measures a microsecond.
    response, p99 : float
        Of those, in us.
    busy : float
        Mean number of busy cores.
    """

    throughput: float
    response: float
    p99: float
    busy: float


def window(scenario: Scenario, replication: int, stretch: int = 1) -> Window:
    """One replication, looked at between warm-up and end.

    Unlike a `Run`, whose latencies began and ended inside, everything that was completed inside counts.

    Examples
    --------
    >>> from rainforest_model.reference import closed_lock
    >>> window(closed_lock(1, duration="3 ms"), replication=0).busy
    1.0
    """
    tables = lower(scenario, seed=f"{SEED}.{replication}")
    engine = CompiledEngine(tables)
    begin = ticks(scenario.warmup)
    end = begin + stretch * (ticks(scenario.duration) - begin)
    before, after = (outcome_at(engine, tick) for tick in (begin, end))
    n, total = (after.moments - before.moments)[0, :2]
    span = to_us(end - begin)
    return Window(
        throughput=n / span,
        response=to_us(total / n),
        p99=to_us(histogram.quantile(after.counts[0] - before.counts[0], 0.99)),
        busy=float((after.busy - before.busy).sum() / (end - begin)),
    )


def ticks(time: str) -> int:
    return round(time_ns(time) * TICKS_PER_NS)


def outcome_at(engine, tick: int) -> Outcome:
    """What an engine has recorded when it has reached a tick."""
    reason = engine.run(tick)
    if reason is not StopReason.REACHED:
        raise SimulationError(f"thread {engine.culprit()} {reason.value}")
    return engine.outcome()


Windows = Callable[[Effort], list[Window]]


def windows_of(scenario: Scenario) -> Windows:
    """All replications of a scenario; several checks may look at the same ones."""
    return once(lambda effort: [window(scenario, i, effort.stretch) for i in range(effort.replications)])


def once(function: Callable[[Effort], list]) -> Callable[[Effort], list]:
    """Remember results, and let checks that ask at the same time wait for the first."""
    found, turn = {}, Lock()

    def remembered(effort: Effort) -> list:
        with turn:
            if effort not in found:
                found[effort] = function(effort)
        return found[effort]

    return remembered
