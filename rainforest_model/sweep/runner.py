"""Runs what the store does not have of a sweep, and keeps each point as it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import InputError, UnknownKeyError
from ..scenario_file import described_scenario
from ..simulation import SimulationError
from .points import Plan, Point
from .store import Outcome, Store
from .task import USUAL, Answer, Context, Job


class Workers(Protocol):
    """Whoever answers points: processes on this machine, or a cluster."""

    def answers(self, context: Context, jobs: Iterable[Job]) -> Generator[Answer, None, None]:
        """The answers to all jobs, in any order."""


@dataclass
class Done:
    """What came of a sweep's points.

    Attributes
    ----------
    plan : Plan
    outcomes : dict of int to dict
        For each finished point, by number: its outcomes by replication.
    failures : dict of int to str
        For each failed point: why.
    kept : int
        Points that the store had.
    simulated_s : float
        Seconds for which workers simulated, all together.
    """

    plan: Plan
    outcomes: dict[int, dict[int, Outcome]] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    kept: int = 0
    simulated_s: float = 0.0

    def __repr__(self) -> str:
        return f"<Done {self.plan.sweep.title}: {len(self.outcomes)} finished, {len(self.failures)} failed>"


def run(
    plan: Plan, store: Store, workers: Workers, progress: Callable[[int, int], None] | None = None,
) -> Done:
    """Answer every point of a sweep, from the store or by simulation.

    Parameters
    ----------
    plan : Plan
    store : Store
        What is finished is kept there at once.
    workers : LocalWorkers or ClusterWorkers
    progress : callable, optional
        Called with (done, expected) points of those that the store does not have.

    Raises
    ------
    InputError
        If a key is unknown, whatever its value, or the store cannot be written.
    """
    statistics = tuple(dict.fromkeys([*USUAL, *(o.statistic for o in plan.sweep.outputs if o.is_latency)]))
    done, missing = Done(plan), []
    for alike in _by_question(plan.points):
        asked = alike[0].asked
        failure = store.failure(asked)
        content = store.content(asked)
        found = _enough(store.outcomes(content), plan, statistics) if content else None
        if found is not None:
            done.outcomes |= {point.number: found for point in alike}
        elif failure is not None:
            done.failures |= {point.number: failure for point in alike}
        else:
            missing.append(alike)
    done.kept = len(done.outcomes) + len(done.failures)
    if missing:
        _answer(done, missing, store, workers, statistics, progress or (lambda done, expected: None))
    return done


def _by_question(points: Iterable[Point]) -> list[list[Point]]:
    """Points that ask the same, as where a whole number is met more than once: answered, kept and read once."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.asked, []).append(point)
    return list(found.values())


def _answer(
    done: Done, missing: list[list[Point]], store: Store, workers: Workers, statistics: tuple[str, ...],
    progress: Callable[[int, int], None],
) -> None:
    plan = done.plan
    known = {content: _complete(store.outcomes(content), statistics) for content in store.contents()}
    context = Context(plan.bases, plan.sweep.seed, plan.sweep.replications, statistics, known)
    jobs = [Job(first.number, first.base, plan.changes(first)) for first, *_ in missing]
    _refuse_unknown_keys(plan, jobs)
    asking = {alike[0].number: alike for alike in missing}
    expected, count = sum(map(len, missing)), 0
    with closing(workers.answers(context, jobs)) as answers:
        for answer in answers:
            alike = asking[answer.number]
            _keep(done, alike, answer, store, statistics)
            count += len(alike)
            progress(count, expected)


def _keep(done: Done, alike: list[Point], answer: Answer, store: Store, statistics: tuple[str, ...]) -> None:
    if answer.unknown:
        raise UnknownKeyError(answer.failure, file=done.plan.path)
    asked = alike[0].asked
    if answer.failure:
        done.failures |= {point.number: answer.failure for point in alike}
        if answer.final:
            store.put_failure(asked, answer.failure)
        return
    store.put(asked, answer.content, answer.outcomes)
    found = _enough(store.outcomes(answer.content), done.plan, statistics)
    if found is None:
        raise SimulationError(f"{store.path}: point {answer.number} was written, and is not there: the disk forgets")
    done.outcomes |= {point.number: found for point in alike}
    done.simulated_s += answer.seconds
    if not answer.outcomes:
        done.kept += len(alike)


def _refuse_unknown_keys(plan: Plan, jobs: list[Job]) -> None:
    """Read one point of each scenario, so that a misspelt key is told before anything runs."""
    for job in {job.base: job for job in reversed(jobs)}.values():
        base = plan.bases[job.base]
        try:
            described_scenario(base.changed(job.changes), base.path)
        except UnknownKeyError as error:
            raise UnknownKeyError(str(error), file=plan.path) from None
        except InputError:
            continue  # a value that does not fit is that point's own failure


def _complete(outcomes: dict[int, Outcome], statistics: Iterable[str]) -> tuple[int, ...]:
    """The replications of which all statistics are there."""
    wanted = set(statistics)
    return tuple(
        number for number, outcome in outcomes.items()
        if all(not kept or wanted <= kept.keys() for kept in outcome["latencies"].values())
    )


def _enough(outcomes: dict[int, Outcome], plan: Plan, statistics: Iterable[str]) -> dict[int, Outcome] | None:
    """The outcomes of the replications that the sweep asks for, if all are there."""
    complete = set(_complete(outcomes, statistics))
    wanted = range(plan.sweep.replications)
    return {number: outcomes[number] for number in wanted} if complete.issuperset(wanted) else None
