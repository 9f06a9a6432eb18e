"""The reader's own machine: what is counted, what it is held against, and what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measurements import (
    CORES,
    LOOPS_OF,
    WORKERS,
    environment,
    rainforest,
    series,
    two_cores,
)

from rainforest_model import histogram, measure
from rainforest_model.measure.laboratory import Series
from rainforest_model.measure.plan import Case, Plan
from rainforest_model.units import TICKS_PER_NS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures Linux only")

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
