"""How fast: the compiled engine beside SimPy and Mesa's event simulator, on the same two models.

*Closed lock*: N cores think for an exponential time (mean 2 us), then hold one first-come first-served lock for
an exponential time (mean 0.3 us), after a hand-off of 0.1 us if they had to wait; the latency is from request to
release.  *Open queue*: Poisson arrivals at 12 servers, lognormal service (mean 20 ms, cv 0.8), load 0.7; the
latency is from arrival to departure.

Each engine runs the models as its user would write them: for ours they are ordinary programs
(`rainforest_model.reference`), for SimPy processes with a ``Resource``, for Mesa agents that schedule events.
All record every latency.  An event is one pop of the engine's event queue.
"""

from __future__ import annotations

import importlib
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np

from . import histogram
from .descriptions.program import time_ns
from .descriptions.scenario import Scenario
from .engine.door import CompiledEngine
from .errors import InputError
from .lowering import lower
from .reference import closed_lock, open_queue
from .tables import Tables
from .units import TICKS_PER_NS, to_us

THINK, HOLD, HAND_OFF = 2.0, 0.3, 0.1
"""Of the closed lock, in us."""
SERVERS, SERVICE, CV, LOAD = 12, 20_000.0, 0.8, 0.7
"""Of the open queue, the service in us."""
INTERARRIVAL = SERVICE / (SERVERS * LOAD)

CLOSED, OPEN = "closed lock", "open queue"
COMPILED, AGENTS, SIMPY, MESA = "compiled", "agents", "SimPy", "Mesa DEVS"

FASTER, EVENTS_PER_S, AGREEMENT = 150.0, 15e6, 0.03
"""Targets: operations a second against the others, events a second, and how near all answers are."""


@dataclass(frozen=True)
class BenchRow:
    """One engine on one model: the medians of its repeats, in one run.

    Attributes
    ----------
    model, engine : str
    n : int
        Cores or servers.
    events_per_s, ops_per_s : float
        Events, and completed operations, in a second of the wall clock.
    mean, p99 : float
        Of the latency, in us.
    """

    model: str
    engine: str
    n: int
    events_per_s: float
    ops_per_s: float
    mean: float
    p99: float


class Repeat(NamedTuple):
    """One timed run: wall seconds, events, completed operations, and the mean and p99 of the latency in us."""

    seconds: float
    events: int
    operations: int
    mean: float
    p99: float


# --- the models in our engines -------------------------------------------------------------------------------


def scenario(model: str, n: int) -> Scenario:
    """The model as an ordinary scenario."""
    if model == CLOSED:
        return closed_lock(n, THINK, HOLD, transfer_ns=1000 * HAND_OFF)
    return open_queue(n, f"{INTERARRIVAL} us", mean=f"{SERVICE} us", cv=CV)


def _span(model: str, operations: int) -> int:
    """Ticks in which about so many operations complete."""
    gap = HOLD + HAND_OFF if model == CLOSED else INTERARRIVAL
    return round(operations * gap * 1000 * TICKS_PER_NS)


def _ours(make: Callable[[Tables], object], model: str, n: int, operations: int, seed: int) -> Repeat:
    """Time one of our engines after its warm-up."""
    described = scenario(model, n)
    begin = round(time_ns(described.warmup) * TICKS_PER_NS)
    engine = make(lower(described, seed))
    engine.run(begin)
    before = engine.outcome()
    began = time.perf_counter()
    engine.run(begin + _span(model, operations))
    seconds = time.perf_counter() - began
    after = engine.outcome()
    completed, total = (after.moments - before.moments)[0, :2]
    p99 = histogram.quantile(after.counts[0] - before.counts[0], 0.99)
    return Repeat(seconds, after.events - before.events, int(completed), to_us(total / completed), to_us(p99))


def _agents(tables: Tables):
    from .agents.model import MachineModel

    return MachineModel(tables, checked=False)


# --- the models in SimPy -------------------------------------------------------------------------------------


def _lognormal() -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of the open queue's service."""
    variance = math.log1p(CV**2)
    return math.log(SERVICE) - variance / 2, math.sqrt(variance)


def simpy_closed_lock(env, n: int, draw: random.Random, latencies: list[float]) -> None:
    """Set up the closed lock in a SimPy environment."""
    import simpy

    lock = simpy.Resource(env)

    def core():
        while True:
            yield env.timeout(draw.expovariate(1 / THINK))
            asked, contended = env.now, lock.count > 0
            with lock.request() as turn:
                yield turn
                if contended:
                    yield env.timeout(HAND_OFF)
                yield env.timeout(draw.expovariate(1 / HOLD))
            latencies.append(env.now - asked)

    for _ in range(n):
        env.process(core())


