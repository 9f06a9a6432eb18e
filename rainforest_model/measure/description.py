"""From measured costs to a description: the machine that `rainforest simulate` takes, and what is only taken over."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..descriptions.load import kernel, machine
from ..descriptions.machine import Machine
from ..descriptions.parameter import Parameter
from ..descriptions.read import validated
from .host import Host
from .laboratory import Measurement, Spread
from .plan import ACCESSES

STAND_IN = "epyc-9654"
"""Shipped machine whose numbers stand where nothing was measured."""
KERNEL = "linux-6.12"
"""Shipped kernel whose structures are taken: of those that are described, the nearest to one of today."""


def described(measurement: Measurement, id: str = "here") -> Machine:
    """The machine that was measured.

    What belongs to a benchmark that was not measured is that of `STAND_IN`, and its source says so.

    Parameters
    ----------
    measurement : Measurement
    id : str
        The machine's name.
    """
    base, host = machine(STAND_IN), measurement.host
    table = base.model_dump(exclude={"devices"}, exclude_none=True)
    for place in _parameters(table):
        place["source"] = f"not measured; taken over from {base.id}: {place['source']}"
    table |= {
        "id": id, "title": host.named,
        "source": f"measured by rainforest measure on {host.named}; what was not says so",
        "topology": _topology(measurement),
    }
    here = f"on {host.named}"
    _memory(table["memory"], host, here)
    if measurement.has("line.own.load"):
        _lines(table["coherence"], measurement, here)
    elif measurement.has("lock.processes") or measurement.has("lock.threads"):
        _lines_of_hand_over(table["coherence"]["same_socket"], measurement, here)
    if measurement.has("munmap.beside"):
        _interrupts(table, measurement, here)
    return validated(Machine, table)


def measured(description: Machine) -> tuple[int, int]:
    """How many numbers of a machine were measured or read here, and how many it has."""
    found = list(_parameters(description.model_dump(exclude_none=True)))
    return sum(not one["source"].startswith("not measured") for one in found), len(found)


def _parameters(table: dict) -> Iterator[dict]:
    """Every table of a number, wherever it lies."""
    for value in table.values():
        if isinstance(value, dict):
            if "basis" in value:
                yield value
            else:
                yield from _parameters(value)


def _parameter(spread: Spread, unit: str, source: str) -> dict:
    low, value, high = (float(f"{max(0.0, x):.5g}") for x in (spread.low, spread.middle, spread.high))
    return {"value": value, "unit": unit, "range": (min(low, value), max(high, value)), "basis": "derived",
            "source": source}


def _exact(value: float, unit: str, source: str) -> dict:
    return _parameter(Spread(value, value, value), unit, source)


def _ns(spread: Spread, source: str) -> dict:
    return _parameter(Spread(*(1e3 * us for us in (spread.low, spread.middle, spread.high))), "ns", source)


# --- what the kernel says of the machine ------------------------------------------------------------------


def _topology(measurement: Measurement) -> dict:
    """Sockets of equal size: those cores of each that this process may use, as many as the smallest has."""
    host = measurement.host
    sockets = [host.sockets[core] for core in host.physical_cores]
    smallest = min(sockets.count(socket) for socket in set(sockets))
    ghz, how = measurement.clock.ticks_per_ns, "the rate of its time-stamp counter"
    if not 0.1 <= ghz <= 10 or measurement.clock.name == "CLOCK_MONOTONIC":
        ghz, how = host.mhz / 1e3 or 1.0, "/proc/cpuinfo" if host.mhz else "not known, 1 GHz by assumption"
    source = f"{host.named}: {how}; a core's own clock may be another"
    return {"sockets": len(set(sockets)), "cores_per_socket": smallest, "clock": _exact(ghz, "GHz", source)}


def _memory(table: dict, host: Host, here: str) -> None:
    if host.memory_mb:
        table["capacity"] = _exact(host.memory_mb, "MB", f"/proc/meminfo {here}")
    if host.cache_mb:
        table["llc_per_socket"] = _exact(host.cache_mb, "MB", f"/sys/devices/system/cpu {here}")


# --- what was measured ------------------------------------------------------------------------------------


def _lines(table: dict, measurement: Measurement, here: str) -> None:
    """Lines of a core's own, those of another core by its distance, and how long a write keeps a line busy."""
    for name in ACCESSES:
        spread = measurement.spread(f"line.own.{name}", "own line", "midmean")
        table[f"own_{name}"] = _ns(spread, f"measured {here}: {_OWN[name]}")
    sockets = measurement.host.sockets
    for key, same in (("same_socket", True), ("one_hop", False)):
        for name in ACCESSES:
            spreads = [
                measurement.spread(case.id, "fetch", "midmean") for case in measurement.plan.cases
                if case.id.startswith(f"line.{name}.") and (sockets[case.cores[0]] == sockets[case.cores[1]]) == same
            ]
            if spreads:
                middle = Spread.of(spread.middle for spread in spreads).middle
                whole = Spread(min(s.low for s in spreads), middle, max(s.high for s in spreads))
                table[key][name] = _ns(whole, f"measured {here}: {_AWAY[name]}; {len(spreads)} pairs of cores")
    if measurement.has("line.hammer"):
        each = [1 / one.operations["hammer"] * one.elapsed_ns for one in measurement.of("line.hammer")]
        (case,) = {one.case for one in measurement.of("line.hammer")}
        source = f"measured {here}: {case.workers} cores at one line, time over atomic operations of all together"
        table["write_occupancy"] = _parameter(Spread.of(each), "ns", source)


