"""The shipped machines, kernels and partitionings are complete and cited; a bad file is told in one line."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from functools import cache

import pytest

from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.expression import whole
from rainforest_model.descriptions.parameter import Description, Parameter
from rainforest_model.descriptions.structure import SCOPES, Structure
from rainforest_model.descriptions.system import System
from rainforest_model.errors import InputError
from rainforest_model.resources import data_path
from rainforest_model.workloads import queueing, workloads

SYSTEMS = ["linux-2.6.32", "linux-2.6.35m", "linux-3.17.4", "linux-4.9.40", "lxc", "xen", "rainforest"]
KERNELS = SYSTEMS[:4]
PARTITIONINGS = ["linux", "lxc", "xen", "rainforest"]
MACHINES = ["S-A", "S-B"]
OLD, NEW = KERNELS[:2], KERNELS[2:]

DESCRIPTIONS = {
    **{f"machines/{id}": load.machine for id in MACHINES},
    **{f"systems/kernels/{id}": load.kernel for id in KERNELS},
    **{f"systems/partitionings/{id}": load.partitioning for id in PARTITIONINGS},
}

# Costs that no program names: an operation of their kind does.
IMPLIED = {
    "syscall_enter", "syscall_exit", "fault_enter", "fault_exit", "counter_fold", "counter_local",
    "count_section", "reference_local", "rcu_read", "flush_hypercall",
}

TEXTBOOK = {program.id for program in vars(queueing).values() if isinstance(program, pg.Program)}
PROGRAMS = {id: program for id, program in workloads().items() if id not in TEXTBOOK}


def walk(ops) -> Iterator:
    """Every operation of a program, blocks and what is in them."""
    for op in ops:
        yield op
        if isinstance(op, pg.Block):
            yield from walk(op.body)


def parameters(value, place: str = "") -> Iterator[tuple[str, Parameter]]:
    """Every parameter of a description, with the dotted place where it stands."""
    if isinstance(value, Parameter):
        yield place, value
    elif isinstance(value, Description):
        for key in type(value).model_fields:
            yield from parameters(getattr(value, key), f"{place}.{key}".lstrip("."))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from parameters(inner, f"{place}.{key}")


def described(place: str):
    """The shipped description of a file such as ``machines/S-A``."""
    return DESCRIPTIONS[place](place.rpartition("/")[2])


def batch(structure: Structure, cpus: int, ram_pages: int) -> int:
    """The batch that a counter's expression gives."""
    return whole(structure.batch, {"cpus": cpus, "ram_pages": ram_pages})


# --- what is shipped


def test_the_systems_of_the_paper_in_its_order():
    assert load.systems() == SYSTEMS
    assert load.machines() == MACHINES


def test_no_shipped_file_is_left_out():
    files = {
        f"{folder}/{path.stem}"
        for folder in ("machines", "systems/kernels", "systems/partitionings")
        for path in data_path(folder).glob("*.toml")
    }
    assert files == set(DESCRIPTIONS)


@pytest.mark.parametrize("place", DESCRIPTIONS)
def test_a_file_is_called_by_its_id(place):
    assert described(place).id == place.rpartition("/")[2]


@pytest.mark.parametrize("place", DESCRIPTIONS)
def test_every_parameter_is_in_its_range_and_says_where_it_comes_from(place):
    found = list(parameters(described(place)))
    assert found or place.endswith(("/linux", "/rainforest"))
    for where, parameter in found:
        low, high = parameter.range
        assert low <= parameter.value <= high, where
        assert len(parameter.source) > 10, where
        assert parameter.basis in ("cited", "derived"), f"{where}: nothing of the kernel or machine is fitted"


@pytest.mark.parametrize("place", DESCRIPTIONS)
def test_an_estimate_is_never_called_cited(place):
    for where, parameter in parameters(described(place)):
        hedged = re.match("estimate|attributed", parameter.source) is not None
        assert not (parameter.basis == "cited" and hedged), where
        if hedged:
            assert parameter.range[0] < parameter.range[1], f"{where}: an estimate is not exact"


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_structure_has_a_scope_and_a_source_in_the_kernel(kernel):
    for name, structure in load.kernel(kernel).structures.items():
        assert structure.scope in SCOPES, name
        if structure.kind != "absent":
            assert re.search(r"\.[ch]\b|OSDI", structure.source), name


def test_the_kernels_differ_in_nothing_but_values():
    first, *others = (load.kernel(id) for id in KERNELS)
    for other in others:
        assert other.costs.keys() == first.costs.keys()
        assert other.constants.keys() == first.constants.keys()
        assert other.structures.keys() == first.structures.keys()
        assert other.background.keys() == first.background.keys()


