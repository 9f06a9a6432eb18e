"""A problem, its solution by the model, and what is said to an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..descriptions.scenario import Scenario
    from .watch import Watched

TOLERANCE = 1e-3
"""Relative: answers are sums of what is given, so only rounding is forgiven."""
_POWERS = (10.0, 100.0, 1e3, 1e6)


@dataclass(frozen=True)
class Solution:
    """The answer, and how the model comes to it.

    Attributes
    ----------
    steps : tuple of str
        What happens, event by event, and the last sum.
    answer : float
        In the problem's unit.
    """

    steps: tuple[str, ...]
    answer: float


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and one sentence on it that does not give it away."""

    right: bool
    text: str


@dataclass(frozen=True)
class Problem:
    """Something to work out with a pencil.

    Attributes
    ----------
    topic : str
    seed : int
    title : str
    given : tuple of str
        All that one needs to know, a line each.
    question, unit : str
    scenarios : mapping of str to Scenario
        What the model steps through; the heading of each, empty where there is one.
    conclude : callable
        From what was watched, by the same headings, to the answer and the sentence that sums it up.
    """

    topic: str
    seed: int
    title: str
    given: tuple[str, ...]
    question: str
    unit: str
    scenarios: Mapping[str, Scenario] = field(repr=False)
    conclude: Callable[[Mapping[str, Watched]], tuple[float, str]] = field(repr=False)

    def text(self) -> str:
        """The problem as plain text."""
        given = "\n".join(f"  {line}".rstrip() for line in self.given)
        return f"{self.title} (seed {self.seed})\n\n{given}\n\n{self.question} Answer in {self.unit}."

    def solve(self) -> Solution:
        """Step the Mesa model through it."""
        from .watch import watch

        watched = {heading: watch(scenario, self.unit) for heading, scenario in self.scenarios.items()}
        answer, sentence = self.conclude(watched)
        steps = []
        for heading, one in watched.items():
            steps += [f"{heading}:", ""] * bool(heading) + [*one.steps, "", *one.strips, ""]
        return Solution((*steps, f"{sentence} {answer:g} {self.unit}."), answer)

    def check(self, answer: float) -> Verdict:
        """Compare an answer with the model's.

        Raises
        ------
        InputError
            If it is not a finite number.
        """
        if not math.isfinite(answer):
            raise InputError("must be a finite number", key="--answer", value=answer)
        right = self.solve().answer
        if _near(answer, right):
            return Verdict(True, f"Right: {right:g} {self.unit}.")
        if any(_near(answer * power, right) or _near(answer, right * power) for power in _POWERS):
            return Verdict(False, f"Not yet: the digits are right, but the answer is asked for in {self.unit}.")
        return Verdict(False, f"Not yet: it is too {'large' if answer > right else 'small'}.")


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE)
