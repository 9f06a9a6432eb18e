"""What a replication leaves, from either engine: histograms, moments, busy time, and why it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np


class StopReason(Enum):
    """Why an engine stopped; only the first is as it should be."""

    REACHED = "reached its end"
    LIVELOCK = "does not let time pass: its operations cost nothing"
    QUEUE_FULL = "found its queue full: more requests arrive than are served"
    NOT_HELD = "releases a lock that it does not hold"
    DEADLOCK = "waits for ever, as all the others do"
    TRACE_FULL = "filled the trace"


class Requests(NamedTuple):
    """What became of the requests that were sent in parts; the rest is under way."""

    sent: int
    answered: int
    lost: int

    @property
    def under_way(self) -> int:
        """Requests that are neither answered nor lost."""
        return self.sent - self.answered - self.lost


@dataclass(frozen=True)
class Outcome:
    """Counts of one replication.

    Attributes
    ----------
    counts : int64[series, buckets]
        Latency histograms (`rainforest_model.histogram`), in ticks.
    moments : float64[series, 4]
        Count, sum, sum of squares and maximum of each series, in ticks.
    busy : int64[cores]
        Ticks for which each core had a task.
    now, events : int
        Simulated ticks and processed events.
    """

    counts: np.ndarray
    moments: np.ndarray
    busy: np.ndarray
    now: int
    events: int
