"""Figures, tables and captions: drawn from saved results alone, and naming what they show."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from experiment_results import DRAWN, IDS, PLOTTED, PRINTED, ROOT, saved
from PIL import Image

from rainforest_model import experiments, plots, reproduce, results


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
