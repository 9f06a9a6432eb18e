"""Checks: whether a student's answer is right, with a reason that does not give the answer away."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from ..errors import InputError
from .told import Told


class Wrong(Exception):
    """Raised by a `Trial` on an answer that fails it; its text is the reason."""


@dataclass(frozen=True, repr=False)
class Verdict(Told):
    """What a check found.

    Attributes
    ----------
    text : str
        Markdown: the reason.
    right : bool or None
        None for a question that is not answered yet.
    """

    right: bool | None = None

    def __bool__(self) -> bool:
        return bool(self.right)


@dataclass(frozen=True)
class Number:
    """An exercise whose answer is a number.

    Attributes
    ----------
    expected : function without arguments
        Computes the answer, by theory or by the model; called when an answer is checked.
    unit : str
    tolerance : float
        Relative.
    slips : mapping of str to function
        What to say to a number that comes from a common mistake, and how that number comes about.
    why : str
        Told with a right answer.
    """

    expected: Callable[[], float]
    unit: str
    tolerance: float = 0.02
    slips: Mapping[str, Callable[[], float]] = field(default_factory=dict)
    why: str = ""

    def judge(self, answer) -> Verdict:
        """Compare an answer with the computed one."""
        try:
            value = float(answer)
        except (TypeError, ValueError, OverflowError):
            return Verdict(f"**Not a number.** Answer with a number, in {self.unit}.", False)
        if not math.isfinite(value):
            return Verdict(f"**Not a number.** Answer with a finite number, in {self.unit}.", False)
        expected = float(self.expected())
        if self._near(value, expected):
            return Verdict(f"**Right.** {self.why}".rstrip(), True)
        for reason, mistaken in self.slips.items():
            if self._near(value, float(mistaken())):
                return Verdict(f"**Not yet.** {reason}", False)
        for factor in (1e3, 1e6, 1e9, 100):
            if self._near(value * factor, expected) or self._near(value / factor, expected):
                return Verdict(f"**Not yet.** The digits are right: the answer is asked for in {self.unit}.", False)
        return Verdict(f"**Not yet.** It is too {'large' if value > expected else 'small'}.", False)

    def _near(self, value: float, other: float) -> bool:
        return math.isclose(value, other, rel_tol=self.tolerance, abs_tol=1e-12)


@dataclass(frozen=True)
class Choice:
    """An exercise whose answer is one of several letters.

    Attributes
    ----------
    reasons : mapping of str to str
        For every letter that can be chosen, what speaks against it; for the right one, why it is right.
    right : function without arguments
        Finds the right letter, by theory or by the model.
    """

    reasons: Mapping[str, str]
    right: Callable[[], str]

    def judge(self, answer) -> Verdict:
        """Compare a letter with the right one."""
        letter = str(answer).strip().lower()
        if letter not in self.reasons:
            return Verdict(f"**Not an option.** Answer with one of {', '.join(map(repr, self.reasons))}.", False)
        if letter == self.right():
            return Verdict(f"**Right.** {self.reasons[letter]}", True)
        return Verdict(f"**Not yet.** {self.reasons[letter]}", False)


@dataclass(frozen=True)
class Trial:
    """An exercise whose answer is a function or a class, which the model tries out.

    Attributes
    ----------
    test : function of the answer
        Returns what to say to a right answer, or raises `Wrong`.
    """

    test: Callable[[object], str]

    def judge(self, answer) -> Verdict:
        """Try the answer out; whatever it raises is a reason."""
        try:
            return Verdict(f"**Right.** {self.test(answer)}".rstrip(), True)
        except Wrong as wrong:
            return Verdict(f"**Not yet.** {wrong}", False)
        except Exception as error:  # a student's code may raise anything
            return Verdict(f"**Not yet.** It raised `{type(error).__name__}`: {error}", False)


def known() -> list[str]:
    """All exercises: ``"<notebook>.<name>"``.

    Examples
    --------
    >>> all(exercise[2] == "." for exercise in known())
    True
    """
    from . import lessons

    found = []
    for module in iter_modules(lessons.__path__):
        lesson = import_module(f"{lessons.__name__}.{module.name}")
        found += [f"{module.name.removeprefix('lesson_')}.{name}" for name in lesson.EXERCISES]
    return found


def exercise(id: str) -> Number | Choice | Trial:
    """An exercise by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if id not in known():
        raise InputError(f"is no exercise; known: {', '.join(known())}", key="exercise", value=id)
    notebook, name = id.split(".")
    return import_module(f"{__package__}.lessons.lesson_{notebook}").EXERCISES[name]


def check(id: str, answer) -> Verdict:
    """Tell whether an answer is right, and if not, what speaks against it.

    Parameters
    ----------
    id : str
        The exercise: number of the notebook and name, such as ``"01.short_hold"``.
    answer : object
        A number, a letter, a function or a class; ``...`` where there is none yet.

    Returns
    -------
    Verdict
        Shown by a notebook; true if the answer is right.

    Raises
    ------
    InputError
        If there is no such exercise; never for an answer.

    Examples
    --------
    >>> check("01.short_hold", ...)
    *Not answered yet.* Put your answer in place of the three dots, and run this cell again.
    >>> check("01.short_hold", "long")
    **Not a number.** Answer with a number, in us.
    """
    asked = exercise(id)
    if answer is None or answer is ...:
        return Verdict("*Not answered yet.* Put your answer in place of the three dots, and run this cell again.")
    return asked.judge(answer)
