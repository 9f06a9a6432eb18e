"""What the problems are made of: threads that do something once, on an ideal machine whose prices are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..descriptions.machine import Interrupt, Machine, Tlb, Topology, Transfer
from ..descriptions.parameter import Parameter
from ..descriptions.program import Op, Program, compute, constant, lock, measure, program, sleep, unlock
from ..descriptions.scenario import Load, Scenario
from ..descriptions.structure import Structure
from ..reference import bare_system, ideal_machine
from ..units import TICKS_PER_NS

LETTERS = "ABCDEFGH"
NIGHT = "night"
"""The sleep at the end of a thread, after which nothing is looked at."""
NIGHT_TICKS = 10**9 * TICKS_PER_NS
_SOURCE = "a problem's own, by definition"


def price(value: float, unit: str = "ns") -> Parameter:
    """A given number."""
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source=_SOURCE)


def run(microseconds: float, name: str = "computes") -> Op:
    """Compute for a given time; the name tells it in words."""
    return compute(constant(f"{microseconds:g} us"), name=f"{name} for {microseconds:g} us")


def once(name: str, *ops: Op) -> Program:
    """A thread that does these once, and then sleeps."""
    return program(name, *ops, sleep(constant("1 s"), name=NIGHT), title=name)


def at_lock(name: str, ask_us: float, hold_us: float) -> Program:
    """A thread that takes a lock once; its latency, under its own name, is from asking to having released."""
    held = measure(name, lock("lock"), run(hold_us, "holds it"), unlock("lock"))
    return once(name, run(ask_us), held)


def machine(
    cores: int, sockets: int = 1, same_socket: float = 0, other_socket: float = 0, interrupt: Interrupt | None = None,
    flush: float = 0,
) -> Machine:
    """An ideal machine on which only these cost something, all in ns: lines that move, interrupts, a flush."""
    plain = ideal_machine(cores, same_socket)
    near, far = (Transfer(load=price(p), store=price(p), atomic=price(p)) for p in (same_socket, other_socket))
    changes: dict = {
        "topology": Topology(sockets=sockets, cores_per_socket=cores // sockets, clock=price(1, "GHz")),
        "tlb": Tlb(entries=price(1, "count"), full_flush=price(flush), single_page=price(0), refill=price(0)),
    }
    if sockets > 1:
        changes["coherence"] = plain.coherence.model_copy(update={"same_socket": near, "one_hop": far})
    if interrupt is not None:
        changes["interrupt"] = interrupt
    return plain.model_copy(update=changes)


def structure(kind: str, scope: str = "machine", **rest) -> Structure:
    """A structure of a problem."""
    return Structure(kind=kind, scope=scope, source=_SOURCE, **rest)


def scenario(loads: Sequence[Load], on: Machine, structures: Mapping[str, Structure], **rest) -> Scenario:
    """Threads that all begin at time 0."""
    told = {"system": bare_system(), "cores": on.topology.cores, **rest}
    return Scenario(
        machine=on, loads=tuple(loads), structures=dict(structures), duration="2 s", warmup="0 s", stagger="0 us",
        **told,
    )
