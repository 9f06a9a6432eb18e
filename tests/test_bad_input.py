"""What a user gets wrong is told in one line with file, key and reason; nothing hangs or is half done."""

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
        { do = "lock", what = "spin" },
        { do = "compute", path = "vma_find" },
        { do = "unlock", what = "spin" },
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


# --- single keys: what is set, the reason, and the key that is named where it is another -----------------

HUGE = "9" * 30
KEYS = {
    # names of keys and ids
    "a misspelt key": ("coers", "4", r"no such key; did you mean cores\?"),
    "a misspelt key of a load": ("load.0.thread", "4", r"did you mean threads\?"),
    "a misspelt key of a structure": ("structures.spin.scop", "core", r"did you mean scope\?"),
    "a misspelt key of a machine": ("machine.topology.socket", "4", r"mean sockets\?"),
    "a misspelt key of a kernel": (
        "system.kernel.cost.x", "4", r"did you mean costs\?", "system.kernel.cost",
    ),
    "a misspelt key of a run": ("run.sed", "4", r"did you mean seed\?"),
    "a misspelt key of a program": ("load.0.program.op", "4", r"did you mean ops\?"),
    "a key that resembles none": ("colour", "red", "no such key; known: title, machine"),
    "a key with a line break": ('"a\\nb"', "1", "no such key"),
    "a key within a number": ("cores.x", "1", "holds no keys", "cores"),
    "a list without a number": ("load.threads", "4", r"is a list of 1; its first is load\.0", "load"),
    "a load that is not there": ("load.7.threads", "4", "is a list of 1", "load"),
    "no key at all": ("a b", "4", "no dotted key", "--set"),
    "an unknown machine": ("machine", "S-Z", "no such machine; known: S-A, S-B"),
    "an unknown system": ("system", "linux-1.0", r"no such system; known: linux-2\.6\.32"),
    "an unknown kernel": ("system.kernel", "linux-1.0", "no such kernel; known"),
    "an unknown base": ("machine.base", "S-Z", "no such machine"),
    "an unknown program": ("load.0.program", "mmmap", "no such workload; known"),
    "a machine file that is not there": ("machine", "none.toml", "there is no file"),
    "a program file that is not there": ("load.0.program", "none.toml", "there is no file"),
    "a machine that is a number": ("machine", "3", "must be a table"),
    "a system that is empty": ("system", "{}", "needs an id, a kernel or a partitioning"),
    # times
    "a negative time": ("duration", "-2 ms", r"a negative time \(-2 ms\)"),
    "no time": ("duration", "soon", "no time such as"),
    "a time without a unit": ("duration", "3", "valid string"),
    "a time that is not a number": ("duration", "nan ms", "no time such as"),
    "an infinite time": ("duration", "1e999 ms", "longer than the hour"),
    "an hour and more": ("duration", "61 min", "longer than the hour"),
    "an unknown unit of time": ("stagger", "3 parsecs", "no unit of time"),
    "warm-up after the end": ("warmup", "2 ms", "must end before the duration"),
    "a time over two lines": ("duration", '"1\\nms"', "no time such as"),
    # counts
    "zero cores": ("cores", "0", "greater than or equal to 1"),
    "negative cores": ("cores", "-4", "greater than or equal to 1"),
    "more cores than the machine has": ("cores", "13", "machine S-A has 12"),
    "a milliard cores": ("cores", "1000000000", "less than or equal to 4096"),
    "huge cores": ("cores", HUGE, "less than or equal to|exceeded"),
    "cores of no number": ("cores", "many", "valid integer"),
    "half a core": ("cores", "1.5", "valid integer"),
    "cores that are true": ("cores", "true", "a number is needed"),
    "cores that are not a number": ("cores", "nan", "finite number"),
    "infinite cores": ("cores", "inf", "finite number"),
    "no partitions": ("partitions", "0", "greater than or equal to 1"),
    "partitions that do not divide": ("partitions", "4", "6 cores cannot be divided evenly"),
    "a milliard threads": ("load.0.threads", "1000000000", "less than or equal to 4096"),
    "threads that are too many together": (
        "load.0.threads", "2000", "6000 threads; the engines have room for 4096", "load",
    ),
    "no threads": ("load.0.threads", "0", "greater than or equal to 1"),
    "a parameter that is not the program's": ("load.0.parameters.m", "3", "no such parameter"),
    "a parameter that is too large": ("load.0.parameters.n", HUGE, "whole number in"),
    "a parameter that is zero": ("load.0.parameters.n", "0", "whole number in"),
    "no loads": ("load", "[]", "at least one"),
    "a load that is no table": ("load", "3", r"write \[\[load\]\]"),
    "an unknown place": ("load.0.place", "inside", "'partition' or 'outside'"),
    # structures and costs
    "a scope that does not exist": ("structures.spin.scope", "galaxy", "'core', 'process'"),
    "a kind that does not exist": ("structures.spin.kind", "spinny", "'ticket_lock'"),
    "a lock in a lock": ("structures.spin.lock", "ticket", "no lock of its own"),
    "a batch of a lock": ("structures.spin.batch", '"8"', "belongs to percpu_counter"),
    "a structure without a kind": (
        "structures.new.scope", "core", "needs kind, scope, source", "structures.new",
    ),
    "a structure of the system misspelt": (
        "structures.mmap_sen.scope", "core", r"mean mmap_sem\?", "structures.mmap_sen",
    ),
    "a cost outside of its range": (
        "costs.mine.value", "5", r"5 lies outside its range \[0, 2\]", "costs.mine",
    ),
    "a negative cost": ("costs.mine.range", "[-1, 2]", "not negative", "costs.mine"),
    "a cost that is not a number": ("costs.mine.value", "nan", "finite number"),
    "an infinite cost": ("costs.mine.value", "inf", "finite number"),
    "a cost that is a size": ("costs.mine.unit", "MB", "no unit of time; known"),
    "a cost without a source": ("costs.mine.source", '""', "at least 3 characters"),
    "a fitted cost without its claims": ("costs.mine.basis", "fitted", "names the claims", "costs.mine"),
    "a cost of a day": (
        "costs.mine", '{value=1e9, unit="s", range=[0, 1e9], basis="derived", source="a test"}', "hour",
    ),
    # machine
    "a machine of no sockets": ("machine.topology.sockets", "0", "greater than"),
    "a milliard sockets": ("machine.topology.sockets", "1000000000", "less than or equal"),
    "hops of another machine": ("machine.topology.hops", "[[0]]", "must be a 2 x 2 table"),
    "hops without a price": ("machine.topology.hops", "[[0, 2], [2, 0]]", "no cost"),
    "hops to oneself": ("machine.topology.hops", "[[1, 1], [1, 0]]", "0 exactly on the diagonal"),
    "negative hops": ("machine.topology.hops", "[[0, -1], [-1, 0]]", "no price for -1 hops"),
    "a clock that stands still": (
        "machine.topology.clock", '{value=0, unit="GHz", range=[0, 1], basis="derived", source="a test"}',
        r"between 0\.1 and 100 GHz",
    ),
    "a clock in metres": ("machine.topology.clock.unit", "m", "unknown unit 'm'", "machine.topology.clock"),
    # system
    "a tick without end": (
        "system.kernel.scheduler.tick_period",
        '{value=1, unit="ps", range=[0, 1], basis="derived", source="a test"}',
        "shorter than 1000 ns",
    ),
    "a partitioning of three kernels": ("system.partitioning.kernels", "three", "'one' or 'each'"),
    "an unknown usual kernel": (
        "system", '{partitioning = {base = "lxc", default_kernel = "linux-1.0"}}',
        "no such kernel", "system.partitioning.default_kernel",
    ),
    # run
    "no replications": ("run.replications", "0", "greater than"),
    "a milliard replications": ("run.replications", "1000000000", "less than or equal"),
    "two rules for the end": ("run.precision", "0.1", "one or the other"),
    "a precision of nothing": ("run", "{precision = 0}", "greater than 0", "run.precision"),
    "a minimum above the cap": (
        "run", "{precision = 0.1, minimum = 9, cap = 3}", "above cap = 3", "run.minimum",
    ),
    "a negative seed": ("run.seed", "-1", "greater than or equal to 0"),
    "a title over two lines": ("title", '"a\\nb"', "one line"),
}


