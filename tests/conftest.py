"""What tests of several files share: a real browser."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
         "--no-first-run", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="module")  # not longer: its event loop is in the way of others'
def browser():
    """A headless Chromium; where there is none the test is skipped, but fails in continuous integration."""
    refuse = pytest.fail if os.environ.get("CI") else pytest.skip
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        refuse("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    try:
        playwright = sync_playwright().start()
    except Exception as error:  # its own word for all that keeps its driver from starting
        refuse(f"the driver of Chromium does not start ({error}); a bare Debian lacks libatomic1")
    chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
    yield chromium
    chromium.close()
    playwright.stop()


@pytest.fixture
def new_page(browser):
    """Opens pages, each of a user of its own; afterwards none may have complained on its console."""
    contexts, complaints = [], []

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def place(tmp_path):
    """A folder with a scenario to sweep over."""
    from sweeps import SCENARIO

    (tmp_path / "scenario.toml").write_text(SCENARIO)
    return tmp_path


@pytest.fixture(scope="session")
def measured():
    """All four benchmarks, for a moment."""
    from measurements import CORES, WORKERS

    from rainforest_model import measure

    asked = measure.Asked(measure.BENCHMARKS, WORKERS, WORKERS, seconds=1.5, repeats=3)
    return measure.measure(measure.plan(asked, CORES))
