"""Figure 6: latencies of malloc, munmap and open on all seven systems.

The claim (section 6.1): with six OS instances on S-A, one process each and a thread a core, RainForest has
the smallest maximum and standard deviation of all systems in malloc and munmap; leaving out the two newer
kernels, also the smallest tail and mean, in all three programs.  Linux 4.9.40 has the lowest mean of malloc
but a higher maximum and deviation; both newer kernels beat RainForest in open.

What we read into it: on plain Linux the same load, six processes of two threads, roams over 12 cores (one
process of 12 threads would serialise on its mmap_sem and contradict the printed mean of 4.9.40).  malloc is
128 MB, as in will-it-scale's malloc1.  munmap unmaps 256 touched pages: no test of that name exists.  The
tail is the 99th percentile; the maximum is that of one replication.

What costs (claim F67) is asked of the model itself: on Linux 2.6.32 the structures of one cause at a time are
given to every core alone; what the mean latency falls by is what sharing them costs.
"""

from __future__ import annotations

import pandas as pd

from .. import paper, plots
from ..descriptions.load import system, systems
from ..descriptions.scenario import Scenario
from ..errors import InputError
from ..results import Results
from ..simulation import scenario
from ..workloads import structures_of, workload
from .common import Options, Replicated, caption, curves, notes, run_all, statistics

TITLE = "malloc, munmap and open on seven systems"
KEYS = ["program", "system", "private"]
PROGRAMS = ("malloc", "munmap", "open")
NEWER = ("linux-3.17.4", "linux-4.9.40")
INSTANCES = 6
EVERYTHING_SHARED = ""

# The groups of structures that section 6.1 names, and those that it does not.
CAUSES = {
    "free lists": ("zone_lock", "zone_free_list", "malloc_arena"),
    "commit counter": ("vm_committed_as",),
    "LRU lists": ("lru_lock", "lru_list"),
    "address space": ("mmap_sem", "vma_tree"),
    "TLB shootdown": ("tlb",),
    "dentries and locks": ("root_dentry", "tmp_dentry", "file_dentry", "mount", "files_lock", "files_list", "fd_table"),
}
SPANS = {"malloc": ("100 ms", "400 ms"), "munmap": ("50 ms", "150 ms"), "open": ("120 ms", "300 ms")}
NAMED = {"malloc": "free lists", "munmap": "TLB shootdown", "open": "dentries and locks"}


def _private(cause: str) -> dict:
    """The structures of a cause, each core with a copy of its own (for the TLB: nobody else to flush)."""
    structures = system("linux-2.6.32").structures
    return {name: structures[name].model_copy(update={"scope": "core"}) for name in CAUSES[cause]}


def _touched(program: str) -> list[str]:
    """The causes whose structures a program uses."""
    used = structures_of(workload(program))
    return [cause for cause, names in CAUSES.items() if used.intersection(names)]


def describe(options: Options) -> dict[tuple, Scenario]:
    """All systems sharing what they share; then Linux 2.6.32 with one cause at a time made private."""
    found = {}
    for program in PROGRAMS:
        common = {"partitions": INSTANCES, "threads": 2, "duration": options.span(*SPANS[program])}
        for id in systems():
            found[program, id, EVERYTHING_SHARED] = scenario("S-A", id, program, **common)
        for cause in _touched(program):
            found[program, "linux-2.6.32", cause] = scenario(
                "S-A", "linux-2.6.32", program, structures=_private(cause), **common
            )
    return found


def _explained(program: str):
    def explained(system: str, options: Options, cores: int = 2 * INSTANCES) -> Scenario:
        """One program in OS instances of two cores, with a process of two threads each.

        Raises
        ------
        InputError
            If the cores cannot be divided so, or are more than the machine has.
        """
        if cores < 1 or cores % 2:
            raise InputError("OS instances have 2 cores each", key="cores", value=cores)
        return scenario(
            "S-A", system, program, cores=cores, partitions=cores // 2, threads=2,
            duration=options.span(*SPANS[program]),
        )

    return explained


