"""The picture of a live machine: who has the cores, and the tail, up to a moment and no further."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st
from live_machine import NAMES, FastLifecycle, service
from matplotlib.collections import FillBetweenPolyCollection

from rainforest_model import timeline
from rainforest_model.supervision import ElasticMachine, Policy

TAILS = st.one_of(st.just(float("nan")), st.floats(1e-3, 1e6))


def rows(cores: list[tuple[int, int]], tails_ms=None) -> pd.DataFrame:
    """A timeline of two instances with a window every 10 s."""
    tails = tails_ms or [120.0] * len(cores)
    found = []
    for k, ((own, other), tail) in enumerate(zip(cores, tails, strict=True)):
        found += [(10.0 * (k + 1), "search", own, tail, 5), (10.0 * (k + 1), "batch", other, np.nan, 5)]
    return pd.DataFrame(found, columns=["time_s", "instance", "cores", "tail_ms", "arrived"])


def steps(axes) -> list[tuple[list[float], list[float]]]:
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.get_lines()]


def test_cores_are_stacked_and_hold_from_the_window_before():
    upper, _ = timeline.figure(rows([(6, 6), (4, 8)]), until_s=30).axes
    (own, both) = steps(upper)
    assert own == ([0, 10, 20], [6, 6, 4])
    assert both == ([0, 10, 20], [12, 12, 12])
    assert len([each for each in upper.collections if isinstance(each, FillBetweenPolyCollection)]) == 2
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["search", "batch"]


def test_nothing_after_the_moment_is_drawn_and_the_axes_stay():
    table = rows([(6, 6), (4, 8), (5, 7)], [100, 150, 900])
    whole, early = timeline.figure(table, 30, (160, 200)), timeline.figure(table, 30, (160, 200), now_s=20)
    for one, other in zip(whole.axes, early.axes, strict=True):
        assert (one.get_xlim(), one.get_ylim()) == (other.get_xlim(), other.get_ylim())
    for axes in early.axes:
        curves = [line.get_xdata() for line in axes.get_lines() if line.get_transform() == axes.transData]
        assert max(float(np.max(xs)) for xs in curves if len(xs)) == 20


@given(st.lists(TAILS, min_size=1, max_size=8))
def test_every_tail_lies_on_the_axis(tails):
    _, lower = timeline.figure(rows([(6, 6)] * len(tails), tails), 100).axes
    low, high = lower.get_ylim()
    finite = [tail for tail in tails if tail == tail]
    assert 0 < low <= min([*finite, 100])
    assert high >= max([*finite, 400])
    assert all(low <= tick <= high for tick in lower.get_yticks())


def test_a_window_without_an_answer_is_marked_at_the_top():
    _, lower = timeline.figure(rows([(6, 6)] * 2, [120.0, np.nan]), 20).axes
    assert ([20.0], [lower.get_ylim()[1]]) in steps(lower)


def test_an_instance_that_comes_later_had_nothing_before():
    table = rows([(6, 6), (6, 6)])
    late = pd.DataFrame([(20.0, "web", 2, np.nan, 5)], columns=table.columns)
    upper, _ = timeline.figure(pd.concat([table, late]), 20).axes
    assert steps(upper)[-1] == ([0, 10, 20], [12, 12, 14])


def test_an_empty_timeline_is_an_empty_picture():
    empty = rows([])
    assert len(timeline.figure(empty, 20).axes) == 2
    assert timeline.describe(empty, 200) == "No window has ended yet."


@pytest.mark.parametrize(("windows", "frames"), [(3, 3), (timeline.MOST_FRAMES + 40, timeline.MOST_FRAMES)])
def test_the_animation_holds_its_frames_and_loads_nothing(windows, frames, monkeypatch):
    monkeypatch.setattr(timeline, "MOST_FRAMES", min(frames, 5))
    page = timeline.animation(rows([(6, 6)] * windows), 10.0 * windows)
    assert page.count("data:image/png;base64,") == min(frames, 5)
    assert "http" not in page
    assert "fa-" not in page


# --- the player -------------------------------------------------------------------------------------------


class Trips(Policy):
    """Raises in its third window."""

    interval_s = 0.01

    def decide(self, seen):
        if seen.time_s > 0.025:
            raise RuntimeError("tripped")
        return 0


class Still(Policy):
    interval_s = 0.01

    def decide(self, seen):
        return 0


def player(policy: Policy):
    machine = ElasticMachine(service(), NAMES, engine=FakeEngine, lifecycle=FastLifecycle(), policy=policy)
    box = timeline.player(machine, 0.1, (160, 200))
    (_, slider), picture, words = box.children[0].children, *box.children[1:]
    return machine, slider, picture, words


def test_the_player_steps_on_and_shows_the_past_without_going_back():
    machine, slider, picture, words = player(Still())
    assert slider.max == 10
    assert machine.seconds_passed == 0
    first = picture.value
    slider.value = 4
    assert machine.seconds_passed == pytest.approx(0.04)
    assert words.value.startswith("Up to 0.04 s search has ")
    assert picture.value != first
    slider.value = 2
    assert machine.seconds_passed == pytest.approx(0.04)
    assert words.value.startswith("Up to 0.02 s")


def test_between_two_steps_the_machine_is_the_readers():
    machine, slider, _, words = player(Still())
    slider.value = 1
    operation = machine.rfm.transfer("batch", "search", cores=1)
    slider.value = 4
    assert operation.done
    assert words.value.startswith("Up to 0.04 s search has 6 to 7 cores")


def test_a_policy_that_raises_ends_the_player_where_it_is():
    machine, slider, picture, words = player(Trips())
    slider.value = 8
    assert "tripped" in words.value
    assert slider.max == 3
    assert machine.timeline.time_s.nunique() == 3
    assert bytes(picture.value).startswith(b"\x89PNG")
