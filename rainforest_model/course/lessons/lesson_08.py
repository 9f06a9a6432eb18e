"""Runs and exercises of `08_can_we_trust_a_model`."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ... import theory
from ...descriptions.scenario import Scenario
from ...engine.door import CompiledEngine
from ...lowering import lower
from ...reference import open_queue
from ...scoreboard import scoreboard
from ...stats import mean_interval
from ...units import TICKS_PER_NS, to_us
from ..checks import Choice, Number, Trial, Wrong

_MS = 1_000_000 * TICKS_PER_NS
SEED = 8


class Sample(NamedTuple):
    """What one run of a queue leaves.

    Attributes
    ----------
    mean, sd : float
        Of the times in the system, in ms.
    count : int
        Requests.
    """

    mean: float
    sd: float
    count: int


def queue(load: float) -> Scenario:
    """One server that takes 1 ms in the mean, and so many requests a ms: M/M/1."""
    return open_queue(1, f"{1 / load} ms", duration="1000 s", mean="1 ms")


def windows(load: float, count: int, step_ms: int = 40, run: int = 0) -> np.ndarray:
    """Mean time in the system of the requests that end in each window of one run, which begins empty.

    Parameters
    ----------
    load : float
        Below 1.
    count : int
        Of windows.
    step_ms : int
        Their length.
    run : int
        Which replication.

    Returns
    -------
    float64[count], ms

    Examples
    --------
    >>> early, late = np.split(np.mean([windows(0.95, 50, run=i) for i in range(20)], axis=0), [2])
    >>> bool(early.mean() < late.mean())
    True
    """
    engine = CompiledEngine(lower(queue(load), seed=f"{SEED}.{run}"))
    seen = [(0.0, 0.0)]
    for end in range(1, count + 1):
        engine.run(end * step_ms * _MS)
        seen.append(tuple(engine.outcome().moments[0, :2]))
    ended, total = np.diff(seen, axis=0).T
    # A window in which nothing ends says what the one before said.
    means = np.divide(to_us(total) / 1000, ended, out=np.full(count, np.nan), where=ended > 0)
    last = np.maximum.accumulate(np.where(np.isnan(means), 0, np.arange(count)))
    return np.nan_to_num(means[last], nan=1.0)


@cache
def sample(load: float, run: int, seconds: float = 8.0) -> Sample:
    """One run of so many seconds, without the first of them.

    Examples
    --------
    >>> sample(0.5, run=0).count > 2000
    True
    """
    engine = CompiledEngine(lower(queue(load), seed=f"{SEED}.{run}"), warmup=1000 * _MS)
    engine.run(round(1000 * seconds) * _MS)
    n, total, squares, _ = engine.outcome().moments[0]
    mean = total / n
    return Sample(to_us(mean) / 1000, to_us(max(0.0, squares / n - mean**2) ** 0.5) / 1000, int(n))


FIT_TO = 4
"""Up to so many cores the lock of the lesson was "measured" when the model was fitted."""
TRUTH = {"think": 20.0, "section": 1.0, "transfer": 1.0}
"""Of the lock that is "measured", in us: a ticket lock."""


@cache
def measured(cores: int) -> float:
    """Releases a us of the lock that the lesson calls the world: a ticket lock."""
    return theory.ticket_lock_embedded(cores, **TRUTH).throughput


def fitted_hold(most: int = FIT_TO) -> float:
    """The hold time, in us, with which a lock without hand-off comes nearest to what was measured up to so many cores.

    Examples
    --------
    >>> 1.0 < fitted_hold(4) < 1.5
    True
    """
    counts = range(1, most + 1)
    tried = np.geomspace(0.5, 8, 200)
    errors = [sum((modelled(n, hold) / measured(n) - 1) ** 2 for n in counts) for hold in tried]
    return float(tried[int(np.argmin(errors))])


def modelled(cores: int, hold: float) -> float:
    """Releases a us by the model: a lock whose hand-off is free."""
    return theory.machine_repairman(cores, TRUTH["think"], hold).throughput


@cache
def _totals():
    return scoreboard().totals


PILOT = (9.0, 11.0, 10.4, 9.6, 10.9, 9.1, 10.2, 9.8, 10.6, 9.4)
"""Ten replications of something, in ms."""
WANTED = 0.01


def _wanted_replications() -> float:
    """How many give the wanted half-width, if their spread stays as it is: it shrinks as the root of their number."""
    return len(PILOT) * (mean_interval(PILOT).relative_half_width / WANTED) ** 2


def _try_half_width(function) -> str:
    rng = np.random.default_rng(SEED)
    for n in (2, 5, 20):
        values = rng.normal(10.0, 2.0, n)
        right, found = mean_interval(values).half_width, float(function(values))
        if np.isclose(found, right, rtol=1e-3):
            continue
        normal = 1.96 * values.std(ddof=1) / np.sqrt(n)
        if np.isclose(found, normal, rtol=1e-2):
            raise Wrong("With few replications the normal distribution's 1.96 is too small. Whose quantile is it?")
        if np.isclose(found, right * np.sqrt((n - 1) / n), rtol=1e-3):
            raise Wrong("Is the spread taken about the true mean or about the sample's own? (`ddof`)")
        if np.isclose(found, right * np.sqrt(n), rtol=1e-3):
            raise Wrong("That is how far one replication may lie off; the mean of n lies nearer.")
        if np.isclose(found, 2 * right, rtol=1e-3):
            raise Wrong("That is the whole interval; half of it is asked for.")
        raise Wrong(f"Of {n} replications it should be {'larger' if found < right else 'smaller'}.")
    return "The fewer replications, the larger the quantile: two say next to nothing."


EXERCISES = {
    "replications": Number(
        _wanted_replications, "replications", tolerance=0.1,
        slips={
            "Half the width takes four times as many, not twice as many.":
                lambda: len(PILOT) * mean_interval(PILOT).relative_half_width / WANTED,
            "So many there are already.": lambda: len(PILOT),
        },
        why="Precision is bought with the square: better design (pairs) is often cheaper than more runs.",
    ),
    "half_width": Trial(_try_half_width),
    "engines": Choice(
        {
            "a": "Both are given the same tables. What if the number in the tables is wrong?",
            "b": "What both are given, a wrong cost or a forgotten lock, they agree about; a slip of one alone shows.",
            "c": "Chance is no cause of their agreement: they draw the same random numbers by design.",
            "d": "They were written apart, one over agents, one over an array: a slip in one is seldom in the other.",
        },
        lambda: "b",
    ),
    "predicted": Number(
        lambda: 100 * _totals().predicted_hold / _totals().predicted_claims, "percent", tolerance=0.01,
        slips={
            "That is of the claims that were fitted to.": lambda: 100 * _totals().fitted_hold / _totals().fitted_claims,
            "That is of all claims, and most of those that hold are inputs.":
                lambda: 100 * _totals().hold / _totals().claims,
        },
        why="That is the number to judge the model by, as nothing was tuned to it.",
    ),
}
