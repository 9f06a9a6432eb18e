"""Boxes, words and arrows: what a drawing is made of, measured in inches from the lower left corner.

Words are fitted into their box: wrapped, and made smaller where they must be, down to `SMALLEST` points.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

SMALLEST = 5.0
"""Points; what does not fit then is a fault of the drawing, and `overflowing` names it."""
LEADING = 1.25
"""Distance of lines over the size of the letters."""
_POINTS = 72.0
"""In an inch."""
_PADDING = 0.02
_LOW = 0.15
"""By how much of its size Matplotlib sets a line below the middle."""


class Box(NamedTuple):
    """A rectangle: lower left corner and size, in inches.

    Examples
    --------
    >>> left, right = Box(0, 0, 5, 1).columns([1, 3], gap=1)
    >>> left, right
    (Box(x=0, y=0, width=1.0, height=1), Box(x=2.0, y=0, width=3.0, height=1))
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.x + self.width

    @property
    def top(self) -> float:
        """Where it ends, upwards."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def columns(self, weights, gap: float = 0.08) -> list[Box]:
        """Boxes side by side that fill it, as wide as their weights say."""
        weights = list(weights)
        room, x, found = self.width - gap * (len(weights) - 1), self.x, []
        for weight in weights:
            width = room * weight / sum(weights)
            found.append(Box(x, self.y, width, self.height))
            x += width + gap
        return found

    def rows(self, weights, gap: float = 0.08) -> list[Box]:
        """Boxes one below the other that fill it, as high as their weights say, the first on top."""
        weights = list(weights)
        room, top, found = self.height - gap * (len(weights) - 1), self.top, []
        for weight in weights:
            height = room * weight / sum(weights)
            found.append(Box(self.x, top - height, self.width, height))
            top -= height + gap
        return found

    def within(self, margin: float) -> Box:
        """The box that is left inside a margin."""
        return Box(self.x + margin, self.y + margin, self.width - 2 * margin, self.height - 2 * margin)

    def spanning(self, other: Box) -> Box:
        """The smallest box around both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.top, other.top) - y)


def sheet(width: float, height: float):
    """A figure of this size, and its axes, whose unit is the inch; call it inside `rainforest_model.plots.style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    # Not "none": Matplotlib takes that for the style's engine once it has saved the figure.
    engine = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = Figure(figsize=(width, height), layout=engine)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def tint(color: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white.

    Examples
    --------
    >>> tint("#000000", 0.25)
    (0.75, 0.75, 0.75)
    """
    from matplotlib.colors import to_rgb

    return tuple(1 - strength * (1 - part) for part in to_rgb(color))


def rectangle(axes, box: Box, face="white", edge="0.3", **look) -> None:
    """Draw a box; `look` as for a Matplotlib patch."""
    from matplotlib.patches import Rectangle

    look = {"linewidth": 0.7} | look
    axes.add_patch(Rectangle(box[:2], box.width, box.height, facecolor=face, edgecolor=edge, **look))


@cache
def _width(words: str, size: float, weight: str) -> float:
    """Of words in one line, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not words:
        return 0.0
    return TextPath((0, 0), words, size=size, prop=FontProperties(weight=weight)).get_extents().x1 / _POINTS


def _wrapped(text: str, size: float, weight: str, room: float) -> list[str]:
    """Lines, broken between words."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}".strip()
            if line and _width(longer, size, weight) > room:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


def _fitted(text: str, box: Box, size: float, weight: str) -> tuple[list[str], float, bool]:
    """The lines that fit a box, their size, and whether they do fit."""
    room, height = box.width - 2 * _PADDING, box.height
    while True:
        lines = _wrapped(text, size, weight, room)
        fits = max(_width(line, size, weight) for line in lines) <= room + 1e-9
        fits = fits and len(lines) * size * LEADING / _POINTS <= height + 1e-9
        if fits or size <= SMALLEST:
            return lines, size, fits
        size = max(SMALLEST, size - 0.25)


def write(axes, box: Box, text: str, size: float = 7.0, align: str = "center", weight: str = "normal", **look) -> None:
    """Write words into a box.

    Parameters
    ----------
    axes : matplotlib Axes
        Of a `sheet`.
    box : Box
    text : str
    size : float
        Points; less where it does not fit.
    align : {"center", "left", "right", "top"}
        Where in the box; ``top``: in its middle, from the upper edge on.
    weight : {"normal", "bold"}
    **look
        As for a Matplotlib text.
    """
    lines, size, fits = _fitted(text, box, size, weight)
    x, y = box.middle
    across, down = "center", "center"
    if len(lines) == 1:  # on the same height, whether or not letters reach below the line
        down, y = "center_baseline", y + _LOW * size / _POINTS
    if align in ("left", "right"):
        x, across = (box.x + _PADDING, "left") if align == "left" else (box.right - _PADDING, "right")
    elif align == "top":
        y, down = box.top - _PADDING / 2, "top"
    words = axes.text(
        x, y, "\n".join(lines), size=size, weight=weight, ha=across, va=down, linespacing=LEADING,
        multialignment=across, **{"zorder": 5} | look,
    )
    words.set_gid("fits" if fits else "overflows")


def overflowing(axes) -> list[str]:
    """Words that did not fit into their box."""
    return [words.get_text() for words in axes.texts if words.get_gid() == "overflows"]


def arrow(axes, start: tuple[float, float], end: tuple[float, float], both: bool = True, **look) -> None:
    """Draw an arrow, with two heads or one; `look` as for a Matplotlib arrow."""
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(FancyArrowPatch(
        start, end, arrowstyle="<|-|>" if both else "-|>",
        **{"mutation_scale": 6, "linewidth": 0.8, "color": "0.2", "shrinkA": 0, "shrinkB": 0, "zorder": 4} | look,
    ))
