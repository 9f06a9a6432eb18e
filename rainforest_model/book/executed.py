"""Notebooks with their outputs, kept by what they came from, so that a run that was killed goes on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from functools import cached_property
from pathlib import Path

from ..course.predictions import PRINTED
from ..errors import InputError
from ..resources import data_path
from ..results import write_whole
from ..run_store import hash_of

TIMEOUT_S = 3600
"""Seconds that a cell may take: the replays of six systems are half an hour of traffic each."""
_PACKAGE = Path(__file__).resolve().parents[1]


class _PlainLoop(asyncio.SelectorEventLoop):
    """An event loop that leaves Ctrl-C to Python.

    The client's own handler shuts the kernel down beneath a run that goes on, which ends in a heap of tracebacks; an
    interrupt that cancels the run has the kernel end in order.
    """

    def add_signal_handler(self, *_):
        raise RuntimeError("signals are left to Python")  # which the client takes for a loop of another thread


async def _run(client, environment: dict[str, str]) -> None:
    """Run a client's notebook; a run that is cancelled ends as such, while the client says that the kernel died."""
    from nbclient.exceptions import DeadKernelError

    try:
        await client.async_execute(env=environment)
    except DeadKernelError:
        if asyncio.current_task().cancelling():
            raise asyncio.CancelledError from None
        raise


class Executed:
    """Executed copies of notebooks in a folder.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    quality : {"quick", "full"}
        What a notebook's cell of parameters gets for ``quality``.
    """

    def __init__(self, folder: Path, quality: str = "quick"):
        self.folder, self.quality = folder, quality

    @cached_property
    def _origin(self) -> str:
        """Hash of the package, but for this book, and of all data: what a notebook's outputs may depend on."""
        own = Path(__file__).resolve().parent
        modules = [path for path in sorted(_PACKAGE.rglob("*")) if path.suffix in (".py", ".mplstyle", ".js", ".css")]
        data = [path for path in sorted(data_path().rglob("*")) if path.suffix in (".toml", ".csv", ".json")]
        return hash_of([*(path for path in modules if own not in path.parents), *data])

    def _stem(self, path: Path) -> str:
        """What is before the key in the name of a copy: no two notebooks of a name in different folders collide."""
        return f"{path.parent.name}-{path.stem}-{self.quality}"

    def place(self, path: Path) -> Path:
        """Where the executed copy of a notebook is, or would be."""
        told = b"\0".join([self._origin.encode(), self.quality.encode(), path.read_bytes()])
        return self.folder / f"{self._stem(path)}-{hashlib.sha256(told).hexdigest()[:16]}.ipynb"

    def kept(self, path: Path):
        """The executed copy of a notebook, or None where there is none.

        Returns
        -------
        nbformat.NotebookNode or None
        """
        import nbformat

        place = self.place(path)
        return nbformat.read(place, as_version=4) if place.is_file() else None

    def execute(self, path: Path):
        """Run a notebook in an empty folder, keep its copy, and return it; older copies of it go.

        Returns
        -------
        nbformat.NotebookNode

        Raises
        ------
        InputError
            If a cell fails.
        KeyboardInterrupt
            If it is interrupted; its kernel has ended then.
        """
        import nbformat
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        from .client import Client

        notebook = with_quality(nbformat.read(path, as_version=4), self.quality)
        with tempfile.TemporaryDirectory(prefix="rainforest-book-") as scratch:
            work = Path(scratch, "work")
            work.mkdir()
            search = [str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
            own = {
                "PYTHONPATH": os.pathsep.join(search), "IPYTHONDIR": str(Path(scratch, "ipython")), PRINTED: "1",
            }
            client = Client(
                notebook, timeout=TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": str(work)}},
                shutdown_kernel="immediate",
            )
            try:
                with asyncio.Runner(loop_factory=_PlainLoop) as runner:
                    runner.run(_run(client, {**os.environ, **own}))
            except CellExecutionError as error:
                raise InputError(f"a cell fails: {error.ename}: {error.evalue}", file=path) from error
            except (CellTimeoutError, DeadKernelError) as error:
                raise InputError(f"a cell does not end: {str(error).splitlines()[0]}", file=path) from error
        place = self.place(path)
        write_whole(place, nbformat.writes(notebook).encode())
        for older in self.folder.glob(f"{self._stem(path)}-*.ipynb"):
            if older != place:
                older.unlink(missing_ok=True)
        return notebook


def with_quality(notebook, quality: str):
    """The same notebook, with another value for ``quality`` in the cell that is tagged ``parameters``, if it has one.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        It is changed.
    quality : {"quick", "full"}
    """
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(r'^quality = "\w+"', f'quality = "{quality}"', cell.source, flags=re.MULTILINE)
    return notebook
