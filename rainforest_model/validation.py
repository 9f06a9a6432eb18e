"""Trust: the engine held against theory, against limits where two designs must agree, and against its twin.

`run_checks` is what ``rainforest validate`` prints.  A closed form holds if it lies inside the interval of the
replications, and that interval is short enough to tell.  All intervals are at `LEVEL` each, so that of twenty
checks one fails by chance in one out of fifty choices of seeds; the seeds are fixed, so the verdicts are too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np

from . import histogram, theory
from .by_hand import walk_alone
from .descriptions import load
from .descriptions import program as pg
from .descriptions.scenario import Load, Scenario
from .descriptions.structure import Structure
from .descriptions.system import System
from .engine.door import CompiledEngine
from .lowering import lower
from .outcome import Outcome, StopReason
from .reference import bare_system, closed_lock, open_queue
from .simulation import SimulationError
from .stats import mean_interval
from .twins import compare_twins, compare_under_supervision
from .units import TICKS_PER_NS, to_us
from .workloads import operations, partners, with_parameters, workloads

LEVEL = 0.999
"""Confidence of each interval."""
SHARP = 0.01
"""Half-width, as a share of the value, above which an interval is too wide to hold a theory against."""
SEED = 2012
COLUMNS = 100
"""Width of a line whose check holds."""

class Effort(NamedTuple):
    """How much work the checks may do.

    Attributes
    ----------
    replications : int
    stretch : int
        Factor on all simulated times.
    twin_events : int
        Events for which the engine and its twin are compared, for each workload and system.
    lots : int
        Random programs.
    """

    replications: int = 20
    stretch: int = 1
    twin_events: int = 4000
    lots: int = 150


EFFORTS = {"quick": Effort(), "full": Effort(replications=40, stretch=4, twin_events=10_000, lots=1000)}


class Finding(NamedTuple):
    """What a check has found: see `CheckResult`."""

    passed: bool
    note: str = ""
    expected: float = math.nan
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check.

    Attributes
    ----------
    name : str
    group : {"closed form", "limit", "twin"}
    passed : bool
    expected : float
        What theory says; nan where a check compares traces.
    value, low, high : float
        The model's answer and its interval, in `unit`; nan likewise.
    note : str
        How it came about, or where it went wrong.
    unit : str
    """

    name: str
    group: str
    passed: bool
    expected: float
    value: float
    low: float
    high: float
    note: str
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """Something that must hold.

    Attributes
    ----------
    name : str
    group : {"closed form", "limit", "twin"}
    find : callable
        From an `Effort` to a `Finding`.
    """

    name: str
    group: str
    find: Callable[[Effort], Finding]

    def result(self, effort: Effort) -> CheckResult:
        """Run the check.  An error inside is a failed check, so that the others still run."""
        try:
            finding = self.find(effort)
        except Exception as error:
            finding = Finding(False, f"{type(error).__name__}: {error}")
        return CheckResult(name=self.name, group=self.group, **finding._asdict())


# --- what a run leaves between its warm-up and its end -----------------------------------------------------


class Window(NamedTuple):
    """What happened between warm-up and end of a replication.

    Attributes
    ----------
    throughput : float
        Completed measures a microsecond.
    response, p99 : float
        Of those, in us.
    busy : float
        Mean number of busy cores.
    """

    throughput: float
    response: float
    p99: float
    busy: float


def window(scenario: Scenario, replication: int, stretch: int = 1) -> Window:
    """One replication, looked at between warm-up and end.

    Unlike a `Run`, whose latencies began and ended inside, everything that was completed inside counts.

    Examples
    --------
    >>> window(closed_lock(1, duration="3 ms"), replication=0).busy
    1.0
    """
    tables = lower(scenario, seed=f"{SEED}.{replication}")
    engine = CompiledEngine(tables)
    begin = _ticks(scenario.warmup)
    end = begin + stretch * (_ticks(scenario.duration) - begin)
    before, after = (_outcome_at(engine, tick) for tick in (begin, end))
    n, total = (after.moments - before.moments)[0, :2]
    span = to_us(end - begin)
    return Window(
        throughput=n / span,
        response=to_us(total / n),
        p99=to_us(histogram.quantile(after.counts[0] - before.counts[0], 0.99)),
        busy=float((after.busy - before.busy).sum() / (end - begin)),
    )


