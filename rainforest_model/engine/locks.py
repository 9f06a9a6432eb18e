"""Locks: spinning ones that hand over a cache line, and sleeping ones that cost wake-ups.

Every function returns the ticks which the calling task needs, or `PARKED` if it waits.
"""

from __future__ import annotations

from ..compiled import compiled
from ..draws import GOLDEN, below, mix
from .arena import (
    ASLEEP,
    BUSY_UNTIL,
    C_DOMAIN,
    CORE,
    CURRENT,
    D_WAKEUP,
    HEAD,
    IRQ_UNTIL,
    L_STREAM,
    LAST,
    NEXT,
    OP_WIDTH,
    OWNER,
    PC,
    READ_OCC,
    READERS,
    RETRY,
    ROLE,
    RUNNING,
    SLEEP_HEAD,
    SLEEP_TAIL,
    SLEEPERS,
    SLOT,
    SPINNING,
    STATE,
    TAIL,
    WAITERS,
)
from .coherence import ATOMIC, BUSY, LOAD, STORE, transfer
from .scheduler import block, wake
from .tree import drop, put

PARKED = -1
READER, WRITER = 0, 1


@compiled
def _line(a, o, c, now):
    """Ticks of an atomic operation on the lock's own line."""
    last = a[o + LAST]
    if last == c or last < 0:
        a[o + LAST] = c
        return transfer(a, c, c, ATOMIC)
    start = max(now, a[o + BUSY_UNTIL])
    a[o + BUSY_UNTIL] = start + transfer(a, last, c, BUSY)
    a[o + LAST] = c
    return start - now + transfer(a, last, c, ATOMIC)


@compiled
def _spin(a, tree, o, t):
    """Queue `t` among the spinners of `o`."""
    if a[o + HEAD] < 0:
        a[o + HEAD] = t
    else:
        a[a[o + TAIL] + NEXT] = t
    a[o + TAIL] = t
    a[t + NEXT] = -1
    a[o + WAITERS] += 1
    a[t + STATE] = SPINNING
    drop(a, tree, a[t + SLOT])
    return PARKED


@compiled
def _hand_over(a, tree, o, c, now, delay):
    """Give `o` to the first spinner.

    The releasing store takes the line from the spinner that watches it, and the spinner fetches it again.
    """
    w = a[o + HEAD]
    a[o + HEAD] = a[w + NEXT]
    a[w + NEXT] = -1
    a[o + WAITERS] -= 1
    home = a[w + CORE]
    a[o + OWNER] = w
    a[o + LAST] = home
    a[w + STATE] = RUNNING
    delay += transfer(a, home, c, STORE) + transfer(a, c, home, LOAD)
    put(a, tree, a[w + SLOT], max(now, a[home + IRQ_UNTIL]) + delay)


@compiled
def spin_lock(a, tree, o, t, now):
    """Take a ticket or queue lock, or join its spinners (first come, first served)."""
    if a[o + OWNER] < 0:
        a[o + OWNER] = t
        return _line(a, o, a[t + CORE], now)
    return _spin(a, tree, o, t)


@compiled
def queue_unlock(a, tree, o, t, now):
    """Release an MCS or queued spin lock: one transfer, whatever the queue."""
    c = a[t + CORE]
    if a[o + WAITERS] == 0:
        a[o + OWNER] = -1
    else:
        _hand_over(a, tree, o, c, now, 0)
    return transfer(a, c, c, STORE)


@compiled
def ticket_unlock(a, tree, o, t, now):
    """Release a ticket lock: all k spinners fetch the line again, and the next one is any of the k in turn."""
    c = a[t + CORE]
    k = a[o + WAITERS]
    if k == 0:
        a[o + OWNER] = -1
    else:
        turn = 0
        if k > 1:
            a[o + L_STREAM] += GOLDEN
            turn = below(mix(a[o + L_STREAM]), k)
        _hand_over(a, tree, o, c, now, turn * a[READ_OCC])
    return transfer(a, c, c, STORE)


@compiled
def _on_core(a, t):
    return a[a[t + CORE] + CURRENT] == t


