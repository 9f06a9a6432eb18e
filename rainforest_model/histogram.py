"""A log-linear histogram of bounded memory: latencies from one tick to hours at 0.4 % error.

Buckets are exact up to 255 and then share each power of two among 128 equal buckets, as
HdrHistogram does. For ``m = value.bit_length()`` and ``e = max(0, m - 8)`` the bucket of a value is
``(e << 7) + (value >> e)``: two shifts and an addition, which compiled code repeats with `SUB_BITS`.
A histogram is a plain ``int64[BUCKETS]`` array of counts, so merging two is adding them, and a
million or a billion observations take the same 43 kB.

References
----------
Tene, G. HdrHistogram: a high dynamic range histogram. https://hdrhistogram.org
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["BUCKETS", "MAX_VALUE", "SUB_BITS", "bucket_index", "cdf", "lower_edges", "midpoints", "quantile"]

SUB_BITS = 7
"""Each power of two from 2**8 up is cut into 2**SUB_BITS buckets."""

MAX_VALUE = 2**49 - 1
"""Greatest value that has a bucket."""

BUCKETS = (49 - SUB_BITS + 1) << SUB_BITS
"""Number of buckets, 5504: the length of every array of counts."""


def bucket_index(value: int) -> int:
    """Bucket that counts a value.

    Parameters
    ----------
    value : int
        In 0..MAX_VALUE; any integer unit, such as ticks.

    Returns
    -------
    int
        In 0..BUCKETS-1; never falls as ``value`` grows, and leaves no bucket out.

    Raises
    ------
    ValueError
        If ``value`` is negative or above `MAX_VALUE`.

    Examples
    --------
    >>> [bucket_index(value) for value in (0, 1, 255, 256, 257, 258, MAX_VALUE)]
    [0, 1, 255, 256, 256, 257, 5503]
    """
    value = int(value)
    if not 0 <= value <= MAX_VALUE:
        raise ValueError(f"value must be in 0..{MAX_VALUE}, not {value}")
    shift = max(0, value.bit_length() - SUB_BITS - 1)
    return (shift << SUB_BITS) + (value >> shift)


def lower_edges() -> np.ndarray:
    """Least value of each bucket.

    Returns
    -------
    ndarray
        int64[BUCKETS], increasing. Bucket i counts ``lower_edges()[i] <= value < lower_edges()[i+1]``,
        and the last one counts up to `MAX_VALUE`.

    Examples
    --------
    >>> lower_edges()[[0, 1, 255, 256, 257, 5503]].tolist()
    [0, 1, 255, 256, 258, 560750930165760]
    """
    index = np.arange(BUCKETS, dtype=np.int64)
    shift = _shifts()
    return (index - (shift << SUB_BITS)) << shift


def midpoints() -> np.ndarray:
    """Middle of the integers in each bucket: the value that stands for all of them.

    Returns
    -------
    ndarray
        float64[BUCKETS], increasing; equal to the value itself up to 255, and within 1/256 (0.39 %)
        of every value of the bucket above.

    Examples
    --------
    >>> midpoints()[[0, 255, 256, 257]].tolist()
    [0.0, 255.0, 256.5, 258.5]
    """
    return lower_edges() + ((np.int64(1) << _shifts()) - 1) / 2.0


def quantile(counts: ArrayLike, q: ArrayLike) -> float | np.ndarray:
    """Quantile of the counted values: where the ceil(q * n)-th smallest of n lies.

    Parameters
    ----------
    counts : array_like
        int[BUCKETS], observations in each bucket.
    q : float or array_like
        Probabilities in [0, 1]; 0 asks for the least value.

    Returns
    -------
    float or ndarray
        Midpoint of the bucket that holds that order statistic, shaped as ``q``, in the unit of the
        values. Exact up to 255, and above within 0.4 % of what ``np.quantile(values, q,
        method="inverted_cdf")`` gives: a value that occurred, never a blend of two.

    Raises
    ------
    ValueError
        If ``counts`` has another length, a negative count or no observation, or a ``q`` is not in
        [0, 1].

    Examples
    --------
    >>> counts = np.zeros(BUCKETS, dtype=np.int64)
    >>> for value in range(1, 101):
    ...     counts[bucket_index(value)] += 1
    >>> quantile(counts, 0.99), quantile(counts, [0.0, 0.5, 1.0]).tolist()
    (99.0, [1.0, 50.0, 100.0])
    """
    counts = _checked(counts)
    q = np.asarray(q, dtype=np.float64)
    if not np.all((q >= 0.0) & (q <= 1.0)):
        raise ValueError(f"q must be in [0, 1], not {q.tolist()}")
    cumulated = np.cumsum(counts)
    # Two units in the last place less, so that 0.07 * 100 = 7.000000000000001 asks for the 7th, not the 8th.
    ranks = np.maximum(1, np.ceil(q * cumulated[-1] * (1.0 - 2.0**-51)))
    values = midpoints()[np.searchsorted(cumulated, ranks)]
    return values if q.ndim else float(values)


def cdf(counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Empirical distribution function over the buckets that are not empty.

    Parameters
    ----------
    counts : array_like
        int[BUCKETS], observations in each bucket.

    Returns
    -------
    values : ndarray
        float64[buckets not empty], midpoints, increasing, in the unit of the values.
    probabilities : ndarray
        float64[buckets not empty], share of observations at or below; the last is 1.

    Raises
    ------
    ValueError
        If ``counts`` has another length, a negative count or no observation.

    Examples
    --------
    >>> counts = np.zeros(BUCKETS, dtype=np.int64)
    >>> counts[[bucket_index(10), bucket_index(300)]] = 3, 1
    >>> values, probabilities = cdf(counts)
    >>> values.tolist(), probabilities.tolist()
    ([10.0, 300.5], [0.75, 1.0])
    """
    counts = _checked(counts)
    filled = np.flatnonzero(counts)
    cumulated = np.cumsum(counts[filled])
    return midpoints()[filled], cumulated / cumulated[-1]


def _shifts() -> np.ndarray:
    """Exponent e of each bucket: its width is 2**e."""
    return np.maximum(0, (np.arange(BUCKETS, dtype=np.int64) >> SUB_BITS) - 1)


def _checked(counts: ArrayLike) -> np.ndarray:
    """Counts as an array, refused if they cannot be a histogram of this layout."""
    counts = np.asarray(counts)
    if counts.shape != (BUCKETS,):
        raise ValueError(f"counts must have shape ({BUCKETS},), not {counts.shape}")
    if counts.min() < 0:
        raise ValueError("counts must not be negative")
    if not counts.any():
        raise ValueError("no observations: all counts are 0")
    return counts
