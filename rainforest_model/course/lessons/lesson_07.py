"""Scenarios and exercises of `07_elasticity`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from ...descriptions import load
from ...descriptions.arrivals import Arrivals, at_random
from ...descriptions.scenario import Load, Scenario
from ...supervision import ElasticMachine, Policy, ThresholdPolicy
from ...workloads import traffic, workload
from ...workloads.search import back_end, described
from ..checks import Choice, Number, Trial, Wrong

MACHINE, WINDOW_S, BATCH = "S-A", 10, "parsec.swaptions"


def changing(rates: Sequence[float], system: str = "rainforest", cores: int = 6) -> Scenario:
    """Search in an instance of its own under a load that changes every 10 s, beside a batch in another.

    A request maps no memory here: that is most of its events, and little of its time.

    Parameters
    ----------
    rates : sequence of float
        Requests a second, one for each 10 s.
    system : str
        With partitions: LXC, Xen, RainForest.
    cores : int
        Of Search at the start; the batch has the rest of twelve, and a thread for each core that it may ever have.

    Examples
    --------
    >>> changing([150, 250]).duration
    '20 s'
    """
    machine, light = load.machine(MACHINE), described(pages=0)
    edges = np.arange(len(rates) + 1.0) * WINDOW_S
    counts = np.round(np.asarray(rates) * WINDOW_S).astype(int)
    arrivals = Arrivals("changing load", at_random(1)(edges, counts))
    return load.validated(Scenario, {
        "machine": machine, "system": load.system(system), "cores": machine.topology.cores, "partitions": 2,
        "shares": (cores, machine.topology.cores - cores), "duration": f"{edges[-1]:g} s", "warmup": "0 s",
        "stagger": "1 ms",
        "loads": [
            Load(program=traffic.replay(arrivals), place="outside"),
            Load(program=back_end(search=light), threads=round(light.handlers.plain()), partition=0),
            Load(program=workload(BATCH), threads=machine.topology.cores, partition=1),
        ],
    })


def run(rates: Sequence[float], policy: Policy | None = None, system: str = "rainforest", cores: int = 6):
    """A live machine after its load has come to an end.

    Examples
    --------
    >>> run([150, 150], cores=5)
    <ElasticMachine: cores of search 5, batch 7; 20 s>
    """
    machine = ElasticMachine(changing(rates, system, cores), policy=policy)
    return machine.run(WINDOW_S * len(rates))


def own(machine: ElasticMachine):
    """The rows of Search in a machine's timeline."""
    return machine.timeline[machine.timeline.instance == machine.critical.name]


def moves(machine: ElasticMachine) -> int:
    """How often the policy has moved cores."""
    return int((own(machine).decision.fillna(0) != 0).sum())


def above(machine: ElasticMachine, limit_ms: float = 200.0) -> int:
    """Windows in which the tail of Search was above a limit."""
    return int((own(machine).tail_ms > limit_ms).sum())


def rounds(machine: ElasticMachine) -> int:
    """Rounds of the batch so far."""
    return machine.answered("batch")


@cache
def steady_tail(rate: float, cores: int) -> float:
    """99th percentile of Search in ms with so many cores that never move: the last of four windows.

    Examples
    --------
    >>> steady_tail(270, 5) < 160 < 200 < steady_tail(270, 4)
    True
    """
    return float(own(run([rate] * 4, cores=cores)).tail_ms.iloc[-1])


STEADY = (270.0,) * 30
"""A load that never changes, for five minutes."""
STEP = (150.0,) * 3 + (300.0,) * 9
"""One that doubles after half a minute."""
DAY = (
    *(150.0,) * 6, 180.0, 210.0, 240.0, 270.0, 300.0, *(320.0,) * 5, 300.0, 270.0, 240.0, 210.0, 180.0, *(150.0,) * 9,
)
"""One that rises, stays and falls again within five minutes."""


@cache
def paper_on_day() -> tuple[int, int, int]:
    """Moves, windows above the bound and rounds of the batch of the paper's policy on `DAY`."""
    return _counts(run(DAY, ThresholdPolicy()))


def _counts(machine: ElasticMachine) -> tuple[int, int, int]:
    return moves(machine), above(machine), rounds(machine)


MOST_ABOVE, LEAST_BATCH = 2, 0.85
"""What is asked of a policy of one's own on `DAY`; besides, at most half as many moves as the paper's."""


def _try_policy(policy: type) -> str:
    machine = run(DAY, policy())
    (moved, late, done), (moved_then, late_then, done_then) = _counts(machine), paper_on_day()
    if moved > moved_then / 2:
        raise Wrong(f"It moves cores in {moved} windows, the paper's policy in {moved_then}; half of it is allowed.")
    if late > MOST_ABOVE:
        raise Wrong(f"The tail is above 200 ms in {late} windows (the paper's: {late_then}); {MOST_ABOVE} are allowed.")
    share = done / done_then
    if share < LEAST_BATCH:
        raise Wrong(f"The batch does {share:.0%} of what the paper's policy leaves it, not {LEAST_BATCH:.0%}.")
    return f"{moved} moves, {late} windows above 200 ms, and {share:.0%} of the batch."


@cache
def demand_s() -> float:
    """Core time of a request in s, by the utilisation law, where nobody waits for a core."""
    machine = run((150.0,) * 3, cores=6)
    last = own(machine).iloc[-1]
    return float(last.utilisation * last.cores / last.rate)


def backlog(rate: float, cores: int, seconds: float) -> float:
    """Requests that have come and cannot have been answered, if the cores are always busy."""
    return (rate - cores / demand_s()) * seconds


def _hurries_in_vain() -> bool:
    hurried, paper = run(DAY, ThresholdPolicy(interval_s=2)), paper_on_day()
    late, late_of_paper = above(hurried) / len(own(hurried)), paper[1] / len(DAY)
    return moves(hurried) > 2 * paper[0] and late > 0.8 * late_of_paper


EXERCISES = {
    "backlog": Number(
        lambda: backlog(STEP[-1], 3, WINDOW_S), "requests", tolerance=0.05,
        slips={
            "That is how many arrive; some of them are answered.": lambda: STEP[-1] * WINDOW_S,
            "That many wait after one second; the policy looks after ten.": lambda: backlog(STEP[-1], 3, 1),
            "That is with one core.": lambda: backlog(STEP[-1], 1, WINDOW_S),
        },
        why="And a core more does not make them go away: only what it serves beyond the new load does.",
    ),
    "interval": Choice(
        {
            "a": "It does react sooner. But to what? A window of 2 s holds some 500 requests: five make its tail.",
            "b": "The tail of a short window is a few requests, so the policy answers noise, each time by a move.",
            "c": "Count the moves.",
        },
        lambda: "b" if _hurries_in_vain() else "a",
    ),
    "policy": Trial(_try_policy),
}
