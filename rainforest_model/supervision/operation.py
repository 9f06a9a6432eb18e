"""What was asked of the supervisor, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..units import TICKS_PER_NS


class Refusal(Exception):
    """The supervisor will not or cannot do it; the text is the reason, in one line."""


def seconds(ticks: int) -> float:
    """Ticks as seconds."""
    return ticks / (TICKS_PER_NS * 1e9)


@dataclass(eq=False)
class Operation:
    """The record of one command: who asked for what, when, and how it ended.

    Attributes
    ----------
    number : int
    kind : str
        Such as ``create``.
    arguments : dict
    asked_at : int
        Tick.
    begun_at, done_at : int or None
        Ticks; None as long as it waits or goes on.
    state : {"pending", "done", "refused"}
    reason : str
        Why it was refused.
    """

    number: int
    kind: str
    arguments: dict[str, Any]
    asked_at: int
    begun_at: int | None = None
    done_at: int | None = None
    state: str = field(default="pending")
    reason: str = ""

    @property
    def pending(self) -> bool:
        """Whether it waits or goes on."""
        return self.state == "pending"

    @property
    def done(self) -> bool:
        """Whether it was done."""
        return self.state == "done"

    @property
    def refused(self) -> bool:
        """Whether it was refused."""
        return self.state == "refused"

    @property
    def took_s(self) -> float:
        """Seconds from its beginning to its end; NaN before that."""
        return float("nan") if self.done_at is None else seconds(self.done_at - self.begun_at)

    def finish(self, now: int) -> None:
        """Note that it is done."""
        self.state, self.done_at = "done", now

    def refuse(self, now: int, reason: str) -> None:
        """Note that it is refused, and why."""
        self.state, self.done_at, self.reason = "refused", now, reason

    def __repr__(self) -> str:
        told = ", ".join(f"{key}={value}" for key, value in self.arguments.items() if value is not None)
        end = {"pending": "", "done": f" in {self.took_s:.3g} s", "refused": f": {self.reason}"}[self.state]
        return f"<{self.kind} {told}: {self.state}{end}>"
