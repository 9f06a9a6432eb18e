"""The live machine: an engine below, and above it a supervisor, its OS instances and a policy."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import mesa
import numpy as np

from .. import histogram
from ..descriptions import load
from ..descriptions.program import time_ns
from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..lowering import lower
from ..simulation import SimulationError, engine_class
from ..tables import Tables
from ..units import TICKS_PER_NS, to_us
from .back_end import BackEnds
from .ficm import MessageChannels
from .guard import SUPERVISOR, SecurityGuard
from .instance import Instance, Phase
from .operation import seconds
from .ownership import BLOCK_BYTES, FREE, POOLS, Ledger, OwnershipViolation
from .policy import Observation, Policy, PolicyError
from .port import Port
from .procedures import Agenda, EngineStopped, Process
from .rfcom import RfCom
from .rfm import Rfm
from .series import series_of, told_apart
from .supervisor import Steps, Supervisor

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_S = 10.0
"""Length of a window without a policy: that of the paper's policy (section 6.3.2)."""
TAIL = 0.99
_WATCH_NS = 1e6
"""How often a failed instance is asked whether its last thread has ended: a choice."""


class Window(NamedTuple):
    """An instance in the last interval.

    Attributes
    ----------
    time_s, seconds : float
        The interval's end and length.
    tail_ms, mean_ms : float
        99th percentile and mean of the latencies that ended in it; NaN if none did.
    counts : int64[buckets]
        Their histogram, in ticks.
    answered : int
        How many ended.
    arrived, lost : int
        Requests of the whole machine that came and were lost in it.
    utilisation : float
        Share of its core time with a task; NaN if it had no core.
    """

    time_s: float
    seconds: float
    tail_ms: float
    mean_ms: float
    counts: np.ndarray
    answered: int
    arrived: int
    lost: int
    utilisation: float


class _Seen(NamedTuple):
    """Everything counted up to a moment."""

    tick: int
    counts: np.ndarray
    moments: np.ndarray
    requests: tuple[int, int, int]
    accounts: dict


