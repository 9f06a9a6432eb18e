"""Which core moves."""

from __future__ import annotations

from collections.abc import Sequence


def choose_cores(
    cores: Sequence[int], count: int, sockets: Sequence[int], home: int | None = None, last: int | None = None,
) -> tuple[int, ...]:
    """Cores to take from those of a giver.

    Those on the home socket of the receiver come first; among equals the giver's latest comes first, so that it keeps
    what it began with; its communication core comes last.

    Parameters
    ----------
    cores : sequence of int
        Of the giver, in the order in which it got them.
    count : int
        How many.
    sockets : sequence of int
        Socket of each core of the machine.
    home : int, optional
        Home socket of the receiver.
    last : int, optional
        The giver's communication core.

    Examples
    --------
    >>> choose_cores([6, 7, 8, 2], 2, sockets=[0] * 6 + [1] * 6, home=0, last=6)
    (2, 8)
    """
    age = {core: place for place, core in enumerate(cores)}
    order = sorted(cores, key=lambda core: (core == last, home is not None and sockets[core] != home, -age[core]))
    return tuple(order[:count])
