"""An experiment's numbers on disk: CSV tables and their provenance, each file whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError
from .resources import data_path, output_root

if TYPE_CHECKING:
    import pandas as pd

QUALITIES = ("quick", "full")
_LIBRARIES = ("numpy", "numba", "scipy", "pandas", "mesa")


@dataclass(frozen=True)
class Results:
    """The numbers of one experiment, final before anything is drawn or judged.

    Attributes
    ----------
    id : str
        The experiment.
    quality : {"quick", "full"}
    seed : int
    frames : dict of str to DataFrame
        Tidy tables by name.
    notes : dict
        What a caption needs beside them: replications, durations, why they stopped.
    """

    id: str
    quality: str
    seed: int
    frames: dict[str, pd.DataFrame]
    notes: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {frame.shape[0]} rows" for name, frame in self.frames.items())
        return f"<Results {self.id} ({self.quality}, seed {self.seed}): {shapes or 'no tables'}>"


def folder(quality: str, root: Path | None = None) -> Path:
    """Where results of a quality are kept: quick ones are the committed ones.

    Parameters
    ----------
    quality : {"quick", "full"}
    root : Path, optional
        Instead of the clone's root or the current folder.
    """
    base = (root or output_root()) / "data" / "results"
    return base if quality == "quick" else base / quality


def figures_folder(quality: str, root: Path | None = None) -> Path:
    """Where figures of a quality are kept."""
    base = (root or output_root()) / "figures"
    return base if quality == "quick" else base / quality


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)  # noqa: PTH101 - tests interrupt it
        os.replace(name, path)  # noqa: PTH105 - likewise
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, float_format="%.7g", lineterminator="\n").encode()


def write_asked(path: Path, content: pd.DataFrame | bytes) -> None:
    """Write what a user wants at a place of their own: a table as CSV, or bytes.

    Raises
    ------
    InputError
        If it cannot be written there.
    """
    try:
        write_whole(path, content if isinstance(content, bytes) else _csv(content))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=path) from None


def data_hash() -> str:
    """Hash of all described data, so that a result tells which descriptions it came from."""
    digest = hashlib.sha256()
    for path in sorted(data_path().rglob("*.toml")):
        if "results" not in path.parts:
            digest.update(path.relative_to(data_path()).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def save(results: Results, root: Path | None = None) -> list[Path]:
    """Write the tables, then their provenance, which makes them valid.

    Returns
    -------
    list of Path
        The files written.
    """
    from .compiled import sources_hash

    target, paths, hashes = folder(results.quality, root), [], {}
    for name, frame in results.frames.items():
        content = _csv(frame)
        path = target / f"{results.id}.{name}.csv"
        write_whole(path, content)
        paths.append(path)
        hashes[name] = _hash(content)
    provenance = {
        "id": results.id, "quality": results.quality, "seed": results.seed, "tables": hashes, "notes": results.notes,
        "descriptions": data_hash(), "engine": sources_hash(), "python": ".".join(platform.python_version_tuple()[:2]),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    path = target / f"{results.id}.json"
    write_whole(path, (json.dumps(provenance, indent=1, sort_keys=True) + "\n").encode())
    return [*paths, path]


def origin(saved: Results) -> str:
    """One line that names results: experiment, quality, seed, and the hashes of the tables."""
    hashes = ", ".join(f"{name} {_hash(_csv(frame))}" for name, frame in saved.frames.items())
    return f"{saved.id}, {saved.quality} quality, seed {saved.seed}; tables of {saved.id}.json: {hashes}"


def load(id: str, quality: str = "quick", root: Path | None = None) -> Results | None:
    """The saved results of an experiment, or None if there are none.

    Raises
    ------
    InputError
        If a table is missing or is not the one of the provenance.
    """
    import pandas as pd

    source = folder(quality, root)
    path = source / f"{id}.json"
    if not path.is_file():
        return None
    try:
        provenance = json.loads(path.read_text())
        tables, notes, seed = provenance["tables"], provenance["notes"], provenance["seed"]
    except (ValueError, KeyError, TypeError):
        raise InputError("is no provenance of results; reproduce the experiment again", file=path) from None
    frames = {}
    for name, expected in tables.items():
        table = source / f"{id}.{name}.csv"
        if not table.is_file() or _hash(table.read_bytes()) != expected:
            raise InputError(f"is not the table that {path.name} describes; reproduce the experiment again", file=table)
        frames[name] = pd.read_csv(table, keep_default_na=False)
    return Results(id, quality, seed, frames, notes)


def differences(old: Results, new: Results, tolerance: float = 1e-6) -> list[str]:
    """Where two results differ by more than a relative tolerance; one line each, empty if nowhere."""
    import numpy as np

    found = []
    for name in sorted({*old.frames, *new.frames}):
        if name not in old.frames or name not in new.frames:
            found.append(f"{name}: only in the {'new' if name in new.frames else 'committed'} results")
            continue
        a, b = old.frames[name], new.frames[name]
        if list(a.columns) != list(b.columns) or len(a) != len(b):
            found.append(f"{name}: {len(a)} rows of {list(a.columns)} against {len(b)} of {list(b.columns)}")
            continue
        for column in a.columns:
            x, y = a[column], b[column]
            if x.dtype.kind in "if" and y.dtype.kind in "if":
                off = ~np.isclose(x, y, rtol=tolerance, atol=0, equal_nan=True)
            else:
                off = (x.astype(str) != y.astype(str)).to_numpy()
            if off.any():
                row = int(np.argmax(off))
                found.append(f"{name}.{column}: {off.sum()} of {len(a)} rows, e.g. row {row}: {x[row]} -> {y[row]}")
    return found
