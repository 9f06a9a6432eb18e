"""Where the shipped data lies: inside the wheel, or beside the package in a clone."""

from __future__ import annotations

from pathlib import Path


def data_path(*parts: str) -> Path:
    """Path of a shipped data file or folder.

    Parameters
    ----------
    *parts : str
        Path below ``data/``.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> data_path("machines").name
    'machines'
    """
    package = Path(__file__).resolve().parent
    root = package / "data"
    if not root.is_dir():
        root = package.parent / "data"
    return root.joinpath(*parts)


def output_root() -> Path:
    """Folder under which ``figures/`` and ``data/results/`` are written.

    The root of the clone when the package runs from one, else the current folder.
    """
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()
