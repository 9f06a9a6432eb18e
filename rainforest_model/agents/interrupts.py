"""Interrupts of a core: those from other cores, which want an answer, and the timer's; both steal time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tables import LOAD

if TYPE_CHECKING:
    from .core import Core
    from .task import Task


@dataclass(eq=False)
class Shootdown:
    """A TLB flush under way, or a phase of it: its sender waits until every target has run the handler and answered.

    Attributes
    ----------
    sender : Task
    until_answer, after_answer : int
        Ticks of the handler at a target until it answers, and after that.
    answer_gap : int
        Ticks from one answer to the next: targets clear their bit in one word, whose line serves one writer at a
        time, or the sender reads their messages one by one; 0 where answers do not wait for each other.
    missing : int
        Targets that have not answered.
    answered_at : int
        Tick at which the sender will have seen the answers so far.
    """

    sender: Task
    until_answer: int
    after_answer: int
    answer_gap: int
    missing: int
    answered_at: int


class Inbox:
    """Interrupts on their way to a core, or waiting until it lets interrupts in again.

    Attributes
    ----------
    arrivals : list of (int, int, Shootdown)
        Tick of arrival and number of the sender (which breaks ties), and the flush it belongs to.
    deferred : bool
        Whether one has arrived while the core had interrupts off.
    """

    def __init__(self, core: Core, slot: int | None):
        self.core = core
        self.slot = slot
        self.arrivals: list[tuple[int, int, Shootdown]] = []
        self.deferred = False

    def send(self, shootdown: Shootdown, arrival: int) -> None:
        """An interrupt will arrive at the tick `arrival`."""
        self.arrivals.append((arrival, shootdown.sender.number, shootdown))
        if not self.deferred:
            self._plan()

    def fire(self) -> None:
        """An interrupt arrives: handle it, or leave it until interrupts are on again."""
        if self.core.interrupts_off:
            self.deferred = True
            return
        self._handle(self._earliest())
        self._plan()

    def catch_up(self) -> None:
        """Interrupts are on again: handle all that have arrived."""
        if not self.deferred:
            return
        self.deferred = False
        while self.arrivals and self._earliest()[0] <= self.core.model.now:
            self._handle(self._earliest())
        self._plan()

    def _earliest(self) -> tuple[int, int, Shootdown]:
        return min(self.arrivals, key=lambda entry: entry[:2])

    def _plan(self) -> None:
        if self.arrivals:
            self.core.model.plan(self, self._earliest()[0])

    def _handle(self, entry: tuple[int, int, Shootdown]) -> None:
        """Run the handler; the sender sees the answer when the line with it has come over."""
        self.arrivals.remove(entry)
        shootdown, core = entry[2], self.core
        core.steal(shootdown.until_answer + shootdown.after_answer)
        if core.idle:
            core.loaded = None  # lazy TLB mode: an idle core stops listening to what it no longer runs
        sender, home = shootdown.sender, shootdown.sender.core
        links = core.model.interconnect
        answer = core.stolen_until - shootdown.after_answer + links.transfer(core, home, LOAD)
        if shootdown.answer_gap:
            answer = max(answer, shootdown.answered_at + shootdown.answer_gap)
        shootdown.answered_at = max(answer, shootdown.answered_at)
        shootdown.missing -= 1
        if shootdown.missing == 0:
            sender.resume(max(shootdown.answered_at, home.stolen_until))


class Timer:
    """The periodic tick of a core: it costs time, and ends the slice of a task that has run long enough.

    Attributes
    ----------
    overdue : bool
        Whether it has ticked while the core had interrupts off.
    """

    def __init__(self, core: Core, slot: int | None):
        self.core = core
        self.slot = slot
        self.overdue = False

    def fire(self) -> None:
        """The timer ticks: nothing happens on an idle core, and nothing yet on one with interrupts off."""
        core = self.core
        core.model.plan(self, core.model.now + core.subos.knobs.tick_period)
        if core.idle:
            return
        if core.interrupts_off:
            self.overdue = True
        else:
            self._tick()

    def catch_up(self) -> None:
        """Interrupts are on again: a tick that was missed comes now (several come as one)."""
        if self.overdue:
            self.overdue = False
            self._tick()

    def _tick(self) -> None:
        core, knobs = self.core, self.core.subos.knobs
        core.steal(knobs.tick_cost)
        waiting = len(core.run_queue)
        if waiting:
            time_slice = max(knobs.latency // (waiting + 1), knobs.min_granularity)
            if core.model.now - core.current.picked_at >= time_slice:
                core.request_switch()
