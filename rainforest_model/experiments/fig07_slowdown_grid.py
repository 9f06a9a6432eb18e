"""Figure 7: mean slowdown of each of eleven benchmarks beside each other one.

The claim (section 6.2.1): two benchmarks run in two OS instances of three cores and 8 GB in the same NUMA node.
On RainForest only cachebench.write and cachebench.modify slow others down much; LXC, Xen and Linux suffer more,
beside these two and beside the others.

What we read into it: each benchmark runs on all three cores of its instance (netperf in one thread, as its instance
has one card); on Linux 3.17.4 both roam over the six cores of the socket.  A slowdown is by how many percent the
mean time of a unit of work grows, paired by common random numbers.

What costs is asked of the model itself: with footprints left out nobody presses on caches and memory, and what
remains is the kernel's and the hypervisor's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import paper, plots
from ..descriptions import load
from ..descriptions.scenario import Load, Scenario
from ..results import Results
from ..simulation import simulate
from ..stats import Estimate, ordering_probability
from ..workloads import structures_of, workload
from ..workloads.microbenchmarks import microbenchmarks
from .common import Options, Replicated, caption, notes, run_all, statistics, without_pressure
from .searching import growth

TITLE = "mean slowdown of each of eleven benchmarks beside each other one"
KEYS = ["system", "foreground", "background"]
SYSTEMS = ("linux-3.17.4", "lxc", "xen", "rainforest")
ALONE = ""
CORES, INSTANCES = 6, 2
STREAMING = ("cachebench_write", "cachebench_modify")


def _load(id: str, partition: int, pinned: bool) -> Load:
    threads = 1 if id.startswith("netperf") else CORES // INSTANCES
    return Load(program=workload(id), threads=threads, partition=partition, pinned=pinned)


def pair(system: str, foreground: str, background: str, duration: str = "20 ms") -> Scenario:
    """Two benchmarks in two instances on one socket, or one of them alone."""
    how = load.system(system)
    loads = [_load(foreground, 0, how.partitioning.partitioned)]
    if background != ALONE:
        loads.append(_load(background, 1, how.partitioning.partitioned))
    return load.validated(Scenario, {
        "machine": load.machine("S-A"), "system": how, "loads": loads, "cores": CORES, "partitions": INSTANCES,
        "duration": duration, "warmup": "2 ms",
    })


def describe(options: Options) -> dict[tuple, Scenario]:
    """Each benchmark alone and beside each, on all systems."""
    duration = options.span("20 ms", "60 ms")
    return {
        (id, front, back): pair(id, front, back, duration)
        for id in SYSTEMS for front in microbenchmarks() for back in (ALONE, *microbenchmarks())
    }


def _replications(options: Options) -> int:
    """A fixed number: what differs from one to the next is small beside the slowdowns."""
    return 5 if options.quality == "quick" else 10


def run(options: Options) -> Results:
    """Simulate all pairs."""
    runs = run_all(describe(options), options, _replications(options))
    table = statistics(runs, KEYS)
    frames = {"statistics": table[table.statistic == "mean"]}
    told = notes(runs, options, _replications(options))
    return Results("fig07_slowdown_grid", options.quality, options.seed, frames, told)


def grids(results: Results) -> dict[str, np.ndarray]:
    """Mean slowdown in percent: float64[foreground, background], by system."""
    r = Replicated(results.frames["statistics"], KEYS)
    names = microbenchmarks()
    return {
        id: np.array([[_slowdown(r, id, front, back).value for back in names] for front in names]) for id in SYSTEMS
    }


def _slowdown(r: Replicated, id: str, front: str, back: str) -> Estimate:
    return growth(r.values(id, front, back, "mean"), r.values(id, front, ALONE, "mean"))


def causes(options: Options, id: str, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """What slows the foreground of some pairs: all of it, and without pressure on caches and memory.

    Returns
    -------
    DataFrame
        Columns foreground, background, percent, kernel_percent.
    """
    def means(front: str, back: str, pressing: bool) -> np.ndarray:
        scenario = pair(id, front, back)
        if not pressing:
            scenario = without_pressure(scenario)
        return simulate(scenario, replications=4, seed=options.seed, jobs=options.jobs).replicated("mean")

    rows = []
    for front, back in pairs:
        found = [growth(means(front, back, p), means(front, ALONE, p)).value for p in (True, False)]
        rows.append((front, back, *found))
    return pd.DataFrame(rows, columns=["foreground", "background", "percent", "kernel_percent"])


def figure(results: Results):
    """A heat map a system: rows are foregrounds, columns backgrounds, by the paper's numbers."""
    names = microbenchmarks()
    found = grids(results)
    top = max(10.0, max(grid.max() for grid in found.values()))
    with plots.style():
        fig, axes = plots.new_figure(2, 2, height=6.4, sharex=True, sharey=True)
        for ax, id in zip(axes.flat, SYSTEMS, strict=True):
            grid = found[id]
            image = ax.imshow(np.maximum(grid, 0), cmap="cividis_r", vmin=0, vmax=top)
            for row, column in np.ndindex(grid.shape):
                dark = grid[row, column] > top / 2
                ax.text(column, row, f"{grid[row, column]:.0f}".replace("-0", "0"), ha="center", va="center", size=5.5,
                        color="white" if dark else "black")
            ax.set_title(load.system(id).title)
            ax.grid(visible=False)
            ax.set_xticks(range(len(names)))
            ax.set_yticks(range(len(names)), [f"{name.replace('netperf_', '')}  {k}" for k, name in enumerate(names)])
            ax.tick_params(length=0, labelsize=6)
        for ax in axes[1]:
            ax.set_xlabel("background, by its number")
        for ax in axes[:, 0]:
            ax.set_ylabel("foreground")
        fig.colorbar(image, ax=axes, shrink=0.6, label="mean slowdown of the foreground (%)")
    return fig


