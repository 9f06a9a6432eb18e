"""PARSEC 3.0: thirteen programs made from what was counted of them (``data/workloads/parsec.toml``).

A thread of each computes for a burst, passes a mutex of its process, and sleeps for as long as it takes to be busy for
the share of time that was measured.  Now and then it maps memory, touches it and unmaps it.  Three things are simpler
than in the programs:

- Serial phases, input and output are spread over the run, as sleep between the bursts.
- A barrier's or a queue's wait is a sleep of random length; that somebody else is slow does not make it longer.
- Waits are simulated `FEWEST` to `MOST` times a second; those that are more often stand together for several.

Times of bursts are those of a thread alone, with all of its cache and local memory; what neighbours take is added by
the `Footprint`.
"""

from __future__ import annotations

from pathlib import Path

from ..descriptions.load import read_toml, validated
from ..descriptions.program import (
    Duration,
    Op,
    Program,
    compute,
    constant,
    every,
    exponential,
    lock,
    lognormal,
    measure,
    program,
    repeat,
    sleep,
    unlock,
)
from ..descriptions.suite import Measured, Suite
from ..resources import data_path
from .vm import map_anonymous, touch_together, unmap_together

FEWEST, MOST = 100.0, 400.0
"""Bursts of a thread in a second: often enough for a mean within seconds, seldom enough for runs of minutes."""

_WAIT = {
    "none": "serial phase", "atomic": "serial phase", "mutex": "barrier", "condition": "condition",
    "barrier": "barrier", "pipeline": "queue",
}


def suite(path: Path | str | None = None) -> Suite:
    """The measurements of the suite, or of a file of the same form.

    Raises
    ------
    InputError
        Naming file, key and reason, if the file does not fit.

    Examples
    --------
    >>> suite()
    <Suite parsec: 13 programs>
    """
    path = data_path("workloads", "parsec.toml") if path is None else Path(path)
    return validated(Suite, read_toml(path), path)


def programs(of: Suite) -> dict[str, Program]:
    """A program for each measured one, by its id.

    Examples
    --------
    >>> programs(suite())["parsec.canneal"].footprint
    <Footprint parsec.canneal: 256 MB>
    """
    return {f"{of.id}.{name}": _program(of, name) for name in of.programs}


def parsec() -> list[str]:
    """Ids of the thirteen programs, in alphabetical order.

    Examples
    --------
    >>> parsec()[0], len(parsec())
    ('parsec.blackscholes', 13)
    """
    return sorted(PROGRAMS)


def rounds_a_second(of: Suite, name: str) -> float:
    """Rounds of a thread alone in a second: its waits, between `FEWEST` and `MOST`."""
    return min(MOST, max(FEWEST, of.programs[name].waits.plain()))


def one_round(of: Suite, name: str) -> tuple[Op, ...]:
    """What a thread of a program does over and over; it names `parameters` of the program."""
    measured, share, rounds = of.programs[name], of.busy_share(name), rounds_a_second(of, name)
    burst, idle = 1e6 * share / rounds, 1e6 * (1 - share) / rounds
    even = measured.synchronisation in ("barrier", "mutex")
    length = _us(burst, of.simulated.evenness.plain()) if even else _us(burst)
    ops: list[Op] = [compute(length, name="burst")]
    if measured.synchronisation not in ("none", "atomic"):
        section = constant(f"{of.simulated.section.ns():.9g} ns")
        ops += [lock("application_lock"), compute(section, name="section"), unlock("application_lock")]
    if idle > 0:
        ops.append(sleep(_us(idle), name=_WAIT[measured.synchronisation]))
    if _pages(measured):
        ops.append(_now_and_then(rounds / measured.mappings.plain(), map_anonymous, touch_together, unmap_together))
    return tuple(ops)


def parameters(of: Suite, name: str) -> dict[str, int]:
    """Parameters that `one_round` names: the pages of a mapping, if the program maps any."""
    pages = _pages(of.programs[name])
    return {"pages": pages} if pages else {}


def _program(of: Suite, name: str) -> Program:
    return program(
        f"{of.id}.{name}", measure("round", *one_round(of, name)), title=of.programs[name].title, source=of.source,
        footprint=of.footprint(name), **parameters(of, name),
    )


def _us(mean: float, cv: float = 0.0) -> Duration:
    return lognormal(f"{mean:.6f} us", cv) if cv else exponential(f"{mean:.6f} us")


def _pages(measured: Measured) -> int:
    """Pages of a mapping, all touched, so that the faults of a second come out."""
    mappings = measured.mappings.plain()
    return round(measured.faults.plain() / mappings) if mappings else 0


def _now_and_then(period: float, *ops: Op) -> Op:
    """The operations once in so many rounds, or several times in one."""
    return every(round(period), *ops) if period >= 1 else repeat(round(1 / period), *ops)


PROGRAMS = programs(suite())
