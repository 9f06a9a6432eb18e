"""What a program becomes when it meets a system: operations by each structure's kind, copies by its scope."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rainforest_model import opcodes as op
from rainforest_model import tables as tb
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.parameter import Parameter
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import SCOPES, Structure
from rainforest_model.engine.arena import HORIZON, MAX_SLOTS
from rainforest_model.errors import InputError
from rainforest_model.lowering import LONGEST_OPERATION, MAX_SOURCES, lower
from rainforest_model.reference import bare_system, ideal_machine
from rainforest_model.simulation import scenario
from rainforest_model.units import TICKS_PER_NS

NS = TICKS_PER_NS
PATHS = {
    "counter_fold": 20, "counter_local": 4, "reference_local": 5, "rcu_read": 2, "count_section": 6,
    "work": 50, "syscall_enter": 30, "syscall_exit": 40, "fault_enter": 60, "fault_exit": 70,
    "flush_hypercall": 0,
}
PAUSE = pg.compute(pg.constant("1 us"), name="pause")


def ns(value: float) -> Parameter:
    """A path's time."""
    return Parameter(value=value, unit="ns", range=(0, 1e9), basis="derived", source="a test")


def small(*ops: pg.Op, structures: dict | None = None, **fields) -> Scenario:
    """Two threads on an ideal machine of four cores, where paths do not vary."""
    program = pg.program("p", *ops, PAUSE, **fields.pop("parameters", {}))
    return Scenario(**{
        "machine": ideal_machine(4), "system": bare_system(), "cores": 4,
        "loads": (Load(program=program, threads=2),), "structures": structures or {},
        "costs": {name: ns(value) for name, value in PATHS.items()}, **fields,
    })


def structure(kind: str, scope: str = "machine", **keys) -> Structure:
    """A structure with what its kind needs."""
    needs = {
        "percpu_counter": {"lock": "ticket", "batch": "32"}, "sloppy_counter": {"batch": "8"},
        "locked_count": {"lock": "queue"}, "tlb": {"lock": "ticket", "slots": 2, "pages_per_flush": 10},
    }
    return Structure(kind=kind, scope=scope, source="a test", **{**needs.get(kind, {}), **keys})


def rows(scenario: Scenario) -> list[tuple]:
    """Name and operands of each operation, without the zeros at the end, the pause and the jump back."""
    found = []
    for code, *operands in lower(scenario).ops.tolist():
        while operands and operands[-1] == 0:
            operands.pop()
        found.append((op.NAMES[code], *operands))
    assert found[-2:] == [("COMPUTE", 1000 * NS), ("JUMP",)]
    return found[:-2]


def lowered(kind: str, *ops: pg.Op, **keys) -> list[tuple]:
    """The operations of a program on one structure called s."""
    return rows(small(*ops, structures={"s": structure(kind, **keys)}))


# --- a verb and a kind give operations --------------------------------------------------------------------

ON_STRUCTURE = {
    "lock": (pg.lock("s"), pg.unlock("s")), "read_lock": (pg.read_lock("s"), pg.unlock("s")),
    "write_lock": (pg.write_lock("s"), pg.unlock("s")), "count": (pg.count("s", 64),), "get": (pg.get("s"),),
    "put": (pg.put("s"),), "read": (pg.read("s"),), "touch": (pg.touch("s"),),
}

