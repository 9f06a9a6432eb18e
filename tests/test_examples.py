"""Every example runs by the public API and by the command line; the format's documentation is complete."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import rainforest_model as rf
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.parameter import Description
from rainforest_model.descriptions.program import Program
from rainforest_model.descriptions.structure import SCOPES, Kind, Structure
from rainforest_model.descriptions.system import Partitioning
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.scenario_file import KEYS, LOAD_KEYS, RunOptions, load_scenario
from rainforest_model.stats import Precision

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.toml") if path.stem != "sweep")
README = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
EIGHT = ROOT / "examples" / "eight_sockets.toml"
SHORT = {"duration": "2 ms", "warmup": "0.2 ms", "run": "{replications = 2, seed = 3}"}


# --- they run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_by_the_public_api(path):
    loaded = rf.load_scenario(path, SHORT)
    run = rf.simulate(loaded.scenario, replications=loaded.replications, seed=loaded.seed)
    assert (len(run.outcomes), run.seed) == (2, 3)
    assert run.samples > 100
    assert 0 < run.tail(0.99).value < 1000
    assert loaded.simulate(replications=1).name == loaded.title != ""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_by_the_command_line(path):
    changes = [argument for key, value in SHORT.items() for argument in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "rainforest_model", "simulate", str(path), *changes, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    run = rf.load_scenario(path, SHORT).simulate()
    assert (answer["seed"], answer["replications"], answer["samples"]) == (3, 2, run.samples)
    (p99,) = [row["value_us"] for row in answer["latencies"] if row["statistic"] == "p99"]
    assert p99 == pytest.approx(run.tail(0.99).value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_names_no_place_but_its_own_folder(path):
    for line in re.findall(r'"([^"]+\.toml)"', path.read_text()):
        assert (path.parent / line).is_file()


def test_the_large_example_brings_its_own_machine_structures_and_program():
    found = load_scenario(EIGHT).scenario
    topology = found.machine.topology
    assert (topology.sockets, topology.cores_per_socket) == (8, 10)
    assert {topology.distance(a, b) for a in range(8) for b in range(8)} == {0, 1, 2}
    assert found.machine.id not in load.machines()
    assert found.system.kernel.id not in load.systems()
    assert not found.structures.keys() & found.system.structures.keys()
    assert 10 <= sum(1 for _ in walk(found.loads[0].program.ops)) <= 15


def walk(ops):
    """Every operation, blocks and what is in them."""
    for operation in ops:
        yield operation
        yield from walk(getattr(operation, "body", ()))


def test_what_the_readme_says_of_one_change():
    shared = {"structures.job_table.scope": "machine", "structures.job_list.scope": "machine"}
    variants = {
        "container": {}, "machine": shared, "ticket": {**shared, "structures.job_table.kind": "ticket_lock"},
        "container ticket": {"structures.job_table.kind": "ticket_lock"},
    }
    runs = {name: load_scenario(EIGHT, keys).simulate(replications=8) for name, keys in variants.items()}
    median = {name: run.tail(0.5).value for name, run in runs.items()}
    tail = {name: run.tail(0.99).value for name, run in runs.items()}
    assert 2 < median["machine"] / median["container"] < 8
    assert 6 < tail["machine"] / tail["container"] < 20
    assert tail["ticket"] > 1.1 * tail["machine"]
    assert tail["container ticket"] == pytest.approx(tail["container"], rel=0.1)
    for name, about in (("container", 0.6), ("machine", 6), ("ticket", 8)):
        assert tail[name] == pytest.approx(about, rel=0.2)


# --- what a scenario file can hold ------------------------------------------------------------------------

SMALL = """
system = "lxc"
machine = "S-A"
[[load]]
program = "mmap"
"""


def written(folder: Path, text: str = SMALL) -> Path:
    """A scenario file of one's own."""
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path):
    loaded = load_scenario(written(tmp_path))
    found = loaded.scenario
    assert (found.cores, found.partitions, found.duration, loaded.seed) == (12, 1, "20 ms", 1)
    assert loaded.replications == Precision(0.05, 5, 20)
    assert repr(loaded) == f"<ScenarioFile mine.toml: {found!r}>"
    assert loaded.title == "mine"


