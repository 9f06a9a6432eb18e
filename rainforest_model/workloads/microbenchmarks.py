"""The eleven benchmarks that section 6.2.1 runs in pairs: bzip2, sphinx3, cachebench, IOzone and netperf.

Each measures the time of one unit of its work: a stretch of computation, a record of a file, a message, a
transaction.  No two measure under one name, or a neighbour's times would be taken for one's own.  What they
share with a neighbour is cache and memory bandwidth (by their footprints), and the kernel structures that
they name.
"""

from __future__ import annotations

from ..descriptions.footprint import Footprint
from ..descriptions.parameter import Description, Name, Parameter, Time
from ..descriptions.program import (
    Duration,
    Op,
    Program,
    Syscall,
    compute,
    constant,
    count,
    get,
    lock,
    measure,
    program,
    put,
    repeat,
    sleep,
    syscall,
    unlock,
)
from ..descriptions.read import read_toml, validated
from ..resources import data_path
from .vm import free_page, page_from_zone, page_on_lru

PAGES = 32
"""Pages of an IOzone record of 128 KB."""

_FILE = "workloads/microbenchmarks.toml"


class Benchmark(Description):
    """One benchmark: what it is, and what it asks of caches and memory."""

    title: str
    footprint: Footprint


class Microbenchmarks(Description):
    """The benchmarks by name, and what a network adds.

    Attributes
    ----------
    wire : Parameter
        Time of 64 KB on the wire.
    other_side : Parameter
        What a transaction waits for beside the host: wire, interrupt moderation, the other host.
    """

    kind: Name
    source: str
    wire: Time
    other_side: Time
    programs: dict[Name, Benchmark]


_DESCRIBED = validated(Microbenchmarks, read_toml(data_path(_FILE)), data_path(_FILE))


def microbenchmarks() -> list[str]:
    """Ids of the eleven programs, in the order in which the paper numbers them.

    Examples
    --------
    >>> microbenchmarks()[:3], len(microbenchmarks())
    (['bzip2', 'sphinx3', 'cachebench_read'], 11)
    """
    return list(_DESCRIBED.programs)


def _program(id: str, *ops: Op) -> Program:
    known = _DESCRIBED.programs[id]
    return program(id, *ops, title=known.title, source=_DESCRIBED.source, footprint=known.footprint)


def _constant(time: Parameter) -> Duration:
    return constant(f"{time.ns():.9g} ns")


def _computing(id: str) -> Program:
    """Nothing but computation, a millisecond a unit when alone."""
    return _program(id, measure(f"unit of {id}", compute(constant("1 ms"), name="compute")))


# --- files on tmpfs ---------------------------------------------------------------------------------------

_new_page = (
    compute("file_page"),
    count("tmpfs_blocks", 1), count("vm_committed_as", 1),
    page_from_zone, compute("memcg_charge"), lock("memcg"), compute("memcg_section"), unlock("memcg"),
    lock("page_tree"), compute("page_insert"), unlock("page_tree"),
    page_on_lru,
    compute("fill_new_page"),
)
# A truncation gives the pages back one by one, and what was counted of them all at once (shmem_recalc_inode).
_truncate = syscall(
    "truncate", repeat(PAGES, compute("page_lookup"), *free_page),
    count("tmpfs_blocks", -PAGES), count("vm_committed_as", -PAGES),
)
_copy_record = repeat(PAGES, compute("file_page"), compute("page_lookup"), compute("copy_file_page"))


# --- TCP --------------------------------------------------------------------------------------------------


def _send(name: str, *copied: Op) -> Syscall:
    """Send what fits into one segment for the card."""
    return syscall(
        name, *copied, get("protocol_memory"), get("route"), compute("tcp_send"), put("route"), put("protocol_memory"),
    )


_receive = syscall(
    "receive",
    compute("nic_interrupt"), get("protocol_memory"), get("route"), compute("tcp_receive"), put("route"),
    put("protocol_memory"),
)
_round_trip = (_send("send"), sleep(_constant(_DESCRIBED.other_side), name="other side"), _receive)


def _inode_and_dentry(path: str) -> tuple[Op, ...]:
    """The part of making or ending a socket that old kernels do under locks of the whole kernel.

    Its file is on no list of open files (``init_file`` and ``file_kill``, fs/file_table.c, 2.6.32).
    """
    return (
        compute(path),
        lock("inode_lock"), compute("inode_section"), unlock("inode_lock"),
        lock("dcache_lock"), compute("dcache_section"), unlock("dcache_lock"),
    )


PROGRAMS = {found.id: found for found in (
    *map(_computing, ("bzip2", "sphinx3", "cachebench_read", "cachebench_write", "cachebench_modify")),
    _program("iozone_write", measure("record written", syscall("write", repeat(PAGES, *_new_page))), _truncate),
    _program("iozone_read", measure("record read", syscall("read", _copy_record))),
    _program("iozone_modify", measure("record written again", syscall("write", _copy_record))),
    _program(
        "netperf_tcp_stream",
        measure("64 KB", repeat(4, _send("send", compute("copy_page", times=4))), _receive,
                sleep(_constant(_DESCRIBED.wire), name="wire")),
    ),
    _program("netperf_tcp_rr", measure("transaction", *_round_trip)),
    _program(
        "netperf_tcp_crr",
        measure(
            "connection",
            syscall("socket", *_inode_and_dentry("socket_create")),
            repeat(3, *_round_trip),
            syscall(
                "close",
                lock("time_wait"), compute("time_wait_section"), unlock("time_wait"),
                *_inode_and_dentry("socket_destroy"),
            ),
        ),
    ),
)}
