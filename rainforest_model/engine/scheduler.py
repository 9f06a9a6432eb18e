"""Run queues: placing a woken task, picking the next, time slices; after Linux's CFS."""

from __future__ import annotations

from ..compiled import compiled
from ..tables import FULL_SPEED
from . import memory
from .arena import (
    ACTING,
    BUSY,
    BUSY_SINCE,
    C_DOMAIN,
    C_SOCKET,
    CORE,
    CURRENT,
    D_CORES,
    D_IDLE_WAKEUP,
    D_LATENCY,
    D_MIGRATION,
    D_ROAMING,
    D_SIZE,
    D_SWITCH,
    D_WAKE_GRAN,
    DOMAIN,
    GROUP,
    IRQ_UNTIL,
    LAST_CORE,
    LOADED,
    MIN_VRUNTIME,
    NEXT,
    NO_PREEMPT,
    PICKED,
    PINNED,
    QUEUE_HEAD,
    QUEUED,
    READY,
    REMAIN,
    RESCHED,
    RUNNING,
    SINCE,
    SLOT,
    SLOWDOWN,
    SPACE,
    STATE,
    VRUNTIME,
)
from .tree import drop, pending, put


@compiled
def enqueue(a, c, t):
    """Put a ready task into the run queue of core `c`."""
    a[t + STATE] = READY
    a[t + CORE] = c
    a[t + NEXT] = a[c + QUEUE_HEAD]
    a[c + QUEUE_HEAD] = t
    a[c + QUEUED] += 1


@compiled
def take(a, c, movable_only):
    """Remove and return the queued task of least virtual run time (ties: lowest number); -1 if none."""
    best, before_best, before = -1, -1, -1
    t = a[c + QUEUE_HEAD]
    while t >= 0:
        if not (movable_only and a[t + PINNED]):
            if (
                best < 0
                or a[t + VRUNTIME] < a[best + VRUNTIME]
                or (a[t + VRUNTIME] == a[best + VRUNTIME] and t < best)
            ):
                best, before_best = t, before
        before = t
        t = a[t + NEXT]
    if best >= 0:
        if before_best < 0:
            a[c + QUEUE_HEAD] = a[best + NEXT]
        else:
            a[before_best + NEXT] = a[best + NEXT]
        a[best + NEXT] = -1
        a[c + QUEUED] -= 1
    return best


@compiled
def dispatch(a, tree, c, t, now, extra):
    """Let task `t` run on core `c`, `extra` ticks and a context switch from now."""
    d = a[c + C_DOMAIN]
    start = max(now, a[c + IRQ_UNTIL])
    delay = extra + a[d + D_SWITCH] + a[t + REMAIN]
    if a[t + LAST_CORE] != c:
        delay += a[d + D_MIGRATION]
    if a[c + CURRENT] < 0:
        a[c + BUSY_SINCE] = now
    a[c + CURRENT] = t
    a[c + RESCHED] = 0
    if a[t + SPACE] >= 0:
        a[c + LOADED] = a[t + SPACE]
    a[c + MIN_VRUNTIME] = max(a[c + MIN_VRUNTIME], a[t + VRUNTIME])
    a[t + STATE] = RUNNING
    a[t + CORE] = c
    a[t + LAST_CORE] = c
    a[t + REMAIN] = 0
    if a[t + GROUP] >= 0:
        a[t + SLOWDOWN] = FULL_SPEED
        memory.starts(a, t)
    a[t + SINCE] = now
    a[t + PICKED] = now
    put(a, tree, a[t + SLOT], start + delay)


@compiled
def _has_movable(a, c):
    """Whether a task that may move waits in the run queue of `c`."""
    t = a[c + QUEUE_HEAD]
    while t >= 0:
        if not a[t + PINNED]:
            return True
        t = a[t + NEXT]
    return False


@compiled
def find_work(a, c):
    """Take the next task for core `c` from its queue, else from the longest of its domain; -1 if there is none."""
    t = take(a, c, False) if a[c + QUEUED] else -1
    d = a[c + C_DOMAIN]
    if t < 0 and a[d + D_ROAMING]:
        busiest, most = -1, 0
        for i in range(a[d + D_SIZE]):
            other = a[d + D_CORES + i]
            if a[other + QUEUED] > most and _has_movable(a, other):
                busiest, most = other, a[other + QUEUED]
        if busiest >= 0:
            t = take(a, busiest, True)
            a[t + VRUNTIME] += a[c + MIN_VRUNTIME] - a[busiest + MIN_VRUNTIME]
    return t


