"""The tables of a scenario: code, threads, schedulers, and the copies of every structure."""

from __future__ import annotations

import math

import numpy as np

from .. import draws
from .. import opcodes as op
from .. import tables as tb
from ..descriptions.machine import Machine
from ..descriptions.program import time_ns
from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..memory import Group, MemoryModel
from ..units import TICKS_PER_NS
from .code import Code, ticks
from .placement import Placement, Thread
from .verbs import Body

MAX_SOURCES = 2**14
"""Tasks, inboxes and timers: whatever can have an event pending (`rainforest_model.engine.arena.MAX_SLOTS`)."""
MAX_STREAMS = 2**21
PARTS_CAPACITY = 2**16
"""Requests that a queue of parts can hold: minutes of an overload."""
MAX_WORDS = 2**25
"""Random streams, and integers for all copies of all structures: what is bound to each thread takes memory."""


_MEMORIES: dict[tuple, MemoryModel] = {}
"""Replications meet the same mixes of running threads, so the equilibria that one has solved are kept for the next."""


def _memory(machine: Machine, groups: tuple[Group, ...]) -> MemoryModel:
    key = (machine.memory, machine.topology, groups)
    if key not in _MEMORIES:
        if len(_MEMORIES) == 256:
            _MEMORIES.clear()
        _MEMORIES[key] = MemoryModel(machine, groups)
    return _MEMORIES[key]


MAX_GROUPS = 4096
"""Groups times sockets: what the engines remember for each mix of running threads."""


def _too_many(what: str, number: int, most: int) -> InputError:
    return InputError(f"{number} {what}; the engines have room for {most}", key="load")


