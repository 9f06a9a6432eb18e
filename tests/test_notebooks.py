"""Every notebook runs from top to bottom as it is committed, in an empty folder, and leaves no files."""

from __future__ import annotations

import asyncio
import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

import rainforest_model
from rainforest_model import experiments, gallery, paper, resources, results
from rainforest_model.book.client import Client

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(path for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
OF_EXPERIMENTS = [FOLDER / f"{id}.ipynb" for id in experiments.ids()]
LESSONS = sorted((FOLDER / "learn").glob("0[1-8]_*.ipynb"))
BESIDE = [FOLDER / "causes.ipynb", FOLDER / "scoreboard.ipynb", FOLDER / "sensitivity.ipynb"]
"""Notebooks of no figure or table."""
TIMEOUT = 900
"""Seconds a cell may take: the replays of six systems are half an hour of traffic each."""


def name(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook) -> list:
    """All outputs, those inside widgets included."""
    found = [output for cell in code(notebook) for output in cell.outputs]
    widgets = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    for widget in widgets.get("state", {}).values():
        found += widget["state"].get("outputs", [])
    return found


def tree(*folders: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of every file."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def run(path: Path, folder: Path):
    """The notebook with its outputs, executed in a folder by a kernel that has the package under test."""
    notebook = nbformat.read(path, as_version=4)
    package = Path(rainforest_model.__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(package), "IPYTHONDIR": str(folder.parent / "ipython")}
    client = Client(
        notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with asyncio.Runner() as runner:  # `execute` would leave the event loop of its thread open
        runner.run(client.async_execute(env=environment))
    return notebook


# --- as they are committed --------------------------------------------------------------------------------


def test_every_experiment_has_its_notebook_and_every_notebook_its_experiment():
    assert [path for path in NOTEBOOKS if path.parent == FOLDER] == sorted(OF_EXPERIMENTS + BESIDE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_starts_with_a_heading_and_has_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"  # else JupyterLab asks before "Run All"
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert not [cell.id for cell in code(notebook) if cell.outputs or cell.execution_count is not None]


@pytest.mark.parametrize("path", OF_EXPERIMENTS, ids=name)
def test_an_experiments_notebook_is_thin(path):
    notebook = nbformat.read(path, as_version=4)
    assert 6 <= len(notebook.cells) <= 10
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = {}
    exec(tagged[0].source, values)
    assert (values["quality"], values["seed"]) == ("quick", 1)
    item = next(item for item in paper.contents() if item.id == path.stem)
    assert notebook.cells[0].source.startswith(f"# {item.name}: ")


# --- executed ---------------------------------------------------------------------------------------------


KEPT = [ROOT / "figures", ROOT / "notebooks", resources.data_path()]
SHARING = [FOLDER / f"{id}.ipynb" for id in ("fig11_cores_timeline", "tab05_consolidation")]
"""They show the replays of Figure 10, which are kept as they end; so they come last."""
RUN = sorted(set(NOTEBOOKS) - set(LESSONS), key=lambda path: (path in SHARING, path))
"""Lessons are run with their answers in test_course.py."""


@pytest.fixture(scope="session")
def running(request, tmp_path_factory):
    """All notebooks that are asked for, two at a time, since each begins and ends on one core: folder, and notebook."""
    before, wanted = tree(*KEPT), {item.callspec.params.get("path") for item in request.session.items
                                   if getattr(item, "originalname", "") == "test_a_notebook_runs"}
    with ThreadPoolExecutor(2) as pool:
        found = {}
        for path in (path for path in RUN if path in wanted):
            here = tmp_path_factory.mktemp(path.stem) / "empty"
            here.mkdir()
            found[path] = here, pool.submit(run, path, here)
        yield before, found
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", RUN, ids=name)
def test_a_notebook_runs(path, running):
    before, found = running
    here, executed = found[path]
    notebook = executed.result()
    shown = outputs(notebook)
    assert not [output for output in shown if output.output_type == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert all(cell.execution_count for cell in code(notebook))
    assert not list(here.iterdir()), "the notebook leaves files"
    assert tree(*KEPT) == before, "a notebook changes committed files"
    if path in OF_EXPERIMENTS:
        check_experiment(path.stem, notebook, shown)
    if path.stem == "live_view":
        check_live_view(notebook, shown)


def check_live_view(notebook, shown: list) -> None:
    """It moves without a kernel, and its player has simulated what the slider says."""
    (page,) = [text for output in shown if "<script" in (text := output.get("data", {}).get("text/html", ""))]
    assert page.count("data:image/png;base64,") >= 12
    assert "http" not in page  # nothing is loaded from elsewhere
    widgets = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    (words,) = [widget["state"]["value"] for widget in widgets if widget["model_name"] == "HTMLModel"]
    assert words.startswith("Up to 20 s search has ")


def check_experiment(id: str, notebook, shown: list) -> None:
    """It shows the figure or table, the claims and the verdicts."""
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    if hasattr(experiments.experiment(id), "figure"):
        assert pictures
    for output in pictures:
        picture = output["data"]["image/png"]
        assert base64.b64decode(picture).startswith(b"\x89PNG")
        assert len(output["metadata"]["image/png"]["alt"]) > 20
    texts = [str(output.get("data", {}).get("text/markdown", output.get("text", ""))) for output in shown]
    text = "\n".join(texts)
    for claim in paper.claims():
        if claim.artefact == id:
            assert f"**{claim.id}**" in text
    assert " claims: " in text
    committed = paper.verdict_table(experiments.experiment(id).verdicts(results.load(id)))
    assert committed in text, "the committed results do not follow from the code"
    widgets = [cell for cell in code(notebook) if "interact(" in cell.source]
    assert len(widgets) == (1 if hasattr(experiments.experiment(id), "figure") else 0)


# --- the gallery ------------------------------------------------------------------------------------------


def test_the_gallery_is_the_generated_one():
    committed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert committed == gallery.markdown(), "run python -m rainforest_model.gallery"


def test_the_gallery_has_everything_and_links_only_to_what_is_there():
    page = gallery.markdown()
    modelled = experiments.ids()
    for item in paper.contents():
        assert item.title in page
        assert (f"({item.id}.ipynb)" in page) == (item.id in modelled)
        assert (f"| {item.id} |" in page) == (item.id not in modelled)
    assert all(f"({path.name})" in page for path in BESIDE)
    targets = [part.split(")")[0] for part in page.split("](")[1:]]
    assert targets
    assert not [target for target in targets if not (FOLDER / target).is_file()]


def test_the_gallery_has_the_notebooks_beside_the_figures():
    page = gallery.markdown()
    for path in NOTEBOOKS:
        if path not in OF_EXPERIMENTS + BESIDE:
            heading = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
            assert f"- [{heading.removeprefix('# ')}]({path.relative_to(FOLDER).as_posix()})" in page


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.parent.name == "elastic"], ids=name)
def test_a_notebook_on_elastic_instances_has_parameters_and_ends_with_exercises(path):
    notebook = nbformat.read(path, as_version=4)
    (tagged,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    values = {}
    exec(tagged.source, values)
    assert set(values) - {"__builtins__"} <= {"system", "seconds", "seed", "replications", "threads"}
    assert "## Try it" in notebook.cells[-1].source


def test_the_gallery_says_where_results_are_missing(tmp_path):
    page = gallery.markdown("quick", tmp_path)
    assert page.count("No results yet: `rainforest reproduce ") == len(experiments.ids())
    assert "../figures" not in page


def test_the_gallery_of_another_quality_shows_its_figures(tmp_path):

    saved = results.load("fig03a_mmap")
    results.save(results.Results(saved.id, "full", saved.seed, saved.frames, saved.notes), tmp_path)
    assert "](../figures/full/fig03a_mmap.png)" in gallery.markdown("full", tmp_path)


def test_the_gallery_is_written_whole(tmp_path):
    path = gallery.write("quick", tmp_path)
    assert path == tmp_path / "notebooks" / "README.md"
    assert path.read_text() == gallery.markdown("quick", tmp_path)
    assert list(path.parent.iterdir()) == [path]
