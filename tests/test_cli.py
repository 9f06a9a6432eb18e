"""The command line: what it prints, where it writes, and how it fails."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from rainforest_model import cli as door
from rainforest_model import experiments, gallery, paper, reproduce, results
from rainforest_model.descriptions import load
from rainforest_model.simulation import SimulationError
from rainforest_model.workloads import workloads

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numpy", "numba", "pandas", "scipy", "matplotlib", "mesa", "pydantic")
COMMANDS = (
    "list", "reproduce", "score", "explain", "sensitivity", "simulate", "replay", "sweep", "measure", "app", "quiz",
    "validate", "calibrate", "bench",
)


def rainforest(*arguments: str):
    """A command's exit code, output and errors."""
    return CliRunner().invoke(door.cli, arguments, prog_name="rainforest")


def python(*arguments: str) -> subprocess.CompletedProcess:
    """A fresh interpreter, in the clone."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def assert_refused(result, *words: str, code: int = 2) -> None:
    """One line on standard error, with these words in it, and nothing on standard output."""
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert line.startswith("rainforest: ")
    assert not [word for word in words if word not in line]
    assert result.stdout == ""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder that takes the place of the clone for results, figures and the gallery."""
    for module in (results, gallery):
        monkeypatch.setattr(module, "output_root", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def kept(root):
    """Such a folder, with what is committed in it."""
    for place in ("data/results", "figures"):
        shutil.copytree(ROOT / place, root / place)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- the door itself --------------------------------------------------------------------------------------


def test_the_command_line_imports_nothing_heavy():
    program = f"import rainforest_model.cli, sys; print([n for n in {HEAVY} if n in sys.modules])"
    result = python("-c", program)
    assert (result.stdout.strip(), result.returncode) == ("[]", 0)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([command, "--help"] for command in COMMANDS)])
def test_help(arguments):
    result = rainforest(*arguments)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: rainforest")
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_help_names_every_command():
    assert set(door.cli.commands) == set(COMMANDS)
    for name, command in door.cli.commands.items():
        assert command.help.strip().splitlines()[0].endswith("."), name


def test_python_m_is_the_command():
    result = python("-m", "rainforest_model", "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: rainforest")


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["reproduce", "--quality", "best"], ["reproduce", "--seed", "-1"],
                  ["reproduce", "--jobs", "0"], ["reproduce", "--engine", "steam"], ["score", "--no-such-option"]],
)
def test_a_wrong_option_exits_with_2(arguments):
    result = rainforest(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: rainforest")


# --- list and score ---------------------------------------------------------------------------------------


def test_list_has_everything_that_there_is():
    result = rainforest("list")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = {line[4:].split()[0]: line for line in result.stdout.splitlines() if line.startswith("  ")}
    wanted = [item.id for item in paper.contents()]
    assert list(lines) == [*wanted, *load.systems(), *load.machines(), *workloads()]
    assert [id for id, line in lines.items() if line.startswith("  *")] == [
        id for id in wanted if id in experiments.ids()
    ]


def test_score_as_json_has_every_claim_with_the_same_keys():
    result = rainforest("score", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)
    assert isinstance(rows, list)
    keys = {"id", "kind", "role", "artefact", "value", "model", "low", "high", "verdict", "note"}
    assert all(set(row) == keys for row in rows)
    assert [row["id"] for row in rows] == [claim.id for claim in paper.claims()]
    assert {row["verdict"] for row in rows} <= {"holds", "misses", "not modelled"}
    assert all((row["model"] is None) == (row["verdict"] == "not modelled") for row in rows)


def test_score_as_json_is_strict_json():
    def refuse(constant):
        pytest.fail(f"{constant} is no JSON")

    json.loads(rainforest("score", "--json").stdout, parse_constant=refuse)


def test_score_in_words_has_every_claim():
    result = rainforest("score")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{len(paper.claims())} claims: ")
    table = result.stdout[result.stdout.index("\nclaim "):].splitlines()[2:]
    starts = {line.split()[0] for line in table if line and not line.startswith(" ")}
    assert starts == {claim.id for claim in paper.claims()}


def test_score_without_results_judges_nothing(root):
    rows = json.loads(rainforest("score", "--json").stdout)
    assert {row["verdict"] for row in rows} == {"not modelled"}


def test_score_of_broken_results_names_the_file(kept):
    path = kept / "data" / "results" / "tab03_effort.json"
    path.write_text("{")
    assert_refused(rainforest("score"), str(path), "reproduce the experiment again")


# --- reproduce --------------------------------------------------------------------------------------------


def test_reproduce_writes_where_it_is_told(root):
    result = rainforest("reproduce", "tab01")
    assert (result.exit_code, result.stderr) == (0, "")
    written = ["data/results/tab01_shared_state.json", "data/results/tab01_shared_state.table.csv",
               "figures/tab01_shared_state.md"]
    assert set(written) <= set(files(root))
    assert not [name for name in files(root) if "fig0" in name]
    first, *told = result.stdout.splitlines()
    assert first.startswith(f"tab01_shared_state: {experiments.experiment('tab01_shared_state').TITLE} (")
    assert {Path(line.strip()).name for line in told[: len(written)]} == {Path(name).name for name in written}
    assert "claims: " in result.stdout
    assert "T1 " in result.stdout


def test_a_full_quality_has_its_own_place(kept):
    before = files(kept)
    assert rainforest("reproduce", "tab03", "--quality", "full").exit_code == 0
    after = files(kept)
    assert {name: after[name] for name in before} == before
    assert {"data/results/full/tab03_effort.json", "figures/full/tab03_effort.md"} <= set(after)


def test_reproducing_again_writes_the_same(kept):
    before = files(kept)
    assert rainforest("reproduce", "tab02", "tab03").exit_code == 0
    after = files(kept)
    for name in before:
        if not name.endswith(".json"):  # which says what made it
            assert after[name] == before[name]


def test_an_unknown_id_is_refused_before_anything_runs(root):
    assert_refused(rainforest("reproduce", "tab01", "fig99"), "id = 'fig99'", "no such experiment", "known: ")
    assert files(root) == {}


def test_an_id_that_fits_several_is_refused():
    assert_refused(rainforest("reproduce", "tab"), "id = 'tab'", "fits several experiments")


def test_what_is_not_modelled_yet_is_told_so():
    missing = [item.id for item in paper.contents() if item.id not in experiments.ids()]
    for id in missing[:1]:
        assert_refused(rainforest("reproduce", id), f"id = '{id}'", "not modelled yet")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), SimulationError("thread x waits for ever"),
                                   KeyboardInterrupt()])