MEANING = {
    ("ticket_lock", "lock"): [("TICKET_LOCK",), ("TICKET_UNLOCK",)],
    ("queue_lock", "lock"): [("QUEUE_LOCK",), ("QUEUE_UNLOCK",)],
    ("mutex", "lock"): [("MUTEX_LOCK",), ("MUTEX_UNLOCK",)],
    ("rwsem", "lock"): [("WRITE_LOCK",), ("WRITE_UNLOCK",)],
    ("rwsem", "write_lock"): [("WRITE_LOCK",), ("WRITE_UNLOCK",)],
    ("rwsem", "read_lock"): [("READ_LOCK",), ("READ_UNLOCK",)],
    ("rcu", "read_lock"): [],
    ("rcu", "get"): [("COMPUTE", 2 * NS)],
    ("rcu", "put"): [],
    ("rcu", "read"): [("COMPUTE", 2 * NS)],
    # amount 64, batch 32, ticks of the local add, and where to go on when it stays local
    ("percpu_counter", "count"): [
        ("COUNT", 0, 64, 32, 4 * NS, 5),
        ("TICKET_LOCK", 1), ("LINE_WRITE", 2), ("COMPUTE", 20 * NS), ("TICKET_UNLOCK", 1),
    ],
    ("atomic", "count"): [("LINE_ATOMIC",)],
    ("atomic", "get"): [("LINE_ATOMIC",)],
    ("atomic", "put"): [("LINE_ATOMIC",)],
    ("atomic", "read"): [("LINE_READ",)],
    ("atomic", "touch"): [("LINE_WRITE",)],
    ("locked_count", "get"): [("QUEUE_LOCK",), ("LINE_WRITE", 1), ("COMPUTE", 6 * NS), ("QUEUE_UNLOCK",)],
    ("locked_count", "put"): [("LINE_ATOMIC",)],
    ("sloppy_counter", "get"): [("SPARE", 0, 1, 8, 5 * NS, 2), ("LINE_ATOMIC", 1)],
    ("sloppy_counter", "put"): [("SPARE", 0, -1, 8, 5 * NS, 2), ("LINE_ATOMIC", 1)],
    ("percpu", "get"): [("COMPUTE", 5 * NS)],
    ("percpu", "put"): [("COMPUTE", 5 * NS)],
    ("percpu", "read"): [("COMPUTE", 5 * NS)],
    ("percpu", "touch"): [("COMPUTE", 5 * NS)],
    ("seqlock", "read"): [("SEQ_BEGIN",), ("SEQ_RETRY",)],
    ("seqlock", "touch"): [("SEQ_WRITE",)],
    ("line", "read"): [("LINE_READ",)],
    ("line", "touch"): [("LINE_WRITE",)],
    **{("absent", verb): [] for verb in ON_STRUCTURE},
}

KINDS = sorted({kind for kind, _ in MEANING} | {"tlb"})


@pytest.mark.parametrize("verb", ON_STRUCTURE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_verb_becomes_for_each_kind(kind, verb):
    if (kind, verb) in MEANING:
        assert lowered(kind, *ON_STRUCTURE[verb]) == MEANING[kind, verb]
    else:
        with pytest.raises(InputError, match=f"{verb} does not apply to an? {kind}"):
            lowered(kind, *ON_STRUCTURE[verb])


@pytest.mark.parametrize("kind", ["ticket_lock", "queue_lock"])
def test_a_spin_lock_may_keep_interrupts_off(kind):
    taken, released = lowered(kind, *ON_STRUCTURE["lock"], interrupts_off=True)
    assert taken[1:] == (0, op.PLACE_FIXED, 0, 1)
    assert released[1:] == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("kind", "take"), [("mutex", pg.lock), ("rwsem", pg.write_lock), ("rwsem", pg.read_lock)]
)
def test_optimistic_spinning_is_the_kernels(kind, take):
    inside = pg.syscall("call", take("s"), pg.unlock("s"))
    enter, taken, _, leave = lowered(kind, inside, waiting="optimistic")
    assert (enter, leave) == (("ENTER_KERNEL", 30 * NS), ("LEAVE_KERNEL", 40 * NS))
    assert taken[1:] == (0, op.PLACE_FIXED, 0, 1)
    with pytest.raises(InputError, match="optimistic spinning is the kernel's"):
        lowered(kind, take("s"), pg.unlock("s"), waiting="optimistic")


def test_the_copy_on_the_running_core_or_socket():
    lock = ON_STRUCTURE["lock"]
    assert lowered("queue_lock", *lock, scope="core")[0] == ("QUEUE_LOCK", 0, op.PLACE_CORE)
    assert lowered("queue_lock", *lock, scope="node")[0] == ("QUEUE_LOCK", 0, op.PLACE_SOCKET)
    for scope in ("process", "container", "instance", "machine"):
        assert lowered("queue_lock", *lock, scope=scope)[0] == ("QUEUE_LOCK",)


FLUSH = pg.syscall("call", pg.flush_tlb("s", 3))


def test_a_flush_with_slots_waits_under_a_slots_lock():
    assert lowered("tlb", FLUSH)[1:-1] == [
        ("COMPUTE",), ("FLUSH_TEST", 6),
        ("TICKET_LOCK", 0, op.PLACE_SLOT, 2), ("FLUSH",), ("TICKET_UNLOCK",),
    ]


def test_answers_to_a_slot_queue_for_the_line_of_its_word():
    def gap(**keys) -> int:
        meant = scenario(
            "S-A", "linux-2.6.32", pg.program("p", FLUSH), structures={"s": structure("tlb", **keys)}
        )
        table = lower(meant).ops
        return int(table[table[:, 0] == op.FLUSH][0, 4])

    occupancy = load.machine("S-A").coherence.write_occupancy.ns(2.4)
    assert (gap(), gap(slots=0, lock=None)) == (round(occupancy * NS), 0)


