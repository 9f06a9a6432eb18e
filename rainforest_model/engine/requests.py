"""Queues of requests: whole ones, known by when they were sent, and ones of which several receivers have parts."""

from __future__ import annotations

from ..compiled import compiled
from ..tables import LAST_TICK
from . import scheduler
from .arena import (
    ANSWERED,
    ARRIVALS,
    ASLEEP,
    CLOSED,
    FREE_REQUEST,
    IDLE_HEAD,
    IDLE_TAIL,
    LOST,
    MISSING,
    NEXT,
    OBJECT_WIDTH,
    QUEUE_SIZE,
    REGS,
    REQUEST,
    RING,
    RING_COUNT,
    RING_HEAD,
    SENT,
    STAMP,
    T0,
)
from .locks import PARKED

NOT_DONE = -1
INCOMPLETE = -2


@compiled
def _give(a, tree, q, field, value, now):
    """Put `value` into a field of the receiver that has waited longest and wake it, else append it to the ring.

    False if there is no room.
    """
    w = a[q + IDLE_HEAD]
    if w >= 0:
        a[q + IDLE_HEAD] = a[w + NEXT]
        a[w + NEXT] = -1
        a[w + field] = value
        scheduler.wake(a, tree, w, now)
        return True
    if a[q + RING_COUNT] == a[QUEUE_SIZE]:
        return False
    a[a[q + RING] + (a[q + RING_HEAD] + a[q + RING_COUNT]) % a[QUEUE_SIZE]] = value
    a[q + RING_COUNT] += 1
    return True


@compiled
def _take(a, tree, q, t, field, now):
    """Put the oldest of the ring into a field of `t`, or let it wait for one."""
    if a[q + RING_COUNT] > 0:
        a[t + field] = a[a[q + RING] + a[q + RING_HEAD]]
        a[q + RING_HEAD] = (a[q + RING_HEAD] + 1) % a[QUEUE_SIZE]
        a[q + RING_COUNT] -= 1
        return 0
    if a[q + IDLE_HEAD] < 0:
        a[q + IDLE_HEAD] = t
    else:
        a[a[q + IDLE_TAIL] + NEXT] = t
    a[q + IDLE_TAIL] = t
    a[t + NEXT] = -1
    scheduler.block(a, tree, t, now, ASLEEP)
    return PARKED


@compiled
def send(a, tree, q, now):
    """Send a request, stamped with the time; whether there was room."""
    return _give(a, tree, q, T0, now, now)


@compiled
def receive(a, tree, q, t, now):
    """Take the oldest request, or wait for one."""
    return _take(a, tree, q, t, T0, now)


@compiled
def next_arrival(a, t, i):
    """The next tick of the schedule of operation `i`, which task `t` waits for."""
    register = a[t + REGS] + a[i + 3]
    place = a[i + 1] + a[register]
    a[register] += 1
    return a[a[ARRIVALS] + place] if place < a[i + 2] else LAST_TICK


@compiled
def scatter(a, tree, q, copies, parts, now):
    """Send so many parts of one request to each copy of a queue; whether there was room."""
    r = a[FREE_REQUEST]
    if r == 0:
        return False
    a[FREE_REQUEST] = a[r + STAMP]
    a[r + STAMP] = now
    a[r + MISSING] = copies * parts
    a[SENT] += 1
    for k in range(copies * parts):
        copy = q + (k // parts) * OBJECT_WIDTH
        if a[copy + CLOSED]:
            part_lost(a, r)
        elif not _give(a, tree, copy, REQUEST, r, now):
            return False
    return True


@compiled
def receive_part(a, tree, q, t, now):
    """Take a part of the oldest request, or wait for one."""
    return _take(a, tree, q, t, REQUEST, now)


@compiled
def part_done(a, t):
    """The part that `t` has received is done: when the request was sent if it was the last, else `NOT_DONE`."""
    r = a[t + REQUEST]
    sent = a[r + STAMP]
    a[r + MISSING] -= 1
    if a[r + MISSING] > 0:
        return NOT_DONE
    _forget(a, r)
    if sent == INCOMPLETE:
        a[LOST] += 1
        return NOT_DONE
    a[ANSWERED] += 1
    return sent


@compiled
def part_lost(a, r):
    """A part of request `r` will never be done, so the request will never be answered."""
    a[r + STAMP] = INCOMPLETE
    a[r + MISSING] -= 1
    if a[r + MISSING] == 0:
        _forget(a, r)
        a[LOST] += 1


@compiled
def _forget(a, r):
    """Request `r` is over: its place is free."""
    a[r + STAMP] = a[FREE_REQUEST]
    a[FREE_REQUEST] = r