@pytest.mark.parametrize("why", KEYS)
def test_a_key_that_does_not_fit(tmp_path, why):
    key, value, reason, *named = KEYS[why]
    error = refused(scenario_file(tmp_path), {key: value})
    assert [error.key] == (named or [key])
    assert re.search(reason, error.reason)


# --- programs: the operations, the key that is named, the reason ------------------------------------------

def op(do: str, *body: str, **keys) -> str:
    """An operation as TOML."""
    cells = [f'do = "{do}"', *(f"{key} = {value}" for key, value in keys.items())]
    return f"{{ {', '.join(cells)}{', body = [' + ', '.join(body) + ']' if body else ''} }}"


def timed(do: str, time: str, **keys) -> str:
    """An operation that takes a time."""
    return op(do, time=f"{{ {time} }}", **keys)


def on(do: str, what: str, **keys) -> str:
    """An operation on a structure."""
    return op(do, what=f'"{what}"', **keys)


PAUSE, SLEEP = timed("compute", 'mean = "1 us"'), timed("sleep", 'mean = "1 us"')
LOCK, UNLOCK = on("lock", "spin"), on("unlock", "spin")
OTHER, FREE_OTHER = on("lock", "files_lock"), on("unlock", "files_lock")
FLUSH = on("flush_tlb", "tlb", pages=3)


