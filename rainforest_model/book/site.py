"""From notebooks and Markdown to a static site, by Sphinx."""

from __future__ import annotations

import io
import json
import re
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import paper
from ..errors import InputError
from ..results import write_whole
from .executed import Executed
from .offline import faults
from .pages import chapters, contents, notebooks, page_of, relinked
from .still import still

_HERE = Path(__file__).resolve().parent
_NOT_RUN = "```{note}\nThis notebook was not executed for this book; `make book` executes it.\n```\n"
_ORPHAN = "---\norphan: true\n---\n\n"


@dataclass(frozen=True)
class Book:
    """A book that was made.

    Attributes
    ----------
    index : Path
        Its first page.
    warnings : list of str
        What Sphinx had to say.
    faults : list of str
        What keeps it from working offline or without eyes (`rainforest_model.book.faults`).
    """

    index: Path
    warnings: list[str]
    faults: list[str]


def build(
    root: Path,
    names: Sequence[str] = (),
    *,
    place: Path | None = None,
    quality: str = "quick",
    execute: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> Book:
    """Make the book.

    Parameters
    ----------
    root : Path
        Of the clone.
    names : sequence of str
        Notebooks, as `rainforest_model.book.pages.notebooks` has them; all by default.
    place : Path, optional
        Folder for executed notebooks, sources and the site; ``build/book`` in the clone by default.
    quality : {"quick", "full"}
        At which the notebooks are executed.
    execute : bool
        Execute notebooks of which no executed copy is kept; else such a one is shown without outputs.
    tell : callable
        Is told what goes on, in lines.

    Returns
    -------
    Book

    Raises
    ------
    InputError
        If a notebook does not exist or fails, or packages are missing.
    """
    _need("myst_nb", "nbclient", "sphinx", "sphinx_book_theme")
    place = place or root / "build" / "book"
    every, chosen = notebooks(root), notebooks(root, names)
    kept = Executed(place / "executed", quality)
    source, site = place / "source", place / "site"
    shutil.rmtree(source, ignore_errors=True)
    left_out = {path.relative_to(root).as_posix() for path in every if path not in chosen}
    staging = _Staging(root, source, left_out)
    for number, path in enumerate(chosen, 1):
        notebook = kept.kept(path)
        if notebook is None and execute:
            tell(f"{number} of {len(chosen)}: executing {path.relative_to(root)}")
            notebook = kept.execute(path)
        staging.notebook(path, notebook)
    order = chapters(root, chosen, [item.id for item in paper.contents()])
    staging.text("README.md", after=contents(order))
    for page in (page for pages in order.values() for page in pages if page.endswith(".md")):
        staging.text(page)
    staging.linked()
    tell("making pages")
    complaints = _sphinx(source, site, place / "doctrees")
    return Book(site / "index.html", complaints, faults(site))


def _need(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(f"the book needs {', '.join(missing)}: pip install 'rainforest-model[book]', or make setup")


class _Staging:
    """The folder of sources that Sphinx reads: the project's files that are in the book, in their places."""

    def __init__(self, root: Path, source: Path, left_out: set[str]):
        self.root, self.source, self.left_out = root, source, left_out
        self._pages: set[str] = set()
        self._links: list[str] = []

    def _relinked(self, text: str, page: str) -> str:
        return relinked(text, page, self.root, self.left_out, self._links.append)

    def notebook(self, path: Path, executed) -> None:
        """Add a notebook: its executed copy, or itself and a note where there is none."""
        import nbformat

        name = path.relative_to(self.root).as_posix()
        notebook = executed or nbformat.read(path, as_version=4)
        if executed is None:
            notebook.cells.insert(1, nbformat.v4.new_markdown_cell(_NOT_RUN, id="not-run"))
        there = self.source / name
        still(notebook, there.with_suffix(""))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self._relinked(cell.source, name)
        write_whole(there, json.dumps(notebook).encode())
        self._pages.add(name)

    def text(self, name: str, before: str = "", after: str = "") -> None:
        """Add a page of Markdown."""
        text = self._relinked((self.root / name).read_text(encoding="utf-8"), name)
        write_whole(self.source / page_of(name), (before + text + after).encode())
        self._pages.add(name)

    def linked(self) -> None:
        """Add what pages link to: Markdown as further pages, which may link to more, and files as they are."""
        while self._links:
            name = self._links.pop()
            if name in self._pages:
                continue
            if name.endswith(".md"):
                self.text(name, before=_ORPHAN)
            else:
                write_whole(self.source / name, (self.root / name).read_bytes())
                self._pages.add(name)


_CONFIGURATION = {
    "project": "RainForest, the model",
    "author": "the RainForest model suite authors",
    "extensions": ["myst_nb"],
    "html_theme": "sphinx_book_theme",
    "html_title": "RainForest, the model",
    "html_static_path": [str(_HERE / "book.css")],
    "html_css_files": ["book.css"],
    "html_theme_options": {
        "use_download_button": False,
        "use_fullscreen_button": False,
        "use_source_button": False,
        "show_toc_level": 2,
        "collapse_navigation": False,
    },
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_search_summary": False,  # it fetches pages, which a browser refuses for one opened from a file
    "html_show_sphinx": False,
    "html_use_index": False,
    "html_context": {"default_mode": "auto"},
    "nb_execution_mode": "off",
    "nb_ipywidgets_js": {},
    "nb_render_markdown_format": "myst",
    "myst_heading_anchors": 3,
    "language": "en",
}


def _sphinx(source: Path, site: Path, trees: Path) -> list[str]:
    """Have Sphinx make the pages, from nothing, and return its warnings."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    fresh = site.with_name("making")
    for folder in (fresh, trees):
        shutil.rmtree(folder, ignore_errors=True)
    complaints = io.StringIO()
    with patch_docutils(), docutils_namespace(), warnings.catch_warnings():
        for kind in (DeprecationWarning, PendingDeprecationWarning):  # themes use what a later Sphinx drops
            warnings.simplefilter("ignore", kind)
        app = Sphinx(
            srcdir=source, confdir=None, outdir=fresh, doctreedir=trees, buildername="html",
            confoverrides=_CONFIGURATION, status=None, warning=complaints,
        )
        app.build()
    for template in fresh.glob("_static/*macros.html"):  # of the themes: no pages
        template.unlink()
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)  # so that a site is whole or not there
    plain = re.sub(r"\x1b\[[0-9;]*m", "", complaints.getvalue())
    return plain.replace(f"{source}/", "").strip().splitlines()
