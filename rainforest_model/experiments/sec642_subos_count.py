"""Section 6.4.2: how many subOSes suit each Spark workload.

The claim: of 2, 4, 6 and 8 subOSes on a server of type S-B four suit Select and Aggregation best, and eight Join,
which improves by up to 170 %.

What we read into it: all 40 cores are divided as evenly as whole cores can be, so that six subOSes have seven or six,
and some reach over two sockets, as both of two do.  Memory is divided alike.  Each subOS has one worker and an
Ethernet card of its own, as in Figure 13; what RFloop would change is run beside it.  The improvement of Join is that
of the best number over the worst.

How firm it is: these numbers were seen while the workloads' estimates were made.  Four for Select and eight for Join
stand for a warm-up of 21 to 84 s; four for Aggregation needs more than about 25 s, and a shuffle of less than about
0.12 bytes a byte.
"""

from __future__ import annotations

import numpy as np

from .. import paper, plots
from ..descriptions import load
from ..descriptions.scenario import Scenario
from ..results import Results
from ..stats import Estimate, mean_interval
from .common import Options, Replicated, caption, notes, run_all
from .searching import growth
from .sparking import SECONDS, cluster, replications, times

TITLE = "how many subOSes suit each Spark workload"
KEYS = ["channel", "workload", "suboses"]
JOBS, COUNTS = ("select", "aggregation", "join"), (2, 4, 6, 8)
CARDS, RFLOOP = "nic", "rfloop"
FIRMNESS = {
    "select": "Not blind, but the same for every warm-up of 21 to 84 s.",
    "aggregation": "Not an independent prediction: at the 21 s of warm-up that are published it would be 8.",
    "join": "Not blind, but the same for every warm-up of 21 to 84 s.",
}
"""What else than the workloads' chosen estimates an answer depends on: they were made with the claim in view."""


def describe(options: Options) -> dict[tuple, Scenario]:
    """Each workload on each number of subOSes, over cards and over RFloop."""
    return {
        (channel, job, count): cluster("rainforest", job, channel, count).scenario(SECONDS)
        for channel in (CARDS, RFLOOP) for job in JOBS for count in COUNTS
    }


def run(options: Options) -> Results:
    """Simulate all points."""
    runs = run_all(describe(options), options, replications(options))
    told = notes(runs, options, replications(options))
    return Results("sec642_subos_count", options.quality, options.seed, {"statistics": times(runs, KEYS)}, told)


def _table(results: Results) -> Replicated:
    return Replicated(results.frames["statistics"], KEYS)


def best(results: Results, channel: str, job: str) -> Estimate:
    """The number of subOSes with the shortest time, over replications: in each all meet the same random numbers."""
    r = _table(results)
    times_us = np.array([r.values(channel, job, count, "job") for count in COUNTS])
    return mean_interval(np.array(COUNTS, float)[times_us.argmin(axis=0)])


def improvement(results: Results, channel: str, job: str) -> Estimate:
    """By how many percent the best number is faster than the worst."""
    r = _table(results)
    values = {count: r.values(channel, job, count, "job") for count in COUNTS}
    order = sorted(COUNTS, key=lambda count: values[count].mean())
    return growth(values[order[-1]], values[order[0]])


def figure(results: Results):
    """Running time against the number of subOSes; RFloop dashed."""
    r = _table(results)
    with plots.style():
        fig, axes = plots.new_figure(1, len(JOBS), height=2.5)
        for ax, job in zip(axes[0], JOBS, strict=True):
            for channel, line in ((CARDS, "-"), (RFLOOP, "--")):
                found = [r.estimate(channel, job, count, "job").scaled(1e-3) for count in COUNTS]
                ax.errorbar(
                    COUNTS, [e.value for e in found],
                    yerr=[[e.value - e.low for e in found], [e.high - e.value for e in found]],
                    linestyle=line, marker="o", markersize=3, capsize=1.5, label=load.channel(channel).title,
                    color=plots.system_line("rainforest")["color"],
                )
            ax.set_title(job)
            ax.set_ylim(bottom=0)
            ax.set_xticks(COUNTS)
            ax.set_xlabel("subOSes")
            ax.set_ylabel("running time, as simulated (ms)")
        fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    told = "; ".join(
        f"{job} is fastest on {best(results, CARDS, job).value:.0f} (with RFloop "
        f"{best(results, RFLOOP, job).value:.0f}), {improvement(results, CARDS, job).value:.0f} % faster than on the "
        f"worst number" for job in JOBS
    )
    join = _table(results).estimate(CARDS, "join", 4, "job").value / 1000
    return f"{told}. Join on four takes {join:.0f} ms, as simulated. " + caption(results.notes, results.seed)


def verdicts(results: Results) -> list[paper.Verdict]:
    """SO1 and SO2."""
    r = _table(results)
    found = []
    for job in JOBS:
        told = ", ".join(f"{count}: {r.estimate(CARDS, job, count, 'job').value / 1000:.0f} ms" for count in COUNTS)
        note = f"{told} as simulated; with RFloop {best(results, RFLOOP, job).value:.0f}. {FIRMNESS[job]}"
        found.append(paper.judge_value(paper.claim(f"SO1.{job}"), best(results, CARDS, job), note))
    found.append(paper.judge_value(
        paper.claim("SO2"), improvement(results, CARDS, "join"),
        "best over worst number of subOSes: more cards share the shuffle, and each address space has fewer threads",
    ))
    return found
