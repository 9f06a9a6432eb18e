"""Which pages the book has, in which order, and how they link to one another and to files of the project."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..errors import InputError

COURSE, PAPER = "The course", "The paper's figures and tables"
ELASTIC, MORE = "Elastic OS instances", "Gallery and reference"
_FOLDERS = {"learn": COURSE, "elastic": ELASTIC}
_REFERENCE = ("notebooks/README.md", "examples/README.md", "STRESS-DES.md", "CONTRIBUTING.md")
WIDEST = 700
"""How wide a picture is at most, in pixels."""
_PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def notebooks(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """The project's notebooks, all or those that are named.

    Parameters
    ----------
    root : Path
        Of the clone.
    names : sequence of str
        Below ``notebooks/`` and without ending, such as ``fig03a_mmap`` or ``learn/01_two_cores_and_a_lock``.

    Raises
    ------
    InputError
        If there is no such notebook, or none at all.
    """
    folder = root / "notebooks"
    hidden = re.compile(r"(^|/)\.")
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.ipynb"))}
    known = {name: path for name, path in found.items() if not hidden.search(name)}
    if not known:
        raise InputError("the book is made in a clone of the project, and here are no notebooks", file=folder)
    for name in names:
        if name not in known:
            raise InputError("there is no such notebook; names are as in notebooks/, without .ipynb", key=name)
    return [path for name, path in known.items() if not names or name in names]


def chapters(root: Path, chosen: Iterable[Path], order: Sequence[str]) -> dict[str, list[str]]:
    """Pages by chapter, in the order of reading; the page before them all is ``README.md``.

    Markdown beside notebooks, such as a glossary, comes after those of its folder.

    Parameters
    ----------
    root : Path
        Of the clone.
    chosen : iterable of Path
        Notebooks.
    order : sequence of str
        Ids of figures and tables as the paper has them; notebooks of no id come after them.

    Returns
    -------
    dict of str to list of str
        Paths from the root.
    """
    found: dict[str, list[str]] = {COURSE: [], PAPER: [], ELASTIC: []}
    rank = {id: place for place, id in enumerate(order)}
    for path in sorted(chosen, key=lambda path: (rank.get(path.stem, len(rank)), path.name)):
        folder = path.parent.name
        chapter = PAPER if folder == "notebooks" else _FOLDERS.get(folder, folder.capitalize())
        found.setdefault(chapter, []).append(path.relative_to(root).as_posix())
    for path in sorted(root.glob("notebooks/*/*.md")):
        if path.parent.name in _FOLDERS and found[_FOLDERS[path.parent.name]]:
            found[_FOLDERS[path.parent.name]].append(path.relative_to(root).as_posix())
    found[MORE] = [name for name in _REFERENCE if (root / name).is_file()]
    return {chapter: pages for chapter, pages in found.items() if pages}


def page_of(name: str) -> str:
    """Where a file of the project is in the book's sources: the same place, but ``README.md`` is the first page.

    Examples
    --------
    >>> page_of("README.md"), page_of("notebooks/README.md")
    ('index.md', 'notebooks/README.md')
    """
    return "index.md" if name == "README.md" else name


def contents(chapters: dict[str, list[str]]) -> str:
    """The table of contents, for the end of the first page."""
    parts = []
    for chapter, pages in chapters.items():
        names = [PurePosixPath(page_of(page)).with_suffix("").as_posix() for page in pages]
        parts.append("\n".join(["```{toctree}", ":hidden:", f":caption: {chapter}", "", *names, "```"]))
    return "\n\n" + "\n\n".join(parts) + "\n"


def relinked(text: str, page: str, root: Path, left_out: Collection[str], linked: Callable[[str], None]) -> str:
    """Markdown whose relative links hold in the book.

    A link to a folder, to a notebook that is left out or to nothing becomes its text, since no page is there to go to.

    Parameters
    ----------
    text : str
    page : str
        The file that it is in, from the root.
    root : Path
        Of the clone.
    left_out : collection of str
        Notebooks that are not in the book, from the root.
    linked : callable
        Is told each file that is linked, from the root.
    """
    here = PurePosixPath(page).parent

    def one(link: re.Match) -> str:
        sign, words, target, anchor = link[1], link[2], link[3], link[4] or ""
        if re.match(r"[a-z]+:", target):
            return link[0]
        name = os.path.normpath(here / target).replace(os.sep, "/")
        if name.startswith("..") or name in left_out or not (root / name).is_file():
            return words
        linked(name)
        there = os.path.relpath(page_of(name), PurePosixPath(page_of(page)).parent).replace(os.sep, "/")
        return f"{sign}[{words}]({there}{anchor})"

    return _PICTURE.sub(lambda found: picture(found[2], found[1], WIDEST), _LINK.sub(one, text))


def picture(path: str, told: str, width: int) -> str:
    """A picture in MyST.

    Parameters
    ----------
    path : str
        From the page.
    told : str
        Its alternative text.
    width : int
        In pixels, where the page is as wide.

    Examples
    --------
    >>> print(picture("a.png", "Two lines that cross.", 700))
    ```{image} a.png
    :alt: Two lines that cross.
    :width: 700px
    ```
    """
    return f"```{{image}} {path}\n:alt: {' '.join(told.split())}\n:width: {width}px\n```"
