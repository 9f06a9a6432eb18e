"""Executed notebooks made still: pictures as files with alternative text, controls as their first output.

A widget in a web page needs scripts from elsewhere and a kernel to answer it; the book has neither.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path

from .pages import WIDEST, picture

WIDGET = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_PICTURES = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg"}
_PROGRESS = re.compile(r"^.*: \d+ of about \d+ .*, \d+ s left\n", re.MULTILINE)
_IMG = re.compile(r"<img\b(?![^>]*\balt=)", re.IGNORECASE)
_PASSIVE = ("LayoutModel", "StyleModel", "OutputModel", "ImageModel", "HTMLModel", "BoxModel", "ButtonModel")
"""Ends of the names of widgets that have no value to choose."""


def still(notebook, pictures: Path) -> None:
    """Make a notebook such that a page of it needs no kernel, no script from elsewhere, and no eyes for its pictures.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Executed; it is changed.
    pictures : Path
        Folder for its pictures, beside the notebook's page.
    """
    widgets = notebook.metadata.pop("widgets", {}).get(_STATE, {}).get("state", {})
    title = heading = "a notebook"
    number = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^(#+) +(.*)$", cell.source, re.MULTILINE)
            if found:
                heading = found[-1][1]
                title = found[0][1] if found[0][0] == "#" else title
        if cell.cell_type != "code":
            continue
        where = f"“{title}”" if heading == title else f"“{title}”, section “{heading}”"
        missing = f"Figure in {where}; the text beside it says what it shows"
        outputs = []
        for output in _unwrapped(cell.outputs, widgets):
            number += 1
            kept = _still(output, pictures / f"{number}", missing)
            if kept is not None:
                outputs.append(kept)
        cell.outputs = outputs


def _still(output, place: Path, missing: str):
    """One output, or None where nothing of it is left."""
    if output.output_type == "stream":
        output.text = _PROGRESS.sub("", output.text)
        return output if output.text.strip() else None
    data = output.get("data")
    if data is None:
        return output
    kind = next((kind for kind in _PICTURES if kind in data), None)
    if "text/html" in data:
        data["text/html"] = _IMG.sub(f'<img alt="{html.escape(missing)}"', data["text/html"])
    elif kind:
        about = output.metadata.get(kind, output.metadata)
        content = data[kind].encode() if kind.endswith("xml") else base64.b64decode(data[kind])
        path = place.with_suffix(_PICTURES[kind])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        told, width = about.get("alt") or missing, about.get("width") or _width(content)
        output.data = type(data)({"text/markdown": picture(f"{path.parent.name}/{path.name}", told, width)})
        output.metadata = type(output.metadata)()
    return output


def _width(content: bytes) -> int:
    """How wide a picture is shown that says nothing of it: as it is, but for the widest."""
    # A PNG has its width at a fixed place (section 11.2.1 of its specification).
    return min(WIDEST, int.from_bytes(content[16:20])) if content.startswith(b"\x89PNG") else WIDEST


# --- widgets -----------------------------------------------------------------------------------------------


def _unwrapped(outputs: list, widgets: dict) -> Iterator:
    """The outputs, and instead of each widget what it showed at first and a sentence on what it is."""
    from nbformat.v4 import new_output

    for output in outputs:
        view = output.get("data", {}).get(WIDGET)
        if view is None:
            yield output
            continue
        inside = list(_inside(view["model_id"], widgets))
        controls = [_control(widget["state"]) for widget in inside if _is_control(widget["state"])]
        shown = [one for widget in inside for one in _shown(widget)]
        told = f" with {', '.join(controls)}" if controls else ""
        begins = "Here is how it begins; " if shown else ""
        words = f"*In the notebook this is interactive{told}. {begins}`make lab` opens the notebook.*"
        yield new_output("display_data", {"text/markdown": words})
        yield from shown


def _inside(model: str, widgets: dict) -> Iterator[dict]:
    """A widget and all that it contains, in the order of the page."""
    widget = widgets.get(model.removeprefix("IPY_MODEL_"))
    if widget is not None:
        yield widget
        for child in widget["state"].get("children", []):
            yield from _inside(child, widgets)


def _is_control(state: dict) -> bool:
    return bool(state.get("description")) and not state.get("_model_name", "").endswith(_PASSIVE)


def _control(state: dict) -> str:
    """A control by its label and its value."""
    value = state.get("value")
    labels = state.get("_options_labels")
    if labels and isinstance(state.get("index"), int):
        value = f"{labels[state['index']]}, of {', '.join(labels)}"
    elif "min" in state and "max" in state:
        value = f"{value}, from {state['min']} to {state['max']}"
    return f"**{state['description']}**" + (f" ({value})" if isinstance(value, str | int | float) else "")


def _shown(widget: dict) -> Iterator:
    """What a widget shows by itself."""
    from nbformat import from_dict
    from nbformat.v4 import new_output

    state = widget["state"]
    name = state.get("_model_name")
    if name == "OutputModel":
        for output in state.get("outputs", []):
            yield from_dict({"metadata": {}, **output} if "data" in output else output)
    elif name == "ImageModel":
        told = {"alt": state.get("alt"), "width": _pixels(state.get("width"))}
        for buffer in widget.get("buffers", []):
            kind = f"image/{state.get('format', 'png')}"
            yield new_output("display_data", {kind: buffer["data"]}, metadata={kind: told})
    elif name == "HTMLModel" and state.get("value"):
        yield new_output("display_data", {"text/html": state["value"]})
    elif state.get("_options_labels") and not state.get("description"):
        # What there is to choose from belongs to the question; a control with a label is named in the note.
        options = "\n".join(f"- {label}" for label in state["_options_labels"])
        yield new_output("display_data", {"text/markdown": options})


def _pixels(width) -> int | None:
    """A width in pixels, as ipywidgets has it in words."""
    digits = re.match(r"\d+", str(width or ""))
    return int(digits[0]) if digits else None
