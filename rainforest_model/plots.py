"""One visual voice: the style, a colour and a line for each system, the axis of nines, files that repeat.

Colours are Okabe and Ito's (2008); every curve also has a line style of its own.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path

import numpy as np

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a figure in one and in two columns."""

_STYLE = Path(__file__).with_name("rainforest.mplstyle")

SYSTEMS = {
    "linux-2.6.32": ("#000000", (0, (1, 1))),
    "linux-2.6.35m": ("#56B4E9", (0, (3, 1, 1, 1))),
    "linux-3.17.4": ("#E69F00", (0, (5, 1))),
    "linux-4.9.40": ("#D55E00", (0, (5, 1, 1, 1))),
    "lxc": ("#CC79A7", (0, (3, 1, 1, 1, 1, 1))),
    "xen": ("#0072B2", (0, (2, 2))),
    "rainforest": ("#009E73", "-"),
    "barrelfish": ("#999999", (0, (8, 2))),
}
_SEQUENCE = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000", "#56B4E9")
_DASHES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (2, 2)), (0, (8, 2)))


@contextmanager
def style():
    """Matplotlib in the project's style, without a screen."""
    import matplotlib as mpl

    with mpl.rc_context(fname=_STYLE):
        yield


def new_figure(rows: int = 1, columns: int = 1, width: float = PAGE, height: float = 2.6, **options):
    """A figure and its axes, off the screen's event loop; call it inside `style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def settle(figure) -> None:
    """Keep the panels where they are, to a millionth: what the layout's solver finds beyond differs from run to run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position([round(edge, 6) for edge in ax.get_position().bounds])


def line(index: int) -> dict:
    """Colour and dashes of the index-th curve of an ordered set."""
    return {"color": _SEQUENCE[index % 7], "linestyle": _DASHES[index % 7]}


def system_line(id: str) -> dict:
    """Colour and dashes of a system; a stable one for systems of a user's own."""
    if id in SYSTEMS:
        color, dashes = SYSTEMS[id]
        return {"color": color, "linestyle": dashes}
    return line(sum(map(ord, id)))


MOST_NINES = 4
TOPMOST = 1 - 10.0 ** -(MOST_NINES + 0.5)
"""Where the axis of nines ends."""


def nines(axes) -> None:
    """Scale the y axis by nines: 0, 90, 99, 99.9 % ... at equal distances."""
    axes.set_yscale(
        "function",
        functions=(lambda p: -np.log10(1 - np.clip(p, 0, 1 - 1e-12)), lambda n: 1 - 10.0 ** -np.asarray(n)),
    )
    ticks = [0, 0.5] + [1 - 10.0**-k for k in range(1, MOST_NINES + 1)]
    axes.set_yticks(ticks, [f"{100 * t:.10g} %" for t in ticks])
    axes.set_ylim(0, TOPMOST)
    axes.set_ylabel("share of calls that are faster")


def log_axis(axes, low: float, high: float) -> None:
    """A logarithmic x axis from `low` to `high` with plain labels at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def encode(figure, kind: str, origin: str | None = None) -> bytes:
    """The bytes of a figure as ``png`` or ``svg``; equal figures give equal bytes.

    Parameters
    ----------
    figure : matplotlib Figure
    kind : {"png", "svg"}
    origin : str, optional
        What the figure was made from; the file carries it as its description.
    """
    target = io.BytesIO()
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
    if origin is not None:
        metadata["Description"] = origin
    with style():
        figure.savefig(target, format=kind, metadata=metadata)
    return target.getvalue()
