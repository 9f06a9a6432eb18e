"""A machine and a kernel of today: described beside the paper's, borne by the engines, varied within their ranges."""

from __future__ import annotations

import pytest

from rainforest_model import opcodes as op
from rainforest_model import simulate
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.expression import whole
from rainforest_model.descriptions.parameter import Description, Parameter
from rainforest_model.descriptions.ranges import spread
from rainforest_model.descriptions.scenario import Scenario
from rainforest_model.lowering import lower
from rainforest_model.simulation import scenario
from rainforest_model.workloads import operations, workload
from rainforest_model.workloads.vma_locks import under_vma_locks

MACHINE, KERNEL = "epyc-9654", "linux-6.12"
PROGRAMS = ("mmap", "malloc", "munmap", "page_fault", "open")


def parameters(value) -> list[Parameter]:
    if isinstance(value, Parameter):
        return [value]
    if isinstance(value, Description):
        return [found for key in type(value).model_fields for found in parameters(getattr(value, key))]
    return [found for inner in value.values() for found in parameters(inner)] if isinstance(value, dict) else []


def today(program: str, partitions: int = 1, **fields) -> Scenario:
    system = load.system(KERNEL) if partitions == 1 else load.system("rainforest", kernel=KERNEL)
    return scenario(MACHINE, system, under_vma_locks(workload(program)), partitions=partitions, **fields)


# --- descriptions


def test_they_are_found_by_id_and_join_no_sweep():
    assert load.machine(MACHINE).topology.cores == 192
    assert load.system(KERNEL).id == KERNEL
    assert (MACHINE in load.machines(), KERNEL in load.systems()) == (False, False)
    assert load.beyond() == {"machine": [MACHINE], "kernel": ["barrelfish", KERNEL]}


@pytest.mark.parametrize("described", [load.machine(MACHINE), load.kernel(KERNEL)], ids=repr)
def test_every_parameter_has_a_range_and_says_where_it_comes_from(described):
    for parameter in parameters(described):
        assert parameter.range[0] <= parameter.value <= parameter.range[1]
        assert len(parameter.source) > 10
        assert not (parameter.basis == "cited" and "estimate" in parameter.source)


def test_a_mapping_of_128_mb_stays_below_the_batch_of_today():
    batch = load.kernel(KERNEL).structures["vm_committed_as"].batch
    pages = int(load.machine(MACHINE).memory.capacity.plain()) // 4096
    for kernels in (1, 16):
        assert whole(batch, {"cpus": 192 // kernels, "ram_pages": pages // kernels}) > 32768


# --- locks of mappings


@pytest.mark.parametrize("id", ["malloc", "munmap", "page_fault"])
def test_only_faults_lock_their_mapping(id):
    before, after = workload(id), under_vma_locks(workload(id))
    faults = [item for item in operations(after) if isinstance(item, pg.Fault)]
    inside = [inner.what for fault in faults for inner in fault.body if isinstance(inner, pg.OnStructure)]
    assert "vma_lock" in inside
    assert "mmap_sem" not in inside
    back = [item.model_copy(update={"what": "mmap_sem"}) if getattr(item, "what", "") == "vma_lock" else item
            for item in operations(after)]
    flat = [item for item in back if not isinstance(item, pg.Block)]
    assert flat == [item for item in operations(before) if not isinstance(item, pg.Block)]


def test_a_program_without_faults_stays_as_it_is():
    assert under_vma_locks(workload("mmap")) == workload("mmap")


# --- the engines bear it


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("partitions", [1, 16])
def test_192_cores_run_every_program_that_the_kernel_is_described_for(program, partitions):
    point = today(program, partitions, processes=192 // partitions, duration="60 us", warmup="1 us", stagger="1 us")
    assert len({task.home for task in lower(point).tasks}) == 192
    assert lower(point).ops[:, 0].max() < len(op.NAMES)
    if program not in ("page_fault", "munmap"):  # which take longer than this for a round of 192 threads
        assert simulate(point, replications=1).samples > 192


# --- within their ranges


def test_a_latin_hypercube_takes_each_part_of_each_range_once():
    points = 6
    machines = spread(load.machine(MACHINE), points, seed=3)
    for copies in zip(*map(parameters, machines), strict=True):
        low, high = copies[0].range
        values = sorted(copy.value for copy in copies)
        if low == high:
            assert set(values) == {low}
            continue
        ends = [low * (high / low) ** (k / points) if low > 0 else low + k / points * (high - low)
                for k in range(points + 1)]
        for k, value in enumerate(values):
            assert ends[k] * (1 - 1e-9) <= value <= ends[k + 1] * (1 + 1e-9)


def test_parameters_are_drawn_on_their_own_and_again_the_same():
    first, second = (spread(load.kernel(KERNEL), 5, seed=4) for _ in range(2))
    assert first == second
    assert first != spread(load.kernel(KERNEL), 5, seed=5)
    values = [[kernel.costs[name].value for kernel in first] for name in ("fault_path", "zone_batch", "file_open")]
    ranks = {tuple(sorted(range(5), key=one.__getitem__)) for one in values}
    assert len(ranks) > 1


def test_pages_stay_whole():
    for kernel in spread(load.kernel(KERNEL), 7):
        assert kernel.constants["pcp_batch"].value == int(kernel.constants["pcp_batch"].value)
