"""Figure 11: cores that the OS instance of Search owns over time.

The claim (section 6.3.2): in the replay of Figure 10 a policy moves a core at a time between Search and the batch, by
the tail of the last 10 s.  On Xen Search comes to own 11 of the 12 cores, and its tail stays above 200 ms even then.
Linux has no instances, and is not shown.

What we read into it: a window counts for the cores that Search owns at its end, before the decision that follows; a
core on its way, which takes the time of Table 4, is nobody's.  "Stays above" is read strictly: the lowest tail of the
windows with 11 cores.  Nothing is fitted to this figure.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from .. import paper, plots
from ..descriptions.load import system
from ..descriptions.scenario import Scenario
from ..results import Results
from ..stats import Estimate, mean_interval
from ..supervision.policy import ThresholdPolicy
from .common import Options, Replicated
from .replaying import (
    DIVIDED,
    KEYS,
    by_cores,
    caption,
    cores_of,
    ends_min,
    in_replications,
    notes,
    replay_on,
    replays,
    statistics,
    timelines,
)

TITLE = "cores that Search owns over time"


def describe(options: Options) -> dict[str, Scenario]:
    """The replay on the three systems with OS instances."""
    return {id: replay_on(id) for id in DIVIDED}


def run(options: Options) -> Results:
    """Replay on the three systems, or take the replays that are kept."""
    scenarios = describe(options)
    found = replays(scenarios, options)
    frames = {"statistics": statistics(found, cores_of), "timeline": timelines(found)}
    return Results("fig11_cores_timeline", options.quality, options.seed, frames, notes(found, scenarios, options))


def figure(results: Results):
    """Cores of Search, a step for each window: means over the replications, and what lies between them."""
    timeline = results.frames["timeline"]
    with plots.style():
        fig, axes = plots.new_figure(height=2.9)
        ax, times = axes[0, 0], ends_min(timeline)
        for id in DIVIDED:
            cores, look = in_replications(timeline, id, "cores"), plots.system_line(id)
            ax.fill_between(times, cores.min(axis=0), cores.max(axis=0), step="pre", color=look["color"], alpha=0.15,
                            linewidth=0)
            ax.step(times, cores.mean(axis=0), where="pre", label=system(id).title, **look)
        ax.set_ylim(0, 12.4)
        ax.set_yticks(range(0, 13, 2))
        ax.set_xlim(0, times[-1])
        ax.set_ylabel("cores of Search")
        ax.set_xlabel("time (min)")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    table = _table(results)
    told = "; ".join(
        f"{system(id).title} {table.estimate(id, 'mean_cores').value:.1f} in the mean and "
        f"{table.estimate(id, 'most_cores').value:.0f} at most, {table.estimate(id, 'moves').value:.0f} moves of which "
        f"{table.estimate(id, 'undone_percent').value:.0f} % take back the one before" for id in DIVIDED
    )
    return (
        f"Cores of Search in each window of 10 s, means over replications as lines, all as a band: {told}. "
        f"{caption(results.notes, results.seed)}"
    )


def _table(results: Results) -> Replicated:
    return Replicated(results.frames["statistics"], KEYS, value="value")


def tails_with(results: Results, id: str, cores: int) -> list[np.ndarray]:
    """Tails in ms of the windows in which Search owns so many cores, one array a replication."""
    table = results.frames["timeline"]
    here = table[(table.system == id) & (table.cores == cores)]
    return [here[here.replication == i].tail_ms.dropna().to_numpy() for i in sorted(table.replication.unique())]


def lowest(tails: list[np.ndarray]) -> Estimate | SimpleNamespace:
    """The lowest tail of each replication that has one; without a value if none has."""
    found = [float(one.min()) for one in tails if len(one)]
    return mean_interval(found) if found else SimpleNamespace(value=np.nan, low=np.nan, high=np.nan)


def enough(results: Results, id: str) -> str:
    """From how many cores on the policy takes one back, in words."""
    table, lower = by_cores(results.frames["timeline"]), ThresholdPolicy().lower_ms
    found = table[(table.system == id) & (table.median_ms < lower)].cores
    if found.empty:
        return f"with no number of cores is the median window below {lower:g} ms"
    return f"with {found.min()} cores the median window is below {lower:g} ms, and one goes back"


def verdicts(results: Results) -> list[paper.Verdict]:
    """F111."""
    table, stated = _table(results), paper.claim("F111")
    tails = tails_with(results, "xen", round(stated.value))
    windows = np.concatenate(tails)
    often = f"{len(windows)} windows of {len(tails)} replications"
    if len(windows):
        share = 100 * np.mean(windows > ThresholdPolicy().upper_ms)
        often += f", {share:.0f} % of them above {ThresholdPolicy().upper_ms:g} ms, median {np.median(windows):.0f} ms"
    return [
        paper.judge_value(stated, table.estimate("xen", "most_cores"), enough(results, "xen")),
        paper.judge_value(paper.claim("F111.tail"), lowest(tails), often),
    ]
