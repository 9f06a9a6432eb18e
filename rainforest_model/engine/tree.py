"""Who is next: a winner tree over one pending event each of the tasks, inboxes and timers.

A key packs (time, slot), so that the smaller time comes first and the lower slot breaks a tie: tasks
before interrupts before ticks, each in the order of their numbers.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .arena import LEAVES, NEVER, SLOT_BITS


def build(slots: int) -> np.ndarray:
    """A tree of `slots` leaves in which nothing is pending; its second half are the leaves."""
    leaves = 1
    while leaves < max(2, slots):
        leaves *= 2
    return np.full(2 * leaves, NEVER, np.int64)


@compiled
def put(a, tree, slot, time):
    """Set the pending event of `slot` to `time`."""
    _set(tree, a[LEAVES] + slot, (time << SLOT_BITS) | slot)


@compiled
def drop(a, tree, slot):
    """Leave `slot` without a pending event."""
    _set(tree, a[LEAVES] + slot, NEVER)


@compiled
def pending(a, tree, slot):
    """Time of the pending event of `slot`; `HORIZON` where there is none."""
    return tree[a[LEAVES] + slot] >> SLOT_BITS


@compiled
def _set(tree, i, key):
    tree[i] = key
    while i > 1:
        other = tree[i ^ 1]
        if other < key:
            key = other
        i >>= 1
        if tree[i] == key:
            return
        tree[i] = key
