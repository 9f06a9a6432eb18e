"""Table 5: Search under its trace and the PARSEC batch together, on six systems.

The claim (section 6.3.2): a batch takes 1520 s on RainForest, less than on LXC and Xen, and more than on Linux 3.17.4,
which is fastest; the 99th percentile of Search is lowest on RainForest, 230 ms, and highest on 3.17.4, 411 ms; the
throughput, without answers that took longer than 1 s, hardly differs.

What we read into it: tail and throughput are over the whole replay of Figure 10; the time of a batch is the mean of
those that end within it or, if none does, the time over the share that is done.  On plain Linux Search and the batch
share all 12 cores and nobody moves any.  Linux's printed throughputs are above what is offered, which an open replay
cannot reach.  Fitted are the swing of the load and the length of the batch's programs, to the batch times and tails of
the three Linux kernels: of these, Table 5 tells what two numbers make of six.  All else is predicted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import paper, plots
from ..descriptions.load import machine, system
from ..descriptions.scenario import Scenario
from ..results import Results
from ..stats import ordering_probability
from .common import Options, Replicated
from .replaying import (
    DIVIDED,
    KEYS,
    MACHINE,
    SYSTEMS,
    Replay,
    caption,
    cores_of,
    fitted_batch,
    fitted_traffic,
    hunting,
    notes,
    replay_on,
    replays,
    requests_of,
    seconds,
    statistics,
)

TITLE = "Search and the PARSEC batch together: batch time, tail latency, throughput"
COLUMNS = {"batch_s": "T5a", "p99_ms": "T5b", "throughput": "T5c", "finished": "F105"}
"""Columns of the table, and the row of claims of each; the last is printed in the text."""
TITLES = {
    "batch_s": "batch time", "p99_ms": "tail of Search", "throughput": "throughput of Search",
    "finished": "batch programs",
}
LABELS = {
    "batch_s": "time of a batch (s)", "p99_ms": "99th percentile\nof latency (ms)",
    "throughput": "answers within 1 s,\nrequests a second", "finished": "finished programs",
}
WIDE = 15
"""From this ratio on, an axis has room for powers of ten alone."""
SCALES = {"batch_s": "log", "p99_ms": "log", "throughput": "linear", "finished": "linear"}
CORES = machine(MACHINE).topology.cores
ORDERS = {
    "p99_ms": ("rainforest", "lxc", "xen", "linux-2.6.35m", "linux-2.6.32", "linux-3.17.4"),
    "batch_s": ("linux-3.17.4", "linux-2.6.32", "linux-2.6.35m", "rainforest", "lxc", "xen"),
    "throughput": ("xen", "lxc", "rainforest", "linux-2.6.32", "linux-2.6.35m", "linux-3.17.4"),
}
"""Of the printed table, smallest first."""


def describe(options: Options) -> dict[str, Scenario]:
    """The replay on all six systems."""
    return {id: replay_on(id) for id in SYSTEMS}


def run(options: Options) -> Results:
    """Replay on all systems, or take the replays that are kept."""
    scenarios = describe(options)
    found = replays(scenarios, options)
    frames = {"statistics": statistics(found, measured)}
    described = scenarios[SYSTEMS[0]]
    told = notes(found, scenarios, options) | {"offered": len(requests_of(described)) / seconds(described)}
    return Results("tab05_consolidation", options.quality, options.seed, frames, told)


def measured(run: Replay) -> dict[str, float]:
    """The columns of the table for one replay, the batches that are done, and what becomes of the cores."""
    return {key: run.summary[key] for key in (*COLUMNS, "progress")} | cores_of(run)


def _table(results: Results) -> Replicated:
    return Replicated(results.frames["statistics"], KEYS, value="value")


def table(results: Results) -> pd.DataFrame:
    """Table 5, the model's numbers beside the printed ones.

    Returns
    -------
    DataFrame
        Columns column (of the table, see `COLUMNS`), system, model, low, high (95 % interval of the mean), printed,
        role (``fitted`` or ``predicted``).
    """
    found, rows = _table(results), []
    for column, row in COLUMNS.items():
        for id in SYSTEMS:
            claim, e = paper.claim(f"{row}.{id}"), found.estimate(id, column)
            rows.append((column, id, e.value, e.low, e.high, claim.value, claim.role))
    return pd.DataFrame(rows, columns=["column", "system", "model", "low", "high", "printed", "role"])


def figure(results: Results):
    """A panel for each column, a row for each system: the model with its interval, and the printed number."""
    from matplotlib.lines import Line2D

    numbers = table(results)
    with plots.style():
        fig, axes = plots.new_figure(1, len(COLUMNS), height=2.7, sharey=True)
        for ax, (column, rows) in zip(axes[0], numbers.groupby("column", sort=False), strict=True):
            for y, row in enumerate(rows.itertuples()):
                color = plots.system_line(row.system)["color"]
                if np.isfinite(row.high):
                    ax.plot([max(row.low, 0.3 * row.model), row.high], [y, y], color=color, linewidth=3, alpha=0.35)
                filled = color if row.role == "predicted" else "white"
                ax.plot(row.model, y, "o", color=color, markerfacecolor=filled, markersize=5)
                ax.plot(row.printed, y, "|", color="black", markersize=9, markeredgewidth=1.2)
            if column == "throughput":
                ax.axvline(results.notes["offered"], color="black", linewidth=0.6, linestyle=(0, (1, 2)))
            ax.set_xscale(SCALES[column])
            ax.set_title(TITLES[column])
            ax.set_xlabel(LABELS[column])
            _end_axis(ax, rows, SCALES[column])
            ax.grid(visible=False, axis="y")
        left = axes[0, 0]
        left.set_yticks(range(len(SYSTEMS)), [system(id).title for id in SYSTEMS])
        left.set_ylim(len(SYSTEMS) - 0.5, -0.5)
        left.set_ylabel("system")
        looks = {
            "predicted": dict(color="0.4", marker="o"),
            "fitted": dict(color="0.4", marker="o", markerfacecolor="white"),
            "printed": dict(color="black", marker="|", markersize=9),
        }
        fig.legend(handles=[Line2D([], [], linestyle="", label=label, **look) for label, look in looks.items()],
                   loc="outside lower center", ncols=3)
    return fig


def _end_axis(ax, rows: pd.DataFrame, scale: str) -> None:
    """Room on both sides of all marks, with plain labels."""
    from matplotlib.ticker import LogLocator, NullLocator

    least, most = rows[["model", "printed"]].to_numpy().min(), rows[["model", "printed"]].to_numpy().max()
    if scale == "linear":
        ax.set_xlim(0, 1.15 * most)
        return
    ax.set_xlim(0.7 * least, 1.4 * most)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < WIDE * least else (1,)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    found = _table(results)
    told = "; ".join(
        f"{system(id).title} {found.estimate(id, 'batch_s').value:.0f} s, {found.estimate(id, 'p99_ms').value:.0f} ms, "
        f"{found.estimate(id, 'throughput').value:.1f} requests/s, {found.estimate(id, 'finished').value:.0f} programs"
        for id in SYSTEMS
    )
    return (
        f"{told}. Circles are means over replications with their 95 % interval (open: fitted, filled: predicted), "
        f"strokes the printed numbers, the dotted line the {results.notes['offered']:.1f} requests a second that come. "
        f"{caption(results.notes, results.seed)}"
    )


def in_order(found: Replicated, column: str) -> np.ndarray:
    """Whether the systems rank as printed in a column, bool[replications]."""
    ranked = np.array([found.values(id, column) for id in ORDERS[column]])
    return (np.diff(ranked, axis=0) > 0).all(axis=0)


def cores_wanted(found: Replicated, id: str, batch_s: float) -> float:
    """Cores of Search with which a batch would take so long, if its time goes by the cores that are left to it."""
    left = CORES - found.estimate(id, "mean_cores").value
    return CORES - left * found.estimate(id, "batch_s").value / batch_s


def _why(found: Replicated, column: str, id: str, printed: float) -> str:
    """What the runs tell of a number on a system whose cores move."""
    if id not in DIVIDED or column == "throughput":
        return ""
    if column == "p99_ms":
        return hunting(found, id)
    owned, wanted = found.estimate(id, "mean_cores").value, cores_wanted(found, id, printed)
    return (
        f"Search owns {owned:.1f} cores in the mean; the printed time asks for {wanted:.1f}, if a batch's time goes by "
        "the cores that are left to it"
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """T5a to T5d; the finished programs are judged with Figure 10."""
    found, judged = _table(results), []
    for column, row in COLUMNS.items():
        if row == "F105":
            continue
        for id in SYSTEMS:
            claim = paper.claim(f"{row}.{id}")
            judged.append(paper.judge_value(claim, found.estimate(id, column), _why(found, column, id, claim.value)))
    orders = {column: in_order(found, column) for column in ORDERS}
    told = ", ".join(f"{TITLES[column]} {100 * held.mean():.0f} %" for column, held in orders.items())
    together = ordering_probability(np.all(list(orders.values()), axis=0))
    judged.append(paper.judge_probability(paper.claim("T5d"), together, f"one by one: {told}"))
    return judged


FITS = {"batch": fitted_batch, "traffic": fitted_traffic}