def test_a_partitioning_overrides_only_what_a_kernel_has():
    kernel = load.kernel("linux-2.6.32")
    for partitioning in map(load.partitioning, PARTITIONINGS):
        assert partitioning.structures.keys() <= kernel.structures.keys()
        assert partitioning.costs.keys() <= kernel.costs.keys()
        prices = {f"scheduler.{price}" for price in type(kernel.scheduler).model_fields}
        assert partitioning.surcharges.keys() <= kernel.costs.keys() | prices
        assert not partitioning.costs.keys() & partitioning.surcharges.keys()
        assert partitioning.default_kernel == kernel.id


def test_rainforest_adds_nothing():
    rainforest = load.partitioning("rainforest")
    added = [rainforest.structures, rainforest.costs, rainforest.surcharges, rainforest.background]
    assert not any(added)
    assert (rainforest.kernels, rainforest.partitioned, rainforest.memory) == ("each", True, "local")


@pytest.mark.parametrize(
    ("id", "kernels", "partitioned", "memory"),
    [("linux", "one", False, "any"), ("lxc", "one", True, "local"), ("xen", "each", True, "local")],
)
def test_how_the_others_divide_the_machine(id, kernels, partitioned, memory):
    how = load.partitioning(id)
    assert (how.kernels, how.partitioned, how.memory) == (kernels, partitioned, memory)


# --- programs and kernels fit together


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_path_and_structure_of_a_program_exists(program, system):
    system = load.system(system)
    for op in walk(PROGRAMS[program].ops):
        if isinstance(op, pg.Compute) and op.path is not None:
            assert system.path_ns(op.path, 2.4) >= 0
        if isinstance(op, pg.OnStructure) and not isinstance(op, pg.OnQueue):
            assert op.what in system.structures


LOCKS = {"ticket_lock", "queue_lock", "mutex", "rwsem", "absent"}
COUNTS = {"atomic", "locked_count", "sloppy_counter", "percpu", "rcu", "absent"}
FITTING = [
    (pg.ReadLock, {"rwsem", "rcu", "absent"}),
    (pg.WriteLock, {"rwsem", "absent"}),
    (pg.Lock, LOCKS),
    (pg.Unlock, LOCKS),
    (pg.Count, {"percpu_counter", "atomic", "absent"}),
    ((pg.Get, pg.Put), COUNTS),
    (pg.Read, {"line", "atomic", "seqlock", "percpu", "rcu", "absent"}),
    (pg.Touch, {"line", "atomic", "seqlock", "percpu", "absent"}),
    (pg.FlushTlb, {"tlb", "absent"}),
]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_operation_meets_a_structure_that_can_do_it(program, system):
    structures = load.system(system).structures
    for op in walk(PROGRAMS[program].ops):
        for kinds_of_op, kinds in FITTING:
            if isinstance(op, kinds_of_op):
                assert structures[op.what].kind in kinds, op


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_name_in_an_expression_is_a_number_of_program_or_kernel(program, kernel):
    kernel, program = load.kernel(kernel), PROGRAMS[program]
    placed = {"cpus", "nodes", "kernel_nodes"}
    known = {*program.parameters, *kernel.constants, *placed, "pages_per_flush", "min", "max", "ceil"}
    for op in walk(program.ops):
        for expression in (getattr(op, "times", 1), getattr(op, "pages", 1)):
            names = {n.id for n in ast.walk(ast.parse(str(expression))) if isinstance(n, ast.Name)}
            assert names <= known, op


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_costs_that_operations_imply_exist(kernel):
    assert not IMPLIED - load.kernel(kernel).costs.keys()


# --- numbers of the kernels' sources


@pytest.mark.parametrize(
    ("kernel", "base", "scaled"),
    [
        ("linux-2.6.32", (5, 1, 1), (20, 4, 4)),
        ("linux-2.6.35m", (6, 2, 1), (24, 8, 4)),
        ("linux-3.17.4", (6, 0.75, 1), (24, 3, 4)),
        ("linux-4.9.40", (6, 0.75, 1), (24, 3, 4)),
    ],
)
def test_scheduler_knobs_before_and_after_the_factor(kernel, base, scaled):
    scheduler = load.kernel(kernel).scheduler
    knobs = [scheduler.latency, scheduler.min_granularity, scheduler.wakeup_granularity]
    for cpus, factor in [(1, 1), (2, 2), (6, 3), (10, 4), (12, 4), (40, 4)]:
        assert factor == 1 + math.floor(math.log2(min(cpus, 8)))
        assert [knob.ns() * factor for knob in knobs] == [ms * 1e6 * factor for ms in base]
    assert [knob.ns() * 4 for knob in knobs] == [ms * 1e6 for ms in scaled]


