"""Channels between OS instances: what a message costs each side, and what the channel carries.

A message passes *stages*, each on somebody's core: system calls and the protocol's work once a message, drivers once
a packet, and passes over every byte.  Between two cores lies a ring or a wire of some bandwidth.  Stages on one core
follow one another; different cores and the wire work at the same time.  So a stream is as fast as its slowest part,
and a single message takes the sum of all parts.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from ..errors import InputError
from .parameter import Description, Name, Plain, Rate, Size, Time, misfit

PAGE_BYTES = 4096
STREAM_BYTES = 65536
"""What `Channel.transfer_s` hands over in a call, if nothing else is said: a choice."""

Party = Literal["sender", "receiver", "host"]
"""Whose core, or whose control group: of an end, or of whoever stands between them."""


class Stack(Description):
    """What a kernel's network stack costs, whatever channel is below it.

    Attributes
    ----------
    copy_rate, fetch_rate, sum_rate : Parameter
        A pass over bytes that copies them within reach of one's own cache; one that copies what another core has
        written; what a checksum adds to a pass.
    paths : dict of str to Parameter
        Times of named paths.
    """

    kind: Literal["stack"]
    id: Name
    title: str
    source: str
    copy_rate: Rate
    fetch_rate: Rate
    sum_rate: Rate
    paths: dict[Name, Time]

    @model_validator(mode="after")
    def _moves(self):
        for key in ("copy_rate", "fetch_rate", "sum_rate"):
            if not getattr(self, key).value > 0:
                raise misfit(key, "a pass over bytes has a rate above 0")
        return self

    def __repr__(self) -> str:
        return f"<Stack {self.id}: {len(self.paths)} paths>"


class Stage(Description):
    """A part of the way that one core goes with a message.

    Attributes
    ----------
    name : str
    core : {"sender", "receiver", "host"}
        Whose core does it.
    charged : {"sender", "receiver", "host"}
        Whose control group pays for it.
    message, packet, page : tuple of str
        Names of paths that are gone once for a message, for each packet, for each page of a packet.
    copies, fetches, sums : int
        Passes over all bytes: see `Stack`.
    """

    name: Name
    core: Party
    charged: Party
    message: tuple[Name, ...] = ()
    packet: tuple[Name, ...] = ()
    page: tuple[Name, ...] = ()
    copies: int = Field(default=0, ge=0, le=8)
    fetches: int = Field(default=0, ge=0, le=8)
    sums: int = Field(default=0, ge=0, le=8)


class Protocol(Description):
    """How a protocol cuts messages into packets, and the stages that they pass.

    Attributes
    ----------
    payload : Parameter
        Most bytes of a packet that the stages handle as one.
    prefix : Parameter
        Bytes that the protocol puts before a message.
    header : Parameter
        What a packet takes of the ring or the wire beside its payload.
    stream : bool
        Whether messages run together: packets are filled across them, and what is lost is sent again, at a pace at
        which little is.
    stage : tuple of Stage
        In the order in which they are passed.
    """

    payload: Size
    prefix: Size
    header: Size
    stream: bool
    stage: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _carries(self):
        if self.payload.plain() < 1:
            raise misfit("payload", "a packet carries a byte or more")
        return self

    def packets(self, size: float) -> int:
        """Packets of a message of `size` bytes."""
        return max(1, math.ceil((size + self.prefix.plain()) / self.payload.plain()))

    def carried(self, size: float) -> float:
        """Bytes that a message of `size` bytes takes of the ring or the wire."""
        whole = size + self.prefix.plain()
        packets = max(1.0, whole / self.payload.plain()) if self.stream else self.packets(size)
        return whole + packets * self.header.plain()


class Notification(Description):
    """How a side learns that something is there.

    Attributes
    ----------
    how : str
    delay : Parameter
        From the sender's signal to the receiver's first instruction, where it does not poll.
    """

    how: Literal["softirq", "interrupt", "event channel", "napi", "ficm"]
    delay: Time


class Ring(Description):
    """The buffer between two cores.

    Attributes
    ----------
    packets : Parameter
        How many it holds.
    overflow : {"waits", "drops"}
        What becomes of a packet that finds no room.
    burst, room : Parameter, optional
        Where it drops: packets that come at a time, and how many of them find room.
    """

    packets: Plain
    overflow: Literal["waits", "drops"]
    burst: Plain | None = None
    room: Plain | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if self.packets.value < 1:
            raise misfit("packets", "a ring holds one packet or more")
        for key in ("burst", "room"):
            if (getattr(self, key) is None) != (self.overflow == "waits"):
                raise misfit(key, "a ring that drops says burst and room, and no other does")
        if self.burst is not None and not self.room.value <= self.burst.value:
            raise misfit("room", "of a burst no more packets find room than come")
        return self

    def kept(self, packets: int) -> float:
        """Share of messages that come through whole, if each is cut into so many packets.

        A burst begins anywhere in a message, and its first `room` packets find room.
        """
        if self.overflow == "waits":
            return 1.0
        return max(0.0, self.room.plain() - packets + 1) / self.burst.plain()


class Channel(Description):
    """A way from one OS instance to another.

    Attributes
    ----------
    kind, id, title, source
        As in every description.
    bandwidth : Parameter
        Of the ring, the memory behind it, or the wire.
    delay : Parameter
        Time that nobody's core spends, beside the transmission: wire, moderation, the other end's switch.
    ring : Ring
    notification : Notification
    paths : dict of str to Parameter
        Times of paths of its own.
    protocol : dict of str to Protocol
        The first one is meant where none is named.
    stack : Stack
        Which the loader adds to a file that has none.
    """

    kind: Literal["channel"]
    id: Name
    title: str
    source: str
    bandwidth: Rate
    delay: Time
    ring: Ring
    notification: Notification
    paths: dict[Name, Time] = {}
    protocol: dict[Name, Protocol] = Field(min_length=1)
    stack: Stack

    @model_validator(mode="after")
    def _whole(self):
        if not self.bandwidth.value > 0:
            raise misfit(("bandwidth", "value"), "a channel carries something: above 0")
        for name, protocol in self.protocol.items():
            for i, stage in enumerate(protocol.stage):
                for kind in ("message", "packet", "page"):
                    for path in getattr(stage, kind):
                        if path not in self.paths and path not in self.stack.paths:
                            known = ", ".join((*self.paths, *self.stack.paths))
                            reason = f"no path {path!r} in the channel or the stack; known: {known}"
                            raise misfit(("protocol", name, "stage", i, kind), reason)
        return self

    def __repr__(self) -> str:
        return f"<Channel {self.id}: {', '.join(self.protocol)}, {8e-9 * self.bandwidth.plain():g} Gb/s>"

    # --- parts --------------------------------------------------------------------------------------------------

    def speaks(self, protocol: str | None = None) -> Protocol:
        """A protocol by its name, or the first one.

        Raises
        ------
        InputError
            If the channel does not have it.
        """
        if protocol is None:
            return next(iter(self.protocol.values()))
        if protocol not in self.protocol:
            known = ", ".join(self.protocol)
            raise InputError(f"{self.id} has no such protocol; known: {known}", key="protocol", value=protocol)
        return self.protocol[protocol]

    def stage_ns(self, stage: Stage, size: float, protocol: Protocol) -> float:
        """Time of a stage for a message of `size` bytes, in nanoseconds."""
        packets = protocol.packets(size)
        pages = packets * math.ceil(min(max(size, 1), protocol.payload.plain()) / PAGE_BYTES)
        calls = sum(self._path_ns(path) for path in stage.message)
        calls += packets * sum(self._path_ns(path) for path in stage.packet)
        calls += pages * sum(self._path_ns(path) for path in stage.page)
        s = self.stack
        passes = ((stage.copies, s.copy_rate), (stage.fetches, s.fetch_rate), (stage.sums, s.sum_rate))
        return calls + sum(1e9 * count * size / rate.plain() for count, rate in passes)

    def _path_ns(self, path: str) -> float:
        found = self.paths.get(path) or self.stack.paths[path]
        return found.ns()

    def core_ns(self, size: float, protocol: str | None = None) -> dict[str, float]:
        """Time of each party's core for a message of `size` bytes, in nanoseconds, in the order of the way."""
        return self._sums("core", size, protocol)

    def charged_ns(self, size: float, protocol: str | None = None) -> dict[str, float]:
        """Time that each party's control group pays for a message, in nanoseconds."""
        return self._sums("charged", size, protocol)

    def _sums(self, key: str, size: float, protocol: str | None) -> dict[str, float]:
        _check_size(size)
        spoken, sums = self.speaks(protocol), {}
        for stage in spoken.stage:
            party = getattr(stage, key)
            sums[party] = sums.get(party, 0.0) + self.stage_ns(stage, size, spoken)
        return sums

    def wire_ns(self, size: float, protocol: str | None = None) -> float:
        """Time for which a message of `size` bytes keeps the ring or the wire, in nanoseconds."""
        _check_size(size)
        return 1e9 * self.speaks(protocol).carried(size) / self.bandwidth.plain()

    # --- closed forms -------------------------------------------------------------------------------------------

    def time_ns(self, size: float, protocol: str | None = None, wake_ns: float = 0.0) -> float:
        """From the call that sends one message of `size` bytes to the end of the call that receives it, nanoseconds.

        Parameters
        ----------
        size : float
            Bytes.
        protocol : str, optional
        wake_ns : float
            What each core that sleeps before takes to run: a matter of its kernel's scheduler.
        """
        cores = self.core_ns(size, protocol)
        signals = (len(cores) - 1) * (self.notification.delay.ns() + wake_ns)
        return sum(cores.values()) + self.wire_ns(size, protocol) + self.delay.ns() + signals

    def round_trip_ns(self, size: float, protocol: str | None = None, wake_ns: float = 0.0) -> float:
        """There and back with a message of `size` bytes each way, in nanoseconds."""
        return 2 * self.time_ns(size, protocol, wake_ns)

    def throughput(self, size: float, protocol: str | None = None, flows: int = 1) -> float:
        """Bytes a second of a stream of messages of `size` bytes, for each of `flows` streams at a time.

        Each stream has a sender's and a receiver's core of its own; the wire and the host are for all.
        """
        return self.carried(size, protocol, flows) * self.kept(size, protocol)

    def carried(self, size: float, protocol: str | None = None, flows: int = 1) -> float:
        """As `throughput`, with the messages of which a part is lost on the way."""
        _check_flows(flows)
        cores = self.core_ns(size, protocol)
        shared = max(self.wire_ns(size, protocol), cores.pop("host", 0.0))
        return 1e9 * size / max(*cores.values(), flows * shared)

    def kept(self, size: float, protocol: str | None = None) -> float:
        """Share of a stream's messages that arrive whole."""
        spoken = self.speaks(protocol)
        return 1.0 if spoken.stream else self.ring.kept(spoken.packets(size))

    def bottleneck(self, size: float, protocol: str | None = None) -> str:
        """What holds one stream up: ``"sender"``, ``"receiver"``, ``"host"`` or ``"wire"``."""
        parts = {**self.core_ns(size, protocol), "wire": self.wire_ns(size, protocol)}
        return max(parts, key=parts.get)

    def transfer_s(
        self, size: float, flows: int = 1, protocol: str | None = None, message: float = STREAM_BYTES,
    ) -> float:
        """Seconds until `size` bytes are over, while `flows` such streams share the channel.

        The first message goes all the way; the others follow as fast as the slowest part lets them.

        Parameters
        ----------
        size : float
            Bytes of each stream.
        flows : int
        protocol : str, optional
        message : float
            Bytes that a call hands over.

        Examples
        --------
        Eight streams need eight times as long where a wire is shared, and not where each has its cores:

        >>> from rainforest_model.descriptions import load
        >>> nic, loop = load.channel("nic"), load.channel("loopback")
        >>> round(nic.transfer_s(1e9), 1), round(nic.transfer_s(1e9, flows=8), 1)
        (8.5, 68.0)
        >>> loop.transfer_s(1e9, flows=2) == loop.transfer_s(1e9)
        True
        """
        _check_size(size)
        first = min(size, message)
        rest = size - first
        pace = self.throughput(first, protocol, flows) if first and rest else 1.0
        if pace == 0:
            raise InputError("no message of this size arrives whole", key="message", value=message)
        return self.time_ns(first, protocol) / 1e9 + rest / pace


def _check_size(size: float) -> None:
    if not 0 <= size < math.inf:
        raise InputError("must be 0 bytes or more", key="size", value=size)


def _check_flows(flows: int) -> None:
    if not 1 <= flows < math.inf:
        raise InputError("must be 1 or more", key="flows", value=flows)