def simpy_open_queue(env, n: int, draw: random.Random, latencies: list[float]) -> None:
    """Set up the open queue in a SimPy environment."""
    import simpy

    servers, (mu, sigma) = simpy.Resource(env, n), _lognormal()

    def request():
        arrived = env.now
        with servers.request() as turn:
            yield turn
            yield env.timeout(draw.lognormvariate(mu, sigma))
        latencies.append(env.now - arrived)

    def source():
        while True:
            yield env.timeout(draw.expovariate(1 / INTERARRIVAL))
            env.process(request())

    env.process(source())


def _simpy(model: str, n: int, operations: int, seed: int) -> Repeat:
    import simpy

    env, latencies = simpy.Environment(), []
    (simpy_closed_lock if model == CLOSED else simpy_open_queue)(env, n, random.Random(seed), latencies)
    return _timed(env.step, lambda span: env.run(until=env.now + span), latencies, model, operations)


def _timed(
    step: Callable[[], None], run_for: Callable[[float], None], latencies: list[float], model: str, operations: int
) -> Repeat:
    """Count the events of a tenth of the operations one by one, as a warm-up; then time the engine's own loop."""
    events = 0
    while len(latencies) < operations // 10:
        step()
        events += 1
    events_per_operation = events / len(latencies)
    latencies.clear()
    began = time.perf_counter()
    run_for(to_us(_span(model, operations)))
    seconds = time.perf_counter() - began
    mean, p99 = float(np.mean(latencies)), float(np.quantile(latencies, 0.99))
    return Repeat(seconds, round(len(latencies) * events_per_operation), len(latencies), mean, p99)


# --- the models in Mesa --------------------------------------------------------------------------------------


def mesa_closed_lock(simulator, n: int, seed: int, latencies: list[float]):
    """The closed lock as a Mesa model whose agents schedule events."""
    import mesa

    class Lock(mesa.Model):
        def __init__(self):
            super().__init__(seed=seed)
            self.holder: Core | None = None
            self.queue: deque[Core] = deque()
            simulator.setup(self)
            for core in Core.create_agents(self, n):
                core.think()

    class Core(mesa.Agent):
        def think(self):
            simulator.schedule_event_relative(self.ask, self.random.expovariate(1 / THINK))

        def ask(self):
            self.asked = simulator.time
            if self.model.holder is None:
                self.model.holder = self
                self.hold()
            else:
                self.model.queue.append(self)

        def hold(self):
            simulator.schedule_event_relative(self.release, self.random.expovariate(1 / HOLD))

        def release(self):
            latencies.append(simulator.time - self.asked)
            queue = self.model.queue
            self.model.holder = queue.popleft() if queue else None
            if self.model.holder is not None:
                simulator.schedule_event_relative(self.model.holder.hold, HAND_OFF)
            self.think()

    return Lock()


def mesa_open_queue(simulator, n: int, seed: int, latencies: list[float]):
    """The open queue as a Mesa model whose agents schedule events."""
    import mesa

    mu, sigma = _lognormal()

    class Queue(mesa.Model):
        def __init__(self):
            super().__init__(seed=seed)
            self.waiting: deque[float] = deque()
            simulator.setup(self)
            self.idle = deque(Server.create_agents(self, n))
            self.next_arrival()

        def next_arrival(self):
            simulator.schedule_event_relative(self.arrive, self.random.expovariate(1 / INTERARRIVAL))

        def arrive(self):
            if self.idle:
                self.idle.popleft().serve(simulator.time)
            else:
                self.waiting.append(simulator.time)
            self.next_arrival()

    class Server(mesa.Agent):
        def serve(self, arrived):
            self.arrived = arrived
            simulator.schedule_event_relative(self.finish, self.random.lognormvariate(mu, sigma))

        def finish(self):
            latencies.append(simulator.time - self.arrived)
            if self.model.waiting:
                self.serve(self.model.waiting.popleft())
            else:
                self.model.idle.append(self)

    return Queue()


def _mesa(model: str, n: int, operations: int, seed: int) -> Repeat:
    from mesa.experimental.devs import DEVSimulator

    simulator, latencies = DEVSimulator(), []
    # An event holds its agent weakly, so somebody must hold the model.
    alive = (mesa_closed_lock if model == CLOSED else mesa_open_queue)(simulator, n, seed, latencies)
    measured = _timed(simulator.run_next_event, simulator.run_for, latencies, model, operations)
    del alive
    return measured


# --- the measurement -----------------------------------------------------------------------------------------


