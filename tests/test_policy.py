"""Policies: what they decide follows from what they see."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model.errors import InputError
from rainforest_model.supervision import HysteresisPolicy, Observation, Policy, PredictivePolicy, ThresholdPolicy


def seen(tail_ms: float = 180.0, rate: float = 200.0, cores: int = 6, other_cores: int = 6) -> Observation:
    count = round(10 * rate)
    return Observation(
        time_s=10, tail_ms=tail_ms, arrived=count, answered=count, rate=rate, cores=cores, other_cores=other_cores
    )


class TestThreshold:
    @pytest.mark.parametrize(
        ("tail_ms", "decision"),
        [(159.9, -1), (160, 0), (200, 0), (200.1, 1), (math.inf, 1), (math.nan, 0), (0, -1)],
    )
    def test_above_below_between(self, tail_ms, decision):
        assert ThresholdPolicy(160, 200).decide(seen(tail_ms)) == decision

    @pytest.mark.parametrize("bounds", [(200, 160), (-1, 10), (math.nan, 10)])
    def test_bounds_that_do_not_fit(self, bounds):
        with pytest.raises(InputError, match="lower_ms"):
            ThresholdPolicy(*bounds)

    @pytest.mark.parametrize("interval_s", [0, -1, math.nan, math.inf])
    def test_an_interval_that_does_not_fit(self, interval_s):
        with pytest.raises(InputError, match="interval_s"):
            ThresholdPolicy(interval_s=interval_s)


class TestHysteresis:
    @given(st.lists(st.floats(0, 400), max_size=40), st.integers(1, 5))
    def test_it_moves_only_after_so_many_in_a_row(self, tails, windows):
        policy, plain = HysteresisPolicy(windows=windows), ThresholdPolicy()
        wanted = [plain.decide(seen(tail)) for tail in tails]
        decided = [policy.decide(seen(tail)) for tail in tails]
        for place, decision in enumerate(decided):
            if decision:
                assert set(wanted[place - windows + 1:place + 1]) == {decision}
                assert not any(decided[max(0, place - windows + 1):place])

    def test_of_one_window_it_is_the_threshold(self):
        policy = HysteresisPolicy(windows=1)
        assert [policy.decide(seen(tail)) for tail in (250, 250, 180, 100)] == [1, 1, 0, -1]

    @pytest.mark.parametrize("windows", [0, 1.5, True])
    def test_windows_that_do_not_fit(self, windows):
        with pytest.raises(InputError, match="windows"):
            HysteresisPolicy(windows=windows)


class TestPredictive:
    @given(st.floats(1, 1000), st.floats(5, 100), st.integers(1, 12))
    def test_a_steady_load_gets_the_cores_that_it_takes(self, rate, per_core, cores):
        policy = PredictivePolicy(rate_per_core=per_core, most=1000)
        for _ in range(3):
            decision = policy.decide(seen(rate=rate, cores=cores))
        have = cores + decision
        assert have >= 1
        assert have * per_core >= rate * (1 - 1e-9)
        assert have == 1 or (have - 1) * per_core < rate * (1 + 1e-9)

    def test_it_runs_ahead_of_a_load_that_grows_and_not_of_one_that_stays(self):
        growing, steady = PredictivePolicy(10), PredictivePolicy(10)
        for step in range(8):
            growing.decide(seen(rate=100 + 20 * step))
            steady.decide(seen(rate=240))
        assert growing.predicted() > 240
        assert steady.predicted() == pytest.approx(240)

    def test_it_moves_no_more_than_so_many(self):
        assert PredictivePolicy(10, most=2).decide(seen(rate=1000)) == 2
        assert PredictivePolicy(10, most=2).decide(seen(rate=1, cores=9)) == -2

    @pytest.mark.parametrize(
        "values", [{"rate_per_core": 0}, {"rate_per_core": 9, "level": 1.1}, {"rate_per_core": 9, "trend": -0.1},
                   {"rate_per_core": 9, "most": 0}],
    )
    def test_values_that_do_not_fit(self, values):
        with pytest.raises(InputError):
            PredictivePolicy(**values)


def test_the_base_decides_nothing():
    with pytest.raises(NotImplementedError):
        Policy().decide(seen())
