"""Spark: a job of stages, a stage of tasks over executors, a barrier after each stage.

A job's stages run one after the other.  A stage gives each executor the same number of tasks, as its partitions of the
data lie evenly; an executor has a thread for each of its cores.  A task of a shuffle first fetches its part of what
the stage before has written, over the channel between workers as far as it lies with others; then it computes in
slices, allocates, faults in new pages, and ends.  The last task of the stage begins the next one.

Garbage is collected with the world stopped: each slice holds the executor's heap as one of many readers; when as much
has been allocated as eden holds, the collector takes it alone for as long as it takes to copy what is still alive.
What is alive grows with the heap; copying gets no faster beyond so many threads.

Three things are simpler than in Spark:

- Data are where their tasks run; nothing is read from another worker but in a shuffle.
- Fetches of a worker's tasks follow each other on its end of the channel; they do not share it.
- The driver takes no time.

Sizes and times are divided by one `scale`, so that a job of a minute is simulated in a fraction of a second.
Measured are the time of a ``job``, of each stage (by its name), of each task's ``fetch`` and of each ``collection``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from pydantic import Field, model_validator

from ..descriptions.arrivals import Arrivals
from ..descriptions.channel import STREAM_BYTES, Channel
from ..descriptions.fitted import at_key, with_fitted
from ..descriptions.footprint import Footprint
from ..descriptions.machine import Machine
from ..descriptions.near import hint
from ..descriptions.parameter import Description, Name, Plain, Rate, Size, Time, misfit
from ..descriptions.program import (
    Op,
    Program,
    arrive,
    compute,
    constant,
    every,
    gather,
    lock,
    lognormal,
    measure,
    program,
    read_lock,
    receive,
    receive_part,
    repeat,
    scatter,
    send,
    sleep,
    unlock,
    write_lock,
)
from ..descriptions.read import read_toml, validated
from ..descriptions.scenario import Load, Scenario
from ..descriptions.structure import Structure
from ..descriptions.system import System
from ..errors import InputError
from ..resources import data_path
from .search import BATCH, mapped_and_given_back

PAGE_BYTES = 4096
SELDOM = 200
"""What comes up less often than once in so many passes is left out."""
JOB, FETCH, COLLECTION = "job", "fetch", "collection"
"""Names of what is measured, beside each stage's own."""
_OVER = "job over"
_FILE = "workloads/spark.toml"
UNEVEN = 0.25
"""Share of a task's user time that has all of its variation, and is not stopped by a collection."""
_TOKENS = 64
"""An eden is counted full in so many steps."""
_takes, _gives = mapped_and_given_back(1)
_page_batch = (*_takes, *_gives)


class Executor(Description):
    """A Java machine that runs tasks.

    Attributes
    ----------
    heap : Parameter
        Share that its heap has of the instance's memory beside the tmpfs, where nobody says how large it is.
    eden : Parameter
        Share of the heap that is filled before a collection.
    survives : Parameter
        Share of a full eden that is still in use, and copied.
    copies : Parameter
        What one thread of the collector copies in a second.
    collectors : Parameter
        Threads of the collector beyond which a collection gets no faster.
    crowding : Parameter
        By what share of itself it gets slower with each thread more.
    """

    heap: Plain
    eden: Plain
    survives: Plain
    copies: Rate
    collectors: Plain
    crowding: Plain

    def pause_s(self, heap_bytes: float, cores: int, cpus: int) -> float:
        """Time of a collection: what lives of a full eden, copied by as many threads as are of use.

        Parameters
        ----------
        heap_bytes : float
        cores : int
            That the executor has.
        cpus : int
            That its kernel shows to it.
        """
        threads, useful = collector_threads(cpus), self.collectors.plain()
        alone = heap_bytes * self.eden.plain() * self.survives.plain() / (min(cores, useful) * self.copies.plain())
        return alone * (1 + self.crowding.plain() * max(0, threads - useful))


def collector_threads(cpus: int) -> int:
    """Threads with which HotSpot collects: all CPUs that the kernel shows, and five of eight beyond eight.

    Examples
    --------
    >>> [collector_threads(cpus) for cpus in (5, 10, 40)]
    [5, 9, 28]
    """
    return cpus if cpus <= 8 else 8 + (cpus - 8) * 5 // 8


class Stage(Description):
    """Tasks between two barriers.

    Attributes
    ----------
    name : str
    of : {"files", "heap", "shuffle"}
        Where its data come from: files in a tmpfs, what is cached in the heap, or what the stage before has written.
    reads : Parameter, optional
        How much, of files or heap, in all tasks.
    cpu : Parameter
        User time for each byte.
    allocates, touches, writes : Parameter
        For each byte: bytes that are allocated; bytes of memory that is mapped, touched and given back; bytes that are
        written for the next shuffle.
    """

    name: Name
    of: Literal["files", "heap", "shuffle"]
    reads: Size | None = None
    cpu: Time
    allocates: Plain
    touches: Plain
    writes: Plain

    @model_validator(mode="after")
    def _known_size(self):
        if (self.reads is None) != (self.of == "shuffle"):
            raise misfit("reads", "a shuffle reads what was written before; files and heap say how much they hold")
        return self


