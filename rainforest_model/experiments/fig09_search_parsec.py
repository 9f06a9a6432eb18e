"""Figure 9: tail latency of Search beside each PARSEC benchmark, in OS instances of six cores.

The claim (section 6.2.3): alone at 300 requests a second the tail of Search is 129.3 ms on LXC, 210.9 on Xen
and 128.5 on RainForest.  Beside a PARSEC benchmark in the other half of the machine it grows by less than 8 %
on RainForest, by up to 46 % on LXC, and by 25.6 % on average on Xen.  Xen is worse than the others already at
250 requests a second, and collapses beyond 300.

What we read into it: one back end with the whole index in the first half; the benchmark, with six threads, in
the other; slowdowns are ratios of 99th percentiles, paired by common random numbers.  Linux, on which the
same two programs share all 12 cores, is run beside them only for what is said of the benchmarks' own speed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import paper, plots
from ..descriptions.load import system
from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..results import Results
from ..stats import Estimate, mean_interval, ordering_probability
from ..workloads.parsec import parsec
from .common import Options, Replicated, caption, notes, run_all, statistics
from .searching import (
    cores_of_an_instance,
    growth,
    inside_a_node,
    memory_of_an_instance,
    precision,
    rate_of,
    resources,
    search_on,
    worst,
)

TITLE = "tail latency of Search beside each PARSEC benchmark, three systems with OS instances"
KEYS = ["system", "rate", "neighbour"]
SYSTEMS = ("lxc", "xen", "rainforest")
LINUX = ("linux-2.6.32", "linux-2.6.35m", "linux-3.17.4", "linux-4.9.40")
RATE, LOWER = 300, 250
STEEPER = (325, 350)
SHARED = "What a neighbour on the other socket shares, it holds for microseconds; a request takes milliseconds."
ALONE = ""
NEIGHBOUR = "parsec.dedup"


def _seconds(options: Options) -> float:
    return 30 if options.quality == "quick" else 60


def describe(options: Options) -> dict[tuple, Scenario]:
    """Search alone at several loads, then beside each benchmark at one; on Linux too."""
    seconds = _seconds(options)
    points = [(id, rate, ALONE) for id in SYSTEMS for rate in (LOWER, RATE)]
    points += [("xen", rate, ALONE) for rate in STEEPER]
    points += [(id, RATE, name) for id in (*SYSTEMS, *LINUX) for name in parsec()]
    return {(id, rate, name): search_on(id, rate, neighbour=name or None, seconds=seconds) for id, rate, name in points}


def explained(system: str, options: Options, cores: int = 12) -> Scenario:
    """Search at the higher load beside the benchmark that maps and touches most memory.

    Raises
    ------
    InputError
        If it is asked for on other than all cores, which are what two OS instances halve.
    """
    if cores != 12:
        raise InputError("Search has one half of all 12 cores", key="cores", value=cores)
    return search_on(system, RATE, neighbour=NEIGHBOUR, seconds=_seconds(options))


EXPLAINED = {"search": explained}


def run(options: Options) -> Results:
    """Simulate all points."""
    runs = run_all(describe(options), options, precision(options))
    frames = {"statistics": statistics(runs, KEYS), "resources": resources(runs, KEYS)}
    told = notes(runs, options, precision(options))
    return Results("fig09_search_parsec", options.quality, options.seed, frames, told)


def slowdowns(results: Results) -> pd.DataFrame:
    """Growth of the 99th percentile beside each benchmark in percent, with its interval, by system.

    Returns
    -------
    DataFrame
        Columns system, neighbour, percent, low, high.
    """
    r = Replicated(results.frames["statistics"], KEYS)
    rows = []
    for id in SYSTEMS:
        for name in parsec():
            e = _growth(r, id, name)
            rows.append((id, name, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["system", "neighbour", "percent", "low", "high"])


def _pairs(r: Replicated, id: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    beside, alone = r.values(id, RATE, name, "p99"), r.values(id, RATE, ALONE, "p99")
    n = min(len(beside), len(alone))
    return beside[:n], alone[:n]


def _growth(r: Replicated, id: str, name: str) -> Estimate:
    """Growth of the tail in percent."""
    return growth(*_pairs(r, id, name))


def figure(results: Results):
    """Slowdown of the tail beside each benchmark, a bar a system."""
    table = slowdowns(results)
    names = parsec()
    with plots.style():
        fig, axes = plots.new_figure(height=3.0)
        ax = axes[0][0]
        for k, id in enumerate(SYSTEMS):
            here = table[table.system == id].set_index("neighbour").loc[list(names)]
            ax.bar(
                np.arange(len(names)) + 0.27 * (k - 1), here.percent, width=0.25, label=system(id).title,
                color=plots.system_line(id)["color"], hatch=("", "//", "..")[k], edgecolor="white", linewidth=0.3,
                yerr=[here.percent - here.low, here.high - here.percent], ecolor="black",
                error_kw={"linewidth": 0.7, "capsize": 1.5},
            )
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xticks(range(len(names)), [name.removeprefix("parsec.") for name in names], rotation=35, ha="right")
        ax.set_ylabel("growth of the 99th percentile (%)")
        ax.grid(visible=False, axis="x")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    r = Replicated(results.frames["statistics"], KEYS)
    told = []
    for id in SYSTEMS:
        name = _worst(r, id)
        told.append(
            f"{system(id).title}: {r.estimate(id, RATE, ALONE, 'p99').value / 1000:.1f} ms alone, at worst "
            f"{_growth(r, id, name).value:+.1f} % ({name.removeprefix('parsec.')})"
        )
    return f"Search at {RATE} requests a second. " + "; ".join(told) + ". " + caption(results.notes, results.seed)


def _worst(r: Replicated, id: str) -> str:
    return worst({name: r.values(id, RATE, name, "p99") for name in parsec()})


def _mean_growth(r: Replicated, id: str) -> Estimate:
    """Growth of the tail in percent, averaged over the benchmarks."""
    n = min(len(_pairs(r, id, name)[0]) for name in parsec())
    beside = np.mean([_pairs(r, id, name)[0][:n] for name in parsec()], axis=0)
    return growth(beside, r.values(id, RATE, ALONE, "p99")[:n])


def _collapse(r: Replicated) -> Estimate:
    """Load from which Xen's tail is twice that of the lower load, interpolated on the logarithm."""
    rates = (LOWER, RATE, *STEEPER)
    n = min(len(r.values("xen", rate, ALONE, "p99")) for rate in rates)
    tails = np.log([r.values("xen", rate, ALONE, "p99")[:n] for rate in rates])
    found = [
        float(np.interp(np.log(2), np.maximum.accumulate(column - column[0]), rates)) for column in tails.T
    ]
    return mean_interval(np.array(found))