def call(*body: str) -> str:
    """A system call."""
    return op("syscall", *body, name='"x"')


def times(number) -> list[str]:
    """A program that repeats so often."""
    return [op("repeat", PAUSE, times=number)]


SPINNING = "sleeps while it holds the spin lock spin"
PROGRAMS = {
    # locks
    "released but not held": ([UNLOCK], "0.what", "is released but not held"),
    "taken twice": ([LOCK, LOCK, UNLOCK], "1.what", "is taken twice"),
    "never released": ([LOCK, PAUSE], "", "still held at the end"),
    "held on return from the kernel": ([call(LOCK), UNLOCK], "0", "still held on return from the kernel"),
    "exchanged in the kernel": ([OTHER, call(FREE_OTHER, LOCK), UNLOCK], "1", "still held on return"),
    "taken by each pass": ([op("repeat", LOCK, times=3), UNLOCK], "0", "different locks on each pass"),
    "exchanged by each pass": (
        [LOCK, op("repeat", UNLOCK, OTHER, times=2), FREE_OTHER], "1", "different locks on each pass",
    ),
    "taken now and then": ([op("every", LOCK, times=3), UNLOCK], "0", "different locks on each pass"),
    "sleeping under a spin lock": ([LOCK, SLEEP, UNLOCK], "1", SPINNING),
    "a sleeping lock under a spin lock": ([LOCK, on("read_lock", "mmap_sem"), UNLOCK], "1", SPINNING),
    "waiting for a request under a spin lock": ([LOCK, on("receive", "q"), UNLOCK], "1", SPINNING),
    "a flush outside of the kernel": ([PAUSE, FLUSH], "1", "only the kernel can"),
    "a flush under a spin lock": ([call(LOCK, FLUSH, UNLOCK)], "0.body.1", "waits for other cores"),
    # names
    "the wrong kind": ([on("count", "spin", pages=3)], "0.what", "count does not apply to a ticket_lock"),
    "an unknown structure": ([on("lock", "spim")], "0.what", r"no such structure; did you mean spin\?"),
    "an unknown path": ([op("compute", path='"vma_fond"')], "0.path", r"no such kernel path.*mean vma_find\?"),
    "an unknown verb": ([on("lok", "spin")], "0.do", r"no such operation; did you mean lock\?"),
    "no verb": (['{ what = "spin" }'], "0.do", "is missing"),
    "no structure": ([op("lock")], "0.what", "is missing"),
    "a misspelt key": ([op("lock", waht='"spin"')], "0.waht", r"did you mean what\?"),
    "a queue of a structure's name": ([LOCK, UNLOCK, on("send", "spin")], "what", "the name of two things"),
    "a name over two lines": ([op("measure", PAUSE, name='"a\\nb"')], "0.name", "stands in one line"),
    "a huge name": ([op("measure", PAUSE, name=f'"{"a" * 5000}"')], "0.name", "at most 100 characters"),
    # times
    "path and time": ([timed("compute", 'mean = "1 us"', path='"vma_find"')], "0.path", "a path or a time"),
    "a negative time": ([timed("compute", 'mean = "-1 us"')], "0.time.mean", "a negative time"),
    "a random time of nothing": (
        [timed("sleep", 'mean = "0 us", distribution = "lognormal", cv = 1')], "0.time.mean", "above 0",
    ),
    "an operation of an hour": ([timed("compute", 'mean = "59 min"')], "0.time.mean", "room for 23"),
    "a random time that may last for hours": (
        [timed("sleep", 'mean = "10 min", distribution = "exponential"')], "0.time.mean", "take 460 minutes",
    ),
    "a time without a limit": (
        [timed("sleep", 'mean = "1 min", distribution = "lognormal", cv = 20')], "0.time.mean", "room for 23",
    ),
    "no time passes": ([on("touch", "vma_tree")], "", "never let any pass"),
    "no time passes either": (times(0), "", "never let any pass"),
    "a measure within a measure": (
        [op("measure", op("measure", PAUSE, name='"b"'), name='"a"')], "0.body.0", "one stop-watch",
    ),
    # numbers
    "a path a milliard times": ([op("compute", path='"clear_page"', times=10**11)], "0.path", "room for 23"),
    "a milliard operations in a row": (
        [timed("compute", 'mean = "1 ns", distribution = "uniform"', times=10**9)], "ops", "more than 10000",
    ),
    "10**30 repetitions": (times(10**30), "0.times", "larger than 2"),
    "10**15 repetitions": (times(10**15), "0.times", r"must lie in 0 \.\. 2147483648"),
    "minus one repetition": (times(-1), "0.times", "must lie in 0"),
    "every zeroth time": ([op("every", PAUSE, times=0), PAUSE], "0.times", "must lie in 1"),
    "half a repetition": (times(1.5), "0.times", "valid integer"),
    "an expression that does not parse": (times('"2 *"'), "0.times", "no number here"),
    "an unknown name": (times('"2 * m"'), "0.times", "no m; known: charged_together, cpus"),
    "a division by zero": (times('"1 / (n - 3)"'), "0.times", "division by zero"),
    "a power that explodes": (times('"9 ** 9 ** 9 ** 9"'), "0.times", "power is too large"),
    "an expression that reaches out": (times('"n.__class__"'), "0.times", "is no arithmetic"),
    "an expression without end": (times('"' + "1 + " * 90 + '1"'), "0.times", "at most 200"),
    # blocks
    "an empty block": (['{ do = "repeat", times = 3, body = [] }'], "0.body", "at least 1 item"),
    "no operation": ([], "", "at least 1 item"),
    "too many operations": ([PAUSE] * (MAX_OPS + 1), "", f"more than {MAX_OPS} operations"),
}


