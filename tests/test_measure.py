"""The reader's own machine: what is counted, what it is held against, what is left behind, and who is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model import cli as door
from rainforest_model import histogram, measure, simulate
from rainforest_model.descriptions import load
from rainforest_model.errors import InputError
from rainforest_model.measure import host, pinning, report
from rainforest_model.measure.clock import Clock
from rainforest_model.measure.laboratory import Found, Measurement, Series
from rainforest_model.measure.plan import ACCESSES, Case, Plan
from rainforest_model.measure.prediction import UNCONTENDED, predicted, taken_apart
from rainforest_model.units import TICKS_PER_NS

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures Linux only")
CORES = measure.usable_cores() if sys.platform == "linux" else (0,)
WORKERS = min(2, len(CORES))
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="nobody to contend with on one core")
LOOPS_OF = {
    "map_and_unmap": ("map and unmap", "map", "unmap"), "system_call": ("system call", "lock and unlock"),
    "unmap_touched": ("unmap",), "spin": ("time taken away",), "own_line": ("own line",), "fetch_line": ("fetch",),
    "take_lock": ("take",),
}
"""Latencies of which a loop has one for each operation."""


def rainforest(*arguments: str):
    return CliRunner().invoke(door.cli, ["measure", *arguments], prog_name="rainforest")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def measured() -> Measurement:
    """All four benchmarks, for a moment."""
    asked = measure.Asked(measure.BENCHMARKS, WORKERS, WORKERS, seconds=1.5, repeats=3)
    return measure.measure(measure.plan(asked, CORES))


# --- measurements by hand ---------------------------------------------------------------------------------


def series(*latencies_ns: float) -> Series:
    ticks = [round(ns * TICKS_PER_NS) for ns in latencies_ns]
    counts = np.zeros(histogram.BUCKETS, np.int64)
    np.add.at(counts, [histogram.bucket_index(value) for value in ticks], 1)
    return Series(counts, sum(ticks))


def by_hand(cases: dict[str, tuple[str, dict[str, Series]]], rounds: int = 2) -> Measurement:
    """A measurement with these latencies in every round, by case: its loop, and what that has."""
    made = tuple(
        Case(id, id.split(".", 1)[1], id.split(".")[0], ((loop,),), (0, 1) if loop == "fetch_line" else (0,), 16)
        for id, (loop, _) in cases.items()
    )
    found = []
    for repeat in range(rounds):
        for case, (loop, latencies) in zip(made, cases.values(), strict=True):
            n = max(one.n for one in latencies.values())
            elapsed = max(one.ticks for one in latencies.values()) / TICKS_PER_NS
            found.append(Found(case, repeat, elapsed, 0, 1.0, 1.0, 1.0, 1.0, 0.0, {loop: n}, latencies))
    machine = host.Host("a processor", "6.0", "", False, (0, 1), {0: 0, 1: 0}, {0: 0, 1: 1}, 1024.0, 8.0, 2000.0)
    return Measurement(Plan(made, rounds, 0.01), machine, Clock("counter", 2.0, 20.0, 0.5), True, tuple(found))


def uncontended(map_ns=(1500.0,), unmap_ns=(1900.0,)) -> Measurement:
    """What a prediction looks at: two calls of these latencies, others of none, and lines of 50 ns."""
    whole = series(*(a + b for a, b in zip(map_ns, unmap_ns, strict=True)))
    latencies = {"map and unmap": whole, "map": series(*map_ns), "unmap": series(*unmap_ns)}
    lines = {
        **{f"line.own.{name}": ("own_line", {"own line": series(2.0)}) for name in ACCESSES},
        **{f"line.{name}.0.1": ("fetch_line", {"fetch": series(50.0)}) for name in ACCESSES},
    }
    return by_hand({
        "mmap.alone": ("map_and_unmap", latencies),
        "mmap.entry": ("system_call", {"system call": series(100.0), "lock and unlock": series(200.0)}),
        **lines,
    })


# --- what is counted --------------------------------------------------------------------------------------


def test_every_operation_is_counted_once(measured):
    seen = set()
    for one in measured.found:
        for loop, operations in one.operations.items():
            for name in LOOPS_OF.get(loop, ()):
                assert one.series[name].n == operations
                seen.add(loop)
        if "take_lock" in one.operations:
            assert one.series["hand-over"].n <= one.operations["take_lock"]
    assert seen >= {"map_and_unmap", "system_call", "unmap_touched", "own_line", "take_lock"}
    assert all(one.operations["map_and_unmap"] > 10 for one in measured.of("mmap.alone"))


def test_a_histogram_holds_what_its_total_says(measured):
    for one in measured.found:
        for latencies in one.series.values():
            middle = float(latencies.counts @ histogram.midpoints())
            assert middle == pytest.approx(latencies.ticks, rel=1 / 256, abs=latencies.n)


def test_a_pair_of_calls_takes_as_long_as_the_two(measured):
    for one in measured.of("mmap.alone"):
        whole, *halves = (one.series[name].ticks for name in LOOPS_OF["map_and_unmap"])
        # Each half may have been cut at zero, and each is rounded to a tick.
        assert whole == pytest.approx(sum(halves), abs=2 * one.series["map"].n)


def test_every_round_has_every_case_and_cases_take_turns(measured):
    cases = [case.id for case in measured.plan.cases]
    assert [one.case.id for one in measured.found] == cases * measured.plan.repeats
    assert [one.repeat for one in measured.found] == sorted(one.repeat for one in measured.found)


def test_what_reading_the_clock_costs_is_subtracted_and_never_more():
    """In a process of its own: importing the loops is for the one that measures."""
    program = """if True:
        import json
        import numpy as np
        from rainforest_model.histogram import BUCKETS, bucket_index
        from rainforest_model.measure import kernels
        from rainforest_model.measure.layout import ARGUMENTS, OVERHEAD, SCALED, SCALE_BITS, SUMS, TOTALS
        a = np.zeros(ARGUMENTS, np.int64)
        a[OVERHEAD], a[SCALED] = 52, round(100 / 2.6 * 2**SCALE_BITS)
        for elapsed in (-10**6, -1, 0, 1, 51, 52, 53, 100, 10**4, 10**9, 10**11):
            counts, sums = np.zeros((3, BUCKETS), np.int64), np.zeros(SUMS, np.int64)
            kernels.recorded(counts, sums, a, 1, elapsed)
            expected = max(0, elapsed - 52) * int(a[SCALED]) >> SCALE_BITS
            assert sums[TOTALS + 1] == expected >= 0
            assert counts[1, bucket_index(expected)] == counts.sum() == 1
        assert [kernels.bucket(v) for v in range(70_000)] == [bucket_index(v) for v in range(70_000)]
    """
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_clock_keeps_the_time(measured):
    assert 0 < measured.clock.overhead_ns < 5e3
    for one in measured.found:
        assert one.elapsed_ns <= 1e9 * one.wall_s


@given(st.lists(st.floats(1, 1e8), min_size=1, max_size=50))
def test_the_middle_half_lies_between_the_quartiles(latencies_ns):
    one = series(*latencies_ns)
    slack = 1 + 1 / 128
    assert one.quantile_us(0.25) / slack <= one.midmean_us <= one.quantile_us(0.75) * slack


def test_a_few_long_ones_do_not_move_the_middle_half():
    quiet, disturbed = series(*[100.0] * 100), series(*[100.0] * 80, *[1e6] * 20)
    assert disturbed.midmean_us == quiet.midmean_us
    assert disturbed.mean_us > 1000 * quiet.mean_us


# --- against an independent loop, and against what the kernel is known to do ------------------------------

C_LOOP = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(int argc, char **argv) {
    size_t size = 4096 * (size_t)atol(argv[1]);
    double until = now() + atof(argv[3]), longest = atof(argv[4]), kept = 0.0;
    long n = 0;
    cpu_set_t set;
    CPU_ZERO(&set); CPU_SET(atoi(argv[2]), &set);
    sched_setaffinity(0, sizeof set, &set);
    for (double began = now(); began < until; ) {
        for (int i = 0; i < 10; i++) {
            void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) return 1;
            munmap(p, size);
        }
        double end = now();
        if (end - began < longest) { kept += end - began; n += 10; }
        began = end;
    }
    printf("%.9g\\n", 1e6 * kept / n);
    return 0;
}
"""
SWITCHED_S = 200e-6
"""What takes longer is time of whoever ran on the core meanwhile."""


