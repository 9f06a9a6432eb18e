"""Table 4: how long it takes to create, destroy and resize an OS instance.

The claim (section 6.3.1): over 100 repetitions on S-A, an instance of 6 cores and 16 GB is created and destroyed,
a core and 512 MB are brought and taken; LXC is fastest, then RainForest, then Xen.  Section 5.3 adds that a core
came to a subOS in 150 ms before its delay calibration was taken out, and in 70 ms after.

What we read into it: an operation is a sequence of steps on an idle machine (``data/systems/lifecycles/``), each
lognormal with its mean and coefficient of variation; equal steps of two systems draw alike.  A printed 0 is below
the resolution of its column.  The estimates among the steps were made with the table at hand, so a prediction says
that the table is consistent with code and hardware, within the bounds that the numbers' ranges leave and no further.
Messages (microseconds, `rainforest_model.descriptions.ficm`) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from .. import draws, paper, plots
from ..descriptions import load
from ..descriptions.fitted import with_fitted
from ..descriptions.lifecycle import OPERATIONS, PAGE_BYTES, Lifecycle, TimedStep, sample_ns
from ..descriptions.read import read_toml, validated
from ..resources import data_path
from ..results import Results
from ..stats import ordering_probability
from .common import Options, Replicated

TITLE = "time to create, destroy and resize an OS instance"
KEYS = ["system", "path", "operation"]
SYSTEMS = ("lxc", "rainforest", "xen")
"""From better to worse, as section 6.3.1 has them."""
OWN, STOCK = "own", "stock"
"""Paths: the one that the system takes, and that of the stock kernel."""
SIZES = {
    "create": (6, 16 * 2**30 // PAGE_BYTES), "destroy": (6, 16 * 2**30 // PAGE_BYTES),
    "cpu_online": (1, 0), "cpu_offline": (1, 0),
    "memory_online": (0, 512 * 2**20 // PAGE_BYTES), "memory_offline": (0, 512 * 2**20 // PAGE_BYTES),
}
"""Cores and pages of each operation."""
LABELS = {
    "create": "create\n6 cores, 16 GB", "destroy": "destroy\n6 cores, 16 GB", "cpu_online": "1 core online",
    "cpu_offline": "1 core offline", "memory_online": "512 MB online", "memory_offline": "512 MB offline",
}
COLUMNS = {
    "create": "T4a.create", "destroy": "T4a.destroy", "cpu_online": "T4b.online", "cpu_offline": "T4b.offline",
    "memory_online": "T4c.online", "memory_offline": "T4c.offline",
}
"""Rows of claims, one for each system."""
DECIMALS = {operation: 1 if operation in ("create", "destroy") else 3 for operation in OPERATIONS}
"""Printed decimals of a second."""
HOT_ADD = {"I4.before": STOCK, "I4.after": OWN}


def describe(options: Options) -> dict[tuple, Lifecycle]:
    """The life cycle by which each operation on each system goes; a core comes by that of the stock kernel too."""
    found = {(id, OWN, operation): load.lifecycle(id) for id in SYSTEMS for operation in OPERATIONS}
    found["rainforest", STOCK, "cpu_online"] = load.lifecycle("rainforest").stock()
    return found


def repetition_ns(operation: str, steps: tuple[TimedStep, ...], seed: int, repetition: int) -> float:
    """Duration of one repetition; a step's draw is keyed by seed, operation, its name and the repetition.

    Examples
    --------
    >>> repetition_ns("create", (TimedStep("boot", "instance", 5e9, 0.0), TimedStep("wait", "nobody", 1e9, 0.0)), 1, 0)
    6000000000.0
    """
    return sum(
        sample_ns(step, draws.stream(seed, "lifecycle", f"{operation}/{step.name}/{repetition}")) for step in steps
    )


def run(options: Options) -> Results:
    """Repeat each operation 100 times, as the paper did (full: 1000 times)."""
    repetitions = 100 if options.quality == "quick" else 1000
    described, rows, parts, bounds = describe(options), [], [], []
    for i, (key, cycle) in enumerate(described.items()):
        size = SIZES[key[2]]
        steps = cycle.steps(key[2], *size)
        bounds.append((*key, cycle.mean_s(key[2], *size), *cycle.bounds_s(key[2], *size)))
        rows += [(*key, k, "time", repetition_ns(key[2], steps, options.seed, k) / 1e3) for k in range(repetitions)]
        parts += [(*key, step.name, step.actor, step.mean_ns / 1e6, step.cv) for step in steps]
        if options.progress is not None:
            options.progress((i + 1) * repetitions, len(described) * repetitions)
    statistics = pd.DataFrame(rows, columns=[*KEYS, "replication", "statistic", "value_us"])
    frames = {
        "statistics": statistics, "steps": pd.DataFrame(parts, columns=[*KEYS, "step", "actor", "mean_ms", "cv"]),
        "bounds": pd.DataFrame(bounds, columns=[*KEYS, "mean_s", "least_s", "most_s"]),
    }
    told = {
        "repetitions": repetitions, "samples": len(parts) * repetitions,
        "duration": f"{statistics.value_us.sum() / 60e6:.0f} min",
    }
    return Results("tab04_elasticity", options.quality, options.seed, frames, told)


def _seconds(results: Results) -> Replicated:
    table = results.frames["statistics"]
    return Replicated(table.assign(value_s=table.value_us / 1e6), KEYS, value="value_s")


def table(results: Results) -> pd.DataFrame:
    """Table 4, the model's numbers beside the printed ones, in seconds.

    Returns
    -------
    DataFrame
        Columns operation, system, model, low, high (95 % interval of the mean), least, most (its bounds by the ranges
        of the numbers), printed, role (``fitted`` or ``predicted``), longest (the step that takes longest, and its
        share of the time).
    """
    times, steps, rows = _seconds(results), results.frames["steps"], []
    bounds = results.frames["bounds"].set_index(KEYS)
    for operation in OPERATIONS:
        for id in SYSTEMS:
            claim, e = paper.claim(f"{COLUMNS[operation]}.{id}"), times.estimate(id, OWN, operation, "time")
            least, most = bounds.loc[(id, OWN, operation), ["least_s", "most_s"]]
            rows.append((
                operation, id, e.value, e.low, e.high, least, most, claim.value, claim.role,
                _longest(steps, id, operation),
            ))
    columns = ["operation", "system", "model", "low", "high", "least", "most", "printed", "role", "longest"]
    return pd.DataFrame(rows, columns=columns)


def _longest(steps: pd.DataFrame, id: str, operation: str, path: str = OWN) -> str:
    mine = steps[(steps.system == id) & (steps.path == path) & (steps.operation == operation)]
    longest = mine.loc[mine.mean_ms.idxmax()]
    return f"{longest.step} {100 * longest.mean_ms / mine.mean_ms.sum():.0f} %"


def figure(results: Results):
    """All operations on a logarithmic axis, and the steps of which a core's coming and going consists."""
    with plots.style():
        fig, axes = plots.new_figure(1, 2, height=3.6, width_ratios=(1.25, 1))
        _draw_operations(axes[0, 0], results)
        _draw_steps(axes[0, 1], results)
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def _draw_operations(ax, results: Results) -> None:
    """A row for each operation, a line in it for each system: model, spread over repetitions, printed number."""
    from matplotlib.lines import Line2D

    times, numbers = _seconds(results), table(results).set_index(["operation", "system"])
    for row, operation in enumerate(OPERATIONS):
        for k, id in enumerate(SYSTEMS):
            y, color = row + 0.26 * (k - 1), plots.system_line(id)["color"]
            found, number = 1e3 * times.values(id, OWN, operation, "time"), numbers.loc[(operation, id)]
            ax.plot(np.quantile(found, [0.025, 0.975]), [y, y], color=color, linewidth=3, alpha=0.35)
            ax.plot([1e3 * number.least, 1e3 * number.most], [y, y], color=color, linewidth=0.7)
            filled = color if number.role == "predicted" else "white"
            ax.plot(1e3 * number.model, y, "o", color=color, markerfacecolor=filled, markersize=5)
            if number.printed:
                ax.plot(1e3 * number.printed, y, "|", color="black", markersize=9, markeredgewidth=1.2)
            else:  # below the resolution of the column
                ax.plot(500 * 0.1 ** DECIMALS[operation], y, "<", color="black", markersize=4)
    ax.set_xscale("log")
    ax.set_xlim(1, 40_000)
    ax.set_yticks(range(len(OPERATIONS)), [LABELS[operation] for operation in OPERATIONS])
    ax.set_ylim(len(OPERATIONS) - 0.5, -0.5)
    ax.set_ylabel("operation")
    ax.set_xlabel("time (ms)")
    looks = [
        (load.system(id).title, dict(color=plots.system_line(id)["color"], marker="o", linestyle="")) for id in SYSTEMS
    ] + [
        ("predicted", dict(color="0.4", marker="o", linestyle="")),
        ("fitted", dict(color="0.4", marker="o", linestyle="", markerfacecolor="white")),
        ("printed", dict(color="black", marker="|", linestyle="", markersize=9)),
        ("printed as 0: below this", dict(color="black", marker="<", linestyle="", markersize=4)),
    ]
    for label, look in looks:
        ax.add_line(Line2D([], [], label=label, **look))


