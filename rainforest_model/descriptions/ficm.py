"""FICM: what a message between two OS instances costs on a machine, one cache line and one interrupt each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..errors import InputError
from .machine import Machine, Transfer
from .parameter import Description, Name, Plain, Size, Time
from .system import Scheduler


class Ficm(Description):
    """What a message costs beside the machine's interrupts and cache lines and the kernel's switches.

    Attributes
    ----------
    message : Parameter
        Size of a message.
    softirq, handling, writing : Parameter
        The interrupt's own work; reading a message and calling what it names; filling its line.
    poll_period, budget : Parameter
        From one look to the next while a receiver polls, and how many messages it takes before it yields.
    """

    kind: Literal["ficm"]
    id: Name
    title: str
    source: str
    message: Size
    softirq: Time
    handling: Time
    writing: Time
    poll_period: Time
    budget: Plain

    def __repr__(self) -> str:
        return f"<Ficm: messages of {self.message.plain():g} B>"


def _transfer(machine: Machine, hops: int) -> Transfer:
    coherence = machine.coherence
    prices = (coherence.same_socket, coherence.one_hop, coherence.two_hops)
    if not 0 <= hops < len(prices) or prices[hops] is None:
        raise InputError("the machine has no price for this distance", key="hops", value=hops)
    return prices[hops]


def sent_ns(machine: Machine, ficm: Ficm, hops: Sequence[int]) -> tuple[float, ...]:
    """When the sender is done with each receiver, in nanoseconds: lines and interrupts go out one after the other.

    Parameters
    ----------
    machine : Machine
    ficm : Ficm
    hops : sequence of int
        Distance of each receiver's communication core, in the order in which they are served; 0: the same socket.

    Raises
    ------
    InputError
        If the machine has no price for a distance.
    """
    clock, now, times = machine.clock_ghz, 0.0, []
    for distance in hops:
        store = _transfer(machine, distance).store.ns(clock)  # the receiver has read the line before
        now += ficm.writing.ns(clock) + store + machine.interrupt.send.ns(clock)
        times.append(now)
    return tuple(times)


def message_ns(machine: Machine, scheduler: Scheduler, ficm: Ficm, hops: Sequence[int] = (0,)) -> tuple[float, ...]:
    """When each receiver has handled its message, in nanoseconds: unicast, multicast or broadcast.

    A receiver sleeps: it is interrupted, wakes its reading thread, which preempts what runs, fetches the line and
    handles it.

    Parameters
    ----------
    machine, ficm, hops
        As for `sent_ns`.
    scheduler : Scheduler
        Of the receivers' kernel.

    Examples
    --------
    Across sockets a message takes a little longer, and the last of three receivers waits for two other sends:

    >>> from rainforest_model.descriptions import load
    >>> machine, scheduler = load.machine("S-A"), load.kernel("linux-2.6.32").scheduler
    >>> [round(ns) for ns in message_ns(machine, scheduler, load.ficm())]
    [3215]
    >>> [round(ns) for ns in message_ns(machine, scheduler, load.ficm(), hops=[0, 1, 1])]
    [3215, 3644, 4004]
    """
    clock, interrupt = machine.clock_ghz, machine.interrupt
    wakes = sum(
        time.ns(clock) for time in
        (interrupt.deliver, interrupt.entry, ficm.softirq, scheduler.wakeup, scheduler.context_switch)
    )
    return tuple(
        sent + wakes + _transfer(machine, distance).load.ns(clock) + ficm.handling.ns(clock)
        for sent, distance in zip(sent_ns(machine, ficm, hops), hops, strict=True)
    )


def polled_ns(machine: Machine, ficm: Ficm, hops: int = 0) -> float:
    """When a receiver that polls has handled a message, on average, in nanoseconds: no interrupt, no switch.

    Parameters
    ----------
    machine, ficm
        As for `sent_ns`.
    hops : int
        Distance of the receiver's communication core.

    Examples
    --------
    >>> from rainforest_model.descriptions import load
    >>> round(polled_ns(load.machine("S-A"), load.ficm()))
    565
    """
    clock, transfer = machine.clock_ghz, _transfer(machine, hops)
    written = ficm.writing.ns(clock) + transfer.store.ns(clock)
    return written + ficm.poll_period.ns(clock) / 2 + transfer.load.ns(clock) + ficm.handling.ns(clock)
