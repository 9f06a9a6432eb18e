"""Keyed random numbers: a stream is a fixed sequence, so its n-th draw never depends on other streams."""

from __future__ import annotations

from .. import draws


class Stream:
    """A stream of 64-bit words (splitmix64), one word a sample.

    Parameters
    ----------
    start : int
        From `rainforest_model.draws.stream`, which keys it by seed, purpose and entity.

    Examples
    --------
    >>> Stream(1).below(6) == Stream(1).below(6)
    True
    """

    def __init__(self, start: int):
        self._state = int(start)

    def word(self) -> int:
        """The next word, as a signed 64-bit integer."""
        self._state = (self._state + draws.GOLDEN + 2**63) % 2**64 - 2**63
        return draws.mix(self._state)

    def duration(self, distribution: int, p: float, q: float) -> int:
        """A duration in ticks; `distribution` is a code of the opcodes, p and q are its parameters."""
        return draws.duration(distribution, p, q, self.word())

    def below(self, n: int) -> int:
        """A whole number uniform on 0 .. n - 1."""
        return draws.below(self.word(), n)