def run(repeats: int = 5, operations: int = 40_000) -> list[BenchRow]:
    """Measure all engines on all models.

    Parameters
    ----------
    repeats : int
        Timed runs of each; they take turns, so that a slow minute of the machine meets all.
    operations : int
        Of a SimPy or Mesa run; a compiled one completes 40 times as many, and one of the agents half.

    Returns
    -------
    list of BenchRow
        First each model by all engines, then the compiled engine with ever more cores.

    Raises
    ------
    InputError
        If SimPy is not installed.
    """
    try:
        importlib.import_module("simpy")
    except ImportError:
        raise InputError("SimPy is not installed: pip install 'rainforest-model[bench]'", key="bench") from None
    compiled, agents = partial(_ours, CompiledEngine), partial(_ours, _agents)
    cases = []
    for model, n in ((CLOSED, 12), (CLOSED, 40), (OPEN, SERVERS)):
        cases += [
            (model, COMPILED, n, compiled, 40 * operations),
            (model, SIMPY, n, _simpy, operations),
            (model, MESA, n, _mesa, operations),
        ]
    cases.insert(1, (CLOSED, AGENTS, 12, agents, operations // 2))
    cases += [(CLOSED, COMPILED, n, compiled, 40 * operations) for n in (128, 1024)]
    compiled(CLOSED, 2, 100, 1)  # compile, or load what is compiled
    measured: dict[tuple, list[Repeat]] = {case[:3]: [] for case in cases}
    for seed in range(1, repeats + 1):
        for model, engine, n, measure, wanted in cases:
            measured[model, engine, n].append(measure(model, n, wanted, seed))
    return [_row(*case, results) for case, results in measured.items()]


def _row(model: str, engine: str, n: int, results: list[Repeat]) -> BenchRow:
    return BenchRow(
        model, engine, n,
        events_per_s=median(r.events / r.seconds for r in results),
        ops_per_s=median(r.operations / r.seconds for r in results),
        mean=median(r.mean for r in results),
        p99=median(r.p99 for r in results),
    )


# --- what it says --------------------------------------------------------------------------------------------


def table(rows: list[BenchRow]) -> str:
    """The rows as text, with the targets and whether they are met.

    Examples
    --------
    >>> rows = [BenchRow("open queue", engine, 12, speed, speed / 3, 20_800.0, 81_000.0)
    ...         for engine, speed in (("compiled", 21e6), ("SimPy", 1e5))]
    >>> print(table(rows))
    model           n  engine     M events/s   M ops/s    slower     mean us      p99 us
    open queue     12  compiled        21.00     7.000              20800.00    81000.00
    open queue     12  SimPy            0.10     0.033     210 x    20800.00    81000.00
    <BLANKLINE>
    met     ops/s against SimPy and Mesa: at least 210 times (target 150)
    met     events/s on open queue 12: 21.0 million (target 15)
    met     agreement of all means and 99th percentiles: within 0.0 % (target 3 %)
    """
    ours = {(row.model, row.n): row for row in rows if row.engine == COMPILED}
    lines = [
        f"{'model':12} {'n':>4}  {'engine':10} {'M events/s':>10} {'M ops/s':>9} {'slower':>9} {'mean us':>11} "
        f"{'p99 us':>11}"
    ]
    for row in rows:
        times = ours[row.model, row.n].ops_per_s / row.ops_per_s
        slower = "" if row.engine == COMPILED else f"{times:.0f} x"
        lines.append(
            f"{row.model:12} {row.n:4}  {row.engine:10} {row.events_per_s / 1e6:10.2f} {row.ops_per_s / 1e6:9.3f} "
            f"{slower:>9} {row.mean:11.2f} {row.p99:11.2f}"
        )
    return "\n".join([*lines, "", *(f"{'met' if met else 'MISSED':8}{text}" for met, text in targets(rows))])


def targets(rows: list[BenchRow]) -> list[tuple[bool, str]]:
    """Each target: whether it is met, and the numbers."""
    ours = {(row.model, row.n): row for row in rows if row.engine == COMPILED}
    pairs = [(ours[row.model, row.n], row) for row in rows if row.engine != COMPILED]
    least = min(our.ops_per_s / row.ops_per_s for our, row in pairs if row.engine in (SIMPY, MESA))
    found = [(least >= FASTER, f"ops/s against SimPy and Mesa: at least {least:.0f} times (target {FASTER:.0f})")]
    for our in {our: None for our, _ in pairs}:
        million = our.events_per_s / 1e6
        found.append((
            our.events_per_s >= EVENTS_PER_S,
            f"events/s on {our.model} {our.n}: {million:.1f} million (target {EVENTS_PER_S / 1e6:.0f})",
        ))
    apart = max(abs(b / a - 1) for our, row in pairs for a, b in ((our.mean, row.mean), (our.p99, row.p99)))
    found.append((
        apart <= AGREEMENT,
        f"agreement of all means and 99th percentiles: within {100 * apart:.1f} % (target {100 * AGREEMENT:.0f} %)",
    ))
    few, *more = sorted((row for (model, _), row in ours.items() if model == CLOSED), key=lambda row: row.n) or [None]
    for row in more:
        growth = few.events_per_s / row.events_per_s
        allowed = math.log(row.n) / math.log(few.n)
        found.append((
            growth <= allowed,
            f"cost of an event with {row.n} cores: {growth:.2f} times that with {few.n} (logarithm: {allowed:.2f})",
        ))
    return found


__all__ = ["BenchRow", "run", "scenario", "table", "targets"]
