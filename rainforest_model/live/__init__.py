"""Machines that run while somebody watches: sessions, links that restore them, the server of the interactive page.

`Session` is one machine, `Pair` two of them under the same arrivals, `link` their state as text; `serve` offers a
pair to each browser, and `record` keeps what there was to see.
"""

from __future__ import annotations

from .configuration import Configuration, configuration
from .pair import SYSTEMS, Pair
from .recording import record
from .session import Session

__all__ = ["SYSTEMS", "Configuration", "Pair", "Session", "configuration", "record", "serve"]


def __getattr__(name: str):
    """Import the server, and tornado with it, when it is asked for."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .server import serve

    return serve
