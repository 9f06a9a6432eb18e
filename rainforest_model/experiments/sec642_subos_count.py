"""Section 6.4.2: how many subOSes suit each Spark workload.

The claim: of 2, 4, 6 and 8 subOSes on a server of type S-B four suit Select and Aggregation best, and eight Join,
which improves by up to 170 %.

What we read into it: all 40 cores are divided as evenly as whole cores can be, so that six subOSes have seven or six,
and some reach over two sockets, as both of two do.  Memory is divided alike.  Each subOS has one worker and an
Ethernet card of its own, as in Figure 13; what RFloop would change is run beside it.  The improvement of Join is that
of the best number over the worst.
"""

from __future__ import annotations

import numpy as np

from .. import paper, plots
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
NAMES = {CARDS: "network cards", RFLOOP: "RFloop"}


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
    return Results("sec642_subos_count", options.quality, options.seed, {"times": times(runs, KEYS)}, told)


def _table(results: Results) -> Replicated:
    return Replicated(results.frames["times"], KEYS, value="value")


def best(results: Results, channel: str, job: str) -> Estimate:
    """The number of subOSes with the shortest time, over replications: in each all meet the same random numbers."""
    r = _table(results)
    times_ms = np.array([r.values(channel, job, count, "job") for count in COUNTS])
    return mean_interval(np.array(COUNTS, float)[times_ms.argmin(axis=0)])


def improvement(results: Results, channel: str, job: str) -> Estimate:
    """By how many percent the best number is faster than the worst."""
    r = _table(results)
    values = {count: r.values(channel, job, count, "job") for count in COUNTS}
    order = sorted(COUNTS, key=lambda count: values[count].mean())
    return growth(values[order[-1]], values[order[0]])


def figure(results: Results):
    """Running time against the number of subOSes, relative to four; RFloop dashed."""
    r = _table(results)
    with plots.style():
        fig, axes = plots.new_figure(1, len(JOBS), height=2.5, sharey=True)
        for ax, job in zip(axes[0], JOBS, strict=True):
            for channel, line in ((CARDS, "-"), (RFLOOP, "--")):
                found = [r.estimate(channel, job, count, "job") for count in COUNTS]
                base = r.estimate(CARDS, job, 4, "job").value
                ax.errorbar(
                    COUNTS, [e.value / base for e in found],
                    yerr=[[(e.value - e.low) / base for e in found], [(e.high - e.value) / base for e in found]],
                    linestyle=line, marker="o", markersize=3, capsize=1.5, label=NAMES[channel],
                    color=plots.system_line("rainforest")["color"],
                )
            ax.set_title(job)
            ax.set_xticks(COUNTS)
            ax.set_xlabel("subOSes")
        axes[0][0].set_ylabel("running time relative to\nfour subOSes over cards")
        fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    told = "; ".join(
        f"{job} is fastest on {best(results, CARDS, job).value:.0f} (with RFloop "
        f"{best(results, RFLOOP, job).value:.0f}), {improvement(results, CARDS, job).value:.0f} % faster than on the "
        f"worst number" for job in JOBS
    )
    return f"{told}. " + caption(results.notes, results.seed)


def verdicts(results: Results) -> list[paper.Verdict]:
    """SO1 and SO2."""
    r = _table(results)
    found = []
    for job in JOBS:
        told = ", ".join(f"{count}: {r.estimate(CARDS, job, count, 'job').value:.0f} ms" for count in COUNTS)
        note = f"{told} as simulated; with RFloop {best(results, RFLOOP, job).value:.0f}"
        found.append(paper.judge_value(paper.claim(f"SO1.{job}"), best(results, CARDS, job), note))
    found.append(paper.judge_value(
        paper.claim("SO2"), improvement(results, CARDS, "join"),
        "best over worst number of subOSes: more cards share the shuffle, and each address space has fewer threads",
    ))
    return found
