"""Figure 1: the architecture, a supervisor and subOSes side by side on one machine, drawn from a machine that lives.

The claims: cores, memory and devices are divided up between OS instances (A1), and the supervisor and the subOSes run
at one privilege level, with nothing beneath them (A2).

What we read into it: three subOSes on S-A, of a third each.  Which layers of software there are follows from the
scopes of the described structures; who owns what is the ledger's.  The supervisor of the paper has a core of its own,
or shares it with applications as in its section 6; here it always shares one.  Security Guard is described, but the
prototype is without it: its boxes are dashed.
"""

from __future__ import annotations

import itertools

import pandas as pd

from .. import drawing, paper, plots
from ..descriptions import load
from ..descriptions.architecture import architecture_of
from ..descriptions.parts import Parts
from ..descriptions.scenario import Scenario
from ..drawing import Box
from ..results import Results
from ..supervision import FREE, SUPERVISOR, TRANSIT, ElasticMachine
from . import living
from .common import Options

TITLE = "a supervisor and subOSes side by side"
WIDTH, MARGIN = plots.PAGE, 0.62
_OVERVIEW = ("rfm", "applications", "guard")
"""Parts that this drawing has; the others are Figure 4's."""


def describe(options: Options) -> dict[tuple, Scenario]:
    """The machine and what runs on it."""
    return {("rainforest",): living.three_instances()}


def layout(live: ElasticMachine, parts: Parts) -> dict[str, pd.DataFrame]:
    """What the drawing is made of.

    Parameters
    ----------
    live : ElasticMachine
    parts : Parts
        Drawn if the machine's partitioning is theirs.

    Returns
    -------
    dict of str to DataFrame
        ``layers`` (layer, title, level, per, between, structures: how many it holds), from the hardware upwards;
        ``kernels`` (name, role, part, level, built: the supervisor and the OS instances, and what they have);
        ``cores``, ``memory`` and ``devices`` as in `rainforest_model.experiments.living`.
    """
    system = live.described.system
    architecture = architecture_of(system, parts)
    layers = [
        (key, layer.title, layer.level, layer.per, layer.between, len(layer.holds))
        for key, layer in architecture.layers.items()
    ]
    owners = [(i.name, "subos") for i in live.instances.values() if i.cores]
    supervised = parts.id == system.partitioning.id
    rows = [
        (name, role, part.title, part.level, part.built)
        for name, role in [(SUPERVISOR, "supervisor"), *owners] if supervised
        for key, part in parts.of(role).items() if key in _OVERVIEW
    ]
    rows = rows or [(name, role, "applications", "user", True) for name, role in owners]
    return {
        "layers": pd.DataFrame(layers, columns=["layer", "title", "level", "per", "between", "structures"]),
        "kernels": pd.DataFrame(rows, columns=["name", "role", "part", "level", "built"]),
        "cores": living.cores(live), "memory": living.memory(live), "devices": living.devices(live),
    }


def run(options: Options) -> Results:
    """Ask descriptions and ledger; no time passes."""
    ((_, scenario),) = describe(options).items()
    live = living.started(scenario, options)
    system = live.described.system
    notes = {
        "machine": live.described.machine.title, "instance": system.partitioning.instance_name,
        "kernel": system.kernel.title, "seat": live.supervisor.core,
    }
    return Results("fig01_architecture", options.quality, options.seed, layout(live, load.parts()), notes)


