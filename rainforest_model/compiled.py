"""The one decorator of compiled functions, with a cache that cannot serve stale code.

Numba's cache does not see a change in another module.  So the cache lies in a folder that is named by a
hash of all sources that are compiled, and a changed source starts an empty one.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import lru_cache
from pathlib import Path

import numba
from platformdirs import user_cache_path

_PACKAGE = Path(__file__).resolve().parent


def compiled_sources() -> list[Path]:
    """The files whose text is compiled."""
    single = [_PACKAGE / name for name in ("compiled.py", "draws.py", "histogram.py", "opcodes.py")]
    return [*single, *sorted((_PACKAGE / "engine").glob("*.py"))]


def sources_hash(sources: list[Path] | None = None) -> str:
    """Hash of the compiled sources and of Numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sources or compiled_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def cache_folder() -> Path:
    """A writable folder for this version of the sources; a temporary one where the user's is not writable."""
    name = sources_hash()
    for root in (user_cache_path("rainforest-model"), Path(tempfile.gettempdir()) / "rainforest-model"):
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="rainforest-"))


def is_cold() -> bool:
    """Whether the next run has to compile."""
    return not any(cache_folder().rglob("*.nbc"))


def compiled(function):
    """Compile with Numba: released from Python's lock, cached under the sources' hash.

    No compiled function allocates, so reference counts are left out (``_nrt``): counting them, with an
    atomic operation for each array and call, took more than half of the engine's time.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(nogil=True, cache=True, _nrt=False)(function)
    finally:
        numba.config.CACHE_DIR = before
