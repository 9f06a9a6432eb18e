"""Sweeps: designs, keys, and which points are computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import (
    ROOT,
    SCENARIO,
    InProcess,
    pages,
    sweep_file,
    swept,
)

from rainforest_model.errors import InputError
from rainforest_model.scenario_file import load_scenario
from rainforest_model.sweep import LocalWorkers, Store, load_plan, run, summary, table
from rainforest_model.sweep.description import Sweep
from rainforest_model.sweep.design import Axis, Grid, LatinHypercube, Sobol

# --- designs ----------------------------------------------------------------------------------------------


def test_a_grid_is_every_combination():
    axes = (Axis(key="a", values=(1, 2)), Axis(key="b", low=0, high=1, steps=3))
    assert list(Grid().rows(axes)) == [(a, b) for a in (1, 2) for b in (0.0, 0.5, 1.0)]
    assert Grid().count(axes) == 6


@given(points=st.integers(1, 60), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=30, deadline=None)
def test_a_latin_hypercube_has_one_point_in_each_part_of_each_axis(points, seed):
    axes = (Axis(key="a", low=0, high=points), Axis(key="b", low=1, high=2.0**points, scale="log"))
    rows = np.array(list(LatinHypercube(kind="lhs", points=points, seed=seed).rows(axes)))
    assert sorted(np.floor(rows[:, 0])) == list(range(points))
    assert sorted(np.floor(np.log2(rows[:, 1]))) == list(range(points))


@given(power=st.integers(0, 7), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=30, deadline=None)
def test_a_sobol_design_is_a_net_and_grows_without_moving(power, seed):
    axes = (Axis(key="a", low=0, high=1), Axis(key="b", low=0, high=1))
    points = 2**power
    rows = list(Sobol(kind="sobol", points=points, seed=seed).rows(axes))
    assert list(Sobol(kind="sobol", points=2 * points, seed=seed).rows(axes))[:points] == rows
    for column in np.array(rows).T:  # one point in each of 2^power parts of either side
        assert sorted(np.floor(column * points)) == list(range(points))


@given(u=st.floats(0, 1, exclude_max=True), low=st.integers(1, 1000), span=st.integers(1, 1000),
       scale=st.sampled_from(["linear", "log"]))
def test_whole_numbers_stay_in_their_range(u, low, span, scale):
    found = Axis(key="a", low=low, high=low + span, whole=True, scale=scale).at(u)
    assert isinstance(found, int)
    assert low <= found <= low + span


def test_every_whole_number_is_met_equally_often():
    axis = Axis(key="a", low=1, high=4, whole=True)
    counts = np.bincount([axis.at((i + 0.5) / 400) for i in range(400)])
    assert list(counts) == [0, 100, 100, 100, 100]


# --- what does not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "words"), [
    ('[[vary]]\nkey = "cores"\nvalues = []', ["vary.0.values", "empty"]),
    ('[[vary]]\nkey = "cores"\nlow = 3\nhigh = 3\nsteps = 2', ["vary.0.high = 3", "empty"]),
    ('[[vary]]\nkey = "cores"\nlow = 4\nhigh = 3\nsteps = 2', ["vary.0.high = 3", "empty"]),
    ('[[vary]]\nkey = "cores"\nlow = 1\nhigh = inf\nsteps = 2', ["vary.0.high = inf", "finite"]),
    ('[[vary]]\nkey = "cores"\nlow = nan\nhigh = 2\nsteps = 2', ["vary.0.low = nan", "finite"]),
    ('[[vary]]\nkey = "cores"\nvalues = [1.0, inf]', ["vary.0.values.1 = inf", "finite"]),
    ('[[vary]]\nkey = "cores"\nlow = 1\nhigh = 2', ["vary.0.steps", "missing"]),
    ('[[vary]]\nkey = "cores"\nlow = 0\nhigh = 2\nsteps = 2\nscale = "log"', ["vary.0.low = 0", "logarithmic"]),
    ('[[vary]]\nkey = "cores"\nvalue = [1]', ["vary.0.value", "did you mean values?"]),
    ('[[vary]]\nkey = "cores"\nvalues = [1]\n[[vary]]\nkey = "cores"\nvalues = [2]', ["vary.1.key", "already"]),
    ('design = {kind = "sobol", points = 5}\n' + pages(1), ["design.points = 5", "power of two"]),
    ('design = "latin"\n' + pages(1), ["design", "grid"]),
    ('design = {kind = "lhs", points = 5}\n[[vary]]\nkey = "cores"\nlow = 1\nhigh = 2\nsteps = 2', ["vary.0.steps"]),
    ('[[vary]]\nkey = "cores"\nlow = 1\nhigh = 2\nsteps = 1000000\n[[vary]]\nkey = "x"\nvalues = [1, 2]',
     ["vary", "2,000,000 points"]),
    ('outputs = ["p101"]\n' + pages(1), ["outputs.0.statistic", "p101", "known"]),
    ('outputs = ["p99", "p99"]\n' + pages(1), ["outputs.1", "twice"]),
    ("", ["vary", "missing"]),
    ('[[vary]]\nkey = "coers"\nvalues = [1]', ["coers", "did you mean cores?"]),
    ('[[vary]]\nkey = "load.0.parameters.page"\nvalues = [1]', ["load.0.parameters.page", "no such parameter"]),
    ('[[vary]]\nkey = "load.1.threads"\nvalues = [1]', ["load", "list of 1"]),
    ('[[vary]]\nkey = "structures.mmap_sme.scope"\nvalues = ["core"]', ["structures.mmap_sme", "mmap_sem"]),
    ('[[vary]]\nkey = "machine.topology.sokets"\nvalues = [1]', ["machine.topology.sokets", "sockets"]),
    ('[[vary]]\nkey = "a b"\nvalues = [1]', ["a b", "no dotted key"]),
])
def test_what_does_not_fit_is_told_in_one_line_before_anything_runs(place, body, words):
    path = sweep_file(place, body)
    store = place / "points.store"
    with pytest.raises(InputError) as told:
        swept(path, store, InProcess(task=None))  # no task: nothing may run
    line = str(told.value)
    assert "\n" not in line
    assert line.startswith(str(place))
    assert not [word for word in words if word not in line], line


def test_a_scenario_that_is_not_there_is_told(place):
    path = place / "sweep.toml"
    path.write_text('scenario = ["scenario.toml", "other.toml"]\n' + pages(1))
    with pytest.raises(InputError, match=r"scenario\.1 = 'other\.toml': there is no file"):
        load_plan(path)


def test_set_takes_nested_and_quoted_keys():
    vary = [{"key": "cores", "values": [1]}]
    nested = Sweep(scenario="a.toml", set={"load": {"0": {"threads": 4}}, "duration": "1 ms"}, vary=vary)
    quoted = Sweep(scenario="a.toml", set={"load.0.threads": 4, "duration": "1 ms"}, vary=vary)
    assert nested.set == quoted.set == {"load.0.threads": 4, "duration": "1 ms"}


# --- numbers ----------------------------------------------------------------------------------------------


def test_a_point_has_the_numbers_of_its_scenario_simulated_alone(place):
    path = sweep_file(place, 'outputs = ["mean", "p99", "utilisation", "samples"]\n' + pages(1, 5000))
    frame = table(swept(path, place / "points.store"))
    assert list(frame["load.0.parameters.pages"]) == [1, 5000]
    for row in frame.itertuples():
        loaded = load_scenario(place / "scenario.toml", {"load.0.parameters.pages": row[3]})
        alone = loaded.simulate(replications=2, seed=1)
        p99 = alone.estimate("p99")
        assert (row.p99_us, row.p99_us_low, row.p99_us_high) == pytest.approx((p99.value, p99.low, p99.high))
        assert row.mean_us == pytest.approx(alone.estimate("mean").value)
        assert row.utilisation == pytest.approx(alone.utilisation)
        assert 2 * row.samples == alone.samples
        assert (row.replications, row.failure) == (2, "")


def test_processes_and_one_process_give_the_same_table(place):
    path = sweep_file(place, pages(1, 200, 5000))
    alone = table(swept(path, place / "a.store"))
    shared = table(swept(path, place / "b.store", LocalWorkers(2)))
    pd.testing.assert_frame_equal(alone, shared)


def test_a_point_that_fails_tells_why_and_the_rest_goes_on(place):
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [0, 2, 1000, "many"]')
    done = swept(path, place / "points.store")
    assert sorted(done.outcomes) == [1]
    assert sorted(done.failures) == [0, 2, 3]
    frame = table(done)
    assert all("cores = " in reason for reason in frame["failure"][[0, 2, 3]])
    assert frame["mean_us"].isna().tolist() == [True, False, True, True]
    assert "3 failed" in summary(done)
    again = InProcess()
    assert swept(path, place / "points.store", again).failures == done.failures
    assert again.asked == []  # it would fail again


def test_a_failure_that_only_lowering_finds_names_the_key_of_the_file(place):
    path = sweep_file(place, '[[vary]]\nkey = "structures.mmap_sem.kind"\nvalues = ["line"]\n')
    (reason,) = swept(path, place / "points.store").failures.values()
    assert "scenario.toml" in reason


def test_a_latency_that_nothing_was_recorded_of_is_empty(place):
    path = sweep_file(place, 'set = {duration = "1 us", warmup = "0 us"}\n' + pages(1))
    frame = table(swept(path, place / "points.store"))
    assert frame["p99_us"].isna().all()


# --- what is shared, and what is computed again -----------------------------------------------------------


def test_a_finished_sweep_asks_nothing_again(place):
    path, store = sweep_file(place, pages(1, 2, 3)), place / "points.store"
    first = swept(path, store)
    size, again = store.stat().st_size, InProcess()
    second = swept(path, store, again)
    assert (again.asked, second.kept, store.stat().st_size) == ([], 3, size)
    pd.testing.assert_frame_equal(table(first), table(second))


def test_what_was_finished_before_a_break_is_not_computed_again(place):
    path, store = sweep_file(place, pages(*range(1, 7))), place / "points.store"
    with pytest.raises(KeyboardInterrupt):
        swept(path, store, InProcess(most=4))
    rest = InProcess()
    swept(path, store, rest)
    assert [number for number, _ in rest.asked] == [4, 5]


def test_points_that_ask_the_same_are_answered_once(place):
    body = 'design = {kind = "lhs", points = 20}\n[[vary]]\nkey = "cores"\nlow = 0\nhigh = 2\nwhole = true'
    path, store, workers, told = sweep_file(place, body), place / "points.store", InProcess(), []
    with Store(store) as kept:
        done = run(load_plan(path), kept, workers, lambda *counts: told.append(counts))
    assert len(workers.asked) == len(told) == 3
    assert told[-1] == (20, 20)
    assert (len(done.outcomes) + len(done.failures), done.kept) == (20, 0)
    frame = table(done)
    assert frame.groupby("cores").mean_us.nunique(dropna=False).to_dict() == {0: 1, 1: 1, 2: 1}
    again = InProcess()
    resumed = swept(path, store, again)
    assert (again.asked, resumed.kept) == ([], 20)
    pd.testing.assert_frame_equal(table(resumed), frame)


def test_two_sweeps_share_points_by_their_content(place):
    store = place / "points.store"
    swept(sweep_file(place, pages(1, 2)), store)
    (place / "other.toml").write_text('title = "another name"\nstagger = "20 us"\n' + SCENARIO)
    other = place / "sweep2.toml"
    other.write_text('scenario = "other.toml"\nreplications = 2\n' + pages(2, 3))
    workers = InProcess()
    assert swept(other, store, workers).kept == 1
    assert workers.asked == [(0, ()), (1, (0, 1))]


def test_a_changed_parameter_computes_only_what_it_changes(place):
    store, body = place / "points.store", '[[vary]]\nkey = "machine"\nvalues = ["S-A", "mine.toml"]'
    shipped = (ROOT / "data" / "machines" / "S-A.toml").read_text()
    (place / "mine.toml").write_text(shipped.replace("S-A", "mine", 1))
    swept(sweep_file(place, body), store)
    (place / "mine.toml").write_text((place / "mine.toml").read_text() + "\n# a comment changes nothing\n")
    workers = InProcess()
    swept(sweep_file(place, body), store, workers)
    assert workers.asked == [(0, ()), (1, ())]
    text = (place / "mine.toml").read_text()
    (place / "mine.toml").write_text(text.replace("title = ", 'title = "changed: " # ', 1))
    workers = InProcess()
    swept(sweep_file(place, body), store, workers)
    assert workers.asked == [(0, ()), (1, (0, 1))]


def test_more_replications_add_to_those_that_are_there(place):
    store = place / "points.store"
    swept(sweep_file(place, pages(1)), store)
    workers = InProcess()
    swept(sweep_file(place, pages(1), head="replications = 5"), store, workers)
    assert workers.asked == [(0, (2, 3, 4))]
    workers = InProcess()
    swept(sweep_file(place, pages(1), head="replications = 3"), store, workers)
    assert workers.asked == []


def test_another_output_costs_a_run_only_where_it_is_not_kept(place):
    store = place / "points.store"
    swept(sweep_file(place, 'outputs = ["mean"]\n' + pages(1)), store)
    for outputs, asked in (('["p50", "p95", "max"]', []), ('["p42"]', [(0, (0, 1))]), ('["p42", "sd"]', [])):
        workers = InProcess()
        swept(sweep_file(place, f"outputs = {outputs}\n" + pages(1)), store, workers)
        assert workers.asked == asked, outputs


def test_another_seed_is_another_point(place):
    store = place / "points.store"
    swept(sweep_file(place, pages(1)), store)
    workers = InProcess()
    swept(sweep_file(place, pages(1), head="replications = 2\nseed = 2"), store, workers)
    assert workers.asked == [(0, (0, 1))]
