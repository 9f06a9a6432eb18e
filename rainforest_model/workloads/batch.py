"""The batch job: programs of a suite one after the other in one OS instance, over and over.

Each program is a process of its own, whose threads wait for their turn, do their share of its rounds, and end: who
ends last lets the next program begin.  A script, a thread of its own, begins the first one again when the last one
is over.  A round is that of `rainforest_model.workloads.parsec`, so what a program asks for while it runs is the same
as when it runs for ever; only how much there is of it is added here:

    rounds of a program = threads * duration on the machine of the measurement * stretch * slower * rounds a second

Work is divided evenly among the threads, to a round.  Serial phases are spread over all threads, as sleep between the
bursts, so a program on twice as many idle cores takes half the time; measured programs gain less.

Measured are the time of a whole ``batch``, the time of each program (by its name) and its rounds (``NAME round``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from pydantic import model_validator

from ..descriptions import load
from ..descriptions.arrivals import LONGEST_S, Arrivals
from ..descriptions.fitted import with_fitted
from ..descriptions.near import hint
from ..descriptions.parameter import Description, Name, Plain, misfit
from ..descriptions.program import (
    Program,
    arrive,
    gather,
    measure,
    program,
    receive,
    receive_part,
    repeat,
    scatter,
    send,
)
from ..descriptions.read import read_toml, validated
from ..descriptions.scenario import MAX_TASKS, Load
from ..descriptions.suite import Suite
from ..errors import InputError
from ..outcome import Outcome
from ..resources import data_path
from ..units import TICKS_PER_NS
from .parsec import one_round, parameters, rounds_a_second, suite

_FILE = "workloads/batch.toml"
BATCH = "batch"
"""Name of the measured time of a whole batch, and of the queue of the script's turn."""
_OVER = "batch over"
MOST_ROUNDS = 2**31


class BatchDescription(Description):
    """Which programs run in which order, and how much there is to do.

    Attributes
    ----------
    machine : str
        To which the durations of the suite are carried over.
    order : tuple of str
        Names of programs of the suite.
    slower : Parameter
        How much longer all of them take than their durations, carried over to the machine, say.
    """

    kind: Literal["batch"]
    id: Name
    title: str
    source: str
    machine: Name
    order: tuple[Name, ...]
    slower: Plain

    @model_validator(mode="after")
    def _possible(self):
        if not self.order:
            raise misfit("order", "a batch has at least one program")
        if len(set(self.order)) < len(self.order):
            raise misfit("order", "a program stands in it twice")
        if self.slower.value <= 0:
            raise misfit(("slower", "value"), "must be above 0")
        return self


@cache
def description() -> BatchDescription:
    """The shipped description, with its fitted value if there is one."""
    return _described(with_fitted(read_toml(data_path(_FILE)), _FILE))


def _described(table: dict) -> BatchDescription:
    return validated(BatchDescription, table, data_path(_FILE))


def described(order: Sequence[str] | None = None, slower: float | None = None) -> BatchDescription:
    """The shipped description with another order, or another factor on all work.

    Raises
    ------
    InputError
        If it does not fit.

    Examples
    --------
    >>> described(order=["dedup", "vips"]).order
    ('dedup', 'vips')
    """
    table = description().model_dump()
    if order is not None:
        table["order"] = tuple(order)
    if slower is not None:
        table["slower"] = {**table["slower"], "value": slower}
    return _described(table)


