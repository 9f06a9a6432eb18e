"""Figure 8: tail latency of Search on two OS instances against load.

The claim (section 6.2.2): with two back ends, each with half the index in an OS instance of 6 cores, and
every request sent to both, the load up to which the tail stays within 200 ms is about 400 requests a second
on Linux 2.6.35M, 350 on LXC and on Xen, and 500 on RainForest, at 59.8, 58.0, 55.7 and 69.7 % CPU.  One back
end alone collapses into seconds at 400 requests a second with the CPU below half.

What we read into it: the tail is the 99th percentile of the time from a request's scheduled arrival to the
last back end's answer, over half a minute after two seconds of warm-up (an overloaded run has no steady
tail, so its value depends on that length).  On plain Linux both back ends roam over all 12 cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from .. import paper, plots
from ..descriptions.fitted import of_file
from ..descriptions.load import system
from ..descriptions.scenario import Scenario
from ..results import Results
from ..stats import Estimate, mean_interval
from ..workloads.search import described
from .common import Options, Replicated, caption, notes, run_all, statistics
from .searching import (
    LIMIT_MS,
    arrives_uniformly,
    asks_every_back_end,
    back_ends_of,
    cores_of_an_instance,
    highest_loads,
    memory_of_an_instance,
    precision,
    resources,
    search_on,
)

TITLE = "tail latency of Search on two OS instances against load"
KEYS = ["system", "back_ends", "rate"]
SYSTEMS = ("linux-2.6.35m", "lxc", "xen", "rainforest")
RATES = (250, 300, 350, 400, 450, 500, 550, 600)
BEARABLE = {"linux-2.6.35m": 400, "lxc": 350, "xen": 350, "rainforest": 500}
"""Loads at which section 6.2.2 reports the utilisation: where the model is asked for it."""
ALONE = ("linux-2.6.35m", 1, 400)
LOWEST, HIGHEST = 100, 700
FIT_REPLICATIONS, FIT_BETWEEN = 4, (350, 650)
NEARLY_ALL = 90
"""Percent of handlers busy from which a queue before them grows quickly."""
PLATEAU = 2.0
"""A tail this many times that of the lowest load has left its plateau."""


def _at(id: str, options: Options, rate: float) -> Scenario:
    return search_on(id, rate, back_ends=2, seconds=30 if options.quality == "quick" else 60)


def describe(options: Options) -> dict[tuple, Scenario]:
    """All systems at all loads with two back ends; then one back end at the load at which it collapses."""
    found = {(id, 2, rate): _at(id, options, rate) for id in SYSTEMS for rate in RATES}
    found[ALONE] = search_on(ALONE[0], ALONE[2], seconds=30 if options.quality == "quick" else 60)
    return found


def run(options: Options) -> Results:
    """Simulate all points, then search for each system's highest bearable load."""
    rule = precision(options)
    runs = run_all(describe(options), options, rule)
    loads = highest_loads({id: partial(_at, id, options) for id in SYSTEMS}, LOWEST, HIGHEST, rule.minimum, options)
    frames = {"statistics": statistics(runs, KEYS), "resources": resources(runs, KEYS), "highest": loads}
    return Results("fig08_search_load", options.quality, options.seed, frames, notes(runs, options, rule))


