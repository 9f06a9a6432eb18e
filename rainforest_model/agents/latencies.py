"""The measured latencies: a histogram and the moments of each series."""

from __future__ import annotations

import numpy as np

from ..histogram import BUCKETS, bucket_index


class Latencies:
    """What the tasks have measured so far.

    Parameters
    ----------
    names : list of str
        Names of the series.
    warmup : int
        Tick before which no measurement may begin that counts.

    Examples
    --------
    >>> latencies = Latencies(["response"], warmup=100)
    >>> latencies.record(0, since=99, now=500); latencies.record(0, since=100, now=500)
    >>> latencies.mean("response")
    400.0
    """

    def __init__(self, names: list[str], warmup: int):
        self.names = list(names)
        self.warmup = warmup
        self.counts = np.zeros((len(names), BUCKETS), np.int64)
        self._moments = [[0.0, 0.0, 0.0, 0.0] for _ in names]

    def record(self, series: int, since: int, now: int) -> None:
        """Count a latency that began at `since` and ends `now`, unless it began in the warm-up."""
        if since < self.warmup:
            return
        value = now - since
        self.counts[series, bucket_index(value)] += 1
        moments = self._moments[series]
        moments[0] += 1.0
        moments[1] += value
        moments[2] += float(value) * value
        moments[3] = max(moments[3], float(value))

    def moments(self) -> np.ndarray:
        """Count, sum, sum of squares and maximum: float64[series, 4], in ticks."""
        return np.array(self._moments, np.float64).reshape(len(self.names), 4)

    def mean(self, name: str) -> float:
        """Mean of a series in ticks; NaN before its first sample."""
        n, total, *_ = self._moments[self.names.index(name)]
        return total / n if n else float("nan")
