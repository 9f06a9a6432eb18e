"""What a worker does for one point, the same on this machine and on a cluster."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, UnknownKeyError
from ..lowering import lower
from ..outcome import Outcome
from ..run_store import hash_of, sources
from ..scenario_file import described_scenario, scenario_of
from ..simulation import STATISTICS, Run, SimulationError, replicate
from .points import Base, digest
from .store import Outcome as Kept

USUAL = (*STATISTICS, "p90", "p95")
"""Statistics that are always kept, so that another sweep may look at others than this one."""


@dataclass(frozen=True)
class Context:
    """What all points of a sweep have in common.

    Attributes
    ----------
    bases : tuple of Base
    seed, replications : int
    statistics : tuple of str
        Kept of each latency.
    known : dict of str to tuple of int
        For each content of which the store has something: the replications that it has, complete.
    model : str
        Hash of the sources on which the numbers depend.
    """

    bases: tuple[Base, ...]
    seed: int
    replications: int
    statistics: tuple[str, ...] = USUAL
    known: dict[str, tuple[int, ...]] = field(default_factory=dict)
    model: str = field(default_factory=lambda: model_hash())


@dataclass(frozen=True)
class Job:
    """One point that is to be answered.

    Attributes
    ----------
    number, base : int
        Of the point, and of its scenario file.
    changes : dict
    """

    number: int
    base: int
    changes: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came of a point.

    Attributes
    ----------
    number : int
    content : str
        Key of its content.
    outcomes : dict of int to outcome
        The replications that were missing.
    seconds : float
        For which it simulated.
    failure : str
        Why the point fails.
    final : bool
        Whether it would fail again: its description does not fit, or its simulation does not end.
    unknown : bool
        Whether it fails by a key that no value could make fit.
    """

    number: int
    content: str = ""
    outcomes: dict[int, Kept] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str = ""
    final: bool = True
    unknown: bool = False


def model_hash() -> str:
    """Hash of the sources on which numbers depend."""
    return hash_of(sources())


def answer(context: Context, job: Job) -> Answer:
    """Simulate what is not known of a point; whatever goes wrong with it is its answer.

    Parameters
    ----------
    context : Context
    job : Job
    """
    try:
        return _answered(context, job)
    except (InputError, SimulationError) as error:
        return Answer(job.number, failure=_line(error), unknown=isinstance(error, UnknownKeyError))
    except Exception as error:
        return Answer(job.number, failure=f"{type(error).__name__}: {_line(error)}", final=False)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _answered(context: Context, job: Job) -> Answer:
    base = context.bases[job.base]
    scenario = described_scenario(base.changed(job.changes), base.path)
    content = digest(json.dumps([context.model, context.seed, scenario.model_dump_json()]))
    missing = sorted(set(range(context.replications)) - set(context.known.get(content, ())))
    if not missing:
        return Answer(job.number, content)
    began = time.perf_counter()
    try:
        series = tuple(lower(scenario, context.seed).series)
        outcomes = [replicate(scenario, context.seed, number) for number in missing]
    except InputError:
        scenario_of(base.changed(job.changes), base.path)  # tells the same by the keys of the file
        raise
    seconds = time.perf_counter() - began
    run = Run(scenario, context.seed, "compiled", series, tuple(outcomes))
    kept = {number: _kept(run, place, context.statistics) for place, number in enumerate(missing)}
    return Answer(job.number, content, kept, seconds)


def _kept(run: Run, place: int, statistics: Iterable[str]) -> Kept:
    """The statistics of one replication."""
    outcome = run.outcomes[place]
    one = Run(run.scenario, run.seed, run.engine, run.series, (outcome,))
    latencies = {
        series: {name: _finite(one, series, name) for name in statistics} if _recorded(outcome, k) else {}
        for k, series in enumerate(run.series)
    }
    counts = {"utilisation": one.utilisation, "samples": one.samples, "events": int(outcome.events)}
    return {"latencies": latencies, **counts}


def _recorded(outcome: Outcome, k: int) -> bool:
    return bool(outcome.moments[k][0])


def _finite(run: Run, series: str, statistic: str) -> float | None:
    value = float(run.replicated(statistic, series)[0])
    return value if math.isfinite(value) else None
