"""Section 7: munmap on Barrelfish by cores and by pages, beside Linux and RainForest.

The claim: on Barrelfish munmap scales with cores, as its authors found, but with more memory to unmap its mean
and tail get much worse; the paper suspects two-phase commit and the many messages of unmaps that are split.

What we read into it: one thread maps, touches and unmaps, while the other threads of its process compute on the
other cores, so that every core has the address space loaded and none waits for its lock, as in the measurement
of Barrelfish's authors.  On RainForest a process has the two cores of its subOS, and each subOS runs a copy.
Memory comes in frames of one page, the smallest, and each frame is unmapped by a commit of its own, because the
memory object of Barrelfish walks its frames; how that choice matters is shown by larger frames and by one phase.
To scale is read as: a step from some cores to more takes less than in proportion longer; "significantly" with
size, as the list of claims reads it, as in proportion or worse, within the tolerance of every other number.

At first the description let Barrelfish free pages by Linux's batches of 31: one unmap in 31 paid for all, so the
tail of one page was high and fell short of proportion on the step to four.  Frames are capabilities, returned one
by one, so that was wrong of Barrelfish; but it was found by looking at the verdict.

What we leave out: Barrelfish's multicast tree (a core here tells all others itself), its memory server, and
messages that wait while another domain has the monitor's core.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from .. import paper, plots
from ..descriptions.load import machine, system
from ..descriptions.program import compute, exponential, program
from ..descriptions.scenario import Load, Scenario
from ..results import Results
from ..stats import ordering_probability
from ..workloads import workload
from .common import Options, Replicated, caption, notes, run_all, statistics

TITLE = "munmap by messages and by interrupts"
KEYS = ["system", "variant", "cores", "pages"]
SYSTEMS = ("linux-2.6.32", "rainforest", "barrelfish")
CORES = (2, 4, 8, 12)
PAGES = (1, 4, 16, 64, 256)
AS_DESCRIBED = ""
VARIANTS = {
    "one phase": {"phases": 1}, "frames of 16 pages": {"pages_per_flush": 16},
    "frames of 512 pages": {"pages_per_flush": 512},
}
SUBOS_CORES = 2
SPANS = {
    1: ("10 ms", "40 ms"), 4: ("12 ms", "50 ms"), 16: ("25 ms", "100 ms"), 64: ("60 ms", "250 ms"),
    256: ("200 ms", "800 ms"),
}
SUMMARY = ("mean", "p99")

bystander = program(
    "bystander", compute(exponential("200 us"), name="user work"),
    title="computes in user space, so that its core has the address space loaded",
)


def point(id: str, cores: int, pages: int, duration: str, variant: str = AS_DESCRIBED) -> Scenario:
    """One thread that unmaps `pages` pages, with another thread of its process on each other core it may have."""
    under = system(id)
    partitions = max(1, cores // SUBOS_CORES) if under.partitioning.kernels == "each" else 1
    changed = {}
    if variant:
        changed = {"tlb": under.structures["tlb"].model_copy(update=VARIANTS[variant])}
    return Scenario(
        machine=machine("S-A"), system=under, cores=cores, partitions=partitions, duration=duration, structures=changed,
        loads=(
            Load(program=workload("munmap", pages=pages), pinned=True),
            Load(program=bystander, threads=cores // partitions - 1, pinned=True, joins=0),
        ),
    )


def describe(options: Options) -> dict[tuple, Scenario]:
    """One page on all numbers of cores, all sizes on 12; then what a change to Barrelfish's commit would do."""
    found = {}
    for id in SYSTEMS:
        for cores, pages in [*((cores, 1) for cores in CORES), *((CORES[-1], pages) for pages in PAGES[1:])]:
            found[id, AS_DESCRIBED, cores, pages] = point(id, cores, pages, options.span(*SPANS[pages]))
    for variant in VARIANTS:
        for pages in PAGES:
            found["barrelfish", variant, CORES[-1], pages] = point(
                "barrelfish", CORES[-1], pages, options.span(*SPANS[pages]), variant
            )
    return found


def run(options: Options) -> Results:
    """Simulate all points."""
    runs = run_all(describe(options), options)
    frames = {"statistics": statistics(runs, KEYS)}
    return Results("sec7_barrelfish_munmap", options.quality, options.seed, frames, notes(runs, options))


def _errorbars(ax, r: Replicated, x: Iterable[int], keys: Iterable[tuple], label: str, look: dict) -> None:
    """The mean with its interval, and the 99th percentile as a triangle above it."""
    keys = list(keys)
    means = [r.estimate(*key, "mean") for key in keys]
    low, high = ([getattr(e, side) for e in means] for side in ("low", "high"))
    value = np.array([e.value for e in means])
    ax.errorbar(x, value, yerr=[value - low, high - value], label=label, capsize=2, **look)
    ax.plot(x, [r.estimate(*key, "p99").value for key in keys], "^", color=look["color"], markersize=4)


