"""What is to be measured: cases, each a set of workers with what every one of them does."""

from __future__ import annotations

import mmap
from dataclasses import asdict, dataclass

from ..errors import InputError

BENCHMARKS = ("mmap", "munmap", "line", "lock")
ACCESSES = ("load", "store", "atomic")
MOST_PAGES = 2**18
MOST_TOUCHED_MB = 256
_PAGES_OF_A_MB = max(1, 2**20 // mmap.PAGESIZE)

MMAP_PAGES = 32768
"""128 MB, as will-it-scale maps them; nothing of it is touched."""
MUNMAP_PAGES = 16
"""Few enough to be flushed page by page on any kernel."""


@dataclass(frozen=True)
class Case:
    """Workers that run at the same time.

    Attributes
    ----------
    id, title : str
    benchmark : str
        To which of `BENCHMARKS` it belongs.
    groups : tuple of tuples of str
        One group for each process; in it the loop of each of its threads.
    cores : tuple of int
        One for each worker, group after group.
    pages : int
        Of mappings.
    operation : int
        Which access to a line, by its place in `ACCESSES`.
    """

    id: str
    title: str
    benchmark: str
    groups: tuple[tuple[str, ...], ...]
    cores: tuple[int, ...]
    pages: int = 1
    operation: int = 0

    @property
    def workers(self) -> int:
        """Number of workers."""
        return sum(map(len, self.groups))


@dataclass(frozen=True)
class Plan:
    """Cases that are measured in turn, over and over.

    Attributes
    ----------
    cases : tuple of Case
    repeats : int
        Rounds over all cases: what happens to the machine meanwhile happens to all of them.
    slice_s : float
        For how long a case is measured in one round.
    """

    cases: tuple[Case, ...]
    repeats: int
    slice_s: float

    @property
    def seconds(self) -> float:
        """Time of all slices together."""
        return len(self.cases) * self.repeats * self.slice_s

    def table(self) -> dict:
        """The plan as JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, table: dict) -> Plan:
        """The plan of such a table."""
        cases = tuple(
            Case(**{**case, "groups": tuple(map(tuple, case["groups"])), "cores": tuple(case["cores"])})
            for case in table["cases"]
        )
        return cls(cases, table["repeats"], table["slice_s"])


@dataclass(frozen=True)
class Asked:
    """What a user asks for.

    Attributes
    ----------
    benchmarks : tuple of str
    threads, processes : int
        Workers at a time that share an address space, and that do not; 0: no such case.
    pages : int, optional
        Of mappings, instead of `MMAP_PAGES` and `MUNMAP_PAGES`.
    seconds : float
        Time of all measuring together.
    repeats : int
    """

    benchmarks: tuple[str, ...]
    threads: int
    processes: int
    pages: int | None = None
    seconds: float = 4.0
    repeats: int = 7


SHORTEST_SLICE_S = 0.005
LONGEST_S = 600.0
MOST_REPEATS = 1000


def plan(asked: Asked, cores: tuple[int, ...]) -> Plan:
    """The cases of what is asked, on these cores.

    Raises
    ------
    InputError
        If there are not so many cores, too much memory would be touched, or the time is too short.

    Examples
    --------
    >>> [case.title for case in plan(Asked(("mmap",), threads=2, processes=2), cores=(0, 1)).cases]
    ['alone', '2 threads', '2 processes', 'system call']
    """
    for name in asked.benchmarks:
        if name not in BENCHMARKS:
            raise InputError(f"no such benchmark; known: {', '.join(BENCHMARKS)}", key="measure", value=name)
    for key, value in (("--threads", asked.threads), ("--processes", asked.processes)):
        if not 0 <= value <= len(cores):
            reason = f"there are {len(cores)} cores to run on, and workers that share one measure the scheduler"
            raise InputError(reason, key=key, value=value)
    if asked.pages is not None and not 1 <= asked.pages <= MOST_PAGES:
        raise InputError(f"must lie in 1 .. {MOST_PAGES}", key="--pages", value=asked.pages)
    if not 0 < asked.seconds <= LONGEST_S:
        raise InputError(f"must lie above 0 and at most {LONGEST_S:g}", key="--seconds", value=asked.seconds)
    if not 1 <= asked.repeats <= MOST_REPEATS:
        raise InputError(f"must lie in 1 .. {MOST_REPEATS}", key="--repeats", value=asked.repeats)
    most = MOST_TOUCHED_MB * _PAGES_OF_A_MB
    workers = max(asked.threads, asked.processes, 1)
    if "munmap" in asked.benchmarks and (asked.pages or MUNMAP_PAGES) * workers > most:
        reason = f"{workers} workers would touch more than {MOST_TOUCHED_MB} MB"
        raise InputError(reason, key="--pages", value=asked.pages)
    cases = tuple(case for name in BENCHMARKS if name in asked.benchmarks for case in _CASES[name](asked, cores))
    slice_s = asked.seconds / (len(cases) * asked.repeats)
    if slice_s < SHORTEST_SLICE_S:
        least = len(cases) * asked.repeats * SHORTEST_SLICE_S
        reason = f"{len(cases)} cases {asked.repeats} times need {least:.2g} s at least"
        raise InputError(reason, key="--seconds", value=asked.seconds)
    return Plan(cases, asked.repeats, slice_s)


def _arranged(asked: Asked, benchmark: str, loop: str, cores: tuple[int, ...], pages: int) -> list[Case]:
    """One worker alone, threads of one process, and processes."""
    cases = [Case(f"{benchmark}.alone", "alone", benchmark, ((loop,),), cores[:1], pages)]
    n = asked.threads
    if n > 1:
        cases.append(Case(f"{benchmark}.threads", f"{n} threads", benchmark, ((loop,) * n,), cores[:n], pages))
    n = asked.processes
    if n > 1:
        cases.append(Case(f"{benchmark}.processes", f"{n} processes", benchmark, ((loop,),) * n, cores[:n], pages))
    return cases


def _mmap(asked: Asked, cores: tuple[int, ...]) -> list[Case]:
    return [
        *_arranged(asked, "mmap", "map_and_unmap", cores, asked.pages or MMAP_PAGES),
        Case("mmap.entry", "system call", "mmap", (("system_call",),), cores[:1]),
    ]


def _munmap(asked: Asked, cores: tuple[int, ...]) -> list[Case]:
    pages = asked.pages or MUNMAP_PAGES
    cases = _arranged(asked, "munmap", "unmap_touched", cores, pages)
    if len(cores) > 1:
        pair = ("unmap_touched", "spin")
        cases += [
            Case("munmap.beside", "a thread beside", "munmap", (pair,), cores[:2], pages),
            Case("munmap.apart", "a process beside", "munmap", tuple((loop,) for loop in pair), cores[:2], pages),
        ]
    return cases


def _line(asked: Asked, cores: tuple[int, ...]) -> list[Case]:
    """Own lines, every kind of access between the first core and each other, and all at one line."""
    cases = [
        Case(f"line.own.{name}", f"own {name}", "line", (("own_line",),), cores[:1], operation=k)
        for k, name in enumerate(ACCESSES)
    ]
    every = [(a, b) for a in cores for b in cores if a < b]
    # Evenly from all pairs, so that near ones and far ones are among them.
    pairs = [every[k * len(every) // MOST_PAIRS] for k in range(MOST_PAIRS)] if len(every) > MOST_PAIRS else every
    for a, b in pairs:
        for k, name in enumerate(ACCESSES):
            roles = (("fetch_line",), ("write_line",))
            cases.append(Case(f"line.{name}.{a}.{b}", f"{name}, core {b} to {a}", "line", roles, (a, b), operation=k))
    n = max(asked.threads, asked.processes)
    if n > 1:
        cases.append(Case("line.hammer", f"{n} at one line", "line", (("hammer",),) * n, cores[:n]))
    return cases


MOST_PAIRS = 28
"""Pairs of cores: all of 8 cores."""


def _lock(asked: Asked, cores: tuple[int, ...]) -> list[Case]:
    return _arranged(asked, "lock", "take_lock", cores, 1)


_CASES = {"mmap": _mmap, "munmap": _munmap, "line": _line, "lock": _lock}