def _ticks(time: str) -> int:
    return round(pg.time_ns(time) * TICKS_PER_NS)


def _outcome_at(engine, tick: int) -> Outcome:
    """What an engine has recorded when it has reached a tick."""
    reason = engine.run(tick)
    if reason is not StopReason.REACHED:
        raise SimulationError(f"thread {engine.culprit()} {reason.value}")
    return engine.outcome()


Windows = Callable[[Effort], list[Window]]


def _windows(scenario: Scenario) -> Windows:
    """All replications of a scenario; several checks may look at the same ones."""
    return _once(lambda effort: [window(scenario, i, effort.stretch) for i in range(effort.replications)])


def _once(function: Callable[[Effort], list]) -> Callable[[Effort], list]:
    """Remember results, and let checks that ask at the same time wait for the first."""
    found, turn = {}, Lock()

    def remembered(effort: Effort) -> list:
        with turn:
            if effort not in found:
                found[effort] = function(effort)
        return found[effort]

    return remembered


# --- closed forms --------------------------------------------------------------------------------------------


def _inside(expected: float, values: list[float], unit: str, slack: float = 0.0, note: str = "") -> Finding:
    """Whether an expectation lies in the interval of the replications, widened by a relative `slack`."""
    e = mean_interval(values, LEVEL)
    low, high = e.low - slack * abs(e.value), e.high + slack * abs(e.value)
    if e.half_width > SHARP * abs(e.value):
        return Finding(False, "too wide to tell", expected, e.value, low, high, unit)
    return Finding(low <= expected <= high, note or f"{e.n} replications", expected, e.value, low, high, unit)


def _closed_form(
    name: str, windows: Windows, field: str, expected: float, unit: str = "us", slack: float = 0.0, note: str = "",
    scale: float = 1.0,
) -> Check:
    def find(effort: Effort) -> Finding:
        return _inside(expected * scale, [scale * getattr(w, field) for w in windows(effort)], unit, slack, note)

    return Check(name, "closed form", find)


def _open_queues() -> Iterator[Check]:
    """Queues of a mean service of 1 ms, by servers and load."""
    mean, in_ms = 1000.0, {"unit": "ms", "scale": 1e-3}

    def queue(servers: int, load_: float, duration: str, **service_time) -> tuple[float, Windows]:
        rate = servers * load_ / mean
        return rate, _windows(open_queue(servers, f"{1 / rate} us", duration, **service_time))

    rate, windows = queue(1, 0.5, "1000 s", mean="1 ms")
    yield _closed_form("M/M/1 mean sojourn", windows, "response", theory.mm1_mean_sojourn(rate, mean), **in_ms)
    # A percentile is known to within half a bucket of its histogram.
    yield _closed_form(
        "M/M/1 99th percentile", windows, "p99", theory.mm1_sojourn_quantile(rate, mean, 0.99), slack=1 / 512, **in_ms
    )
    rate, windows = queue(4, 0.8, "200 s", mean="1 ms")
    yield _closed_form("M/M/4 mean sojourn", windows, "response", theory.mmc_mean_sojourn(rate, mean, 4), **in_ms)
    yield _closed_form("M/M/4 utilisation law", windows, "busy", rate * mean, "")
    for label, cv, service_time in (("D", 0.0, {"constant": "1 ms"}), ("G", 0.8, {"mean": "1 ms", "cv": 0.8})):
        rate, windows = queue(1, 0.5, "400 s", **service_time)
        expected = mean + theory.mg1_mean_wait(rate, mean, cv**2)
        yield _closed_form(f"M/{label}/1 mean sojourn", windows, "response", expected, **in_ms)


LONG = "100 ms"
"""Simulated time of a lock: some hundred thousand rounds."""