@dataclass(frozen=True)
class Batch:
    """The batch job with a number of threads, and what an outcome says of it.

    Parameters
    ----------
    threads : int
        Of each program; as many as its instance has cores at first, say.
    start_s : float
        When the first batch begins.  Rounds and programs that begin in a run's warm-up are not counted, so it should
        not be earlier than the warm-up's end.
    of : Suite, optional
        Instead of PARSEC.
    described : BatchDescription, optional
        Instead of the shipped one.

    Raises
    ------
    InputError
        If there are no threads or too many, the start is no time, or the suite has no such program.

    Examples
    --------
    >>> batch = Batch(threads=6)
    >>> [program for program in batch.order if batch.thread_seconds(program) < 120]
    ['dedup']
    """

    threads: int
    start_s: float = 0.0
    of: Suite | None = None
    described: BatchDescription | None = None

    def __post_init__(self):
        if isinstance(self.threads, bool) or not isinstance(self.threads, int) or self.threads < 1:
            raise InputError("must be a whole number, at least 1", key="threads", value=self.threads)
        if self.threads * len(self.order) > MAX_TASKS:
            raise InputError(f"of {len(self.order)} programs; there is room for {MAX_TASKS} threads in all",
                             key="threads", value=self.threads)
        if not 0 <= self.start_s <= LONGEST_S:
            raise InputError(f"must lie in 0 .. {LONGEST_S:g}", key="start_s", value=self.start_s)
        for name in self.order:
            if name not in self._suite.programs:
                reason = f"suite {self._suite.id} has no such program{hint(name, self._suite.programs)}"
                raise InputError(reason, key="order", value=name)

    @cached_property
    def _suite(self) -> Suite:
        return self.of or suite()

    @cached_property
    def _description(self) -> BatchDescription:
        return self.described or description()

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the programs, in the order in which they run."""
        return self._description.order

    # --- how much there is to do --------------------------------------------------------------------------

    def thread_seconds(self, name: str) -> float:
        """Time of a program on the machine if one thread did all of it, alone and waiting as it does, in s."""
        measured, threads = self._suite.programs[name], self._suite.measured_on.threads.plain()
        stretch = self._suite.stretch(name, load.machine(self._description.machine))
        return threads * measured.duration.ns() / 1e9 * stretch * self._description.slower.plain()

    def core_seconds(self, name: str) -> float:
        """Time for which a program keeps a core busy on an idle machine, in s: without its waits."""
        return self.thread_seconds(name) * self._suite.busy_share(name)

    def rounds(self, name: str) -> int:
        """Rounds of each thread of a program."""
        each = round(self.thread_seconds(name) * rounds_a_second(self._suite, name) / self.threads)
        return min(max(1, each), MOST_ROUNDS)

    # --- what runs ----------------------------------------------------------------------------------------

    def program(self, name: str) -> Program:
        """What each thread of one program of the batch does when its turn comes."""
        place = self.order.index(name) + 1
        goes_on = self._turn(self.order[place]) if place < len(self.order) else send(_OVER)
        of = self._suite
        return program(
            f"{BATCH}.{name}",
            receive_part(_queue(name)),
            repeat(self.rounds(name), measure(f"{name} round", *one_round(of, name))),
            gather(name, goes_on),
            title=of.programs[name].title, source=of.source, footprint=of.footprint(name), **parameters(of, name),
        )

    def script(self) -> Program:
        """The thread that begins a batch when the one before is over."""
        return program(
            BATCH,
            receive_part(BATCH), self._turn(self.order[0]), receive(_OVER), gather(BATCH, scatter(BATCH)),
            title=self._description.title, source=self._description.source,
        )

    def start(self) -> Program:
        """Who begins the first batch, from outside."""
        return program(
            f"{BATCH}_start", arrive(Arrivals(f"{BATCH} start", [self.start_s])), scatter(BATCH),
            title="begins the first batch", source=self._description.source,
        )

    def _turn(self, name: str):
        return scatter(_queue(name), parts=self.threads)

    def loads(self, partition: int | None = None, pinned: bool = False) -> tuple[Load, ...]:
        """A process for each program, in their order, then the script and who starts it."""
        programs = [Load(program=self.program(name), threads=self.threads, partition=partition, pinned=pinned)
                    for name in self.order]
        return *programs, Load(program=self.script(), partition=partition), Load(program=self.start(), place="outside")

    # --- what an outcome says -----------------------------------------------------------------------------

    def finished(self, series: Sequence[str], outcome: Outcome) -> dict[str, int]:
        """How often each program has ended.

        Parameters
        ----------
        series : sequence of str
            Names of the outcome's series (`rainforest_model.simulation.Run.series`).
        outcome : Outcome
        """
        return {name: _samples(name, series, outcome) for name in self.order}

    def progress(self, series: Sequence[str], outcome: Outcome) -> float:
        """Work that is done, in batches: whole ones and the part of the one under way.

        A program counts by its share of the batch's thread-seconds, and an unfinished one by its rounds.
        """
        work = {name: self.thread_seconds(name) for name in self.order}
        done = (
            work[name] * _samples(f"{name} round", series, outcome) / (self.threads * self.rounds(name))
            for name in self.order
        )
        return math.fsum(done) / math.fsum(work.values())

    def time_s(self, series: Sequence[str], outcome: Outcome) -> float:
        """Time of a batch in s: the mean of those that have ended.

        If none has, the time since the start over the work that is done (`progress`); infinite if there is none.
        """
        if _samples(BATCH, series, outcome):
            number, total = outcome.moments[series.index(BATCH)][:2]
            return float(total / number) / TICKS_PER_NS / 1e9
        done = self.progress(series, outcome)
        return (outcome.now / TICKS_PER_NS / 1e9 - self.start_s) / done if done else math.inf


def _queue(name: str) -> str:
    return f"turn of {name}"


def _samples(name: str, series: Sequence[str], outcome: Outcome) -> int:
    if name not in series:
        raise InputError("is not measured: the outcome is of another scenario", key="series", value=name)
    return int(outcome.moments[series.index(name)][0])


def batch_loads(threads: int, partition: int | None = None) -> tuple[Load, ...]:
    """The loads of the shipped batch: thirteen processes of so many threads, the script, and who starts it.

    Examples
    --------
    >>> batch_loads(threads=6, partition=1)[0]
    <Load batch.blackscholes: 1 x 6 threads>
    """
    return Batch(threads).loads(partition)
