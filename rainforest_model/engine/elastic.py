"""Cores that come and go, and programs that begin and end, between two events.

What a supervisor does to the scheduler: it asks again later for what cannot be done at this moment, because a
thread is in the kernel or holds a lock.
"""

from __future__ import annotations

from ..compiled import compiled
from . import interrupts, memory, requests, scheduler
from .arena import (
    ASLEEP,
    BUSY,
    BUSY_SINCE,
    C_DOMAIN,
    C_INDEX,
    CORE,
    CURRENT,
    D_CORES,
    D_SIZE,
    D_TICK,
    DOMAIN,
    GROUP,
    IDLE_HEAD,
    IDLE_TAIL,
    INBOX_COUNT,
    IRQ_UNTIL,
    LAST_CORE,
    LOADED,
    MIN_VRUNTIME,
    NEXT,
    NO_PREEMPT,
    OFF,
    PINNED,
    QUEUE_HEAD,
    QUEUE_SIZE,
    QUEUED,
    READY,
    REMAIN,
    REQUEST,
    RESCHED,
    RING,
    RING_COUNT,
    RING_HEAD,
    RUNNING,
    SLOT,
    SPACE,
    STATE,
    TASK0,
    TASK_WIDTH,
    TASKS,
    TICK_SLOT,
    TIMED_SLEEP,
    VRUNTIME,
)
from .pointer import pointer
from .tree import drop, pending, put


@compiled
def _of_the_core(a, t, c):
    """Whether `t` is a thread of the kernel that serves core `c` alone."""
    return a[t + SPACE] < 0 and a[t + PINNED] and a[t + LAST_CORE] == c


@compiled
def _movable(a, c, now):
    """Whether whatever is on core `c` may leave it now."""
    if a[c + IRQ_UNTIL] > now or a[c + INBOX_COUNT] > 0:
        return False
    t = a[c + CURRENT]
    if t >= 0 and (a[t + STATE] != RUNNING or a[t + NO_PREEMPT] > 0 or _of_the_core(a, t, c)):
        return False
    t = a[c + QUEUE_HEAD]
    while t >= 0:
        if _of_the_core(a, t, c):
            return False
        t = a[t + NEXT]
    return True


@compiled
def release(a, tree, c, nowhere, now):
    """Core `c` leaves its domain, whose other cores take over its tasks; False if that cannot be now."""
    return _release(pointer(a), pointer(tree), c, nowhere, now)


@compiled
def _release(a, tree, c, nowhere, now):
    d = a[c + C_DOMAIN]
    current = a[c + CURRENT]
    last_one = a[d + D_SIZE] == 1
    if not _movable(a, c, now) or (last_one and (current >= 0 or a[c + QUEUED] > 0)):
        return False
    _leave(a, c, d, nowhere)
    if current >= 0:
        remaining = pending(a, tree, a[current + SLOT]) - now
        if a[current + GROUP] >= 0:
            remaining = memory.alone(a, current, remaining)
            memory.stops(a, current)
        scheduler.charge(a, current, now)
        a[current + REMAIN] = remaining
        drop(a, tree, a[current + SLOT])
        a[c + CURRENT] = -1
        a[c + BUSY] += now - a[c + BUSY_SINCE]
        _move(a, tree, current, c, now)
    while a[c + QUEUED] > 0:
        _move(a, tree, scheduler.take(a, c, False), c, now)
    for k in range(a[TASKS]):
        t = TASK0 + k * TASK_WIDTH
        if _of_the_core(a, t, c):
            a[t + DOMAIN] = nowhere
            _stand_still(a, tree, t)
        elif last_one and a[t + DOMAIN] == d:
            _stand_still(a, tree, t)
    if a[d + D_TICK] > 0:
        drop(a, tree, a[TICK_SLOT] + a[c + C_INDEX])
    return True


@compiled
def _leave(a, c, d, nowhere):
    """Take core `c` out of the list of domain `d`."""
    place = 0
    while a[d + D_CORES + place] != c:
        place += 1
    a[d + D_SIZE] -= 1
    for k in range(place, a[d + D_SIZE]):
        a[d + D_CORES + k] = a[d + D_CORES + k + 1]
    a[c + C_DOMAIN] = nowhere
    a[c + LOADED] = -1
    a[c + RESCHED] = 0