def _locks() -> Iterator[Check]:
    for cores in (12, 40):
        free = _windows(closed_lock(cores, transfer_ns=0, duration=LONG))
        exact = theory.machine_repairman(cores, think=2.0, service=0.3)
        yield _closed_form(f"machine repairman, {cores} cores", free, "response", exact.response)
        if cores == 12:
            yield Check("Little's law, closed loop", "closed form", partial(_closed_loop, free))
    # Its rates are those of the machine repairman where a hand-off is free: there it is exact.
    chain = theory.ticket_lock_birth_death(12, think=2.0, section=0.3, transfer=0.0)
    free = _windows(closed_lock(12, transfer_ns=0, kind="ticket_lock", duration=LONG))
    yield _closed_form("Boyd-Wickizer, free hand-off", free, "throughput", chain.throughput, "/us")
    for cores in (4, 12, 48):
        # A release makes all waiters fetch the line, 0.1 us each; the next holder is any of them in turn.
        rates = {"n": cores, "think": 4.0, "section": 0.4, "transfer": 0.1}
        lock = _windows(closed_lock(cores, 4.0, 0.4, 100, "ticket_lock", occupancy_ns=100, duration=LONG))
        exact = theory.ticket_lock_embedded(**rates).throughput
        off = 100.0 * (theory.ticket_lock_birth_death(**rates).throughput / exact - 1.0)
        yield _closed_form(
            f"ticket lock, {cores} cores", lock, "throughput", exact, "/us", note=f"B.-W. {off:+.1f} %"
        )
        if cores == 48:
            yield Check(f"Boyd-Wickizer, {cores} cores", "closed form", partial(_collapsed, lock, rates))
    yield Check("Little's law, lock seen", "closed form", partial(_watched, "number"))
    yield Check("utilisation law, lock seen", "closed form", partial(_watched, "held"))


def _collapsed(windows: Windows, rates: dict, effort: Effort) -> Finding:
    """The published birth-death chain where it is near to the mechanism, but no exact answer to it.

    The chain lets a hand-off take k / 2 fetches with k waiting now; in the mechanism it takes (k + 1) / 2 with
    k waiting at the release.  At a saturated lock (nobody finds it free) k is at most n - 1, so the mechanism
    does at least 1 / (section + n transfer / 2); and the chain, which leaves out half a fetch of each hand-off,
    does more than it.  The run must lie between the two; how far the chain is off, and how far it may be, is
    noted.  Around the collapse the two differ by more (13 % with 12 cores), and nothing bounds it so well: there
    the exact solution is what the run is held against, and the chain's distance from that is noted.
    """
    chain = theory.ticket_lock_birth_death(**rates)
    least = 1.0 / (rates["section"] + rates["n"] * rates["transfer"] / 2.0)
    e = mean_interval([w.throughput for w in windows(effort)], LEVEL)
    held = chain.utilisation > 1.0 - 1e-6 and least < e.low and e.high < chain.throughput
    off, bound = (100.0 * (chain.throughput / model - 1.0) for model in (e.value, least))
    return Finding(held, f"off {off:.1f} % <= {bound:.1f}", chain.throughput, e.value, e.low, e.high, "/us")


def _closed_loop(windows: Windows, effort: Effort) -> Finding:
    """Cores = throughput (response + think): the count and the latencies of a run, and a think time that is given."""
    return _inside(12.0, [w.throughput * (w.response + 2.0) for w in windows(effort)], "")


