"""The committed results, for tests of several files."""

from __future__ import annotations

from pathlib import Path

from rainforest_model import experiments, results
from rainforest_model.experiments import common
from rainforest_model.results import Results

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


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