def _mean(grid: np.ndarray, streaming: bool) -> float:
    """Mean over all foregrounds, of the columns of the two streaming writers or of the others."""
    chosen = np.array([(name in STREAMING) == streaming for name in microbenchmarks()])
    return float(grid[:, chosen].mean())


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    told = "; ".join(
        f"{load.system(id).title} {_mean(grid, True):.1f} % beside cachebench write and modify, "
        f"{_mean(grid, False):.1f} % beside the others" for id, grid in grids(results).items()
    )
    r = Replicated(results.frames["statistics"], KEYS)
    record = r.estimate("rainforest", "iozone_write", ALONE, "mean").value
    return (
        f"Mean slowdowns: {told}. Alone on RainForest, IOzone writes a record in {record:.0f} us. "
        + caption(results.notes, results.seed)
    )


def _by_replication(results: Results) -> dict[str, np.ndarray]:
    """Slowdowns in percent: float64[replication, foreground, background], by system."""
    r = Replicated(results.frames["statistics"], KEYS)
    names = microbenchmarks()

    def percent(id, front, back):
        return 100 * (r.values(id, front, back, "mean") / r.values(id, front, ALONE, "mean") - 1)

    return {
        id: np.moveaxis(np.array([[percent(id, front, back) for back in names] for front in names]), -1, 0)
        for id in SYSTEMS
    }


def verdicts(results: Results) -> list[paper.Verdict]:
    """F71 to F75."""
    machine = load.machine("S-A")
    found = _by_replication(results)
    names = microbenchmarks()
    hot = np.array([name in STREAMING for name in names])
    columns = found["rainforest"].mean(axis=1)
    hottest = columns[:, hot].min(axis=1) > columns[:, ~hot].max(axis=1)
    ours = found["rainforest"]
    more = np.ones(len(ours), bool)
    shares, margins = [], []
    for id in SYSTEMS[:-1]:
        for chosen in (hot, ~hot):
            theirs, own = found[id][:, :, chosen].mean(axis=(1, 2)), ours[:, :, chosen].mean(axis=(1, 2))
            more &= theirs > own
            shares.append(f"{id} {theirs.mean():.2f} against {own.mean():.2f} %")
            margins.append(float((theirs - own).mean()))
    ranked = sorted(zip(columns.mean(axis=0), names, strict=True), reverse=True)
    return [
        paper.judge_fact(paper.claim("F71.instances"), INSTANCES, "as described"),
        paper.judge_fact(paper.claim("F71.cores"), CORES // INSTANCES, "as described"),
        paper.judge_fact(
            paper.claim("F71.memory"), machine.memory.capacity.plain() / machine.topology.sockets / INSTANCES / 2**30,
            "half of a node",
        ),
        paper.judge_fact(
            paper.claim("F71.node"), machine.topology.cores_per_socket >= CORES, "six cores of one socket"
        ),
        paper.judge_fact(paper.claim("F72"), len(names), "as described"),
        paper.judge_fact(
            paper.claim("F73"), workload("cachebench_read").footprint.working_set.value, "as described"
        ),
        paper.judge_fact(
            paper.claim("F73.iozone"), "tmpfs_blocks" in structures_of(workload("iozone_write")),
            "new pages are counted in the blocks of a tmpfs",
        ),
        paper.judge_probability(
            paper.claim("F74"), ordering_probability(hottest),
            "columns by mean: " + ", ".join(f"{name} {value:.1f} %" for value, name in ranked[:4]),
        ),
        paper.judge_probability(
            paper.claim("F75"), ordering_probability(more),
            "streaming writers, then the others: " + "; ".join(shares) + f". They differ from RainForest by "
            f"{min(margins):+.2f} to {max(margins):+.2f} points: nearly all of a slowdown is the cache's and the "
            "memory's, which four systems share alike; interrupts that one kernel takes on a neighbour's cores are not "
            "modelled.",
        ),
    ]
