"""A machine: sockets of cores, and what moving a line or interrupting a core costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .parameter import Description, Frequency, Name, Plain, Rate, Size, Time, misfit

MAX_CORES = 4096
CLOCK_GHZ = (0.1, 100.0)


class Topology(Description):
    """Sockets of equal size.  `hops` is the socket-to-socket distance; absent: one hop between any two."""

    sockets: int = Field(ge=1, le=256)
    cores_per_socket: int = Field(ge=1, le=1024)
    clock: Frequency
    hops: tuple[tuple[int, ...], ...] | None = None

    @property
    def cores(self) -> int:
        """Number of cores of the machine."""
        return self.sockets * self.cores_per_socket

    def distance(self, a: int, b: int) -> int:
        """Distance of two sockets in hops (0: the same socket)."""
        if self.hops is not None:
            return self.hops[a][b]
        return 0 if a == b else 1

    @model_validator(mode="after")
    def _fits(self):
        if self.cores > MAX_CORES:
            raise misfit("sockets", f"{self.cores} cores; the engine's event keys have room for {MAX_CORES}")
        slowest, fastest = CLOCK_GHZ
        if not slowest <= self.clock.plain() / 1e9 <= fastest:
            raise misfit("clock", f"must lie between {slowest:g} and {fastest:g} GHz")
        if self.hops is not None:
            rows = len(self.hops)
            if rows != self.sockets or any(len(row) != rows for row in self.hops):
                raise misfit("hops", f"must be a {self.sockets} x {self.sockets} table")
            for a in range(rows):
                for b in range(rows):
                    if self.hops[a][b] != self.hops[b][a] or (self.hops[a][b] == 0) != (a == b):
                        raise misfit("hops", "must be symmetric, and 0 exactly on the diagonal")
                    if not 0 <= self.hops[a][b] <= 2:
                        raise misfit("hops", f"there is no price for {self.hops[a][b]} hops; known: 0, 1, 2")
        return self


class Transfer(Description):
    """Latency of getting a line that another core has modified, by what is done with it.

    ``write_occupancy`` is the time for which a write keeps the line busy, where that depends on the distance.
    """

    load: Time
    store: Time
    atomic: Time
    write_occupancy: Time | None = None


class Coherence(Description):
    """The cost of a cache line by the distance of its owner.

    ``read_occupancy`` and ``write_occupancy`` are the times for which one request keeps the line busy:
    the next request for the same line starts after it.
    """

    own_load: Time
    own_store: Time
    own_atomic: Time
    same_socket: Transfer
    one_hop: Transfer
    two_hops: Transfer | None = None
    read_occupancy: Time
    write_occupancy: Time


class Memory(Description):
    """Capacity, latency and bandwidth of DRAM and the last-level cache.

    ``queueing`` is how latency grows with utilisation rho: ``latency * (1 + queueing * rho / (1 - rho))``.
    """

    capacity: Size
    llc_per_socket: Size
    l1_latency: Time
    l2_latency: Time
    llc_latency: Time
    local_latency: Time
    remote_latency: Time
    socket_bandwidth: Rate
    core_bandwidth: Rate
    link_bandwidth: Rate
    queueing: Plain


class Interrupt(Description):
    """What an inter-processor interrupt costs its sender and its target."""

    send: Time = Field(description="sender's time for each target; sends are serial")
    deliver: Time = Field(description="from the send to the target's first instruction")
    entry: Time = Field(description="target: interrupt entry, end-of-interrupt and return")


class Tlb(Description):
    """Translation look-aside buffer: what flushing it costs at once and afterwards."""

    entries: Plain
    full_flush: Time
    single_page: Time
    refill: Time = Field(description="target's time lost on misses after a full flush")


class Device(Description):
    """A device class of the machine, for the record and for placement."""

    count: int = Field(ge=0)
    model: str
    source: str


class Machine(Description):
    """A server as the model sees it.

    Attributes
    ----------
    id, title, source : str
        Stable handle, full name, and where the paper describes it.
    kind : "machine"
        Marks the file's kind.
    """

    kind: Literal["machine"]
    id: Name
    title: str
    source: str
    topology: Topology
    coherence: Coherence
    memory: Memory
    interrupt: Interrupt
    tlb: Tlb
    devices: dict[str, Device] = {}

    @model_validator(mode="after")
    def _distances_priced(self):
        hops = self.topology.hops
        if hops and max(map(max, hops)) > 1 and self.coherence.two_hops is None:
            raise misfit(("topology", "hops"), "has two-hop pairs, but coherence.two_hops gives them no cost")
        return self

    @property
    def clock_ghz(self) -> float:
        """Clock frequency in GHz."""
        return self.topology.clock.plain() / 1e9

    def __repr__(self) -> str:
        t = self.topology
        return f"<Machine {self.id}: {t.sockets} sockets x {t.cores_per_socket} cores, {self.clock_ghz:g} GHz>"
