"""Shapley's value: the one way to share a sum out among players that is efficient, symmetric, additive and
gives nothing to who changes nothing (L. S. Shapley, A value for n-person games, 1953)."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import ArrayLike

MOST_PLAYERS = 16


def weights(others: int) -> np.ndarray:
    """How likely each coalition of the others is to be there when a player comes, in a random order of all.

    Returns
    -------
    float64[2**others]
        Item S is for the coalition whose members are the bits of S.

    Raises
    ------
    ValueError
        Unless there are 0 .. `MOST_PLAYERS` - 1 others.

    Examples
    --------
    >>> weights(1)
    array([0.5, 0.5])
    """
    if not 0 <= others < MOST_PLAYERS:
        raise ValueError(f"need 1 .. {MOST_PLAYERS} players, not {others + 1!r}")
    sizes = [coalition.bit_count() for coalition in range(2**others)]
    return np.array([factorial(size) * factorial(others - size) / factorial(others + 1) for size in sizes])


def shapley(values: ArrayLike) -> np.ndarray:
    """The players' shares of ``v(all) - v(none)``, by all coalitions.

    Parameters
    ----------
    values : array_like
        float[..., 2**n]: the value of each coalition, whose members are the bits of its index.

    Returns
    -------
    float64[..., n]
        Exactly 0 for a player who never changes anything.

    Raises
    ------
    ValueError
        If the last axis is not as long as there are coalitions.

    Examples
    --------
    Both are needed:

    >>> shapley([0, 0, 0, 10]).tolist()
    [5.0, 5.0]
    """
    values = np.asarray(values, dtype=np.float64)
    coalitions = values.shape[-1] if values.ndim else 0
    if coalitions < 2 or coalitions & (coalitions - 1):
        raise ValueError(f"a value for each coalition makes 2, 4, 8 ... of them, not {coalitions}")
    players = coalitions.bit_length() - 1
    index, chances = np.arange(coalitions), weights(players - 1)
    shares = []
    for player in range(players):
        inside = (index >> player & 1).astype(bool)
        # Coalitions in ascending order are, without the player's bit, those of the others in ascending order.
        shares.append((values[..., inside] - values[..., ~inside]) @ chances)
    return np.stack(shares, axis=-1)