def _lines_of_hand_over(table: dict, measurement: Measurement, here: str) -> None:
    """Without `line`: a hand-over of a lock is a store to the line and a load of it, as the engines have it."""
    case = "lock.processes" if measurement.has("lock.processes") else "lock.threads"
    whole = measurement.spread(case, "hand-over", "midmean")
    source = f"measured {here}: half of a ticket lock's hand-over, which is a store to its line and a load of it"
    for name in ("load", "store"):
        table[name] = _ns(Spread(whole.low / 2, whole.middle / 2, whole.high / 2), source)


_OWN = {
    "load": "a chain of loads of one line, each waits for the one before",
    "store": "stores to one line in a row",
    "atomic": "atomic additions to one line in a row",
}
_AWAY = {
    "load": "load of a line that another core has just written",
    "store": "store to a line that another core has just written, until all cores see it",
    "atomic": "atomic addition to a line that another core has just written",
}


def _interrupts(table: dict, measurement: Measurement, here: str) -> None:
    """What a flush on one other core costs who asks for it, and what it takes from that core.

    As the engines have it, who asks waits for ``send + deliver + entry / 2``, the flush, and the line of the answer;
    the other core loses ``entry`` and the flush.  `send` is not measured apart.
    """
    rounds = measurement.of("munmap.beside")
    alone = [one.series["unmap"].midmean_us for one in measurement.of("munmap.alone")]
    waits = Spread.of(1e3 * (one.series["unmap"].midmean_us - a) for one, a in zip(rounds, alone, strict=True))
    # Where most gaps are flushes, the middle half of them are.
    gaps = [one.series["time taken away"] for one in rounds if one.series["time taken away"].n
            > one.operations["unmap_touched"] / 2]
    (case,) = {one.case for one in measurement.of("munmap.beside")}
    clock_ghz = table["topology"]["clock"]["value"]
    cost = {key: Parameter(**value).ns(clock_ghz) for key, value in table["tlb"].items() if value["unit"] != "count"}
    one_by_one = kernel(KERNEL).structures["tlb"].single_page_limit
    flush = cost["single_page"] * case.pages if case.pages <= one_by_one else cost["full_flush"]
    answer = Parameter(**table["coherence"]["same_socket"]["load"]).ns(clock_ghz)
    send = Parameter(**table["interrupt"]["send"]).ns(clock_ghz)
    how = f"{here}: unmapping {case.pages} touched pages with a thread beside on another core"
    if gaps:
        steals = Spread.of(1e3 * one.midmean_us for one in gaps)
        table["interrupt"]["entry"] = _parameter(
            _less(steals, flush), "ns", f"measured {how} takes {steals.middle:.4g} ns from that core, less the flush"
        )
    entry = Parameter(**table["interrupt"]["entry"]).ns(clock_ghz)
    table["interrupt"]["deliver"] = _parameter(
        _less(waits, send + entry / 2 + flush + answer), "ns",
        f"measured {how} takes {waits.middle:.4g} ns longer; less send, half of entry, flush and answer",
    )


def _less(spread: Spread, ns: float) -> Spread:
    return Spread(*(max(0.0, value - ns) for value in (spread.low, spread.middle, spread.high)))


# --- as a file --------------------------------------------------------------------------------------------


def toml(description: Machine) -> str:
    """The file of a machine, as `rainforest_model.descriptions.load.machine` reads it.

    Examples
    --------
    >>> print(toml(machine("S-A")).splitlines()[2])
    kind = "machine"
    """
    table = description.model_dump(exclude_none=True, exclude_unset=True)
    lines = [
        "# Written by `rainforest measure`.  Numbers whose source says \"not measured\" are another machine's.",
        "",
    ]
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(key, value)
    return "\n".join(lines) + "\n"


def _table(head: str, table: dict) -> list[str]:
    """A table: its numbers in a line each, then the tables in it."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict) and "basis" not in value}
    lines = ["", f"[{head}]", *(f"{key} = {_value(value)}" for key, value in table.items() if key not in inner)]
    for key, value in inner.items():
        lines += _table(f"{head}.{key}", value)
    return lines


def _value(value) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(inner)}' for key, inner in value.items() if inner != ())} }}"
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list | tuple) else repr(value)
