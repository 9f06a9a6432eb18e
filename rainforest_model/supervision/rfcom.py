"""RFcom: channels of packets between two instances, and memory that both map (`rf_open` to `rf_unmap`).

A channel is a ring of finite size for each direction in shared memory.  A packet takes the writer's core, then the
ring; FICM tells a reader that found its ring empty, and one that did not polls (RainForest, arXiv 1604.01378,
section 5.4).  Shared memory has no synchronisation: what is stored last is what is loaded.

The work of the callers keeps the communication cores of their instances, as a call has no thread of its own here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING

from ..descriptions import load
from ..descriptions.channel import Channel
from ..errors import InputError
from ..units import TICKS_PER_NS
from .guard import SUPERVISOR, PageTableUpdate
from .ownership import BLOCK_BYTES

if TYPE_CHECKING:
    from .machine import ElasticMachine


@dataclass(eq=False)
class Packet:
    """A packet and what has become of it.

    Attributes
    ----------
    sender, reader : str
    payload : bytes
    written_at : int
        Tick of the call.
    arrives_at : int or None
        Tick from which it can be read; None as long as it waits for room in the ring.
    read_at : int or None
    lost : bool
        Whether its channel ended before it came into the ring.
    """

    sender: str
    reader: str
    payload: bytes
    written_at: int
    arrives_at: int | None = None
    read_at: int | None = None
    lost: bool = False

    @property
    def waiting(self) -> bool:
        """Whether its writer is blocked: it has no place in the ring yet."""
        return self.arrives_at is None and not self.lost


@dataclass(eq=False)
class _Lane:
    """One direction of a connection."""

    ring: deque[Packet] = field(default_factory=deque)
    blocked: deque[Packet] = field(default_factory=deque)
    free_at: int = 0


class Connection:
    """A channel that two instances have opened.

    Attributes
    ----------
    number : int
    ends : tuple of two str
    slots : int
        Packets that the ring of each direction holds.
    closed : str
        Why nothing can be written any more; empty while it is open.
    """

    def __init__(self, number: int, ends: tuple[str, str], slots: int, ready_at: int):
        self.number, self.ends, self.slots, self.closed = number, ends, slots, ""
        self._lanes = {end: _Lane(free_at=ready_at) for end in ends}

    def peer(self, end: str) -> str:
        """The other end.

        Raises
        ------
        InputError
            If this is no end of it.
        """
        if end not in self.ends:
            raise InputError(f"has no part in connection {self.number} of {' and '.join(self.ends)}", key="end",
                             value=end)
        return self.ends[self.ends[0] == end]

    def room(self, end: str) -> int:
        """Packets that `end` can write before it is blocked."""
        self.peer(end)
        return self.slots - len(self._lanes[end].ring)

    def unread(self, end: str) -> int:
        """Packets in the ring towards `end`, whether they have arrived or not."""
        return len(self._lanes[self.peer(end)].ring)

    def __repr__(self) -> str:
        return f"<Connection {self.number} of {' and '.join(self.ends)}: {self.closed or 'open'}>"


class Zone:
    """Memory of one instance that another one maps too.

    Attributes
    ----------
    owner, user : str
    memory : range
        Its memory blocks.
    mapped : set of str
        Who has it in its address map.
    """

    def __init__(self, owner: str, user: str, memory: range):
        self.owner, self.user, self.memory = owner, user, memory
        self.mapped = {owner, user}
        self._stored: dict[int, int] = {}

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.memory) * BLOCK_BYTES

    def store(self, by: str, offset: int, data: bytes) -> None:
        """Write bytes; whoever else writes there too is not asked.

        Raises
        ------
        InputError
            If `by` does not map it, or the bytes lie outside.
        """
        self._check(by, offset, len(data))
        self._stored.update(enumerate(data, start=offset))

    def load(self, by: str, offset: int, size: int) -> bytes:
        """Read bytes as they are now; memory that nobody has stored to holds zeros.

        Raises
        ------
        InputError
            As `store`.
        """
        self._check(by, offset, size)
        return bytes(self._stored.get(place, 0) for place in range(offset, offset + size))

    def _check(self, by: str, offset: int, size: int) -> None:
        if by not in self.mapped:
            raise InputError("does not map this memory: page fault", key="by", value=by)
        if not 0 <= offset <= offset + size <= self.size:
            raise InputError(f"{size} bytes from there are not all in its {self.size}", key="offset", value=offset)

    def __repr__(self) -> str:
        return f"<Zone of {self.owner} for {self.user}: {len(self.memory)} blocks, mapped by {len(self.mapped)}>"


class RfCom:
    """The six calls, on a live machine, usable between two steps.

    Parameters
    ----------
    machine : ElasticMachine
    channel : Channel, optional
        What a packet costs, and how many a ring holds; the shipped ``rfcom`` by default.

    Attributes
    ----------
    connections : dict of int to Connection
        The open ones.
    zones : list of Zone
        Those that somebody maps.
    """

    def __init__(self, machine: ElasticMachine, channel: Channel | None = None):
        self._machine, self._described = machine, channel
        self.connections: dict[int, Connection] = {}
        self.zones: list[Zone] = []
        self._opened = 0
        machine.supervisor.watchers.append(self._revise)

    @property
    def channel(self) -> Channel:
        """What a packet costs; read when it is first needed."""
        if self._described is None:
            self._described = load.channel("rfcom")
        return self._described

    # --- packets ------------------------------------------------------------------------------------------------

    def rf_open(self, opener: str, peer: str) -> Connection:
        """Open a channel to another instance, which FICM tells of it; what is written before it knows waits.

        Raises
        ------
        InputError
            If one of them is unknown or not alive, or they are the same.
        """
        self._two(opener, peer, "peer")
        ready = self._machine.ficm.unicast(opener, peer, "rf_open")
        self._told(peer, "rf_open", ready)
        self._opened += 1
        slots = round(self.channel.ring.packets.plain())
        connection = Connection(self._opened, (opener, peer), slots, ready)
        self.connections[connection.number] = connection
        return connection

    def rf_write(self, connection: Connection, writer: str, payload: bytes) -> Packet:
        """Write a packet; where the ring is full its writer is blocked until the peer has read one.

        Who does not want to be asks `Connection.room` before.

        Returns
        -------
        Packet
            Whose state tells whether it is waiting, has arrived, was read, or was lost.

        Raises
        ------
        InputError
            If the channel is closed, the packet too long, or the writer no end of it, dead, or blocked already.
        """
        reader = connection.peer(writer)
        if connection.closed:
            raise InputError(f"is closed: {connection.closed}", key="connection", value=connection.number)
        self._alive(writer, "writer")
        longest = round(self.channel.speaks().payload.plain())
        if len(payload) > longest:
            raise InputError(f"{len(payload)} bytes; a packet has room for {longest}", key="payload")
        lane = connection._lanes[writer]
        if lane.blocked:
            raise InputError("is blocked already: the ring is full, and its last packet waits", key="writer",
                             value=writer)
        packet = Packet(writer, reader, bytes(payload), self._machine.now)
        if connection.room(writer):
            self._enter(connection, packet)
        else:
            lane.blocked.append(packet)
        return packet

    def rf_read(self, connection: Connection, reader: str) -> bytes | None:
        """The oldest packet that has arrived, taken out of the ring; None if there is none.

        What had come into the ring before the channel was closed can still be read.

        Raises
        ------
        InputError
            If the channel is closed and empty, or the reader no end of it or dead.
        """
        writer = connection.peer(reader)
        self._alive(reader, "reader")
        lane, now = connection._lanes[writer], self._machine.now
        if not lane.ring and connection.closed:
            raise InputError(f"is closed: {connection.closed}", key="connection", value=connection.number)
        if not lane.ring or lane.ring[0].arrives_at > now:
            return None
        packet = lane.ring.popleft()
        packet.read_at = now
        self._occupy(reader, self._work(packet, "receiver"))
        if lane.blocked and self._machine.instances[writer].alive:
            self._enter(connection, lane.blocked.popleft())
        return packet.payload

    def rf_close(self, connection: Connection, by: str) -> None:
        """Close both directions; packets of blocked writers are lost.

        Raises
        ------
        InputError
            If it is closed already, or `by` is no end of it or dead.
        """
        peer = connection.peer(by)
        self._alive(by, "by")
        if connection.closed:
            raise InputError(f"is closed: {connection.closed}", key="connection", value=connection.number)
        self._end(connection, f"by {by}")
        self._notify(by, peer, "rf_close")

    def _enter(self, connection: Connection, packet: Packet) -> None:
        """A packet comes into the ring, behind what its writer is at."""
        lane, now = connection._lanes[packet.sender], self._machine.now
        work = self._work(packet, "sender")
        written = max(now, lane.free_at) + work
        lane.free_at = written
        self._occupy(packet.sender, work)
        packet.arrives_at = written + _ticks(self.channel.wire_ns(len(packet.payload)))
        idle = not lane.ring
        lane.ring.append(packet)
        if idle:  # a reader with something in its ring polls
            heard = self._notify(packet.sender, packet.reader, "rf_write")
            packet.arrives_at = max(packet.arrives_at, heard + written - now)
        elif len(lane.ring) > 1:
            before = next(islice(reversed(lane.ring), 1, None))
            packet.arrives_at = max(packet.arrives_at, before.arrives_at)

    def _work(self, packet: Packet, party: str) -> int:
        return _ticks(self.channel.core_ns(len(packet.payload))[party])

    def _end(self, connection: Connection, reason: str) -> None:
        connection.closed = reason
        self.connections.pop(connection.number, None)
        for lane in connection._lanes.values():
            for packet in lane.blocked:
                packet.lost = True
            lane.blocked.clear()

    # --- memory -------------------------------------------------------------------------------------------------

    def rf_map(self, owner: str, user: str, blocks: int = 1) -> Zone:
        """Let another instance map the first memory blocks of one that are not shared yet; the supervisor registers it.

        Parameters
        ----------
        owner, user : str
        blocks : int
            Of `rainforest_model.supervision.ownership.BLOCK_BYTES`, in one piece.

        Raises
        ------
        InputError
            If one of them is unknown or not alive, the owner has no such piece, the supervisor is down, or Security
            Guard refuses.
        """
        self._two(owner, user, "user")
        if isinstance(blocks, bool) or not isinstance(blocks, Integral) or blocks < 1:
            raise InputError("a whole number of 1 or more is needed", key="blocks", value=blocks)
        if not self._machine.supervisor.up:
            raise InputError("the supervisor, which registers it, is down", key="owner", value=owner)
        zone = Zone(owner, user, self._piece(owner, int(blocks)))
        guard = self._machine.guard
        if guard is not None:
            answers = [guard.share(SUPERVISOR, (zone.memory,), user)]
            answers += [guard.attempt(end, PageTableUpdate(b)) for end in (owner, user) for b in zone.memory]
            refused = next((answer for answer in answers if not answer), None)
            if refused is not None:
                guard.unshare(SUPERVISOR, (zone.memory,), user)
                raise InputError(f"Security Guard: {refused.reason}", key="user", value=user)
        self.zones.append(zone)
        self._notify(owner, user, "rf_map")
        return zone

    def rf_unmap(self, zone: Zone, by: str) -> None:
        """Take memory out of one's address map; its user may not map it again then.

        Raises
        ------
        InputError
            If `by` does not map it.
        """
        if by not in zone.mapped:
            raise InputError("does not map this memory", key="by", value=by)
        if by == zone.owner:
            self._revoke(zone)
        else:
            self._let_go(zone)
            zone.mapped.discard(by)
        if not {zone.user} & zone.mapped:
            self.zones = [other for other in self.zones if other is not zone]

    def _revoke(self, zone: Zone) -> None:
        """Nobody maps it any more as shared."""
        self._let_go(zone)
        zone.mapped.clear()
        self.zones = [other for other in self.zones if other is not zone]

    def _let_go(self, zone: Zone) -> None:
        guard = self._machine.guard
        if guard is not None and zone.user in zone.mapped and zone.user in guard.descriptions:
            guard.unshare(SUPERVISOR, (zone.memory,), zone.user)

    def _piece(self, owner: str, blocks: int) -> range:
        # The first ones, as memory that an instance gives up are its last.
        taken = {block for zone in self.zones if zone.owner == owner for block in zone.memory}
        for extent in self._machine.ledger.extents(owner):
            start = extent.start
            while start + blocks <= extent.stop:
                busy = next((b for b in range(start + blocks - 1, start - 1, -1) if b in taken), None)
                if busy is None:
                    return range(start, start + blocks)
                start = busy + 1
        raise InputError(f"{owner} has no {blocks} blocks in one piece that are not shared", key="blocks", value=blocks)

    # --- who comes and goes ---------------------------------------------------------------------------------------

    def _revise(self) -> None:
        """Resources have changed hands: end what was with an instance that is gone, or on memory that moved on."""
        instances, ledger = self._machine.instances, self._machine.ledger
        for connection in list(self.connections.values()):
            gone = [end for end in connection.ends if end not in instances or end not in self._machine.ficm.mailboxes]
            if gone:
                self._end(connection, f"{gone[0]} is gone")
        for zone in list(self.zones):
            owned = any(zone.memory[0] in e and zone.memory[-1] in e for e in ledger.extents(zone.owner))
            if not owned or zone.user not in self._machine.ficm.mailboxes:
                self._revoke(zone)

    def _two(self, one: str, other: str, key: str) -> None:
        self._alive(one, "owner" if key == "user" else "opener")
        self._alive(other, key)
        if one == other:
            raise InputError("two different instances are needed", key=key, value=other)

    def _alive(self, name: str, key: str) -> None:
        instances = self._machine.instances
        if name not in instances:
            raise InputError(f"no such instance; known: {', '.join(instances)}", key=key, value=name)
        if not instances[name].alive:
            raise InputError(f"is {instances[name].state.value}", key=key, value=name)

    def _occupy(self, name: str, ticks: int) -> None:
        self._machine.engine.occupy(self._machine.ficm.communication_cores[name], ticks)

    def _notify(self, sender: str, receiver: str, command: str) -> int:
        """Tell an end by FICM; the tick at which it knows, or would if its kernel lived."""
        if receiver not in self._machine.ficm.communication_cores:
            return self._machine.now
        known = self._machine.ficm.unicast(sender, receiver, command)
        self._told(receiver, command, known)
        return known

    def _told(self, receiver: str, command: str, tick: int) -> None:
        """The reading thread consumes a notification itself: it is no message for the instance."""
        self._machine.agenda.at(tick, lambda: self._machine.ficm.consume(receiver, command))

    def __repr__(self) -> str:
        return f"<RFcom: {len(self.connections)} connections, {len(self.zones)} zones>"


def _ticks(ns: float) -> int:
    return round(ns * TICKS_PER_NS)
