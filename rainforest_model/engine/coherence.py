"""Cache lines: who owns one, who shares it, what getting it costs, and how its users queue."""

from __future__ import annotations

from ..compiled import compiled
from ..tables import ATOMIC, BUSY, LOAD, STORE
from .arena import (
    C_INDEX,
    C_SOCKET,
    CORE0,
    CORE_WIDTH,
    DISTANCE,
    LATENCY,
    LINE_BUSY,
    LINE_OWNER,
    N_SHARERS,
    READ_OCC,
    SHARER_WORDS,
    SHARERS,
    SOCKETS,
    VERSION,
)


@compiled
def transfer(a, source, target, use):
    """Ticks for `target` to get a line which `source` has modified; `use` is LOAD, STORE or ATOMIC (or BUSY)."""
    row = 0
    if source != target:
        row = a[a[DISTANCE] + a[source + C_SOCKET] * a[SOCKETS] + a[target + C_SOCKET]]
    return a[a[LATENCY] + row * 4 + use]


@compiled
def read(a, line, core, now):
    """Ticks until `core` has read `line`."""
    word = a[line + SHARERS] + a[core + C_INDEX] // 63
    bit = 1 << (a[core + C_INDEX] % 63)
    owner = a[line + LINE_OWNER]
    if owner == core or a[word] & bit:
        return transfer(a, core, core, LOAD)
    start = max(now, a[line + LINE_BUSY])
    a[line + LINE_BUSY] = start + a[READ_OCC]
    a[word] |= bit
    a[line + N_SHARERS] += 1
    if owner < 0:
        owner = core
    return start - now + transfer(a, owner, core, LOAD)


@compiled
def write(a, line, core, now, use):
    """Ticks until `core` has written `line` (`use`: STORE or ATOMIC); all other copies are gone."""
    a[line + VERSION] += 1
    owner = a[line + LINE_OWNER]
    if owner == core and a[line + N_SHARERS] == 1:
        return transfer(a, core, core, use)
    source = core if owner < 0 else owner
    start = max(now, a[line + LINE_BUSY])
    a[line + LINE_BUSY] = start + transfer(a, source, core, BUSY)
    cost = transfer(a, source, core, use)
    # The writer waits for the farthest copy to be invalidated.
    for word in range(a[line + SHARER_WORDS]):
        bits = a[a[line + SHARERS] + word]
        index = word * 63
        while bits:
            if bits & 1:
                cost = max(cost, transfer(a, a[CORE0] + index * CORE_WIDTH, core, use))
            bits >>= 1
            index += 1
        a[a[line + SHARERS] + word] = 0
    a[a[line + SHARERS] + a[core + C_INDEX] // 63] = 1 << (a[core + C_INDEX] % 63)
    a[line + N_SHARERS] = 1
    a[line + LINE_OWNER] = core
    return start - now + cost


__all__ = ["ATOMIC", "BUSY", "LOAD", "STORE", "read", "transfer", "write"]
