"""Keeping a worker on one core, where that is allowed."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def pin(core: int) -> bool:
    """Keep the calling thread on a core; whether the kernel lets it."""
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        return False
    return True


def can_pin(core: int) -> bool:
    """Whether `pin` works here; the thread may run afterwards where it could before."""
    before = os.sched_getaffinity(0)
    if not pin(core):
        return False
    os.sched_setaffinity(0, before)
    return True


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
