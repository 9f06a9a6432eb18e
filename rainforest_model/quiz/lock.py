"""Threads at one first-come first-served spin lock, each once."""

from __future__ import annotations

from ..descriptions.scenario import Load
from . import pieces
from .numbers import Numbers
from .problem import Problem


def problem(seed: int, numbers: Numbers) -> Problem:
    """How long a thread takes from asking for the lock until it has released it."""
    threads = numbers.between(3, 4)
    moved = numbers.one_of((100, 200, 500))
    wanted, held = _draw(threads, numbers)
    while _tied(wanted, held, moved):
        wanted, held = _draw(threads, numbers)
    asked = _latest(wanted) if numbers.between(0, 1) else numbers.between(0, threads - 1)
    names = [f"thread {pieces.LETTERS[i]}" for i in range(threads)]
    loads = [
        Load(program=pieces.at_lock(name, w, h), pinned=True) for name, w, h in zip(names, wanted, held, strict=True)
    ]
    return Problem(
        topic="lock", seed=seed, title="A queue lock", unit="us",
        given=(
            f"{threads} threads run on a core each, and all begin at time 0. A thread computes for a while, takes the",
            "lock, holds it, releases it, and is done. Who finds the lock taken spins; first come, first served.",
            f"When a lock passes to a thread that spins, that thread sees it {moved} ns later, as the cache line must",
            "come over, and its time in the lock begins then. Taking a free lock, and releasing it, costs nothing.",
            "",
            *(f"{name}: computes for {w} us, then needs the lock for {h} us"
              for name, w, h in zip(names, wanted, held, strict=True)),
        ),
        question=f"How long does {names[asked]} take from asking for the lock until it has released it?",
        scenarios={"": pieces.scenario(
            loads, pieces.machine(threads, same_socket=moved), {"lock": pieces.structure("queue_lock")}
        )},
        conclude=lambda watched: (
            watched[""].latency[names[asked]], f"From asking to having released, {names[asked]} takes"
        ),
    )


def _draw(threads: int, numbers: Numbers) -> tuple[list[int], list[int]]:
    return numbers.different(threads, 1, 12), [numbers.between(2, 9) for _ in range(threads)]


def _tied(wanted: list[int], held: list[int], moved: int) -> bool:
    """Whether somebody asks in the very moment of a release, so that it is not told who is first."""
    free, releases = 0.0, []
    for ask, hold in sorted(zip(wanted, held, strict=True)):
        free = max(ask, free + moved / 1000 if free > ask else 0) + hold
        releases.append(round(free, 6))
    return bool(set(releases) & set(wanted))


def _latest(wanted: list[int]) -> int:
    return wanted.index(max(wanted))
