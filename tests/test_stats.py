"""Intervals against SciPy's own, and the borders where there is too little to tell."""

import math

import numpy as np
import pytest
import scipy.stats

from rainforest_model import stats

A = [10.2, 11.9, 9.7, 10.8, 12.1, 10.4]
B = [9.1, 11.2, 9.0, 9.9, 10.6, 9.8]


class TestEstimate:
    def test_repr_tells_all(self):
        estimate = stats.Estimate(1.0, 0.5, 2.0, n=7, level=0.99, method="bootstrap")
        assert repr(estimate) == "Estimate(1, 99 % [0.5, 2], n=7, bootstrap)"
        assert repr(stats.Estimate(1.0, 0.5, 2.0, n=7)) == "Estimate(1, 95 % [0.5, 2], n=7)"

    def test_half_widths(self):
        assert stats.Estimate(-4.0, -5.0, -3.0, n=2).half_width == 1.0
        assert stats.Estimate(-4.0, -5.0, -3.0, n=2).relative_half_width == 0.25
        assert stats.Estimate(0.0, 0.0, 0.0, n=2).relative_half_width == 0.0
        assert stats.Estimate(0.0, -1.0, 1.0, n=2).relative_half_width == math.inf

    @pytest.mark.parametrize("ends", [(1.5, 2.0), (0.0, 0.5), (math.nan, 2.0)])
    def test_refuses_a_value_outside_its_interval(self, ends):
        with pytest.raises(ValueError, match="low <= value <= high"):
            stats.Estimate(1.0, *ends, n=3)


class TestStudentT:
    @pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
    def test_mean_interval_is_scipys(self, level):
        estimate = stats.mean_interval(A, level)
        expected = scipy.stats.t.interval(level, len(A) - 1, loc=np.mean(A), scale=scipy.stats.sem(A))
        assert (estimate.low, estimate.high) == pytest.approx(expected)
        assert (estimate.value, estimate.n, estimate.level) == (pytest.approx(np.mean(A)), 6, level)

    def test_paired_difference_is_scipys(self):
        estimate = stats.paired_difference(A, B)
        expected = scipy.stats.ttest_rel(A, B).confidence_interval(0.95)
        assert (estimate.low, estimate.high) == pytest.approx(tuple(expected))
        assert estimate.value == pytest.approx(np.mean(A) - np.mean(B))

    def test_pairs_sharpen_what_they_share(self):
        paired = stats.paired_difference(A, B).half_width
        independent = scipy.stats.ttest_ind(A, B).confidence_interval(0.95)
        assert paired < (independent.high - independent.low) / 2 / 2

    def test_paired_ratio_is_scipys_through_logarithms(self):
        estimate = stats.paired_ratio(A, B)
        expected = np.exp(tuple(scipy.stats.ttest_rel(np.log(A), np.log(B)).confidence_interval(0.95)))
        assert (estimate.low, estimate.high) == pytest.approx(tuple(expected))
        assert estimate.value == pytest.approx(scipy.stats.gmean(np.divide(A, B)))

    def test_ratio_does_not_care_which_is_named_first(self):
        forth, back = stats.paired_ratio(A, B), stats.paired_ratio(B, A)
        assert (back.value, back.low, back.high) == pytest.approx(
            (1 / forth.value, 1 / forth.high, 1 / forth.low)
        )

    def test_one_replication_says_nothing_of_its_spread(self):
        assert stats.mean_interval([3.0]) == stats.Estimate(
            3.0, -math.inf, math.inf, 1, 0.95, "Student t over replications"
        )
        assert (stats.paired_difference([3.0], [1.0]).low, stats.paired_difference([3.0], [1.0]).value) == (
            -math.inf,
            2.0,
        )
        ratio = stats.paired_ratio([3.0], [1.0])
        assert (ratio.low, ratio.high) == (0.0, math.inf)

    def test_equal_values_give_a_point(self):
        estimate = stats.mean_interval([2.5] * 4)
        assert estimate.low == estimate.value == estimate.high == 2.5

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([], "values must hold at least 1"),
            ([[1.0, 2.0]], "values must be one-dimensional"),
            ([1.0, math.nan], "values must be finite"),
        ],
    )
    def test_refuses_values(self, values, message):
        with pytest.raises(ValueError, match=message):
            stats.mean_interval(values)

    @pytest.mark.parametrize("level", [0.0, 1.0, 95])
    def test_refuses_levels(self, level):
        with pytest.raises(ValueError, match="level must be in"):
            stats.mean_interval([1.0], level)

    def test_refuses_what_is_no_pair(self):
        with pytest.raises(ValueError, match="samples of one length, not 2 and 1"):
            stats.paired_difference([1.0, 2.0], [1.0])
        with pytest.raises(ValueError, match="positive values"):
            stats.paired_ratio([1.0, 0.0], [1.0, 2.0])