def test_a_flush_without_slots_takes_no_lock():
    assert lowered("tlb", FLUSH, slots=0, lock=None)[1:-1] == [("COMPUTE",), ("FLUSH_TEST", 4), ("FLUSH",)]


def test_few_pages_are_flushed_one_by_one_and_leave_the_rest_of_the_tlb():
    def flush(pages: int) -> tuple[int, tuple]:
        ops = pg.syscall("call", pg.flush_tlb("tlb", pages))
        tlb = structure("tlb", slots=0, lock=None, single_page_limit=33)
        meant = scenario("S-A", "linux-4.9.40", pg.program("p", ops), structures={"tlb": tlb})
        table = lower(meant).ops
        (sent,) = table[table[:, 0] == op.FLUSH]
        return int(table[1, 1]), tuple(sent[2:4].tolist())

    tlb, entry = load.machine("S-A").tlb, load.machine("S-A").interrupt.entry.ns(2.4) / 2
    single, full, refill = (getattr(tlb, key).ns(2.4) for key in ("single_page", "full_flush", "refill"))
    assert flush(33) == (round(33 * single * NS), (round((entry + 33 * single) * NS), round(entry * NS)))
    assert flush(34) == (round(full * NS), (round((entry + full) * NS), round((entry + refill) * NS)))


# --- time, blocks and numbers -----------------------------------------------------------------------------


def test_paths_and_given_times():
    ops = (pg.compute("work"), pg.compute("work", times=3), pg.compute(pg.constant("2 us"), times=2))
    assert rows(small(*ops)) == [
        ("COMPUTE", 50 * NS), ("COMPUTE", 150 * NS), ("COMPUTE", 2000 * NS), ("COMPUTE", 2000 * NS),
    ]


def test_a_path_varies_by_the_kernels_coefficient_and_less_when_it_is_a_sum():
    program = pg.program("p", pg.compute("vma_insert"), pg.compute("vma_insert", times=4))
    table = lower(scenario("S-A", "linux-2.6.32", program))
    mean = load.system("linux-2.6.32").path_ns("vma_insert", 2.4) * NS
    for row, times in zip(table.ops, (1, 4), strict=False):
        code, distribution, mu, sigma = row[:4].tolist()
        assert (code, distribution) == (op.DRAW_COMPUTE, op.LOGNORMAL)
        mu, sigma = table.reals[mu], table.reals[sigma]
        assert math.exp(mu + sigma**2 / 2) == pytest.approx(times * mean)
        assert math.sqrt(math.expm1(sigma**2)) == pytest.approx(0.1 / math.sqrt(times))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (pg.exponential("2 us"), (op.EXPONENTIAL, 2000 * NS, 0.0)),
        (pg.uniform("2 us"), (op.UNIFORM, 2000 * NS, 0.0)),
        (pg.constant("2 us"), (op.CONSTANT, 2000 * NS, 0.0)),
    ],
)
def test_the_time_of_a_sleep(time, expected):
    table = lower(small(pg.sleep(time)))
    code, distribution, p, q = table.ops[0, :4].tolist()
    assert code == op.SLEEP
    assert (distribution, table.reals[p], table.reals[q]) == expected


def test_blocks():
    body = pg.compute("work")
    assert rows(small(pg.syscall("a", body), pg.fault(body))) == [
        ("ENTER_KERNEL", 30 * NS), ("COMPUTE", 50 * NS), ("LEAVE_KERNEL", 40 * NS),
        ("ENTER_KERNEL", 60 * NS), ("COMPUTE", 50 * NS), ("LEAVE_KERNEL", 70 * NS),
    ]
    assert rows(small(pg.repeat(5, body), pg.every(3, body))) == [
        ("SET", 0, 5), ("COMPUTE", 50 * NS), ("LOOP", 0, 1), ("EVERY", 1, 3, 5), ("COMPUTE", 50 * NS),
    ]
    once_never_once = small(pg.repeat(1, body), pg.repeat(0, body), pg.every(1, body))
    assert rows(once_never_once) == 2 * [("COMPUTE", 50 * NS)]


def test_a_latency_is_measured_under_its_name():
    table = lower(small(*(pg.measure(name, pg.compute("work")) for name in "aba")))
    assert table.series == ["a", "b"]
    ends = table.ops[table.ops[:, 0] == op.MEASURE_END]
    assert ends[:, 1].tolist() == [0, 1, 0]


