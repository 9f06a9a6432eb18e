"""The process that measures: a plan comes in on standard input, a line of JSON for each slice goes out.

It is a process of its own, so that it has one thread when it forks, whatever the one that asks has, and so that
whatever ends it ends nobody else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, replace

import numpy as np

from ..errors import InputError
from ..histogram import BUCKETS, midpoints, quantile
from ..units import TICKS_PER_NS
from . import kernels
from .clock import Clock, calibrate
from .host import cpu_times
from .pinning import can_pin, die_with_parent
from .plan import Case, Plan
from .workers import Slice, SliceError

_OVERHEAD_S = 0.03


def _say(table: dict) -> None:
    sys.stdout.write(json.dumps(table) + "\n")
    sys.stdout.flush()


def _clock(core: int) -> Clock:
    """The clock, with what reading it costs on this core."""
    clock = calibrate("time-stamp counter" if kernels.STEADY else "CLOCK_MONOTONIC", kernels.now)
    case = Case("clock", "clock", "clock", (("read_clock",),), (core,))
    (found,) = Slice(case, clock, _OVERHEAD_S).run()["loops"]["read_clock"]["series"].values()
    counts = np.zeros(BUCKETS, np.int64)
    counts[found["buckets"]] = found["counts"]
    overhead = quantile(counts, 0.5)
    seen = midpoints()[found["buckets"]]
    seen = seen[seen <= 10 * overhead]  # buckets of longer times are wider than a step
    step = float(np.diff(seen).min()) if len(seen) > 1 else 0.0
    return replace(clock, overhead_ns=overhead / TICKS_PER_NS, step_ns=step / TICKS_PER_NS)


def main() -> None:
    """Measure the plan of standard input."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    plan = Plan.of(json.load(sys.stdin))
    kernels.compile_all({"read_clock", *(loop for case in plan.cases for group in case.groups for loop in group)})
    cores = tuple(sorted({core for case in plan.cases for core in case.cores}))
    try:
        clock = _clock(cores[0])
        pinned = all(map(can_pin, cores))
        _say({"clock": asdict(clock), "pinned": pinned})
        for repeat in range(plan.repeats):
            for case in plan.cases:
                before, began, own = cpu_times(cores), time.monotonic(), time.process_time()
                found = Slice(case, clock, plan.slice_s).run()
                spent, wall_s = cpu_times(cores) - before, time.monotonic() - began
                found["cpu_s"] += time.process_time() - own
                _say({"case": case.id, "repeat": repeat, "machine": asdict(spent), "wall_s": wall_s, **found})
    except (SliceError, InputError) as error:
        _say({"error": str(error)})


if __name__ == "__main__":
    main()
