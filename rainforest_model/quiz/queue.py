"""Requests at servers with one queue, where the gaps between them decide who waits."""

from __future__ import annotations

from itertools import accumulate

from ..descriptions.program import constant, measure, receive, send, sleep
from ..descriptions.scenario import Load
from . import pieces
from .numbers import Numbers
from .problem import Problem
from .watch import Watched


def problem(seed: int, numbers: Numbers) -> Problem:
    """The mean or the largest sojourn time of a few requests."""
    servers, requests = numbers.between(1, 2), numbers.between(5, 6)
    gaps = [numbers.between(1, 4) for _ in range(requests)]
    service = 3 * servers + numbers.between(0, 2)
    largest = bool(numbers.between(0, 1))
    arrivals = list(accumulate(gaps))
    client = pieces.once("the client", *(op for gap in gaps for op in (sleep(constant(f"{gap} us")), send("jobs"))))
    server = measure("sojourn", receive("jobs"), pieces.run(service, "serves"))
    loads = [Load(program=client, place="outside")]
    for number in range(servers):
        again = [server] * requests
        loads.append(Load(program=pieces.once(f"server {pieces.LETTERS[number]}", *again), pinned=True))
    many = f"{servers} servers, on a core each," if servers > 1 else "One server"
    return Problem(
        topic="queue", seed=seed, title="A queue", unit="us",
        given=(
            f"{many} take{'s' * (servers == 1)} requests from one queue, first come, first served; every request takes",
            f"{service} us of service. Handing a request over costs nothing. A request's sojourn time is that from its",
            "arrival until it has been served.",
            "",
            f"Requests arrive at {', '.join(map(str, arrivals))} us.",
        ),
        question=f"What is the {'largest' if largest else 'mean'} sojourn time?",
        scenarios={"": pieces.scenario(loads, pieces.machine(servers), {})},
        conclude=lambda watched: _told(watched[""], requests, largest),
    )


def _told(watched: Watched, requests: int, largest: bool) -> tuple[float, str]:
    if largest:
        return watched.longest["sojourn"], "The largest sojourn time is"
    return watched.latency["sojourn"] / requests, "The mean sojourn time is"