def figure(results: Results):
    """Time of an unmap by cores, by size, and by size for other commits; lines are means, triangles p99."""
    r = Replicated(results.frames["statistics"], KEYS)
    with plots.style():
        fig, axes = plots.new_figure(1, 3, height=3.0)
        by_cores, by_pages, changed = axes[0]
        for id in SYSTEMS:
            look, title = plots.system_line(id), system(id).title
            _errorbars(by_cores, r, CORES, [(id, AS_DESCRIBED, cores, 1) for cores in CORES], title, look)
            _errorbars(by_pages, r, PAGES, [(id, AS_DESCRIBED, CORES[-1], pages) for pages in PAGES], title, look)
        for index, variant in enumerate((AS_DESCRIBED, *VARIANTS)):
            look = plots.line(index) if variant else plots.system_line("barrelfish")
            keys = [("barrelfish", variant, CORES[-1], pages) for pages in PAGES]
            _errorbars(changed, r, PAGES, keys, variant or "as described", look)
        by_cores.set_title("one page")
        by_cores.set_xticks(CORES)
        by_cores.set_xlabel("cores")
        by_cores.set_ylim(0, 9)
        by_cores.set_ylabel("time of an unmap (us)")
        for ax, title in ((by_pages, "12 cores"), (changed, "Barrelfish changed, 12 cores")):
            ax.set_xscale("log", base=4)
            ax.set_yscale("log")
            ax.set_xticks(PAGES, [str(pages) for pages in PAGES])
            ax.set_xlabel("pages unmapped")
            ax.set_title(title)
        by_pages.set_ylabel("time of an unmap (us)")
        changed.sharey(by_pages)
        by_cores.legend(loc="upper left")
        changed.legend(loc="upper left", fontsize=6)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    r = Replicated(results.frames["statistics"], KEYS)

    def mean(id: str, cores: int, pages: int, variant: str = AS_DESCRIBED) -> float:
        return r.estimate(id, variant, cores, pages, "mean").value

    large = PAGES[-1]
    return (
        f"On Barrelfish an unmap of one page takes {mean('barrelfish', 2, 1):.1f} us on 2 cores and "
        f"{mean('barrelfish', 12, 1):.1f} us on 12 (Linux 2.6.32: {mean('linux-2.6.32', 2, 1):.1f} and "
        f"{mean('linux-2.6.32', 12, 1):.1f}); {large} pages on 12 cores take {mean('barrelfish', 12, large):,.0f} us "
        f"(Linux {mean('linux-2.6.32', 12, large):,.0f}, RainForest {mean('rainforest', 12, large):,.0f}; with "
        f"frames of 512 pages Barrelfish {mean('barrelfish', 12, large, 'frames of 512 pages'):,.0f}). Lines: means "
        "with 95 % intervals; triangles: 99th percentiles. " + caption(results.notes, results.seed)
    )


def _growth(r: Replicated, points: list[tuple], statistic: str) -> np.ndarray:
    """By how much more than in proportion each step grows: float64[steps, replications]; 1 is in proportion."""
    values = {(x, key): r.values(*key, statistic) for x, key in points}
    together = min(map(len, values.values()))
    steps = [
        values[b][:together] / values[a][:together] * a[0] / b[0] for a, b in pairwise(values)
    ]
    return np.array(steps)


def by_cores(r: Replicated, id: str, statistic: str) -> np.ndarray:
    """`_growth` of one page's unmap from each number of cores to the next."""
    return _growth(r, [(cores, (id, AS_DESCRIBED, cores, 1)) for cores in CORES], statistic)


def by_pages(r: Replicated, id: str, statistic: str, variant: str = AS_DESCRIBED) -> np.ndarray:
    """`_growth` on all cores from each size to the next."""
    return _growth(r, [(pages, (id, variant, CORES[-1], pages)) for pages in PAGES], statistic)


def verdicts(results: Results) -> list[paper.Verdict]:
    """B1: with cores less than in proportion; with size in proportion or worse, mean and 99th percentile."""
    r = Replicated(results.frames["statistics"], KEYS)
    cores = np.array([by_cores(r, "barrelfish", s) for s in SUMMARY])
    pages = np.array([by_pages(r, "barrelfish", s) for s in SUMMARY])
    together = min(cores.shape[-1], pages.shape[-1])
    held = (cores[..., :together] < 1).all((0, 1)) & (pages[..., :together] >= 1 - paper.DEFAULT_TOLERANCE).all((0, 1))
    larger = PAGES[-1] // PAGES[0]
    ends = {id: [r.estimate(id, AS_DESCRIBED, CORES[-1], pages, "mean").value for pages in (PAGES[0], PAGES[-1])]
            for id in SYSTEMS}
    told = ", ".join(f"{system(id).title} {last / first:.0f}" for id, (first, last) in ends.items())
    more = [r.estimate("barrelfish", AS_DESCRIBED, x, 1, "mean").value for x in (CORES[0], CORES[-1])]
    note = (
        f"mean from {CORES[0]} to {CORES[-1]} cores: {more[1] / more[0]:.1f} times; with {larger} times the pages: "
        f"{told} times"
    )
    return [paper.judge_probability(paper.claim("B1"), ordering_probability(held), note)]
