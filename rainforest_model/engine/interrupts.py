"""Interrupts: inter-processor ones that must be answered, and timer ticks; both steal time from who runs."""

from __future__ import annotations

from ..compiled import compiled
from .arena import (
    ACK_TIME,
    ACKS,
    ACTING,
    AFTER_ANSWER,
    ANSWER_GAP,
    C_DOMAIN,
    C_INDEX,
    CORE,
    CURRENT,
    D_LATENCY,
    D_MIN_GRAN,
    D_TICK,
    D_TICK_COST,
    DEFERRED,
    HANDLER,
    INBOX,
    INBOX_COUNT,
    INBOX_SLOT,
    IRQ_OFF,
    IRQ_UNTIL,
    LOADED,
    PICKED,
    QUEUED,
    RUNNING,
    SLOT,
    STATE,
    TICK_PENDING,
    TICK_SLOT,
)
from .coherence import LOAD, transfer
from .scheduler import want_switch
from .tree import drop, pending, put


@compiled
def steal(a, tree, c, now, ticks):
    """Keep core `c` for an interrupt handler; what runs there ends that much later."""
    a[c + IRQ_UNTIL] = max(now, a[c + IRQ_UNTIL]) + ticks
    t = a[c + CURRENT]
    if t >= 0 and t != a[ACTING] and a[t + STATE] == RUNNING:
        put(a, tree, a[t + SLOT], pending(a, tree, a[t + SLOT]) + ticks)


@compiled
def interrupt(a, tree, c, sender, arrival):
    """An interrupt from task `sender` will arrive at core `c`."""
    entry = a[c + INBOX] + 2 * a[c + INBOX_COUNT]
    a[entry] = arrival
    a[entry + 1] = sender
    a[c + INBOX_COUNT] += 1
    if not a[c + DEFERRED]:
        slot = a[INBOX_SLOT] + a[c + C_INDEX]
        if arrival < pending(a, tree, slot):
            put(a, tree, slot, arrival)


@compiled
def _earliest(a, c):
    """Index of the earliest inbox entry (ties: lowest sender); -1 if the inbox is empty."""
    best = -1
    for i in range(a[c + INBOX_COUNT]):
        entry = a[c + INBOX] + 2 * i
        if best < 0:
            best = i
        else:
            other = a[c + INBOX] + 2 * best
            if a[entry] < a[other] or (a[entry] == a[other] and a[entry + 1] < a[other + 1]):
                best = i
    return best


@compiled
def _handle(a, tree, c, i, now):
    """Run the handler of inbox entry `i` and answer its sender."""
    entry = a[c + INBOX] + 2 * i
    sender = a[entry + 1]
    last = a[c + INBOX] + 2 * (a[c + INBOX_COUNT] - 1)
    a[entry], a[entry + 1] = a[last], a[last + 1]
    a[c + INBOX_COUNT] -= 1
    steal(a, tree, c, now, a[sender + HANDLER] + a[sender + AFTER_ANSWER])
    if a[c + CURRENT] < 0:
        # An idle core stops listening to an address space that it no longer runs (lazy TLB mode).
        a[c + LOADED] = -1
    home = a[sender + CORE]
    answer = a[c + IRQ_UNTIL] - a[sender + AFTER_ANSWER] + transfer(a, c, home, LOAD)
    if a[sender + ANSWER_GAP]:
        # Answers come one at a time: in one word, whose line serves one writer, or read one by one.
        answer = max(answer, a[sender + ACK_TIME] + a[sender + ANSWER_GAP])
    a[sender + ACK_TIME] = max(answer, a[sender + ACK_TIME])
    a[sender + ACKS] -= 1
    if a[sender + ACKS] == 0:
        a[sender + STATE] = RUNNING
        put(a, tree, a[sender + SLOT], max(a[sender + ACK_TIME], a[home + IRQ_UNTIL]))


@compiled
def on_inbox(a, tree, c, now):
    """An interrupt arrives at core `c`: handle it, or leave it until interrupts are on again."""
    slot = a[INBOX_SLOT] + a[c + C_INDEX]
    current = a[c + CURRENT]
    if current >= 0 and a[current + IRQ_OFF] > 0:
        a[c + DEFERRED] = 1
        drop(a, tree, slot)
        return
    _handle(a, tree, c, _earliest(a, c), now)
    _next_arrival(a, tree, c)


@compiled
def _next_arrival(a, tree, c):
    slot = a[INBOX_SLOT] + a[c + C_INDEX]
    i = _earliest(a, c)
    if i < 0:
        drop(a, tree, slot)
    else:
        put(a, tree, slot, a[a[c + INBOX] + 2 * i])


@compiled
def _tick(a, tree, c, now):
    d = a[c + C_DOMAIN]
    steal(a, tree, c, now, a[d + D_TICK_COST])
    if a[c + QUEUED] > 0:
        slice_ticks = max(a[d + D_LATENCY] // (a[c + QUEUED] + 1), a[d + D_MIN_GRAN])
        if now - a[a[c + CURRENT] + PICKED] >= slice_ticks:
            want_switch(a, tree, c, now)


@compiled
def on_tick(a, tree, c, now):
    """The timer of core `c` ticks: steal its cost, and end the slice of who has run long enough."""
    put(a, tree, a[TICK_SLOT] + a[c + C_INDEX], now + a[a[c + C_DOMAIN] + D_TICK])
    current = a[c + CURRENT]
    if current < 0:
        return
    if a[current + IRQ_OFF] > 0:
        a[c + TICK_PENDING] = 1
    else:
        _tick(a, tree, c, now)


@compiled
def interrupts_on(a, tree, t, now):
    """Task `t` lets interrupts in again: what has waited is handled at once, IPIs before the tick."""
    a[t + IRQ_OFF] -= 1
    if a[t + IRQ_OFF] > 0:
        return
    c = a[t + CORE]
    if a[c + DEFERRED]:
        a[c + DEFERRED] = 0
        i = _earliest(a, c)
        while i >= 0 and a[a[c + INBOX] + 2 * i] <= now:
            _handle(a, tree, c, i, now)
            i = _earliest(a, c)
        _next_arrival(a, tree, c)
    if a[c + TICK_PENDING]:
        a[c + TICK_PENDING] = 0
        _tick(a, tree, c, now)
