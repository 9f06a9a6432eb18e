"""Experiments as furniture, files and verdicts: what holds for every one of them, found by its id."""

from __future__ import annotations

import dataclasses
import inspect
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
from PIL import Image

from rainforest_model import experiments, paper, plots, reproduce, resources, results
from rainforest_model.errors import InputError
from rainforest_model.experiments import common
from rainforest_model.results import Results
from rainforest_model.simulation import scenario

ROOT = Path(__file__).resolve().parents[1]
IDS = experiments.ids()
DRAWN = [id for id in IDS if hasattr(experiments.experiment(id), "figure")]
PRINTED = [id for id in IDS if id not in DRAWN]
PLOTTED = [id for id in DRAWN if not hasattr(experiments.experiment(id), "layout")]
"""Without the drawings, which have no axes; theirs is tests/test_drawings.py."""
QUICK = common.Options(jobs=2)


def saved(id: str, root: Path | None = None) -> Results:
    """The results of an experiment, which must be there."""
    found = results.load(id, "quick", root)
    assert found is not None
    return found


@pytest.fixture
def copy(tmp_path):
    """A root that holds copies of the committed results."""
    shutil.copytree(ROOT / "data" / "results", tmp_path / "data" / "results")
    return tmp_path


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- one id, and everything that it names -----------------------------------------------------------------


def test_there_are_experiments_tables_first():
    assert IDS
    assert sorted(set(IDS), key=lambda id: (not id.startswith("tab"), id)) == IDS


def test_every_module_of_an_experiment_is_found():
    here = Path(experiments.__file__).parent
    assert {path.stem for path in here.glob("*.py") if re.match(r"(fig|tab|sec)\d", path.stem)} == set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_an_id_names_module_notebook_results_figure_and_argument(id):
    assert id in [item.id for item in paper.contents()]
    assert experiments.experiment(id).__name__ == f"rainforest_model.experiments.{id}"
    assert (ROOT / "notebooks" / f"{id}.ipynb").is_file()
    provenance = json.loads((ROOT / "data" / "results" / f"{id}.json").read_text())
    assert (provenance["id"], provenance["quality"], provenance["seed"]) == (id, "quick", 1)
    tables = {path.name for path in (ROOT / "data" / "results").glob(f"{id}.*.csv")}
    assert tables == {f"{id}.{name}.csv" for name in provenance["tables"]}
    kinds = ("png", "svg", "json") if id in DRAWN else ("md",)
    drawn = {path.name for path in (ROOT / "figures").glob(f"{id}.*")}
    assert drawn == {f"{id}.{kind}" for kind in kinds}
    assert reproduce.chosen([id]) == [id]
    short = id.split("_")[0]
    if [other.split("_")[0] for other in IDS].count(short) == 1:
        assert reproduce.chosen([short]) == [id]


def test_nothing_is_committed_for_experiments_that_are_not_there():
    for folder in ("figures", "data/results"):
        named = {path.name.split(".")[0] for path in (ROOT / folder).iterdir() if path.is_file()}
        assert {name for name in named if re.match(r"(fig|tab|sec)\d", name)} == set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_a_module_has_the_furniture_in_its_order(id):
    module = experiments.experiment(id)
    assert len(inspect.getdoc(module)) > 200
    assert experiments.summary(id).endswith(".")
    assert module.TITLE
    assert not module.TITLE.endswith(".")
    rooms = ["describe", "run", *(["figure", "describe_figure"] if id in DRAWN else ["text"]), "verdicts"]
    places = [inspect.getsourcelines(getattr(module, room))[1] for room in rooms]
    assert places == sorted(places)
    assert all(getattr(module, room).__doc__ for room in rooms)
    for room in ("describe", "run"):
        assert list(inspect.signature(getattr(module, room)).parameters) == ["options"]
    for room in rooms[2:]:
        assert list(inspect.signature(getattr(module, room)).parameters) == ["results"]


def test_an_unknown_experiment_is_told_with_the_known_ones():
    with pytest.raises(InputError, match="no such experiment; known: tab01") as caught:
        experiments.experiment("fig99_nothing")
    assert (caught.value.key, caught.value.value) == ("id", "fig99_nothing")


