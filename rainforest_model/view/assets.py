"""The files that a browser gets: scripts, style and page, as they lie in the package."""

from __future__ import annotations

from importlib import resources

ASSETS = {
    "page.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "machine_view.js": "text/javascript",
}
"""What a server offers, with its type; all of it is UTF-8."""


def asset(name: str) -> str:
    """The text of one of the files.

    Parameters
    ----------
    name : str
        Its name, such as ``machine_view.js``.

    Examples
    --------
    >>> asset("page.html").splitlines()[0]
    '<!DOCTYPE html>'
    """
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