class Assembly:
    """Puts the tables of one replication together."""

    def __init__(self, scenario: Scenario, seed: int | str):
        self.scenario, self.seed = scenario, seed
        self.machine, self.system = scenario.machine, scenario.system
        self.clock = self.machine.clock_ghz
        self.where = Placement(scenario)
        self.code = Code()
        self.starts: dict[tuple, int] = {}

    def tables(self) -> tb.Tables:
        """The tables of the replication."""
        threads = self.where.threads()
        sources = len(threads) + 2 * self.scenario.cores
        if sources > MAX_SOURCES:
            raise _too_many("threads (the kernel's own included), inboxes and timers", sources, MAX_SOURCES)
        for thread in threads:
            if thread.body not in self.starts:
                self.starts[thread.body] = self.code.here
                Body(self, thread).lower()
        self._check_addressed()
        if len(threads) * len(self.code.purposes) > MAX_STREAMS:
            raise _too_many("random streams", len(threads) * len(self.code.purposes), MAX_STREAMS)
        code, topology, coherence = self.code, self.machine.topology, self.machine.coherence
        objects, bind = self._bind(threads)
        groups, memory = self._groups(threads)
        sockets = np.arange(self.scenario.cores, dtype=np.int64) // topology.cores_per_socket
        n = topology.sockets
        distance = np.array(
            [[topology.distance(a, b) + tb.SAME_SOCKET for b in range(n)] for a in range(n)], np.int64
        )
        rows = [coherence.same_socket, coherence.one_hop, coherence.two_hops or coherence.one_hop]
        latency = np.array(
            [[*(self._own(u) for u in ("load", "store", "atomic")), coherence.write_occupancy.ticks(self.clock)]]
            + [
                [getattr(row, u).ticks(self.clock) for u in ("load", "store", "atomic")]
                + [(row.write_occupancy or coherence.write_occupancy).ticks(self.clock)]
                for row in rows
            ],
            np.int64,
        )
        streams = np.array(
            [[draws.stream(self.seed, purpose, t.name) for purpose in code.purposes] or [0] for t in threads],
            np.int64,
        )
        return tb.Tables(
            ops=np.array(code.rows, np.int64),
            reals=np.array(code.reals),
            tasks=[self._task_row(t, groups.get(t.process, tb.NO_GROUP)) for t in threads],
            domains=[self._domain(p) for p in range(self.where.parts)],
            objects=objects,
            symbols=list(code.symbols) or ["none"],
            bind=bind,
            streams=streams,
            registers=max(1, code.registers),
            sockets=sockets,
            distance=distance,
            latency=latency,
            read_occupancy=coherence.read_occupancy.ticks(self.clock),
            series=code.series,
            labels=code.labels,
            queue_capacity=PARTS_CAPACITY if code.receivers else tb.Tables.queue_capacity,
            groups=0 if memory is None else len(memory.groups),
            memory=memory,
            arrivals=self._scheduled(),
        )

    def _check_addressed(self) -> None:
        names = list(self.code.symbols)
        for code, symbol, *_ in self.code.rows:
            if code == op.SCATTER and names[symbol] not in self.code.receivers:
                raise InputError("no process receives its parts", key="scatter", value=names[symbol])

    def _scheduled(self) -> np.ndarray:
        """The ticks of all schedules, one after the other."""
        schedules = [arrivals.nanoseconds * TICKS_PER_NS for arrivals in self.code.arrivals]
        return np.concatenate([np.zeros(0, np.int64), *schedules])

    def _own(self, use: str) -> int:
        return getattr(self.machine.coherence, f"own_{use}").ticks(self.clock)

    def _uniform(self, purpose: str, entity, span_ns: float) -> int:
        """A keyed start time, uniform on 0 .. span."""
        word = draws.mix(draws.stream(self.seed, purpose, entity))
        return int(draws.unit(word) * span_ns * TICKS_PER_NS)

    def _task_row(self, thread: Thread, group: int) -> tb.TaskRow:
        span = thread.period_ns or time_ns(self.scenario.stagger)
        return tb.TaskRow(
            name=thread.name,
            start=self.starts[thread.body],
            address_space=thread.process,
            domain=thread.domain,
            home=thread.home,
            pinned=thread.pinned,
            begins=self._uniform("start", thread.name, span),
            group=group,
        )

    def _domain(self, partition: int) -> tb.Domain:
        knobs = self.system.kernel.scheduler
        factor = 1 + math.floor(math.log2(min(self.where.cpus(partition), 8)))
        prices = {name: getattr(knobs, name).ticks(self.clock) for name in type(knobs).model_fields}
        for name in ("latency", "min_granularity", "wakeup_granularity"):
            prices[name] *= factor
        for name in prices:
            prices[name] += ticks(self.system.surcharge_ns(f"scheduler.{name}", self.clock))
        phase = self._uniform("tick", self.where.instance(partition), knobs.tick_period.ns(self.clock))
        return tb.Domain(cores=self.where.partition_cores(partition), tick_phase=phase, **prices)

    # --- copies of structures ---------------------------------------------------------------------------

    def _scope_key(self, scope: str, thread: Thread) -> tuple:
        return {
            "process": ("process", thread.process),
            "container": ("container", thread.partition),
            "instance": ("instance", self.where.instance(thread.partition)),
            "node": ("instance", self.where.instance(thread.partition)),
        }.get(scope, ("machine",))

    def _bind(self, threads: list[Thread]) -> tuple[list[tb.ObjectRow], np.ndarray]:
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
                if thread.process == tb.KERNEL_THREAD or not self.code.has_copy(name, thread.program):
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
            if name in self.code.receivers:
                self._address(column, bind)
        return objects, bind

    def _address(self, column: int, bind: np.ndarray) -> None:
        """Tell those who scatter into a queue where its copies begin, which lie side by side, and how many they are."""
        copies = np.unique(bind[bind[:, column] >= 0, column])
        bind[bind[:, column] < 0, column] = copies[0]
        for row in self.code.rows:
            if row[0] == op.SCATTER and row[1] == column:
                row[2] = len(copies)

    # --- memory -------------------------------------------------------------------------------------------

    def _groups(self, threads: list[Thread]) -> tuple[dict[int, int], MemoryModel | None]:
        """Number of the group of each process that has a footprint, and how the groups slow each other."""
        pressing = [t for t in threads if t.program.footprint is not None and t.domain != tb.OUTSIDE]
        members: dict[int, Group] = {
            t.process: Group(t.program.footprint, 0.0 if t.pinned else self._remote_share(t.partition),
                             self._memory_of(t.partition))
            for t in pressing
        }
        if not members:
            return {}, None
        # Threads on data of their own fill a share each, whichever of several processes they belong to.
        alike: dict[tuple, int] = {}
        of = {
            process: alike.setdefault(
                (group, None if group.footprint.sharing == "thread" else process), len(alike)
            ) for process, group in members.items()
        }
        most = MAX_GROUPS // self.machine.topology.sockets
        if len(alike) > most:
            raise _too_many("processes with a footprint on this machine", len(alike), most)
        return of, _memory(self.machine, tuple(group for group, _ in alike))

    def _memory_of(self, partition: int) -> int | None:
        """The socket that holds the memory of a partition, where one does."""
        if self.system.partitioning.memory != "local":
            return None
        size = self.machine.topology.cores_per_socket
        sockets = {core // size for core in self.where.partition_cores(partition)}
        return sockets.pop() if len(sockets) == 1 else None

    def _remote_share(self, partition: int) -> float:
        """Share of its memory that a thread which roams finds on other sockets: pages lie where they were touched."""
        size = self.machine.topology.cores_per_socket
        if self.system.partitioning.memory == "local":
            used = len({core // size for core in self.where.partition_cores(partition)})
        else:
            used = math.ceil(self.scenario.cores / size)
        return 1 - 1 / used if used else 0.0
