"""The log-linear layout: no gaps, bounded error, and quantiles that are order statistics."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model import histogram
from rainforest_model.histogram import BUCKETS, MAX_VALUE, bucket_index

values = st.one_of(
    st.integers(0, MAX_VALUE),
    st.integers(0, 49).map(lambda power: min(2**power, MAX_VALUE)),
    st.integers(1, 49).map(lambda power: 2**power - 1),
)


def counted(observations):
    counts = np.zeros(BUCKETS, dtype=np.int64)
    for value in observations:
        counts[bucket_index(value)] += 1
    return counts


class TestLayout:
    @given(value=values)
    def test_index_is_the_shared_formula(self, value):
        e = max(0, value.bit_length() - 8)
        assert bucket_index(value) == (e << 7) + (value >> e)

    @given(value=values.filter(lambda value: value < MAX_VALUE))
    def test_index_never_falls_and_never_skips(self, value):
        assert bucket_index(value + 1) - bucket_index(value) in (0, 1)

    @given(a=values, b=values)
    def test_index_is_monotone(self, a, b):
        a, b = sorted((a, b))
        assert bucket_index(a) <= bucket_index(b)

    def test_every_bucket_begins_at_its_edge(self):
        edges = histogram.lower_edges()
        assert edges.dtype == np.int64
        assert [bucket_index(edge) for edge in edges] == list(range(BUCKETS))
        assert [bucket_index(edge - 1) for edge in edges[1:]] == list(range(BUCKETS - 1))
        assert bucket_index(MAX_VALUE) == BUCKETS - 1

    def test_small_values_have_a_bucket_each(self):
        assert [bucket_index(value) for value in range(256)] == list(range(256))
        assert histogram.midpoints()[:256].tolist() == list(range(256))

    def test_midpoints_are_the_mean_of_their_bucket(self):
        edges, ends = histogram.lower_edges(), np.append(histogram.lower_edges()[1:], MAX_VALUE + 1) - 1
        np.testing.assert_array_equal(histogram.midpoints(), (edges + ends) / 2)
        width = (ends - edges + 1)[256:]
        assert np.all(width * 128 <= edges[256:])

    @given(value=values)
    def test_error_is_bounded(self, value):
        midpoint = histogram.midpoints()[bucket_index(value)]
        assert abs(midpoint - value) <= (value / 256 if value > 255 else 0)

    @pytest.mark.parametrize("value", [-1, MAX_VALUE + 1])
    def test_refuses_values_without_a_bucket(self, value):
        with pytest.raises(ValueError, match="value must be in"):
            bucket_index(value)


class TestQuantile:
    @given(observations=st.lists(values, min_size=1, max_size=60), sixty_fourths=st.integers(0, 64))
    def test_is_near_the_order_statistic(self, observations, sixty_fourths):
        q = sixty_fourths / 64  # exact in binary, so that NumPy's rank is the exact one too
        exact = np.quantile(np.array(observations), q, method="inverted_cdf")
        assert abs(histogram.quantile(counted(observations), q) - exact) <= 0.004 * exact

    @pytest.mark.parametrize("n", [1, 7, 100, 255])
    @pytest.mark.parametrize("times", [1, 10**9])
    def test_decimal_probabilities_take_the_rank_they_name(self, n, times):
        counts = counted(range(1, n + 1)) * times
        thousandths = range(1001)
        ranks = [max(1, math.ceil(Fraction(i, 1000) * n)) for i in thousandths]
        assert histogram.quantile(counts, [i / 1000 for i in thousandths]).tolist() == ranks

    def test_extremes_are_least_and_greatest(self):
        counts = counted([3, 17, 90, 200])
        assert histogram.quantile(counts, 0.0) == 3.0
        assert histogram.quantile(counts, 1.0) == 200.0
        assert isinstance(histogram.quantile(counts, 0.5), float)

    @given(a=st.lists(values, min_size=1, max_size=20), b=st.lists(values, min_size=1, max_size=20))
    def test_merging_is_addition(self, a, b):
        np.testing.assert_array_equal(counted(a) + counted(b), counted(a + b))

    @pytest.mark.parametrize("q", [-0.1, 1.1, math.nan, [0.5, 2.0]])
    def test_refuses_probabilities_out_of_range(self, q):
        with pytest.raises(ValueError, match=r"q must be in \[0, 1\]"):
            histogram.quantile(counted([1]), q)


class TestCdf:
    @given(observations=st.lists(values, min_size=1, max_size=60))
    def test_counts_the_share_at_or_below(self, observations):
        points, probabilities = histogram.cdf(counted(observations))
        buckets = np.sort([bucket_index(value) for value in observations])
        assert np.all(np.diff(points) > 0)
        assert probabilities[-1] == 1.0
        expected = np.searchsorted(buckets, np.unique(buckets), side="right") / len(observations)
        np.testing.assert_allclose(probabilities, expected)
        np.testing.assert_array_equal(points, histogram.midpoints()[np.unique(buckets)])


@pytest.mark.parametrize("ask", [histogram.cdf, lambda counts: histogram.quantile(counts, 0.5)])
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.zeros(BUCKETS, dtype=np.int64), "no observations"),
        (np.zeros(10, dtype=np.int64), "counts must have shape"),
        (np.full(BUCKETS, -1), "counts must not be negative"),
    ],
)
def test_refuses_what_is_no_histogram(ask, counts, message):
    with pytest.raises(ValueError, match=message):
        ask(counts)