def test_parts_by_path_are_relative_to_the_scenario(tmp_path, monkeypatch):
    from rainforest_model.resources import data_path

    folder = tmp_path / "parts"
    folder.mkdir()
    for place in ("machines/S-A", "systems/kernels/linux-4.9.40", "systems/partitionings/lxc"):
        text, id = data_path(f"{place}.toml").read_text(), place.rpartition("/")[2]
        (folder / f"{id}.toml").write_text(text.replace(f'id = "{id}"', f'id = "{id}-mine"'))
    (folder / "spin.toml").write_text('ops = [{ do = "compute", time = { mean = "1 us" } }]')
    path = written(tmp_path, """
        machine = "parts/S-A.toml"
        system = { id = "parts/lxc.toml", kernel = "parts/linux-4.9.40.toml" }
        [[load]]
        program = "parts/spin.toml"
    """)
    monkeypatch.chdir(folder)
    found = load_scenario(path).scenario
    assert (found.machine.id, found.system.id) == ("S-A-mine", "lxc-mine on linux-4.9.40-mine")
    assert found.loads[0].program.id == "spin"
    for part, kernel in (("linux-4.9.40", "linux-4.9.40-mine"), ("lxc", "linux-2.6.32")):
        assert load_scenario(path, {"system": f"parts/{part}.toml"}).scenario.system.kernel.id == kernel


@pytest.mark.parametrize(
    ("changes", "system"),
    [
        ({"system": "xen"}, "xen"), ({"system.kernel": "linux-4.9.40"}, "lxc on linux-4.9.40"),
        ({"system": '{kernel = "linux-4.9.40"}'}, "linux-4.9.40"),
        ({"system": '{partitioning = "xen"}'}, "xen"),
        ({"system.partitioning": "rainforest"}, "rainforest"),
        ({"system.kernel.id": "other"}, "lxc on other"),
        ({"system.partitioning.id": "other"}, "other"),
        ({"system.kernel.base": "linux-4.9.40", "system.kernel.id": "other"}, "lxc on other"),
    ],
)
def test_a_system_is_put_together_from_parts(tmp_path, changes, system):
    assert load_scenario(written(tmp_path), changes).scenario.system.id == system


def test_single_keys_of_a_part_are_changed_and_the_rest_stays(tmp_path):
    changes = {
        "machine.topology.sockets": "3", "system.kernel.structures.mmap_sem.waiting": "optimistic",
        "structures.vm_committed_as.scope": "core", "costs.vma_find.value": "40",
        "load.0.parameters.pages": "9",
    }
    plain, changed = (load_scenario(written(tmp_path), c).scenario for c in ({}, changes))
    assert changed.machine.topology.sockets == 3
    assert changed.machine.coherence == plain.machine.coherence
    assert changed.system.structures["mmap_sem"].waiting == "optimistic"
    assert changed.system.structures["zone_lock"] == plain.system.structures["zone_lock"]
    assert changed.all_structures["vm_committed_as"].scope == "core"
    assert changed.all_structures["vm_committed_as"].batch == plain.all_structures["vm_committed_as"].batch
    assert (plain.path_ns("vma_find"), changed.path_ns("vma_find")) == (50, 40)
    assert changed.loads[0].program.parameters == {"pages": 9}


def test_a_structure_that_states_its_kind_is_a_new_one(tmp_path):
    atomic = '{ kind = "atomic", scope = "machine", source = "a test" }'
    for key in ("structures.vm_committed_as", "system.kernel.structures.vm_committed_as"):
        found = load_scenario(written(tmp_path), {key: atomic}).scenario.all_structures["vm_committed_as"]
        assert (found.kind, found.scope, found.batch) == ("atomic", "machine", None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4), ('"4 ms"', "4 ms"), ("4 ms", "4 ms"), ("[1, 2]", [1, 2]), ("a\nb = 1", "a\nb = 1"),
        ("1\nb = 1", "1\nb = 1"),
    ],
)
def test_a_change_is_read_as_toml_or_stands_for_itself(text, value):
    from rainforest_model.descriptions.changes import override

    table = {}
    override(table, "a.b", text, Path("mine.toml"))
    assert table == {"a": {"b": value}}


def test_descriptions_print_in_short():
    loaded = load_scenario(EIGHT)
    found = loaded.scenario
    parts = [
        loaded, found, found.machine, found.system, found.system.kernel, found.system.partitioning,
        found.loads[0], found.loads[0].program, found.structures["job_table"],
    ]
    for part in parts:
        assert str(part) == repr(part)
        assert re.fullmatch(r"<[A-Z]\w+ .*>", str(part))
        assert len(str(part)) < 200
    assert str(found.machine) == "<Machine eight-sockets: 8 sockets x 10 cores, 2.13 GHz>"


# --- the documentation is complete ------------------------------------------------------------------------