def _batches_against_linux(r: Replicated, used: Replicated) -> tuple[np.ndarray, np.ndarray]:
    """Speed of the benchmarks and tail of Search on Xen relative to Linux: geometric means, one a replication."""
    pairs = [(other, name) for other in LINUX for name in parsec()]
    n = min(len(r.values(id, RATE, name, "p99")) for id in ("xen", *LINUX) for name in parsec())

    def ratio(table: Replicated, statistic: str) -> np.ndarray:
        logs = [
            np.log(table.values("xen", RATE, name, statistic)[:n] / table.values(other, RATE, name, statistic)[:n])
            for other, name in pairs
        ]
        return np.exp(np.mean(logs, axis=0))

    return ratio(used, "rounds"), ratio(r, "p99")


def verdicts(results: Results) -> list[paper.Verdict]:
    """F91 to F98."""
    r = Replicated(results.frames["statistics"], KEYS)
    used = Replicated(results.frames["resources"], KEYS, value="value")
    found = [
        paper.judge_value(
            paper.claim(f"F91.{id}"), r.estimate(id, RATE, ALONE, "p99").scaled(1e-3),
            f"cores of the whole machine {used.estimate(id, RATE, ALONE, 'cores').value:.0f} %, "
            f"handlers {used.estimate(id, RATE, ALONE, 'handlers').value:.0f} % busy",
        )
        for id in SYSTEMS
    ]
    low = r.estimate("xen", LOWER, ALONE, "p99").scaled(1e-3)
    order = [(("lxc", LOWER, ALONE, "p99"), ("xen", LOWER, ALONE, "p99")),
             (("rainforest", LOWER, ALONE, "p99"), ("xen", LOWER, ALONE, "p99"))]
    found += [
        paper.judge_value(
            paper.claim("F92"), low,
            f"handlers {used.estimate('xen', LOWER, ALONE, 'handlers').value:.0f} % busy: the tail is still that of "
            "the requests' own length.",
        ),
        paper.judge_probability(paper.claim("F92.order"), r.holds(*order)),
        paper.judge_value(paper.claim("F93"), _mean_growth(r, "xen"), f"mean over the 13 benchmarks. {SHARED}"),
    ]
    for id, claim, why in (("rainforest", "F94", "Nothing is shared."), ("lxc", "F95", SHARED)):
        name = _worst(r, id)
        found.append(paper.judge_value(paper.claim(claim), _growth(r, id, name), f"worst beside {name}. {why}"))
    twice = f"where p99 is twice that at {LOWER} requests a second"
    found.append(paper.judge_value(paper.claim("F96"), _collapse(r), twice))
    alone = search_on("rainforest", RATE)
    faster, longer = _batches_against_linux(r, used)
    found += [
        paper.judge_probability(
            paper.claim("F97"), ordering_probability((faster > 1) & (longer > 1)),
            f"against Linux the benchmarks run {faster.mean():.2f} times as fast on Xen, and the tail is "
            f"{longer.mean():.2f} times as long (geometric means)",
        ),
        paper.judge_fact(paper.claim("F98.cores"), cores_of_an_instance(alone), "as described"),
        paper.judge_fact(paper.claim("F98.memory"), memory_of_an_instance(alone), "as described"),
        paper.judge_fact(paper.claim("F98.node"), inside_a_node(alone), "as described"),
        paper.judge_fact(paper.claim("F98.load"), round(rate_of(alone), 9), "as described"),
    ]
    return found