@compiled
def _sleep(a, tree, o, t, now, front):
    """Queue `t` among the sleepers of `o` and leave the core."""
    if a[o + SLEEP_HEAD] < 0:
        a[o + SLEEP_HEAD] = t
        a[o + SLEEP_TAIL] = t
        a[t + NEXT] = -1
    elif front:
        a[t + NEXT] = a[o + SLEEP_HEAD]
        a[o + SLEEP_HEAD] = t
    else:
        a[a[o + SLEEP_TAIL] + NEXT] = t
        a[o + SLEEP_TAIL] = t
        a[t + NEXT] = -1
    a[o + SLEEPERS] += 1
    block(a, tree, t, now, ASLEEP)
    return PARKED


@compiled
def _first_sleeper(a, o):
    w = a[o + SLEEP_HEAD]
    a[o + SLEEP_HEAD] = a[w + NEXT]
    a[w + NEXT] = -1
    a[o + SLEEPERS] -= 1
    return w


@compiled
def mutex_lock(a, tree, o, t, now, optimistic):
    """Take a mutex; else spin while its owner runs (if `optimistic`), else sleep and try again when woken."""
    if a[o + OWNER] < 0:
        a[o + OWNER] = t
        a[t + RETRY] = 0
        return _line(a, o, a[t + CORE], now)
    if optimistic and _on_core(a, a[o + OWNER]):
        a[t + RETRY] = 0
        return _spin(a, tree, o, t)
    # The woken task executes this operation once more.
    a[t + PC] -= OP_WIDTH
    return _sleep(a, tree, o, t, now, a[t + RETRY] > 0)


@compiled
def mutex_unlock(a, tree, o, t, now):
    """Release a mutex: to a spinner by its line, else free, with the first sleeper woken to try."""
    c = a[t + CORE]
    cost = transfer(a, c, c, STORE)
    if a[o + WAITERS] > 0:
        _hand_over(a, tree, o, c, now, 0)
        return cost
    a[o + OWNER] = -1
    if a[o + SLEEPERS] > 0:
        w = _first_sleeper(a, o)
        a[w + RETRY] = 1
        wake(a, tree, w, now)
        cost += a[a[c + C_DOMAIN] + D_WAKEUP]
    return cost


@compiled
def write_lock(a, tree, o, t, now, optimistic):
    """Take a reader-writer lock alone; an optimistic writer passes sleepers and spins while a writer runs."""
    if a[o + OWNER] < 0 and a[o + READERS] == 0 and (optimistic or a[o + SLEEPERS] == 0):
        a[o + OWNER] = t
        return _line(a, o, a[t + CORE], now)
    if optimistic and a[o + OWNER] >= 0 and _on_core(a, a[o + OWNER]):
        return _spin(a, tree, o, t)
    a[t + ROLE] = WRITER
    return _sleep(a, tree, o, t, now, False)


@compiled
def read_lock(a, tree, o, t, now):
    """Join the readers, unless a writer has the lock or somebody sleeps for it."""
    if a[o + OWNER] < 0 and a[o + SLEEPERS] == 0:
        a[o + READERS] += 1
        return _line(a, o, a[t + CORE], now)
    a[t + ROLE] = READER
    return _sleep(a, tree, o, t, now, False)


@compiled
def rw_unlock(a, tree, o, t, now):
    """Release a reader-writer lock: to a spinner, else to the first sleeper and all readers right behind it."""
    c = a[t + CORE]
    cost = _line(a, o, c, now)
    if a[o + OWNER] == t:
        a[o + OWNER] = -1
    else:
        a[o + READERS] -= 1
        if a[o + READERS] > 0:
            return cost
    if a[o + WAITERS] > 0:
        _hand_over(a, tree, o, c, now, 0)
        return cost
    while a[o + SLEEPERS] > 0:
        writer = a[a[o + SLEEP_HEAD] + ROLE] == WRITER
        if writer and a[o + READERS] > 0:
            return cost
        w = _first_sleeper(a, o)
        if writer:
            a[o + OWNER] = w
        else:
            a[o + READERS] += 1
        wake(a, tree, w, now)
        cost += a[a[c + C_DOMAIN] + D_WAKEUP]
        if writer:
            return cost
    return cost
