"""Explanations side by side: a bar for each system, from the program alone to its tail, a piece for each cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import plots
from .explanation import OF_OUR_OWN, Explanation, readable

_HATCHES = ("", "//", "..", "\\\\", "xx", "--")
_OWN = "#BBBBBB"


def figure(explanations: Sequence[Explanation]):
    """Stacked bars, a bar an explanation.

    The program alone comes first, in grey; then each cause in the paper's order.  What a cause takes away from the
    tail stands left of zero.
    """
    unit, factor = readable(max(found.tail.value for found in explanations))
    with plots.style():
        fig, axes = plots.new_figure(height=1.2 + 0.32 * len(explanations))
        ax = axes[0][0]
        for row, found in enumerate(explanations):
            _bar(ax, row, found, factor)
        names = [found.scenario.system.title for found in explanations]
        workloads = [found.name for found in explanations]
        if len(set(workloads)) > 1:
            names = [f"{workload}: {name}" for workload, name in zip(workloads, names, strict=True)]
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"{explanations[0].percentile:g}th percentile ({unit}); whiskers: 95 % interval of the tail")
        handles, labels = ax.get_legend_handles_labels()
        first = dict(zip(labels, handles, strict=True))
        fig.legend(first.values(), first.keys(), loc="outside lower center", ncols=3)
    return fig


def _bar(ax, row: int, found: Explanation, factor: float) -> None:
    """One bar: pieces that add stand right of one another, pieces that take away left of zero."""
    look = {"height": 0.7, "edgecolor": "white", "linewidth": 0.4}
    right, left = factor * found.bare.value, 0.0
    ax.barh(row, right, color=_OWN, label=OF_OUR_OWN, **look)
    for k, cause in enumerate(found.causes):
        piece = factor * found.contribution(k).value
        start = right if piece >= 0 else left
        ax.barh(
            row, piece, left=start, color=plots.line(k)["color"], hatch=_HATCHES[k % len(_HATCHES)], label=cause.title,
            **look,
        )
        right, left = (right + piece, left) if piece >= 0 else (right, left + piece)
    tail = found.tail.scaled(factor)
    half = tail.half_width if np.isfinite(tail.half_width) else 0.0
    ax.errorbar(tail.value, row, xerr=half, color="black", linewidth=0.8, capsize=2)