class Job(Description):
    """One workload.

    Attributes
    ----------
    title : str
    skew : Parameter
        Coefficient of variation of its tasks' user time.
    iterations : Parameter
        How often the loop is passed.
    stages, loop : tuple of Stage
        What is done once, and then over and over.
    """

    title: str
    skew: Plain
    iterations: Plain
    stages: tuple[Stage, ...] = Field(min_length=1)
    loop: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _in_order(self):
        if self.stages[0].of == "shuffle":
            raise misfit(("stages", 0, "of"), "nothing was written before the first stage")
        if self.loop and self.loop[0].of == "shuffle":
            raise misfit(("loop", 0, "of"), "an iteration begins with what is cached")
        names = [stage.name for stage in (*self.stages, *self.loop)]
        if len(set(names)) < len(names):
            raise misfit("stages", "two stages have one name")
        return self

    @property
    def bytes_of_stages(self) -> tuple[tuple[Stage, float, int], ...]:
        """Each stage, what it reads in all, and how often it runs."""
        found, before = [], 0.0
        for times, stages in ((1, self.stages), (int(self.iterations.plain()), self.loop)):
            for stage in stages:
                size = before if stage.reads is None else stage.reads.plain()
                found.append((stage, size, times))
                before = size * stage.writes.plain()
        return tuple(found)

    @property
    def order(self) -> tuple[tuple[Stage, float, str], ...]:
        """Each stage as often as it runs: the stage, what it reads in all, and a handle of its own."""
        once = [(stage, size, stage.name) for stage, size, _ in self.bytes_of_stages[:len(self.stages)]]
        loop = self.bytes_of_stages[len(self.stages):]
        return *once, *(
            (stage, size, f"{stage.name} {k}")
            for k in range(1, int(self.iterations.plain()) + 1) for stage, size, _ in loop
        )


class SparkDescription(Description):
    """All workloads, and what they have in common.

    Attributes
    ----------
    scale : Parameter
        By which sizes and times are divided.
    tasks : Parameter
        Of each stage, over all executors.
    slices : Parameter
        Stretches of a task between two points at which it can be stopped.
    tmpfs : Parameter
        Share of an instance's memory that its files take.
    warm_up : Parameter
        Core time that each executor spends on loading classes and interpreting, once in a job.
    executor : Executor
    footprint : Footprint
        What a task of any workload asks of caches and memory.
    workloads : dict of str to Job
    """

    kind: Literal["spark"]
    id: Name
    title: str
    source: str
    scale: Plain
    tasks: Plain
    slices: Plain
    tmpfs: Plain
    warm_up: Time
    executor: Executor
    footprint: Footprint
    workloads: dict[Name, Job]

    @model_validator(mode="after")
    def _some(self):
        for key in ("scale", "tasks", "slices"):
            if getattr(self, key).value < 1:
                raise misfit((key, "value"), "must be at least 1")
        if self.tmpfs.value >= 1:
            raise misfit(("tmpfs", "value"), "leaves no memory")
        return self


@cache
def description() -> SparkDescription:
    """The shipped description, with its fitted values."""
    return _described(with_fitted(read_toml(data_path(_FILE)), _FILE))


def _described(table: dict) -> SparkDescription:
    return validated(SparkDescription, table, data_path(_FILE))


def described(values: dict[str, float]) -> SparkDescription:
    """The shipped description with other values, by their keys in the file.

    Examples
    --------
    >>> described({"workloads.join.stages.0.writes": 0.6}).workloads["join"].stages[0].writes.value
    0.6
    """
    table = description().model_dump(mode="json")
    for key, value in values.items():
        found = at_key(table, key)
        if not isinstance(found, dict):
            raise InputError("no such parameter", file=data_path(_FILE), key=key, value=value)
        found["value"] = value
    return _described(table)


def jobs() -> list[str]:
    """Names of the workloads.

    Examples
    --------
    >>> jobs()
    ['select', 'aggregation', 'join', 'kmeans', 'pagerank']
    """
    return list(description().workloads)


