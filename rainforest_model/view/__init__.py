"""The machine view: one machine drawn core by core, in a page, a notebook and a file of its own.

`MachineView` is the notebook's widget and `player` writes a recorded run as a page; the drawing itself is
``machine_view.js``, which `rainforest app` serves with ``page.html``.
"""

from __future__ import annotations

from ..errors import InputError
from .assets import ASSETS, asset
from .player import player

__all__ = ["ASSETS", "MachineView", "asset", "player"]


def __getattr__(name: str):
    """Import the widget, and anywidget with it, when it is asked for."""
    if name != "MachineView":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .widget import MachineView
    except ModuleNotFoundError as missing:
        raise InputError(f"{missing.name} is not installed: pip install 'rainforest-model[app]'", key=name) from None
    return MachineView
