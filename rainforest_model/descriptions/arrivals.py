"""When requests arrive: times known beforehand, such as those of a recorded trace."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np

from ..errors import InputError


class Arrivals:
    """Scheduled times of requests.

    Parameters
    ----------
    id : str
        Names the trace.
    times : array of float
        Seconds from the beginning, in ascending order and not negative.
    source : str
        Where they come from.

    Attributes
    ----------
    nanoseconds : int64[count]
        The times, read-only.

    Raises
    ------
    InputError
        If there are none, or they are not finite, negative or out of order.

    Examples
    --------
    >>> trace = Arrivals("three", [0.5, 0.5, 2])
    >>> trace, trace.nanoseconds.tolist()
    (<Arrivals three: 3 in 2 s>, [500000000, 500000000, 2000000000])
    """

    def __init__(self, id: str, times, source: str = ""):
        seconds = np.asarray(times, float)
        if not seconds.size:
            raise InputError("no arrivals", key="times")
        if not np.isfinite(seconds).all() or seconds[0] < 0 or (np.diff(seconds) < 0).any():
            raise InputError("times must be finite, not negative and in ascending order", key="times")
        self.id, self.source = id, source
        self.nanoseconds = np.round(seconds * 1e9).astype(np.int64)
        self.nanoseconds.flags.writeable = False

    @cached_property
    def digest(self) -> str:
        """Hash of the times."""
        return hashlib.sha256(self.nanoseconds.tobytes()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.nanoseconds)

    def __eq__(self, other) -> bool:
        return isinstance(other, Arrivals) and (self.id, self.digest) == (other.id, other.digest)

    def __hash__(self) -> int:
        return hash((self.id, self.digest))

    def __repr__(self) -> str:
        return f"<Arrivals {self.id}: {len(self)} in {self.nanoseconds[-1] / 1e9:g} s>"