@compiled
def _move(a, tree, t, c, now):
    """Task `t`, which was on core `c`, goes to another core of its domain."""
    a[t + STATE] = READY
    to = scheduler.place(a, t)
    a[t + VRUNTIME] += a[to + MIN_VRUNTIME] - a[c + MIN_VRUNTIME]
    scheduler.accept(a, tree, to, t, now)


@compiled
def _stand_still(a, tree, t):
    a[t + STATE] = OFF
    drop(a, tree, a[t + SLOT])


@compiled
def adopt(a, tree, c, d, now):
    """Core `c`, which nobody owns, joins domain `d`: its timer and its kernel threads start, and it looks for work."""
    _adopt(pointer(a), pointer(tree), c, d, now)


@compiled
def _adopt(a, tree, c, d, now):
    a[d + D_CORES + a[d + D_SIZE]] = c
    a[d + D_SIZE] += 1
    a[c + C_DOMAIN] = d
    if a[d + D_TICK] > 0:
        put(a, tree, a[TICK_SLOT] + a[c + C_INDEX], now + a[d + D_TICK])
    for k in range(a[TASKS]):
        t = TASK0 + k * TASK_WIDTH
        if _of_the_core(a, t, c):
            a[t + DOMAIN] = d
            begin(a, tree, t, now)
    t = scheduler.find_work(a, c)
    if t >= 0:
        scheduler.dispatch(a, tree, c, t, now, 0)


@compiled
def begin(a, tree, t, at):
    """Task `t` is there from the tick `at` on."""
    a[t + STATE] = TIMED_SLEEP
    put(a, tree, a[t + SLOT], at)


@compiled
def start(a, tree, t, c, at):
    """Task `t` begins on core `c`."""
    p = pointer(a)
    p[t + CORE] = c
    p[t + LAST_CORE] = c
    begin(p, pointer(tree), t, at)


@compiled
def occupy(a, tree, c, ticks, now):
    """Real-time work of the kernel keeps core `c`."""
    interrupts.steal(pointer(a), pointer(tree), c, now, ticks)


@compiled
def end(a, tree, t, q, has_part, now):
    """Task `t` ends where it is; `q` is the queue that it waits at, if it does."""
    _end(pointer(a), pointer(tree), t, q, has_part, now)


@compiled
def _end(a, tree, t, q, has_part, now):
    c = a[t + CORE]
    state = a[t + STATE]
    if has_part:
        requests.part_lost(a, a[t + REQUEST])
    if state == RUNNING:
        scheduler.block(a, tree, t, now, OFF)
        return
    if state == READY:
        _unqueue(a, c, t)
    elif state == ASLEEP:
        _wait_no_more(a, q, t)
    _stand_still(a, tree, t)


@compiled
def _unlink(a, head, t):
    """Take task `t` out of the chain that begins at ``a[head]``; the one before it, or -1."""
    before = -1
    other = a[head]
    while other != t:
        before = other
        other = a[other + NEXT]
    if before < 0:
        a[head] = a[t + NEXT]
    else:
        a[before + NEXT] = a[t + NEXT]
    a[t + NEXT] = -1
    return before


@compiled
def _unqueue(a, c, t):
    """Take task `t` out of the run queue of `c`."""
    _unlink(a, c + QUEUE_HEAD, t)
    a[c + QUEUED] -= 1


@compiled
def _wait_no_more(a, q, t):
    """Take task `t` out of those who wait at queue `q`."""
    before = _unlink(a, q + IDLE_HEAD, t)
    if a[q + IDLE_TAIL] == t:
        a[q + IDLE_TAIL] = before


@compiled
def lose_waiting(a, q):
    """The parts that wait in queue `q` will never be done."""
    _lose_waiting(pointer(a), q)


@compiled
def _lose_waiting(a, q):
    while a[q + RING_COUNT] > 0:
        requests.part_lost(a, a[a[q + RING] + a[q + RING_HEAD]])
        a[q + RING_HEAD] = (a[q + RING_HEAD] + 1) % a[QUEUE_SIZE]
        a[q + RING_COUNT] -= 1
