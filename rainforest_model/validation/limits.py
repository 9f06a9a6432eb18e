"""Limits in which two designs must agree, or a sum by hand knows the answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..by_hand import walk_alone
from ..descriptions import load
from ..descriptions import program as pg
from ..descriptions.scenario import Load, Scenario
from ..descriptions.system import System
from ..engine.door import CompiledEngine
from ..lowering import lower
from ..reference import bare_system, closed_lock
from ..units import to_us
from ..workloads import operations, partners, with_parameters, workloads
from .check import SEED, Check, Effort, Finding, together
from .windows import outcome_at, ticks


def _real_workloads() -> dict[str, pg.Program]:
    """The shipped programs that need nothing but a system, and whose times a sum by hand can know."""
    structures = load.system("linux-2.6.32").structures
    return {
        id: program for id, program in workloads().items()
        if not partners(id) and program.footprint is None and (id != "closed_lock" or "lock" in structures)
        and not any(isinstance(item, pg.Sleep) for item in operations(program))
    }


def quiet(system: System) -> System:
    """The system without variation, ticks, background work and costs of switching.

    Examples
    --------
    >>> from rainforest_model.descriptions import load
    >>> quiet(load.system("rainforest")).background
    {}
    """
    bare = bare_system().kernel
    free = {"scheduler": bare.scheduler, "path_variation": bare.path_variation, "background": {}}
    return system.model_copy(update={
        "kernel": system.kernel.model_copy(update=free),
        "partitioning": system.partitioning.model_copy(update={"background": {}}),
    })


def _sums(effort: Effort) -> Finding:
    """One thread alone on S-A: every latency is the sum of its operations, to the tick."""
    count, wrong = 0, []
    for system in load.systems():
        for id, program in _real_workloads().items():
            alone = Scenario(
                machine=load.machine("S-A"), system=quiet(load.system(system)), cores=12,
                loads=(Load(program=program, pinned=True),),
            )
            tables = lower(alone, SEED)
            outcome = outcome_at(CompiledEngine(tables), effort.stretch * ticks("5 ms"))
            n, total, squares, largest = outcome.moments[0].tolist()
            by_hand = walk_alone(tables, int(n)).latencies
            count += len(by_hand)
            exact = sum(by_hand) == total and sum(t * t for t in by_hand) == squares and max(by_hand) == largest
            if not (n and exact):
                wrong.append(f"{id} on {system}: mean {to_us(total / n):.6g} us, sum {to_us(np.mean(by_hand)):.6g} us")
    return together(wrong, f"{count:,} latencies, to the tick")


def _one_core(effort: Effort) -> Finding:
    """Four processes that share one core, with free switches, do what one program does in the same time.

    At the end of the run each process may be in the middle of a round; with 16 pages, that is short.
    """
    linux = load.system("linux-2.6.32")
    free, period = quiet(linux), linux.kernel.scheduler.min_granularity
    slices = free.kernel.scheduler.model_copy(
        update=dict.fromkeys(("tick_period", "latency", "min_granularity"), period)
    )
    system = free.model_copy(update={"kernel": free.kernel.model_copy(update={"scheduler": slices})})
    worst, wrong = 0.0, []
    for id, program in _real_workloads().items():
        program = with_parameters(program, {"pages": 16} if "pages" in program.parameters else {})
        shared = Scenario(
            machine=load.machine("S-A"), system=system, cores=1, stagger="0 ns",
            loads=(Load(program=program, processes=4),),
        )
        tables = lower(shared, SEED)
        longest = int(np.diff([0, *walk_alone(tables, 100).ends]).max())
        span = effort.stretch * max(ticks("12 ms"), 1000 * longest)
        n = int(outcome_at(CompiledEngine(tables), span).moments[0, 0])
        by_hand = walk_alone(tables, n).ends[-1]
        worst = max(worst, abs(by_hand / span - 1.0))
        if abs(by_hand - span) > 4 * longest:
            wrong.append(f"{id}: {n} in {to_us(span):.6g} us, one after the other {to_us(by_hand):.6g} us")
    return together(wrong, f"{len(_real_workloads())} workloads, at most {100 * worst:.2f} % apart")


def _whole_machine(effort: Effort) -> Finding:
    """One subOS that holds all cores is the shared kernel: the same trace, event for event."""
    wrong, events = [], 0
    for id, program in _real_workloads().items():
        for pinned in (True, False):
            traces = []
            for system in ("linux-2.6.32", "rainforest"):
                whole = Scenario(
                    machine=load.machine("S-A"), system=load.system(system), cores=12,
                    loads=(Load(program=program, threads=14, pinned=pinned),),
                )
                engine = CompiledEngine(lower(whole, SEED), trace=20_000 * effort.stretch)
                engine.run(ticks("1 s"))
                traces.append(engine.trace())
            events += len(traces[0])
            if not np.array_equal(*traces):
                wrong.append(f"{id}, {'pinned' if pinned else 'roaming'}")
    return together(wrong, f"the same {events:,} events")


def _free_hand_off(effort: Effort) -> Finding:
    """A ticket lock whose waiters fetch for nothing is a queue lock: the same trace."""
    traces = []
    for kind in ("ticket_lock", "queue_lock"):
        engine = CompiledEngine(lower(closed_lock(40, transfer_ns=100, kind=kind), SEED), trace=50_000 * effort.stretch)
        engine.run(ticks("1 s"))
        traces.append(engine.trace())
    return together([] if np.array_equal(*traces) else ["the traces differ"], f"the same {len(traces[0]):,} events")


def limits() -> Iterator[Check]:
    yield Check("alone: sum of its operations", "limit", _sums)
    yield Check("one core: sequential program", "limit", _one_core)
    yield Check("one subOS: shared kernel", "limit", _whole_machine)
    yield Check("free hand-off: queue lock", "limit", _free_hand_off)