class ElasticMachine(mesa.Model):
    """A machine whose OS instances can be created, resized and destroyed while it runs, on either engine.

    Parameters
    ----------
    scenario : Scenario
        Its partitions are the instances; one without cores is dormant, and `rfm.create` may boot it.  Latencies of
        one name that programs of two partitions measure are told apart (`round of batch`).
    names : sequence of str
        Names of the partitions.  The first is the latency-critical one, which the policy serves; it has the highest
        priority.
    seed, replication : int
        Together they seed all random streams, those of the life cycle too.
    engine : {"compiled", "agents"} or callable
        Or whatever makes a `Port` from tables and the keyword ``warmup``.
    policy : Policy, optional
    lifecycle : Steps, optional
        Timed steps of the operations; by default those of the scenario's partitioning.
    guard : SecurityGuard, optional
        Without it, as in the paper's prototype, nobody is checked.

    Attributes
    ----------
    engine : Port
    series : tuple of str
        Names of the measured latencies.
    ledger : Ledger
    agenda : Agenda
    ficm : MessageChannels
    instances : dict of str to Instance
        All that ever were, and the dormant ones.
    supervisor : Supervisor
    rfm : Rfm
    rfcom : RfCom
    back_ends : BackEnds
    guard : SecurityGuard or None
    datacollector : mesa.DataCollector
        Of the critical instance, once an interval.

    Raises
    ------
    InputError
        If something does not fit.

    Examples
    --------
    >>> from rainforest_model.descriptions.scenario import Load
    >>> from rainforest_model.workloads import workload
    >>> from rainforest_model.workloads.search import search_loads
    >>> loads = (*search_loads(rate=300), Load(program=workload("parsec.vips"), threads=6, partition=1))
    >>> scenario = Scenario(
    ...     machine=load.machine("S-A"), system=load.system("rainforest"), loads=loads, cores=12, partitions=2,
    ...     duration="1 min", warmup="1 s",
    ... )
    >>> machine = ElasticMachine(scenario)
    >>> moved = machine.rfm.preempt("search", "batch", cores=2)
    >>> machine.run(1)
    <ElasticMachine: cores of search 8, batch 4; 1 s>
    >>> moved.done, 0.1 < moved.took_s < 0.5
    (True, True)
    """

    def __init__(
        self, scenario: Scenario, names: Sequence[str] = ("search", "batch"), seed: int = 1, replication: int = 0,
        engine: str | Callable[..., Port] = "compiled", policy: Policy | None = None, lifecycle: Steps | None = None,
        guard: SecurityGuard | None = None,
    ):
        super().__init__(rng=seed)
        key = f"{seed}.{replication}"
        _check_names(names, scenario.partitions if scenario.system.partitioning.partitioned else 1)
        scenario = told_apart(scenario, names)
        tables = lower(scenario, seed=key)
        self.described, self.policy, self.guard = scenario, policy, guard
        interval_s = INTERVAL_S if policy is None else policy.interval_s
        self.interval_ticks = _ticks(interval_s)
        if self.interval_ticks < 1:
            raise InputError("must be a positive time", key="interval_s", value=interval_s)
        make = engine_class(engine) if isinstance(engine, str) else engine
        self.engine: Port = make(tables, warmup=round(time_ns(scenario.warmup) * TICKS_PER_NS))
        self.agenda = Agenda(self.engine)
        self._blocks = round(scenario.machine.memory.capacity.plain()) // BLOCK_BYTES
        self.ledger = Ledger(tables.cores, round(self._blocks * tables.cores / scenario.machine.topology.cores))
        scheduler = scenario.system.kernel.scheduler
        self.ficm = MessageChannels(self.agenda, scenario.machine, scheduler, load.ficm(), self.engine.occupy)
        self.series = tuple(tables.series)
        self.instances = {i.name: i for i in self._make_instances(tables, names)}
        self._critical = self.instances[names[0]]
        self._lifecycle = lifecycle
        self.supervisor = Supervisor(
            self, self.engine, self.agenda, self.ledger, self.ficm, self.instances, self._steps, guard,
            tables.sockets.tolist(), key, turn=tables.domains[0].latency // 2,
        )
        self.rfm = Rfm(self)
        self.rfcom = RfCom(self)
        self.back_ends = BackEnds(self)
        self._rows: list[dict] = []
        self._windows: dict[str, Window] = {}
        self._last = self._seen()
        self._next_decision = self.interval_ticks
        self.agenda.at(self._next_decision, self._end_interval)
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "time_s": "seconds_passed",
                "tail_ms": lambda machine: machine.window().tail_ms,
                "cores": lambda machine: len(machine.critical.cores),
            }
        )
        # Mesa 3.3 would keep every model alive for ever in a table of the next ids.
        getattr(mesa.Agent, "_ids", {}).pop(self, None)

    # --- running ------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The engine's tick."""
        return self.engine.now

    @property
    def seconds_passed(self) -> float:
        """Simulated seconds so far."""
        return seconds(self.now)

    def run(self, until_s: float) -> ElasticMachine:
        """Go on until so many seconds have passed since the beginning.

        Raises
        ------
        InputError
            If they have passed already.
        SimulationError
            If the engine cannot go on.
        PolicyError
            If the policy raises, or decides what is no decision.  What was seen until then stays in `timeline`.
        """
        until = _ticks(until_s)
        if until < self.now:
            raise InputError(f"{self.seconds_passed:g} s have passed", key="until_s", value=until_s)
        self._advance(until)
        return self

    def step(self) -> None:
        """Go on to the end of the interval, with the policy's decision."""
        self._advance(self._next_decision)

    def _advance(self, until: int) -> None:
        try:
            self.agenda.advance(until)
        except EngineStopped as stopped:
            self.running = False
            culprit = self.engine.culprit()
            raise SimulationError(f"{self!r}: thread {culprit} {stopped.reason.value}") from None

    # --- what is seen -------------------------------------------------------------------------------------------

    @property
    def critical(self) -> Instance:
        """The latency-critical instance."""
        return self._critical

    def window(self, name: str | None = None) -> Window:
        """An instance (by default the critical one) in the last interval that has ended.

        Raises
        ------
        InputError
            If no interval has ended yet, or there was no such instance.
        """
        name = self.critical.name if name is None else name
        if name not in self._windows:
            known = ", ".join(self._windows) or "none, as no interval has ended yet"
            raise InputError(f"nothing is known of it; known: {known}", key="name", value=name)
        return self._windows[name]

    @property
    def timeline(self) -> pd.DataFrame:
        """One row for each interval and instance.

        Returns
        -------
        DataFrame
            Columns time_s (end of the interval), instance, state, cores, memory_gb, tail_ms, mean_ms, answered,
            rate (answers a second), utilisation, arrived and lost (of the whole machine), decision (cores that the
            policy wants to move to the critical instance; only in its rows).
        """
        import pandas as pd

        columns = [
            "time_s", "instance", "state", "cores", "memory_gb", "tail_ms", "mean_ms", "answered", "rate",
            "utilisation", "arrived", "lost", "decision",
        ]
        return pd.DataFrame(self._rows, columns=columns)

    def answered(self, name: str) -> int:
        """Latencies of an instance's first series so far, without those of the warm-up."""
        series = self._first_series(self.instances[name])
        return 0 if series is None else int(self.engine.outcome().moments[series][0])

    def share_of_memory(self, cores: int) -> int:
        """Memory blocks that so many cores have if memory is shared out by cores."""
        return self._blocks * cores // self.described.machine.topology.cores

    def _first_series(self, instance: Instance) -> int | None:
        return self.series.index(instance.series[0]) if instance.series else None

    def _seen(self) -> _Seen:
        outcome, requests = self.engine.outcome(), self.engine.requests()
        self.ledger.turn(self.now, outcome.busy.tolist())
        accounts = {name: self.ledger.account(name) for name in self.instances}
        return _Seen(self.now, outcome.counts, outcome.moments, tuple(requests), accounts)

    def turn_accounts(self) -> None:
        """Bring the ledger's accounts up to now."""
        self.ledger.turn(self.now, self.engine.outcome().busy.tolist())

    # --- intervals and decisions ----------------------------------------------------------------------------------

    def _end_interval(self) -> None:
        self._next_decision = self.now + self.interval_ticks
        self.agenda.at(self._next_decision, self._end_interval)
        before, self._last = self._last, self._seen()
        for instance in self.instances.values():
            self._windows[instance.name] = window = self._window_of(instance, before, self._last)
            if instance.state is not Phase.DORMANT:
                self._rows.append(_row(instance, window))
                if instance is self.critical:
                    row = self._rows[-1]
        self.datacollector.collect(self)
        # Nobody decides while the supervisor is down, or where there is nobody to serve.
        if self.policy is not None and self.supervisor.up and self.critical.alive:
            row["decision"] = decision = self._decide()
            self._carry_out(decision)

    def _window_of(self, instance: Instance, before: _Seen, after: _Seen) -> Window:
        span = seconds(after.tick - before.tick)
        series = self._first_series(instance)
        if series is None:
            counts, n, total = np.zeros(histogram.BUCKETS, np.int64), 0, 0.0
        else:
            counts = after.counts[series] - before.counts[series]
            n, total = (after.moments[series] - before.moments[series])[:2]
        had, has = before.accounts.get(instance.name), after.accounts[instance.name]
        core_ticks = has.core_ticks - (had.core_ticks if had else 0)
        busy_ticks = has.busy_ticks - (had.busy_ticks if had else 0)
        arrived, _, lost = (b - a for a, b in zip(before.requests, after.requests, strict=True))
        return Window(
            time_s=seconds(after.tick), seconds=span,
            tail_ms=to_us(histogram.quantile(counts, TAIL)) / 1000 if n else float("nan"),
            mean_ms=to_us(total / n) / 1000 if n else float("nan"),
            counts=counts, answered=int(n), arrived=arrived, lost=lost,
            utilisation=busy_ticks / core_ticks if core_ticks else float("nan"),
        )

    def observation(self) -> Observation:
        """What the policy sees of the last interval."""
        w = self.window()
        others = sum(len(i.cores) for i in self.instances.values() if i is not self.critical)
        tail = float("inf") if w.arrived and not w.answered else w.tail_ms
        return Observation(
            time_s=w.time_s, tail_ms=tail, arrived=w.arrived, answered=w.answered, rate=w.arrived / w.seconds,
            cores=len(self.critical.cores), other_cores=others,
        )

    def _decide(self) -> int:
        try:
            decision = self.policy.decide(self.observation())
        except Exception as error:
            self.running = False
            raise PolicyError(
                f"{self.policy!r} raised at {self.seconds_passed:g} s: {type(error).__name__}: {error}",
                traceback.format_exc(), self.timeline,
            ) from error
        if isinstance(decision, bool) or not isinstance(decision, Integral):
            self.running = False
            raise PolicyError(
                f"{self.policy!r} decided on {decision!r} at {self.seconds_passed:g} s; a whole number is needed", "",
                self.timeline,
            )
        return int(decision)

    def _carry_out(self, decision: int) -> None:
        """Turn a decision into commands: cores come from the least important others, and go back to the same."""
        others = [i for i in self.instances.values() if i.alive and i is not self.critical]
        others.sort(key=lambda i: i.priority)
        if decision < 0:
            spare = len(self.ledger.own_cores(self.critical.name)) - 1
            if others and (count := min(-decision, spare)) > 0:
                self.rfm.transfer(self.critical.name, others[0].name, cores=count)
            return
        for other in others:
            count = min(decision, len(self.ledger.own_cores(other.name)) - 1)
            if count > 0:
                self.rfm.transfer(other.name, self.critical.name, cores=count)
                decision -= count

    # --- failure --------------------------------------------------------------------------------------------------

    def fail(self, name: str) -> None:
        """Let the kernel of an instance crash now; see `rainforest_model.supervision.rfm.Rfm.fail`."""
        if name not in self.instances:
            raise InputError(f"no such instance; known: {', '.join(self.instances)}", key="name", value=name)
        instance = self.instances[name]
        if instance.state in (Phase.DORMANT, Phase.DESTROYED, Phase.FAILED):
            raise InputError(f"it is {instance.state.value}", key="name", value=name)
        instance.state = Phase.FAILED
        self.ficm.silence(name)
        if instance.begun:
            self.agenda.begin(self._die(instance))

    def _die(self, instance: Instance) -> Process:
        """A dead kernel's threads end as soon as they may be ended."""
        while instance.state is Phase.FAILED and not self.engine.end_threads(instance.domain):
            yield round(_WATCH_NS * TICKS_PER_NS)

    # --- invariants -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Assert that the ledger is consistent, adds up, and says the same as the engine.

        Raises
        ------
        OwnershipViolation
        """
        self.turn_accounts()
        self.ledger.check()
        for core in range(self.ledger.core_count):
            owner, domain = self.ledger.owner(core), self.engine.owner(core)
            agree = domain < 0 if owner in POOLS else domain == self.instances[owner].domain
            if not agree:
                raise OwnershipViolation(f"core {core} is {owner}'s, and in the engine it is in domain {domain}")
        sent, answered, lost = self.engine.requests()
        if not 0 <= answered + lost <= sent:
            raise OwnershipViolation(f"{sent} requests sent, {answered} answered and {lost} lost")

    # --- making it ------------------------------------------------------------------------------------------------

    def _steps(self) -> Steps:
        """The life cycle, looked up when it is first needed: plain Linux has none, and needs none."""
        if self._lifecycle is None:
            self._lifecycle = load.lifecycle(self.described.system.partitioning.id)
        return self._lifecycle

    def _make_instances(self, tables: Tables, names: Sequence[str]) -> list[Instance]:
        instances = []
        for number, (name, domain) in enumerate(zip(names, tables.domains, strict=True)):
            instance = self.new_instance(name, number)
            instance.priority = len(names) - number
            if domain.cores:
                blocks = self.share_of_memory(len(domain.cores))
                self.ledger.take(FREE, domain.cores, blocks)
                self.ledger.put(name, domain.cores, blocks)
                instance.begun, instance.state = True, Phase.RUNNING
            instances.append(instance)
        return instances

    def new_instance(self, name: str, domain: int) -> Instance:
        """A dormant instance of a partition, without resources."""
        devices = self.described.machine.devices
        has = tuple(f"{kind} {domain}" for kind, device in devices.items() if domain < device.count)
        return Instance(self, name, domain, series_of(self.described, domain, self.series), has)

    def __repr__(self) -> str:
        held = ", ".join(f"{i.name} {len(i.cores)}" for i in self.instances.values())
        return f"<ElasticMachine: cores of {held}; {self.seconds_passed:g} s>"


def _row(instance: Instance, window: Window) -> dict:
    """A row of the timeline, without a decision."""
    return {
        "time_s": window.time_s, "instance": instance.name, "state": instance.state.value,
        "cores": len(instance.cores), "memory_gb": instance.memory_gb, "tail_ms": window.tail_ms,
        "mean_ms": window.mean_ms, "answered": window.answered, "rate": window.answered / window.seconds,
        "utilisation": window.utilisation, "arrived": window.arrived, "lost": window.lost, "decision": None,
    }


def _ticks(time_s: float) -> int:
    return round(time_s * 1e9 * TICKS_PER_NS)


def _check_names(names: Sequence[str], parts: int) -> None:
    if len(names) != parts:
        raise InputError(f"the scenario has {parts} partitions, and each needs one", key="names", value=tuple(names))
    if len(set(names)) != parts:
        raise InputError("are not all different", key="names", value=tuple(names))
    for name in names:
        if not isinstance(name, str) or not name or name in (*POOLS, SUPERVISOR):
            raise InputError("is no name for an instance", key="names", value=name)
