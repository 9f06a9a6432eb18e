"""What one thread alone takes, added up by hand: the sums that the engine is held against."""

from __future__ import annotations

from typing import NamedTuple

from . import opcodes as op
from . import tables as tb


class Alone(NamedTuple):
    """A thread that meets nobody, walked through by hand: its latencies, and when each one ended (ticks)."""

    latencies: list[int]
    ends: list[int]


def walk_alone(tables: tb.Tables, measures: int) -> Alone:
    """Add up the operations of the first thread, one after the other, as if nobody else existed.

    Every lock is free, every line its own, every reference and count local until its batch is full; so no time
    is anything but a sum.  This is not the engine's code, and knows no events.

    Parameters
    ----------
    tables : Tables
        Without random durations.
    measures : int
        So many latencies.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import system
    >>> from rainforest_model.lowering import lower
    >>> from rainforest_model.simulation import scenario
    >>> from rainforest_model.validation.limits import quiet
    >>> alone = walk_alone(lower(scenario("S-A", quiet(system("linux-2.6.32")), "mmap", cores=1)), 2)
    >>> len(alone.latencies), alone.latencies[0] <= alone.ends[0] < alone.ends[1]
    (2, True)
    """
    load_, store, atomic, _ = tables.latency[tb.OWN].tolist()
    price = {
        **dict.fromkeys((op.TICKET_LOCK, op.QUEUE_LOCK, op.MUTEX_LOCK, op.READ_LOCK, op.WRITE_LOCK), atomic),
        **dict.fromkeys((op.READ_UNLOCK, op.WRITE_UNLOCK, op.LINE_ATOMIC), atomic),
        **dict.fromkeys((op.TICKET_UNLOCK, op.QUEUE_UNLOCK, op.MUTEX_UNLOCK, op.LINE_WRITE, op.SEQ_WRITE), store),
        **dict.fromkeys((op.LINE_READ, op.SEQ_BEGIN, op.SEQ_RETRY), load_),
        **dict.fromkeys((op.MEASURE_BEGIN, op.MEASURE_END, op.JUMP, op.SET, op.LOOP, op.EVERY, op.FLUSH_TEST), 0),
    }
    registers, cells = [0] * tables.registers, [0] * len(tables.symbols)
    ops, at, now, began, latencies, ends = tables.ops.tolist(), tables.tasks[0].start, 0, 0, [], []
    while len(latencies) < measures:
        code, x, y, z, w, target, *_ = ops[at]
        at += 1
        if code in (op.COMPUTE, op.ENTER_KERNEL, op.LEAVE_KERNEL):
            now += x
        elif code == op.COUNT or code == op.SPARE:
            # Operands: symbol, amount, batch, ticks when local, where to go on when local.
            cells[x] += y if code == op.COUNT else -y
            full = abs(cells[x]) >= z if code == op.COUNT else cells[x] > z or cells[x] < 0
            if full:
                cells[x] = 0
            else:
                now, at = now + w, target
        else:
            now += price[code]
        if code == op.JUMP or code == op.FLUSH_TEST:
            at = x
        elif code == op.SET:
            registers[x] = y
        elif code == op.LOOP:
            registers[x] -= 1
            at = y if registers[x] > 0 else at
        elif code == op.EVERY:
            registers[x] = (registers[x] + 1) % y
            at = z if registers[x] else at
        elif code == op.MEASURE_BEGIN:
            began = now
        elif code == op.MEASURE_END:
            latencies.append(now - began)
            ends.append(now)
    return Alone(latencies, ends)