def test_an_experiment_of_the_paper_that_is_not_modelled_is_told_so():
    missing = [item.id for item in paper.contents() if item.id not in IDS]
    for id in missing:
        with pytest.raises(InputError, match="in the paper but not modelled yet"):
            experiments.experiment(id)


def test_choosing():
    assert reproduce.chosen([]) == IDS
    assert reproduce.chosen(["tab03", IDS[0], "tab03_effort"]) == ["tab03_effort", IDS[0]]
    with pytest.raises(InputError, match="fits several experiments") as caught:
        reproduce.chosen(["tab"])
    assert caught.value.value == "tab"
    with pytest.raises(InputError, match="no such experiment"):
        reproduce.chosen(["tab01_shared_states"])


# --- verdicts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS)
def test_verdicts_come_from_saved_results_without_a_run(id, monkeypatch):
    monkeypatch.setattr(experiments.experiment(id), "run", lambda options: pytest.fail("was run"))
    for module in (common, experiments.experiment(id)):
        if hasattr(module, "simulate"):
            monkeypatch.setattr(module, "simulate", lambda *a, **k: pytest.fail("was simulated"))
    verdicts = experiments.experiment(id).verdicts(saved(id))
    assert verdicts
    assert {verdict.artefact for verdict in verdicts} == {id}
    assert len({verdict.id for verdict in verdicts}) == len(verdicts)


def test_every_claim_has_one_verdict_and_every_judgement_is_in_the_score():
    rows = {row.id: row for row in reproduce.verdicts()}
    assert list(rows) == [claim.id for claim in paper.claims()]
    for id in IDS:
        for verdict in experiments.experiment(id).verdicts(saved(id)):
            assert rows[verdict.id] == verdict
    assert {row.artefact for row in rows.values() if row.verdict != "not modelled"} <= set(IDS)


def test_without_results_nothing_is_judged(tmp_path):
    assert {row.verdict for row in reproduce.verdicts("quick", tmp_path)} == {"not modelled"}


def test_a_verdict_follows_the_numbers():
    found = saved("tab02_hardware")
    table = found.frames["table"].copy()
    table.loc[(table.machine == "S-A") & (table.property == "sockets"), "value"] = "3"
    changed = dataclasses.replace(found, frames={"table": table})
    verdicts = {verdict.id: verdict for verdict in experiments.experiment("tab02_hardware").verdicts(changed)}
    assert (verdicts["T2a.sockets"].verdict, verdicts["T2a.sockets"].model) == ("misses", 3)
    assert verdicts["T2b.sockets"].verdict == "holds"


def test_reversed_latencies_turn_an_ordering_over():
    found = saved("fig03a_mmap")
    table = found.frames["statistics"].copy()
    table["value_us"] = 1e6 / table["value_us"]
    changed = dataclasses.replace(found, frames={**found.frames, "statistics": table})
    verdicts = {verdict.id: verdict for verdict in experiments.experiment("fig03a_mmap").verdicts(changed)}
    assert (verdicts["F3a2"].model, verdicts["F3a2"].verdict) == (0, "misses")


# --- orderings --------------------------------------------------------------------------------------------


def replicated(**values) -> common.Replicated:
    rows = [(name, i, "p99", value) for name, all in values.items() for i, value in enumerate(all)]
    return common.Replicated(pd.DataFrame(rows, columns=["x", "replication", "statistic", "value_us"]), ["x"])


def test_an_ordering_holds_in_each_replication_or_not():
    r = replicated(a=[1, 1, 1, 5], b=[2, 2, 2, 2], c=[3, 3, 1, 3])
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 0.75
    assert r.holds((("b", "p99"), ("c", "p99"))).value == 0.75
    both = r.holds((("a", "p99"), ("b", "p99")), (("b", "p99"), ("c", "p99")))
    assert (both.value, both.n) == (0.5, 4)
    assert r.holds((("b", "p99"), ("a", "p99"))).value == 0.25


def test_equal_is_not_below():
    r = replicated(a=[2, 2], b=[2, 2])
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 0