@pytest.mark.parametrize("why", PROGRAMS)
def test_a_program_that_does_not_fit(tmp_path, why):
    ops, where, reason = PROGRAMS[why]
    before, after = GOOD[:GOOD.index("ops = [")], GOOD[GOOD.index("[structures.spin]"):]
    error = refused(scenario_file(tmp_path, f"{before}ops = [{', '.join(ops)}]\n{after}"))
    under = "" if where in ("ops", "what") else "load.0.program.ops."
    assert error.key == f"{under}{where}".removesuffix(".")
    assert re.search(reason, error.reason)


def test_optimistic_spinning_in_user_mode(tmp_path):
    text = GOOD.replace('"ticket_lock"', '"mutex"\nwaiting = "optimistic"')
    text = text.replace('do = "syscall", name = "call"', 'do = "repeat", times = 1')
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
        assert error.key == "load.0.program.ops"
        assert error.reason == f"blocks are nested more than {MAX_DEPTH} deep"


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
        ("", "is missing"), ('machine = "S-A"', "is missing"),
        ('machine = "S-A"\nsystem = "lxc"', "is missing"),
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
    where = "ops.0.body.0.body.1.what = 'mmap_sem'"
    assert str(error) == f"{path}: program mmap: {where}: write_lock does not apply to a line"


def test_a_bad_batch_is_told_where_it_stands(tmp_path):
    program = {"load.0.program": "mmap", "load.0.parameters": "{}"}
    error = refused(scenario_file(tmp_path), {**program, "structures.vm_committed_as.batch": "max(32, cpu)"})
    assert error.key == "structures.vm_committed_as.batch"
    assert "did you mean cpus?" in error.reason
    key = "system.kernel.structures.vm_committed_as.batch"
    assert refused(scenario_file(tmp_path), {**program, key: "1 / 0"}).key == key


def test_a_client_has_no_copy_of_any_structure(tmp_path):
    assert "nothing for a client" in refused(scenario_file(tmp_path), {"load.0.place": "outside"}).reason


def test_more_threads_and_timers_than_there_are_event_slots(tmp_path):
    changes = {
        "machine.topology.sockets": 256, "machine.topology.cores_per_socket": 16,
        "cores": 4096, "partitions": 1,
    }
    assert "the engines have room for 16384" in refused(scenario_file(tmp_path), changes).reason


def test_more_copies_than_memory(tmp_path):
    counter = '{kind = "sloppy_counter", scope = "process", batch = "8", source = "a test"}'
    ops = ", ".join(f'{{do = "put", what = "{name}"}}' for name in "abcd")
    changes = {
        "machine.topology.sockets": 256, "machine.topology.cores_per_socket": 10,
        "cores": 2560, "partitions": 1, "load.0.processes": 4096, "load.0.threads": 1,
        "load.0.program.ops": f"[{ops}, {PAUSE}]",
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
        ({"threads": 10**9}, "loads.0.threads"), ({"duration": "-1 s"}, "duration"),
        ({"colour": 1}, "colour"),
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
    idle = load_scenario(path, {"load.0.program.ops": f"[{on('receive', 'nobody sends')}, {PAUSE}]"})
    with pytest.raises(SimulationError, match="waits for ever"):
        idle.simulate(replications=1)
    flood = f"[{on('send', 'requests')}, {timed('compute', 'mean = ' + repr('10 ns'))}]"
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