def _draw_steps(ax, results: Results) -> None:
    """The steps of a core's coming to a subOS and going from it, one after the other, with the printed sums."""
    steps = results.frames["steps"]
    bars = {
        "core online,\nstock Linux": (STOCK, "cpu_online", "I4.before"),
        "core online,\nRainForest": (OWN, "cpu_online", "I4.after"),
        "core offline": (OWN, "cpu_offline", "T4b.offline.rainforest"),
    }
    mine = steps[(steps.system == "rainforest") & steps.operation.isin(["cpu_online", "cpu_offline"])]
    own = list(dict.fromkeys(mine[mine.path == OWN].step))
    colors = dict.fromkeys(mine.step, "0.65")  # grey: what only the stock kernel does
    colors |= {name: plots.line(i)["color"] for i, name in enumerate(own)}
    for row, (path, operation, id) in enumerate(bars.values()):
        left = 0.0
        for step in mine[(mine.path == path) & (mine.operation == operation)].itertuples():
            ax.barh(row, step.mean_ms, left=left, height=0.5, color=colors[step.step], edgecolor="white")
            left += step.mean_ms
        claim = paper.claim(id)
        ax.plot(claim.value * (1 if claim.unit == "ms" else 1e3), row, "|", color="black", markersize=24)
    ax.set_yticks(range(len(bars)), bars)
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_xlabel("time (ms)")
    ax.set_title("a core comes and goes, step by step")
    handles = [ax.barh(0, 0, color=color, label=name.replace("_", " ")) for name, color in colors.items()]
    ax.legend(handles=handles, fontsize="x-small", loc="lower right")


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    times, notes = _seconds(results), results.notes
    told = "; ".join(
        f"{load.system(id).title}: created in {times.estimate(id, OWN, 'create', 'time').value:.1f} s, "
        f"a core online in {times.estimate(id, OWN, 'cpu_online', 'time').value:.3f} s" for id in SYSTEMS
    )
    before, after = (1e3 * times.estimate("rainforest", path, "cpu_online", "time").value for path in (STOCK, OWN))
    return (
        f"{told}. Without delay calibration a core comes to a subOS in {after:.0f} instead of {before:.0f} ms. "
        f"Circles are means (open: fitted, filled: predicted) over {notes['repetitions']} repetitions, bands the "
        f"middle 95 % of them, lines what the ranges of the numbers leave; {notes['samples']:,} steps were drawn, "
        f"{notes['duration']} of operations in all, seed {results.seed}."
    )


