"""What comes of a measurement: plans, the report, a description, a prediction, and who is refused."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from measurements import (
    CORES,
    by_hand,
    rainforest,
    series,
    two_cores,
    uncontended,
)

from rainforest_model import cli as door
from rainforest_model import histogram, measure, simulate
from rainforest_model.descriptions import load
from rainforest_model.errors import InputError
from rainforest_model.measure import host, pinning, report
from rainforest_model.measure.plan import Plan
from rainforest_model.measure.prediction import UNCONTENDED, predicted, taken_apart
from rainforest_model.units import TICKS_PER_NS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures Linux only")

# --- plans ------------------------------------------------------------------------------------------------


@given(
    st.sets(st.integers(0, 100), min_size=1, max_size=12), st.integers(0, 12), st.integers(0, 12),
    st.lists(st.sampled_from(measure.BENCHMARKS), min_size=1, unique=True),
)
def test_no_two_workers_share_a_core(numbers, threads, processes, benchmarks):
    cores = tuple(sorted(numbers))
    asked = measure.Asked(tuple(benchmarks), min(threads, len(cores)), min(processes, len(cores)), seconds=600.0)
    plan = measure.plan(asked, cores)
    for case in plan.cases:
        assert len(case.cores) == case.workers == len(set(case.cores))
        assert set(case.cores) <= numbers
    assert len({case.id for case in plan.cases}) == len(plan.cases)
    assert plan.seconds == pytest.approx(600)
    assert Plan.of(json.loads(json.dumps(plan.table()))) == plan


def test_threads_are_in_one_process_and_processes_are_not():
    cases = {case.title: case for case in measure.plan(measure.Asked(("mmap",), 3, 4), tuple(range(5))).cases}
    assert [len(group) for group in cases["3 threads"].groups] == [3]
    assert [len(group) for group in cases["4 processes"].groups] == [1] * 4
    assert cases["alone"].workers == 1


# --- the report -------------------------------------------------------------------------------------------


def test_the_text_names_every_case_and_every_latency(measured):
    text = measure.text(measured)
    for case in measured.plan.cases:
        assert case.title in text
        for name, one in measured.of(case.id)[0].series.items():
            assert name in text or not one.n


def test_the_table_orders_least_middle_and_greatest(measured):
    table = measure.table(measured)
    assert (table.low_us <= table.middle_us).all()
    assert (table.middle_us <= table.high_us).all()
    assert set(table.statistic) == set(report.STATISTICS)
    assert set(table.case) == {case.id for case in measured.plan.cases}


def test_the_document_has_whole_histograms(measured):
    document = json.loads(json.dumps(measure.document(measured)))
    for case in document["cases"]:
        for name, latencies in case["latencies"].items():
            assert sum(latencies["counts"]) == latencies["operations"] == measured.pooled(case["id"], name).n
            assert latencies["ns"] == sorted(latencies["ns"])


def test_a_busy_or_unpinned_machine_is_told():
    quiet = uncontended()
    assert measure.warnings(quiet) == []
    loud = replace(quiet, pinned=False, found=tuple(replace(one, used_s=2.0, steal_s=0.5) for one in quiet.found))
    told = "\n".join(measure.warnings(loud))
    assert "others used 1.00 of 2 cores" in told
    assert "hypervisor took 0.50 of 2 cores" in told
    assert "pinned" in told


def test_who_may_not_pin_goes_on(monkeypatch):
    def refused(*_):
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    assert not pinning.pin(CORES[0])
    assert not pinning.can_pin(CORES[0])


# --- the description --------------------------------------------------------------------------------------


def test_the_machine_comes_back_from_its_file_and_scenarios_run_on_it(measured, tmp_path):
    described = measure.described(measured, "mine")
    path = tmp_path / "mine.toml"
    path.write_text(measure.toml(described), encoding="utf-8")
    assert load.machine(str(path)) == described
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'machine = "mine.toml"\nsystem = "linux-6.12"\nduration = "2 ms"\nwarmup = "500 us"\n'
        '[[load]]\nprogram = "mmap"\n[run]\nreplications = 1\n'
    )
    result = CliRunner().invoke(door.cli, ["simulate", str(scenario)], prog_name="rainforest")
    assert result.exit_code == 0, result.output
    assert "mine" in result.output


def test_measured_numbers_say_so_and_others_too():
    described = measure.described(uncontended())
    lines = described.coherence
    assert lines.same_socket.load.value == pytest.approx(50, rel=1 / 128)
    assert lines.own_load.value == pytest.approx(2, rel=1 / 128)
    assert lines.same_socket.load.source.startswith("measured")
    for untouched in (lines.one_hop.load, described.interrupt.deliver, described.memory.local_latency):
        assert untouched.source.startswith("not measured")
    assert described.topology.cores == 2
    assert described.topology.clock.plain() == pytest.approx(2e9)
    assert described.memory.capacity.plain() == 2**30
    have, whole = measure.measured(described)
    assert have == 9  # the clock, memory, the cache, three of own lines, three of the other core's
    assert have < whole


def test_a_flush_is_shared_out_between_who_asks_and_who_is_interrupted():
    """What the engines add up for it is what was measured."""
    quiet = series(*[5000.0] * 100)
    flushes = {"unmap": series(*[12000.0] * 100), "time taken away": series(*[6000.0] * 100)}
    hand_over = {"take": series(60.0), "hand-over": series(100.0)}
    found = by_hand({
        "munmap.alone": ("unmap_touched", {"unmap": quiet}),
        "munmap.beside": ("unmap_touched", flushes),
        "lock.processes": ("take_lock", hand_over),
    })
    machine = measure.described(found)
    ghz = machine.clock_ghz
    flush = 16 * machine.tlb.single_page.ns(ghz)
    entry, line = machine.interrupt.entry.ns(ghz), machine.coherence.same_socket.load.ns(ghz)
    assert line == pytest.approx(50, rel=1 / 64)  # half of the lock's hand-over
    assert entry + flush == pytest.approx(6000, rel=1 / 64)
    waits = machine.interrupt.send.ns(ghz) + machine.interrupt.deliver.ns(ghz) + entry / 2 + flush + line
    assert waits == pytest.approx(7000, rel=1 / 64)


def test_hardware_threads_of_one_core_count_once():
    one = uncontended()
    twins = replace(one.host, cores=(0, 1, 2, 3), sockets=dict.fromkeys(range(4), 0), siblings={0: 0, 1: 0, 2: 2, 3: 2})
    assert twins.physical_cores == (0, 2)
    assert measure.described(replace(one, host=twins)).topology.cores == 2
    # Where the first of two threads is not ours to use, the other one is the core.
    assert replace(twins, cores=(1, 2, 3)).physical_cores == (1, 2)


# --- the prediction ---------------------------------------------------------------------------------------


@given(st.lists(st.floats(100, 1e8), min_size=1, max_size=60))
def test_latencies_taken_apart_add_up(latencies_ns):
    one = series(*latencies_ns)
    path = taken_apart(one)
    mean = float(one.counts @ histogram.midpoints()) / one.n / TICKS_PER_NS
    parts = [path.slow, path.disturbed, path.switched]
    assert path.usual_ns + sum(part.share * part.mean_ns for part in parts) == pytest.approx(mean)
    assert all(0 <= part.share < 1 for part in parts)


@two_cores
def test_the_prediction_looks_at_nothing_contended(measured):
    lines = [case.id for case in measured.plan.cases if case.benchmark == "line"]
    alone = measured.only(*UNCONTENDED, *lines)
    assert len(alone.plan.cases) < len(measured.plan.cases)
    assert predicted(alone, threads=2) == predicted(measured, threads=2)
    with pytest.raises(KeyError):
        predicted(measured.only("mmap.threads", "mmap.processes"))


def test_alone_the_model_gives_back_what_it_was_told():
    latencies = {"map_ns": [1500.0] * 990 + [4000.0] * 10, "unmap_ns": [1900.0] * 1000}
    run = simulate(predicted(uncontended(**latencies)), replications=2)
    assert run.estimate("p50").value == pytest.approx(3.4, rel=0.02)
    assert run.estimate("mean").value == pytest.approx(3.425, rel=0.02)


def test_in_the_model_threads_wait_for_one_another_and_processes_do_not():
    """Two in a closed loop on one lock: each waits for nearly all of what the other holds it for."""
    found = uncontended()
    means = {
        counts: simulate(predicted(found, *counts), replications=2).estimate("mean").value
        for counts in ((1, 1), (2, 1), (1, 2))
    }
    assert means[1, 2] == pytest.approx(means[1, 1], rel=0.02)
    outside = 2 * 0.2  # two calls' worth of entering, leaving and the lock itself, in us
    assert 2 * (means[1, 1] - outside) <= means[2, 1] <= 2 * means[1, 1] + 8 * 0.05


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_writes_what_is_asked_for(tmp_path):
    csv, toml = tmp_path / "found.csv", tmp_path / "mine.toml"
    result = rainforest(
        "line", "--seconds", "0.3", "--repeats", "2", "--json", "--csv", str(csv), "--machine", str(toml)
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["repeats"] == 2
    assert csv.read_text().startswith("benchmark,case,")
    assert load.machine(str(toml)).id == "mine"
    assert sorted(tmp_path.iterdir()) == [csv, toml]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mmmap",), ("mmmap", "mmap, munmap, line, lock")),
        (("mmap", "--threads", "99999"), ("--threads", "99999", "cores")),
        (("lock", "--processes", "99999"), ("--processes", "99999", "cores")),
        (("mmap", "--pages", "0"), ("--pages", "0")),
        (("munmap", "--pages", "262144"), ("--pages", "256 MB")),
        (("mmap", "--seconds", "-1"), ("--seconds", "-1")),
        (("mmap", "--seconds", "nan"), ("--seconds", "nan")),
        (("mmap", "--seconds", "1e9"), ("--seconds", "at most")),
        (("mmap", "--seconds", "0.001"), ("--seconds", "at least")),
        (("mmap", "--repeats", "0"), ("--repeats", "0")),
        (("mmap", "--machine", "mine.json"), ("--machine", ".toml")),
        (("mmap", "--machine", "no/such/folder/mine.toml"), ("--machine", "no such folder")),
        (("mmap", "--csv", "no/such/folder/found.csv"), ("--csv", "no such folder")),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_before_anything_runs(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = rainforest(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("rainforest: ")
    assert not [word for word in words if word not in line]
    assert not list(tmp_path.iterdir())


def test_other_systems_are_refused_politely(monkeypatch):
    monkeypatch.setattr(host.sys, "platform", "darwin")
    result = rainforest("mmap")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "Linux only" in line


def test_a_plan_cannot_be_measured_elsewhere(monkeypatch):
    monkeypatch.setattr(host.sys, "platform", "darwin")
    with pytest.raises(InputError, match="Linux only"):
        measure.measure(Plan((), 1, 0.01))