EXPLAINED = {program: _explained(program) for program in PROGRAMS}


def run(options: Options) -> Results:
    """Simulate all systems and counterfactuals."""
    runs = run_all(describe(options), options)
    shown = {key[:2]: run for key, run in runs.items() if key[2] == EVERYTHING_SHARED}
    frames = {"statistics": statistics(runs, KEYS), "curves": curves(shown, KEYS[:2])}
    return Results("fig06_microbenchmarks", options.quality, options.seed, frames, notes(runs, options))


def figure(results: Results):
    """Cumulative distributions, a panel a program; dotted vertical lines are means."""
    table = results.frames["curves"]
    r = Replicated(results.frames["statistics"], KEYS)
    with plots.style():
        fig, axes = plots.new_figure(1, len(PROGRAMS), height=3.1, sharey=True)
        for ax, program in zip(axes[0], PROGRAMS, strict=True):
            here = table[table.program == program]
            for id in systems():
                curve, look = here[here.system == id], plots.system_line(id)
                ax.step(curve.latency_us, curve.probability, where="post", label=system(id).title, **look)
                mean = r.estimate(program, id, EVERYTHING_SHARED, "mean").value
                ax.axvline(mean, color=look["color"], linestyle=":", linewidth=0.8)
            ax.set_xlabel(f"latency of {program} (us)")
            low = here[here.probability > 0.001].latency_us.min()
            high = here[here.probability < plots.TOPMOST].latency_us.max()
            plots.log_axis(ax, 0.9 * low, 1.1 * high)
            ax.set_title(program)
            plots.nines(ax)
        for ax in axes[0][1:]:
            ax.set_ylabel("")
        fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=7, columnspacing=1.2)
    return fig


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    r = Replicated(results.frames["statistics"], KEYS)
    parts = []
    for program in PROGRAMS:
        p99 = {id: r.estimate(program, id, EVERYTHING_SHARED, "p99").value for id in systems()}
        worst = max(p99, key=p99.get)
        parts.append(
            f"{program}: RainForest {p99['rainforest']:.1f} us at the 99th percentile, {system(worst).title} "
            f"{p99[worst]:.1f} us"
        )
    return "; ".join(parts) + ". Dotted: means. " + caption(results.notes, results.seed)


