"""Sweeps: nothing finished is lost, whatever dies, breaks or fills up."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sweep_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import (
    ROOT,
    InProcess,
    assert_refused,
    numbered,
    pages,
    rainforest,
    sweep_file,
    swept,
)

from rainforest_model.errors import InputError
from rainforest_model.simulation import SimulationError
from rainforest_model.sweep import LocalWorkers, Store, load_plan, run
from rainforest_model.sweep import store as store_module

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


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc, which only Linux has")
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
        "import resource, sys; sys.path.insert(0, 'tests'); import sweep_tasks; from sweeps import InProcess\n"
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


def test_a_small_file_system_that_is_full_loses_nothing_finished(place, monkeypatch):
    """A write takes what there is room for, which may be a part of a record, and the next one takes nothing."""
    path, store, room, write = numbered(place, 2000), place / "points.store", 64 * 1024, os.write

    def write_what_fits(file, content):
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, content[:room])
        room -= written
        return written

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", write_what_fits)
        with pytest.raises(InputError, match=r"cannot be written: No space left on device"):
            swept(path, store, InProcess(sweep_tasks.quick))
    assert room == 0
    before = store.read_bytes()
    workers = InProcess(sweep_tasks.quick)
    again = swept(path, store, workers)
    assert again.kept == before.count(b"\n") - 1 > 100
    assert len(again.outcomes) == 2000
    assert len(workers.asked) == 2000 - again.kept