def test_expressions_know_parameters_constants_and_the_instance():
    repeated = pg.repeat("max(n, 3) * cpus", pg.compute("work"))
    assert rows(small(repeated, parameters={"n": 2}))[0] == ("SET", 0, 12)

    program = pg.program("p", pg.repeat("ceil(n / pagevec)", pg.compute("user_loop")), n=15)
    assert lower(scenario("S-A", "linux-2.6.32", program)).ops[0].tolist()[:3] == [op.SET, 0, 2]


@pytest.mark.parametrize(
    ("system", "partitions", "machine", "batch"),
    [
        ("linux-2.6.32", 6, "S-A", 32), ("linux-2.6.32", 1, "S-B", 80), ("rainforest", 4, "S-B", 32),
        ("linux-4.9.40", 1, "S-A", 2730), ("linux-4.9.40", 1, "S-B", 26214),
    ],
)
def test_a_batch_is_that_of_the_instance(system, partitions, machine, batch):
    table = lower(scenario(machine, system, "mmap", partitions=partitions))
    counts = table.ops[table.ops[:, 0] == op.COUNT]
    assert counts[:, 2:4].tolist() == [[32768, batch], [-32768, batch]]


def test_two_loads_run_one_program_with_different_parameters():
    many, few = (pg.program("p", pg.repeat("n", pg.compute("work")), PAUSE, n=n) for n in (9, 2))
    table = lower(small().model_copy(update={"loads": (Load(program=many), Load(program=few))}))
    times = [int(table.ops[task.start, 2]) for task in table.tasks]
    assert times == [9, 2]


# --- scopes: who shares which copy ------------------------------------------------------------------------

SYSTEMS = ["linux-2.6.32", "lxc", "xen", "rainforest"]


def partitioned(system: str, program: str = "mmap", **fields) -> tb.Tables:
    """Six partitions of two cores, with two processes of two threads in each."""
    return lower(scenario("S-A", system, program, partitions=6, processes=2, threads=2, **fields))


def copies(table: tb.Tables, symbol: str) -> int:
    """Copies of a symbol's object that the threads mean."""
    bound = table.bind[:, table.symbols.index(symbol)]
    return len(np.unique(bound[bound >= 0]))


@pytest.mark.parametrize(
    ("symbol", "program", "expected"),
    [
        ("vm_committed_as.lock", "mmap", (1, 1, 6, 6)),
        ("mmap_sem", "mmap", (12, 12, 12, 12)),
        ("tmp_dentry.lock", "open", (1, 6, 6, 6)),
        ("mount", "open", (1, 6, 6, 6)),
        ("files_lock", "open", (1, 1, 6, 6)),
        ("tlb.slots", "malloc", (1, 1, 1, 6)),
    ],
)
def test_isolate_first_then_share_as_numbers_of_copies(symbol, program, expected):
    assert tuple(copies(partitioned(system, program), symbol) for system in SYSTEMS) == expected


def test_a_memory_cgroup_has_its_lock_in_each_container_and_nowhere_else():
    assert copies(partitioned("lxc", "malloc"), "memcg") == 6
    for system in ("linux-2.6.32", "xen", "rainforest"):
        assert "memcg" not in partitioned(system, "malloc").symbols


def test_the_flush_of_xen_has_one_lock_and_that_of_linux_eight_slots():
    def slots(system):
        return [row.name for row in partitioned(system, "malloc").objects if row.name.startswith("tlb.slots")]

    assert slots("xen") == ["tlb.slots.machine.0"]
    assert len(slots("linux-2.6.32")) == 8
    assert len(slots("rainforest")) == 48


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("process", 12), ("container", 6), ("instance", 6), ("machine", 1), ("core", 1), ("node", 6)],
)
def test_threads_share_a_copy_within_its_scope(scope, expected):
    """A structure of each core or socket is one block of copies; the thread's place picks one of them."""
    table = partitioned("rainforest", structures={"mmap_sem": structure("rwsem", scope)})
    assert copies(table, "mmap_sem") == expected
    bound = table.bind[:, table.symbols.index("mmap_sem")]
    tasks = [task for task in table.tasks if task.address_space >= 0]
    partition, process = [task.domain for task in tasks], [task.address_space for task in tasks]
    owners = {"process": process, "container": partition, "instance": partition, "node": partition}.get(scope)
    for first in range(len(partition)):
        for second in range(len(partition)):
            same = owners is None or owners[first] == owners[second]
            assert (bound[first] == bound[second]) == same