def figure(results: Results):
    """Tail latency and what saturates, against load."""
    tails = Replicated(results.frames["statistics"], KEYS)
    used = Replicated(results.frames["resources"], KEYS, value="value")
    with plots.style():
        fig, axes = plots.new_figure(1, 3, height=2.9)
        left, middle, right = axes[0]
        for id in SYSTEMS:
            look = plots.system_line(id)
            tail = [tails.estimate(id, 2, rate, "p99") for rate in RATES]
            left.plot(RATES, [e.value / 1000 for e in tail], label=system(id).title, **look)
            left.fill_between(RATES, [max(e.low, 1) / 1000 for e in tail], [e.high / 1000 for e in tail],
                              color=look["color"], alpha=0.2, linewidth=0)
            for ax, name in ((middle, "handlers"), (right, "cores")):
                ax.plot(RATES, [used.estimate(id, 2, rate, name).value for rate in RATES], **look)
        left.axhline(LIMIT_MS, color="black", linewidth=0.8)
        left.set_yscale("log")
        left.set_ylim(50, 20_000)
        left.set_ylabel("99th percentile of latency (ms)")
        middle.set_ylabel("handlers with a request (%)")
        right.set_ylabel("cores with a task (%)")
        for ax in axes[0]:
            ax.set_xlabel("requests a second")
        for ax in (middle, right):
            ax.set_ylim(0, 105)
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def highest(results: Results) -> dict[str, Estimate]:
    """Highest load with a tail within 200 ms, by system, requests a second."""
    table = results.frames["highest"]
    return {id: mean_interval(table[table.system == id].rate.to_numpy()) for id in SYSTEMS}


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    told = ", ".join(f"{system(id).title} {e.value:.0f} ± {(e.high - e.low) / 2:.0f}"
                     for id, e in highest(results).items())
    tail = Replicated(results.frames["statistics"], KEYS).estimate("rainforest", 2, RATES[0], "p99").value / 1000
    return (
        f"Highest load with a tail within {LIMIT_MS} ms (line), requests a second: {told}. RainForest's tail at "
        f"{RATES[0]} requests a second is {tail:.0f} ms. " + caption(results.notes, results.seed)
    )


def leaves_plateau(tails: Replicated, id: str) -> Estimate:
    """Load at which the tail has left its plateau for good, interpolated on the logarithm, requests a second."""
    table = np.array([tails.values(id, 2, rate, "p99")[:4] for rate in RATES])
    found = []
    for column in np.log(table / table[0]).T:
        over = column > np.log(PLATEAU)
        if not over[-1]:
            found.append(float(RATES[-1]))
            continue
        first = len(over) - int(np.argmin(over[::-1]))  # behind the last one that is on the plateau
        found.append(float(np.interp(np.log(PLATEAU), column[first - 1:first + 1], RATES[first - 1:first + 1])))
    return mean_interval(np.array(found))


def saturates(results: Results, id: str) -> tuple[str, float, float]:
    """What is nearer to its end at the highest bearable load: the handlers or the cores, and the percentages."""
    used = Replicated(results.frames["resources"], KEYS, value="value")
    rate = min(max(highest(results)[id].value, RATES[0]), RATES[-1])
    share = {
        name: float(np.interp(rate, RATES, [used.estimate(id, 2, r, name).value for r in RATES]))
        for name in ("handlers", "cores")
    }
    return max(share, key=share.get), share["handlers"], share["cores"]


def anatomy(results: Results) -> pd.DataFrame:
    """What is busy at the load that the paper calls bearable, and how long a handler takes for a part.

    Returns
    -------
    DataFrame
        Columns system, rate (requests a second), part_ms, handlers_percent, cores_percent, p99_ms.
    """
    tails = Replicated(results.frames["statistics"], KEYS)
    used = Replicated(results.frames["resources"], KEYS, value="value")
    rows = [
        (id, rate, *(used.estimate(id, 2, rate, name).value for name in ("part", "handlers", "cores")),
         tails.estimate(id, 2, rate, "p99").value / 1000)
        for id, rate in BEARABLE.items()
    ]
    return pd.DataFrame(rows, columns=["system", "rate", "part_ms", "handlers_percent", "cores_percent", "p99_ms"])


def disagreements() -> pd.DataFrame:
    """Where the paper's own numbers strain one another: CPU time of a request, and what it would mean for 6 cores.

    Returns
    -------
    DataFrame
        Columns system, cpu_ms (12 cores times utilisation over load, F86 and F87), busy_percent (of 6 cores at 300
        requests a second, by the utilisation law), tail_ms (printed for that set-up, F91).
    """
    rows = []
    for id, rate in BEARABLE.items():
        cpu = 10 * 12 * paper.claim(f"F87.{id}").value / rate
        alone = paper.claim(f"F91.{id}").value if id != "linux-2.6.35m" else float("nan")
        rows.append((id, cpu, 300 * cpu / 1000 / 6 * 100, alone))
    return pd.DataFrame(rows, columns=["system", "cpu_ms", "busy_percent", "tail_ms"])


