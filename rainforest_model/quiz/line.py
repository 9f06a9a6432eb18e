"""One cache line that cores of two sockets write in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..descriptions.arrivals import Arrivals
from ..descriptions.program import Op, arrive, measure, touch
from ..descriptions.scenario import Load
from . import pieces
from .numbers import Numbers
from .problem import Problem

CORES = 4


def problem(seed: int, numbers: Numbers) -> Problem:
    """How long all writes together wait for the line."""
    near, far = numbers.one_of((40, 50, 60, 80)), numbers.one_of((120, 150, 200, 300))
    writes, writers = numbers.between(5, 6), [0]
    while len(set(writers)) < 3:  # a line that stays at home asks nothing
        writers = [0, *(numbers.between(0, CORES - 1) for _ in range(writes - 1))]
    times = range(1, len(writers) + 1)
    loads = [Load(program=_thread(core, writers, times), pinned=True) for core in range(CORES)]
    return Problem(
        topic="line", seed=seed, title="A line that travels", unit="ns",
        given=(
            "Cores A and B are one socket, C and D another. A core can write a cache line only when it has it alone.",
            "A write to a line that the core has already costs nothing; fetching it from the other core of the same",
            f"socket takes {near} ns, and from a core of the other socket {far} ns. At first core A has the line.",
            "",
            f"The line is written by {', '.join(pieces.LETTERS[w] for w in writers)}, in this order, one well after",
            "the other.",
        ),
        question="For how long do the cores wait for the line, all writes together?",
        scenarios={"": pieces.scenario(
            loads, pieces.machine(CORES, 2, near, far), {"line": pieces.structure("line")}
        )},
        conclude=lambda watched: _told(watched[""].latency),
    )


def _thread(core: int, writers: list[int], times: Sequence[int]):
    ops: list[Op] = []
    for number, (writer, time) in enumerate(zip(writers, times, strict=True), 1):
        if writer == core:
            # By the clock, not by sleeps: those would begin when the core's last write has ended.
            when = Arrivals(f"write {number}", [time * 1e-6])
            ops += [arrive(when), measure(f"write {number}", touch("line"))]
    return pieces.once(f"core {pieces.LETTERS[core]}", *ops)


def _told(waits: Mapping[str, float]) -> tuple[float, str]:
    """The sum of the waits, write by write."""
    parts = " + ".join(f"{waits[write]:g}" for write in sorted(waits))
    return sum(waits.values()), f"The writes wait {parts} ns; together"
