"""Slow decisions in simulated time: Python that goes on at ticks, between which an engine runs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator

from ..outcome import StopReason
from .port import Port


class Signal:
    """Something that processes wait for, such as the recovery of the supervisor."""

    def __init__(self):
        self._waiting: list[Callable[[], None]] = []

    def call(self, action: Callable[[], None]) -> None:
        """Let `action` be done when it is given."""
        self._waiting.append(action)

    def give(self) -> None:
        """Let all go on that wait."""
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()


Process = Generator["int | Signal", None, None]
"""A generator that yields ticks to wait for, or a `Signal`."""


class EngineStopped(RuntimeError):
    """The engine below cannot go on.

    Attributes
    ----------
    reason : StopReason
    """

    def __init__(self, reason: StopReason):
        super().__init__(reason.value)
        self.reason = reason


class Agenda:
    """Actions at ticks, in the order of their ticks and, at one tick, in that of their entry.

    Parameters
    ----------
    port : Port
        The engine whose time it follows.

    Examples
    --------
    >>> class Clock:
    ...     now = 0
    ...     def run(self, until):
    ...         self.now = until
    ...         return StopReason.REACHED
    >>> agenda = Agenda(Clock())
    >>> def twice():
    ...     print("begins at", agenda.now)
    ...     yield 30
    ...     print("goes on at", agenda.now)
    >>> agenda.at(5, lambda: agenda.begin(twice()))
    >>> agenda.advance(100)
    begins at 5
    goes on at 35
    """

    def __init__(self, port: Port):
        self._port = port
        self._entries: list[tuple[int, int, Callable[[], None]]] = []
        self._entered = 0

    @property
    def now(self) -> int:
        """The engine's tick."""
        return self._port.now

    def at(self, tick: int, action: Callable[[], None]) -> None:
        """Do `action` at a tick that has not passed.

        Raises
        ------
        ValueError
            If it has.
        """
        if tick < self.now:
            raise ValueError(f"tick {tick} has passed; it is {self.now}")
        heapq.heappush(self._entries, (tick, self._entered, action))
        self._entered += 1

    def begin(self, process: Process) -> None:
        """Let a process begin at this tick, as soon as time is run."""
        self.at(self.now, lambda: self._go_on(process))

    def _go_on(self, process: Process) -> None:
        try:
            wanted = next(process)
        except StopIteration:
            return
        if isinstance(wanted, Signal):
            wanted.call(lambda: self.begin(process))
        else:
            self.at(self.now + wanted, lambda: self._go_on(process))

    def advance(self, until: int) -> None:
        """Run the engine until a tick, with all actions up to it.

        Raises
        ------
        EngineStopped
            If the engine cannot go on.
        """
        while self._entries and self._entries[0][0] <= until:
            tick, _, action = self._entries[0]
            self._run(tick)
            heapq.heappop(self._entries)
            action()
        self._run(until)

    def _run(self, until: int) -> None:
        if until == self.now:
            return
        reason = self._port.run(until)
        # Nobody who works is no fault here: an instance may be failed, destroyed, or not created yet.
        if reason not in (StopReason.REACHED, StopReason.DEADLOCK):
            raise EngineStopped(reason)
