"""Figure 2: how RainForest is built, next to monolithic, virtualised, multi-server, library and distributed systems.

The claims: containers share one monolithic kernel (A3); Xen's hypervisor must step in where under RainForest nobody
does (A4); multi-server systems and exokernels keep a globally shared kernel, and subOSes share no layer at all (A5).

What we read into it: a system is drawn as layers of software, each with one copy for the machine, a partition, a core
or an application.  The layers of the systems that are simulated follow from the scopes of their structures: what has
one copy for the machine under several kernels lies beneath them.  The other systems' layers are described in
``data/systems/architectures/``, one representative of each family that section 2 discusses.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pandas as pd

from .. import drawing, paper, plots
from ..descriptions import load
from ..descriptions.architecture import Architecture, architecture_of
from ..descriptions.structure import SCOPES
from ..descriptions.system import System
from ..drawing import Box
from ..errors import InputError
from ..results import Results
from .common import Options

TITLE = "who has a copy of which layer of software"
SYSTEMS = ("linux-2.6.32", "lxc", "xen", "rainforest")
RELATED = ("microkernel", "exokernel", "ix", "barrelfish")
COPIES = {"machine": 1, "partition": 2, "core": 4, "application": 4}
"""Copies of a layer in a panel, on whose machine two partitions have two cores and two applications each."""
COLORS = {"machine": ("#D55E00", 0.5), "partition": ("#009E73", 0.4), "core": ("#0072B2", 0.35)}
APPLICATION = ("#000000", 0.06)
_GAPS = {"partition": 0.16, "core": 0.09, "application": 0.09}
"""Inches between copies, for an arrow."""
WORDS = {
    "machine": "one for the machine: all share it", "partition": "one a partition", "core": "one a core",
    "application": "one an application",
}


def describe(options: Options) -> dict[tuple, System | str]:
    """The simulated systems, then the ids of those that are described by their layers alone."""
    return {**{(id,): load.system(id) for id in SYSTEMS}, **{(id,): id for id in RELATED}}


def rescoped(system: System, structure: str, scope: str) -> System:
    """The same system with one structure at another scope.

    Raises
    ------
    InputError
        If there is no such structure or scope.
    """
    if structure not in system.structures:
        raise InputError(f"no such structure of {system.id}", key="structure", value=structure)
    if scope not in SCOPES:
        raise InputError(f"no such scope; known: {', '.join(SCOPES)}", key="scope", value=scope)
    moved = system.structures[structure].model_copy(update={"scope": scope})
    how = system.partitioning
    changed = how.model_copy(update={"structures": {**how.structures, structure: moved}})
    return system.model_copy(update={"partitioning": changed})


def layout(described: Mapping[tuple, System | str]) -> dict[str, pd.DataFrame]:
    """What the drawing is made of.

    Parameters
    ----------
    described : mapping of (str,) to System or str
        Systems, or ids of described architectures.

    Returns
    -------
    dict of str to DataFrame
        ``layers`` (system, layer, title, level, per, between, structures), from the hardware upwards, and ``systems``
        (system, title, family, simulated, longer_paths: kernel paths that the partitioning makes longer).
    """
    layers, systems, parts = [], [], load.parts()
    for (id,), what in described.items():
        simulated = isinstance(what, System)
        built: Architecture = architecture_of(what, parts) if simulated else load.architecture(what)
        longer = len(what.partitioning.surcharges) if simulated else 0
        systems.append((id, built.title, built.family, simulated, longer))
        layers += [
            (id, key, layer.title, layer.level, layer.per, layer.between, len(layer.holds))
            for key, layer in built.layers.items()
        ]
    return {
        "layers": pd.DataFrame(layers, columns=["system", "layer", "title", "level", "per", "between", "structures"]),
        "systems": pd.DataFrame(systems, columns=["system", "title", "family", "simulated", "longer_paths"]),
    }


def run(options: Options) -> Results:
    """Ask the descriptions; nothing is simulated."""
    return Results("fig02_structures", options.quality, options.seed, layout(describe(options)))


def figure(results: Results):
    """A panel for each system."""
    systems, layers = results.frames["systems"], results.frames["layers"]
    across = min(4, len(systems))
    down = -(-len(systems) // across)
    with plots.style():
        width, height = plots.PAGE * across / 4, 1.85 * down + 0.38
        sheet, axes = drawing.sheet(width, height)
        rows = Box(0.08, 0.38, width - 0.16, height - 0.44).rows([1] * down, gap=0.14)
        cells = [cell for row in rows for cell in row.columns([1] * across, gap=0.2)]
        for system, cell in zip(systems.itertuples(), cells, strict=False):
            _panel(axes, cell, system, layers[layers.system == system.system])
        _key(axes, Box(0.08, 0.04, width - 0.16, 0.27), layers)
    return sheet


def _panel(axes, cell: Box, system, layers: pd.DataFrame) -> None:
    title, stack, hardware = cell.rows([0.17, 1.33, 0.2], gap=0.05)
    drawing.write(axes, title, system.title, size=8, weight="bold")
    upwards = layers.iloc[::-1]
    weights = [1 if row.per == "application" else 1.5 for row in upwards.itertuples()]
    bands = stack.rows(weights, gap=0.14)
    before = None
    for row, band in zip(upwards.itertuples(), bands, strict=True):
        _layer(axes, band, row)
        if before is not None and before.level != row.level:
            axes.plot([cell.x, cell.right], [band.top + 0.07] * 2, color="0.2", linewidth=0.8, linestyle=(0, (4, 2)))
        before = row
    for number, box in enumerate(hardware.columns([1] * COPIES["core"], gap=0.06)):
        drawing.rectangle(axes, box, face="0.85", edge="0.5")
        drawing.write(axes, box, f"core {number}", size=6)


def _layer(axes, band: Box, layer) -> None:
    """All copies of a layer; what those have to do with one another between them."""
    shade = drawing.tint(*COLORS.get(layer.per, APPLICATION))
    count = COPIES[layer.per]
    boxes = band.columns([1] * count, gap=0.06 if layer.between == "nothing" else _GAPS[layer.per])
    short = "app" if layer.title == "application" else layer.title
    for box in boxes:
        drawing.rectangle(axes, box, face=shade)
        told = ""
        if layer.structures and count < COPIES["application"]:
            told = f"\n{layer.structures} structure{'s' * (layer.structures > 1)}"
        drawing.write(axes, box, short + told, size=6.5)
    if layer.between != "nothing":
        for left, right in itertools.pairwise(boxes):
            y = band.middle[1]
            drawing.arrow(
                axes, (left.right, y), (right.x, y), mutation_scale=4,
                linestyle="-" if layer.between == "messages" else (0, (1, 1)),
            )


def _key(axes, room: Box, layers: pd.DataFrame) -> None:
    """What colours and arrows mean, as far as they occur."""
    entries = [per for per in WORDS if (layers.per == per).any()]
    arrows = [kind for kind in ("messages", "channels") if (layers.between == kind).any()]
    words = {"messages": "kept consistent by messages", "channels": "channels"}
    upper, lower = room.rows([1, 1], gap=0.03)
    for per, cell in zip(entries, upper.columns([len(WORDS[per]) + 6 for per in entries], gap=0.05), strict=True):
        swatch = Box(cell.x, cell.y + 0.01, 0.2, cell.height - 0.02)
        drawing.rectangle(axes, swatch, face=drawing.tint(*COLORS.get(per, APPLICATION)))
        drawing.write(axes, Box(swatch.right + 0.03, cell.y, cell.width - 0.23, cell.height), WORDS[per], 6.5, "left")
    titles = ["dashed line: more privileged below", *(words[kind] for kind in arrows)]
    for kind, title, cell in zip(
        ["line", *arrows], titles, lower.columns([len(title) + 6 for title in titles], gap=0.05), strict=True
    ):
        y = cell.middle[1]
        if kind == "line":
            axes.plot([cell.x, cell.x + 0.2], [y, y], color="0.2", linewidth=0.8, linestyle=(0, (4, 2)))
        else:
            drawing.arrow(
                axes, (cell.x, y), (cell.x + 0.2, y), mutation_scale=4,
                linestyle="-" if kind == "messages" else (0, (1, 1)),
            )
        drawing.write(axes, Box(cell.x + 0.23, cell.y, cell.width - 0.23, cell.height), title, 6.5, "left")


def common_layers(results: Results) -> dict[str, list[str]]:
    """The layers that applications of all partitions share, by system."""
    layers = results.frames["layers"]
    return {
        id: layers[(layers.system == id) & (layers.per == "machine")].title.tolist()
        for id in results.frames["systems"].system
    }


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    systems, layers = results.frames["systems"].set_index("system"), results.frames["layers"]
    shared = common_layers(results)
    held = {
        id: int(layers[(layers.system == id) & (layers.per == "machine")].structures.sum())
        for id in systems.index[systems.simulated]
    }
    told = ", ".join(f"{systems.loc[id].title} {count}" for id, count in held.items())
    none = [systems.loc[id].title for id, titles in shared.items() if not titles]
    return (
        f"Two partitions of two cores and two applications each. Described structures in layers that all share: "
        f"{told}. Without a layer that all share: {' and '.join(none) or 'none of these'}. Layers of the simulated "
        f"systems follow from the scopes of their structures, those of the other {len(systems) - len(held)} are "
        f"described."
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """A3, A4 and A5."""
    shared, layers = common_layers(results), results.frames["layers"]
    systems = results.frames["systems"].set_index("system")

    def per(id: str, layer: str) -> str:
        """For whom there is one copy of a layer; empty if there is none."""
        found = layers[(layers.system == id) & (layers.layer == layer)].per
        return found.iloc[0] if len(found) else ""

    one_kernel = per("lxc", "kernel") == per("linux-2.6.32", "kernel") == "machine"
    longer = systems.longer_paths
    steps_in = per("xen", "beneath") == "machine" and longer["xen"] > 0
    nobody = per("rainforest", "beneath") == "" and longer["rainforest"] == 0
    global_kernel = per("microkernel", "kernel") == per("exokernel", "kernel") == "machine"
    told = f"{longer['xen']} kernel paths are longer under Xen, {longer['rainforest']} under RainForest"
    return [
        paper.judge_fact(paper.claim("A3"), one_kernel, "one kernel holds what all containers use"),
        paper.judge_fact(paper.claim("A4"), bool(steps_in and nobody), told),
        paper.judge_fact(
            paper.claim("A5"), global_kernel and not shared["rainforest"],
            f"layers that all share under RainForest: {', '.join(shared['rainforest']) or 'none'}",
        ),
    ]
