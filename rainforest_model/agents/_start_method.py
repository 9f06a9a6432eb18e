"""Mesa 3.3 sets the start method of all processes to "spawn" when it is imported; this takes that back."""

from __future__ import annotations

import multiprocessing

_before = multiprocessing.get_start_method(allow_none=True)


def restore() -> None:
    """Set the start method to what it was before Mesa was imported."""
    multiprocessing.set_start_method(_before, force=True)
