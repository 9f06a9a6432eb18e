"""What is asked: the conditions of a headline, its outputs, and the orderings that are stated of it.

Conditions are those of the experiments, of shorter simulated time, since thousands of points are run of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise

from pydantic import ValidationError

from ..descriptions.load import system, systems
from ..descriptions.near import hint
from ..descriptions.parameter import Description, Parameter
from ..descriptions.scenario import Scenario
from ..descriptions.told import told
from ..errors import InputError
from ..experiments import fig06_microbenchmarks as fig06
from ..experiments import fig12_memcached as fig12
from ..experiments import searching
from ..experiments.common import Options
from ..experiments.fig03a_mmap import explained as mmap_on
from ..workloads import memcached, search
from .factors import Factor, Values, acting, described, factors, laid_over, with_values

Condition = tuple[str, str]
"""A workload and a system."""
Measure = tuple[str, str, str]
"""A workload, a system and a statistic of its latency."""
MEMCACHED, SEARCH = "workloads/memcached.toml", "workloads/search.toml"
SAME_KERNEL = ("linux-2.6.32", "lxc", "xen", "rainforest")
"""One kernel, undivided and under each partitioning."""
SEARCH_RATE, SEARCH_S = 350, 7
"""Requests a second, a load that two halves of the machine bear on every system; and simulated seconds."""


@dataclass(frozen=True)
class Output:
    """A number whose dependence on the parameters is asked: a statistic, or the ratio of two.

    Examples
    --------
    >>> Output(("mmap", "lxc", "p99")).name, Output(("mmap", "lxc", "p99"), ("mmap", "rainforest", "p99")).name
    ('mmap p99, LXC', 'mmap p99, LXC over RainForest')
    """

    measure: Measure
    over: Measure | None = None

    @property
    def name(self) -> str:
        """What it is, for tables and figures."""
        workload, id, statistic = self.measure
        base = f" over {system(self.over[1]).title}" if self.over else ""
        return f"{workload} {statistic}, {system(id).title}{base}"

    @property
    def unit(self) -> str:
        """Of its value."""
        return "ratio" if self.over else "us"

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What has to be simulated for it."""
        return (self.measure,) if self.over is None else (self.measure, self.over)


