"""Sensitivity as a picture: what each headline depends on, and how often each ordering survives."""

from __future__ import annotations

from .. import plots
from ..results import Results

ALTERNATIVE = (
    "Sensitivity: for each workload a table of total Sobol indices, parameters against systems, and below it the share "
    "of points in which each ordering holds while all parameters move together; the caption has the main numbers"
)
"""What stands for the picture where it cannot be seen."""
_CELL, _ROW = 0.17, 0.145
"""Heights in inches of a parameter and of an ordering."""
_SMALL = 5.8
_DARK = 0.55
"""Index from which a cell's number is white."""


def _studies(found: Results, table: str) -> list[str]:
    frame = found.frames[table]
    return list(frame.study.unique()) if "study" in frame else []


def figure(found: Results):
    """Total indices, a panel for each study that has some, and the orderings of all below."""
    shared, ordered = _studies(found, "indices"), _studies(found, "orderings")
    heights = [_factors(found, id) * _CELL + 0.65 for id in shared]
    lines = sum(1 + (found.frames["orderings"].study == id).sum() for id in ordered)
    heights.append(max(lines, 1) * _ROW + 0.4)
    with plots.style():
        fig, axes = plots.new_figure(
            len(heights), 1, height=sum(heights), gridspec_kw={"height_ratios": heights},
        )
        for ax, id in zip(axes[:, 0], shared, strict=False):
            _indices(ax, found, id)
        _orderings(axes[-1][0], found, ordered)
    return fig


def _factors(found: Results, id: str) -> int:
    frame = found.frames["indices"]
    return frame[frame.study == id].factor.nunique()


def _indices(ax, found: Results, id: str) -> None:
    """Shades and numbers: total index of each parameter for each output."""
    frame = found.frames["indices"]
    frame = frame[frame.study == id]
    table = frame.pivot(index="factor", columns="output", values="total")
    table = table.loc[table.mean(axis=1).sort_values(ascending=False).index, list(dict.fromkeys(frame.output))]
    ax.imshow(table.to_numpy(), cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(table.to_numpy()):
        for x, share in enumerate(row):
            color = "white" if share > _DARK else "black"
            ax.text(x, y, f"{max(share, 0):.2f}", ha="center", va="center", color=color, size=_SMALL)
    names = [output.split(", ", 1) for output in table.columns]
    ax.set_xticks(range(len(names)), [name[1].replace(" over ", "\nover\n") for name in names], size=_SMALL)
    ax.set_yticks(range(len(table)), table.index, size=_SMALL)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.set_title(f"{names[0][0]}: total Sobol index", loc="left")


def _orderings(ax, found: Results, ids: list[str]) -> None:
    """Share of points in which each ordering holds, with its interval; a hollow mark: at the described values."""
    frame, ticks, labels, y = found.frames["orderings"], [], [], 0
    for index, id in enumerate(ids):
        ticks.append(y)
        labels.append(found.notes["studies"][id]["title"])
        color = plots.line(index)["color"]
        for row in frame[frame.study == id].itertuples():
            y += 1
            ticks.append(y)
            labels.append(row.ordering)
            ax.plot([100 * row.low, 100 * row.high], [y, y], color=color, linewidth=1)
            ax.plot(100 * row.described, y, "o", markerfacecolor="white", markeredgecolor=color, markersize=4.5)
            ax.plot(100 * row.share, y, "o", color=color, markersize=3)
        y += 1
    ax.set_yticks(ticks, labels, fontsize=_SMALL)
    titles = {found.notes["studies"][id]["title"] for id in ids}
    for label in ax.get_yticklabels():
        if label.get_text() in titles:
            label.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_ylim(y - 0.4, -0.6)
    ax.set_xlim(-2, 102)
    ax.set_xlabel("share of points (%); hollow: of replications, as described")


def describe_figure(found: Results) -> str:
    """The caption, computed from the results."""
    orders, sizes = found.frames["orderings"], found.notes["sizes"]
    always = int((orders.share == 1).sum())
    mostly = int((orders.share >= 0.95).sum())
    weakest = orders.sort_values("share").iloc[0]
    parameters = found.frames["parameters"]
    varied = parameters[parameters.done == "varied"]
    return (
        f"{varied.path.nunique()} parameters of machines, kernels, partitionings and workloads have a declared range "
        f"and act on a study. Above: what share of a headline's variance is lost where one of them is known, for those "
        f"that pass a Morris screening (Sobol, {sizes['base']} base points; intervals are in the tables). Below: all "
        f"parameters together over their ranges, {sizes['points']} points of a Latin hypercube, each with all its "
        f"systems under common random numbers. Of {len(orders)} orderings {always} hold at every point, and {mostly} "
        f"at 95 % of them; the weakest holds at {100 * weakest.share:.0f} % ({weakest.ordering}). Lines: 95 % "
        f"intervals (Clopper and Pearson). Seed {found.seed}."
    )