def mean_while_running_us(one: Series) -> float:
    ns = histogram.midpoints() / TICKS_PER_NS
    return float(np.average(ns, weights=np.where(ns < 1e9 * SWITCHED_S, one.counts, 0))) / 1e3


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no compiler of C here")
def test_the_uncontended_mean_is_that_of_an_independent_loop_in_c(tmp_path):
    """Both on one core at once: the scheduler lets them take turns, so that both meet the same machine."""
    source, loop = tmp_path / "loop.c", tmp_path / "loop"
    source.write_text(C_LOOP)
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    subprocess.run([compiler, "-O2", "-o", loop, source], check=True, timeout=120)
    whole = measure.plan(measure.Asked(("mmap",), 0, 0), CORES)
    case = next(case for case in whole.cases if case.id == "mmap.alone")
    command = [loop, str(case.pages), str(case.cores[0]), "1.2", str(SWITCHED_S)]
    ratios = []
    for _ in range(9):
        running = []

        def begin(done, _expected, running=running):
            if done == 0:
                running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

        found = measure.measure(Plan((case,), 20, 0.05), begin)
        output, _ = running[0].communicate(timeout=60)
        assert running[0].returncode == 0
        ratios.append(mean_while_running_us(found.pooled("mmap.alone", "map and unmap")) / float(output))
        if len(ratios) >= 3 and abs(np.median(ratios) - 1) < 0.1:
            break
    assert np.median(ratios) == pytest.approx(1, abs=0.1), ratios