def causes(results: Results) -> pd.DataFrame:
    """Lost time by cause on Linux 2.6.32: how much the mean falls when the cause's structures are private.

    Returns
    -------
    DataFrame
        Columns program, cause, saved_us (paired over replications), low_us, high_us.
    """
    from ..stats import paired_difference

    r = Replicated(results.frames["statistics"], KEYS)
    rows = []
    for program in PROGRAMS:
        shared = r.values(program, "linux-2.6.32", EVERYTHING_SHARED, "mean")
        for cause in _touched(program):
            private = r.values(program, "linux-2.6.32", cause, "mean")
            n = min(len(shared), len(private))
            e = paired_difference(shared[:n], private[:n])
            rows.append((program, cause, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["program", "cause", "saved_us", "low_us", "high_us"])


def figure_causes(results: Results):
    """Lost time by cause as bars, a group a program; each cause is removed alone, so bars do not add up."""
    table = causes(results)
    gaps = (table.program != table.program.shift()).cumsum() - 1
    rows = table.index + gaps * 0.7
    with plots.style():
        fig, axes = plots.new_figure(height=0.9 + 0.19 * len(table))
        ax = axes[0][0]
        for index, program in enumerate(PROGRAMS):
            here = table[table.program == program]
            ax.barh(
                rows[here.index], here.saved_us, height=0.7, color=plots.line(index)["color"],
                xerr=[here.saved_us - here.low_us, here.high_us - here.saved_us], ecolor="black",
                error_kw={"linewidth": 0.8, "capsize": 2},
            )
        for row, saved, end in zip(rows, table.saved_us, table.high_us, strict=True):
            place = {"textcoords": "offset points", "va": "center", "size": 7}
            ax.annotate(f"{saved:.2f} us", (max(end, 0), row), (4, 0), **place)
        ax.set_yticks(rows, table.program + ": " + table.cause)
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlim(right=1.1 * table.high_us.max())
        ax.set_xlabel("mean time a call loses on Linux 2.6.32 because this is shared (us, 95 % interval)")
    return fig


def _below(programs, better: str, others, names) -> list[tuple[tuple, tuple]]:
    """Pairs that say: `better` is below each of `others` in these statistics of these programs."""
    return [
        ((p, better, EVERYTHING_SHARED, s), (p, other, EVERYTHING_SHARED, s))
        for p in programs for other in others for s in names if other != better
    ]


def orders() -> dict[str, list[tuple[tuple, tuple]]]:
    """The orderings that the paper states of the systems, by claim: pairs of which the first is the smaller one.

    Each side is a program, a system, what is private, and a statistic.
    """
    every, older = systems(), [id for id in systems() if id not in NEWER]
    return {
        "F62": _below(("malloc", "munmap"), "rainforest", every, ("max", "sd")),
        "F63": _below(PROGRAMS, "rainforest", older, ("p99", "mean")),
        "F64": _below(("malloc",), "linux-4.9.40", every, ("mean",))
        + _below(("malloc",), "rainforest", ("linux-4.9.40",), ("max", "sd")),
        "F65": [pair for id in NEWER for pair in _below(("open",), id, ("rainforest",), ("p99", "mean", "max"))],
    }


def _note(r: Replicated, pairs, why: str) -> str:
    """What an ordering's verdict rests on: the comparisons that fail, worst first, or the closest one."""
    ratios = sorted(((r.estimate(*a).value / r.estimate(*b).value, a, b) for a, b in pairs), reverse=True)
    told = [
        f"{a[0]} {a[-1]}: {a[1]} {r.estimate(*a).value:.2f} us, {b[1]} {r.estimate(*b).value:.2f} us"
        for ratio, a, b in ratios[:2] if ratio >= 1
    ]
    if told:
        return f"fails at {'; '.join(told)}. {why}"
    _, a, b = ratios[0]
    shown = " and ".join(f"{key[1]}{' (private)' if key[2] else ''} {r.estimate(*key).value:.2f} us" for key in (a, b))
    return f"means in order in all {len(pairs)} comparisons; closest: {a[0]} {a[-1]} of {shown}. {why}".strip()


def verdicts(results: Results) -> list[paper.Verdict]:
    """F61 to F67; orderings by their probability over replications, paired by common random numbers."""
    r = Replicated(results.frames["statistics"], KEYS)
    stated = orders() | {
        "F67": [
            ((p, "linux-2.6.32", NAMED[p], "mean"), (p, "linux-2.6.32", EVERYTHING_SHARED, "mean")) for p in PROGRAMS
        ],
    }
    lost = causes(results)
    largest = {p: lost[lost.program == p].sort_values("saved_us").cause.iloc[-1] for p in PROGRAMS}
    why = {
        "F62": "RainForest's 2.6.32 puts who waits for mmap_sem to sleep; 3.17 and 4.9 let writers spin.",
        "F63": "Two threads on a sleeping mmap_sem fall into one of two rhythms for a whole run.",
        "F65": "A run's maximum hangs on whether kernel housekeeping hits a call.",
        "F64": "Spinning on mmap_sem makes 4.9.40 the steadier one, not only the faster.",
        "F67": "Most is lost at " + ", ".join(f"{cause} ({p})" for p, cause in largest.items()) + ".",
    }
    found = [
        paper.judge_fact(paper.claim("F61"), INSTANCES, "as described"),
        paper.judge_fact(paper.claim("F61.cores"), 12 // INSTANCES, "as described"),
    ]
    for id, pairs in stated.items():
        note = _note(r, pairs, why.get(id, ""))
        found.append(paper.judge_probability(paper.claim(id), r.holds(*pairs), note))
    return found