def figure(results: Results):
    """Columns are the supervisor and the OS instances; rows are user level, kernel level and hardware."""
    frames = results.frames
    layers, kernels = frames["layers"].set_index("layer"), frames["kernels"]
    names = list(dict.fromkeys(kernels.name))
    beneath = "beneath" in layers.index
    with plots.style():
        sheet, axes = drawing.sheet(WIDTH, 3.15 + 0.35 * beneath)
        room = Box(MARGIN, 0.1, WIDTH - MARGIN - 0.1, 2.95 + 0.35 * beneath)
        rows = room.rows([0.45, 1.15, *([0.3] if beneath else []), 1.15], gap=0.14)
        columns = [row.columns([0.85 if name == SUPERVISOR else 1 for name in names], gap=0.3) for row in rows]
        _levels(axes, rows, ["user level", "kernel level", *(["beneath"] if beneath else []), "hardware"])
        for name, box in zip(names, columns[0], strict=True):
            here = kernels[(kernels.name == name) & (kernels.level == "user")]
            told = ", ".join(here.part) + (f"\nof {name}" if name != SUPERVISOR else "")
            drawing.rectangle(axes, box, face=drawing.tint(living.color(name), 0.15))
            drawing.write(axes, box, told)
        _draw_kernels(axes, columns[1], names, results)
        if beneath:
            mine = [box for name, box in zip(names, columns[2], strict=True) if name != SUPERVISOR]
            across = mine[0].spanning(mine[-1])
            drawing.rectangle(axes, across, face=drawing.tint(plots.line(3)["color"], 0.3))
            layer = layers.loc["beneath"]
            drawing.write(axes, across, f"{layer.title}: {_structures(layer.structures)} that all share")
        for name, box in zip(names, columns[-1], strict=True):
            _draw_hardware(axes, box, name, results)
    return sheet


def _levels(axes, rows: list[Box], titles: list[str]) -> None:
    """Names of the rows, and lines between them."""
    for row, title in zip(rows, titles, strict=True):
        drawing.write(axes, Box(0.05, row.y, MARGIN - 0.1, row.height), title.replace(" ", "\n"), size=7, align="left")
    for upper, lower in itertools.pairwise(rows):
        middle = (upper.y + lower.top) / 2
        axes.plot([0.05, WIDTH - 0.05], [middle, middle], color="0.5", linewidth=0.7, linestyle=(0, (4, 2)))


def _draw_kernels(axes, boxes: list[Box], names: list[str], results: Results) -> None:
    layers, kernels = results.frames["layers"].set_index("layer"), results.frames["kernels"]
    kernel, notes = layers.loc["kernel"], results.notes
    own = dict(zip(names, boxes, strict=True))
    held = _structures(kernel.structures)
    if kernel.per == "machine":
        across = boxes[0].spanning(boxes[-1])
        drawing.rectangle(axes, across, face=drawing.tint(plots.line(3)["color"], 0.3))
        upper, lower = across.within(0.08).rows([2, 1], gap=0.04)
        drawing.write(axes, lower, f"one kernel, {notes['kernel']}: {held} that all share")
        own = {name: Box(box.x + 0.1, upper.y, box.width - 0.2, upper.height) for name, box in own.items()}
    for name, box in own.items():
        shade = living.color(name)
        drawing.rectangle(axes, box, face=drawing.tint(shade, 0.3))
        title, said, guard = box.within(0.05).rows([0.3, 0.42, 0.28], gap=0.03)
        drawing.write(axes, title, name if name == SUPERVISOR else f"{notes['instance']} {name}", weight="bold")
        if name == SUPERVISOR:
            drawing.write(axes, said, "creates, resizes and destroys the others")
        elif kernel.per == "partition":
            drawing.write(axes, said, f"{notes['kernel']}\n{held} of its own")
        elif "container" in layers.index:
            drawing.write(axes, said, f"{_structures(layers.loc['container'].structures)} of its own")
        here = kernels[(kernels.name == name) & (kernels.level == "kernel")]
        for row in here.itertuples():
            drawing.rectangle(axes, guard, linestyle="-" if row.built else (0, (3, 2)))
            drawing.write(axes, guard, row.part + ("" if row.built else " (not built)"), size=6)
    ordered = list(own)
    for one, other in itertools.pairwise(ordered):
        ends = (own[one].right, own[one].middle[1]), (own[other].x, own[one].middle[1])
        if one == SUPERVISOR:
            drawing.arrow(axes, *ends, both=False)
        elif kernel["between"] == "channels":
            drawing.arrow(axes, *ends, linestyle=(0, (2, 1.5)))


def _structures(count: int) -> str:
    return f"{count} structure{'' if count == 1 else 's'}"