def test_a_small_instance_has_shorter_slices():
    latency = load.system("rainforest").kernel.scheduler.latency.ns()
    assert [latency * factor / 1e6 for factor in (2, 3)] == [10, 15]


PAGES = {"S-A": 32 * 2**30 // 4096, "S-B": 2**40 // 4096}


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_of_the_machines_in_pages(machine):
    assert load.machine(machine).memory.capacity.plain() == PAGES[machine] * 4096


@pytest.mark.parametrize("kernel", OLD)
def test_batch_of_vm_committed_as_before_3_11(kernel):
    counter = load.kernel(kernel).structures["vm_committed_as"]
    assert batch(counter, 12, PAGES["S-A"]) == 32
    assert batch(counter, 40, PAGES["S-B"]) == 80
    assert batch(counter, 6, 16 * 2**30 // 4096) == 32
    assert not counter.interrupts_off


@pytest.mark.parametrize("kernel", NEW)
def test_batch_of_vm_committed_as_since_3_11(kernel):
    counter = load.kernel(kernel).structures["vm_committed_as"]
    assert batch(counter, 12, PAGES["S-A"]) == 2730
    assert batch(counter, 40, PAGES["S-B"]) == 26214
    assert batch(counter, 12, 4096) == 32
    assert counter.interrupts_off


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_mapping_of_128_mb_passes_every_batch(kernel, machine):
    counter = load.kernel(kernel).structures["vm_committed_as"]
    assert batch(counter, load.machine(machine).topology.cores, PAGES[machine]) <= 32768


@pytest.mark.parametrize("kernel", KERNELS)
def test_batches_of_pages(kernel):
    constants = {name: constant.plain() for name, constant in load.kernel(kernel).constants.items()}
    tracks = int(kernel == "linux-4.9.40")  # there a flush covers what was mapped, not all that is unmapped
    assert constants.items() >= {"pagevec": 14, "pcp_batch": 31, "gather_tracks_pages": tracks}.items()


@pytest.mark.parametrize(("kernel", "flushes"), [*((id, 65) for id in OLD), *((id, 4) for id in NEW)])
def test_flushes_to_unmap_128_mb_that_were_touched(kernel, flushes):
    tlb = load.kernel(kernel).structures["tlb"]
    assert math.ceil(32768 / tlb.pages_per_flush) == flushes
    assert (tlb.slots, tlb.lock) == ((8, "ticket") if kernel in OLD else (0, None))


def test_the_tlb_flush_of_xen_is_shared_by_the_whole_machine():
    tlb = load.system("xen").structures["tlb"]
    assert (tlb.scope, tlb.slots) == ("machine", 1)
    assert load.system("rainforest").structures["tlb"].scope == "instance"


def test_spin_locks_are_ticket_locks_until_4_9_and_queue_locks_there():
    for id in KERNELS:
        structures = load.kernel(id).structures
        kind = "queue_lock" if id == "linux-4.9.40" else "ticket_lock"
        assert {structures[name].kind for name in ("zone_lock", "lru_lock", "fd_table")} == {kind}
        assert structures["vm_committed_as"].lock == kind.removesuffix("_lock")
        assert structures["mmap_sem"].waiting == ("sleep" if id in OLD else "optimistic")


def test_nothing_of_a_container_or_a_guest_on_plain_linux():
    container = ("memcg_charge", "memcg_section")
    guest = ("pte_update", "pte_validation", "flush_hypercall")
    for id in KERNELS:
        system = load.system(id)
        assert all(system.path_ns(path, 2.4) == 0 for path in (*container, *guest))
        assert {system.structures[name].kind for name in ("memcg", "pte_validation")} == {"absent"}
    assert load.system("lxc").structures["memcg"].kind == "ticket_lock"
    assert load.system("xen").structures["pte_validation"].kind == "ticket_lock"
    assert load.system("xen").path_ns("pte_update", 2.4) > 0


# --- the order of magnitude of whole paths: within what constants of this hardware leave


@cache
def alone_ns(id: str) -> dict[str, float]:
    """What each step takes on S-A where nothing contends: paths, and lines that the core owns."""
    system, machine = load.system(id), load.machine("S-A")
    atomic, store = (getattr(machine.coherence, f"own_{what}").ns(2.4) for what in ("atomic", "store"))
    paths = {path: system.path_ns(path, 2.4) for path in system.kernel.costs}
    return {"atomic": atomic, "store": store, **paths}


def duration_alone(system: System, ops, parameters: dict[str, int]) -> float:
    """Nanoseconds of a run of operations on one core, by the kinds of structures alone."""
    ns, structures = alone_ns(system.id), system.structures
    names = {**parameters, **{name: int(c.value) for name, c in system.kernel.constants.items()}}
    names["pages_per_flush"] = structures["tlb"].pages_per_flush
    total = 0.0
    for op in ops:
        number = whole(getattr(op, "times", 1), names)
        kind = structures[op.what].kind if isinstance(op, pg.OnStructure) else None
        if isinstance(op, pg.Block):
            inner = duration_alone(system, op.body, parameters)
            total += inner / number if op.do == "every" else inner * number
            total += sum(ns.get(f"{op.do}_{way}", 0) for way in ("enter", "exit"))
        elif isinstance(op, pg.Compute):
            total += ns[op.path] * number
        elif isinstance(op, pg.Lock | pg.ReadLock | pg.WriteLock):
            total += 0 if kind == "absent" else ns["atomic"]
        elif isinstance(op, pg.Unlock):
            total += {"absent": 0, "rwsem": ns["atomic"], "mutex": ns["atomic"]}.get(kind, ns["store"])
        elif isinstance(op, pg.Touch):
            total += 0 if kind == "absent" else ns["store"]
        elif isinstance(op, pg.Count):
            total += ns["atomic"] + ns["counter_fold"] + ns["store"]
        elif isinstance(op, pg.Get | pg.Put):
            total += {
                "absent": 0, "atomic": ns["atomic"], "rcu": ns["rcu_read"] * isinstance(op, pg.Get),
                "locked_count": ns["atomic"] + ns["count_section"] + ns["store"],
            }.get(kind, ns["reference_local"])
    return total


def measured(program: str, system: str, **changed: int) -> float:
    """Microseconds of the measured part of a program, alone."""
    program, system = PROGRAMS[program], load.system(system)
    [block] = [op for op in walk(program.ops) if isinstance(op, pg.Block) and op.do == "measure"]
    return duration_alone(system, block.body, {**program.parameters, **changed}) / 1000


@pytest.mark.parametrize("kernel", KERNELS)
def test_uncontended_paths_are_plausible_for_westmere(kernel):
    assert 0.5 <= measured("page_fault", kernel) <= 0.7
    assert 1.8 <= measured("mmap", kernel) <= 3
    assert 1.5 <= measured("open", kernel) <= 2.5


def test_later_kernels_look_paths_up_faster_and_search_gaps_in_a_tree():
    times = {id: measured("open", id) for id in KERNELS}
    assert max(times[id] for id in NEW) < min(times[id] for id in OLD)
    gap = {id: load.kernel(id).costs["vma_find_gap"].value for id in KERNELS}
    assert max(gap[id] for id in OLD) < min(gap[id] for id in NEW)


def test_a_page_fault_of_a_xen_guest_takes_about_twice_as_long():
    assert 1.5 <= measured("page_fault", "xen") / measured("page_fault", "linux-2.6.32") <= 3


def test_a_fault_in_a_container_alone_stays_far_below_the_factor_measured_with_eight_cores():
    assert 1 < measured("page_fault", "lxc") / measured("page_fault", "linux-2.6.32") < 1.5


# --- machines


@pytest.mark.parametrize("machine", MACHINES)
def test_a_line_costs_more_the_farther_its_owner(machine):
    coherence = load.machine(machine).coherence
    for what in ("load", "store", "atomic"):
        own = getattr(coherence, f"own_{what}").ns(2.4)
        near, far = (getattr(getattr(coherence, place), what).ns(2.4) for place in ("same_socket", "one_hop"))
        assert own < near < far
    near = coherence.same_socket.store.value
    assert coherence.read_occupancy.value < coherence.write_occupancy.value < near


def test_the_servers_of_table_2():
    a, b = map(load.machine, MACHINES)
    assert (a.topology.cores, b.topology.cores) == (12, 40)
    assert a.clock_ghz == b.clock_ghz == 2.4
    assert (a.memory.llc_per_socket.plain(), b.memory.llc_per_socket.plain()) == (12 * 2**20, 30 * 2**20)
    assert {(m.devices["nic"].count, m.devices["disk"].count) for m in (a, b)} == {(8, 8)}
    assert b.topology.hops is None
    assert b.coherence.two_hops is None


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_is_slower_than_any_cache(machine):
    memory = load.machine(machine).memory
    levels = ("l1", "l2", "llc", "local", "remote")
    latencies = [getattr(memory, f"{level}_latency").ns(2.4) for level in levels]
    assert latencies == sorted(latencies)
    assert memory.core_bandwidth.plain() < memory.socket_bandwidth.plain()


# --- files that do not fit


def broken(tmp_path, place: str, old: str, new: str):
    """A copy of a shipped file in which `old` is replaced once."""
    text = data_path(f"{place}.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    return path


KERNEL, MACHINE = "systems/kernels/linux-2.6.32", "machines/S-A"
FIND = 'vma_find = { value = 50, unit = "ns", range = [15, 150]'

BAD = {
    "unknown key": (KERNEL, 'title = "Linux', 'colour = "red"\ntitle = "Linux', "colour", "no such key"),
    "unknown key of a parameter": (
        MACHINE, "own_load = { value", 'own_load = { colour = "red", value',
        "coherence.own_load.colour", "no such key",
    ),
    "missing key": (KERNEL, 'title = "Linux 2.6.32"\n', "", "title", "is missing"),
    "outside its range": (
        KERNEL, FIND, FIND.replace("50,", "5000,", 1),
        "costs.vma_find", r"5000 lies outside its range \[15, 150\]",
    ),
    "unknown unit": (KERNEL, FIND, FIND.replace('"ns"', '"parsecs"'), "costs.vma_find", "unknown unit 'pars"),
    "negative cost": (
        KERNEL, FIND, FIND.replace("50,", "-5,", 1).replace("[15", "[-15"), "costs.vma_find", "not negative",
    ),
    "no number": (KERNEL, FIND, FIND.replace("50,", '"fast",', 1), "costs.vma_find.value", "valid number"),
    "infinite": (KERNEL, FIND, FIND.replace("50,", "inf,", 1), "costs.vma_find.value", "finite"),
    "unknown basis": (MACHINE, 'basis = "cited"', 'basis = "guessed"', "topology.clock.basis", "'cited'"),
    "unknown scope": (
        KERNEL, 'scope = "process"', 'scope = "galaxy"', "structures.mmap_sem.scope", "'core', 'process'",
    ),
    "unknown kind": (KERNEL, 'kind = "rwsem"', 'kind = "magic"', "structures.mmap_sem.kind", "'rwsem'"),
    "a counter without a batch": (
        KERNEL, 'batch = "max(32, 2 * cpus)"\n', "", "structures.vm_committed_as.batch", "belongs to percpu_counter",
    ),
    "zero cores": (
        MACHINE, "cores_per_socket = 6", "cores_per_socket = 0", "topology.cores_per_socket", "greater than",
    ),
    "hops of another machine": (
        MACHINE, "sockets = 2", "hops = [[0]]\nsockets = 2", "topology.hops", "must be a 2 x 2 table",
    ),
    "no TOML": (KERNEL, "[scheduler]", "[scheduler", None, "no valid TOML"),
    "another kind of file": (KERNEL, 'kind = "kernel"', 'kind = "machine"', "kind", "'kernel'"),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_file_is_told_in_one_line_with_file_key_and_reason(tmp_path, why):
    place, old, new, key, reason = BAD[why]
    path = broken(tmp_path, place, old, new)
    read = load.machine if place == MACHINE else load.kernel
    with pytest.raises(InputError, match=reason) as caught:
        read(str(path))
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    if key is not None:
        assert caught.value.key == key
        assert key in line


def test_a_bad_partitioning_is_told_too(tmp_path):
    path = broken(tmp_path, "systems/partitionings/xen", "syscall_enter = { value", "syscall_enter = { plus = 1, value")
    with pytest.raises(InputError, match=r"mine\.toml: surcharges\.syscall_enter\.plus = 1: no such key"):
        load.system(str(path))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: No such file"):
        load.machine(str(tmp_path / "none.toml"))


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no valid TOML"):
        load.kernel(str(path))


@pytest.mark.parametrize("read", [load.machine, load.kernel, load.partitioning, load.system])
def test_an_unknown_id_is_told_with_the_known_ones(read):
    with pytest.raises(InputError, match="known: ") as caught:
        read("s-z")
    assert "\n" not in str(caught.value)


def test_a_file_of_ones_own_is_as_good_as_a_shipped_one(tmp_path):
    path = broken(tmp_path, KERNEL, 'id = "linux-2.6.32"', 'id = "mine"')
    assert load.kernel(str(path)).id == "mine"
    assert load.system("rainforest", kernel=str(path)).id == "rainforest on mine"


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("partitioning", PARTITIONINGS[1:])
def test_every_partitioning_takes_every_kernel(partitioning, kernel):
    system = load.system(partitioning, kernel=kernel)
    assert system.kernel.id == kernel
    assert system.id == (partitioning if kernel == "linux-2.6.32" else f"{partitioning} on {kernel}")
