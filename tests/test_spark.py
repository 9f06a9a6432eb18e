"""Spark does all of its tasks, in stages, with the world stopped for collections; what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from test_twins import assert_twins

from rainforest_model import paper, plots, results
from rainforest_model.descriptions import load
from rainforest_model.errors import InputError
from rainforest_model.experiments import common, fig13_spark, sec642_subos_count
from rainforest_model.experiments.sparking import times
from rainforest_model.lowering import lower
from rainforest_model.memory import Group, MemoryModel
from rainforest_model.simulation import SimulationError, simulate
from rainforest_model.units import TICKS_PER_NS
from rainforest_model.workloads import spark
from rainforest_model.workloads.spark import COLLECTION, FETCH, JOB, Cluster, collector_threads, jobs

S_B = load.machine("S-B")
SMALL = spark.described({"tasks": 120, "slices": 16, "scale": 400})


def cluster(job="join", system="rainforest", channel="nic", workers=4, described=SMALL, **rest) -> Cluster:
    return Cluster(S_B, load.system(system), job, load.channel(channel), workers, described=described, **rest)


def outcome(found: Cluster):
    """The run of a job without crowding in caches, which is quick to solve: series and one outcome."""
    run = simulate(common.without_pressure(found.scenario(2.0)), replications=1)
    return run.series, run.outcomes[0]


def count(name, series, found) -> int:
    return int(found.moments[series.index(name)][0]) if name in series else 0


def total_s(name, series, found) -> float:
    return found.moments[series.index(name)][1] / TICKS_PER_NS / 1e9 if name in series else 0.0


# --- what is described ------------------------------------------------------------------------------------


def test_the_papers_five_workloads_are_there():
    assert jobs() == ["select", "aggregation", "join", "kmeans", "pagerank"]


def test_a_shuffle_reads_what_was_written():
    for job in spark.description().workloads.values():
        order = job.order
        for (before, size, _), (stage, reads, _) in zip(order, order[1:], strict=False):
            if stage.of == "shuffle":
                assert reads == pytest.approx(size * before.writes.plain())


def test_a_loop_is_passed_as_often_as_is_said():
    job = spark.description().workloads["pagerank"]
    assert len(job.order) == len(job.stages) + job.iterations.value * len(job.loop)
    handles = [handle for *_, handle in job.order]
    assert len(set(handles)) == len(handles)


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (8, 8), (16, 13), (40, 28)])
def test_hotspots_rule_for_collector_threads(cpus, threads):
    assert collector_threads(cpus) == threads


@pytest.mark.parametrize("workers", [1, 2, 4, 6, 8])
def test_all_cores_and_no_more_are_divided(workers):
    found = cluster(workers=workers)
    assert sum(found.cores) == S_B.topology.cores
    assert max(found.cores) - min(found.cores) <= 1
    assert found.tasks * workers == SMALL.tasks.value


def test_a_collection_takes_longer_in_a_larger_executor():
    pauses = [cluster(workers=workers).pause_s(0) for workers in (8, 4, 2)]
    assert pauses == sorted(pauses)
    assert cluster(heap_gb=40).pause_s(0) == pytest.approx(2 * cluster(heap_gb=20).pause_s(0))


def test_a_kernel_that_shows_all_cpus_has_longer_collections():
    assert cluster(system="lxc").pause_s(0) > cluster(system="xen").pause_s(0) == cluster().pause_s(0)


def test_more_workers_have_less_of_the_shuffle_each():
    moved = [cluster(workers=n).fetched_bytes(1e9) * cluster(workers=n).tasks for n in (2, 4, 8)]
    total = 1e9 / SMALL.scale.value
    assert moved == pytest.approx([total * (n - 1) / n**2 for n in (2, 4, 8)])
    assert cluster(workers=1).fetched_bytes(1e9) == 0


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rest", "key", "reason"), [
    ({"workers": 41}, "workers", "without a core"),
    ({"workers": 0}, "workers", "at least 1"),
    ({"workers": 7}, "workers", "divided evenly"),
    ({"heap_gb": 300}, "heap_gb", "larger than what its instance has"),
    ({"heap_gb": 0}, "heap_gb", "without memory"),
    ({"job": "jion"}, "job", "join"),
])
def test_what_does_not_fit_is_refused(rest, key, reason):
    with pytest.raises(InputError, match=reason) as caught:
        cluster(**rest)
    assert caught.value.key == key
    assert caught.value.file == "Spark cluster"


@pytest.mark.parametrize(("values", "key"), [
    ({"scale": 0.5}, "scale"), ({"workloads.jion.stages.0.cpu": 3}, "jion"), ({"tmpfs": 2}, "tmpfs"),
])
def test_a_description_that_does_not_fit_is_refused(values, key):
    with pytest.raises(InputError, match=key):
        spark.described(values)


# --- what runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["linux-2.6.32", "lxc", "xen", "rainforest"])
@pytest.mark.parametrize("job", jobs())
def test_a_job_runs_once_on_every_system(job, id):
    found = cluster(job, id, "loopback" if id.startswith("linux") else "nic")
    series, ran = outcome(found)
    assert count(JOB, series, ran) == 1
    order = SMALL.workloads[job].order
    for stage, *_ in order:
        times_run = sum(other.name == stage.name for other, *_ in order)
        assert count(f"stage {stage.name}", series, ran) == times_run
    shuffles = sum(stage.of == "shuffle" for stage, *_ in order)
    assert count(FETCH, series, ran) == shuffles * SMALL.tasks.value


def test_stages_follow_one_another():
    """Their times add up to the job's, but for what starts and ends it."""
    series, ran = outcome(cluster("pagerank"))
    stages = sum(total_s(name, series, ran) for name in series if name.startswith("stage "))
    assert stages <= total_s(JOB, series, ran) <= 1.01 * stages