def table(*heading: str) -> dict[str, list[str]]:
    """The further cells of a table of the README by the keys of its first column."""
    lines = README.splitlines()
    start = lines.index(f"| {' | '.join(heading)} |")
    found = {}
    for line in lines[start + 2:]:
        if not line.startswith("|"):
            break
        first, *rest = (cell.strip() for cell in line.strip("|").split(" | "))
        for key in re.findall(r"`([^`]+)`", first):
            found[key] = rest
    return found


VERBS = {op.model_fields["do"].default: op for op in get_args(get_args(pg.AnyOp)[0])}


def test_every_verb_is_documented_with_its_keys():
    found = table("`do`", "further keys", "means")
    assert found.keys() == VERBS.keys()
    for verb, (keys, _) in found.items():
        assert set(re.findall(r"`(\w+)`", keys)) == VERBS[verb].model_fields.keys() - {"do"}, verb


def test_every_scope_is_documented():
    assert tuple(table("`scope`", "one copy for each")) == SCOPES


def applies(verb: str, kind: str) -> bool:
    """Whether a verb can be used on a structure of a kind."""
    needs = {
        "percpu_counter": {"lock": "ticket", "batch": "32"}, "sloppy_counter": {"batch": "8"},
        "locked_count": {"lock": "queue"}, "tlb": {"pages_per_flush": 10},
    }
    structure = Structure(kind=kind, scope="machine", source="a test", **needs.get(kind, {}))
    pages = {"pages": 3} if verb in ("count", "flush_tlb") else {}
    operation = VERBS[verb](what="s", **pages)
    release = [pg.unlock("s")] if verb.endswith("lock") else []
    program = pg.program("p", pg.syscall("call", operation, *release))
    try:
        lower(rf.scenario("S-A", "linux-2.6.32", program, structures={"s": structure}))
    except InputError as error:
        assert "does not apply" in error.reason
        return False
    return True


def test_every_kind_is_documented_with_what_programs_do_with_it():
    found = table("`kind`", "is", "what programs do with it")
    assert list(found) == list(get_args(Kind))
    verbs = [verb for verb, op in VERBS.items() if issubclass(op, pg.OnStructure) and not issubclass(op, pg.OnQueue)]
    verbs = [verb for verb in verbs if verb != "unlock"]
    for kind, (_, doing) in found.items():
        named = set(re.findall(r"\w+", doing)) - {"unlock"} if kind != "absent" else set(verbs)
        assert named == {verb for verb in verbs if applies(verb, kind)}, kind


def test_every_key_is_documented():
    top = table("key", "means", "if left out")
    assert {*top, "load", "structures", "costs", "run"} == set(KEYS)
    assert {name.strip("[]").partition(".")[0] for name in table("table", "holds")} == set(KEYS) - set(top)
    further = table("further key", "of", "means")
    assert set(further) == Structure.model_fields.keys() - {"kind", "scope"}
    assert set(table("a partitioning's key", "means")) < Partitioning.model_fields.keys()
    documented = set(re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", README, re.MULTILINE))
    documented = {name for pair in documented for name in pair if name}
    for keys in (LOAD_KEYS, RunOptions.model_fields, Program.model_fields.keys() - {"kind"}):
        assert set(keys) <= documented


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_every_piece_of_toml_in_the_documentation_fits(tmp_path, block):
    found = tomllib.loads(block)
    if "structures" in found:
        changes = {f"structures.{name}": entry for name, entry in found["structures"].items()}
        changed = load_scenario(EIGHT, changes).scenario
        assert {changed.structures[name].scope for name in found["structures"]} == {"machine"}
    else:
        found = load_scenario(written(tmp_path), found).scenario
        assert isinstance(found, Description)


def test_every_piece_of_python_in_the_documentation_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(block, names)
    assert names["run"].samples > 1000


def test_every_example_is_documented():
    for path in (ROOT / "examples").rglob("*.toml"):
        assert f"({path.relative_to(ROOT / 'examples').as_posix()})" in README


def test_the_message_that_the_documentation_shows(tmp_path):
    text = EIGHT.read_text().replace('"machines/', f'"{EIGHT.parent.as_posix()}/machines/')
    taken = '{ do = "lock", what = "job_table" }'
    assert taken in text
    path = written(tmp_path, text.replace(taken, taken.replace("table", "tabel")))
    with pytest.raises(InputError) as caught:
        load_scenario(path, {"system": "rainforest"})
    (shown,) = re.findall(r"^    rainforest: (mine\.toml: .*)$", README, re.MULTILINE)
    assert str(caught.value) == f"{tmp_path}/{shown}"
