"""Sweeps: designs, keys, and that nothing finished is lost, whatever dies, breaks or fills up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sweep_tasks
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rainforest_model import cli as door
from rainforest_model.errors import InputError
from rainforest_model.scenario_file import load_scenario
from rainforest_model.simulation import SimulationError
from rainforest_model.sweep import ClusterWorkers, LocalWorkers, Store, load_plan, parquet, run, summary, table
from rainforest_model.sweep import store as store_module
from rainforest_model.sweep.description import Sweep
from rainforest_model.sweep.design import Axis, Grid, LatinHypercube, Sobol
from rainforest_model.sweep.task import answer

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = """
machine = "S-A"
system = "lxc"
cores = 2
duration = "2 ms"
warmup = "0.2 ms"
[[load]]
program = "mmap"
threads = 2
"""
VARY = '[[vary]]\nkey = "load.0.parameters.pages"\nvalues = [{values}]\n'


class InProcess:
    """Workers that are no processes; counts what they are asked."""

    def __init__(self, task=answer, most: int = 10**9):
        self.task, self.most, self.asked = task, most, []

    def answers(self, context, jobs):
        """One answer after the other, until `most` are given; then Ctrl-C."""
        for job in jobs:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            found = self.task(context, job)
            self.asked.append((job.number, tuple(found.outcomes)))
            yield found


@pytest.fixture
def place(tmp_path):
    """A folder with a scenario."""
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    return tmp_path


def sweep_file(place: Path, body: str, name: str = "sweep.toml", head: str = "replications = 2") -> Path:
    path = place / name
    path.write_text(f'scenario = "scenario.toml"\n{head}\n{body}')
    return path


def pages(*values: int) -> str:
    return VARY.format(values=", ".join(map(str, values)))


def numbered(place: Path, count: int) -> Path:
    """A sweep of so many points, one replication each."""
    body = f'[[vary]]\nkey = "stagger"\nvalues = {list(range(1, count + 1))}'
    return sweep_file(place, body, head="replications = 1")


def swept(path: Path, store: Path, workers=None):
    """What came of the sweep, and how often the workers were asked."""
    workers = workers or InProcess()
    with Store(store) as kept:
        return run(load_plan(path), kept, workers)


def rainforest(*arguments):
    return CliRunner().invoke(door.cli, [str(argument) for argument in arguments], prog_name="rainforest")


def assert_refused(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert not [word for word in words if word not in line], line


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


# --- what dies --------------------------------------------------------------------------------------------


def test_a_worker_that_dies_costs_no_point(place):
    path, store = numbered(place, 12), place / "points.store"
    done = swept(path, store, LocalWorkers(2, sweep_tasks.deadly_once))
    assert (len(done.outcomes), done.failures) == (12, {})
    assert len(list(place.glob("died.*"))) == 4


def test_a_point_that_kills_its_workers_fails_alone(place):
    path, store = numbered(place, 9), place / "points.store"
    done = swept(path, store, LocalWorkers(2, sweep_tasks.deadly))
    assert sorted(done.failures) == [1, 4, 7]
    assert sorted(done.outcomes) == [0, 2, 3, 5, 6, 8]
    assert "2 workers died" in done.failures[1]
    assert "SIGKILL" in done.failures[1]
    again = swept(path, store, InProcess(sweep_tasks.quick))
    assert (len(again.outcomes), again.kept) == (9, 6)  # such a failure is tried again


def test_workers_that_all_die_end_the_sweep(place):
    with pytest.raises(SimulationError, match=r"die as they start.*SIGKILL"):
        swept(numbered(place, 20), place / "points.store", LocalWorkers(1, sweep_tasks.stillborn))


def children_of(process: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_a_sweep_that_is_killed_leaves_no_worker_and_loses_no_point(place):
    body = f'set = {{duration = "30 ms"}}\n{pages(*range(1, 201))}'
    path, store = sweep_file(place, body, head="replications = 1"), place / "points.store"
    command = [sys.executable, "-m", "rainforest_model", "sweep", str(path), "--store", str(store), "--jobs", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not store.exists() or store.read_bytes().count(b"\n") < 8:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    assert_refused(rainforest("sweep", path, "--store", store), "points.store", "in use by another process")
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline, "workers outlive the sweep"
        time.sleep(0.05)
    finished = {line.split()[1] for line in store.read_bytes().splitlines()[1:]}
    with Store(store) as kept:
        assert kept.damaged <= 1
        plan = load_plan(path)
        there = [point.number for point in plan.points if kept.content(point.asked)]
        assert len(there) >= len(finished) - 1
        assert len(there) >= 7
        again = InProcess(sweep_tasks.quick, most=0)
        with pytest.raises(KeyboardInterrupt):
            run(plan, kept, again)


# --- the store --------------------------------------------------------------------------------------------


def filled(path: Path, records: int = 20) -> bytes:
    """A store of so many points; its bytes."""
    with Store(path) as store:
        for number in range(records):
            store.put(f"asked{number}", f"content{number}", {0: {"samples": number}})
    return path.read_bytes()


def whole_records(before: bytes, after: bytes) -> set[int]:
    """Numbers of the records that stand in both."""
    lines = set(after.splitlines(keepends=True))
    return {number - 1 for number, line in enumerate(before.splitlines(keepends=True)) if number and line in lines}


def readable(store: Store, records: int = 20) -> set[int]:
    return {
        number for number in range(records)
        if store.outcomes(store.content(f"asked{number}") or "") == {0: {"samples": number}}
    }


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_truncated_store_has_every_record_that_was_not_cut(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("store") / "points.store"
    before = filled(path)
    head = before.index(b"\n") + 1
    path.write_bytes(before[:data.draw(st.integers(head, len(before)))])
    expected = whole_records(before, path.read_bytes())
    with Store(path) as store:
        assert readable(store) == expected
        store.put("asked19", "content19", {0: {"samples": 19}})  # behind a torn line
    with Store(path) as store:
        assert readable(store) >= expected | {19}


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_costs_the_records_that_it_hits(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("store") / "points.store"
    before = filled(path)
    start = data.draw(st.integers(0, len(before) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=200))
    after = before[:start] + noise + before[start + len(noise):]
    path.write_bytes(after)
    with Store(path) as store:
        assert readable(store) >= whole_records(before, after)
        again = {number for number in range(20) if number not in readable(store)}
        for number in again:
            store.put(f"asked{number}", f"content{number}", {0: {"samples": number}})
    with Store(path) as store:
        assert readable(store) == set(range(20))


def test_a_damaged_store_is_told_and_its_points_are_computed_again(place):
    path, store = sweep_file(place, pages(1, 2, 3)), place / "points.store"
    swept(path, store)
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 1
    store.write_bytes(content)
    workers = InProcess()
    with Store(store) as kept:
        assert kept.damaged == 1
        assert len(run(load_plan(path), kept, workers).outcomes) == 3
    assert [asked for _, asked in workers.asked] == [(0, 1)]


def test_a_store_of_another_version_is_refused(place, monkeypatch):
    path, store = sweep_file(place, pages(1)), place / "points.store"
    monkeypatch.setattr(store_module, "VERSION", 7)
    filled(store)
    monkeypatch.undo()
    before = store.read_bytes()
    assert_refused(rainforest("sweep", path, "--store", store), str(store), "version 7", "--store")
    assert store.read_bytes() == before


def test_a_file_that_is_no_store_is_refused_and_left_alone(place):
    path, store = sweep_file(place, pages(1)), place / "thesis.txt"
    store.write_text("Chapter 1\n")
    assert_refused(rainforest("sweep", path, "--store", store), "thesis.txt", "no store")
    assert store.read_text() == "Chapter 1\n"


def test_a_store_that_another_process_holds_is_refused(place):
    path, store = sweep_file(place, pages(1)), place / "points.store"
    program = "import sys; from rainforest_model.sweep.store import Store; Store(sys.argv[1]); print('held'); input()"
    holder = subprocess.Popen([sys.executable, "-c", program, str(store)], cwd=ROOT, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert_refused(rainforest("sweep", path, "--store", store), str(store), "another process")
        holder.kill()
    with Store(store) as kept:  # whoever is killed lets go
        assert kept.damaged == 0


def test_a_store_where_none_can_be_is_refused(place):
    path = sweep_file(place, pages(1))
    (place / "file").touch()
    assert_refused(rainforest("sweep", path, "--store", place / "file" / "points.store"), "points.store")


def test_a_full_disk_loses_nothing_finished(place):
    """In a process whose files may not grow beyond a limit: the sweep ends, and goes on when there is room."""
    path, store = numbered(place, 400), place / "points.store"
    program = (
        "import resource, sys; sys.path.insert(0, 'tests'); import sweep_tasks; from test_sweep import InProcess\n"
        "from rainforest_model.sweep import Store, load_plan, run\n"
        "from rainforest_model.errors import InputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (12345, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    with Store(sys.argv[2]) as store: run(load_plan(sys.argv[1]), store, InProcess(sweep_tasks.quick))\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(path), str(store)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stdout, done.stderr
    assert "are kept" in done.stdout
    size = store.stat().st_size
    assert 12000 < size <= 12345
    records = store.read_bytes().count(b"\n") - 1
    workers = InProcess(sweep_tasks.quick)
    again = swept(path, store, workers)
    assert (again.kept, len(again.outcomes), len(workers.asked)) == (records, 400, 400 - records)


def test_a_small_file_system_that_is_full_loses_nothing_finished(place):
    path, disk = numbered(place, 2000), place / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("has no mount")
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    try:
        with pytest.raises(InputError, match=r"cannot be written: No space left on device"):
            swept(path, disk / "points.store", InProcess(sweep_tasks.quick))
        before = (disk / "points.store").read_bytes()
    finally:
        subprocess.run(["umount", disk], check=True)
    (place / "points.store").write_bytes(before)
    workers = InProcess(sweep_tasks.quick)
    again = swept(path, place / "points.store", workers)
    assert again.kept == before.count(b"\n") - 1 > 100
    assert len(again.outcomes) == 2000


# --- what it costs ----------------------------------------------------------------------------------------


def test_sharing_points_out_and_keeping_them_costs_little(place):
    """In processor time of the process that does it, which other work on the machine does not change much."""
    path = numbered(place, 1000)
    began = time.process_time()
    done = swept(path, place / "points.store", LocalWorkers(2, sweep_tasks.quick))
    assert len(done.outcomes) == 1000
    assert time.process_time() - began < 1000 * 5e-3


def test_resuming_ten_thousand_finished_points_takes_less_than_three_seconds(place):
    path, store = numbered(place, 10_000), place / "points.store"
    swept(path, store, InProcess(sweep_tasks.quick))
    began = time.process_time()
    done = swept(path, store, InProcess(task=None))
    assert "10000 finished" in summary(done)
    assert time.process_time() - began < 3


# --- the command, the files, the cluster ------------------------------------------------------------------


def test_the_command_runs_tells_and_exports(place):
    path, store, csv = sweep_file(place, pages(1, 2)), place / "points.store", place / "points.csv"
    first = rainforest("sweep", path, "--store", store, "--csv", csv, "--jobs", 1)
    assert first.exit_code == 0, first.stderr
    assert "2 finished, 0 failed; 0 of them were in the store" in first.stdout
    frame = pd.read_csv(csv)
    assert list(frame["load.0.parameters.pages"]) == [1, 2]
    assert frame["failure"].isna().all()
    second = rainforest("sweep", path, "--store", store)
    assert "2 of them were in the store" in second.stdout


def test_a_sweep_of_which_no_point_finishes_says_so(place):
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [0]')
    done = rainforest("sweep", path, "--store", place / "points.store", "--jobs", 1)
    assert done.exit_code == 1
    assert "cores = 0" in done.stdout
    assert "no point finished" in done.stderr


def test_parquet_holds_the_same_table(place):
    pytest.importorskip("pyarrow")
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [1, 2, "many"]')
    frame = table(swept(path, place / "points.store"))
    (place / "points.parquet").write_bytes(parquet(frame))
    pd.testing.assert_frame_equal(pd.read_parquet(place / "points.parquet"), frame, check_dtype=False)


def test_the_shipped_example_fits():
    plan = load_plan(ROOT / "examples" / "sweep.toml")
    assert len(plan.points) == plan.sweep.count == 60
    assert len({point.asked for point in plan.points}) == 60


@pytest.fixture
def cluster(monkeypatch):
    """A Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1",
    ) as found:
        yield found