def test_a_job_takes_no_less_than_its_user_time_and_its_wire():
    found = cluster("join")
    series, ran = outcome(found)
    sizes = [(stage, size) for stage, size, _ in SMALL.workloads["join"].order]
    user = sum(size * stage.cpu.ns() / 1e9 for stage, size in sizes) / S_B.topology.cores / SMALL.scale.value
    wire = found.channel.wire_ns(found.fetched_bytes(sizes[1][1])) / 1e9 * found.tasks
    assert total_s(JOB, series, ran) > user
    assert total_s("stage join", series, ran) >= wire


def test_a_collection_stops_the_world():
    """With nothing else to wait for, a job is longer by the time of its collections."""
    few = {"tasks": 120, "slices": 16, "scale": 400, "workloads.select.stages.0.touches": 0}
    series, long = outcome(cluster("select", described=spark.described({**few, "executor.survives": 0.3})))
    _, short = outcome(cluster("select", described=spark.described({**few, "executor.survives": 0.1})))
    assert count(COLLECTION, series, long) > 4
    assert total_s(JOB, series, long) > total_s(JOB, series, short)
    assert total_s(COLLECTION, series, long) > total_s(COLLECTION, series, short)


def test_more_cards_are_faster_than_one_pair_of_them():
    two, eight = (total_s(FETCH, *outcome(cluster("join", workers=n))) for n in (2, 8))
    assert eight < two


def test_rfloop_is_faster_than_a_card_where_there_is_a_shuffle_and_the_same_where_not():
    for job, faster in (("join", True), ("select", False)):
        card, loop = (total_s(JOB, *outcome(cluster(job, channel=id))) for id in ("nic", "rfloop"))
        assert (loop < 0.95 * card) if faster else (loop == card)


def test_both_engines_agree_on_a_short_job():
    tiny = spark.described({"tasks": 120, "slices": 16, "scale": 400})
    found = common.without_pressure(cluster(workers=2, described=tiny).scenario(0.004))
    assert_twins(lower(found), 6_000)


# --- memory -----------------------------------------------------------------------------------------------


def test_processes_with_data_of_their_own_are_one_group_on_linux():
    assert lower(cluster(system="linux-2.6.32").scenario(1.0)).groups == 1
    assert lower(cluster().scenario(1.0)).groups == 4


def test_an_instance_over_two_sockets_finds_half_of_its_memory_on_the_other():
    tables = lower(cluster(workers=2).scenario(1.0))
    assert {group.remote for group in tables.memory.groups} == {0.5}
    assert {group.remote for group in lower(cluster().scenario(1.0)).memory.groups} == {0.0}


@pytest.mark.parametrize("groups", [
    [Group(SMALL.footprint, home=0), Group(SMALL.footprint, home=1)], [Group(SMALL.footprint, remote=0.5)],
])
def test_sockets_solved_apart_or_in_another_order_give_the_same(groups):
    """As the whole mix solved at once does."""
    model = MemoryModel(S_B, groups)
    mix = ((4, 0), (0, 7), (0, 0), (0, 0)) if len(groups) == 2 else ((4,), (7,), (0,), (2,))
    assert np.allclose(model.slowdowns(mix), model.pressure(mix).slowdowns, rtol=1e-6)


# --- the experiments --------------------------------------------------------------------------------------


def test_what_is_committed_is_drawn_told_and_judged():
    for experiment in (fig13_spark, sec642_subos_count):
        id = experiment.__name__.rpartition(".")[2]
        found = results.load(id, "quick")
        assert found is not None
        assert len(plots.encode(experiment.figure(found), "png")) > 10_000
        assert "replications" in experiment.describe_figure(found)
        judged = {verdict.id for verdict in experiment.verdicts(found)}
        assert judged == {claim.id for claim in paper.claims() if claim.artefact == id}


def test_every_point_of_an_experiment_is_described():
    options = common.Options()
    assert len(fig13_spark.describe(options)) == 5 * len(jobs())
    points = sec642_subos_count.describe(options)
    assert {key[2] for key in points} == {2, 4, 6, 8}
    for (_, _, workers), scenario in points.items():
        assert scenario.partitions == workers
        assert sum(scenario.shares) == 40


def test_a_job_that_has_not_ended_is_no_result():
    run = simulate(common.without_pressure(cluster("select").scenario(0.002)), replications=1)
    with pytest.raises(SimulationError):
        times({("rainforest",): run}, ["system"])
