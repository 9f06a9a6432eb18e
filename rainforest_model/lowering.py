"""From a scenario to the integer tables of the engines.

Here, and only here, a program meets a system: a verb and the kind of its structure choose the operations,
the structure's scope chooses which copy each thread means, and the machine and kernel give the ticks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import draws, opcodes as op, tables as tb
from .descriptions import program as pg
from .descriptions.expression import whole
from .descriptions.near import hint
from .descriptions.program import Program, time_ns
from .descriptions.scenario import Load, Scenario
from .descriptions.structure import Structure
from .errors import InputError
from .units import TICKS_PER_NS

PAGE_BYTES = 4096
LONGEST_OPERATION = 2**47
"""Ticks (23 minutes): an operation that begins in a simulation's last instant still ends on the engines' clock."""
LONGEST_DRAW = 46
"""Times its mean: what an exponential draw of a 64-bit word stays below."""
MAX_ROWS = 10_000
MAX_SOURCES = 2**14
"""Tasks, inboxes and timers: whatever can have an event pending (`rainforest_model.engine.arena.MAX_SLOTS`)."""
MAX_STREAMS = 2**21
MAX_WORDS = 2**25
"""Random streams, and integers for all copies of all structures: what is bound to each thread takes memory."""
_SPINNING = {"ticket_lock": (op.TICKET_LOCK, op.TICKET_UNLOCK), "queue_lock": (op.QUEUE_LOCK, op.QUEUE_UNLOCK)}
_INNER = {"ticket": _SPINNING["ticket_lock"], "queue": _SPINNING["queue_lock"]}
_KERNEL_THREAD = -1


def _ticks(ns: float) -> int:
    return round(ns * TICKS_PER_NS)


def _too_many(what: str, number: int, most: int) -> InputError:
    return InputError(f"{number} {what}; the engines have room for {most}", key="load")


@dataclass(frozen=True)
class _Held:
    """A lock that a program holds: how it was taken and how it is released."""

    what: str
    shared: bool
    spinning: bool
    release: Callable[[], None]

    @property
    def sort(self) -> tuple[str, bool]:
        """What a later unlock of it would mean."""
        return self.what, self.shared


def lower(scenario: Scenario, seed: int | str = 1) -> tb.Tables:
    """The tables of one replication of a scenario.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Seeds every random stream, together with the stream's purpose and its thread.

    Raises
    ------
    InputError
        If a program names what the system does not have, or uses a structure as it cannot be used.
    """
    return _Lowering(scenario, seed).tables()


@dataclass
class _Thread:
    """A thread before lowering: which load, process and partition it belongs to."""

    name: str
    program: Program
    partition: int
    process: int
    domain: int
    home: int
    pinned: bool
    period_ns: float = 0.0

    @property
    def body(self) -> tuple:
        """What its code depends on; two loads may run programs of one name with different parameters."""
        return id(self.program), self.domain == tb.OUTSIDE


@dataclass
class _Code:
    """Operations in the making, with everything that rows refer to by number."""

    rows: list[list[int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    reals: list[float] = field(default_factory=lambda: [0.0])
    purposes: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    symbols: dict[str, tuple[int, str]] = field(default_factory=dict)
    registers: int = 0

    def emit(self, label: str, code: int, *operands: int) -> int:
        if len(self.rows) == MAX_ROWS:
            raise InputError(f"more than {MAX_ROWS} operations in all programs", key="ops")
        self.rows.append([code, *operands, *[0] * (op.OPERANDS - len(operands))])
        self.labels.append(label)
        return len(self.rows) - 1

    def real(self, value: float) -> int:
        self.reals.append(float(value))
        return len(self.reals) - 1

    def register(self) -> int:
        self.registers += 1
        return self.registers - 1

    def symbol(self, name: str, kind: int, scope: str, copies: str = "one") -> int:
        """Number of a symbol; `copies` is "one", "core", "socket" or a number of slots."""
        meaning = kind, f"{scope}/{copies}"
        if self.symbols.setdefault(name, meaning) != meaning:
            raise InputError("is the name of two things, such as a queue and a structure", key="what", value=name)
        return list(self.symbols).index(name)

    @property
    def here(self) -> int:
        return len(self.rows)


class _Lowering:
    def __init__(self, scenario: Scenario, seed: int | str):
        self.scenario, self.seed = scenario, seed
        self.machine, self.system = scenario.machine, scenario.system
        self.clock = self.machine.clock_ghz
        how = self.system.partitioning
        self.parts = scenario.partitions if how.partitioned else 1
        self.instances = self.parts if how.kernels == "each" else 1
        self.cpus = scenario.cores // self.instances
        self.code = _Code()
        self.starts: dict[tuple, int] = {}

    # --- who runs where -------------------------------------------------------------------------------

    def _partition_cores(self, partition: int) -> tuple[int, ...]:
        size = self.scenario.cores // self.parts
        return tuple(range(partition * size, (partition + 1) * size))

    def _spread(self, cores: tuple[int, ...]) -> list[int]:
        """Cores in the order in which a kernel fills them with new threads: socket by socket in turn."""
        size = self.machine.topology.cores_per_socket
        return sorted(cores, key=lambda core: (core % size, core // size))

    def _instance(self, partition: int) -> int:
        return partition if self.instances > 1 else 0

    def _threads(self) -> list[_Thread]:
        threads: list[_Thread] = []
        process = 0
        for number, load in enumerate(self.scenario.loads):
            copies = 1 if load.place == "outside" else self.scenario.partitions
            placed = [0] * self.parts
            for copy in range(copies):
                partition = copy if self.parts > 1 else 0
                cores = self._partition_cores(partition)
                cores = cores if load.pinned else self._spread(cores)
                for p in range(load.processes):
                    for k in range(load.threads):
                        home = cores[placed[partition] % len(cores)]
                        placed[partition] += 1
                        name = f"{load.program.id}.{number}/{copy}.{p}.{k}"
                        domain = tb.OUTSIDE if load.place == "outside" else partition
                        threads.append(_Thread(name, load.program, partition, process, domain, home, load.pinned))
                    process += 1
        threads += self._housekeeping()
        return threads

    def _housekeeping(self) -> list[_Thread]:
        """The kernel's own periodic work, as threads that wake, work and sleep again."""
        threads = []
        for name, work in self.system.background.items():
            period = work.period.ns(self.clock)
            program = Program(
                id=f"kernel/{name}",
                ops=(
                    pg.sleep(pg.constant(f"{period} ns"), name="period"),
                    pg.compute(pg.exponential(f"{work.work.ns(self.clock)} ns"), name="work"),
                ),
            )
            for instance in range(self.instances):
                cores = range(instance * self.cpus, (instance + 1) * self.cpus)
                for core in cores if work.per == "core" else cores[:1]:
                    partition = core // (self.scenario.cores // self.parts)
                    threads.append(
                        _Thread(
                            f"kernel/{name}/{core}", program, partition, _KERNEL_THREAD, partition, core,
                            work.per == "core", period,
                        )
                    )
        return threads

    # --- the tables -----------------------------------------------------------------------------------

    def tables(self) -> tb.Tables:
        threads = self._threads()
        sources = len(threads) + 2 * self.scenario.cores
        if sources > MAX_SOURCES:
            raise _too_many("threads (the kernel's own included), inboxes and timers", sources, MAX_SOURCES)
        for thread in threads:
            if thread.body not in self.starts:
                self.starts[thread.body] = self.code.here
                _Body(self, thread.program, thread.domain == tb.OUTSIDE).lower()
        if len(threads) * len(self.code.purposes) > MAX_STREAMS:
            raise _too_many("random streams", len(threads) * len(self.code.purposes), MAX_STREAMS)
        code, topology, coherence = self.code, self.machine.topology, self.machine.coherence
        objects, bind = self._bind(threads)
        sockets = np.arange(self.scenario.cores, dtype=np.int64) // topology.cores_per_socket
        n = topology.sockets
        distance = np.array(
            [[topology.distance(a, b) + tb.SAME_SOCKET for b in range(n)] for a in range(n)], np.int64
        )
        rows = [coherence.same_socket, coherence.one_hop, coherence.two_hops or coherence.one_hop]
        latency = np.array(
            [[self._own(u) for u in ("load", "store", "atomic")]]
            + [[getattr(row, u).ticks(self.clock) for u in ("load", "store", "atomic")] for row in rows],
            np.int64,
        )
        streams = np.array(
            [[draws.stream(self.seed, purpose, t.name) for purpose in code.purposes] or [0] for t in threads],
            np.int64,
        )
        return tb.Tables(
            ops=np.array(code.rows, np.int64),
            reals=np.array(code.reals),
            tasks=[self._task_row(t) for t in threads],
            domains=[self._domain(p) for p in range(self.parts)],
            objects=objects,
            symbols=list(code.symbols) or ["none"],
            bind=bind,
            streams=streams,
            registers=max(1, code.registers),
            sockets=sockets,
            distance=distance,
            latency=latency,
            read_occupancy=coherence.read_occupancy.ticks(self.clock),
            write_occupancy=coherence.write_occupancy.ticks(self.clock),
            interrupt_deliver=self.machine.interrupt.deliver.ticks(self.clock),
            series=code.series,
            labels=code.labels,
        )

    def _own(self, use: str) -> int:
        return getattr(self.machine.coherence, f"own_{use}").ticks(self.clock)

    def _uniform(self, purpose: str, entity, span_ns: float) -> int:
        """A keyed start time, uniform on 0 .. span."""
        word = draws.mix(draws.stream(self.seed, purpose, entity))
        return int(draws.unit(word) * span_ns * TICKS_PER_NS)

    def _task_row(self, thread: _Thread) -> tb.TaskRow:
        span = thread.period_ns or time_ns(self.scenario.stagger)
        return tb.TaskRow(
            name=thread.name,
            start=self.starts[thread.body],
            address_space=thread.process,
            domain=thread.domain,
            home=thread.home,
            pinned=thread.pinned,
            begins=self._uniform("start", thread.name, span),
        )

    def _domain(self, partition: int) -> tb.Domain:
        knobs = self.system.kernel.scheduler
        factor = 1 + math.floor(math.log2(min(self.cpus, 8)))
        ticks = {name: getattr(knobs, name).ticks(self.clock) for name in type(knobs).model_fields}
        for name in ("latency", "min_granularity", "wakeup_granularity"):
            ticks[name] *= factor
        for name in ticks:
            ticks[name] += _ticks(self.system.surcharge_ns(f"scheduler.{name}", self.clock))
        phase = self._uniform("tick", self._instance(partition), knobs.tick_period.ns(self.clock))
        return tb.Domain(cores=self._partition_cores(partition), tick_phase=phase, **ticks)

    # --- copies of structures ---------------------------------------------------------------------------

    def _scope_key(self, scope: str, thread: _Thread) -> tuple:
        return {
            "process": ("process", thread.process),
            "container": ("container", thread.partition),
            "instance": ("instance", self._instance(thread.partition)),
            "node": ("instance", self._instance(thread.partition)),
        }.get(scope, ("machine",))

    def _bind(self, threads: list[_Thread]) -> tuple[list[tb.ObjectRow], np.ndarray]:
        """The copies of every symbol, and which of them each thread means."""
        objects: list[tb.ObjectRow] = []
        words = 0
        first: dict[tuple, int] = {}
        bind = np.full((len(threads), max(1, len(self.code.symbols))), -1, np.int64)
        for column, (name, (kind, where)) in enumerate(self.code.symbols.items()):
            scope, copies = where.split("/")
            many = {"one": 1, "core": self.scenario.cores, "socket": self.machine.topology.sockets}.get(copies)
            many = int(copies) if many is None else many
            cores = self.scenario.cores
            size = 16 + {tb.COUNTER: cores, tb.QUEUE: 4096, tb.LINE: cores // 63}.get(kind, 0)
            for row, thread in enumerate(threads):
                if thread.process == _KERNEL_THREAD:
                    continue
                key = (name, *self._scope_key(scope, thread))
                if key not in first:
                    first[key] = len(objects)
                    words += many * size
                    if words > MAX_WORDS:
                        raise _too_many(f"words for the copies of {name} and others", words, MAX_WORDS)
                    label = ".".join(str(part) for part in key)
                    for copy in range(many):
                        entity = f"{label}.{copy}"
                        objects.append(tb.ObjectRow(entity, kind, draws.stream(self.seed, "hand-off", entity)))
                bind[row, column] = first[key]
        return objects, bind


_FOR_CLIENTS = (pg.Compute, pg.Sleep, pg.Send, pg.Receive, pg.Repeat, pg.Every, pg.Measure)
"""What a thread outside of the machine can do: it has no copy of any structure."""


class _Body:
    """Lowers one program, and checks on the way that what is taken is released and nobody sleeps spinning."""

    def __init__(self, lowering: _Lowering, program: Program, outside: bool = False):
        self.low, self.program, self.code, self.outside = lowering, program, lowering.code, outside
        self.held: list[_Held] = []
        self.in_kernel = 0
        self.measuring = False
        self.spinning = 0
        self.interrupts_off = 0
        self.occurrences: dict[str, int] = {}
        self.timed = False
        kernel = lowering.system.kernel
        self.names = {
            "cpus": lowering.cpus,
            "ram_pages": int(lowering.machine.memory.capacity.plain() / PAGE_BYTES / lowering.instances),
            **{name: parameter.value for name, parameter in kernel.constants.items()},
            **program.parameters,
        }
        tlb = lowering.scenario.all_structures.get("tlb")
        if tlb is not None and tlb.pages_per_flush:
            self.names.setdefault("pages_per_flush", tlb.pages_per_flush)

    def lower(self) -> None:
        start = self.code.here
        for index, item in enumerate(self.program.ops):
            self._op(item, f"ops.{index}")
        if self.held:
            raise self._error("is still held at the end of the program", "ops", self.held[-1].what)
        if not self.timed:
            raise self._error("no operation takes time, so the program would never let any pass", "ops")
        self.code.emit("repeat", op.JUMP, start)

    def _error(self, reason: str, key: str, value=None) -> InputError:
        given = {} if value is None else {"value": value}
        return InputError(reason, file=f"program {self.program.id}", key=key, **given)

    def _whole(self, number, key: str, low: int | None = 0, high: int = 2**40) -> int:
        try:
            value = whole(number, self.names)
        except ValueError as error:
            raise self._error(str(error), key) from None
        if (low is not None and value < low) or abs(value) > high:
            raise self._error(f"must lie in {0 if low is None else low} .. {high}", key, value)
        return value

    def _op(self, item: pg.Op, key: str) -> None:
        if self.outside and not isinstance(item, _FOR_CLIENTS):
            raise self._error(f"{item.do} is nothing for a client on another machine (place = \"outside\")", key)
        getattr(self, f"_{item.do}")(item, key)

    def _block(self, item: pg.Block, key: str) -> None:
        for index, inner in enumerate(item.body):
            self._op(inner, f"{key}.body.{index}")

    def _span(self, ns: float, key: str) -> int:
        """Ticks of an operation."""
        ticks = _ticks(ns)
        if ticks > LONGEST_OPERATION:
            raise self._error(f"may take {ns / 60e9:.3g} minutes; an operation has room for 23", key)
        return ticks

    # --- time -----------------------------------------------------------------------------------------

    def _path_ns(self, name: str, key: str) -> float:
        try:
            return self.low.scenario.path_ns(name)
        except KeyError:
            system, known = self.low.system, self.low.scenario.all_costs
            raise self._error(f"system {system.id} has no such kernel path{hint(name, known)}", key, name) from None

    def _purpose(self, name: str) -> int:
        """Stream of the n-th operation of this name, the same whatever system the program meets."""
        n = self.occurrences[name] = self.occurrences.get(name, 0) + 1
        self.code.purposes.append(f"{self.program.id}/{name}/{n}")
        return len(self.code.purposes) - 1

    def _path(self, name: str, key: str, times: int = 1) -> None:
        """Run a kernel path: its cost, varied by the kernel's coefficient of variation."""
        ns = self._path_ns(name, key) * times
        ticks = self._span(ns, key)
        cv = self.low.system.kernel.path_variation.plain() / math.sqrt(max(1, times))
        purpose = self._purpose(name)
        if ticks == 0:
            return
        self.timed = True
        if cv == 0:
            self.code.emit(name, op.COMPUTE, ticks)
            return
        self.code.emit(name, op.DRAW_COMPUTE, op.LOGNORMAL, *self._lognormal(ns, cv, key), purpose)

    def _duration(self, time: pg.Duration, key: str) -> tuple[int, int, int]:
        key = f"{key}.time.mean"
        if time.distribution == "lognormal":
            return op.LOGNORMAL, *self._lognormal(time.mean_ns, time.cv, key)
        kind, times_mean = {
            "constant": (op.CONSTANT, 1), "uniform": (op.UNIFORM, 2), "exponential": (op.EXPONENTIAL, LONGEST_DRAW),
        }[time.distribution]
        self._span(time.mean_ns * times_mean, key)
        return kind, self.code.real(time.mean_ns * TICKS_PER_NS), 0

    def _lognormal(self, mean_ns: float, cv: float, key: str) -> tuple[int, int]:
        """Parameters of a lognormal time, of which even a draw of eight sigma has room."""
        sigma = math.sqrt(math.log1p(cv * cv))
        mu = math.log(mean_ns * TICKS_PER_NS) - sigma * sigma / 2
        self._span(math.exp(min(mu + 8 * sigma, 99)) / TICKS_PER_NS, key)
        return self.code.real(mu), self.code.real(sigma)

    def _compute(self, item: pg.Compute, key: str) -> None:
        times = self._whole(item.times, f"{key}.times")
        if times == 0:
            return
        if item.path is not None:
            self._path(item.path, f"{key}.path", times)
            return
        self.timed = self.timed or _ticks(item.time.mean_ns) > 0
        name = item.name or "compute"
        for _ in range(times):
            if item.time.distribution == "constant":
                self.code.emit(name, op.COMPUTE, self._span(item.time.mean_ns, f"{key}.time.mean"))
            else:
                self.code.emit(name, op.DRAW_COMPUTE, *self._duration(item.time, key), self._purpose(name))

    def _sleep(self, item: pg.Sleep, key: str) -> None:
        self._may_sleep(key)
        self.timed = self.timed or _ticks(item.time.mean_ns) > 0
        self.code.emit(item.name, op.SLEEP, *self._duration(item.time, key), self._purpose(item.name))

    # --- blocks ---------------------------------------------------------------------------------------

    def _enter(self, enter: str, leave: str, item: pg.Block, key: str) -> None:
        self.code.emit(enter, op.ENTER_KERNEL, self._span(self._path_ns(enter, key), key))
        self.timed = True
        self.in_kernel += 1
        before = list(self.held)
        self._block(item, key)
        taken = [held.what for held in self.held if held not in before]
        if taken:
            raise self._error("is still held on return from the kernel", key, taken[-1])
        self.in_kernel -= 1
        self.code.emit(leave, op.LEAVE_KERNEL, self._span(self._path_ns(leave, key), key))

    def _syscall(self, item: pg.Syscall, key: str) -> None:
        self._enter("syscall_enter", "syscall_exit", item, key)

    def _fault(self, item: pg.Fault, key: str) -> None:
        self._enter("fault_enter", "fault_exit", item, key)

    def _measure(self, item: pg.Measure, key: str) -> None:
        if self.measuring:
            raise self._error("a thread has one stop-watch: no measure within a measure", key, item.name)
        self.measuring = True
        if item.name not in self.code.series:
            self.code.series.append(item.name)
        self.code.emit("begin", op.MEASURE_BEGIN)
        self._block(item, key)
        self.code.emit("end", op.MEASURE_END, self.code.series.index(item.name))
        self.measuring = False

    def _balanced(self, item: pg.Block, key: str) -> None:
        before = sorted(held.sort for held in self.held)
        self._block(item, key)
        if sorted(held.sort for held in self.held) != before:
            raise self._error("takes and releases different locks on each pass", key)

    def _repeat(self, item: pg.Repeat, key: str) -> None:
        times = self._whole(item.times, f"{key}.times", high=2**31)
        if times == 0:
            return
        if times == 1:
            self._balanced(item, key)
            return
        register = self.code.register()
        self.code.emit("repeat", op.SET, register, times)
        start = self.code.here
        self._balanced(item, key)
        self.code.emit("again", op.LOOP, register, start)

    def _every(self, item: pg.Every, key: str) -> None:
        period = self._whole(item.times, f"{key}.times", low=1, high=2**31)
        if period == 1:
            self._balanced(item, key)
            return
        row = self.code.emit("every", op.EVERY, self.code.register(), period)
        self._balanced(item, key)
        self.code.rows[row][3] = self.code.here

    # --- structures -----------------------------------------------------------------------------------

    def _structure(self, item: pg.OnStructure, key: str) -> Structure:
        structures = self.low.scenario.all_structures
        if item.what not in structures:
            reason = f"system {self.low.system.id} has no such structure{hint(item.what, structures)}"
            raise self._error(reason, f"{key}.what", item.what)
        return structures[item.what]

    def _wrong(self, item: pg.OnStructure, structure: Structure, key: str) -> InputError:
        article = "an" if structure.kind[0] in "aeiou" else "a"
        return self._error(f"{item.do} does not apply to {article} {structure.kind}", f"{key}.what", item.what)

    def _place(self, name: str, kind: int, structure: Structure) -> tuple[int, int, int]:
        """Symbol, place and modulus of an object of a structure."""
        if structure.scope == "core":
            return self.code.symbol(name, kind, "core", "core"), op.PLACE_CORE, 0
        if structure.scope == "node":
            return self.code.symbol(name, kind, "node", "socket"), op.PLACE_SOCKET, 0
        return self.code.symbol(name, kind, structure.scope), op.PLACE_FIXED, 0

    def _may_sleep(self, key: str) -> None:
        if self.spinning:
            raise self._error(f"sleeps while it holds the spin lock {self._spin_lock()}", key)

    def _spin_lock(self) -> str:
        return [held.what for held in self.held if held.spinning][-1]

    def _take(self, name: str, codes: tuple[int, int], place: tuple[int, int, int], interrupts_off: bool) -> None:
        self.code.emit(f"lock {name}", codes[0], *place, int(interrupts_off))
        self.spinning += 1
        self.interrupts_off += interrupts_off
        self.timed = True

    def _release(self, name: str, codes: tuple[int, int], symbol: int, interrupts_off: bool) -> None:
        self.code.emit(f"unlock {name}", codes[1], symbol, 0, 0, int(interrupts_off))
        self.spinning -= 1
        self.interrupts_off -= interrupts_off

    def _hold(self, item: pg.OnStructure, key: str, release: Callable[[], None], spinning: bool = False) -> None:
        if any(held.what == item.what for held in self.held):
            raise self._error("is taken twice", f"{key}.what", item.what)
        self.held.append(_Held(item.what, item.do == "read_lock", spinning, release))

    def _lock(self, item: pg.Lock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            self._hold(item, key, lambda: None)
        elif s.kind in _SPINNING:
            place = self._place(item.what, tb.SPIN_LOCK, s)
            codes = _SPINNING[s.kind]
            self._hold(item, key, lambda: self._release(item.what, codes, place[0], s.interrupts_off), spinning=True)
            self._take(item.what, codes, place, s.interrupts_off)
        elif s.kind == "mutex":
            self._sleeping(item, s, key, tb.SLEEPING_LOCK, op.MUTEX_LOCK, op.MUTEX_UNLOCK)
        elif s.kind == "rwsem":
            self._sleeping(item, s, key, tb.RW_LOCK, op.WRITE_LOCK, op.WRITE_UNLOCK)
        else:
            raise self._wrong(item, s, key)

    def _read_lock(self, item: pg.ReadLock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("absent", "rcu"):
            self._hold(item, key, lambda: None)
        elif s.kind == "rwsem":
            self._sleeping(item, s, key, tb.RW_LOCK, op.READ_LOCK, op.READ_UNLOCK)
        else:
            raise self._wrong(item, s, key)

    def _write_lock(self, item: pg.WriteLock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind not in ("absent", "rwsem"):
            raise self._wrong(item, s, key)
        self._lock(item, key)

    def _sleeping(self, item, s: Structure, key: str, kind: int, take: int, release: int) -> None:
        self._may_sleep(key)
        optimistic = s.waiting == "optimistic"
        if optimistic and not self.in_kernel:
            raise self._error("optimistic spinning is the kernel's: use it inside a syscall", key, item.what)
        place = self._place(item.what, kind, s)
        self._hold(item, key, lambda: self.code.emit(f"unlock {item.what}", release, place[0]))
        self.code.emit(f"{item.do} {item.what}", take, *place, int(optimistic))
        self.timed = True

    def _unlock(self, item: pg.Unlock, key: str) -> None:
        self._structure(item, key)
        held = next((held for held in self.held if held.what == item.what), None)
        if held is None:
            raise self._error("is released but not held", f"{key}.what", item.what)
        self.held.remove(held)
        held.release()

    def _locked_section(self, name: str, s: Structure, path: str, key: str) -> None:
        """Take the structure's own spin lock, write the count that it protects, release it."""
        codes, place = _INNER[s.lock], self._place(f"{name}.lock", tb.SPIN_LOCK, s)
        self._take(name, codes, place, s.interrupts_off)
        self.code.emit(f"write {name}", op.LINE_WRITE, *self._place(f"{name}.value", tb.LINE, s))
        self._path(path, key)
        self._release(name, codes, place[0], s.interrupts_off)

    def _count(self, item: pg.Count, key: str) -> None:
        s = self._structure(item, key)
        amount = self._whole(item.pages, f"{key}.pages", low=None)
        if s.kind == "absent":
            return
        if s.kind == "atomic":
            self.code.emit(f"count {item.what}", op.LINE_ATOMIC, *self._place(item.what, tb.LINE, s))
            return
        if s.kind != "percpu_counter":
            raise self._wrong(item, s, key)
        batch = self._whole(s.batch, f"structures.{item.what}.batch", low=1)
        symbol = self._place(item.what, tb.COUNTER, s)[0]
        local = _ticks(self._path_ns("counter_local", key))
        row = self.code.emit(f"count {item.what}", op.COUNT, symbol, amount, batch, local)
        self._locked_section(item.what, s, "counter_fold", key)
        self.code.rows[row][5] = self.code.here

    def _reference(self, item: pg.OnStructure, key: str, change: int) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            return
        if s.kind == "atomic":
            self.code.emit(f"{item.do} {item.what}", op.LINE_ATOMIC, *self._place(item.what, tb.LINE, s))
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind == "rcu":
            if change > 0:
                self._path("rcu_read", key)
        elif s.kind == "locked_count" and change > 0:
            self._locked_section(item.what, s, "count_section", key)
        elif s.kind == "locked_count":
            # Dropping one of several references takes no lock (atomic_dec_and_lock).
            place = self._place(f"{item.what}.value", tb.LINE, s)
            self.code.emit(f"put {item.what}", op.LINE_ATOMIC, *place)
        elif s.kind == "sloppy_counter":
            threshold = self._whole(s.batch, f"structures.{item.what}.batch", low=1)
            symbol = self._place(item.what, tb.COUNTER, s)[0]
            local = _ticks(self._path_ns("reference_local", key))
            row = self.code.emit(f"{item.do} {item.what}", op.SPARE, symbol, change, threshold, local)
            self.code.emit(f"central {item.what}", op.LINE_ATOMIC, *self._place(f"{item.what}.central", tb.LINE, s))
            self.code.rows[row][5] = self.code.here
        else:
            raise self._wrong(item, s, key)

    def _get(self, item: pg.Get, key: str) -> None:
        self._reference(item, key, 1)

    def _put(self, item: pg.Put, key: str) -> None:
        self._reference(item, key, -1)

    def _read(self, item: pg.Read, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("line", "atomic"):
            self.code.emit(f"read {item.what}", op.LINE_READ, *self._place(item.what, tb.LINE, s))
        elif s.kind == "rcu":
            self._path("rcu_read", key)
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind == "seqlock":
            place, register = self._place(item.what, tb.LINE, s), self.code.register()
            start = self.code.emit(f"read {item.what}", op.SEQ_BEGIN, *place, register)
            self.code.emit(f"retry {item.what}", op.SEQ_RETRY, *place, register, start)
        elif s.kind != "absent":
            raise self._wrong(item, s, key)

    def _touch(self, item: pg.Touch, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("line", "atomic"):
            self.code.emit(f"touch {item.what}", op.LINE_WRITE, *self._place(item.what, tb.LINE, s))
        elif s.kind == "seqlock":
            self.code.emit(f"touch {item.what}", op.SEQ_WRITE, *self._place(item.what, tb.LINE, s))
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind != "absent":
            raise self._wrong(item, s, key)

    def _flush_tlb(self, item: pg.FlushTlb, key: str) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            return
        if s.kind != "tlb":
            raise self._wrong(item, s, key)
        if not self.in_kernel:
            raise self._error("only the kernel can flush: use it inside a syscall", key)
        if self.interrupts_off or self.spinning:
            raise self._error("waits for other cores while it holds a spin lock", key, self._spin_lock())
        pages = self._whole(item.pages, f"{key}.pages", low=1)
        machine, clock = self.low.machine, self.low.clock
        single = pages <= s.single_page_limit
        local = machine.tlb.single_page.ns(clock) * pages if single else machine.tlb.full_flush.ns(clock)
        refill = 0.0 if single else machine.tlb.refill.ns(clock)
        self.code.emit("flush own TLB", op.COMPUTE, self._span(local, key))
        if s.scope == "core":
            return
        test = self.code.emit("others to flush?", op.FLUSH_TEST)
        self._path("flush_hypercall", key)
        slots = None
        if s.slots:
            symbol = self.code.symbol(f"{item.what}.slots", tb.SPIN_LOCK, s.scope, str(s.slots))
            slots = (symbol, op.PLACE_SLOT, s.slots)
            self._take(item.what, _INNER[s.lock], slots, False)
        # The target answers when it has flushed; leaving the handler and missing in the TLB come after that.
        entry = machine.interrupt.entry.ns(clock) / 2
        self.code.emit(
            "flush others", op.FLUSH, machine.interrupt.send.ticks(clock), _ticks(entry + local),
            _ticks(entry + refill), int(bool(s.slots)),
        )
        if slots:
            self._release(item.what, _INNER[s.lock], slots[0], False)
        self.code.rows[test][1] = self.code.here

    def _queue(self, name: str) -> int:
        return self.code.symbol(name, tb.QUEUE, "machine")

    def _send(self, item: pg.Send, key: str) -> None:
        self.code.emit(f"send {item.what}", op.SEND, self._queue(item.what))

    def _receive(self, item: pg.Receive, key: str) -> None:
        self._may_sleep(key)
        self.timed = True
        self.code.emit(f"receive {item.what}", op.RECEIVE, self._queue(item.what))


__all__ = ["Load", "lower"]
