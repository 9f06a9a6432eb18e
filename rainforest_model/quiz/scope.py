"""The same threads and the same lock, shared by a machine or private to each OS instance."""

from __future__ import annotations

from ..descriptions.scenario import Load
from ..reference import bare_system
from . import pieces
from .numbers import Numbers
from .problem import Problem

THREADS = 4
SHARED, PRIVATE = "One lock for the machine", "A lock for each subOS"


def problem(seed: int, numbers: Numbers) -> Problem:
    """What two subOSes save by not sharing a lock."""
    wanted = numbers.different(THREADS, 1, 5)
    held = [numbers.between(5, 9) for _ in range(THREADS)]
    names = [f"thread {pieces.LETTERS[i]}" for i in range(THREADS)]
    loads = [
        Load(program=pieces.at_lock(name, w, h), pinned=True, partition=number // 2)
        for number, (name, w, h) in enumerate(zip(names, wanted, held, strict=True))
    ]
    divided = bare_system()
    apart = divided.partitioning.model_copy(update={"kernels": "each", "partitioned": True, "instance_name": "subOS"})
    divided = divided.model_copy(update={"partitioning": apart})
    scenarios = {
        heading: pieces.scenario(
            loads, pieces.machine(THREADS), {"lock": pieces.structure("queue_lock", scope)},
            system=divided, partitions=2,
        )
        for heading, scope in ((SHARED, "machine"), (PRIVATE, "instance"))
    }
    return Problem(
        topic="scope", seed=seed, title="Shared or private", unit="us",
        given=(
            "Four threads run on a core each, A and B in one subOS, C and D in another. All begin at time 0. A",
            "thread computes for a while, takes the kernel's lock, holds it, releases it, and is done. Who finds it",
            "taken spins; first come, first served; taking it and handing it over cost nothing.",
            "",
            *(f"{name}: computes for {w} us, then needs the lock for {h} us"
              for name, w, h in zip(names, wanted, held, strict=True)),
            "",
            "First there is one lock for the whole machine; then each subOS has one of its own.",
        ),
        question="A response is the time from asking for the lock until it is released.\n"
                 "By how much does the sum of the four responses fall?",
        scenarios=scenarios,
        conclude=lambda watched: (
            sum(watched[SHARED].latency.values()) - sum(watched[PRIVATE].latency.values()),
            "The sum of the responses falls by",
        ),
    )
