"""What contention should do on the machine that was measured, from what an operation costs alone.

Nothing is fitted: the time of a path, how often it takes longer and by how much come from the uncontended latencies,
the costs of lines from `rainforest_model.measure.description`, and the lock is the described kernel's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..descriptions import load
from ..descriptions.parameter import Parameter
from ..descriptions.program import (
    Op,
    Program,
    compute,
    every,
    exponential,
    measure,
    program,
    syscall,
    touch,
    unlock,
    write_lock,
)
from ..descriptions.read import validated
from ..descriptions.scenario import Load, Scenario
from ..descriptions.system import Kernel, System
from ..histogram import midpoints
from ..units import TICKS_PER_NS
from .description import KERNEL, described
from .laboratory import Measurement, Series

UNCONTENDED = ("mmap.alone", "mmap.entry")
"""The cases that a prediction looks at, with those of lines."""

SLOW = 1.3
"""A path that takes longer than so many times its median took a slow turn."""
DISTURBED_NS = 10e3
"""No turn of these paths takes so long: an interrupt, or the host, came between."""
SWITCHED_NS = 500e3
"""Somebody else ran meanwhile.  Linux as servers have it switches on the way out of the kernel, with no lock held."""


@dataclass(frozen=True)
class Delay:
    """Something that makes a path longer now and then.

    Attributes
    ----------
    share : float
        Of the operations.
    mean_ns : float
        By how much, on average.
    """

    share: float
    mean_ns: float

    def operations(self, name: str) -> tuple[Op, ...]:
        """Each so-many-th time, an exponential time; nothing where it never happens."""
        if self.share <= 0 or self.mean_ns <= 0:
            return ()
        return (every(max(1, round(1 / self.share)), compute(exponential(f"{self.mean_ns:.6g} ns"), name=name)),)


@dataclass(frozen=True)
class Path:
    """The latencies of an operation that nobody contends for, taken apart.

    Attributes
    ----------
    usual_ns : float
        Mean of what takes no slow turn.
    variation : float
        Coefficient of variation of that.
    slow, disturbed, switched : Delay
        Slow turns of the path itself, interrupts, and others who ran.
    """

    usual_ns: float
    variation: float
    slow: Delay
    disturbed: Delay
    switched: Delay


def taken_apart(series: Series) -> Path:
    """Latencies taken apart by how long they are.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> from rainforest_model.histogram import BUCKETS, bucket_index
    >>> counts = np.zeros(BUCKETS, dtype=np.int64)
    >>> counts[[bucket_index(100_000), bucket_index(200_000)]] = 99, 1
    >>> path = taken_apart(Series(counts, 99 * 100_000 + 200_000))
    >>> round(path.usual_ns, -1), path.slow.share, round(path.slow.mean_ns, -1), path.disturbed.share
    (1000.0, 0.01, 1000.0, 0.0)
    """
    if not series.n:
        raise ValueError("no latencies")
    ns, weights = midpoints() / TICKS_PER_NS, series.counts / series.n
    slow = SLOW * 1e3 * series.quantile_us(0.5)
    edges = [slow, max(slow, DISTURBED_NS), max(slow, SWITCHED_NS)]
    usual = np.where(ns <= edges[0], weights, 0.0)
    mean = float(np.average(ns, weights=usual))
    deviation = float(np.average((ns - mean) ** 2, weights=usual)) ** 0.5
    delays = []
    for low, high in zip(edges, [*edges[1:], np.inf], strict=True):
        here = np.where((ns > low) & (ns <= high), weights, 0.0)
        share = float(here.sum())
        delays.append(Delay(share, float(np.average(ns, weights=here)) - mean if share else 0.0))
    return Path(mean, deviation / mean if mean else 0.0, *delays)


def predicted(measurement: Measurement, threads: int = 1, processes: int = 1) -> Scenario:
    """The scenario in which so many threads and processes map and unmap on the measured machine.

    Parameters
    ----------
    measurement : Measurement
        Of `UNCONTENDED`; of `line` too, if the costs of lines are to be this machine's.  No other case is looked at.
    threads, processes : int
        Each thread keeps to a core of its own.

    Raises
    ------
    KeyError
        If the uncontended costs were not measured.
    """
    lines = [case.id for case in measurement.plan.cases if case.benchmark == "line"]
    seen = measurement.only(*UNCONTENDED, *lines)
    paths = {name: taken_apart(seen.pooled("mmap.alone", name)) for name in ("map", "unmap")}
    machine = described(seen)
    load_ = Load(program=_program(paths), threads=threads, processes=processes, pinned=True)
    kernel = _kernel(seen, paths, machine.coherence.own_atomic.ns(machine.clock_ghz))
    return validated(Scenario, {
        "machine": machine, "system": System(kernel=kernel, partitioning=load.partitioning("linux")),
        "loads": [load_], "cores": machine.topology.cores, "duration": "80 ms",
        # What comes each so-many-th time must not come to all threads at the same time.
        "stagger": "20 ms", "warmup": "21 ms",
    })


def _program(paths: dict[str, Path]) -> Program:
    calls = [
        syscall(
            name,
            compute("lock_path"),
            write_lock("mmap_sem"),
            touch("vma_tree"), compute(f"{name}_section"),
            *paths[name].slow.operations(f"{name}: a slow turn"),
            *paths[name].disturbed.operations(f"{name}: an interrupt"),
            unlock("mmap_sem"),
            *paths[name].switched.operations(f"{name}: somebody else runs"),
        )
        for name in ("map", "unmap")
    ]
    return program(
        "map_and_unmap", measure("map and unmap", *calls), compute("user_loop"),
        title="map and unmap, with the costs of this machine", source="measured uncontended",
    )


def _kernel(seen: Measurement, paths: dict[str, Path], own_atomic_ns: float) -> Kernel:
    """The described kernel with the measured times; its ticks and background work are among what was measured."""
    kernel = load.kernel(KERNEL)
    call = 1e3 * seen.pooled("mmap.entry", "system call").midmean_us
    empty = 1e3 * seen.pooled("mmap.entry", "lock and unlock").midmean_us
    (loop,) = {loop for one in seen.of("mmap.alone") for loop in one.operations}
    rounds = [
        one.elapsed_ns / one.operations[loop] - 1e3 * one.series["map and unmap"].mean_us
        for one in seen.of("mmap.alone")
    ]
    costs = {
        "syscall_enter": call / 2, "syscall_exit": call / 2,
        "lock_path": max(0.0, empty - call - 2 * own_atomic_ns),
        "user_loop": max(0.0, float(np.median(rounds))),
        **{f"{name}_section": max(0.0, path.usual_ns - empty) for name, path in paths.items()},
    }
    source = f"measured uncontended on {seen.host.named}"
    never = kernel.scheduler.tick_period.model_copy(update={"value": 0.0, "range": (0.0, 0.0)})
    variation = float(np.mean([path.variation for path in paths.values()]))
    return kernel.model_copy(update={
        "id": f"{KERNEL} with measured costs",
        "costs": {**kernel.costs, **{name: _parameter(ns, "ns", source) for name, ns in costs.items()}},
        "path_variation": _parameter(variation, "ratio", source),
        "scheduler": kernel.scheduler.model_copy(update={"tick_period": never}), "background": {},
    })


def _parameter(value: float, unit: str, source: str) -> Parameter:
    value = float(f"{value:.6g}")
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source=source)
