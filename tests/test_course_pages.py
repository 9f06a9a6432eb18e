"""The course's pages: contents, glossary and instructor's page agree with the notebooks and with the package."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import nbformat
import pytest

from rainforest_model import resources

FOLDER = Path(__file__).resolve().parents[1] / "notebooks" / "learn"
LESSONS = sorted(FOLDER.glob("0[1-8]_*.ipynb"))
CONTENTS, GLOSSARY, INSTRUCTOR = (
    (FOLDER / f"{name}.md").read_text(encoding="utf-8") for name in ("README", "GLOSSARY", "INSTRUCTOR")
)
ENTRY = re.compile(r"^## (.+)\n\n(.+)\n\n\*Where:\* (.+)$", re.MULTILINE)
ENTRIES = {term: (sentence, re.findall(r"`([^`]+)`", where)) for term, sentence, where in ENTRY.findall(GLOSSARY)}


def words(path: Path) -> str:
    """All text of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def title(path: Path) -> str:
    return words(path).splitlines()[0].removeprefix("# ")


def minutes(path: Path) -> int:
    """What a lesson says on top of how long it takes."""
    return int(re.search(r"\*(\d+) minutes\.\*", words(path))[1])


def rows(page: str) -> dict[str, list[str]]:
    """The first row of a page's tables for each lesson: its cells after the link, by the name of the file."""
    found: dict[str, list[str]] = {}
    for linked, cells in re.findall(r"^\| (\[[^|]+) \| (.+) \|$", page, re.MULTILINE):
        match = re.fullmatch(r"\[(.+)\]\((0[1-8]_\w+\.ipynb)\)", linked)
        if match:
            found.setdefault(match[2], [match[1], *cells.split(" | ")])
    return found


def exists(name: str) -> bool:
    """Whether a module, what is in one, or a file or folder of the package's data is there."""
    if name.startswith("data/"):
        return resources.data_path(*name.split("/")[1:]).exists()
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found is not None
    return False


# --- the glossary -----------------------------------------------------------------------------------------


def test_the_glossary_is_in_order_and_every_heading_is_an_entry():
    headings = re.findall(r"^## (.+)$", GLOSSARY, re.MULTILINE)
    assert list(ENTRIES) == headings
    assert headings == sorted(headings, key=str.lower)
    assert len(set(map(str.lower, headings))) == len(headings)


@pytest.mark.parametrize("term", ENTRIES)
def test_a_term_has_one_sentence_and_lives_where_the_glossary_says(term):
    sentence, where = ENTRIES[term]
    assert sentence.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", sentence), "one sentence"
    assert where
    assert [name for name in where if not exists(name)] == []


def test_what_does_not_exist_is_found():
    assert exists("rainforest_model.stats.mser5")
    assert not exists("rainforest_model.stats.mser6")
    assert not exists("rainforest_model.statistics")
    assert not exists("data/machines/S-Z.toml")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_words_in_bold_italics_and_links_lead_into_the_glossary(path):
    known = {term.lower() for term in ENTRIES}
    anchors = {re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-") for term in ENTRIES}
    text = words(path)
    marked = {term.replace("\n", " ").lower() for term in re.findall(r"\*\*\*([^*]+)\*\*\*", text)}
    assert {term for term in marked if term not in known and term.removesuffix("s") not in known} == set()
    assert set(re.findall(r"GLOSSARY\.md#([\w-]+)", text)) <= anchors


def test_the_glossary_is_used():
    assert sum("***" in words(path) for path in LESSONS) >= 3


# --- contents and instructor's page -----------------------------------------------------------------------


def test_the_contents_list_every_lesson_with_its_title_and_time():
    listed = rows(CONTENTS)
    assert list(listed) == [path.name for path in LESSONS]
    assert {name: cells[:2] for name, cells in listed.items()} == {
        path.name: [title(path), str(minutes(path))] for path in LESSONS
    }


def test_the_contents_list_every_notebook_of_the_folder():
    assert {path.name for path in FOLDER.glob("*.ipynb")} <= set(re.findall(r"\((\w+\.ipynb)\)", CONTENTS))


def test_the_instructors_timings_are_those_of_the_lessons():
    listed = rows(INSTRUCTOR)
    assert list(listed) == [path.name for path in LESSONS]
    for path in LESSONS:
        name, stated, *others = listed[path.name]
        assert (name, stated) == (title(path), str(minutes(path)))
        assert all(int(other) > 0 for other in others)


@pytest.mark.parametrize("page", [CONTENTS, INSTRUCTOR, GLOSSARY], ids=["contents", "instructor", "glossary"])
def test_links_of_a_page_lead_to_files(page):
    targets = [target for target in re.findall(r"\]\(([^)#]+)", page) if not target.startswith("http")]
    assert [target for target in targets if not (FOLDER / target).exists()] == []


def test_the_plan_has_ten_weeks_with_every_lesson_and_every_topic_of_the_quiz():
    plan = INSTRUCTOR.split("## A term of ten weeks")[1].split("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", plan, re.MULTILINE) == [str(week) for week in range(1, 11)]
    assert [number for number in re.findall(r"Lesson (\d)(?! together)", plan) if number != "1"] == list("2345678")
    assert {"lock", "line", "shootdown", "queue", "scope"} <= set(re.findall(r"`(\w+)`", plan))
