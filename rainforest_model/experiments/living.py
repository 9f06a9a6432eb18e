"""What the drawings share: a live machine with three OS instances, commands to it, and tables of who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .. import plots
from ..descriptions.load import machine, system
from ..descriptions.scenario import Load, Scenario
from ..supervision import FREE, SUPERVISOR, ElasticMachine
from ..supervision.ownership import BLOCK_BYTES
from ..workloads import workload
from ..workloads.search import search_loads
from .common import Options

NAMES = ("search", "vips", "ferret")
"""The instances, by what they run."""
_RATE = 100
"""Requests a second: little, as nothing is measured here."""
_STEP_S = 0.05

Command = tuple[str, Mapping[str, Any]]
"""A command of `rainforest_model.supervision.Rfm`, and its arguments."""


def three_instances(of: str = "rainforest") -> Scenario:
    """Search and two PARSEC benchmarks, each in an OS instance with a third of S-A."""
    benchmarks = (
        Load(program=workload(f"parsec.{name}"), threads=4, partition=number)
        for number, name in enumerate(NAMES[1:], start=1)
    )
    return Scenario(
        machine=machine("S-A"), system=system(of), loads=(*search_loads(rate=_RATE), *benchmarks), cores=12,
        partitions=len(NAMES), duration="1 min", warmup="0 s",
    )


def started(scenario: Scenario, options: Options) -> ElasticMachine:
    """The machine at its first moment."""
    return ElasticMachine(scenario, NAMES, seed=options.seed, engine=options.engine)


def carry_out(live: ElasticMachine, commands: Sequence[Command]) -> pd.DataFrame:
    """Give commands one after the other, each when the one before has ended.

    Returns
    -------
    DataFrame
        Columns command, outcome (``done``, or why it was refused), took_s.
    """
    rows = []
    for name, arguments in commands:
        asked = getattr(live.rfm, name)(**arguments)
        while asked.pending:
            live.run(live.seconds_passed + _STEP_S)
        told = ", ".join(
            f"{key}={value if isinstance(value, str) else format(value, 'g')}" for key, value in arguments.items()
        )
        rows.append((f"{name}({told})", "done" if asked.done else asked.reason, asked.took_s))
    live.check()
    return pd.DataFrame(rows, columns=["command", "outcome", "took_s"])


def cores(live: ElasticMachine) -> pd.DataFrame:
    """One row for each core: core, socket, owner, role (``communication`` or nothing)."""
    per_socket = live.described.machine.topology.cores_per_socket
    talking = {core for member, core in live.ficm.communication_cores.items() if member != SUPERVISOR}
    rows = [
        (core, core // per_socket, live.ledger.owner(core), "communication" if core in talking else "")
        for core in range(live.ledger.core_count)
    ]
    return pd.DataFrame(rows, columns=["core", "socket", "owner", "role"])


def memory(live: ElasticMachine) -> pd.DataFrame:
    """One row for each piece of memory by ascending address: owner, start and end (hexadecimal), mb."""
    pieces = [(extent, owner) for owner in live.ledger.owners for extent in live.ledger.extents(owner)]
    rows = [
        (owner, hex(extent.start * BLOCK_BYTES), hex(extent.stop * BLOCK_BYTES), len(extent) * BLOCK_BYTES // 2**20)
        for extent, owner in sorted(pieces, key=lambda piece: piece[0].start)
    ]
    return pd.DataFrame(rows, columns=["owner", "start", "end", "mb"])


def devices(live: ElasticMachine) -> pd.DataFrame:
    """One row for each device: device, owner."""
    driven = {device: i.name for i in live.instances.values() for device in i.devices}
    named = [
        f"{kind} {number}" for kind, device in live.described.machine.devices.items() for number in range(device.count)
    ]
    return pd.DataFrame([(name, driven.get(name, FREE)) for name in named], columns=["device", "owner"])


def color(owner: str) -> str:
    """The colour of an owner, the same in all drawings."""
    if owner in (FREE, SUPERVISOR):
        return {FREE: "#FFFFFF", SUPERVISOR: "#555555"}[owner]
    order = [*NAMES, owner]
    return plots.line(order.index(owner))["color"]
