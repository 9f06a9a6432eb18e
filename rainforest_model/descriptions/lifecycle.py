"""The life cycle of an OS instance: what each operation on it consists of, step by step."""

from __future__ import annotations

from typing import Literal, NamedTuple

OPERATIONS = ("create", "destroy", "cpu_online", "cpu_offline", "memory_online", "memory_offline")
"""What a supervisor can do to an OS instance."""

Actor = Literal["supervisor", "instance", "core", "nobody"]
"""Whom a step keeps busy: the supervisor's core, the instance's communication core, the core that comes or goes, none."""


class TimedStep(NamedTuple):
    """One step of an operation: what is done, whom it keeps busy, how long it takes in the mean, and how it varies."""

    name: str
    actor: Actor
    mean_ns: float
    cv: float
