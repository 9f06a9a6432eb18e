"""Who runs where: partitions, kernel instances, and the threads of every load."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from .. import tables as tb
from ..descriptions import program as pg
from ..descriptions.program import Program
from ..descriptions.scenario import Scenario


@dataclass
class Thread:
    """A thread before lowering: which load, process and partition it belongs to."""

    name: str
    program: Program
    partition: int
    process: int
    domain: int
    home: int
    pinned: bool
    cpus: int
    nodes: int
    kernel_nodes: int
    period_ns: float = 0.0

    @property
    def body(self) -> tuple:
        """What its code depends on; two loads may run programs of one name with different parameters."""
        return id(self.program), self.domain == tb.OUTSIDE, self.cpus, self.nodes, self.kernel_nodes


class Placement:
    """A scenario's cores divided among partitions and kernels, and its threads put on them.

    Attributes
    ----------
    parts, instances : int
        Partitions (1 on a system without them) and kernels.
    shares : tuple of int
        Cores of each partition at the start.
    """

    def __init__(self, scenario: Scenario):
        self.scenario, self.machine, self.system = scenario, scenario.machine, scenario.system
        self.clock = self.machine.clock_ghz
        how = self.system.partitioning
        self.parts = scenario.partitions if how.partitioned else 1
        self.instances = self.parts if how.kernels == "each" else 1
        self.shares = scenario.shares or (scenario.cores // self.parts,) * self.parts
        ends = list(accumulate(self.shares))
        self._cores = [tuple(range(end - size, end)) for end, size in zip(ends, self.shares, strict=True)]

    def partition_cores(self, partition: int) -> tuple[int, ...]:
        """The cores of a partition at the start."""
        return self._cores[partition]

    def partition_of(self, core: int) -> int:
        """The partition of a core at the start; `tables.NOWHERE` for one that belongs to nobody yet."""
        return next((p for p, cores in enumerate(self._cores) if core in cores), tb.NOWHERE)

    def cpus(self, partition: int) -> int:
        """Cores of the kernel that serves a partition, as it boots: an even share where that is later."""
        if self.instances == 1:
            return self.scenario.cores
        return self.shares[partition] or max(1, self.scenario.cores // self.parts)

    def nodes(self, partition: int) -> int:
        """Sockets over which the cores of a partition spread (1 for one that has none yet)."""
        size = self.machine.topology.cores_per_socket
        return max(1, len({core // size for core in self._cores[partition]}))

    def kernel_nodes(self, partition: int) -> int:
        """Sockets over which the cores of the kernel that serves a partition spread."""
        if self.instances > 1:
            return self.nodes(partition)
        return -(-self.scenario.cores // self.machine.topology.cores_per_socket)

    def _spread(self, cores: tuple[int, ...]) -> list[int]:
        """Cores in the order in which a kernel fills them with new threads: socket by socket in turn."""
        size = self.machine.topology.cores_per_socket
        return sorted(cores, key=lambda core: (core % size, core // size))

    def instance(self, partition: int) -> int:
        """The running kernel that serves a partition."""
        return partition if self.instances > 1 else 0

    def _size(self, partition: int) -> tuple[int, int, int]:
        """What expressions in a program may name of a partition: cpus, nodes, kernel_nodes."""
        return self.cpus(partition), self.nodes(partition), self.kernel_nodes(partition)

    def threads(self) -> list[Thread]:
        """All threads: those of the loads, then the kernel's own."""
        threads: list[Thread] = []
        process = 0
        first: dict[tuple[int, int], int] = {}
        placed = [0] * self.parts
        for number, load in enumerate(self.scenario.loads):
            for copy in load.copies(self.scenario.partitions):
                partition = copy if self.parts > 1 else 0
                joined = load.joins is not None
                first[number, copy] = first[load.joins, copy] if joined else process
                cores = self.partition_cores(partition)
                cores = (cores if load.pinned else self._spread(cores)) or (0,)
                size = self._size(partition)
                for p in range(load.processes):
                    for k in range(load.threads):
                        home = cores[placed[partition] % len(cores)]
                        placed[partition] += load.place != "outside"
                        name = f"{load.program.id}.{number}/{copy}.{p}.{k}"
                        domain = tb.OUTSIDE if load.place == "outside" else partition
                        threads.append(
                            Thread(
                                name, load.program, partition, first[number, copy] + p, domain, home, load.pinned,
                                *size,
                            )
                        )
                    process += not joined
        threads += self._housekeeping()
        return threads

    def _housekeeping(self) -> list[Thread]:
        """The kernel's own periodic work, as threads that wake, work and sleep again."""
        threads = []
        for name, work in self.system.background.items():
            period = work.period.ns(self.clock)
            program = Program(
                id=f"kernel/{name}",
                ops=(
                    pg.compute(pg.exponential(f"{work.work.ns(self.clock)} ns"), name="work"),
                    pg.sleep(pg.constant(f"{period} ns"), name="period"),
                ),
            )
            if work.per == "core":
                where = [(core, core, self.partition_of(core)) for core in range(self.scenario.cores)]
            else:
                firsts = [(self._cores[p] or (0,))[0] for p in range(self.instances)]
                where = [(core, f"{core}" if self.shares[p] else f"later.{p}", p) for p, core in enumerate(firsts)]
            for core, label, partition in where:
                threads.append(
                    Thread(
                        f"kernel/{name}/{label}", program, partition, tb.KERNEL_THREAD, partition, core,
                        work.per == "core", *self._size(max(partition, 0)), period,
                    )
                )
        return threads
