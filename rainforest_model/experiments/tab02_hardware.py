"""Table 2: the two servers, printed from the machine descriptions that every simulation uses.

The claim: the numbers of the table.  What we leave out: hardware threads, which are switched off (section 6).
What the table does not print (latencies, coherence, interrupts) is in ``data/machines/`` with its sources.
"""

from __future__ import annotations

import re

import pandas as pd

from .. import paper
from ..descriptions.load import machine
from ..descriptions.machine import Machine
from ..results import Results
from ..tabulate import markdown
from .common import Options

TITLE = "hardware of the two servers"
MACHINES = {"S-A": "T2a", "S-B": "T2b"}


def describe(options: Options) -> dict[tuple, Machine]:
    """The machines, by id."""
    return {(id,): machine(id) for id in MACHINES}


def run(options: Options) -> Results:
    """Read the table off the descriptions; nothing is simulated."""
    rows = []
    for (id,), m in describe(options).items():
        t = m.topology
        facts = {
            "processors": m.title, "sockets": t.sockets, "cores per socket": t.cores_per_socket, "cores": t.cores,
            "clock (GHz)": f"{m.clock_ghz:g}",
            "last-level cache per socket (MB)": f"{m.memory.llc_per_socket.plain() / 2**20:g}",
            "memory (GB)": f"{m.memory.capacity.plain() / 2**30:g}",
            **{f"{name}s": f"{device.count} x {device.model}" for name, device in m.devices.items()},
        }
        rows += [(id, name, str(value)) for name, value in facts.items()]
    frame = pd.DataFrame(rows, columns=["machine", "property", "value"])
    return Results("tab02_hardware", options.quality, options.seed, {"table": frame})


def text(results: Results) -> str:
    """The table in Markdown."""
    table = results.frames["table"]
    wide = table.pivot(index="property", columns="machine", values="value").loc[table.property.drop_duplicates()]
    return markdown(wide.reset_index())


def _number(cell: str, unit: str = "") -> float:
    """The number in a cell, or the one before `unit`."""
    return float(re.search(rf"([\d.]+){' ' + unit if unit else ''}", cell)[1])


def verdicts(results: Results) -> list[paper.Verdict]:
    """T2a, T2b, T2c: every printed number against the description."""
    cells = {(row.machine, row.property): row.value for row in results.frames["table"].itertuples()}
    found = []
    for id, row in MACHINES.items():
        memory = _number(cells[id, "memory (GB)"])
        facts = {
            "cpu": {"T2a": "E5645", "T2b": "E7-8870"}[row] in cells[id, "processors"],
            "sockets": _number(cells[id, "sockets"]),
            "cores_per_socket": _number(cells[id, "cores per socket"]),
            "cores": _number(cells[id, "cores"]),
            "clock": _number(cells[id, "clock (GHz)"]),
            "l3": _number(cells[id, "last-level cache per socket (MB)"]),
            "dram": memory / 1024 if memory >= 1024 else memory,
        }
        found += [paper.judge_fact(paper.claim(f"{row}.{name}"), value) for name, value in facts.items()]
        found.append(paper.not_modelled(paper.claim(f"{row}.threads_per_socket"), "switched off in the paper"))
    nics, disks = cells["S-A", "nics"], cells["S-A", "disks"]
    facts = {
        "nics": _number(nics), "nic_rate": _number(nics, "Mb/s"), "disks": _number(disks),
        "disk_capacity": _number(disks, "TB"), "disk_speed": _number(disks, "rpm"), "disk_cache": _number(disks, "MB"),
    }
    return found + [paper.judge_fact(paper.claim(f"T2c.{name}"), value) for name, value in facts.items()]