def test_a_cluster_gives_the_same_table(place, cluster):
    path = sweep_file(place, '[[vary]]\nkey = "cores"\nvalues = [1, 2, 0]')
    here = table(swept(path, place / "a.store"))
    there = table(swept(path, place / "b.store", ClusterWorkers(cluster.scheduler_address)))
    pd.testing.assert_frame_equal(here, there)


def test_a_worker_of_a_cluster_that_dies_costs_no_point(place, cluster):
    path = numbered(place, 12)
    workers = ClusterWorkers(cluster.scheduler_address, sweep_tasks.deadly_once)
    done = swept(path, place / "points.store", workers)
    assert (len(done.outcomes), done.failures) == (12, {})


def test_a_scheduler_that_does_not_answer_is_told(place, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("rainforest_model.sweep.cluster.WAIT_S", 0.5)
    path = sweep_file(place, pages(1))
    done = rainforest("sweep", path, "--store", place / "points.store", "--scheduler", "tcp://127.0.0.1:9")
    assert_refused(done, "--scheduler")


def test_every_key_of_a_sweep_is_documented():
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8").partition("## Sweeps")[2]
    keys = {*Sweep.model_fields, *Axis.model_fields}
    assert not [key for key in keys if f"`{key}`" not in text and f"[{key}]" not in text]
