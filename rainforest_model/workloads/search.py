"""Search: clients at a uniform rate, a front end that asks every back end, and the back ends (Nutch).

A request is scattered to all back ends at its scheduled time and ends with the last answer, so its latency
leaves nothing out.  A back end has a few handlers; each takes a part, maps and touches memory for it,
computes, waits for what is not in memory, gives the memory back and answers.
"""

from __future__ import annotations

from functools import cache

from pydantic import field_validator

from ..descriptions.fitted import with_fitted
from ..descriptions.footprint import Footprint
from ..descriptions.parameter import Description, Name, Plain, Time, misfit
from ..descriptions.program import (
    Program,
    compute,
    constant,
    count,
    fault,
    flush_tlb,
    gather,
    lock,
    lognormal,
    measure,
    program,
    read_lock,
    receive_part,
    repeat,
    scatter,
    sleep,
    syscall,
    touch,
    unlock,
    write_lock,
)
from ..descriptions.read import read_toml, validated
from ..descriptions.scenario import Load
from ..errors import InputError
from ..resources import data_path

BATCH = 128
"""Pages that are charged, cleared and mapped in one operation each: four batches of a per-CPU list."""
_FILE = "workloads/search.toml"


class SearchDescription(Description):
    """What a back end does for a request over the whole index, and for a part of any size.

    Attributes
    ----------
    handlers : Parameter
        Threads of a back end that serve requests.
    scan, part : Parameter
        User time over the whole index; user time of a part whatever its share of the index.
    wait : Parameter
        Time off the core in a part.
    pages : Parameter
        Memory that a request over the whole index maps, touches and gives back.
    scan_cv, wait_cv : Parameter
        Coefficients of variation of scan and wait.
    footprint : Footprint
    """

    kind: Name
    id: Name
    title: str
    source: str
    handlers: Plain
    scan: Time
    part: Time
    scan_cv: Plain
    wait: Time
    wait_cv: Plain
    pages: Plain
    footprint: Footprint

    @field_validator("handlers")
    @classmethod
    def _some(cls, handlers):
        if handlers.value < 1:
            raise misfit("value", "a back end without handlers answers nothing")
        return handlers


@cache
def description() -> SearchDescription:
    """The shipped description of Search, with its fitted values."""
    return _described(with_fitted(read_toml(data_path(_FILE)), _FILE))


def _described(table: dict) -> SearchDescription:
    return validated(SearchDescription, table, data_path(_FILE))


def described(**values: float) -> SearchDescription:
    """The shipped description with other values for some of its parameters, in their units.

    Examples
    --------
    >>> described(scan=10).scan.value
    10.0
    """
    table = description().model_dump()
    for key, value in values.items():
        table[key] = {**table[key], "value": value}
    return _described(table)


# Memory comes and goes in batches, each in one operation: a lock that really serves 14 or 31 pages at a time is held
# once for the batch.  It is busy for a few percent of the time either way, so that few wait for it, and those longer.
_zone = (
    lock("zone_lock"), touch("zone_free_list"), compute("zone_batch", times=f"{BATCH} // pcp_batch"),
    unlock("zone_lock"),
)
_lists = (
    lock("lru_lock"), touch("lru_list"), compute("lru_batch", times=f"{BATCH} // pagevec"), unlock("lru_lock"),
)
_fault_batch = fault(
    read_lock("mmap_sem"),
    compute("fault_path", times=BATCH),
    *_zone,
    compute("clear_page", times=BATCH),
    compute("memcg_charge", times=BATCH),
    lock("memcg"), compute("memcg_section", times=BATCH), unlock("memcg"),
    compute("pte_update", times=BATCH),
    lock("pte_validation"), compute("pte_validation", times=BATCH), unlock("pte_validation"),
    *_lists,
    unlock("mmap_sem"),
)

_free_batch = (
    compute("zap_page", times=BATCH),
    compute("pte_update", times=BATCH),
    lock("pte_validation"), compute("pte_validation", times=BATCH), unlock("pte_validation"),
    flush_tlb("tlb", BATCH),
    *_lists,
    compute("memcg_charge", times=BATCH),
    lock("memcg"), compute("memcg_section", times=BATCH), unlock("memcg"),
    *_zone,
)


def mapped_and_given_back(batches: int) -> tuple[list, list]:
    """Map and touch some memory, and give it back; nothing for no batch."""
    if not batches:
        return [], []
    pages = BATCH * batches
    takes = [
        syscall(
            "mmap",
            write_lock("mmap_sem"),
            compute("vma_find_gap"), count("vm_committed_as", pages), touch("vma_tree"), compute("vma_insert"),
            unlock("mmap_sem"),
        ),
        repeat(batches, _fault_batch),
    ]
    gives = [
        syscall(
            "munmap",
            write_lock("mmap_sem"),
            compute("vma_find"), repeat(batches, *_free_batch),
            touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", -pages),
            unlock("mmap_sem"),
        ),
    ]
    return takes, gives


def back_end(parts: int = 1, search: SearchDescription | None = None) -> Program:
    """A handler of a back end that has one of `parts` equal parts of the index.

    Examples
    --------
    >>> back_end(2)
    <Program search: Search: a Nutch back end answers its share of each request>
    """
    s = search or description()
    user_ms = (s.scan.ns() / parts + s.part.ns()) / 1e6
    takes, gives = mapped_and_given_back(round(s.pages.plain() / parts / BATCH))
    return program(
        "search",
        receive_part("search requests"),
        measure(
            "part",
            *takes,
            compute(lognormal(f"{user_ms:.9g} ms", cv=s.scan_cv.plain()), name="search"),
            sleep(lognormal(f"{s.wait.ns() / 1e6:.9g} ms", cv=s.wait_cv.plain()), name="wait"),
            *gives,
        ),
        gather("search"),
        title=s.title, source=s.source, footprint=s.footprint,
    )


def clients(rate: float) -> Program:
    """Clients that send `rate` requests a second at a uniform rate, through a front end that asks every back end.

    Raises
    ------
    InputError
        If the rate is no positive number.
    """
    if not 0 < rate <= 1e6:
        raise InputError("must lie above 0 and up to a million requests a second", key="rate", value=rate)
    return program(
        "search_clients",
        sleep(constant(f"{1000 / rate:.12g} ms"), name="interval"), scatter("search requests"),
        title="requests at a uniform rate, each to all back ends",
        source="RainForest (arXiv 1604.01378), section 6.2.2",
    )


def search_loads(
    rate: float, back_ends: int = 1, search: SearchDescription | None = None, pinned: bool = False,
) -> tuple[Load, ...]:
    """The loads of Search: clients outside, and a back end in the first partition or in each of several.

    Parameters
    ----------
    rate : float
        Requests a second.
    back_ends : int
        1: one in partition 0.  More: one in each of so many partitions, each with its share of the index.
    search : SearchDescription, optional
        Instead of the shipped one.
    pinned : bool
        Whether each handler keeps to one core.
    """
    s = search or description()
    return (
        Load(program=clients(rate), place="outside"),
        Load(
            program=back_end(back_ends, s), threads=round(s.handlers.plain()), pinned=pinned,
            partition=0 if back_ends == 1 else None,
        ),
    )


search_clients = clients(300)
search_back_end = back_end()