def in_order(results: Results) -> np.ndarray:
    """Whether no operation reverses LXC, RainForest, Xen, both rounded as printed.

    Returns
    -------
    ndarray
        bool[repetitions].
    """
    times, held = _seconds(results), True
    for operation in OPERATIONS:
        found = [np.round(times.values(id, OWN, operation, "time"), DECIMALS[operation]) for id in SYSTEMS]
        held = held & (np.diff(found, axis=0) >= 0).all(axis=0)
    return held


def verdicts(results: Results) -> list[paper.Verdict]:
    """T4a to T4d, and I4."""
    times, found = _seconds(results), []
    for operation, row in COLUMNS.items():
        for id in SYSTEMS:
            found.append(paper.judge_value(
                paper.claim(f"{row}.{id}"), times.estimate(id, OWN, operation, "time"), _why(results, id, operation),
            ))
    for id, path in HOT_ADD.items():
        e = times.estimate("rainforest", path, "cpu_online", "time").scaled(1e3)
        found.append(paper.judge_value(paper.claim(id), e, _why(results, "rainforest", "cpu_online", path)))
    found.append(paper.judge_probability(paper.claim("T4d"), ordering_probability(in_order(results)), "as rounded"))
    return found


def _why(results: Results, id: str, operation: str, path: str = OWN) -> str:
    """What takes longest, and how far the ranges of the numbers reach."""
    bounds = results.frames["bounds"].set_index(KEYS).loc[(id, path, operation)]
    longest = _longest(results.frames["steps"], id, operation, path)
    if bounds.least_s == bounds.most_s:  # of fitted numbers alone
        return f"longest step: {longest}"
    return f"longest step: {longest}; ranges leave {bounds.least_s:.3g} to {bounds.most_s:.3g} s"


def fitted_claims(id: str, values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The mean time of each operation that the life cycle `id` is fitted to, with other values of its parameters.

    Parameters
    ----------
    id : str
    values : mapping of str to float
        By their paths, such as ``"systems/lifecycles/lxc.toml:step.start.base"``.
    options : Options
        Not needed, as nothing is simulated.

    Returns
    -------
    dict of str to float
        Seconds, by claim.
    """
    file = f"systems/lifecycles/{id}.toml"
    cycle = validated(Lifecycle, with_fitted(read_toml(data_path() / file), file, values), file)
    return {
        f"{row}.{id}": cycle.mean_s(operation, *SIZES[operation]) for operation, row in COLUMNS.items()
        if paper.claim(f"{row}.{id}").role == "fitted"
    }


FITS = {f"lifecycle-{id}": partial(fitted_claims, id) for id in SYSTEMS}
