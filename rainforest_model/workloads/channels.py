"""netperf over a channel: a stream of messages, and transactions of one message there and one back.

Each party (sender, receiver, and the host where one stands between them) is a thread on a core of its own that works
for as long as the stages of the channel on that core say; the ring or the wire between them is a thread outside that
sleeps.  A window of credits goes round with the messages, so that a sender waits for a slow receiver as it does for a
full socket buffer or a full ring.  What comes of it is not put in: the engine finds who waits for whom.
"""

from __future__ import annotations

from ..descriptions.channel import Channel, Party
from ..descriptions.program import (
    Op,
    Program,
    compute,
    constant,
    lognormal,
    measure,
    program,
    receive,
    repeat,
    send,
    sleep,
)
from ..descriptions.scenario import Load
from ..errors import InputError

SOURCE = "netperf 2.4.5: TCP_STREAM, UDP_STREAM, TCP_RR"
WINDOW = 16
"""Messages under way in a stream: a choice, enough for each part to be busy with one and to have others waiting."""
MESSAGES = {"tcp": 16384, "udp": 65507}
"""Bytes that netperf hands over in a call: by default the socket's send buffer, 16384 bytes for TCP on Linux (R. Jones,
bloat mailing list, April 2015), and for UDP at most the largest datagram."""


def parties(channel: Channel, protocol: str | None = None) -> tuple[Party, ...]:
    """Who has a core in it, in the order of the way.

    Examples
    --------
    >>> from rainforest_model.descriptions import load
    >>> parties(load.channel("xen-vnic")), parties(load.channel("rfloop"))
    (('sender', 'host', 'receiver'), ('sender', 'receiver'))
    """
    return tuple(channel.core_ns(1, protocol))


def _work(ns: float, variation: float, name: str) -> Op:
    time = lognormal(f"{ns:.9g} ns", variation) if variation else constant(f"{ns:.9g} ns")
    return compute(time, name=name)


def _made(channel: Channel, what: str, *ops: Op) -> Program:
    return program(f"{channel.id} {what}", *ops, title=f"{channel.title}: {what}", source=SOURCE)


def stream_loads(
    channel: Channel, size: float, protocol: str | None = None, partitions: dict[Party, int] | None = None,
    variation: float = 0.0, window: int = WINDOW,
) -> tuple[Load, ...]:
    """A stream of messages of `size` bytes; the receiver's ``message`` counts them.

    Parameters
    ----------
    channel : Channel
    size : float
        Bytes of a message.
    protocol : str, optional
        The channel's first one by default.
    partitions : dict of str to int, optional
        The partition of each party; by default all are in partition 0.
    variation : float
        Coefficient of variation of the work at a message (a kernel's `path_variation`).
    window : int
        Messages under way at most.

    Raises
    ------
    InputError
        If the channel ends at its host, or has no such protocol.
    """
    where, cores = partitions or {}, channel.core_ns(size, protocol)
    way = tuple(cores)
    if way[-1] != "receiver":
        raise InputError("ends at the host and has no receiver of streams", key="channel", value=channel.id)
    wire = _made(
        channel, "wire", receive("to wire"), sleep(constant(f"{channel.wire_ns(size, protocol):.9g} ns"), name="wire"),
        send(f"to {way[1]}"),
    )
    loads = [
        Load(program=_made(channel, "window", repeat(window, send("to sender")), sleep(constant("20 min"))),
             place="outside"),
        Load(program=wire, place="outside"),
    ]
    for here, after in zip(way, ("to wire", *(f"to {party}" for party in way[2:]), "to sender"), strict=True):
        work = _work(cores[here], variation, here)
        if here == "receiver":
            work = measure("message", work)  # without its wait, so that each one counts from the warm-up on
        loads.append(Load(
            program=_made(channel, f"{here} of a stream", receive(f"to {here}"), work, send(after)),
            pinned=True, partition=where.get(here, 0),
        ))
    return tuple(loads)


def transaction_loads(
    channel: Channel, size: float, protocol: str | None = None, partitions: dict[Party, int] | None = None,
    variation: float = 0.0,
) -> tuple[Load, ...]:
    """Transactions one after the other: a message of `size` bytes, and one back.

    The client's ``transaction`` counts them, as netperf does (as a latency it is but their last part): the time of one
    is the time of all over their number.

    Parameters
    ----------
    channel, size, protocol, partitions, variation
        As for `stream_loads`.
    """
    where, cores = partitions or {}, channel.core_ns(size, protocol)
    if "receiver" not in cores:
        raise InputError("ends at the host and has no receiver of streams", key="channel", value=channel.id)
    sends, receives = (_work(cores[party], variation, party) for party in ("sender", "receiver"))
    signals = (len(cores) - 1) * channel.notification.delay.ns()
    away = channel.wire_ns(size, protocol) + channel.delay.ns() + signals
    loads = [
        Load(program=_made(
            channel, "client", sends, send("wire there"), receive("client"), measure("transaction", receives),
        ), pinned=True, partition=where.get("sender", 0)),
        Load(program=_made(channel, "server", receive("server"), receives, sends, send("wire back")),
             pinned=True, partition=where.get("receiver", 0)),
    ]
    for way, end in (("there", "server"), ("back", "client")):
        after = f"host {way}" if "host" in cores else end
        loads.append(Load(program=_made(
            channel, f"wire {way}", receive(f"wire {way}"), sleep(constant(f"{away:.9g} ns"), name="wire"), send(after),
        ), place="outside"))
        if "host" in cores:
            loads.append(Load(program=_made(
                channel, f"host {way}", receive(f"host {way}"), _work(cores["host"], variation, "host"), send(end),
            ), pinned=True, partition=where.get("host", 0)))
    return tuple(loads)