def test_a_structure_of_each_core_or_socket_has_so_many_copies():
    for scope, each in (("core", 12), ("node", 2)):
        table = partitioned("linux-2.6.32", structures={"mmap_sem": structure("rwsem", scope)})
        assert sum(row.name.startswith("mmap_sem.") for row in table.objects) == each


def test_every_scope_is_tested_here():
    assert set(SCOPES) == {"core", "process", "node", "container", "instance", "machine"}


def test_plain_linux_has_one_domain_and_a_partitioned_system_one_for_each_partition():
    assert [len(domain.cores) for domain in partitioned("linux-2.6.32").domains] == [12]
    for system in SYSTEMS[1:]:
        cores = [domain.cores for domain in partitioned(system).domains]
        assert cores == [(2 * i, 2 * i + 1) for i in range(6)]


def test_the_schedulers_factor_is_that_of_the_instance():
    latency = {system: partitioned(system).domains[0].latency / NS / 1e6 for system in SYSTEMS}
    assert latency == {"linux-2.6.32": 20, "lxc": 20, "xen": 10, "rainforest": 10}


def test_xen_pays_more_for_a_switch_and_a_wakeup():
    plain, xen = (partitioned(system).domains[0] for system in ("rainforest", "xen"))
    assert xen.context_switch - plain.context_switch == 1000 * NS
    assert xen.wakeup - plain.wakeup == 1500 * NS
    assert xen.idle_wakeup == plain.idle_wakeup


def test_clients_share_nothing_but_queues():
    source = pg.program("source", pg.sleep(pg.exponential("10 us")), pg.send("requests"))
    server = pg.program("server", pg.receive("requests"), pg.compute("work"))
    loads = (Load(program=source, place="outside"), Load(program=server, threads=2))
    table = lower(small(loads=loads))
    assert [task.domain for task in table.tasks] == [tb.OUTSIDE, 0, 0]
    assert copies(table, "requests") == 1
    with pytest.raises(InputError, match="lock is nothing for a client"):
        lower(small(
            loads=(Load(program=pg.program("q", *ON_STRUCTURE["lock"]), place="outside"),),
            structures={"s": structure("queue_lock")},
        ))


# --- common random numbers --------------------------------------------------------------------------------


def streams(system: str, seed: int = 1, program: str = "malloc") -> dict[tuple[str, int], int]:
    """Random streams of a system's threads, by thread and by the draw's place among its operation's."""
    table = lower(scenario("S-A", system, program, partitions=6, threads=2), seed)
    found = {}
    for task, row in zip(table.tasks, table.streams.tolist(), strict=True):
        for index, operation in enumerate(table.ops.tolist()):
            if operation[0] == op.DRAW_COMPUTE and not task.name.startswith("kernel/"):
                stream, label = row[operation[4]], table.labels[index]
                ordinal = sum(key[:2] == (task.name, label) for key in found)
                found[task.name, label, ordinal] = stream
    return found


@pytest.mark.parametrize("other", ["lxc", "rainforest", "linux-4.9.40"])
def test_two_systems_meet_the_same_streams(other):
    first, second = streams("linux-2.6.32"), streams(other)
    both = first.keys() & second.keys()
    assert len(both) > 100
    assert all(first[key] == second[key] for key in both)


def test_streams_differ_by_thread_place_and_seed():
    found = streams("linux-2.6.32")
    names = {name for name, *_ in found}
    assert len(names) == 12
    by_place = {key[1:] for key in found}
    assert len(set(found.values())) == len(found) == len(names) * len(by_place)
    again = streams("linux-2.6.32", seed=2)
    assert not set(found.values()) & set(again.values())


def test_two_systems_meet_the_same_starts():
    begins = {
        system: {task.name: task.begins for task in partitioned(system).tasks if task.address_space >= 0}
        for system in ("linux-2.6.32", "rainforest")
    }
    assert begins["linux-2.6.32"] == begins["rainforest"]
    assert 0 <= min(begins["rainforest"].values()) < max(begins["rainforest"].values()) <= 20_000 * NS


# --- bounds -----------------------------------------------------------------------------------------------


def test_the_bounds_are_those_of_the_engine():
    assert MAX_SOURCES == MAX_SLOTS
    assert 3600 * 10**9 * NS + LONGEST_OPERATION < HORIZON


def test_shipped_tables_are_small():
    for program in ("mmap", "malloc", "munmap", "open", "page_fault"):
        assert len(lower(scenario("S-B", "xen", program)).ops) < 200
