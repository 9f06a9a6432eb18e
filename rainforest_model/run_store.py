"""Runs that have finished, kept on disk by what they came from, so that a killed or repeated command goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path

from .resources import data_path
from .results import write_whole

_PACKAGE = Path(__file__).resolve().parent
_DECIDING = (
    "agents", "descriptions", "engine", "lowering", "supervision", "workloads",
    "compiled.py", "draws.py", "histogram.py", "memory.py", "opcodes.py", "simulation.py", "tables.py", "units.py",
)
"""Sources on which a run's numbers depend."""
MOST = 2000
"""Runs that are kept, the newest ones."""


def sources() -> list[Path]:
    """The modules on whose text a run's numbers depend."""
    return [path for name in _DECIDING for path in sorted(_PACKAGE.glob(name if "." in name else f"{name}/*.py"))]


def hash_of(paths: Iterable[Path]) -> str:
    """Hash of the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def origin() -> str:
    """Hash of all sources and described data that a run may depend on."""
    described = [path for path in sorted(data_path().rglob("*")) if path.suffix in (".toml", ".csv")]
    return hash_of([*sources(), *(path for path in described if "results" not in path.parts)])


class RunStore:
    """JSON values by what they came from.

    Parameters
    ----------
    name : str
        Of the kind of run; a folder of the user's cache.
    root : Path, optional
        Instead of the user's cache.

    Examples
    --------
    >>> import tempfile
    >>> store = RunStore("examples", Path(tempfile.mkdtemp()))
    >>> store.get({"seed": 1}) is None
    True
    >>> store.put({"seed": 1}, {"tail_ms": 120.5})
    >>> store.get({"seed": 1})
    {'tail_ms': 120.5}
    """

    def __init__(self, name: str, root: Path | None = None):
        self.folder = (root or user_cache_path("rainforest-model")) / name
        self._origin = origin()

    def _path(self, key: dict) -> Path:
        told = json.dumps({"origin": self._origin, **key}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"

    def get(self, key: dict):
        """The kept value, or None: also where a file is no JSON, as after a crash of the machine."""
        try:
            return json.loads(self._path(key).read_text())
        except (OSError, ValueError):
            return None

    def put(self, key: dict, value) -> None:
        """Keep a value; a disk that is full or not writable costs the keeping, not the run."""
        try:
            write_whole(self._path(key), json.dumps(value).encode())
            kept = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in kept[:-MOST]:
                path.unlink(missing_ok=True)
        except OSError:
            pass
