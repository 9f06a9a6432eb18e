"""Whatever a user gets wrong is told in one line with file, key and reason; nothing hangs, and nothing is half done."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rainforest_model.descriptions.expression import whole
from rainforest_model.descriptions.program import MAX_DEPTH, MAX_OPS
from rainforest_model.descriptions.told import dotted
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.resources import data_path
from rainforest_model.scenario_file import LOAD_KEYS, SCALARS, load_scenario
from rainforest_model.simulation import SimulationError, scenario

SECONDS = 10
"""Far more than any of these takes, and far less than what they ask for would."""

GOOD = """
machine = "S-A"
system = "rainforest"
cores = 6
partitions = 3
duration = "2 ms"

[[load]]
threads = 2
parameters = { n = 3 }
[load.program]
id = "mine"
parameters = { n = 1 }
ops = [
    { do = "syscall", name = "call", body = [
        { do = "lock", what = "spin" }, { do = "compute", path = "vma_find" }, { do = "unlock", what = "spin" },
    ] },
    { do = "compute", time = { mean = "1 us" } },
]

[structures.spin]
kind = "ticket_lock"
scope = "machine"
source = "a test"

[costs.mine]
value = 1
unit = "us"
range = [0, 2]
basis = "derived"
source = "a test"

[run]
replications = 2
"""


def scenario_file(folder: Path, text: str = GOOD) -> Path:
    """A scenario file called mine.toml."""
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def refused(path: Path, overrides: dict | None = None) -> InputError:
    """The error that reading a file raises, after a look at its form."""
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_scenario(path, overrides)
    assert time.monotonic() - began < SECONDS
    line = str(caught.value)
    assert line.isprintable(), "more than one line"
    assert len(line) < 1500
    assert str(path) in line or str(path.parent) in line
    assert caught.value.reason
    return caught.value


def test_the_file_that_all_others_are_made_from_is_good(tmp_path):
    loaded = load_scenario(scenario_file(tmp_path))
    assert loaded.replications == 2
    assert [load.program.parameters for load in loaded.scenario.loads] == [{"n": 3}]
    assert loaded.simulate().samples == 0  # nothing is measured, and that is no error


# --- single keys: what is set, the key that is named, the reason ------------------------------------------

HUGE = "9" * 30
KEYS = {
    # names of keys and ids
    "a misspelt key": ("coers", "4", "coers", r"no such key; did you mean cores\?"),
    "a misspelt key of a load": ("load.0.thread", "4", "load.0.thread", r"did you mean threads\?"),
    "a misspelt key of a structure": ("structures.spin.scop", "core", "structures.spin.scop", r"did you mean scope\?"),
    "a misspelt key of a machine": ("machine.topology.socket", "4", "machine.topology.socket", r"mean sockets\?"),
    "a misspelt key of a kernel": ("system.kernel.cost.x", "4", "system.kernel.cost", r"did you mean costs\?"),
    "a misspelt key of a run": ("run.sed", "4", "run.sed", r"did you mean seed\?"),
    "a misspelt key of a program": ("load.0.program.op", "4", "load.0.program.op", r"did you mean ops\?"),
    "a key that resembles none": ("colour", "red", "colour", "no such key; known: title, machine"),
    "a key with a line break": ('"a\\nb"', "1", '"a\\nb"', "no such key"),
    "a key within a number": ("cores.x", "1", "cores", "holds no keys"),
    "a list without a number": ("load.threads", "4", "load", r"is a list of 1; its first is load\.0"),
    "a load that is not there": ("load.7.threads", "4", "load", "is a list of 1"),
    "no key at all": ("a b", "4", "--set", "no dotted key"),
    "an unknown machine": ("machine", "S-Z", "machine", "no such machine; known: S-A, S-B"),
    "an unknown system": ("system", "linux-1.0", "system", r"no such system; known: linux-2\.6\.32"),
    "an unknown kernel": ("system.kernel", "linux-1.0", "system.kernel", "no such kernel; known"),
    "an unknown base": ("machine.base", "S-Z", "machine.base", "no such machine"),
    "an unknown program": ("load.0.program", "mmmap", "load.0.program", "no such workload; known"),
    "a machine file that is not there": ("machine", "none.toml", "machine", "there is no file"),
    "a program file that is not there": ("load.0.program", "none.toml", "load.0.program", "there is no file"),
    "a machine that is a number": ("machine", "3", "machine", "must be a table"),
    "a system that is empty": ("system", "{}", "system", "needs an id, a kernel or a partitioning"),
    # times
    "a negative time": ("duration", "-2 ms", "duration", r"a negative time \(-2 ms\)"),
    "no time": ("duration", "soon", "duration", "no time such as"),
    "a time without a unit": ("duration", "3", "duration", "valid string"),
    "a time that is not a number": ("duration", "nan ms", "duration", "no time such as"),
    "an infinite time": ("duration", "1e999 ms", "duration", "longer than the hour"),
    "an hour and more": ("duration", "61 min", "duration", "longer than the hour"),
    "an unknown unit of time": ("stagger", "3 parsecs", "stagger", "no unit of time"),
    "warm-up after the end": ("warmup", "2 ms", "warmup", "must end before the duration"),
    "a time over two lines": ("duration", '"1\\nms"', "duration", "no time such as"),
    # counts
    "zero cores": ("cores", "0", "cores", "greater than or equal to 1"),
    "negative cores": ("cores", "-4", "cores", "greater than or equal to 1"),
    "more cores than the machine has": ("cores", "13", "cores", "machine S-A has 12"),
    "a milliard cores": ("cores", "1000000000", "cores", "less than or equal to 4096"),
    "huge cores": ("cores", HUGE, "cores", "less than or equal to|exceeded"),
    "cores of no number": ("cores", "many", "cores", "valid integer"),
    "half a core": ("cores", "1.5", "cores", "valid integer"),
    "cores that are true": ("cores", "true", "cores", "a number is needed"),
    "cores that are not a number": ("cores", "nan", "cores", "finite number"),
    "infinite cores": ("cores", "inf", "cores", "finite number"),
    "no partitions": ("partitions", "0", "partitions", "greater than or equal to 1"),
    "partitions that do not divide": ("partitions", "4", "partitions", "6 cores cannot be divided evenly"),
    "a milliard threads": ("load.0.threads", "1000000000", "load.0.threads", "less than or equal to 4096"),
    "threads that are too many together": ("load.0.threads", "2000", "load", "6000 threads; the engines have room for 4096"),
    "no threads": ("load.0.threads", "0", "load.0.threads", "greater than or equal to 1"),
    "a parameter that is not the program's": ("load.0.parameters.m", "3", "load.0.parameters.m", "no such parameter"),
    "a parameter that is too large": ("load.0.parameters.n", HUGE, "load.0.parameters.n", "whole number in"),
    "a parameter that is zero": ("load.0.parameters.n", "0", "load.0.parameters.n", "whole number in"),
    "no loads": ("load", "[]", "load", "at least one"),
    "a load that is no table": ("load", "3", "load", r"write \[\[load\]\]"),
    "an unknown place": ("load.0.place", "inside", "load.0.place", "'partition' or 'outside'"),
    # structures and costs
    "a scope that does not exist": ("structures.spin.scope", "galaxy", "structures.spin.scope", "'core', 'process'"),
    "a kind that does not exist": ("structures.spin.kind", "spinny", "structures.spin.kind", "'ticket_lock'"),
    "a lock in a lock": ("structures.spin.lock", "ticket", "structures.spin.lock", "no lock of its own"),
    "a batch of a lock": ("structures.spin.batch", '"8"', "structures.spin.batch", "belongs to percpu_counter"),
    "a structure without a kind": ("structures.new.scope", "core", "structures.new", "needs kind, scope, source"),
    "a structure of the system misspelt": ("structures.mmap_sen.scope", "core", "structures.mmap_sen", r"mean mmap_sem\?"),
    "a cost outside of its range": ("costs.mine.value", "5", "costs.mine", r"5 lies outside its range \[0, 2\]"),
    "a negative cost": ("costs.mine.range", "[-1, 2]", "costs.mine", "not negative"),
    "a cost that is not a number": ("costs.mine.value", "nan", "costs.mine.value", "finite number"),
    "an infinite cost": ("costs.mine.value", "inf", "costs.mine.value", "finite number"),
    "a cost that is a size": ("costs.mine.unit", "MB", "costs.mine.unit", "no unit of time; known"),
    "a cost without a source": ("costs.mine.source", '""', "costs.mine.source", "at least 3 characters"),
    "a fitted cost without its claims": ("costs.mine.basis", "fitted", "costs.mine", "names the claims"),
    "a cost of a day": (
        "costs.mine", '{value=1e9, unit="s", range=[0, 1e9], basis="derived", source="a test"}', "costs.mine", "hour",
    ),
    # machine
    "a machine of no sockets": ("machine.topology.sockets", "0", "machine.topology.sockets", "greater than"),
    "a milliard sockets": ("machine.topology.sockets", "1000000000", "machine.topology.sockets", "less than or equal"),
    "hops of another machine": ("machine.topology.hops", "[[0]]", "machine.topology.hops", "must be a 2 x 2 table"),
    "hops without a price": ("machine.topology.hops", "[[0, 2], [2, 0]]", "machine.topology.hops", "no cost"),
    "hops to oneself": ("machine.topology.hops", "[[1, 1], [1, 0]]", "machine.topology.hops", "0 exactly on the diagonal"),
    "negative hops": ("machine.topology.hops", "[[0, -1], [-1, 0]]", "machine.topology.hops", "no price for -1 hops"),
    "a clock that stands still": (
        "machine.topology.clock", '{value=0, unit="GHz", range=[0, 1], basis="derived", source="a test"}',
        "machine.topology.clock", r"between 0\.1 and 100 GHz",
    ),
    "a clock in metres": ("machine.topology.clock.unit", "m", "machine.topology.clock", "unknown unit 'm'"),
    # system
    "a tick without end": (
        "system.kernel.scheduler.tick_period", '{value=1, unit="ps", range=[0, 1], basis="derived", source="a test"}',
        "system.kernel.scheduler.tick_period", "shorter than 1000 ns",
    ),
    "a partitioning of three kernels": (
        "system.partitioning.kernels", "three", "system.partitioning.kernels", "'one' or 'each'",
    ),
    "an unknown usual kernel": (
        "system", '{partitioning = {base = "lxc", default_kernel = "linux-1.0"}}',
        "system.partitioning.default_kernel", "no such kernel",
    ),
    # run
    "no replications": ("run.replications", "0", "run.replications", "greater than"),
    "a milliard replications": ("run.replications", "1000000000", "run.replications", "less than or equal"),
    "two rules for the end": ("run.precision", "0.1", "run.precision", "one or the other"),
    "a precision of nothing": ("run", "{precision = 0}", "run.precision", "greater than 0"),
    "a minimum above the cap": ("run", "{precision = 0.1, minimum = 9, cap = 3}", "run.minimum", "above cap = 3"),
    "a negative seed": ("run.seed", "-1", "run.seed", "greater than or equal to 0"),
    "a title over two lines": ("title", '"a\\nb"', "title", "one line"),
}


@pytest.mark.parametrize("why", KEYS)
def test_a_key_that_does_not_fit(tmp_path, why):
    key, value, named, reason = KEYS[why]
    error = refused(scenario_file(tmp_path), {key: value})
    assert error.key == named
    assert re.search(reason, error.reason)


# --- programs: the operations, the key that is named, the reason ------------------------------------------

PAUSE = '{ do = "compute", time = { mean = "1 us" } }'
LOCK, UNLOCK = '{ do = "lock", what = "spin" }', '{ do = "unlock", what = "spin" }'
CALL = '{{ do = "syscall", name = "x", body = [{}] }}'


def block(do: str, *body: str, **keys) -> str:
    """A block of operations as TOML."""
    further = "".join(f", {key} = {value}" for key, value in keys.items())
    return f'{{ do = "{do}"{further}, body = [{", ".join(body)}] }}'


PROGRAMS = {
    "released but not held": ([UNLOCK], "0.what", "is released but not held"),
    "taken twice": ([LOCK, LOCK, UNLOCK], "1.what", "is taken twice"),
    "never released": ([LOCK, PAUSE], "", "still held at the end"),
    "held on return from the kernel": ([CALL.format(LOCK), UNLOCK], "0", "still held on return from the kernel"),
    "exchanged in the kernel": (
        ['{ do = "lock", what = "files_lock" }', CALL.format('{ do = "unlock", what = "files_lock" }, ' + LOCK), UNLOCK],
        "1", "still held on return from the kernel",
    ),
    "taken by each pass": ([block("repeat", LOCK, times=3), UNLOCK], "0", "different locks on each pass"),
    "exchanged by each pass": (
        [LOCK, block("repeat", UNLOCK, '{ do = "lock", what = "files_lock" }', times=2), '{ do = "unlock", what = "files_lock" }'],
        "1", "different locks on each pass",
    ),
    "taken now and then": ([block("every", LOCK, times=3), UNLOCK], "0", "different locks on each pass"),
    "sleeping under a spin lock": (
        [LOCK, '{ do = "sleep", time = { mean = "1 us" } }', UNLOCK], "1", "sleeps while it holds the spin lock spin",
    ),
    "a sleeping lock under a spin lock": (
        [LOCK, '{ do = "read_lock", what = "mmap_sem" }', UNLOCK], "1", "sleeps while it holds the spin lock spin",
    ),
    "waiting for a request under a spin lock": (
        [LOCK, '{ do = "receive", what = "q" }', UNLOCK], "1", "sleeps while it holds the spin lock spin",
    ),
    "a flush outside of the kernel": ([PAUSE, '{ do = "flush_tlb", what = "tlb", pages = 3 }'], "1", "only the kernel can"),
    "a flush under a spin lock": (
        [CALL.format(f'{LOCK}, {{ do = "flush_tlb", what = "tlb", pages = 3 }}, {UNLOCK}')], "0.body.1",
        "waits for other cores while it holds a spin lock",
    ),
    "the wrong kind": (['{ do = "count", what = "spin", pages = 3 }'], "0.what", "count does not apply to a ticket_lock"),
    "an unknown structure": (['{ do = "lock", what = "spim" }'], "0.what", r"no such structure; did you mean spin\?"),
    "an unknown path": (['{ do = "compute", path = "vma_fond" }'], "0.path", r"no such kernel path; did you mean vma_find\?"),
    "an unknown verb": (['{ do = "lok", what = "spin" }'], "0.do", r"no such operation; did you mean lock\?"),
    "no verb": (['{ what = "spin" }'], "0.do", "is missing"),
    "no structure": (['{ do = "lock" }'], "0.what", "is missing"),
    "a misspelt key": (['{ do = "lock", waht = "spin" }'], "0.waht", r"did you mean what\?"),
    "path and time": (['{ do = "compute", path = "vma_find", time = { mean = "1 us" } }'], "0.path", "a path or a time"),
    "a negative time": (['{ do = "compute", time = { mean = "-1 us" } }'], "0.time.mean", "a negative time"),
    "a random time of nothing": (
        ['{ do = "sleep", time = { mean = "0 us", distribution = "lognormal", cv = 1 } }'], "0.time.mean", "above 0",
    ),
    "an operation of an hour": (['{ do = "compute", time = { mean = "59 min" } }'], "0.time.mean", "room for 23"),
    "a random time that may last for hours": (
        ['{ do = "sleep", time = { mean = "10 min", distribution = "exponential" } }'], "0.time.mean", "may take 460 minutes",
    ),
    "a time without a limit": (
        ['{ do = "sleep", time = { mean = "1 min", distribution = "lognormal", cv = 20 } }'], "0.time.mean", "room for 23",
    ),
    "a path a milliard times": (
        ['{ do = "compute", path = "clear_page", times = 100000000000 }'], "0.path", "minutes; an operation has room for 23",
    ),
    "a milliard repetitions in a row": (
        ['{ do = "compute", time = { mean = "1 ns", distribution = "uniform" }, times = 1000000000 }'],
        "ops", "more than 10000 operations",
    ),
    "10**30 repetitions": ([block("repeat", PAUSE, times=10**30)], "0.times", "larger than 2"),
    "10**15 repetitions": ([block("repeat", PAUSE, times=10**15)], "0.times", r"must lie in 0 \.\. 2147483648"),
    "minus one repetition": ([block("repeat", PAUSE, times=-1)], "0.times", "must lie in 0"),
    "every zeroth time": ([block("every", PAUSE, times=0), PAUSE], "0.times", "must lie in 1"),
    "half a repetition": ([block("repeat", PAUSE, times=1.5)], "0.times", "valid integer"),
    "an expression that does not parse": ([block("repeat", PAUSE, times='"2 *"')], "0.times", "no number here"),
    "an unknown name": ([block("repeat", PAUSE, times='"2 * m"')], "0.times", "no m; known: cpus"),
    "a division by zero": ([block("repeat", PAUSE, times='"1 / (n - 3)"')], "0.times", "division by zero"),
    "a power that explodes": ([block("repeat", PAUSE, times='"9 ** 9 ** 9 ** 9"')], "0.times", "power is too large"),
    "an expression that reaches out": ([block("repeat", PAUSE, times='"n.__class__"')], "0.times", "is no arithmetic"),
    "an expression without end": ([block("repeat", PAUSE, times='"' + "1 + " * 90 + '1"')], "0.times", "at most 200"),
    "an empty block": ([block("repeat", times=3)], "0.body", "at least 1 item"),
    "no operation": ([], "", "at least 1 item"),
    "no time passes": (['{ do = "touch", what = "vma_tree" }'], "", "never let any pass"),
    "no time passes either": ([block("repeat", PAUSE, times=0)], "", "never let any pass"),
    "a measure within a measure": (
        [block("measure", block("measure", PAUSE, name='"b"'), name='"a"')], "0.body.0", "one stop-watch",
    ),
    "a queue of a structure's name": ([LOCK, UNLOCK, '{ do = "send", what = "spin" }'], "what", "the name of two things"),
    "a name over two lines": ([block("measure", PAUSE, name='"a\\nb"')], "0.name", "stands in one line"),
    "a huge name": ([block("measure", PAUSE, name=f'"{"a" * 5000}"')], "0.name", "at most 100 characters"),
    "too many operations": ([PAUSE] * (MAX_OPS + 1), "", f"more than {MAX_OPS} operations"),
}


@pytest.mark.parametrize("why", PROGRAMS)
def test_a_program_that_does_not_fit(tmp_path, why):
    ops, where, reason = PROGRAMS[why]
    before, after = GOOD[:GOOD.index("ops = [")], GOOD[GOOD.index("[structures.spin]"):]
    error = refused(scenario_file(tmp_path, f"{before}ops = [{', '.join(ops)}]\n{after}"))
    assert error.key == (where if where in ("ops", "what") else f"load.0.program.ops.{where}".removesuffix("."))
    assert re.search(reason, error.reason)


def test_optimistic_spinning_in_user_mode(tmp_path):
    text = GOOD.replace('"ticket_lock"', '"mutex"\nwaiting = "optimistic"').replace('do = "syscall", name = "call"', 'do = "repeat", times = 1')
    assert "is the kernel's" in refused(scenario_file(tmp_path, text)).reason


def nested(depth: int) -> str:
    """A scenario whose program is a block within a block within ..."""
    tables = "".join(
        f"[[load.program.ops{'.body' * level}]]\ndo = 'repeat'\ntimes = 1\n" for level in range(depth - 1)
    )
    innermost = f"[[load.program.ops{'.body' * (depth - 1)}]]\ndo = 'compute'\ntime.mean = '1 us'\n"
    return GOOD[:GOOD.index("ops = [")] + tables + innermost


def test_blocks_nested_too_deep(tmp_path):
    load_scenario(scenario_file(tmp_path, nested(MAX_DEPTH)))
    for depth in (MAX_DEPTH + 1, 300):
        error = refused(scenario_file(tmp_path, nested(depth)))
        assert (error.key, error.reason) == ("load.0.program.ops", f"blocks are nested more than {MAX_DEPTH} deep")


# --- files ------------------------------------------------------------------------------------------------


def test_files_that_are_none(tmp_path):
    assert "No such file" in refused(tmp_path / "mine.toml").reason
    assert refused(tmp_path).reason == "is no file"
    device = Path("/dev/zero")
    if device.exists():
        assert refused(device).reason == "is no file"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("machine = ", "no valid TOML"), ("machine = S-A", "no valid TOML"), ("[load", "no valid TOML"),
        ("a = 1\na = 2", "no valid TOML"), ("x = " + "9" * 5000, "no valid TOML"),
        ("x = " + "[" * 5000, "no valid TOML"), ("# " + "x" * 2**20, "larger than 1 MB"),
        ("", "is missing"), ('machine = "S-A"', "is missing"), ('machine = "S-A"\nsystem = "lxc"', "is missing"),
    ],
)
def test_a_file_that_is_no_scenario(tmp_path, text, reason):
    assert reason in refused(scenario_file(tmp_path, text)).reason


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\x00\xff\xfe")
    assert "no valid TOML" in refused(path).reason


def test_a_misfit_in_a_file_that_is_referred_to_names_that_file(tmp_path):
    text = data_path("machines", "S-A.toml").read_text().replace("sockets = 2", "sockets = 0", 1)
    (tmp_path / "machine.toml").write_text(text)
    error = refused(scenario_file(tmp_path), {"machine": "machine.toml"})
    assert (Path(error.file).name, error.key) == ("machine.toml", "topology.sockets")

    (tmp_path / "program.toml").write_text(f"ops = [{LOCK}, {PAUSE}]")
    error = refused(scenario_file(tmp_path), {"load.0.program": "program.toml", "load.0.parameters": "{}"})
    assert (Path(error.file).name, error.key) == ("program.toml", "ops")


def test_a_misfit_of_a_shipped_program_names_the_scenario_and_the_program(tmp_path):
    path = scenario_file(tmp_path)
    changes = {"load.0.program": "mmap", "load.0.parameters": "{}", "structures.mmap_sem.kind": "line",
               "structures.mmap_sem.scope": "process", "structures.mmap_sem.source": "a test"}
    error = refused(path, changes)
    assert str(error).startswith(f"{path}: program mmap: ops.0.body.0.body.1.what = 'mmap_sem': write_lock does not")


def test_a_bad_batch_is_told_where_it_stands(tmp_path):
    program = {"load.0.program": "mmap", "load.0.parameters": "{}"}
    error = refused(scenario_file(tmp_path), {**program, "structures.vm_committed_as.batch": "max(32, cpu)"})
    assert error.key == "structures.vm_committed_as.batch"
    assert "did you mean cpus?" in error.reason
    error = refused(scenario_file(tmp_path), {**program, "system.kernel.structures.vm_committed_as.batch": "1 / 0"})
    assert error.key == "system.kernel.structures.vm_committed_as.batch"


def test_a_client_has_no_copy_of_any_structure(tmp_path):
    assert "nothing for a client" in refused(scenario_file(tmp_path), {"load.0.place": "outside"}).reason


def test_more_threads_and_timers_than_there_are_event_slots(tmp_path):
    changes = {"machine.topology.sockets": 256, "machine.topology.cores_per_socket": 16, "cores": 4096, "partitions": 1}
    assert "the engines have room for 16384" in refused(scenario_file(tmp_path), changes).reason


def test_more_copies_than_memory(tmp_path):
    counter = '{kind = "sloppy_counter", scope = "process", batch = "8", source = "a test"}'
    ops = ", ".join(f'{{do = "put", what = "{name}"}}' for name in "abcd")
    changes = {
        "machine.topology.sockets": 256, "machine.topology.cores_per_socket": 10, "cores": 2560, "partitions": 1,
        "load.0.processes": 4096, "load.0.threads": 1, "load.0.program.ops": f"[{ops}, {PAUSE}]",
        **{f"structures.{name}": counter for name in "abcd"},
    }
    assert "words for the copies of" in refused(scenario_file(tmp_path), changes).reason


def test_more_cores_than_event_keys(tmp_path):
    changes = {"machine.topology.sockets": 256, "machine.topology.cores_per_socket": 1024}
    error = refused(scenario_file(tmp_path), changes)
    assert (error.key, error.reason[:13]) == ("machine.topology.sockets", "262144 cores;")


# --- the Python doors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"cores": 0}, "cores"), ({"cores": 10**5000}, "cores"), ({"partitions": 5}, "partitions"),
        ({"threads": 10**9}, "loads.0.threads"), ({"duration": "-1 s"}, "duration"), ({"colour": 1}, "colour"),
        ({"structures": {"x": {"kind": "line"}}}, "structures.x.scope"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_scenario_in_python_is_checked_by_the_same_schema(fields, key):
    with pytest.raises(InputError) as caught:
        scenario("S-A", "rainforest", "mmap", **fields)
    assert caught.value.key == key
    assert str(caught.value).isprintable()


def test_no_number_is_larger_than_what_can_be_counted():
    for number in (10**30, 10**5000, "10 ** 30", "2 ** 60", "1e300 * 1e300"):
        with pytest.raises(ValueError, match=r"larger than 2\*\*53|infinity"):
            whole(number, {})


def test_keys_are_written_as_toml_writes_them():
    assert dotted(["a", 0, "b.c", "d\ne", 'f"g']) == r'a.0."b.c"."d\ne"."f\"g"'


def test_what_passes_but_cannot_run_is_told_too(tmp_path):
    path = scenario_file(tmp_path)
    waiting = '[{do = "receive", what = "nobody sends"}, {do = "compute", time = {mean = "1 us"}}]'
    idle = load_scenario(path, {"load.0.program.ops": waiting})
    assert idle.simulate(replications=1).samples == 0
    flood = '[{do = "send", what = "requests"}, {do = "compute", time = {mean = "10 ns"}}]'
    with pytest.raises(SimulationError, match="queue full"):
        load_scenario(path, {"load.0.program.ops": flood}).simulate(replications=1)


def test_the_keys_of_a_file_are_those_of_the_schema():
    found = scenario("S-A", "rainforest", "mmap")
    assert set(SCALARS) <= set(type(found).model_fields)
    assert set(LOAD_KEYS) == {*type(found.loads[0]).model_fields, "parameters"}
    assert lower(found).ops.shape[1] == 8


# --- the command line -------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "rainforest_model", "simulate"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["cores=0"], r"mine\.toml: cores = 0: .*greater than or equal to 1"),
        (["coers=3"], r"mine\.toml: coers = 3: no such key; did you mean cores\?"),
        (["structures.spin.scope=galaxy"], r"mine\.toml: structures\.spin\.scope = 'galaxy': .*'machine'"),
        (["cores"], r"--set = 'cores': must read KEY=VALUE"),
        (["duration=-1 ms"], r"mine\.toml: duration = '-1 ms': a negative time"),
    ],
)
def test_the_command_line_tells_one_line_and_leaves_everything_as_it_was(tmp_path, changes, line):
    path = scenario_file(tmp_path)
    arguments = [argument for change in changes for argument in ("--set", change)]
    done = subprocess.run([*COMMAND, str(path), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert re.search(line, told)
    assert [found.name for found in tmp_path.iterdir()] == ["mine.toml"]
    assert path.read_text() == GOOD
