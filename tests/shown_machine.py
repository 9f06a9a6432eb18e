"""A machine's view on an empty page: what it shows, and what it says."""

from __future__ import annotations

from canned_machine import STATES

LETTERS = dict(zip(STATES, "CLSW·×", strict=True))
COLOURS = {  # Okabe and Ito's
    "computing": "rgb(0, 158, 115)", "in a lock": "rgb(0, 114, 178)", "spinning": "rgb(213, 94, 0)",
    "waiting for a shootdown": "rgb(204, 121, 167)",
}
GLUE = """
window.sent = [];
window.view = (layout, frame, history = []) => {
  const el = document.createElement("div");
  document.body.append(el);
  const model = new Model({ machine: layout, frame, history }, (message) => window.sent.push(message));
  machineView({ model, el });
  return model;
};
"""


def put(page, frame) -> None:
    """Show a frame and wait until it is painted."""
    page.evaluate("frame => model.set('frame', frame)", frame)
    page.wait_for_selector(f"[data-serial='{frame['serial']}']")


def reached(page, place, serial) -> None:
    """Wait until a running machine has come to a frame, or past it."""
    for _ in range(1500):
        if int(place.locator("[data-serial]").get_attribute("data-serial")) >= serial:
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"no frame {serial}")


def sent(page) -> list[dict]:
    """What the view said, and forget it."""
    return page.evaluate("window.sent.splice(0)")


def tile(page, core):
    return page.locator(f"[data-core='{core}']")