@_once
def _ratios_watched(effort: Effort) -> list[tuple[float, float]]:
    """What is seen of a lock over what a law makes of its counts: number at it, share of time that it is held.

    The twin is stopped every 0.2 us to look at the lock; throughput and response come from its counts.
    """
    from .agents.model import MachineModel

    hold, begin, interval, looks = 0.3, _ticks("0.2 ms"), _ticks("0.2 us"), 15_000 * effort.stretch
    section = pg.lock("lock"), pg.compute(pg.constant(f"{hold} us"), name="hold"), pg.unlock("lock")
    loop = pg.program(
        "watched", pg.compute(pg.exponential("2 us"), name="think"), pg.measure("response", *section)
    )
    scenario = closed_lock(12, transfer_ns=0).model_copy(
        update={"loads": (Load(program=loop, threads=12, pinned=True),)}
    )
    ratios = []
    for replication in range(8):
        twin = MachineModel(lower(scenario, seed=f"{SEED}.{replication}"), checked=False)
        before = _outcome_at(twin, begin)
        (watched,) = twin.locks
        present = held = 0
        for look in range(1, looks + 1):
            twin.run(begin + look * interval)
            held += watched.owner is not None
            present += watched.queue_length + (watched.owner is not None)
        n, total = (twin.outcome().moments - before.moments)[0, :2]
        throughput = n / to_us(looks * interval)
        little = theory.littles_law_residual(present / looks, throughput, to_us(total / n))
        utilisation = theory.utilisation_law_residual(held / looks, throughput, hold)
        ratios.append((1.0 + little, 1.0 + utilisation))
    return ratios


def _watched(what: str, effort: Effort) -> Finding:
    column = ("number", "held").index(what)
    return _inside(1.0, [ratio[column] for ratio in _ratios_watched(effort)], "")


# --- limits --------------------------------------------------------------------------------------------------


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
            outcome = _outcome_at(CompiledEngine(tables), effort.stretch * _ticks("5 ms"))
            n, total, squares, largest = outcome.moments[0].tolist()
            by_hand = walk_alone(tables, int(n)).latencies
            count += len(by_hand)
            exact = sum(by_hand) == total and sum(t * t for t in by_hand) == squares and max(by_hand) == largest
            if not (n and exact):
                wrong.append(f"{id} on {system}: mean {to_us(total / n):.6g} us, sum {to_us(np.mean(by_hand)):.6g} us")
    return _together(wrong, f"{count:,} latencies, to the tick")


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
        span = effort.stretch * max(_ticks("12 ms"), 1000 * longest)
        n = int(_outcome_at(CompiledEngine(tables), span).moments[0, 0])
        by_hand = walk_alone(tables, n).ends[-1]
        worst = max(worst, abs(by_hand / span - 1.0))
        if abs(by_hand - span) > 4 * longest:
            wrong.append(f"{id}: {n} in {to_us(span):.6g} us, one after the other {to_us(by_hand):.6g} us")
    return _together(wrong, f"{len(_real_workloads())} workloads, at most {100 * worst:.2f} % apart")


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
                engine.run(_ticks("1 s"))
                traces.append(engine.trace())
            events += len(traces[0])
            if not np.array_equal(*traces):
                wrong.append(f"{id}, {'pinned' if pinned else 'roaming'}")
    return _together(wrong, f"the same {events:,} events")


def _free_hand_off(effort: Effort) -> Finding:
    """A ticket lock whose waiters fetch for nothing is a queue lock: the same trace."""
    traces = []
    for kind in ("ticket_lock", "queue_lock"):
        engine = CompiledEngine(lower(closed_lock(40, transfer_ns=100, kind=kind), SEED), trace=50_000 * effort.stretch)
        engine.run(_ticks("1 s"))
        traces.append(engine.trace())
    return _together([] if np.array_equal(*traces) else ["the traces differ"], f"the same {len(traces[0]):,} events")


def _limits() -> Iterator[Check]:
    yield Check("alone: sum of its operations", "limit", _sums)
    yield Check("one core: sequential program", "limit", _one_core)
    yield Check("one subOS: shared kernel", "limit", _whole_machine)
    yield Check("free hand-off: queue lock", "limit", _free_hand_off)


def _together(wrong: list[str], note: str) -> Finding:
    """Passed if nothing is wrong."""
    return Finding(not wrong, "; ".join(wrong) or note)


# --- the twin ------------------------------------------------------------------------------------------------


# What the textbook programs need beside themselves.
_TEXTBOOK = {"lock": Structure(kind="queue_lock", scope="machine", source="Boyd-Wickizer et al., OLS 2012")}


