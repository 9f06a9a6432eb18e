"""Whether a static site works offline and without eyes: what its pages load is there, and pictures have words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",),
    "video": ("src", "poster"), "audio": ("src",), "embed": ("src",), "object": ("data",), "input": ("src",),
    "track": ("src",), "link": ("href",),
    "image": ("href", "xlink:href"), "use": ("href", "xlink:href"),
}
"""Attributes by which a page loads something as it opens."""
_NOT_LOADED = {"canonical", "next", "prev", "index", "search", "author", "copyright", "license", "help", "alternate"}
"""Kinds of links in a page's head that only say where something is."""
_CSS = re.compile(r"""url\(\s*['"]?([^'")\s]+)|@import\s+['"]([^'"]+)""")


class _Page(HTMLParser):
    """What a page loads, where it leads to, and which of its pictures have no alternative text."""

    def __init__(self):
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.mute: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag, attrs):
        told = {key: value or "" for key, value in attrs}
        self._in_style = tag == "style"
        if tag == "a" and "href" in told:
            self.leads.append(told["href"])
        if tag == "img" and not told.get("alt", "").strip():
            self.mute.append(told.get("src", "")[:80])
        if not (tag == "link" and set(told.get("rel", "").split()) & _NOT_LOADED):
            for key in _LOADS.get(tag, ()):
                address = told.get(key, "")
                self.loads += re.findall(r"[^\s,]\S*", address)[::2] if key == "srcset" else [address]
        self.loads += _in_css(told.get("style", ""))

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if self._in_style:
            self.loads += _in_css(data)


def _in_css(text: str) -> list[str]:
    return [plain or imported for plain, imported in _CSS.findall(text)]


def faults(site: Path) -> list[str]:
    """What is wrong with a site, a line each.

    Parameters
    ----------
    site : Path
        Its folder.

    Returns
    -------
    list of str
        Things that a page or a style sheet loads from elsewhere; files that it loads or leads to and that are not
        there; pictures without alternative text.

    Examples
    --------
    >>> import tempfile
    >>> site = Path(tempfile.mkdtemp())
    >>> _ = (site / "index.html").write_text('<img src="https://example.org/a.png"><a href="b.html">next</a>')
    >>> for fault in faults(site):
    ...     print(fault)
    index.html: loads https://example.org/a.png from elsewhere
    index.html: there is no b.html
    index.html: the picture https://example.org/a.png has no alternative text
    """
    files = [path for path in sorted(site.rglob("*")) if path.is_file()]
    return [f"{path.relative_to(site).as_posix()}: {fault}" for path in files for fault in _faults(path)]


def _faults(path: Path) -> Iterator[str]:
    if path.suffix == ".css":
        yield from _not_there(path, _in_css(path.read_text(encoding="utf-8")))
    elif path.suffix in (".html", ".svg"):
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        yield from _not_there(path, page.loads)
        yield from (fault for fault in _not_there(path, page.leads) if not fault.endswith("from elsewhere"))
        yield from (f"the picture {source} has no alternative text" for source in page.mute)


def _not_there(path: Path, addresses: list[str]) -> Iterator[str]:
    for address in dict.fromkeys(addresses):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ftp") or parts.netloc:
            yield f"loads {address} from elsewhere"
        elif not parts.scheme and parts.path and not (path.parent / unquote(parts.path)).exists():
            yield f"there is no {parts.path}"