@dataclass(frozen=True)
class Cluster:
    """Workers of a job: an executor each, in an OS instance each or together on one.

    Parameters
    ----------
    machine, system : Machine, System
    job : str
        Name of a workload.
    channel : Channel
        Between any two workers.
    workers : int
    heap_gb : float, optional
        Heap of each executor; else the described share of what its instance has.
    described : SparkDescription, optional
        Instead of the shipped one.

    Raises
    ------
    InputError
        If an instance is left without a core or memory, an executor is larger than its instance, the tasks cannot be
        divided among the executors, or there is no such workload.
    """

    machine: Machine
    system: System
    job: str
    channel: Channel
    workers: int = 4
    heap_gb: float | None = None
    described: SparkDescription | None = None

    def __post_init__(self):
        cores = self.machine.topology.cores
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1:
            raise self._refused("must be a whole number, at least 1", "workers", self.workers)
        if self.workers > cores:
            reason = f"leaves an instance without a core: machine {self.machine.id} has {cores}"
            raise self._refused(reason, "workers", self.workers)
        tasks = round(self.of.tasks.plain())
        if tasks % self.workers:
            raise self._refused(f"{tasks} tasks cannot be divided evenly among them", "workers", self.workers)
        if self.job not in self.of.workloads:
            raise self._refused(f"no such workload{hint(self.job, self.of.workloads)}", "job", self.job)
        if self.heap_gb is not None:
            room = self.memory_bytes / 2**30
            if not self.heap_gb > 0:
                raise self._refused("leaves the executor without memory", "heap_gb", self.heap_gb)
            if self.heap_gb > room:
                reason = f"is larger than what its instance has beside the tmpfs, {room:.4g} GB"
                raise self._refused(reason, "heap_gb", self.heap_gb)

    def _refused(self, reason: str, key: str, value) -> InputError:
        return InputError(reason, file="Spark cluster", key=key, value=value)

    @cached_property
    def of(self) -> SparkDescription:
        """What is described of all workloads."""
        return self.described or description()

    # --- sizes --------------------------------------------------------------------------------------------

    @property
    def cores(self) -> tuple[int, ...]:
        """Cores of each worker: as even as can be, larger ones first."""
        each, rest = divmod(self.machine.topology.cores, self.workers)
        return tuple(each + (k < rest) for k in range(self.workers))

    @property
    def memory_bytes(self) -> float:
        """Memory of each instance (on a shared kernel: of each worker) beside its tmpfs."""
        return self.machine.memory.capacity.plain() / self.workers * (1 - self.of.tmpfs.plain())

    @property
    def heap_bytes(self) -> float:
        """Heap of each executor."""
        return self.memory_bytes * self.of.executor.heap.plain() if self.heap_gb is None else self.heap_gb * 2**30

    @property
    def tasks(self) -> int:
        """Tasks of a stage for each executor."""
        return round(self.of.tasks.plain()) // self.workers

    @property
    def remote_share(self) -> float:
        """Part of a shuffle that another worker has written."""
        return 1 - 1 / self.workers

    def fetched_bytes(self, stage_bytes: float) -> float:
        """What a task of a shuffle that reads so much in all gets from other workers, as simulated."""
        return stage_bytes / self.of.tasks.plain() * self.remote_share / self.of.scale.plain()

    def _fetch(self, stage_bytes: float, worker: int) -> Op:
        """The wire is the worker's own and serves its tasks in turn; each side's work on the bytes is the task's.

        A worker sends as much as it gets, so the work of the sending side is counted where it is received.
        """
        size = self.fetched_bytes(stage_bytes)
        work_s = size / STREAM_BYTES * sum(self.channel.core_ns(STREAM_BYTES).values()) / 1e9
        wire_s = (self.channel.wire_ns(size) + self.channel.delay.ns()) / 1e9
        return measure(
            FETCH, lock(_end(worker)), sleep(_s(wire_s), name="wire"), unlock(_end(worker)),
            compute(_s(work_s), name="protocol"),
        )

    def pause_s(self, worker: int) -> float:
        """Time of a collection in s as simulated."""
        cores = self.cores[worker]
        cpus = cores if self.system.partitioning.kernels == "each" else self.machine.topology.cores
        return self.of.executor.pause_s(self.heap_bytes, cores, cpus) / self.of.scale.plain()

    # --- what runs ----------------------------------------------------------------------------------------

    def task(self, place: int, worker: int) -> Program:
        """What a thread of a worker does in the stage at a place of the job's order."""
        order, of = self.of.workloads[self.job].order, self.of
        stage, size, handle = order[place]
        goes_on = scatter(_queue(order[place + 1][2]), self.tasks) if place + 1 < len(order) else send(_OVER)
        ops: list[Op] = [receive_part(_queue(handle))]
        if stage.of == "shuffle" and self.workers > 1:
            ops.append(self._fetch(size, worker))
        if place == 0:
            ops.append(compute(_s(of.warm_up.ns() / 1e9 / of.scale.plain() / self.tasks), name="warm up"))
        user_s = size / of.scale.plain() / of.tasks.plain() * stage.cpu.ns() / 1e9
        uneven = lognormal(f"{1e9 * UNEVEN * user_s:.9g} ns", of.workloads[self.job].skew.plain() / UNEVEN)
        ops += [
            compute(uneven, name="uneven"), repeat(round(of.slices.plain()), *self._slice(stage, size, worker)),
            gather(f"stage {stage.name}", goes_on),
        ]
        return program(f"{self.job}.{handle}.{worker}", *ops, title=of.workloads[self.job].title, source=of.source,
                       footprint=of.footprint)

    def _slice(self, stage: Stage, stage_bytes: float, worker: int) -> tuple[Op, ...]:
        """A stretch of a task, at whose ends it can be stopped."""
        of, slices = self.of, round(self.of.slices.plain())
        size = stage_bytes / of.scale.plain() / of.tasks.plain() / slices
        user_s = (1 - UNEVEN) * size * stage.cpu.ns() / 1e9
        allocated = size * stage.allocates.plain()
        batches = size * stage.touches.plain() / PAGE_BYTES / BATCH
        heap = _heap(worker)
        return (
            read_lock(heap), compute(_s(user_s), name="user"),
            *_on_average(batches, *_page_batch), unlock(heap), *self._allocated(allocated, worker),
        )

    def _allocated(self, size: float, worker: int) -> tuple[Op, ...]:
        """Tell the collector, as often as a step of the eden is filled."""
        step = self.heap_bytes * self.of.executor.eden.plain() / _TOKENS / self.of.scale.plain()
        return _on_average(size / step, send(_eden(worker)))

    def collector(self, worker: int) -> Program:
        """The thread that stops a worker's tasks when its eden is full."""
        heap = _heap(worker)
        return program(
            f"{self.job}.collector.{worker}",
            repeat(_TOKENS, receive(_eden(worker))),
            measure(COLLECTION, write_lock(heap), compute(_s(self.pause_s(worker)), name="copy"), unlock(heap)),
            title="collects the garbage of an executor", source=self.of.source, footprint=self.of.footprint,
        )

    def loads(self) -> tuple[Load, ...]:
        """A process for each worker and stage, a collector for each worker, the driver, and who starts the job."""
        order = self.of.workloads[self.job].order
        tasks = [
            Load(program=self.task(place, worker), threads=self.cores[worker], partition=worker)
            for place in range(len(order)) for worker in range(self.workers)
        ]
        collectors = [Load(program=self.collector(worker), partition=worker) for worker in range(self.workers)]
        source = self.of.source
        driver = program(
            f"{self.job}.driver", receive_part(JOB), scatter(_queue(order[0][2]), self.tasks), receive(_OVER),
            gather(JOB),
            title="begins the first stage, and waits for the last", source=source,
        )
        start = program(
            f"{self.job}.start", arrive(Arrivals("job", [0.0])), scatter(JOB), title="submits the job", source=source,
        )
        return *tasks, *collectors, Load(program=driver, partition=0), Load(program=start, place="outside")

    def structures(self) -> dict[str, Structure]:
        """Heaps and ends of the channel, one of each for each worker."""
        source = f"{self.of.title}: an executor"
        return {
            **{_heap(k): Structure(kind="rwsem", scope="machine", label="safe point", source=source)
               for k in range(self.workers)},
            **{_end(k): Structure(kind="mutex", scope="machine", label=self.channel.id, source=source)
               for k in range(self.workers)},
        }

    def scenario(self, seconds: float) -> Scenario:
        """The job once, on all cores of the machine."""
        divided = self.system.partitioning.partitioned
        return validated(Scenario, {
            "machine": self.machine, "system": self.system, "loads": self.loads(), "structures": self.structures(),
            "cores": self.machine.topology.cores, "partitions": self.workers, "shares": self.cores if divided else (),
            "duration": f"{seconds:g} s", "warmup": "0 s", "stagger": "0 us",
        })


def _queue(handle: str) -> str:
    return f"tasks of {handle}"


def _heap(worker: int) -> str:
    return f"heap of worker {worker}"


def _end(worker: int) -> str:
    return f"channel of worker {worker}"


def _eden(worker: int) -> str:
    return f"eden of worker {worker}"


def _on_average(times: float, *ops: Op) -> tuple[Op, ...]:
    """The operations so many times in the mean over passes: a whole number each time, the rest now and then."""
    whole = math.floor(times)
    found, rest = [repeat(whole, *ops)] if whole else [], times - whole
    while rest > 1 / SELDOM:
        period = math.ceil(1 / rest)
        found.append(every(period, *ops))
        rest -= 1 / period
    return tuple(found)


def _s(seconds: float):
    return constant(f"{1e9 * seconds:.9g} ns")