class TestProbability:
    @pytest.mark.parametrize("n", [1, 5, 20])
    @pytest.mark.parametrize("level", [0.9, 0.95])
    def test_is_scipys_exact_interval(self, n, level):
        for successes in range(n + 1):
            estimate = stats.probability_interval(successes, n, level)
            expected = scipy.stats.binomtest(successes, n).proportion_ci(level, method="exact")
            assert (estimate.low, estimate.high) == pytest.approx(tuple(expected))
            assert estimate.value == successes / n

    @pytest.mark.parametrize("n", [3, 12])
    def test_covers_as_often_as_it_says(self, n):
        intervals = [stats.probability_interval(successes, n) for successes in range(n + 1)]
        for p in np.linspace(0.005, 0.995, 199):
            weights = scipy.stats.binom.pmf(range(n + 1), n, p)
            covered = sum(w for w, e in zip(weights, intervals, strict=True) if e.low <= p <= e.high)
            assert covered >= 0.95

    def test_ordering_counts_the_replications_where_it_held(self):
        held = np.array([True, True, False, True])
        assert stats.ordering_probability(held) == stats.probability_interval(3, 4)

    @pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 3), (4, 3), (1.5, 3), (1, math.nan)])
    def test_refuses_counts(self, successes, n):
        with pytest.raises(ValueError, match="0 <= successes <= n"):
            stats.probability_interval(successes, n)

    @pytest.mark.parametrize("held", [[0, 1], np.array([[True]]), [], [0.3]])
    def test_refuses_what_is_no_ordering(self, held):
        with pytest.raises(ValueError, match="array of bool"):
            stats.ordering_probability(held)

    def test_refuses_an_empty_ordering(self):
        with pytest.raises(ValueError, match="n >= 1"):
            stats.ordering_probability(np.array([], dtype=bool))


class TestPrecision:
    rule = stats.Precision(relative=0.05, minimum=3, cap=6)

    def spread(self, n):
        """Replications whose interval is far too wide."""
        return [1.0, 3.0] * (n // 2) + [2.0] * (n % 2)

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_waits_for_the_minimum(self, n):
        assert self.rule.decide([2.0] * n) == ("continue", f"{n} of at least 3 replications")

    def test_stops_when_tight(self):
        values = [9.9, 10.0, 10.1]
        reached = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(values) / 10.0
        decision = self.rule.decide(values)
        assert decision.reason == f"half-width {100 * reached:.3g} % <= 5 %"
        assert (decision.outcome, decision.stop) == ("tight", True)

    def test_goes_on_while_wide(self):
        decision = self.rule.decide(self.spread(5))
        assert (decision.outcome, decision.stop) == ("continue", False)
        assert decision.reason.endswith("> 5 % after 5 replications")

    @pytest.mark.parametrize("n", [6, 7])
    def test_stops_at_the_cap(self, n):
        decision = self.rule.decide(self.spread(n))
        assert (decision.outcome, decision.stop) == ("cap", True)
        assert decision.reason.startswith("cap of 6 replications reached at ")

    def test_tight_at_the_cap_is_tight(self):
        assert self.rule.decide([2.0] * 6).outcome == "tight"

    def test_a_mean_of_zero_is_tight_only_as_a_point(self):
        assert self.rule.decide([0.0] * 3).outcome == "tight"
        assert self.rule.decide([-1.0, 0.0, 1.0]).reason == "half-width inf % > 5 % after 3 replications"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"relative": 0.0}, "relative must be positive"),
            ({"minimum": 1}, "2 <= minimum <= cap"),
            ({"minimum": 9, "cap": 8}, "2 <= minimum <= cap"),
            ({"level": 1.0}, "level must be in"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            stats.Precision(**arguments)

    def test_refuses_values_that_are_not_finite(self):
        with pytest.raises(ValueError, match="values must be finite"):
            self.rule.decide([1.0, math.inf])


def mser5_by_definition(series):
    """The statistic at every cut, without running sums."""
    batches = np.array(series[: len(series) // 5 * 5]).reshape(-1, 5).mean(axis=1)
    errors = [batches[cut:].var() / (len(batches) - cut) for cut in range(len(batches) - 4)]
    cut = int(np.argmin(errors))
    return 5 * cut if cut <= len(batches) // 2 else None


class TestMser5:
    @pytest.mark.parametrize("length", [50, 83, 400])
    @pytest.mark.parametrize("transient", [0.0, 3.0, 50.0])
    def test_is_its_definition(self, length, transient):
        noise = np.random.default_rng(length).normal(size=length)
        series = noise + transient * np.exp(-np.arange(length) / 8.0)
        assert stats.mser5(series) == mser5_by_definition(series)

    def test_drops_a_transient_and_keeps_a_steady_run(self):
        steady = [1.0, 2.0, 3.0, 2.0, 1.5, 2.5] * 50
        assert stats.mser5([50.0] * 23 + steady) == 25
        assert stats.mser5([0.1] * 100) == 0

    def test_owns_up_to_a_run_that_never_settles(self):
        assert stats.mser5(np.arange(200.0) ** 2) is None

    def test_refuses_a_short_series(self):
        with pytest.raises(ValueError, match="series must hold at least 50"):
            stats.mser5([1.0] * 49)
