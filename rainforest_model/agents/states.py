"""The states of a task."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """What a task does: the first waits for a core, the next three have one, the others need none."""

    READY = "ready"
    RUNNING = "running"
    SPINNING = "spinning"
    ANSWER_WAIT = "waiting for answers"
    ASLEEP = "asleep"
    TIMED_SLEEP = "asleep for a time"
    OFF = "not there"
