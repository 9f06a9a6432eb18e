"""Arithmetic on the claims: what is called impossible is impossible for every order, what is called possible is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rainforest_model import consistency, paper
from rainforest_model.workloads.batch import Batch

TABLE = consistency.counts().set_index("system")
ORDERS = st.lists(st.floats(1e-3, 1), min_size=13, max_size=13).map(
    lambda lengths: np.concatenate([[0], np.cumsum(lengths) / sum(lengths)])
)


@given(ORDERS, st.sampled_from(consistency.SYSTEMS))
def test_no_order_leaves_the_bounds(share, system):
    row = TABLE.loc[system]
    assert row.fewest <= consistency.finished(share, row.batch_s) <= row.most


@pytest.mark.parametrize("system", consistency.SYSTEMS)
def test_the_bounds_are_reached(system):
    row = TABLE.loc[system]
    slow_first, slow_last = np.r_[0, np.linspace(0.999, 1, 13)], np.r_[np.linspace(0, 1e-3, 13), 1]
    assert consistency.finished(slow_first, row.batch_s) == row.fewest
    assert consistency.finished(slow_last, row.batch_s) == row.most


@pytest.mark.parametrize("system", TABLE.index[~TABLE.possible])
def test_an_impossible_count_needs_as_much_another_time_as_is_said(system):
    row = TABLE.loc[system]
    assert row.off_percent != 0
    assert math.isnan(row.position)
    for factor, fits in ((1 + 1e-6, True), (1 - 1e-6, False)):
        changed = row.batch_s * (1 + factor * row.off_percent / 100)
        ended = math.floor(consistency.replay_s() / changed)
        assert (13 * ended <= row.printed <= 13 * ended + 12) == fits


@given(ORDERS)
def test_an_order_gives_the_printed_counts_if_and_only_if_it_keeps_the_bounds(share):
    inside = all(low < share[k] <= high for k, (low, high) in consistency.shares().items())
    agreeing = TABLE[TABLE.possible]
    given_counts = [consistency.finished(share, row.batch_s) == row.printed for row in agreeing.itertuples()]
    assert inside == all(given_counts)


def test_there_is_an_order_that_keeps_the_bounds():
    share = np.r_[np.linspace(0, 0.3, 7), 0.478, np.linspace(0.6, 1, 6)]
    assert len(share) == 14
    assert all(low < share[k] <= high for k, (low, high) in consistency.shares().items())


@given(ORDERS, st.floats(10, 1e5), st.floats(1.001, 3))
def test_a_slower_batch_finishes_no_more(share, batch_s, factor):
    assert consistency.finished(share, factor * batch_s) <= consistency.finished(share, batch_s)


@given(st.floats(100, 5000))
def test_equally_long_programs_finish_at_the_even_pace(batch_s):
    even = 13 * consistency.replay_s() / batch_s
    assume(abs(even - round(even)) > 1e-6)
    assert consistency.finished(np.linspace(0, 1, 14), batch_s) == math.floor(even)


def test_nobody_can_answer_more_than_is_offered():
    speeds = consistency.throughputs().set_index("system")
    assert (speeds.wall_s * speeds.printed).tolist() == pytest.approx([paper.claim("F101.requests").value] * 6)
    assert ((speeds.above_percent > 0) == (speeds.wall_s < consistency.replay_s() - 1e-6)).all()


def test_our_order_adds_up_and_is_drawn():
    batch = Batch(12)
    share = consistency.cumulative(batch)
    assert len(share) == consistency.programs() + 1
    assert (share[0], share[-1]) == (0, 1)
    assert (np.diff(share) > 0).all()
    left, right = consistency.figure(batch).axes
    assert [text.get_text() for text in left.get_yticklabels()][-1] == "RainForest"
    drawn = [line for line in right.get_lines() if line.get_label() == "our order"]
    assert drawn[0].get_ydata().tolist() == share.tolist()
