"""Figure 13: running time of five Spark workloads on every system, with and without RFloop.

The claim (section 6.4.2): with four workers on a server of type S-B, RainForest runs a workload at best 1.43 times as
fast as Linux, 1.16 times as fast as LXC and 1.78 times as fast as Xen; with RFloop 1.71, 1.69 and 2.60 times.  Join
and Aggregation spend much of their time on shuffling, which RFloop speeds up.

What we read into it: four workers with ten threads each.  On Linux 2.6.32 they share one kernel and roam over all 40
cores, and shuffle over the local loop; elsewhere each has an OS instance of ten cores, one socket's, and shuffles over
an Ethernet card of its own, or over RFloop.  A largest speed-up is that of the workload in which it is largest in the
mean.

Left out: other kernels than 2.6.32, though the paper has more of them beside it; how much data each job has (the paper
does not say); the driver; the host's part in a virtual machine's network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import paper, plots
from ..descriptions.fitted import of_file
from ..descriptions.load import system
from ..descriptions.scenario import Scenario
from ..results import Results
from ..stats import Estimate, ordering_probability, paired_ratio
from ..workloads.spark import JOB, described, jobs
from .common import Options, Replicated, caption, notes, run_all
from .sparking import SECONDS, WORKERS, cluster, replications, shares, times

TITLE = "Spark workloads on every system, with and without RFloop"
KEYS = ["system", "channel", "workload"]
OURS, WITH_RFLOOP = ("rainforest", "nic"), ("rainforest", "rfloop")
OTHERS = {"linux": ("linux-2.6.32", "loopback"), "lxc": ("lxc", "nic"), "xen": ("xen", "nic")}
SHUFFLING = ("aggregation", "join")
FIT_REPLICATIONS = 3
FIT_JOBS = {"linux": ("pagerank",), "lxc": ("join",), "xen": ("join",)}
"""Where a fit looks for the largest speed-up over a system: it is too slow to look everywhere."""


def describe(options: Options) -> dict[tuple, Scenario]:
    """Each workload on each system over its channel."""
    return {
        (*where, job): cluster(where[0], job, where[1]).scenario(SECONDS)
        for where in (*OTHERS.values(), OURS, WITH_RFLOOP) for job in jobs()
    }


def run(options: Options) -> Results:
    """Simulate all points."""
    runs = run_all(describe(options), options, replications(options))
    told = notes(runs, options, replications(options))
    frames = {"statistics": times(runs, KEYS), "shares": shares(runs, KEYS)}
    return Results("fig13_spark", options.quality, options.seed, frames, told)


def _table(results: Results) -> Replicated:
    return Replicated(results.frames["statistics"], KEYS)


def speedups(results: Results, ours: tuple[str, str]) -> dict[str, dict[str, Estimate]]:
    """How many times as fast a workload is on RainForest, over one channel, as on each other system."""
    r = _table(results)
    return {
        name: {job: paired_ratio(r.values(*where, job, "job"), r.values(*ours, job, "job")) for job in jobs()}
        for name, where in OTHERS.items()
    }


def gains(results: Results) -> dict[str, np.ndarray]:
    """How many times as fast RFloop makes each workload: float64[replications]."""
    r = _table(results)
    return {job: r.values(*OURS, job, "job") / r.values(*WITH_RFLOOP, job, "job") for job in jobs()}


def _largest(found: dict[str, Estimate]) -> str:
    return max(found, key=lambda job: found[job].value)


def _name(where: tuple[str, str]) -> str:
    return system(where[0]).title + (", RFloop" if where == WITH_RFLOOP else "")


def figure(results: Results):
    """Running times relative to RainForest over the cards, a bar a system."""
    r = _table(results)
    shown = (*OTHERS.values(), OURS, WITH_RFLOOP)
    with plots.style():
        fig, axes = plots.new_figure(height=2.9)
        ax = axes[0][0]
        for k, where in enumerate(shown):
            found = [paired_ratio(r.values(*where, job, "job"), r.values(*OURS, job, "job")) for job in jobs()]
            ax.bar(
                np.arange(len(jobs())) + 0.16 * (k - 2), [100 * e.value for e in found], width=0.15, label=_name(where),
                color=plots.system_line(where[0])["color"], alpha=0.55 if where == WITH_RFLOOP else 1,
                hatch=("", "//", "..", "", "xx")[k], edgecolor="white", linewidth=0.3,
                yerr=[[100 * (e.value - e.low) for e in found], [100 * (e.high - e.value) for e in found]], ecolor="black",
                error_kw={"linewidth": 0.7, "capsize": 1.5},
            )
        ax.axhline(100, color="black", linewidth=0.8)
        ax.set_xticks(range(len(jobs())), jobs())
        ax.set_ylabel("running time relative to RainForest (%)")
        ax.grid(visible=False, axis="x")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    told = []
    for text, ours in (("over the cards", OURS), ("with RFloop", WITH_RFLOOP)):
        best = [
            f"{found[_largest(found)].value:.2f} against {system(OTHERS[name][0]).title} ({_largest(found)})"
            for name, found in speedups(results, ours).items()
        ]
        told.append(f"{text} {', '.join(best)}")
    join = _table(results).estimate(*OURS, "join", "job").value / 1000
    return (
        f"Largest speed-ups of RainForest: {'; '.join(told)}. Over the cards Join takes it {join:.0f} ms, as simulated. "
        + caption(results.notes, results.seed)
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """F131 to F134."""
    rates = gains(results)
    found = [paper.judge_fact(paper.claim("F131"), len(jobs()) == 5 and WORKERS == 4, "as described")]
    for claim, ours in (("F132", OURS), ("F133", WITH_RFLOOP)):
        for name, ratios in speedups(results, ours).items():
            job = _largest(ratios)
            told = ", ".join(f"{other} {e.value:.2f}" for other, e in ratios.items())
            found.append(paper.judge_value(paper.claim(f"{claim}.{name}"), ratios[job], f"in {job}; {told}"))
    others = [job for job in jobs() if job not in SHUFFLING]
    fetching = Replicated(results.frames["shares"], KEYS, value="value")
    moving = {job: fetching.values(*OURS, job, "fetch") for job in jobs()}
    holds = [
        np.min([table[job] for job in SHUFFLING], axis=0) > np.max([table[job] for job in others], axis=0)
        for table in (moving, rates)
    ]
    told = ", ".join(f"{job} {moving[job].mean():.0f} %, {rates[job].mean():.2f} times" for job in jobs())
    found.append(paper.judge_probability(
        paper.claim("F134"), ordering_probability(np.logical_and(*holds)),
        f"share of the threads' time in a transfer, and what RFloop gains: {told}",
    ))
    return found


def fitted_claims(values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The model's value of each claim that Spark is fitted to, with other values of its fitted parameters.

    Parameters
    ----------
    values : mapping of str to float
        By their paths, such as ``"workloads/spark.toml:executor.survives"``.
    options : Options
        Seed and jobs.
    """
    spark = described(of_file(values, "workloads/spark.toml"))
    wanted = {(*OTHERS[name], job) for name, chosen in FIT_JOBS.items() for job in chosen}
    wanted |= {(*ours, job) for ours in (OURS, WITH_RFLOOP) for chosen in FIT_JOBS.values() for job in chosen}
    points = {key: cluster(key[0], key[2], key[1], described=spark).scenario(SECONDS) for key in sorted(wanted)}
    runs = run_all(points, options, FIT_REPLICATIONS)
    took = {key: run.estimate("mean", JOB).value for key, run in runs.items()}
    return {
        f"{claim}.{name}": max(took[*OTHERS[name], job] / took[*ours, job] for job in chosen)
        for claim, ours in (("F132", OURS), ("F133", WITH_RFLOOP)) for name, chosen in FIT_JOBS.items()
    }


FITS = {"spark": fitted_claims}
