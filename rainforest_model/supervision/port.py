"""What supervision needs of an engine: time, cores that change hands, threads that begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..outcome import Outcome, Requests, StopReason


class Port(Protocol):
    """The part of both engines that supervision drives; times are ticks, domains are numbers of OS instances."""

    now: int

    def run(self, until: int) -> StopReason:
        """Go on until the tick `until`."""

    def owner(self, core: int) -> int:
        """Domain of a core; a negative number if it has none."""

    def release(self, core: int) -> bool:
        """Take a core out of its domain if its task may be moved now; False: not yet, ask again later.

        Raises
        ------
        ValueError
            If it is the last core of a domain with living threads.
        """

    def adopt(self, core: int, domain: int) -> None:
        """Let a free core join a domain and take over work."""

    def occupy(self, core: int, ticks: int) -> None:
        """Keep a core for real-time work of the kernel."""

    def start_threads(self, domain: int) -> None:
        """Let the threads of a dormant domain begin now."""

    def end_threads(self, domain: int) -> bool:
        """End those threads of a domain that may be ended now; True when none lives."""

    def outcome(self) -> Outcome:
        """What has been recorded so far."""

    def requests(self) -> Requests:
        """How many requests were sent, answered and lost so far."""

    def culprit(self) -> str:
        """Name of the task that stopped the run."""
