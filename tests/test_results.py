"""Results on disk: whole or not there, of one run, and what differs from them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from experiment_results import PRINTED, QUICK, ROOT, files, saved

from rainforest_model import experiments, reproduce, results
from rainforest_model.errors import InputError
from rainforest_model.experiments import common
from rainforest_model.results import Results


@pytest.fixture
def copy(tmp_path):
    """A root that holds copies of the committed results."""
    shutil.copytree(ROOT / "data" / "results", tmp_path / "data" / "results")
    return tmp_path


# --- results on disk --------------------------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(tmp_path):
    found = saved("fig03a_mmap")
    paths = results.save(found, tmp_path)
    assert all(path.is_file() for path in paths)
    again = saved("fig03a_mmap", tmp_path)
    assert results.differences(found, again, tolerance=0) == []
    assert (again.seed, again.notes, again.quality) == (found.seed, found.notes, found.quality)


def test_no_results_are_none(tmp_path):
    assert results.load("fig03a_mmap", "quick", tmp_path) is None


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "missing":
        path.unlink()
    elif how == "another number":
        path.write_bytes(re.sub(rb"\d(?=\n)", b"x", content, count=1))
    elif how == "binary":
        path.write_bytes(b"\xff\xfe\x00" * 100)
    elif how == "a list":
        path.write_bytes(b"[1, 2]")
    elif how == "no tables":
        document = json.loads(content)
        del document["tables"]
        path.write_text(json.dumps(document))


@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "another number", "binary"])
def test_a_table_that_is_not_the_saved_one_is_refused_by_name(copy, how):
    path = copy / "data" / "results" / "fig03a_mmap.statistics.csv"
    spoil(path, how)
    with pytest.raises(InputError) as caught:
        results.load("fig03a_mmap", "quick", copy)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("how", ["truncated", "empty", "binary", "a list", "no tables"])
def test_a_provenance_that_is_none_is_refused_by_name(copy, how):
    path = copy / "data" / "results" / "fig03a_mmap.json"
    spoil(path, how)
    with pytest.raises(InputError) as caught:
        results.load("fig03a_mmap", "quick", copy)
    assert str(path) in str(caught.value)


def test_tables_of_two_runs_are_never_mixed(copy):
    found = saved("fig03a_mmap")
    other = found.frames["statistics"].assign(value_us=1.0)
    elsewhere = copy / "elsewhere"
    results.save(dataclasses.replace(found, frames={**found.frames, "statistics": other}), elsewhere)
    name = "fig03a_mmap.statistics.csv"
    shutil.copy(elsewhere / "data" / "results" / name, copy / "data" / "results" / name)
    with pytest.raises(InputError, match=re.escape(name)):
        results.load("fig03a_mmap", "quick", copy)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("write", [0, 1, 2])
@pytest.mark.parametrize("moment", ["before the file appears", "after it has appeared"])
def test_a_save_that_is_cut_short_leaves_the_old_results_or_says_so(copy, monkeypatch, write, moment):
    old = saved("fig03a_mmap", copy)
    frames = {name: frame.assign(**{frame.columns[-1]: 1.0}) for name, frame in old.frames.items()}
    new = dataclasses.replace(old, frames=frames, seed=2)
    replace, count = os.replace, 0

    def killed(source, target):
        nonlocal count
        count += 1
        if count - 1 == write:
            if moment == "after it has appeared":
                replace(source, target)
            raise Killed
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        results.save(new, copy)
    monkeypatch.undo()
    assert not list((copy / "data" / "results").glob(".*"))
    swapped = write + (moment == "after it has appeared")  # of two tables and their provenance
    if swapped in (0, 3):
        found = saved("fig03a_mmap", copy)
        assert found.seed == (2 if swapped else 1)
        assert results.differences(new if swapped else old, found) == []
    else:
        with pytest.raises(InputError, match="reproduce the experiment again"):
            saved("fig03a_mmap", copy)
    results.save(new, copy)
    assert results.differences(new, saved("fig03a_mmap", copy)) == []


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    results.write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "chmod", full)
    with pytest.raises(OSError, match="No space"):
        results.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- what differs -----------------------------------------------------------------------------------------


def table(**columns) -> Results:
    return Results("tab03_effort", "quick", 1, {"table": pd.DataFrame(columns)})


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (table(a=[1.0, 2.0], b=["x", "y"]), None),
        (table(a=[1.0, 2.0 * (1 + 1e-9)], b=["x", "y"]), None),
        (table(a=[1.0, 2.1], b=["x", "y"]), "table.a: 1 of 2 rows, e.g. row 1: 2.0 -> 2.1"),
        (table(a=[1.0, np.nan], b=["x", "y"]), "table.a: 1 of 2 rows"),
        (table(a=[1.0, 2.0], b=["x", "z"]), "table.b: 1 of 2 rows, e.g. row 1: y -> z"),
        (table(a=[1.0], b=["x"]), "table: 2 rows"),
        (table(a=[1.0, 2.0], c=["x", "y"]), "table: 2 rows of ['a', 'b'] against 2 of ['a', 'c']"),
        (Results("tab03_effort", "quick", 1, {}), "table: only in the committed results"),
    ],
)
def test_differences(new, told):
    found = results.differences(table(a=[1.0, 2.0], b=["x", "y"]), new)
    assert [told in line for line in found] == ([True] if told else [])


def alter(root: Path, id: str, name: str, change) -> None:
    """Change a saved table and its provenance, as if another run had given it."""
    found = saved(id, root)
    frame = change(found.frames[name].copy())
    results.save(dataclasses.replace(found, frames={**found.frames, name: frame}), root)


def test_check_says_the_same_of_the_committed_table(copy):
    before = files(copy)
    done = reproduce.check("tab01_shared_state", QUICK, copy)
    assert done.differences == ()
    assert done.verdicts
    assert files(copy) == before


def test_check_finds_a_changed_cell(copy):
    def other_scope(frame):
        frame.loc[3, "scope"] = "core"
        return frame

    alter(copy, "tab01_shared_state", "table", other_scope)
    before = files(copy)
    (line,) = reproduce.check("tab01_shared_state", QUICK, copy).differences
    assert line.startswith("table.scope: 1 of ")
    assert "row 3: core -> " in line
    assert files(copy) == before


def test_check_refuses_a_number_that_was_edited_by_hand(copy):
    path = copy / "data" / "results" / "tab03_effort.table.csv"
    path.write_text(path.read_text().replace("994\n", "995\n"))
    with pytest.raises(InputError, match=r"tab03_effort\.table\.csv"):
        reproduce.check("tab03_effort", QUICK, copy)


def test_check_without_results_or_of_another_seed(copy, tmp_path):
    with pytest.raises(InputError, match=r"tab03_effort\.json: there are no results to check against"):
        reproduce.check("tab03_effort", QUICK, tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"seed = 2: the saved results are of seed 1"):
        reproduce.check("tab03_effort", dataclasses.replace(QUICK, seed=2), copy)


def test_check_of_a_simulated_experiment(tmp_path, monkeypatch):
    module = experiments.experiment("fig03a_mmap")
    describe = module.describe

    def short(options):
        return {key: s.model_copy(update={"duration": "2 ms"}) for key, s in describe(options).items()}

    monkeypatch.setattr(module, "describe", short)
    monkeypatch.setattr(common.Options, "precision", common.Precision(relative=0.02, minimum=2, cap=2))
    done = reproduce.reproduce("fig03a_mmap", QUICK, tmp_path)
    assert all(path.is_file() and tmp_path in path.parents for path in done.files)
    assert reproduce.check("fig03a_mmap", dataclasses.replace(QUICK, jobs=1), tmp_path).differences == ()

    def slower(frame):
        frame.loc[17, "value_us"] *= 1.001
        return frame

    alter(tmp_path, "fig03a_mmap", "statistics", slower)
    (line,) = reproduce.check("fig03a_mmap", QUICK, tmp_path).differences
    assert line.startswith("statistics.value_us: 1 of ")
    assert "row 17" in line


@pytest.mark.parametrize("id", PRINTED)
def test_reproduce_writes_what_is_committed(id, tmp_path):
    """What nothing random has a part in comes out as it is in the repository."""
    done = reproduce.reproduce(id, QUICK, tmp_path)
    assert list(done.verdicts) == experiments.experiment(id).verdicts(saved(id))
    for path in done.files:
        if path.suffix != ".json":
            assert (ROOT / path.relative_to(tmp_path)).read_bytes() == path.read_bytes()


def test_another_processor_and_another_number_of_processes_give_the_committed_bytes(tmp_path):
    """Compiled for the plainest processor of its kind, without NumPy's vector paths, one scenario at a time."""
    known = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NPY_DISABLE_CPU_FEATURES": known}
    program = (
        "import sys, pathlib; from rainforest_model import reproduce; from rainforest_model.experiments import common\n"
        "for id in sys.argv[2:]: reproduce.reproduce(id, common.Options(jobs=1), pathlib.Path(sys.argv[1]))"
    )
    ids = ["tab04_elasticity", "sec642_channels", "sec7_barrelfish_munmap"]
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path), *ids]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **plain}, capture_output=True)
    tables = sorted((tmp_path / "data" / "results").glob("*.csv"))
    assert {path.name.split(".")[0] for path in tables} == set(ids)
    for path in tables:
        assert path.read_bytes() == (ROOT / "data" / "results" / path.name).read_bytes(), path.name
