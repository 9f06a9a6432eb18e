"""The book works offline and without eyes; notebooks are executed once; widgets become their first output."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rainforest_model import paper
from rainforest_model.book import __main__ as door
from rainforest_model.book import build, faults
from rainforest_model.book.executed import Executed, with_quality
from rainforest_model.book.pages import COURSE, ELASTIC, MORE, PAPER, chapters, notebooks, page_of, relinked
from rainforest_model.book.still import WIDGET, still
from rainforest_model.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""

PICTURES = f"""\
import base64
from IPython.display import HTML, Image, display
png = base64.b64decode({base64.b64encode(PNG).decode()!r})
display(Image(png, width=300, alt="A line that [never] rises,\\nand \\"falls\\"."))
display(Image(png))
display(HTML('<img src="data:image/png;base64,' + base64.b64encode(png).decode() + '">'))
"""
CONTROLS = """\
from ipywidgets import Dropdown, interact
def shown(system):
    display(Image(png, alt=f"Drawn for {system}."))
    print("told of", system)
interact(shown, system=Dropdown(options=["lxc", "xen"], value="xen"));
"""


def page(cells: list[str]):
    """A notebook: cells that begin with ``#`` or ``[`` are text."""
    made = [new_markdown_cell(cell) if cell[0] in "#[" else new_code_cell(cell) for cell in cells]
    return new_notebook(cells=made, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def write(root: Path, files: dict) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            nbformat.write(page(content), path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A project of three notebooks."""
    return write(tmp_path_factory.mktemp("clone"), {
        "README.md": "# The project\n\nSee [the first](notebooks/learn/01_first.ipynb), [all](notebooks/), "
                     "[the licence](LICENSE)\nand [a figure](notebooks/fig01_architecture.ipynb).\n\n"
                     "![Some dot](figures/dot.png)\n",
        "LICENSE": "Do as you like.\n",
        "figures/dot.png": PNG,
        "figures/table.md": "# A table\n\nBack to [the gallery](../notebooks/README.md).\n",
        "notebooks/README.md": "# Gallery\n\n[A figure](fig01_architecture.ipynb), [its table](../figures/table.md), "
                               "[home](../README.md#the-project).\n",
        "notebooks/fig01_architecture.ipynb": ["# A figure", PICTURES, "## Controls", CONTROLS],
        "notebooks/learn/01_first.ipynb": ["# First", "[Then](../elastic/other.ipynb)", "1 + 1"],
        "notebooks/learn/WORDS.md": "# Words\n",
        "notebooks/elastic/other.ipynb": ["# Other", "print('once more')"],
    })


@pytest.fixture(scope="module")
def book(clone, tmp_path_factory):
    before = {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}
    told = []
    made = build(clone, place=tmp_path_factory.mktemp("book"), tell=told.append)
    assert sum("executing" in line for line in told) == 3
    assert before == {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}  # the clone is as it was
    return made


def html_of(book, name: str) -> str:
    return (book.index.parent / name).read_text(encoding="utf-8")


def alternatives(text: str) -> list[str]:
    return re.findall(r'<img[^>]*\balt="([^"]*)"', text)


# --- the site ----------------------------------------------------------------------------------------------


def test_the_site_has_no_faults_and_sphinx_no_complaint(book):
    assert book.faults == []
    assert book.warnings == []


def test_every_picture_has_the_words_that_the_notebook_has_for_it(book):
    text = html_of(book, "notebooks/fig01_architecture.html")
    assert len(alternatives(text)) == text.count("<img") == 4
    given, missing, in_html, drawn = alternatives(text)
    assert given == "A line that [never] rises, and &quot;falls&quot;."
    assert "A figure" in missing
    assert "A figure" in in_html
    assert drawn == "Drawn for xen."


def test_a_control_becomes_its_first_output_and_a_sentence(book):
    text = html_of(book, "notebooks/fig01_architecture.html")
    assert "told of xen" in text
    assert "told of lxc" not in text
    assert re.search(r"interactive with <strong>system</strong> \(xen, of lxc, xen\)", text)
    assert "widget-view" not in text
    assert "require" not in text


def test_links_hold_between_pages_and_to_files(book):
    first = html_of(book, "index.html")
    assert 'href="notebooks/learn/01_first.html"' in first
    assert re.search(r'href="_downloads/[^"]*/LICENSE"', first)
    gallery = html_of(book, "notebooks/README.html")
    assert 'href="../figures/table.html"' in gallery
    assert 'href="../index.html#the-project"' in gallery


def test_pages_are_in_the_order_of_reading(book):
    entry = r'<li class="toctree-l1"><a class="reference internal" href="([^"]*)"'
    listed = re.findall(entry, html_of(book, "index.html"))
    assert listed == [
        "notebooks/learn/01_first.html", "notebooks/learn/WORDS.html", "notebooks/fig01_architecture.html",
        "notebooks/elastic/other.html", "notebooks/README.html",
    ]


def test_a_book_of_all_notebooks_as_committed_has_no_faults(tmp_path):
    made = build(ROOT, place=tmp_path, execute=False)
    assert made.warnings == []
    assert made.faults == []
    for path in notebooks(ROOT):
        text = html_of(made, path.relative_to(ROOT).with_suffix(".html").as_posix())
        assert "was not executed" in text


# --- executed once -----------------------------------------------------------------------------------------


def test_a_run_that_failed_goes_on_with_what_it_has_kept(clone, tmp_path):
    root = write(tmp_path / "clone", {
        "README.md": "# It",
        "notebooks/learn/01_good.ipynb": ["# Good", "print('done')"],
        "notebooks/learn/02_bad.ipynb": ["# Bad", "1 / 0"],
    })
    place, told = tmp_path / "book", []
    with pytest.raises(InputError, match="ZeroDivisionError") as raised:
        build(root, place=place, tell=told.append)
    assert raised.value.file == root / "notebooks/learn/02_bad.ipynb"
    write(root, {"notebooks/learn/02_bad.ipynb": ["# Bad no longer", "print(1)"]})
    again = []
    assert build(root, place=place, tell=again.append).faults == []
    assert [line.split()[-1] for line in told if "executing" in line] == [
        "notebooks/learn/01_good.ipynb", "notebooks/learn/02_bad.ipynb",
    ]
    assert [line.split()[-1] for line in again if "executing" in line] == ["notebooks/learn/02_bad.ipynb"]


def test_an_executed_copy_is_kept_until_the_notebook_or_the_quality_changes(tmp_path):
    write(tmp_path, {"a/one.ipynb": ["# One", "print('first')"], "b/one.ipynb": ["# One", "print('other')"]})
    path, folder = tmp_path / "a/one.ipynb", tmp_path / "kept"
    store = Executed(folder)
    assert store.kept(path) is None
    store.execute(path)
    assert store.kept(path).cells[1].outputs[0].text == "first\n"
    assert Executed(folder, "full").kept(path) is None
    assert store.kept(tmp_path / "b/one.ipynb") is None
    write(tmp_path, {"a/one.ipynb": ["# One", "print('second')"]})
    assert store.kept(path) is None
    store.execute(path)
    assert store.kept(path).cells[1].outputs[0].text == "second\n"
    assert len(list(folder.iterdir())) == 1


def test_notebooks_leave_no_files_behind(tmp_path, monkeypatch):
    write(tmp_path, {"a/one.ipynb": ["# One", "open('left.txt', 'w').close()"]})
    monkeypatch.chdir(tmp_path)
    Executed(tmp_path / "kept").execute(tmp_path / "a/one.ipynb")
    assert not list(tmp_path.rglob("left.txt"))


def test_an_interrupt_ends_the_kernel_and_is_one(tmp_path):
    mark = tmp_path / "mark"
    cell = (
        f"import os, pathlib, time\nfresh = pathlib.Path({str(tmp_path / 'fresh')!r})\n"
        f"fresh.write_text(str(os.getpid()))\nfresh.rename({str(mark)!r})\ntime.sleep(300)"
    )
    write(tmp_path, {"one.ipynb": ["# One", cell]})

    def interrupt():
        while not mark.exists() and not over.wait(0.05):
            pass
        if mark.exists():
            os.kill(os.getpid(), signal.SIGINT)

    over, interrupter = threading.Event(), threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    interrupter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            Executed(tmp_path / "kept").execute(tmp_path / "one.ipynb")
    finally:
        over.set()
        interrupter.join()
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert not (tmp_path / "kept").exists()


def test_quality_is_set_where_parameters_are():
    notebook = page(['quality = "quick"  # or full\nseed = 1', 'quality = "quick"'])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    first, second = with_quality(notebook, "full").cells
    assert first.source == 'quality = "full"  # or full\nseed = 1'
    assert second.source == 'quality = "quick"'


# --- made still --------------------------------------------------------------------------------------------


def test_lines_of_progress_are_left_out(tmp_path):
    notebook = page(["# It", "pass", "pass"])
    line = "Search: 3 of about 40 runs, 12 s left\n"
    notebook.cells[1].outputs = [new_output("stream", text=line)]
    notebook.cells[2].outputs = [new_output("stream", text=f"{line}the rest\n")]
    still(notebook, tmp_path)
    assert notebook.cells[1].outputs == []
    assert notebook.cells[2].outputs[0].text == "the rest\n"


def test_a_widget_of_pictures_and_words_shows_them_in_their_order(tmp_path):
    notebook = page(["# It", "pass"])
    notebook.cells[1].outputs = [new_output("display_data", {WIDGET: {"model_id": "box"}, "text/plain": "VBox()"})]
    state = {
        "box": {"state": {"children": [f"IPY_MODEL_{id}" for id in ("play", "image", "words")]}},
        "play": {"state": {"_model_name": "IntSliderModel", "description": "window", "value": 2, "min": 0, "max": 9}},
        "image": {
            "state": {"_model_name": "ImageModel", "format": "png", "width": "700"},
            "buffers": [{"encoding": "base64", "path": ["value"], "data": base64.b64encode(PNG).decode()}],
        },
        "words": {"state": {"_model_name": "HTMLModel", "value": "<b>so far</b>"}},
    }
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    still(notebook, tmp_path / "it")
    note, picture, words = (output.data for output in notebook.cells[1].outputs)
    assert "**window** (2, from 0 to 9)" in note["text/markdown"]
    assert ":width: 700px" in picture["text/markdown"]
    assert next((tmp_path / "it").iterdir()).read_bytes() == PNG
    assert words["text/html"] == "<b>so far</b>"
    assert "widgets" not in notebook.metadata


def test_a_question_is_shown_with_what_there_is_to_choose_from(tmp_path):
    notebook = page(["# It", "pass"])
    notebook.cells[1].outputs = [new_output("display_data", {WIDGET: {"model_id": "box"}})]
    choice = {"_model_name": "RadioButtonsModel", "_options_labels": ["more", "less"], "index": None, "description": ""}
    state = {
        "box": {"state": {"children": ["IPY_MODEL_question", "IPY_MODEL_choice", "IPY_MODEL_button"]}},
        "question": {"state": {"_model_name": "HTMLModel", "value": "Which?"}},
        "choice": {"state": choice},
        "button": {"state": {"_model_name": "ButtonModel", "description": "I say so"}},
    }
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    still(notebook, tmp_path)
    note, question, options = (output.data for output in notebook.cells[1].outputs)
    assert " with " not in note["text/markdown"]
    assert question["text/html"] == "Which?"
    assert options["text/markdown"] == "- more\n- less"


def test_a_widget_that_nothing_is_known_of_leaves_a_sentence(tmp_path):
    notebook = page(["# It", "pass"])
    notebook.cells[1].outputs = [new_output("display_data", {WIDGET: {"model_id": "gone"}})]
    still(notebook, tmp_path)
    (only,) = notebook.cells[1].outputs
    assert "interactive" in only.data["text/markdown"]
    assert "begins" not in only.data["text/markdown"]


# --- order and links ---------------------------------------------------------------------------------------


def test_figures_come_as_the_paper_has_them_and_other_notebooks_after_them():
    order = [item.id for item in paper.contents()]
    found = chapters(ROOT, notebooks(ROOT), order)
    assert list(found) == [COURSE, PAPER, ELASTIC, MORE]
    stems = [Path(name).stem for name in found[PAPER]]
    ranks = [order.index(stem) for stem in stems if stem in order]
    assert ranks == sorted(ranks)
    assert stems[len(ranks):] == sorted(set(stems) - set(order))
    every = [name for names in found.values() for name in names if name.endswith(".ipynb")]
    assert sorted(every) == sorted(path.relative_to(ROOT).as_posix() for path in notebooks(ROOT))


@pytest.mark.parametrize(
    ("text", "expected", "files"),
    [
        ("[home](../README.md#a)", "[home](../index.md#a)", ["README.md"]),
        ("[x](a.ipynb)", "[x](a.ipynb)", ["notebooks/a.ipynb"]),
        ("[x](left.ipynb)", "x", []),
        ("[x](learn/)", "x", []),
        ("[x](nowhere.md)", "x", []),
        ("[x](../../beyond.md)", "x", []),
        ("[x](https://example.org/a.md)", "[x](https://example.org/a.md)", []),
        ("[x](#here)", "[x](#here)", []),
        ("![w](../dot.png)", "```{image} ../dot.png\n:alt: w\n:width: 700px\n```", ["dot.png"]),
        ("so ![w](../dot.png) it", "so ![w](../dot.png) it", ["dot.png"]),
    ],
)
def test_links_lead_where_there_is_a_page_or_are_words(tmp_path, text, expected, files):
    write(tmp_path, {"README.md": "", "dot.png": "", "notebooks/a.ipynb": "", "notebooks/left.ipynb": ""})
    (tmp_path / "notebooks/learn").mkdir()
    linked = []
    assert relinked(text, "notebooks/README.md", tmp_path, {"notebooks/left.ipynb"}, linked.append) == expected
    assert linked == files


def test_only_the_first_page_moves():
    assert page_of("README.md") == "index.md"
    assert page_of("examples/README.md") == "examples/README.md"


# --- what counts as a fault --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '<script src="https://example.org/a.js"></script>',
        '<script src="//example.org/a.js"></script>',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<img alt="x" src="http://example.org/a.png">',
        '<img alt="x" srcset="here.png 1x, https://example.org/a.png 2x">',
        '<iframe src="https://example.org"></iframe>',
        '<p style="background: url(https://example.org/a.png)">',
        "<style>@import 'https://example.org/a.css';</style>",
        "<style>p { background: url('https://example.org/a.png') }</style>",
        '<a href="gone.html">there</a>',
        '<script src="gone.js"></script>',
        '<img src="here.png">',
        '<img src="here.png" alt=" ">',
    ],
)
def test_a_fault_is_found(tmp_path, content):
    write(tmp_path, {"index.html": content, "here.png": PNG})
    assert len(faults(tmp_path)) == 1


@pytest.mark.parametrize(
    "content",
    [
        '<a href="https://example.org">elsewhere</a>',
        '<a href="index.html#part">here</a><a href="#part">here</a>',
        '<img alt="a dot" src="here.png">',
        '<img alt="a dot" src="data:image/png;base64,AAAA">',
        '<link rel="canonical" href="https://example.org">',
        "<p>url(https://example.org/a.png)</p>",
        "<style>p { background: url('here.png') }</style>",
    ],
)
def test_what_is_no_fault_is_not_found(tmp_path, content):
    write(tmp_path, {"index.html": content, "here.png": PNG})
    assert faults(tmp_path) == []


def test_style_sheets_are_looked_into(tmp_path):
    write(tmp_path, {"a/b.css": "@font-face { src: url(../here.png), url(gone.woff) } ", "here.png": PNG})
    assert faults(tmp_path) == ["a/b.css: there is no gone.woff"]


# --- the door ----------------------------------------------------------------------------------------------


def test_bad_input_meets_one_line(tmp_path, capsys):
    assert door.main(["fig99_nowhere", "--place", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "fig99_nowhere" in told
    with pytest.raises(InputError, match="clone"):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- in a browser (last: its event loop is in the way of the client's) ----------------------------------------


def test_a_browser_without_network_opens_every_page_from_its_file(book, new_page):
    asked = []
    opened = new_page(viewport={"width": 360, "height": 780}, offline=True)
    opened.on("request", lambda request: asked.append(request.url))
    failed = []
    opened.on("requestfailed", lambda request: failed.append(request.url))
    for path in sorted(book.index.parent.rglob("*.html")):
        opened.goto(path.as_uri())
        opened.wait_for_load_state("load")
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360, f"{path.name} is wider than a telephone"
        assert opened.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")
    opened.goto((book.index.parent / "search.html").as_uri() + "?q=gallery")
    opened.wait_for_selector("#search-results li a[href*='notebooks/README.html']")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert failed == []
