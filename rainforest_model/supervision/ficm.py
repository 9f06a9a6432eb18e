"""FICM: tiny messages between OS instances by shared memory and inter-processor interrupts.

Each instance has a communication core, on which two kernel threads with real-time priority send and handle messages
of one cache line.  The supervisor keeps the list of these cores, which changes when such a core leaves its instance
(RainForest, arXiv 1604.01378, sections 5.2 and 5.5).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..descriptions.ficm import Ficm, message_ns, sent_ns
from ..descriptions.machine import Machine
from ..descriptions.system import Scheduler
from ..errors import InputError
from ..units import TICKS_PER_NS
from .procedures import Agenda

HEADER_BYTES = 8
"""Of a message for sender, receiver, kind and length; our reading, as the paper does not give the layout."""


class Message(NamedTuple):
    """A message as it lies in a mailbox.

    Attributes
    ----------
    number : int
    sender, receiver, command : str
    payload : bytes
    sent, delivered : int
        Ticks.
    """

    number: int
    sender: str
    receiver: str
    command: str
    payload: bytes
    sent: int
    delivered: int


class MessageChannels:
    """The mailboxes and the list of communication cores.

    Parameters
    ----------
    agenda : Agenda
    machine : Machine
    scheduler : Scheduler
        Of the members' kernel.
    ficm : Ficm
        What a message costs.
    occupy : callable
        Given a core and ticks: keeps the core busy with a message.

    Attributes
    ----------
    communication_cores : dict of str to int
        The communication core of each member.
    updates : int
        How often that list has changed.
    mailboxes : dict of str to deque of Message
        Delivered and not read yet, oldest first.
    sent, delivered, dropped : Counter
        Messages by member: of the sender; of the receiver; of a receiver that was gone or dead.
    """

    def __init__(
        self, agenda: Agenda, machine: Machine, scheduler: Scheduler, ficm: Ficm, occupy: Callable[[int, int], None],
    ):
        self._agenda, self._occupy = agenda, occupy
        self._machine, self._scheduler, self._ficm = machine, scheduler, ficm
        self.communication_cores: dict[str, int] = {}
        self.updates = 0
        self.mailboxes: dict[str, deque[Message]] = {}
        self.sent: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._number = 0

    # --- members ----------------------------------------------------------------------------------------------

    def join(self, member: str, core: int) -> None:
        """Take in a member, or move its communication core."""
        if self.communication_cores.get(member) != core:
            self.communication_cores[member] = core
            self.updates += 1
        self.mailboxes.setdefault(member, deque())

    def leave(self, member: str) -> None:
        """Strike a member off; what is under way to it is dropped."""
        if self.communication_cores.pop(member, None) is not None:
            self.updates += 1
        self.mailboxes.pop(member, None)
        self._silent.discard(member)

    def silence(self, member: str) -> None:
        """From now on nobody handles what this member is sent: its kernel is dead."""
        self._silent.add(member)

    def wake(self, member: str) -> None:
        """A silent member handles messages again."""
        self._silent.discard(member)

    # --- messages ---------------------------------------------------------------------------------------------

    def unicast(self, sender: str, receiver: str, command: str, payload: bytes = b"") -> int:
        """Send a message to one member; the tick at which it will have been handled."""
        return self.multicast(sender, [receiver], command, payload)

    def broadcast(self, sender: str, command: str, payload: bytes = b"") -> int:
        """Send a message to all other members; the tick at which the last will have handled it."""
        return self.multicast(sender, [m for m in self.communication_cores if m != sender], command, payload)

    def multicast(self, sender: str, receivers: Iterable[str], command: str, payload: bytes = b"") -> int:
        """Send a message to several members, one after the other.

        Returns
        -------
        int
            The tick at which the last of them will have handled it; now, if there are none.

        Raises
        ------
        InputError
            If the message is longer than a cache line, or sender or receiver is no member.
        """
        receivers = list(receivers)
        room = round(self._ficm.message.plain()) - HEADER_BYTES - len(command.encode())
        if len(payload) > room:
            raise InputError(f"{len(payload)} bytes; a message has room for {max(0, room)}", key="payload")
        for member in (sender, *receivers):
            if member not in self.communication_cores:
                known = ", ".join(self.communication_cores)
                raise InputError(f"no member of this name; known: {known}", key="member", value=member)
        now = self._agenda.now
        if not receivers:
            return now
        hops = [self._hops(sender, receiver) for receiver in receivers]
        sent = sent_ns(self._machine, self._ficm, hops)
        handled = message_ns(self._machine, self._scheduler, self._ficm, hops)
        transit = self._machine.interrupt.deliver.ns(self._machine.clock_ghz)
        self._occupy(self.communication_cores[sender], _ticks(sent[-1]))
        for receiver, left, done in zip(receivers, sent, handled, strict=True):
            arrives = now + _ticks(left + transit)
            message = Message(self._number, sender, receiver, command, payload, now, arrives)
            handling = now + _ticks(done) - arrives
            self._number += 1
            self.sent[sender] += 1
            self._agenda.at(arrives, lambda message=message, handling=handling: self._deliver(message, handling))
        return now + _ticks(max(handled))

    def _hops(self, sender: str, receiver: str) -> int:
        size = self._machine.topology.cores_per_socket
        return self._machine.topology.distance(*(self.communication_cores[m] // size for m in (sender, receiver)))

    def _deliver(self, message: Message, handling: int) -> None:
        receiver = message.receiver
        if receiver not in self.mailboxes or receiver in self._silent:
            self.dropped[receiver] += 1
            return
        self.mailboxes[receiver].append(message)
        self.delivered[receiver] += 1
        self._occupy(self.communication_cores[receiver], handling)

    def read(self, member: str) -> list[Message]:
        """Take all messages out of a mailbox, oldest first."""
        box = self.mailboxes.get(member, deque())
        messages = list(box)
        box.clear()
        return messages

    def consume(self, member: str, command: str) -> None:
        """Take the oldest message of one command out of a mailbox, if it is there: its handler has dealt with it."""
        box = self.mailboxes.get(member, deque())
        for message in box:
            if message.command == command:
                box.remove(message)
                return

    @property
    def under_way(self) -> int:
        """Messages sent and neither delivered nor dropped."""
        return self.sent.total() - self.delivered.total() - self.dropped.total()

    def __repr__(self) -> str:
        return f"<MessageChannels: {len(self.communication_cores)} members, {self.sent.total()} messages sent>"


def _ticks(ns: float) -> int:
    return round(ns * TICKS_PER_NS)