@two_cores
def test_threads_contend_for_their_address_space_and_processes_do_not():
    plan = measure.plan(measure.Asked(("mmap",), 2, 2, seconds=2.0, repeats=10), CORES)
    for _ in range(4):
        found = measure.measure(plan)
        p90 = {
            way: found.spread(f"mmap.{way}", "map and unmap", "p90").middle for way in ("alone", "threads", "processes")
        }
        if p90["threads"] > 1.3 * p90["processes"]:
            break
    assert p90["threads"] > 1.3 * p90["processes"]
    assert p90["threads"] > 1.3 * p90["alone"]


# --- time, memory, processes, files -----------------------------------------------------------------------


def test_the_time_is_kept(measured):
    for one in measured.found:
        assert one.elapsed_ns >= 0.9e9 * measured.plan.slice_s
    # A worker may be off its core when its time is over: of all rounds, the quietest says what the loops do.
    for case in measured.plan.cases:
        assert min(one.elapsed_ns for one in measured.of(case.id)) < 1e9 * measured.plan.slice_s + 100e6


def descendants(pid: int) -> set[int]:
    """Numbers of the living processes that a process started, and of those that they did."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(path.parent.name)] = int(parent)
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def test_nobody_and_nothing_is_left(measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = descendants(os.getpid())
    result = rainforest("lock", "--seconds", "0.2", "--repeats", "2")
    assert result.exit_code == 0, result.output
    assert descendants(os.getpid()) <= before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_who_is_ended_takes_all_with_it(tmp_path, number, code):
    command = [sys.executable, "-m", "rainforest_model", "measure", "mmap", "--seconds", "300", "--repeats", "2"]
    process = subprocess.Popen(
        [*command, "--csv", "never.csv"], cwd=tmp_path, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 120
        while len(started := descendants(process.pid)) < 2:  # the one that measures, and a worker
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code
    until = time.monotonic() + 30
    while alive := {pid for pid in started if Path(f"/proc/{pid}/stat").exists() and pid in descendants(1)}:
        assert time.monotonic() < until, alive
        time.sleep(0.05)
    assert not list(tmp_path.iterdir())
    assert output == ""
    if number == signal.SIGINT:
        assert errors.splitlines()[-1].startswith("rainforest: interrupted")
        assert "Traceback" not in errors


def test_what_the_kernel_refuses_is_told():
    case = Case("mmap.huge", "huge", "mmap", (("map_and_unmap",),), CORES[:1], pages=2**45)
    with pytest.raises(measure.MeasurementError, match="refused a mapping"):
        measure.measure(Plan((case,), 1, 0.01))


@pytest.mark.parametrize(
    ("missing", "clock", "pinned"),
    [
        ("from rainforest_model.measure import host; host.has_steady_counter = lambda: False", "CLOCK_MONOTONIC", True),
        ("import os; os.sched_setaffinity = lambda *_: os.close(-1)", None, False),  # an OSError, as for who may not
    ],
    ids=["no steady counter", "no pinning"],
)
def test_the_measuring_process_does_without(missing, clock, pinned):
    """It is told a plan as `measure` tells it, on a machine that lacks something."""
    plan = measure.plan(measure.Asked(measure.BENCHMARKS, WORKERS, WORKERS, seconds=1.0, repeats=2), CORES)
    program = f"{missing}\nfrom rainforest_model.measure.child import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(plan.table()), env=environment(), capture_output=True,
        text=True, timeout=120,
    )
    assert done.stderr == ""
    head, *slices = map(json.loads, done.stdout.splitlines())
    assert clock in (None, head["clock"]["name"])
    assert head["pinned"] == pinned
    assert [line["case"] for line in slices] == [case.id for case in plan.cases] * 2
    alone = slices[0]["loops"]["map_and_unmap"]
    assert sum(alone["series"]["map and unmap"]["counts"]) == alone["operations"] > 0


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
