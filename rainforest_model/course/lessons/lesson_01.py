"""Exercises of `01_two_cores_and_a_lock`."""

from __future__ import annotations

from collections import Counter

from ... import theory
from ...agents import InvariantViolation, Lock, MachineModel
from ...reference import closed_lock
from ...units import ticks
from ..checks import Number, Trial, Wrong

WATCHED_WAITERS = 3
"""Spinners among whom the choice of a lock is counted."""
EVEN = 0.08
"""How far from even that choice may be: four standard deviations of some 600 choices."""


def _crowd(lock_class: type[Lock], us: int = 8000) -> MachineModel:
    """Six cores at a lock of that class, run for so many microseconds."""
    crowd = closed_lock(cores=6, think_us=2.0, hold_us=0.5, transfer_ns=100)
    model = MachineModel.from_scenario(crowd, seed=1, lock_classes={"lock": lock_class})
    model.run(ticks(us, "us"))
    return model


def _a_lock(answer) -> type[Lock]:
    if not (isinstance(answer, type) and issubclass(answer, Lock)):
        raise Wrong("Answer with the class itself, derived from `QueueLock`.")
    return answer


def _serves_at_random(answer) -> str:
    """Whether each of three spinners is as often the next one, and the same one in every run."""
    chosen = Counter()

    class Watched(_a_lock(answer)):
        def next_spinner(self):
            waiting = list(self.spinners)
            winner = super().next_spinner()
            if winner in self.spinners or winner not in waiting:
                raise Wrong("`next_spinner` must take a spinner out of `self.spinners`, and return it.")
            if len(waiting) == WATCHED_WAITERS:
                chosen[waiting.index(winner)] += 1
            return winner

    if answer.fifo:
        raise Wrong("Say `fifo = False`, or the model's checks expect first come, first served.")
    first, second = _crowd(Watched), _crowd(Watched)
    for place, words in enumerate(("first", "second", "last")):
        share = chosen[place] / max(1, chosen.total())
        if abs(share - 1 / WATCHED_WAITERS) > EVEN:
            raise Wrong(f"Of three spinners the {words} to come is served too {'often' if share > EVEN else 'seldom'}.")
    if (first.outcome().moments != second.outcome().moments).any():
        raise Wrong("Two runs of one seed differ: draw from `self.stream`, which is keyed, and not from a global one.")
    return "Each spinner is as likely to be next, and two runs are the same."


def _lets_everybody_in(answer) -> str:
    """Whether the model finds two tasks in the lock."""
    try:
        _crowd(_a_lock(answer), us=1000)
    except InvariantViolation as violation:
        if violation.invariant == "MutualExclusion":
            return f"The model says: {violation}."
        raise Wrong(f"Another check fails before it: {violation}.") from None
    raise Wrong("The model found nothing wrong with it in a millisecond.")


EXERCISES = {
    "short_hold": Number(
        lambda: theory.machine_repairman(n=2, think=1.0, service=0.1).response, "us", tolerance=0.01,
        slips={
            "That is the time for which the lock is held; now and then the other thread is in it.": lambda: 0.1,
            "That is with a hold time of 1 us.": lambda: theory.machine_repairman(n=2, think=1.0, service=1.0).response,
        },
        why="A short hold is seldom met by the other thread.",
    ),
    "random_lock": Trial(_serves_at_random),
    "open_door": Trial(_lets_everybody_in),
}
