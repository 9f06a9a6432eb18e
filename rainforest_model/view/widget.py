"""The machine view as a widget for notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import anywidget
import traitlets

from ..errors import InputError
from ..simulation import SimulationError

SPEED_US = {"low": 1.0, "high": 1e6, "value": 1000.0}
"""Simulated time in a frame: least, most and at first, in µs."""


class Session(Protocol):
    """What a widget needs of the machine that it shows, such as `rainforest_model.live.Session` has.

    Attributes
    ----------
    history : list of dict
        All points of the tail chart so far.
    """

    history: list[dict]

    def layout(self) -> dict:
        """The machine: sockets, instances, states, unit."""

    def frame(self) -> dict:
        """What there is to see now."""

    def advance(self, us: float) -> None:
        """Simulate so many µs more."""

    def move(self, core: int, to: int) -> None:
        """Give a core to an instance, or with -1 back to the pool; raises `InputError` where that cannot be."""


class MachineView(anywidget.AnyWidget):
    """One machine, core by core, with Step, Run and Pause.

    A step is simulated while the kernel handles the button; while it runs, the browser asks for each next frame once
    it has painted one, so cells can be executed in between, and closing the tab ends the run.

    Parameters
    ----------
    session : Session
        The machine; others may advance it too, and `refresh` shows what became of it.
    speed_us : float
        Simulated time in a frame, in µs.

    Raises
    ------
    InputError
        If the speed is beyond `SPEED_US`.

    Examples
    --------
    In a notebook::

        from rainforest_model.live import Configuration, Session
        from rainforest_model.view import MachineView

        MachineView(Session(Configuration(system="rainforest", workload="mmap", load=12, cores=12)), speed_us=200)
    """

    _esm = Path(__file__).with_name("machine_view.js")

    machine = traitlets.Dict().tag(sync=True)  # "layout" is taken: every widget has one, of the page
    frame = traitlets.Dict().tag(sync=True)
    history = traitlets.List().tag(sync=True)
    speed = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session, speed_us: float = SPEED_US["value"]):
        super().__init__(
            machine=session.layout(), frame=session.frame(), history=list(session.history),
            speed=SPEED_US | {"value": _within(speed_us)},
        )
        self._session = session
        self._running = False
        self.on_msg(self._hear)

    def refresh(self) -> None:
        """Show the machine as it is now."""
        frame = self._session.frame() | {"running": self._running}
        new = self._session.history[len(self.history):]
        if len(new) == 1:
            self.history.extend(new)  # in place: the browser appends it by itself
        elif new:
            self.history = list(self._session.history)
            frame["window"] = None
        self.frame = frame

    def step(self) -> None:
        """Simulate as much as a frame shows, and show it."""
        self._session.advance(self.speed["value"])
        self.refresh()

    # --- messages from the browser ---

    def _hear(self, _, message: dict, buffers) -> None:
        try:
            self._answer(message)
        except (InputError, SimulationError) as error:
            self._running = False
            self.send({"type": "error", "text": str(error)})
            self.refresh()

    def _answer(self, message: dict) -> None:
        kind = message.get("type")
        if kind == "step":
            self.step()
        elif kind == "run":
            self._running = True
            self.step()
        elif kind == "painted":
            if self._running and message.get("serial") == self.frame["serial"]:  # one of several views is enough
                self.step()
        elif kind == "pause":
            self._running = False
            self.refresh()
        elif kind == "speed":
            self.speed = self.speed | {"value": _within(message.get("value"))}
        elif kind == "move":
            self._session.move(message.get("core"), message.get("to"))
            self.refresh()


def _within(speed_us: float) -> float:
    """A speed, if it is one."""
    numeric = isinstance(speed_us, int | float) and not isinstance(speed_us, bool)
    if not numeric or not SPEED_US["low"] <= speed_us <= SPEED_US["high"]:
        reason = f"must be from {SPEED_US['low']:g} to {SPEED_US['high']:g} µs a frame"
        raise InputError(reason, key="speed_us", value=speed_us)
    return float(speed_us)