def verdicts(results: Results) -> list[paper.Verdict]:
    """F81 to F88."""
    tails = Replicated(results.frames["statistics"], KEYS)
    used = Replicated(results.frames["resources"], KEYS, value="value")
    two = search_on("rainforest", 400, back_ends=2)
    found = [
        paper.judge_value(paper.claim("F81.tail"), tails.estimate(*ALONE, "p99").scaled(1e-6)),
        paper.judge_value(
            paper.claim("F81.utilisation"), used.estimate(*ALONE, "cores"),
            f"handlers {used.estimate(*ALONE, 'handlers').value:.0f} % busy",
        ),
        paper.judge_fact(paper.claim("F82"), asks_every_back_end(two), "as described"),
        paper.judge_fact(paper.claim("F83.backends"), len(back_ends_of(two)), "as described"),
        paper.judge_fact(paper.claim("F83.cores"), cores_of_an_instance(two), "as described"),
        paper.judge_fact(paper.claim("F83.memory"), memory_of_an_instance(two), "as described"),
        paper.judge_fact(paper.claim("F83.arrivals"), arrives_uniformly(two), "as described"),
    ]
    for id in ("lxc", "xen", "linux-2.6.35m", "rainforest"):
        busy = used.estimate(id, 2, 400, "handlers").value
        found.append(paper.judge_value(
            paper.claim(f"F84.{id}"), tails.estimate(id, 2, 400, "p99").scaled(1e-3),
            f"handlers {busy:.0f} % busy: {'still' if busy < NEARLY_ALL else 'no longer'} far from their end",
        ))
    found.append(paper.judge_value(
        paper.claim("F85"), leaves_plateau(tails, "linux-2.6.35m"),
        f"where p99 is {PLATEAU:g} times that of the lowest load",
    ))
    for id, estimate in highest(results).items():
        what, handlers, cores = saturates(results, id)
        note = (
            f"{what} first: handlers {handlers:.0f} %, cores {cores:.0f} % busy there. A part takes "
            f"{used.estimate(id, 2, 350, 'part').value:.1f} ms at 350, on RainForest "
            f"{used.estimate('rainforest', 2, 350, 'part').value:.1f}: the cost of what is shared."
        )
        found.append(paper.judge_value(paper.claim(f"F86.{id}"), estimate, note))
        found.append(paper.judge_value(
            paper.claim(f"F87.{id}"), used.estimate(id, 2, BEARABLE[id], "cores"),
            f"at {BEARABLE[id]} requests a second; RainForest at the same load "
            f"{used.estimate('rainforest', 2, BEARABLE[id], 'cores').value:.1f} %",
        ))
    found.append(paper.judge_value(
        paper.claim("F88.utilisation"), used.estimate("linux-2.6.35m", 2, 600, "cores"),
        f"no more, as {used.estimate('linux-2.6.35m', 2, 600, 'handlers').value:.0f} % of the handlers are busy",
    ))
    found.append(paper.judge_value(
        paper.claim("F88.tail"), tails.estimate("linux-2.6.35m", 2, 600, "p99").scaled(1e-3)
    ))
    return found


def fitted_claims(values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The model's value of each claim that Search is fitted to, with other values of its fitted parameters.

    Parameters
    ----------
    values : mapping of str to float
        By their paths, such as ``"workloads/search.toml:scan"``.
    options : Options
        Seed and jobs.
    """
    search = described(**of_file(values, "workloads/search.toml"))
    points = {
        "F87.rainforest": search_on("rainforest", 500, back_ends=2, search=search),
        "F87.xen": search_on("xen", 350, back_ends=2, search=search),
        "F91.rainforest": search_on("rainforest", 300, seconds=60, search=search),
        "F91.xen": search_on("xen", 300, seconds=60, search=search),
        "F3b1.linux-2.6.32": search_on("linux-2.6.32", 300, seconds=60, search=search),
    }
    runs = run_all(points, options, FIT_REPLICATIONS)
    found = {
        id: 100 * run.utilisation if id.startswith("F87") else run.estimate("p99").value / 1000
        for id, run in runs.items()
    }
    borne = highest_loads(
        {"rainforest": lambda rate: search_on("rainforest", rate, back_ends=2, search=search)},
        *FIT_BETWEEN, FIT_REPLICATIONS, options, step=2,
    )
    return {**found, "F86.rainforest": float(borne.rate.mean())}


FITS = {"search": fitted_claims}