def _draw_hardware(axes, box: Box, name: str, results: Results) -> None:
    """What an owner has: its cores, memory and devices; under the supervisor what is free."""
    frames = results.frames
    owner = FREE if name == SUPERVISOR else name
    cores = frames["cores"][frames["cores"].owner == owner].core.tolist()
    gb = frames["memory"][frames["memory"].owner == owner].mb.sum() / 1024
    here = frames["devices"][frames["devices"].owner == owner].device.tolist()
    shade = living.color(name)
    core_row, memory_row, device_row = box.rows([1, 0.8, 1], gap=0.07)
    if name == SUPERVISOR:
        spare = f"{gb:.1f} GB" if gb >= 1 else f"{1024 * gb:.0f} MB"
        has = [f"shares core {results.notes['seat']}", f"free: {len(cores)} cores, {spare}", f"and {_counted(here)}"]
        for row, told in zip((core_row, memory_row, device_row), has, strict=True):
            drawing.write(axes, row, told, size=6.5)
        return
    side = min(0.28, (core_row.width - 0.04 * (len(cores) - 1)) / len(cores))
    left = core_row.middle[0] - (side * len(cores) + 0.04 * (len(cores) - 1)) / 2
    for number, core in enumerate(cores):
        cell = Box(left + number * (side + 0.04), core_row.middle[1] - side / 2, side, side)
        drawing.rectangle(axes, cell, face=drawing.tint(shade, 0.45))
        drawing.write(axes, cell, str(core))
    drawing.rectangle(axes, memory_row, face=drawing.tint(shade, 0.45))
    drawing.write(axes, memory_row, f"{gb:.1f} GB")
    for device, cell in zip(here, device_row.columns([1] * len(here)), strict=True):
        drawing.rectangle(axes, cell, face=drawing.tint(shade, 0.45))
        drawing.write(axes, cell, device)


def _counted(devices: list[str]) -> str:
    """How many of each kind."""
    kinds = [device.rsplit(" ", 1)[0] for device in devices]
    return ", ".join(f"{kinds.count(kind)} {kind}{'s' * (kinds.count(kind) > 1)}" for kind in dict.fromkeys(kinds))


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    frames, notes = results.frames, results.notes
    kernel = frames["layers"].set_index("layer").loc["kernel"]
    names = [name for name in dict.fromkeys(frames["kernels"].name) if name != SUPERVISOR]
    had = frames["cores"].owner.value_counts()
    told = ", ".join(f"{name} {had.get(name, 0)}" for name in names)
    lowest = frames["layers"].iloc[0]
    return (
        f"{len(names)} OS instances ({notes['instance']}) on {notes['machine']}; cores: {told}. One kernel a "
        f"{kernel.per}, {notes['kernel']}, holds {kernel.structures} of the described structures; the lowest layer of "
        f"software is the {lowest.title}, one a {lowest.per}. Solid arrow: commands of the supervisor; dashed arrows: "
        f"channels. Drawn from the descriptions and the books of a machine, seed {results.seed}."
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """A1 and A2."""
    frames = results.frames
    names = [name for name in dict.fromkeys(frames["kernels"].name) if name != SUPERVISOR]
    owners = [*names, FREE]
    cores, memory = frames["cores"], frames["memory"]
    ends = memory.end.map(_address)[:-1].tolist()
    divided = (
        not cores.core.duplicated().any() and cores.owner.isin(owners).all()
        and not frames["devices"].device.duplicated().any()
        and memory.start.map(_address)[1:].tolist() == ends and TRANSIT not in set(memory.owner)
        and all((cores.owner == name).any() and (memory.owner == name).any() for name in names)
    )
    layers = frames["layers"].set_index("layer")
    alike = "beneath" not in layers.index and layers.loc["kernel"].per == "partition"
    return [
        paper.judge_fact(paper.claim("A1"), bool(divided), f"{len(cores)} cores, {len(frames['devices'])} devices"),
        paper.judge_fact(paper.claim("A2"), bool(alike), f"layers: {', '.join(layers.title)}"),
    ]


def _address(text: str) -> int:
    return int(text, 16)