def shipped(system: str, workload: str) -> Scenario:
    """A shipped workload on a shipped system: six partitions of two cores, with three threads each."""
    programs = [workloads()[id] for id in (workload, *partners(workload))]
    return Scenario(
        machine=load.machine("S-A"), system=load.system(system), cores=12, partitions=6, structures=_TEXTBOOK,
        loads=tuple(Load(program=program, threads=3) for program in programs),
    )


def _twin(workload: str, effort: Effort) -> Finding:
    wrong, events = [], 0
    for system in load.systems():
        common, difference = compare_twins(lower(shipped(system, workload), SEED), effort.twin_events)
        events += common
        if difference:
            wrong.append(f"on {system} {difference}")
    return _together(wrong, f"the same {events:,} events on {len(load.systems())} systems")


def _random_twins(effort: Effort) -> Finding:
    from .random_scenarios import Lot

    wrong, events = [], 0
    for seed in range(SEED, SEED + effort.lots):
        common, difference = compare_twins(lower(Lot(seed).scenario(), seed), events=600, until=10**10)
        events += common
        if difference:
            wrong.append(f"Lot({seed}): {difference}")
    return _together(wrong, f"the same {events:,} events in {effort.lots} scenarios drawn by lot")


def _supervised_twins(effort: Effort) -> Finding:
    from .random_scenarios import Lot

    wrong, events = [], 0
    for seed in range(SEED, SEED + effort.lots):
        lot = Lot(seed)
        common, difference = compare_under_supervision(lower(lot.scenario(), seed), lot, events=2000)
        events += common
        if difference:
            wrong.append(f"Lot({seed}): {difference}")
    return _together(wrong, f"the same {events:,} events while cores and programs come and go")


def _twins() -> Iterator[Check]:
    for workload in workloads():
        yield Check(f"twin: {workload}", "twin", partial(_twin, workload))
    yield Check("twin: random programs", "twin", _random_twins)
    yield Check("twin: random supervision", "twin", _supervised_twins)


# --- all together --------------------------------------------------------------------------------------------


def checks() -> list[Check]:
    """All checks, in the order in which they are printed."""
    return [*_open_queues(), *_locks(), *_limits(), *_twins()]


def run_checks(
    quality: str = "quick", jobs: int = 1, progress: Callable[[int, int], None] | None = None,
    chosen: Iterable[Check] | None = None,
) -> Iterator[CheckResult]:
    """Run the checks, and give the result of each as soon as those before it are known.

    Parameters
    ----------
    quality : {"quick", "full"}
        Under a minute on two cores, or some minutes with narrower intervals and more programs.
    jobs : int
        Checks that run at the same time; the results do not depend on it.
    progress : callable, optional
        Called with (done, expected) checks.
    chosen : iterable of Check, optional
        Instead of all.
    """
    effort, todo = EFFORTS[quality], list(checks() if chosen is None else chosen)
    pool = ThreadPoolExecutor(jobs)
    try:
        for done, result in enumerate(pool.map(lambda check: check.result(effort), todo), 1):
            if progress is not None:
                progress(done, len(todo))
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def line(result: CheckResult) -> str:
    """The result in one line of at most `COLUMNS` columns; a failed check says all it knows, however long.

    Examples
    --------
    >>> print(line(CheckResult("M/M/1 mean sojourn", "closed form", True, 2, 2.003, 1.989, 2.017, "n=20", "us")))
    holds  M/M/1 mean sojourn           theory 2.000 us   model 2.003 [1.989, 2.017]    n=20
    """
    head = f"{'holds' if result.passed else 'FAILS':7}{result.name:29}"
    if math.isnan(result.value):
        return f"{head}{result.note}"
    width = result.high - result.low
    room = 5 - len(f"{abs(result.value):.0f}")
    digits = max(0, min(room, 1 - math.floor(math.log10(width)) if width > 0 else 3))
    expected, value, low, high = (
        f"{number:.{digits}f}" for number in (result.expected, result.value, result.low, result.high)
    )
    claim, answer = f"theory {expected} {result.unit}", f"model {value} [{low}, {high}]"
    return f"{head}{claim:18}{answer:29} {result.note}"
