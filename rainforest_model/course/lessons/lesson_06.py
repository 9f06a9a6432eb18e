"""Scenarios and exercises of `06_neighbours`."""

from __future__ import annotations

from functools import cache

from ...descriptions import load
from ...descriptions.machine import Machine
from ...descriptions.scenario import Load, Scenario
from ...descriptions.system import System
from ...memory import Group, MemoryModel
from ...simulation import Run, simulate
from ...workloads import structures_of, workload
from ..checks import Choice, Number, Trial, Wrong

MACHINE, INSTANCES = "S-B", 4
CONTAINER_SCOPES = ("core", "process", "container")
"""Scopes of which two containers never share a copy."""


def beside(
    system: str | System, neighbours: int, program: str = "malloc", theirs: str = "mmap",
    machine: str | Machine = MACHINE, **rest,
) -> Scenario:
    """One thread in the first of four OS instances, and so many neighbours, a core each, in the others.

    Parameters
    ----------
    system : str or System
        With partitions: LXC, Xen, RainForest.
    neighbours : int
        0 .. 30 processes; they fill the second instance, then the third, then the fourth.
    program, theirs : str
        What the one runs, and what each neighbour runs.
    machine : str or Machine
    **rest
        Further fields of the scenario, such as structures of its own.

    Examples
    --------
    >>> beside("lxc", 12)
    <Scenario malloc, mmap, mmap on lxc, S-B: 40 cores in 4 parts, 2 ms>
    """
    machine = load.machine(machine) if isinstance(machine, str) else machine
    room = machine.topology.cores // INSTANCES
    loads = [Load(program=workload(program), partition=0, pinned=True)]
    for instance in range(1, INSTANCES):
        here = min(room, neighbours - room * (instance - 1))
        if here > 0:
            loads.append(Load(program=workload(theirs), processes=here, partition=instance, pinned=True))
    return load.validated(Scenario, {
        "machine": machine, "system": load.system(system) if isinstance(system, str) else system, "loads": loads,
        "cores": machine.topology.cores, "partitions": INSTANCES, "duration": "2 ms", "warmup": "200 us", **rest,
    })


@cache
def run_beside(system: str, neighbours: int, program: str = "malloc", theirs: str = "mmap", kernel: str = "") -> Run:
    """The same as a run; latencies of the one thread are its first series.

    Examples
    --------
    >>> bool(run_beside("lxc", 30).tail().value > 5 * run_beside("lxc", 0).tail().value)
    True
    """
    return simulate(beside(load.system(system, kernel=kernel or None), neighbours, program, theirs), replications=3)


def growth(system: str, neighbours: int, **rest: str) -> float:
    """How many times as long the 99th percentile is as alone."""
    return run_beside(system, neighbours, **rest).tail().value / run_beside(system, 0, **rest).tail().value


def pressed(program: str, theirs: str, here: int, there: int = 0) -> float:
    """How many times as long one thread computes beside so many of another program on its socket and on the other.

    Examples
    --------
    >>> pressed("sphinx3", "cachebench_write", here=0)
    1.0
    """
    model = MemoryModel(load.machine("S-A"), [Group(workload(name).footprint) for name in (program, theirs)])
    return model.slowdowns(((1, here), (0, there)))[0][0]


def _shared(program: str, theirs: str, system: str) -> set[str]:
    known = load.system(system).structures
    used = structures_of(workload(program)) & structures_of(workload(theirs)) & set(known)
    return {name for name in used if known[name].scope not in CONTAINER_SCOPES and known[name].kind != "absent"}


def _try_shared(function) -> str:
    for program, theirs in (("malloc", "mmap"), ("open", "mmap"), ("malloc", "page_fault"), ("open", "open")):
        found, expected = set(function(program, theirs)), _shared(program, theirs, "lxc")
        if missing := expected - found:
            raise Wrong(f"Of `{program}` beside `{theirs}` {len(missing)} of {len(expected)} are missing.")
        if more := found - expected:
            raise Wrong(f"Of `{program}` beside `{theirs}` it names `{min(more)}`: do two containers share a copy?")
    return "So one can say beforehand which neighbours can be heard at all, though not how loud they are."


EXERCISES = {
    "other_socket": Number(
        lambda: pressed("sphinx3", "cachebench_write", here=0, there=3), "times", tolerance=0.005,
        slips={"That is with the three on the same socket.": lambda: pressed("sphinx3", "cachebench_write", here=3)},
        why="Its memory is near to it, so the two sockets share neither a cache nor a memory: place is isolation too.",
    ),
    "newer_kernel": Number(
        lambda: growth("lxc", 30, kernel="linux-4.9.40"), "times", tolerance=0.02,
        slips={
            "That is with the kernel that LXC has by default.": lambda: growth("lxc", 30),
            "That is the percentile itself; asked for is how many times as long it is as alone.":
                lambda: run_beside("lxc", 30, kernel="linux-4.9.40").tail().value,
        },
        why="A better lock hands over faster, but thirty still queue at one counter.",
    ),
    "open": Choice(
        {
            "a": "Then it would have to meet the neighbours somewhere. Which structures do both programs use?",
            "b": "What would it wait for? Look at the structures that both programs use.",
            "c": "The two use no structure in common, so the shared kernel is shared in name only.",
        },
        lambda: "c" if growth("lxc", 30, program="open") < 1.01 else "a",
    ),
    "shared": Trial(_try_shared),
}