def test_an_ordering_pairs_replications_by_their_number():
    rows = [("a", 1, "p99", 9.0), ("b", 0, "p99", 2.0), ("a", 0, "p99", 1.0), ("b", 1, "p99", 10.0)]
    frame = pd.DataFrame(rows, columns=["x", "replication", "statistic", "value_us"])
    r = common.Replicated(frame, ["x"])
    assert r.values("a", "p99").tolist() == [1, 9]
    assert r.holds((("a", "p99"), ("b", "p99"))).value == 1


def test_an_ordering_counts_only_replications_that_all_have():
    r = replicated(a=[1, 1, 1], b=[2, 2, 0, 0, 0])
    found = r.holds((("a", "p99"), ("b", "p99")))
    assert (found.n, found.value) == (3, pytest.approx(2 / 3))


def test_an_estimate_is_over_replications():
    e = replicated(a=[1, 2, 3]).estimate("a", "p99")
    assert (e.value, e.n) == (2, 3)
    assert e.low < 1 < 3 < e.high


# --- figures and captions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("id", IDS)
def test_drawing_twice_gives_the_same_bytes(id, tmp_path):
    first = {path.name: path.read_bytes() for path in reproduce.draw(saved(id), tmp_path / "first")}
    second = {path.name: path.read_bytes() for path in reproduce.draw(saved(id), tmp_path / "second")}
    assert first
    assert first == second


@pytest.mark.parametrize("id", IDS)
def test_what_is_committed_was_drawn_from_the_committed_results(id, tmp_path):
    """The text is compared; pictures depend on the release of Matplotlib."""
    for path in reproduce.draw(saved(id), tmp_path):
        if path.suffix in (".json", ".md"):
            assert (ROOT / "figures" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("id", PLOTTED)
def test_a_caption_has_its_numbers_from_the_results(id):
    found = saved(id)
    describe = experiments.experiment(id).describe_figure
    caption = describe(found)
    table = found.frames["statistics"].copy()
    table[table.columns[-1]] *= 1.7
    slower = dataclasses.replace(found, frames={**found.frames, "statistics": table})
    assert len(caption) > 100
    assert numbers(describe(slower)) != numbers(caption)
    assert re.sub(r"[\d.]+", "", describe(slower)) == re.sub(r"[\d.]+", "", caption)
    others = dataclasses.replace(found, seed=77, notes={**found.notes, "duration": "3 h", "samples": 12_345})
    assert {"77", "3", "12,345"} <= set(numbers(describe(others)))


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", text)


@pytest.mark.parametrize("id", PRINTED)
def test_a_tables_text_has_its_cells_from_the_results(id):
    found = saved(id)
    table = found.frames["table"]
    cell = table.columns[-1] if id != "tab01_shared_state" else "structure"
    changed = table.astype({cell: object})
    changed.loc[0, cell] = 424242 if table[cell].dtype.kind == "i" else "424242"
    text = experiments.experiment(id).text
    assert "424242" not in text(found)
    assert "424242" in text(dataclasses.replace(found, frames={"table": changed}))


UNIT = re.compile(
    r"\((us|ms|min|%|Gb/s|times)\)$|(requests|gets) a second$|beside / tail alone$|background, by its number$"
)


@pytest.mark.parametrize("id", PLOTTED)
def test_axes_name_what_they_show_with_its_unit(id):
    figure = experiments.experiment(id).figure(saved(id))
    assert figure.axes[0].get_ylabel()
    for ax in figure.axes:
        # Panels that share an axis are labelled once: on the left, and below.
        group = {ax, *ax.get_shared_x_axes().get_siblings(ax), *ax.get_shared_y_axes().get_siblings(ax)}
        labels = [label for other in group for label in (other.get_xlabel(), other.get_ylabel()) if label]
        assert len(figure.axes) == 1 or ax.get_title() or ax.get_ylabel()
        assert any(UNIT.search(label) for label in labels), labels
    if "curves" in saved(id).frames:
        assert all(ax.get_xlabel().endswith("(us)") for ax in figure.axes)
        assert all(ax.get_title() for ax in figure.axes)


def test_the_bars_of_the_causes_are_the_causes():
    module, found = experiments.experiment("fig06_microbenchmarks"), saved("fig06_microbenchmarks")
    figure, table = module.figure_causes(found), module.causes(found)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(table.saved_us.tolist())
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"{row.program}: {row.cause}" for row in table.itertuples()]
    assert "(us" in axes.get_xlabel()
    assert plots.encode(figure, "png") == plots.encode(module.figure_causes(found), "png")


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


