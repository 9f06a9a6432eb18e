"""What was measured, as text, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .laboratory import Measurement, Spread
from .plan import Case

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("mean", "midmean", "p50", "p99", "p99.9", "max")
BUSY = 0.05
"""Share of the cores that others use, or the hypervisor takes, from which on it is told."""


def _statistic(measurement: Measurement, case: str, series: str, name: str) -> Spread:
    return measurement.spread(case, series, "p100" if name == "max" else name)


def table(measurement: Measurement) -> pd.DataFrame:
    """A row for each case, latency and statistic, with least, middle and greatest of the rounds.

    Returns
    -------
    DataFrame
        Columns benchmark, case, title, series, statistic, low_us, middle_us, high_us, operations, repeats.
    """
    import pandas as pd

    rows = []
    for case in measurement.plan.cases:
        found = measurement.of(case.id)
        for series in found[0].series:
            n = sum(one.series[series].n for one in found)
            for name in STATISTICS if n else ():
                spread = _statistic(measurement, case.id, series, name)
                rows.append((
                    case.benchmark, case.id, case.title, series, name, spread.low, spread.middle, spread.high, n,
                    len(found),
                ))
    columns = ["benchmark", "case", "title", "series", "statistic", "low_us", "middle_us", "high_us", "operations",
               "repeats"]
    return pd.DataFrame(rows, columns=columns)


def hand_over(measurement: Measurement) -> str | None:
    """A lock's hand-over beside what the lines of the same measurement would have it; None without both."""
    locks = [case for case in ("lock.processes", "lock.threads") if measurement.has(case)]
    pair = [
        case.id.split(".", 2)[2] for case in measurement.plan.cases
        if case.id.startswith("line.load.") and case.cores == measurement.host.physical_cores[:2]
    ]
    if not locks or not pair:
        return None
    found = 1e3 * measurement.spread(locks[0], "hand-over", "midmean").middle
    lines = 1e3 * sum(measurement.spread(f"line.{k}.{pair[0]}", "fetch", "midmean").middle for k in ("store", "load"))
    return f"hand-over of the lock: {found:.3g} ns; a store to its line and a load of it: {lines:.3g} ns"


def warnings(measurement: Measurement) -> list[str]:
    """What makes the numbers less than they could be, a line each."""
    found, cores = [], len({core for case in measurement.plan.cases for core in case.cores})
    if not measurement.pinned:
        found.append("workers may not be pinned here, and move between cores")
    if measurement.others > BUSY * cores:
        found.append(f"the machine is busy: others used {measurement.others:.2f} of {cores} cores meanwhile")
    if measurement.stolen > BUSY * cores:
        found.append(f"the hypervisor took {measurement.stolen:.2f} of {cores} cores meanwhile")
    if measurement.host.virtual:
        found.append("a virtual machine: what its host does is in every tail, and cores may lie elsewhere next time")
    if measurement.host.governor not in ("", "performance"):
        found.append(f"the clock's governor is {measurement.host.governor}: cores may run slower than they can")
    return found


@dataclass(frozen=True)
class _Columns:
    """How one benchmark is shown: unit and its size in us, statistics, and whether a rate says anything."""

    unit: str
    us: float
    statistics: tuple[str, ...]
    rate: bool


_LONG = _Columns("us", 1.0, ("p50", "p99", "p99.9"), True)
_SHOWN = {
    "mmap": _LONG, "munmap": _LONG,
    # Shorter than the clock's step, so that a percentile alone would say little.
    "line": _Columns("ns", 1e-3, ("midmean", "p50", "p99"), False),
    "lock": _Columns("ns", 1e-3, ("midmean", "p50", "p99"), True),
}
_WIDTH = 24


def text(measurement: Measurement) -> str:
    """Everything for a terminal."""
    plan, host, clock = measurement.plan, measurement.host, measurement.clock
    lines = [
        host.named,
        f"clock: {clock.name}, in steps of {clock.step_ns:.2g} ns; reading it takes {clock.overhead_ns:.3g} ns, "
        "subtracted from all",
        f"{plan.repeats} rounds of {len(plan.cases)} cases, {1e3 * plan.slice_s:.3g} ms each: middle [least, greatest] "
        "of the rounds",
    ]
    benchmark = None
    for case in plan.cases:
        shown = _SHOWN[case.benchmark]
        if case.benchmark != benchmark:
            benchmark = case.benchmark
            cells = [f"{name} ({shown.unit})".rjust(_WIDTH) for name in shown.statistics]
            rate = " in a us" * shown.rate
            lines += ["", f"{benchmark:22}{'':16}{''.join(cells)}{rate}".rstrip()]
        lines += _lines(measurement, case, shown)
    told = hand_over(measurement)
    lines += ["", *([told] if told else []), *(f"! {line}" for line in warnings(measurement))]
    switched = sum(one.involuntary for one in measurement.found)
    lines.append(f"involuntary context switches of all workers: {switched}")
    return "\n".join(lines)


def _lines(measurement: Measurement, case: Case, shown: _Columns) -> list[str]:
    """A line for each latency of a case; the first one has its title and how many were done in a microsecond."""
    found, lines = measurement.of(case.id), []
    for series in found[0].series:
        if not any(one.series[series].n for one in found):
            continue
        cells = [_told(measurement.spread(case.id, series, name), shown.us).rjust(_WIDTH) for name in shown.statistics]
        first = not lines
        rate = measurement.rate(case.id, next(iter(found[0].operations))).middle
        ending = f"{_number(rate):>8}" if first and shown.rate else ""
        lines.append(f"  {case.title if first else '':20}{series:16}{''.join(cells)}{ending}")
    return lines


def _told(spread: Spread, us: float) -> str:
    return f"{_number(spread.middle / us)} [{_number(spread.low / us)}, {_number(spread.high / us)}]"


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "0"


def document(measurement: Measurement) -> dict:
    """Everything for a program, histograms included: bucket and count, in nanoseconds of the bucket's middle."""
    from ..histogram import midpoints
    from ..units import TICKS_PER_NS

    middle = midpoints() / TICKS_PER_NS
    cases = []
    for case in measurement.plan.cases:
        series = {}
        for name in measurement.of(case.id)[0].series:
            counts = measurement.pooled(case.id, name).counts
            filled = counts.nonzero()[0]
            series[name] = {
                "operations": int(counts.sum()),
                "ns": middle[filled].tolist(), "counts": counts[filled].tolist(),
                "us": {s: asdict(_statistic(measurement, case.id, name, s)) for s in STATISTICS} if filled.size else {},
            }
        loops = measurement.of(case.id)[0].operations
        cases.append({
            **asdict(case), "latencies": series,
            "per_us": {name: asdict(measurement.rate(case.id, name)) for name in loops},
            "involuntary_switches": [one.involuntary for one in measurement.of(case.id)],
        })
    return {
        "host": asdict(measurement.host), "clock": asdict(measurement.clock), "pinned": measurement.pinned,
        "others_cores": measurement.others, "stolen_cores": measurement.stolen, "warnings": warnings(measurement),
        "repeats": measurement.plan.repeats, "slice_s": measurement.plan.slice_s, "cases": cases,
    }
