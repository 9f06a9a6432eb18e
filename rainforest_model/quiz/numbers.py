"""Whole numbers for a problem, drawn by seed and topic, so that a seed can be passed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .. import draws

_Item = TypeVar("_Item")


class Numbers:
    """A stream of draws of its own for each seed and topic.

    Examples
    --------
    >>> numbers = Numbers(1, "lock")
    >>> 2 <= numbers.between(2, 4) <= 4
    True
    """

    def __init__(self, seed: int, topic: str):
        self._seed, self._topic, self._drawn = seed, topic, 0

    def between(self, low: int, high: int) -> int:
        """A whole number, each of `low` .. `high` as likely."""
        self._drawn += 1
        word = draws.mix(draws.stream(self._seed, f"quiz {self._topic}", self._drawn))
        return low + int(draws.below(word, high - low + 1))

    def one_of(self, items: Sequence[_Item]) -> _Item:
        """One of the items."""
        return items[self.between(0, len(items) - 1)]

    def different(self, count: int, low: int, high: int) -> list[int]:
        """So many different numbers of `low` .. `high`, in the order of their draws."""
        left = list(range(low, high + 1))
        return [left.pop(self.between(0, len(left) - 1)) for _ in range(count)]