@compiled
def pick_next(a, tree, c, now):
    """Core `c` has lost its task: run another, else go idle."""
    t = find_work(a, c)
    if t >= 0:
        dispatch(a, tree, c, t, now, 0)
    else:
        a[c + CURRENT] = -1
        a[c + RESCHED] = 0
        a[c + BUSY] += now - a[c + BUSY_SINCE]


@compiled
def charge(a, t, now):
    """Add what `t` has run since the last look to its virtual run time."""
    a[t + VRUNTIME] += now - a[t + SINCE]
    a[t + SINCE] = now


@compiled
def block(a, tree, t, now, state):
    """Task `t` leaves its core to wait in `state`; the core goes on with another."""
    charge(a, t, now)
    a[t + STATE] = state
    drop(a, tree, a[t + SLOT])
    if a[t + GROUP] >= 0:
        memory.stops(a, t)
    pick_next(a, tree, a[t + CORE], now)


@compiled
def preempt(a, tree, c, now, remaining):
    """Put the running task of `c` back into the queue; alone, its operation would take `remaining` ticks more."""
    t = a[c + CURRENT]
    charge(a, t, now)
    a[t + REMAIN] = remaining
    drop(a, tree, a[t + SLOT])
    if a[t + GROUP] >= 0:
        memory.stops(a, t)
    enqueue(a, c, t)
    pick_next(a, tree, c, now)


@compiled
def want_switch(a, tree, c, now):
    """Preempt the running task of `c` now if it may be, else as soon as it may."""
    t = a[c + CURRENT]
    if t == a[ACTING] or a[t + NO_PREEMPT] > 0:
        a[c + RESCHED] = 1
    else:
        remaining = pending(a, tree, a[t + SLOT]) - max(now, a[c + IRQ_UNTIL])
        if a[t + GROUP] >= 0:
            remaining = memory.alone(a, t, remaining)
        preempt(a, tree, c, now, remaining)


@compiled
def place(a, t):
    """The core for a woken task: its last one if idle, else an idle one (near first), else its last one.

    If its domain has lost that one, the core with the shortest queue takes its place.
    """
    last = a[t + LAST_CORE]
    d = a[t + DOMAIN]
    ours = a[last + C_DOMAIN] == d
    if ours and (a[t + PINNED] or a[last + CURRENT] < 0):
        return last
    far, shortest = -1, a[d + D_CORES]
    for i in range(a[d + D_SIZE]):
        c = a[d + D_CORES + i]
        if a[c + CURRENT] < 0:
            if a[c + C_SOCKET] == a[last + C_SOCKET]:
                return c
            if far < 0:
                far = c
        if a[c + QUEUED] < a[shortest + QUEUED]:
            shortest = c
    if far >= 0:
        return far
    return last if ours else shortest


@compiled
def wake(a, tree, t, now):
    """Make a waiting task ready: on an idle core at once, else in a queue, perhaps ahead of who runs there."""
    c = place(a, t)
    d = a[c + C_DOMAIN]
    last = a[t + LAST_CORE]
    if c != last:
        a[t + VRUNTIME] += a[c + MIN_VRUNTIME] - a[last + MIN_VRUNTIME]
    # A sleeper gets credit for at most half a latency period (GENTLE_FAIR_SLEEPERS).
    a[t + VRUNTIME] = max(a[t + VRUNTIME], a[c + MIN_VRUNTIME] - a[d + D_LATENCY] // 2)
    accept(a, tree, c, t, now)


@compiled
def accept(a, tree, c, t, now):
    """Core `c` takes a ready task: runs it at once if idle, else queues it, perhaps ahead of who runs there."""
    d = a[c + C_DOMAIN]
    current = a[c + CURRENT]
    if current < 0:
        dispatch(a, tree, c, t, now, a[d + D_IDLE_WAKEUP])
        return
    enqueue(a, c, t)
    if a[current + VRUNTIME] + now - a[current + SINCE] - a[t + VRUNTIME] > a[d + D_WAKE_GRAN]:
        want_switch(a, tree, c, now)
