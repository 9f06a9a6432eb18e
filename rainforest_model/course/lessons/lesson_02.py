"""Exercises of `02_why_tails_not_means`."""

from __future__ import annotations

import math

import numpy as np

from ... import histogram
from ..checks import Number, Trial, Wrong

MEAN_S, LIMIT_S, NINETY_NINE = 0.010, 0.100, 0.99
"""Mean service of the server, and how long the 99th percentile of its responses may be."""
SERVERS = 50


def _load_for_p99() -> float:
    """Requests a second: -log(0.01) mean / (1 - rate * mean) = limit, solved for the rate."""
    return (1 - MEAN_S * -math.log1p(-NINETY_NINE) / LIMIT_S) / MEAN_S


def _slow_of_ten_thousand() -> float:
    return 1e4 * (1 - NINETY_NINE ** (1 / SERVERS))


def _geometric(mean: float, count: float) -> np.ndarray:
    """A histogram of about `count` exponential latencies, without chance: int64[BUCKETS]."""
    edges = histogram.lower_edges()
    tails = np.exp(-np.append(edges, histogram.MAX_VALUE + 1) / mean)
    return np.round(count * -np.diff(tails)).astype(np.int64)


def _merges(answer) -> str:
    """Whether a function of histograms finds the percentile of all requests, whatever each server has."""
    for busy_mean, busy_count in ((5e6, 9e5), (5e6, 1e4), (5e5, 1e5)):
        servers = [_geometric(5e5, 1e5), _geometric(busy_mean, busy_count)]
        kept = [counts.copy() for counts in servers]
        told = float(answer(servers))
        if any((counts != before).any() for counts, before in zip(servers, kept, strict=True)):
            raise Wrong("It changes the histograms that it is given.")
        each = [histogram.quantile(counts, NINETY_NINE) for counts in servers]
        expected = histogram.quantile(sum(servers), NINETY_NINE)
        if math.isclose(told, expected, rel_tol=0.01):
            continue
        if math.isclose(told, np.mean(each), rel_tol=0.01):
            raise Wrong("That is the average of the percentiles, which is no percentile of anything.")
        if math.isclose(told, np.average(each, weights=[counts.sum() for counts in servers]), rel_tol=0.01):
            raise Wrong("That is a weighted average of the percentiles: better meant, and still no percentile.")
        if math.isclose(told, max(each), rel_tol=0.01):
            raise Wrong("That is the worse server's percentile, which too few requests met here, or too many.")
        share = sum(counts[histogram.midpoints() <= told].sum() for counts in servers) / sum(map(np.sum, servers))
        raise Wrong(f"In one case {share:.2%} of all requests are as fast as what it returns.")
    return "Histograms can be added, percentiles cannot."


def _corrects(answer) -> str:
    """Whether a function puts back the requests that a tester did not send while it waited."""
    cases = [([1, 2, 3], 10), ([1, 1, 35], 10), ([40, 1, 25], 10), ([7], 2), ([], 5)]
    for durations, interval in cases:
        expected = sorted(d - k * interval for d in durations for k in range(math.ceil(d / interval)))
        told = sorted(float(value) for value in answer(list(durations), interval))
        if told == sorted(durations) != expected:
            raise Wrong(f"With {durations} at one each {interval}, nothing was added: who should have come meanwhile?")
        if len(told) != len(expected):
            raise Wrong(f"With {durations} at one each {interval} it returns {len(told)} durations: "
                        f"{'more' if len(told) > len(expected) else 'fewer'} than would have been seen.")
        if not np.allclose(told, expected):
            raise Wrong(f"With {durations} at one each {interval} the number is right, but not each duration.")
    return "Each request that was left out would have come later than the one before, and so waited for less."


EXERCISES = {
    "load_for_p99": Number(
        _load_for_p99, "requests a second", tolerance=0.01,
        slips={
            "That many keep the *mean* at 100 ms.": lambda: (1 - MEAN_S / LIMIT_S) / MEAN_S,
            "That is what the server can do at most.": lambda: 1 / MEAN_S,
        },
        why="Little more than half of what the server can do: that is what a promise about the tail costs.",
    ),
    "fan_out": Number(
        _slow_of_ten_thousand, "requests in 10,000", tolerance=0.02,
        slips={
            "If one in a hundred were slow at each server, four pages in ten would be slow.": lambda: 100.0,
            "That is how many may be slow for all servers together.": lambda: 1e4 * (1 - NINETY_NINE) * SERVERS,
        },
        why="So the page's 99th percentile is the servers' 99.98th.",
    ),
    "merged_p99": Trial(_merges),
    "omission": Trial(_corrects),
}