@pytest.mark.parametrize("id", DRAWN)
def test_a_figures_file_names_the_tables_it_was_made_from(id):
    """A picture that was passed on alone still tells where it comes from."""
    origin = results.origin(saved(id))
    tables = json.loads((ROOT / "data" / "results" / f"{id}.json").read_text())["tables"]
    assert tables
    assert all(digest in origin for digest in tables.values())
    with Image.open(ROOT / "figures" / f"{id}.png") as picture:
        assert picture.text["Description"] == origin
    assert origin in (ROOT / "figures" / f"{id}.svg").read_text(encoding="utf-8")


# --- runs -------------------------------------------------------------------------------------------------


def a_few() -> dict:
    return {
        (system, processes): scenario("S-A", system, "mmap", cores=4, processes=processes, duration="2 ms")
        for system in ("linux-2.6.32", "linux-4.9.40") for processes in (1, 3)
    }


def test_runs_do_not_depend_on_how_many_run_at_a_time():
    columns = ["system", "processes"]
    tables = []
    for jobs in (1, 2):
        runs = common.run_all(a_few(), common.Options(jobs=jobs))
        tables.append((common.statistics(runs, columns), common.curves(runs, columns), list(runs)))
    pd.testing.assert_frame_equal(tables[0][0], tables[1][0], check_exact=True)
    pd.testing.assert_frame_equal(tables[0][1], tables[1][1], check_exact=True)
    assert tables[0][2] == tables[1][2] == list(a_few())


def test_a_scenario_runs_as_if_it_were_alone():
    together = common.run_all(a_few(), QUICK)
    key = ("linux-4.9.40", 3)
    alone = common.run_all({key: a_few()[key]}, QUICK)
    np.testing.assert_array_equal(together[key].counts(), alone[key].counts())


def test_progress_counts_every_replication_and_ends_complete():
    told = []
    options = common.Options(jobs=2, progress=lambda done, expected: told.append((done, expected)))
    runs = common.run_all(a_few(), options)
    total = sum(len(run.outcomes) for run in runs.values())
    assert told[-1] == (total, total)
    assert sorted(done for done, _ in told[:-1]) == list(range(1, total + 1))


def test_a_full_run_is_longer_than_a_quick_one():
    quick, full = common.Options(), common.Options(quality="full")
    assert full.precision.minimum > quick.precision.minimum
    assert full.precision.cap > quick.precision.cap
    assert (quick.span("1 ms", "2 ms"), full.span("1 ms", "2 ms")) == ("1 ms", "2 ms")


def test_curves_are_thinned_but_keep_their_ends_and_their_tail():
    runs = common.run_all(a_few(), QUICK)
    table = common.curves(runs, ["system", "processes"])
    for key, run in runs.items():
        here = table[(table.system == key[0]) & (table.processes == key[1])]
        latency, probability = run.cdf()
        assert len(here) <= common.CURVE_POINTS + 1
        assert here.latency_us.is_monotonic_increasing
        assert (here.latency_us.iloc[-1], here.probability.iloc[-1]) == (latency[-1], 1)
        for p in (0.5, 0.9, 0.99):
            shown = here.latency_us[here.probability >= p].iloc[0]
            assert shown == pytest.approx(latency[np.argmax(probability >= p)], rel=0.05)


# --- mechanism does not know the paper --------------------------------------------------------------------

MECHANISM = ["engine", "agents", "workloads", "descriptions", "lowering.py"]
DATA = ["machines", "systems"]


def test_no_mechanism_and_no_data_names_an_experiment_or_a_claim():
    names = [*(claim.id for claim in paper.claims()), *(item.id for item in paper.contents()), *IDS]
    any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.])({any_name})(?!\w)")
    places = [Path(experiments.__file__).parents[1] / name for name in MECHANISM]
    places += [resources.data_path(name) for name in DATA]
    sources = [path for place in places for path in ([place] if place.is_file() else place.rglob("*.*"))]
    sources = [path for path in sources if path.suffix in (".py", ".toml")]
    assert len(sources) > 30
    found = []
    for path in sources:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line) and not re.search(r"\bfitted_to\b", line):
                found.append(f"{path.name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
