"""Who runs where decides how fast each computes: the mix of running groups, and rescaling what is under way.

A mix that is met for the first time stops the loop for a moment, so that Python can solve it
(`rainforest_model.memory`); its slowdowns are then remembered in an open-addressed table.
"""

from __future__ import annotations

from ..compiled import compiled
from ..draws import mix as scrambled
from ..tables import FULL_SPEED
from .arena import (
    C_SOCKET,
    CORE,
    CORE0,
    CORE_WIDTH,
    CORES,
    CURRENT,
    GROUP,
    GROUPS,
    IRQ_UNTIL,
    MIX,
    MIX_CHANGED,
    MIX_MASK,
    MIXES,
    NO_MIX,
    RUNNING,
    SLOT,
    SLOWDOWN,
    SOCKETS,
    STATE,
    WEIGHTS,
)
from .tree import pending, put


@compiled
def starts(a, t):
    """Task `t` has got a core."""
    a[MIX] += a[a[WEIGHTS] + a[a[t + CORE] + C_SOCKET] * a[GROUPS] + a[t + GROUP]]
    a[MIX_CHANGED] = 1


@compiled
def stops(a, t):
    """Task `t` is about to lose its core."""
    a[MIX] -= a[a[WEIGHTS] + a[a[t + CORE] + C_SOCKET] * a[GROUPS] + a[t + GROUP]]
    a[MIX_CHANGED] = 1


@compiled
def slowed(a, t, ticks):
    """Ticks that task `t` needs now for what takes `ticks` alone."""
    return int(ticks * (a[t + SLOWDOWN] / FULL_SPEED) + 0.5)


@compiled
def alone(a, t, ticks):
    """Ticks that what takes task `t` so long now would take alone."""
    return int(ticks * (FULL_SPEED / a[t + SLOWDOWN]) + 0.5)


@compiled
def find(a):
    """Where the slowdowns of the present mix stand, or the free place for them."""
    width = 1 + a[SOCKETS] * a[GROUPS]
    place = scrambled(a[MIX]) & a[MIX_MASK]
    while True:
        entry = a[MIXES] + place * width
        if a[entry] == a[MIX] or a[entry] == NO_MIX:
            return entry
        place = (place + 1) & a[MIX_MASK]


@compiled
def settle(a, tree, now):
    """Give every running task the speed of the present mix; False if the mix is a new one."""
    entry = find(a)
    if a[entry] == NO_MIX:
        return False
    a[MIX_CHANGED] = 0
    for k in range(a[CORES]):
        c = a[CORE0] + k * CORE_WIDTH
        t = a[c + CURRENT]
        if t < 0 or a[t + GROUP] < 0:
            continue
        new = a[entry + 1 + a[c + C_SOCKET] * a[GROUPS] + a[t + GROUP]]
        old = a[t + SLOWDOWN]
        if new == old:
            continue
        a[t + SLOWDOWN] = new
        if a[t + STATE] == RUNNING:
            begins = max(now, a[c + IRQ_UNTIL])
            left = pending(a, tree, a[t + SLOT]) - begins
            if left > 0:
                put(a, tree, a[t + SLOT], begins + int(left * (new / old) + 0.5))
    return True