@dataclass(frozen=True)
class Ordering:
    """A statement that in each pair of measures the first is the smaller one.

    Attributes
    ----------
    name : str
    pairs : tuple of pairs of measures
    """

    name: str
    pairs: tuple[tuple[Measure, Measure], ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What has to be simulated for it."""
        return tuple(dict.fromkeys(measure for pair in self.pairs for measure in pair))


@dataclass(frozen=True)
class Study:
    """A headline of the paper under the uncertainty of the parameters.

    Attributes
    ----------
    id, title : str
    build : callable
        Condition and values to a scenario; the values of its programs' descriptions are in it.
    outputs : tuple of Output
        Of screening and indices; none: only the orderings are asked.
    orderings : tuple of Ordering
    workloads : mapping of str to Description
        What describes the programs, by its file.
    replications : int
        Of each point; all points meet the same random streams.
    """

    id: str
    title: str
    build: Callable[[Condition, Values], Scenario]
    outputs: tuple[Output, ...]
    orderings: tuple[Ordering, ...]
    workloads: Mapping[str, Description] = field(default_factory=dict)
    replications: int = 1

    def scenario(self, condition: Condition, values: Values) -> Scenario:
        """The scenario of a condition with other values for some parameters, by their paths."""
        try:
            return laid_over(self.build(condition, values), values)
        except ValidationError as error:
            raise told(error, {}, self.id, "") from None

    def described(self, conditions: tuple[Condition, ...]) -> dict[str, Parameter]:
        """All parameters of some conditions, by their paths."""
        return described([self.build(condition, {}) for condition in conditions], self.workloads)

    def factors(self, conditions: tuple[Condition, ...]) -> list[Factor]:
        """The uncertain parameters that act in some conditions."""
        make = [partial(self.scenario, condition) for condition in conditions]
        return acting(factors(self.described(conditions)), make)


def conditions_of(items) -> tuple[Condition, ...]:
    """The conditions that outputs or orderings need."""
    return tuple(dict.fromkeys(measure[:2] for item in items for measure in item.measures))


def _versus(workload: str, statistic: str, ids: tuple[str, ...] = SAME_KERNEL) -> tuple[Output, ...]:
    """The statistic on one kernel undivided and divided, and its ratios to RainForest's."""
    own = {id: (workload, id, statistic) for id in ids}
    return (
        *(Output(measure) for measure in own.values()),
        *(Output(own[id], own["rainforest"]) for id in ids if id != "rainforest"),
    )


def _rising(workload: str, statistic: str, *ids: str) -> Ordering:
    """The statistic grows from each system to the next."""
    measures = [(workload, id, statistic) for id in ids]
    told = " < ".join(system(id).title for id in ids)
    return Ordering(f"{workload} {statistic}: {told}", tuple(pairwise(measures)))


def _lowest(workload: str, statistic: str, best: str, others) -> Ordering:
    pairs = tuple(((workload, best, statistic), (workload, id, statistic)) for id in others if id != best)
    return Ordering(f"{workload} {statistic}: {system(best).title} lowest of {len(pairs) + 1} systems", pairs)


@cache
def _mmap(condition: Condition) -> Scenario:
    return mmap_on(condition[1], Options()).model_copy(update={"duration": "5 ms", "warmup": "0.5 ms"})


_SPANS = {"malloc": ("10 ms", "1 ms"), "munmap": ("8 ms", "0.5 ms"), "open": ("2.5 ms", "0.25 ms")}


@cache
def _microbenchmark(condition: Condition) -> Scenario:
    program, id = condition
    duration, warmup = _SPANS[program]
    return fig06.EXPLAINED[program](id, Options()).model_copy(update={"duration": duration, "warmup": warmup})


def _stated(id: str, told: str, programs=fig06.PROGRAMS) -> Ordering:
    """An ordering of figure 6, as its experiment judges it, or the part of it that is about some programs."""
    pairs = [(a, b) for a, b in fig06.orders()[id] if a[0] in programs]
    return Ordering(told, tuple(((a[0], a[1], a[3]), (b[0], b[1], b[3])) for a, b in pairs))


def _memcached(condition: Condition, values: Values) -> Scenario:
    known = with_values(memcached.description(), MEMCACHED, values)
    return memcached.memcached_on(condition[1], fig12.MOST, memcached=known, duration="14 ms", warmup="4 ms")


def _search(condition: Condition, values: Values) -> Scenario:
    known = with_values(search.description(), SEARCH, values)
    return searching.search_on(condition[1], SEARCH_RATE, back_ends=2, seconds=SEARCH_S, search=known)


@cache
def studies() -> dict[str, Study]:
    """All studies by their ids.

    Examples
    --------
    >>> list(studies())
    ['mmap', 'microbenchmarks', 'memcached', 'search']
    """
    older = tuple(id for id in systems() if id not in fig06.NEWER)
    on_search = ("linux-2.6.35m", "lxc", "xen", "rainforest")
    found = (
        Study(
            "mmap", "mmap on 12 cores of S-A, a process on each",
            lambda condition, values: _mmap(condition), _versus("mmap", "p99"),
            (
                _rising("mmap", "p99", "rainforest", "lxc"),
                _rising("mmap", "p99", "rainforest", "linux-2.6.32"),
                _rising("mmap", "p99", "rainforest", "xen"),
                _rising("mmap", "p99", "xen", "lxc"),
                _rising("mmap", "p99", "lxc", "linux-2.6.32"),
                _rising("mmap", "p99", "rainforest", "lxc", "linux-2.6.32"),
            ),
            replications=2,
        ),
        Study(
            "microbenchmarks", "malloc, munmap and open on 12 cores of S-A (figure 6)",
            lambda condition, values: _microbenchmark(condition),
            _versus("munmap", "mean", ("linux-2.6.32", "lxc", "rainforest")),
            (
                _stated("F62", "F62: RainForest has the smallest maximum and deviation in malloc and munmap"),
                _stated("F63", "F63: RainForest has the lowest p99 and mean of the five older systems"),
                *(
                    _stated("F63", f"F63, of {program} alone", (program,)) for program in fig06.PROGRAMS
                ),
                _stated("F64", "F64: 4.9.40 has the lowest mean of malloc, RainForest a smaller maximum and deviation"),
                _stated("F65", "F65: 3.17.4 and 4.9.40 are below RainForest in open"),
                *(_lowest(program, "mean", "rainforest", older) for program in fig06.PROGRAMS),
            ),
        ),
        Study(
            "memcached", f"look-ups of memcached on {fig12.MOST} cores of S-B (figure 12)", _memcached,
            _versus("memcached", "p99"),
            (
                *(_rising("memcached", "p99", "rainforest", id) for id in fig12.SYSTEMS if id != "rainforest"),
                _lowest("memcached", "p99", "rainforest", fig12.SYSTEMS),
                _rising("memcached", "p99", "lxc", "xen"),
                _rising("memcached", "p99", "xen", "linux-3.17.4", "linux-2.6.35m", "linux-2.6.32"),
            ),
            {MEMCACHED: memcached.description()},
        ),
        Study(
            "search", f"Search on two halves of S-A at {SEARCH_RATE} requests a second (figure 8)", _search,
            (),
            (
                *(_rising("search", "p99", "rainforest", id) for id in on_search[:-1]),
                _lowest("search", "p99", "rainforest", on_search),
                _rising("search", "p99", "linux-2.6.35m", "lxc", "xen"),
            ),
            {SEARCH: search.description()}, replications=2,
        ),
    )
    return {study.id: study for study in found}


def study(id: str) -> Study:
    """The study of an id.

    Raises
    ------
    InputError
        If there is none.
    """
    known = studies()
    if id not in known:
        reason = f"no such study{hint(id, known)}"
        raise InputError(reason, key="id", value=id)
    return known[id]
