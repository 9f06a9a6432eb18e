"""The scoreboard as a picture: a row for each claim, numbers by their error, orderings by how often they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import plots
from ..paper import CERTAIN, GENERAL, Verdict, claim, contents
from .totals import ROLES, Totals, aims, error

TITLE = "every claim of the paper beside the model's answer"
ALTERNATIVE = (
    "Scoreboard: a mark for each claim at the model's error in percent, grouped by figure, and for each ordering at "
    "the share of replications in which it holds; the caption has the totals"
)
"""What stands for the picture where it cannot be seen."""
_COLORS = {"holds": "#009E73", "misses": "#D55E00"}
_ROW = 0.118
"""Height of a row in inches."""
_LABEL = 5.5
_LINEAR = 10.0
"""Percent of error up to which the axis is linear."""
_TICKS = (-100, -30, -10, 0, 10, 30, 100, 300)
_LIMITS = (-150, 450)


def figure(verdicts: Sequence[Verdict]):
    """Numbers in two columns, grouped by figure, then the orderings.

    Hollow marks are fitted, filled ones predicted; diamonds miss. A claim that prints bounds only is a triangle
    that points to the side that is allowed, or a square where both sides are bounded.
    """
    numbers = _groups([row for row in verdicts if error(row) is not None])
    orderings = _groups([
        row for row in verdicts if row.kind == "ordering" and row.role in ROLES and row.verdict != "not modelled"
    ])
    left, right = _halves(numbers, _height(orderings))
    tall = max(_height(left), _height(right) + _height(orderings) + 5, 8)
    with plots.style():
        fig, axes = plots.new_figure(
            2, 2, height=1.1 + _ROW * tall,
            gridspec_kw={"height_ratios": [max(_height(right), 1), max(_height(orderings), 1)]},
        )
        grid = axes[0][0].get_gridspec()
        for ax in axes[:, 0]:
            ax.remove()
        for ax, groups in ((fig.add_subplot(grid[:, 0]), left), (axes[0][1], right)):
            _errors(ax, groups)
        _probabilities(axes[1][1], orderings)
        fig.legend(handles=_legend(), loc="outside lower center", ncols=3)
    return fig


def _groups(rows: Sequence[Verdict]) -> list[tuple[str, list[Verdict]]]:
    """Rows by the figure or table that they belong to, with the paper's name for it, in the paper's order."""
    names = {GENERAL: "General"} | {item.id: item.name for item in contents()}
    found = {id: [row for row in rows if row.artefact == id] for id in names}
    return [(names[id], group) for id, group in found.items() if group]


def _height(groups) -> int:
    """Lines that groups take, headings included."""
    return sum(1 + len(rows) for _, rows in groups)


def _halves(groups, below: int):
    """Groups for a left column and for a right one that has `below` lines more to hold."""
    best = min(
        range(len(groups) + 1), key=lambda k: max(_height(groups[:k]), _height(groups[k:]) + below), default=0
    )
    return groups[:best], groups[best:]


def _lines(ax, groups) -> list[tuple[int, Verdict]]:
    """Label an axes with headings and ids, and give each verdict its line."""
    places, y = [], 0
    ticks, labels = [], []
    for name, rows in groups:
        ticks.append(y)
        labels.append(name)
        for row in rows:
            y += 1
            places.append((y, row))
            ticks.append(y)
            labels.append(row.id)
        y += 1
    ax.set_yticks(ticks, labels, fontsize=_LABEL)
    headings = {name for name, _ in groups}
    for label in ax.get_yticklabels():
        if label.get_text() in headings:
            label.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_ylim(max(y, 1) - 0.4, -0.6)
    return places


def _look(row: Verdict) -> dict:
    """Marker, colour and filling of a verdict."""
    stated, color = claim(row.id), _COLORS[row.verdict]
    marker = "o" if row.verdict == "holds" else "D"
    if stated.has_number and stated.value is None:
        both = stated.low is not None and stated.high is not None
        marker = "s" if both else ">" if stated.high is None else "<"
    return {
        "marker": marker, "markeredgecolor": color, "markersize": 3, "markeredgewidth": 0.8, "linestyle": "none",
        "markerfacecolor": color if row.role == "predicted" else "white",
    }


def _errors(ax, groups) -> None:
    """Errors in percent on an axis that is linear near 0 and logarithmic beyond."""
    ax.set_xscale("symlog", linthresh=_LINEAR, linscale=0.8)
    ax.axvspan(-_LINEAR, _LINEAR, color="0.93", linewidth=0)
    ax.axvline(0, color="black", linewidth=0.6)
    for y, row in _lines(ax, groups):
        if row.value is not None and row.low is not None and row.high is not None:
            ends = [100 * (end - row.value) / abs(row.value) for end in (row.low, row.high)]
            ends = [min(max(end, 2 * _LIMITS[0]), 2 * _LIMITS[1]) for end in ends if math.isfinite(end)]
            ax.plot(ends, [y] * len(ends), color=_COLORS[row.verdict], linewidth=0.8)
        ax.plot(100 * error(row), y, **_look(row))
    ax.set_xlim(*_LIMITS)
    ax.set_xticks(_TICKS, [f"{tick:+d}" if tick else "0" for tick in _TICKS], fontsize=_LABEL)
    ax.minorticks_off()
    ax.set_xlabel("model against print (%)")


def _probabilities(ax, groups) -> None:
    """Share of replications in which an ordering holds."""
    ax.axvspan(100 * CERTAIN, 105, color="0.93", linewidth=0)
    for y, row in _lines(ax, groups):
        if row.low is not None and row.high is not None:
            ax.plot([100 * row.low, 100 * row.high], [y, y], color=_COLORS[row.verdict], linewidth=0.8)
        ax.plot(100 * row.model, y, **_look(row))
    ax.set_xlim(-5, 105)
    ax.set_xlabel("replications in which the ordering holds (%)")


def _legend() -> list:
    from matplotlib.lines import Line2D

    look = {"linestyle": "none", "markersize": 3.5, "markeredgewidth": 0.8}
    green, red = _COLORS["holds"], _COLORS["misses"]
    return [
        Line2D([], [], marker="o", color=green, label="predicted, holds", **look),
        Line2D([], [], marker="o", color=green, markerfacecolor="white", label="fitted, holds", **look),
        Line2D([], [], marker="D", color=red, label="predicted, misses", **look),
        Line2D([], [], marker="D", color=red, markerfacecolor="white", label="fitted, misses", **look),
        Line2D([], [], marker=">", color="0.4", label="bound: at least this (left: at most)", **look),
        Line2D([], [], marker="s", color="0.4", label="range", **look),
    ]


def legend(verdicts: Sequence[Verdict], found: Totals) -> str:
    """What is drawn, in words."""
    undrawn = [row for row in verdicts if row.role in ROLES and row.model is not None and row.kind != "ordering"]
    undrawn = [row.id for row in undrawn if error(row) is None]
    words = [
        f"A row for each claim that tests the model: {found.fitted_hold} of {found.fitted_claims} fitted ones and "
        f"{found.predicted_hold} of {found.predicted_claims} predicted ones hold. Inputs of the model are not drawn, "
        f"and {found.open_claims} claims are not modelled.",
        f"Printed as 0, and so without a relative error: {', '.join(undrawn)}." if undrawn else "",
        "Lines are 95 % intervals; grey is 10 % of error, the tolerance of most numbers, and 95 % of replications.",
    ]
    return " ".join(word for word in words if word)


def describe_figure(verdicts: Sequence[Verdict], found: Totals) -> str:
    """The caption: what is drawn, and where the aims stand."""
    told = "; ".join(f"{aim.what}: {aim.stands} ({aim.answer})" for aim in aims(found))
    return f"{legend(verdicts, found)} {told[:1].upper()}{told[1:]}."
