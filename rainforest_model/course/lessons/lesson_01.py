"""Exercises of `01_two_cores_and_a_lock`."""

from __future__ import annotations

from ... import theory
from ..checks import Number

EXERCISES = {
    "short_hold": Number(
        lambda: theory.machine_repairman(n=2, think=1.0, service=0.1).response, "us", tolerance=0.01,
        slips={
            "That is the time for which the lock is held; now and then the other thread is in it.": lambda: 0.1,
            "That is with a hold time of 1 us.": lambda: theory.machine_repairman(n=2, think=1.0, service=1.0).response,
        },
        why="A short hold is seldom met by the other thread.",
    ),
}
