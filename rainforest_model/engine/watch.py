"""What each core does, and for how long: the same events as without a watch, one at a time."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..tables import Tables
from . import loop, memory
from .arena import (
    ACK_WAIT,
    C_DOMAIN,
    CORE_WIDTH,
    CURRENT,
    FINE,
    MIX_CHANGED,
    NEW_MIX,
    NOW,
    OP_WIDTH,
    PC,
    SLOT_BITS,
    SPINNING,
    STATE,
    STATUS,
)
from .door import SLICE_EVENTS, CompiledEngine
from .pointer import pointer

DOINGS = ("computing", "in a lock", "spinning", "waiting for a shootdown", "idle", "off")
COMPUTING, LOCKED, SPINS, WAITS, IDLE, NOT_OWNED = range(len(DOINGS))


@compiled
def _doing(a, locked, c, nowhere, ops):
    """What core `c` does; an interrupt handler counts as what it interrupts."""
    if a[c + C_DOMAIN] == nowhere:
        return NOT_OWNED
    t = a[c + CURRENT]
    if t < 0:
        return IDLE
    state = a[t + STATE]
    if state == SPINNING:
        return SPINS
    if state == ACK_WAIT:
        return WAITS
    return LOCKED if locked[(a[t + PC] - ops) // OP_WIDTH] else COMPUTING


@compiled
def look(a, locked, core0, nowhere, ops, found):
    """Write what each core does into `found`."""
    for k in range(len(found)):
        found[k] = _doing(a, locked, core0 + k * CORE_WIDTH, nowhere, ops)


@compiled
def run(a, tree, f, hist, until, budget, locked, core0, cores, nowhere, ops, spent):
    """As `rainforest_model.engine.loop.run`; adds to `spent` the ticks of all cores in each of `DOINGS`."""
    p, pending = pointer(a), pointer(tree)
    for _ in range(budget):
        # A new mix of running threads moves the next event.
        if a[MIX_CHANGED] and not memory.settle(p, pending, a[NOW]):
            a[STATUS] = NEW_MIX
            return False
        ticks = min(tree[1] >> SLOT_BITS, until) - a[NOW]
        if ticks > 0:
            for k in range(cores):
                spent[_doing(a, locked, core0 + k * CORE_WIDTH, nowhere, ops)] += ticks
        if loop.run(a, tree, f, hist, until, 1):
            return True
        if a[STATUS] != FINE:
            return False
    return False


class WatchedEngine(CompiledEngine):
    """A compiled engine that tells what its cores do.

    Attributes
    ----------
    spent : int64[doings]
        Ticks that all cores together have spent in each of `DOINGS`.
    """

    def __init__(self, tables: Tables, warmup: int = 0):
        super().__init__(tables, warmup)
        self.spent = np.zeros(len(DOINGS), np.int64)
        self._locked = tables.locked()

    def doing(self) -> np.ndarray:
        """What each core does now: int64[cores], numbers in `DOINGS`."""
        found = np.zeros(self.tables.cores, np.int64)
        layout = self._layout
        look(self._a, self._locked, layout.core0, layout.nowhere, layout.ops, found)
        return found

    def _process(self, until: int) -> bool:
        layout = self._layout
        return run(
            self._a, self._tree, self._f, self._hist, until, SLICE_EVENTS, self._locked, layout.core0,
            self.tables.cores, layout.nowhere, layout.ops, self.spent,
        )
