"""The batch job does all of its programs' work, in order, by any number of threads; an outcome says how far it got."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_descriptions import parameters
from test_twins import assert_twins

from rainforest_model.descriptions import load
from rainforest_model.descriptions.scenario import Scenario
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.memory import Group, MemoryModel
from rainforest_model.outcome import StopReason
from rainforest_model.simulation import simulate
from rainforest_model.units import TICKS_PER_NS
from rainforest_model.workloads import batch, parsec
from rainforest_model.workloads.batch import Batch, batch_loads

SUITE = parsec.suite()
S_A = load.machine("S-A")


def small(factor: float, *order: str) -> batch.BatchDescription:
    """The batch with `factor` of its work, and perhaps with some of its programs only."""
    described = batch.described(order=order or None)
    return described.model_copy(update={"slower": described.slower.model_copy(update={"value": factor})})


def alone(job: Batch, seconds: float, system: str = "linux-2.6.32", cores: int = 12) -> Scenario:
    """The batch on a machine of its own, without crowding in its caches, so that its rounds take what is described."""
    loads = [
        entry.model_copy(update={"program": entry.program.model_copy(update={"footprint": None})})
        for entry in job.loads()
    ]
    return Scenario(
        machine=S_A, system=load.system(system), cores=cores, loads=tuple(loads), duration=f"{seconds} s", warmup="0 s",
    )


def run(job: Batch, *args, **rest):
    """Names of the series and one outcome."""
    found = simulate(alone(job, *args, **rest), replications=1)
    return found.series, found.outcomes[0]


def total_s(name: str, series, outcome) -> float:
    return outcome.moments[series.index(name)][1] / TICKS_PER_NS / 1e9


# --- what is described ------------------------------------------------------------------------------------


def test_all_thirteen_run_and_each_once():
    job = Batch(12)
    assert sorted(job.order) == sorted(SUITE.programs)
    assert len(job.order) == 13


def test_applications_come_before_kernels_each_by_name():
    kernels = {"canneal", "dedup", "streamcluster"}
    applications = sorted(set(SUITE.programs) - kernels)
    assert batch.description().order == (*applications, *sorted(kernels))


def test_one_factor_stands_for_the_whole_batch():
    [(_, slower)] = parameters(batch.description())
    assert slower.range[0] < slower.value < slower.range[1]
    assert slower.fitted_to


def test_loads_are_a_process_for_each_program_a_script_and_a_starter():
    *programs, script, start = batch_loads(threads=6, partition=1)
    assert [entry.program.id for entry in programs] == [f"batch.{name}" for name in batch.description().order]
    assert {(entry.threads, entry.processes, entry.partition) for entry in programs} == {(6, 1, 1)}
    assert (script.threads, script.partition) == (1, 1)
    assert start.place == "outside"


def test_a_round_of_the_batch_is_one_of_the_program_that_runs_for_ever():
    for name in batch.description().order:
        single, part = parsec.PROGRAMS[f"parsec.{name}"], Batch(4).program(name)
        assert part.ops[1].body[0].body == single.ops[0].body
        assert (part.footprint, part.parameters) == (single.footprint, single.parameters)


# --- how much there is to do ------------------------------------------------------------------------------


def test_stretch_of_canneal_by_hand():
    clock = 2.1 * 9.8 / 8
    extra = S_A.memory.local_latency.ns(2.4) - S_A.memory.llc_latency.ns(2.4)
    misses = 16.3 / 1000 * (40 / 12) ** 0.25
    by_hand = (SUITE.cpi("canneal").value / 2.4 + misses * extra / 1.4) / (4 / clock)
    assert SUITE.stretch("canneal", S_A) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("name", SUITE.programs)
def test_misses_of_one_thread_alone_are_those_of_the_memory_model(name):
    footprint = SUITE.footprint(name)
    misses = MemoryModel(S_A, [Group(footprint)]).pressure(((1,), (0,))).misses[0][0]
    assert footprint.misses_with(S_A.memory.llc_per_socket.plain()) == pytest.approx(misses, rel=1e-6)


def test_an_instruction_takes_longer_on_the_older_machine():
    """Cycles by the factor of the older core and seconds by the clock, but for misses, which no clock speeds up."""
    core = SUITE.carried_over.older_core.value * SUITE.measured_on.true_clock_ghz / S_A.clock_ghz
    for name in SUITE.programs:
        assert 1 < SUITE.stretch(name, S_A) < 1.1 * core


@pytest.mark.parametrize("threads", [1, 2, 6, 12])
def test_work_is_divided_among_the_threads_to_a_round(threads):
    one, job = Batch(1), Batch(threads)
    for name in job.order:
        assert job.thread_seconds(name) == one.thread_seconds(name)
        assert abs(job.rounds(name) * threads - one.rounds(name)) <= threads


def test_the_factor_stretches_all_programs_alike():
    for name in SUITE.programs:
        once = Batch(1, described=small(1)).thread_seconds(name)
        assert Batch(1, described=small(2)).thread_seconds(name) == pytest.approx(2 * once)
        measured = SUITE.programs[name]
        by_hand = 8 * measured.duration.value * SUITE.stretch(name, S_A)
        assert once == pytest.approx(by_hand)
        busy = Batch(1, described=small(1)).core_seconds(name)
        assert busy == pytest.approx(by_hand * SUITE.busy_share(name))


# --- what runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 4, 12])
def test_n_threads_on_n_idle_cores_take_the_work_over_n(threads):
    """The last of n threads ends after their mean, by some standard deviations of a sum of so many rounds."""
    job = Batch(threads, described=small(0.1, "facesim", "swaptions", "streamcluster"))
    expected = sum(job.thread_seconds(name) for name in job.order) / threads
    series, outcome = run(job, 2.5 * expected, cores=threads)
    ended = job.finished(series, outcome)
    for name in job.order:
        ratio = total_s(name, series, outcome) / ended[name] / (job.thread_seconds(name) / threads)
        assert 0.97 < ratio < 1.03 + 4 / math.sqrt(job.rounds(name)), name


@pytest.mark.parametrize("threads", [2, 12])
def test_cores_are_busy_for_the_work_that_is_done(threads):
    """However it is divided; faults and switches come on top."""
    job = Batch(threads, described=small(0.05, "raytrace", "ferret", "canneal"))
    series, outcome = run(job, 30 * 12 / threads)
    done = job.progress(series, outcome) * sum(job.core_seconds(name) for name in job.order)
    assert outcome.busy.sum() / TICKS_PER_NS / 1e9 == pytest.approx(done, rel=0.04)


def test_more_threads_than_cores_lose_no_work():
    job = Batch(12, described=small(0.02, "ferret", "freqmine"))
    series, outcome = run(job, 20, cores=6)
    busiest = outcome.busy.sum() / outcome.now / 6
    assert busiest > 0.9
    assert job.time_s(series, outcome) * 6 * busiest == pytest.approx(
        sum(job.core_seconds(name) for name in job.order), rel=0.08
    )


@pytest.mark.parametrize("seconds", [3, 10, 25])
def test_programs_take_turns_and_rounds_add_up(seconds):
    job = Batch(12, described=small(0.01))
    series, outcome = run(job, seconds)
    ended = [job.finished(series, outcome)[name] for name in job.order]
    assert ended == sorted(ended, reverse=True)
    assert ended[0] - ended[-1] <= 1
    rounds = [outcome.moments[series.index(f"{name} round")][0] for name in job.order]
    under_way = 0
    for name, times, count in zip(job.order, ended, rounds, strict=True):
        whole = job.threads * job.rounds(name)
        assert times * whole <= count < (times + 1) * whole
        under_way += count > times * whole
    assert under_way <= 1
    assert outcome.moments[series.index("batch")][0] == ended[-1]
    assert sum(ended) / 13 - 1 < job.progress(series, outcome) < ended[0] + 1


def test_a_batch_takes_what_its_programs_take():
    job = Batch(12, described=small(0.01))
    series, outcome = run(job, 30)
    programs = sum(total_s(name, series, outcome) for name in job.order)
    batches = total_s("batch", series, outcome)
    assert batches <= 1.001 * programs < outcome.now / TICKS_PER_NS / 1e9
    assert job.time_s(series, outcome) == pytest.approx(batches / outcome.moments[series.index("batch")][0])


def test_before_the_first_batch_has_ended_its_time_is_extrapolated():
    job = Batch(12, start_s=1, described=small(0.02))
    whole = job.time_s(*run(job, 40))
    series, outcome = run(job, 6)
    assert outcome.moments[series.index("batch")][0] == 0
    assert 0 < job.progress(series, outcome) < 1
    assert job.time_s(series, outcome) == pytest.approx(whole, rel=0.15)
    assert job.time_s(series, outcome) * job.progress(series, outcome) == pytest.approx(5)


def test_before_the_start_nothing_is_done():
    job = Batch(2, start_s=2, described=small(0.01, "vips"))
    series, outcome = run(job, 1.5)
    assert job.progress(series, outcome) == 0
    assert job.time_s(series, outcome) == math.inf
    assert job.finished(series, outcome) == {"vips": 0}


def test_a_batch_in_one_half_leaves_the_other_alone():
    job = Batch(6, described=small(0.005))
    scenario = Scenario(
        machine=S_A, system=load.system("rainforest"), cores=12, partitions=2, loads=job.loads(partition=1),
        duration="8 s", warmup="0 s",
    )
    found = simulate(scenario, replications=1)
    assert job.progress(found.series, found.outcomes[0]) > 0.3
    busy = found.outcomes[0].busy
    assert busy[:6].max() < 0.02 * busy[6:].min()


@pytest.mark.parametrize("system", load.systems())
def test_the_batch_lowers_on_every_system(system):
    divided = load.system(system).partitioning.partitioned
    scenario = Scenario(
        machine=S_A, system=load.system(system), cores=12, partitions=1 + divided,
        loads=batch_loads(12 // (1 + divided), int(divided)),
    )
    series = lower(scenario).series
    assert {"batch", *batch.description().order} < set(series)


@pytest.mark.parametrize("system", ["linux-3.17.4", "xen"])
def test_both_engines_run_it_alike(system):
    job = Batch(3, start_s=0.001, described=small(1e-5, "vips", "dedup", "bodytrack"))
    divided = load.system(system).partitioning.partitioned
    scenario = Scenario(
        machine=S_A, system=load.system(system), cores=12, partitions=1 + divided, loads=job.loads(int(divided)),
        duration="200 ms", warmup="0 s",
    )
    found = simulate(scenario, replications=1)
    assert min(job.finished(found.series, found.outcomes[0]).values()) >= 1, "each of them has its turn"
    assert assert_twins(lower(scenario), events=20_000) is StopReason.REACHED


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "key"),
    [({"threads": 0}, "threads"), ({"threads": 1.5}, "threads"), ({"threads": 10_000}, "threads"),
     ({"threads": 1, "start_s": -1}, "start_s"), ({"threads": 1, "start_s": math.nan}, "start_s")],
)
def test_threads_and_start_that_cannot_be_are_refused(values, key):
    with pytest.raises(InputError) as caught:
        Batch(**values)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"order": []}, "at least one program"), ({"order": ["vips", "vips"]}, "stands in it twice"),
     ({"slower": 3}, "lies outside its range")],
)
def test_a_batch_that_cannot_be_is_refused(change, reason):
    with pytest.raises(InputError, match=reason) as caught:
        batch.described(**change)
    assert next(iter(change)) in caught.value.key


def test_a_program_that_the_suite_has_not_is_refused():
    with pytest.raises(InputError, match="no such program; did you mean vips"):
        Batch(1, described=small(1, "vip"))


def test_an_outcome_without_the_batch_says_nothing_of_it():
    job = Batch(2, described=small(0.001, "vips"))
    series, outcome = run(job, 0.5)
    with pytest.raises(InputError, match="x264"):
        Batch(2, described=small(0.001, "x264")).finished(series, outcome)


def test_every_outcome_has_all_series():
    job = Batch(2, described=small(0.001, "vips", "x264"))
    series, _ = run(job, 0.5)
    assert set(series) == {"batch", "vips", "x264", "vips round", "x264 round"}
    assert len(np.unique(series)) == len(series)
