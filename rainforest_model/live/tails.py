"""Percentiles of what ended between two moments: histograms differ, percentiles are never averaged."""

from __future__ import annotations

import numpy as np

from .. import histogram
from ..units import to_us


def tail(counts: np.ndarray, us_in_unit: float) -> dict:
    """Median, 99th percentile and number of latencies; None where there are none.

    Parameters
    ----------
    counts : int64[buckets]
        In ticks.
    us_in_unit : float
        Microseconds in the unit of the answer.

    Examples
    --------
    >>> tail(np.zeros(histogram.BUCKETS, int), 1)
    {'p50': None, 'p99': None, 'n': 0}
    """
    n = int(counts.sum())
    if n == 0:
        return {"p50": None, "p99": None, "n": 0}
    p50, p99 = (float(to_us(value)) / us_in_unit for value in histogram.quantile(counts, [0.5, 0.99]))
    return {"p50": p50, "p99": p99, "n": n}
