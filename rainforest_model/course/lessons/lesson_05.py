"""Exercises of `05_scope`."""

from __future__ import annotations

from ...descriptions.load import machine, system
from ...descriptions.structure import Structure
from ...descriptions.system import System
from ...errors import InputError
from ...simulation import Run, scenario, simulate
from ..checks import Choice, Trial, Wrong

CORES = 12
CLOSE = 1.2
"""How much longer than alone the 99th percentile of a mended kernel's mmap may be."""


def _mmap(on: System, processes: int, **changes) -> Run:
    """So many processes that map and unmap, each on a core of its own."""
    point = scenario(
        machine("S-A"), on, "mmap", processes=processes, pinned=True, duration="4 ms", warmup="500 us", **changes
    )
    return simulate(point, replications=2)


def _of_a_container() -> str:
    """The letter of the structure of which each container has one of its own."""
    described = system("lxc").structures
    letters = {"a": "vm_committed_as", "b": "zone_lock", "c": "memcg", "d": "tlb"}
    (letter,) = [letter for letter, name in letters.items() if described[name].scope == "container"]
    return letter


def _across_sockets() -> str:
    """The letter of what three parts of the machine have that two and four do not."""
    topology = machine("S-A").topology
    across = {}
    for parts in (2, 3, 4):
        size, socket = topology.cores // parts, topology.cores_per_socket
        firsts = range(0, topology.cores, size)
        across[parts] = any(first // socket != (first + size - 1) // socket for first in firsts)
    return "b" if across == {2: False, 3: True, 4: False} else "d"


def _mends(answer) -> str:
    """Whether a changed counter, as widely shared as before, makes twelve processes as fast as one."""
    kernel = system("linux-4.9.40")
    before = kernel.structures["vm_committed_as"]
    if not isinstance(answer, Structure):
        raise Wrong("Answer with the changed structure, such as `shipped.model_copy(update={...})`.")
    if answer.kind != before.kind or answer.scope != before.scope or answer.lock_scope != before.lock_scope:
        raise Wrong("It shall still be a `percpu_counter` of which there is one an instance: change something else.")
    alone = _mmap(kernel, 1).estimate("p99").value
    try:
        together = _mmap(kernel, CORES, structures={"vm_committed_as": answer}).estimate("p99").value
    except InputError as error:
        raise Wrong(str(error)) from None
    if together > CLOSE * alone:
        raise Wrong(f"With it the 99th percentile is {together:.1f} us, and alone it is {alone:.1f} us.")
    return f"{together:.2f} us with twelve processes, {alone:.2f} us alone. Better sharing can do it too."


EXERCISES = {
    "container": Choice(
        {
            "a": "That is counted by the kernel, and all containers run on one kernel.",
            "b": "A zone belongs to a socket's memory, whoever allocates from it.",
            "c": "A container is a group of tasks to the kernel, and what it adds is one more counter, for each group.",
            "d": "The kernel has one way to flush TLBs for all its cores.",
        },
        right=_of_a_container,
    ),
    "three": Choice(
        {
            "a": "Then two would be worse still.",
            "b": "Four cores in a row do not fit into what is left of a socket of six, so its lines cross the link.",
            "c": "It is: with a longer run and other seeds the order of the three remains.",
            "d": "Then four would be worse still.",
        },
        right=_across_sockets,
    ),
    "better_sharing": Trial(_mends),
}