def test_an_error_leaves_earlier_results_untouched(kept, monkeypatch, error):
    before = files(kept)
    module = experiments.experiment("tab01_shared_state")

    def broken(options):
        raise error

    monkeypatch.setattr(module, "run", broken)
    assert rainforest("reproduce", "tab01").exit_code != 0
    assert files(kept) == before


def test_a_simulation_that_fails_is_told_in_one_line(root, monkeypatch):
    def stuck(options):
        raise SimulationError("thread x waits for ever,\n as all others do")

    monkeypatch.setattr(experiments.experiment("tab01_shared_state"), "run", stuck)
    assert_refused(rainforest("reproduce", "tab01"), "thread x waits for ever, as all others do")


def test_a_bug_is_not_hidden(root, monkeypatch):
    monkeypatch.setattr(experiments.experiment("tab01_shared_state"), "run", lambda options: 1 / 0)
    result = rainforest("reproduce", "tab01")
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interruption_exits_with_130_and_keeps_what_is_finished(root, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments.experiment("tab03_effort"), "run", interrupted)
    result = rainforest("reproduce", "tab01", "tab03")
    assert result.exit_code == 130
    assert result.stderr == "rainforest: interrupted; finished results are kept\n"
    assert results.load("tab01_shared_state", "quick", root) is not None
    assert results.load("tab03_effort", "quick", root) is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_ends_a_simulation():
    command = [sys.executable, "-m", "rainforest_model", "reproduce", "fig06", "--check", "--jobs", "1"]
    # A shell that runs the tests in the background lets them ignore Ctrl-C, and what they start would inherit that.
    listen = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    )
    try:
        time.sleep(5)  # in the middle of it, whether it compiles or simulates
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "rainforest: interrupted; finished results are kept"
    assert out == ""


# --- reproduce --check ------------------------------------------------------------------------------------


def test_check_says_that_nothing_changed_and_writes_nothing(kept):
    before = files(kept)
    result = rainforest("reproduce", "--check", "tab01", "tab02", "tab03")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split(" (")[0] for line in result.stdout.splitlines()] == [
        f"{id}: the same numbers" for id in reproduce.chosen(["tab01", "tab02", "tab03"])
    ]
    assert files(kept) == before


def test_check_says_where_it_differs_and_exits_with_1(kept):
    saved = results.load("tab03_effort", "quick", kept)
    saved.frames["table"].loc[1, "lines"] += 1
    results.save(saved, kept)
    before = files(kept)
    result = rainforest("reproduce", "--check", "tab01", "tab03")
    assert result.exit_code == 1
    first, second, line = result.stdout.splitlines()
    assert first.startswith("tab01_shared_state: the same numbers")
    assert second.startswith("tab03_effort: differs")
    assert line.strip().startswith("table.lines: 1 of ")
    assert result.stderr == "rainforest: 1 of 2 experiments differ from the saved results\n"
    assert files(kept) == before


def test_check_without_saved_results(root):
    assert_refused(rainforest("reproduce", "--check", "tab01"), "there are no results to check against")


def test_check_of_another_seed(kept):
    assert_refused(rainforest("reproduce", "--check", "tab01", "--seed", "2"), "seed = 2", "of seed 1")


def test_check_of_another_quality(kept):
    result = rainforest("reproduce", "--check", "tab01", "--quality", "full")
    assert_refused(result, "there are no results to check against")
