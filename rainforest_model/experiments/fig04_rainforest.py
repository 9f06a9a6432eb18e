"""Figure 4: the parts of RainForest and the channels between them, drawn from a machine that lives.

The claims: a message is a cache line (I1); two threads of each subOS carry messages (I2), on one of its cores (I5); the
supervisor is the first instance and has a core (I6); all share a few lists beside the channels (I7).

What we read into it: three subOSes on S-A, of which the first has taken two cores from the second.  Which part belongs
to whom, and what it stands upon, is described in ``data/systems/parts.toml``; cores, communication cores and lists are
those of the machine.  RFtun and RFfuse, where devices are not passed through, are drawn as parts but not simulated.
"""

from __future__ import annotations

import itertools

import pandas as pd

from .. import drawing, paper, plots
from ..descriptions import load
from ..descriptions.parts import Parts
from ..descriptions.scenario import Scenario
from ..drawing import Box
from ..results import Results
from ..supervision import SUPERVISOR, ElasticMachine
from . import living
from .common import Options

TITLE = "the parts of RainForest and the channels between them"
MOVED: tuple[living.Command, ...] = (("preempt", {"name": "search", "from_": "vips", "cores": 2}),)
MARGIN = 0.62


def describe(options: Options) -> dict[tuple, Scenario]:
    """The machine and what runs on it."""
    return {("rainforest",): living.three_instances()}


def layout(live: ElasticMachine, parts: Parts) -> dict[str, pd.DataFrame]:
    """What the drawing is made of.

    Returns
    -------
    dict of str to DataFrame
        ``parts`` (owner, part, title, level, module, upon, channel, threads, built), a row for each copy; ``channels``
        (part, one, other, since, hops: between communication cores), a row for each pair; ``shared`` (structure,
        title, built, members: whom the list names, if the machine keeps it); ``cores`` and ``memory`` as in
        `rainforest_model.experiments.living`.
    """
    members = [SUPERVISOR, *(i.name for i in live.instances.values() if i.alive)]
    rows = [
        (
            member, key, part.title, part.level, part.module or "", " ".join(part.upon), part.channel or "",
            round(part.threads.value) if part.threads else 0, part.built,
        )
        for member in members
        for key, part in parts.of("supervisor" if member == SUPERVISOR else "subos").items()
    ]
    topology, talking = live.described.machine.topology, live.ficm.communication_cores
    size = topology.cores_per_socket
    kept = {"communication_cores": talking, "mac_list": live.supervisor.mac_list}
    pairs = [
        (key, one, other, part.channel, topology.distance(talking[one] // size, talking[other] // size))
        for key, part in parts.parts.items() if part.channel is not None
        for one, other in itertools.combinations(members, 2)
        if all({one, other} <= set(kept[name]) for name in part.shares if name in kept)
    ]
    said = {"communication_cores": [f"{name} {core}" for name, core in talking.items()]}
    shared = [
        (key, structure.title, structure.built, ", ".join(said.get(key, kept.get(key, ()))))
        for key, structure in parts.shared.items()
    ]
    columns = ["owner", "part", "title", "level", "module", "upon", "channel", "threads", "built"]
    return {
        "parts": pd.DataFrame(rows, columns=columns),
        "channels": pd.DataFrame(pairs, columns=["part", "one", "other", "since", "hops"]),
        "shared": pd.DataFrame(shared, columns=["structure", "title", "built", "members"]),
        "cores": living.cores(live), "memory": living.memory(live),
    }


def run(options: Options) -> Results:
    """Let a machine live until two cores have moved, and ask it."""
    ((_, scenario),) = describe(options).items()
    live = living.started(scenario, options)
    history = living.carry_out(live, MOVED)
    frames = {**layout(live, load.parts()), "history": history}
    notes = {"message": load.ficm().message.plain(), "seat": live.supervisor.core}
    return Results("fig04_rainforest", options.quality, options.seed, frames, notes)


def figure(results: Results):
    """Columns are the supervisor and the subOSes; rows are their parts, what all share, and cores."""
    frames = results.frames
    parts, cores = frames["parts"], frames["cores"]
    names = list(dict.fromkeys(parts.owner))
    with plots.style():
        sheet, axes = drawing.sheet(plots.PAGE, 4.6)
        room = Box(MARGIN, 0.08, plots.PAGE - MARGIN - 0.08, 4.44)
        top, user, kernel, shared, hardware = room.rows([0.2, 0.3, 2.35, 0.62, 0.38], gap=0.12)
        columns = {
            row: dict(zip(names, row.columns([1] * len(names), gap=0.3), strict=True))
            for row in (top, user, kernel, hardware)
        }
        for name, box in columns[top].items():
            drawing.write(axes, box, name if name == SUPERVISOR else f"subOS {name}", size=8, weight="bold")
        for name, box in columns[user].items():
            here = parts[(parts.owner == name) & (parts.level == "user")]
            drawing.rectangle(axes, box, face=drawing.tint(living.color(name), 0.15))
            drawing.write(axes, box, ", ".join(here.title))
        places = _draw_parts(axes, columns[kernel], parts)
        _draw_channels(axes, places, names, results)
        _draw_shared(axes, shared, frames["shared"])
        for name, box in columns[hardware].items():
            _draw_cores(axes, box, name, cores, results.notes)
        heads = ((user, "user level"), (kernel, "kernel level"), (shared, "shared by all"), (hardware, "cores"))
        for row, title in heads:
            drawing.write(axes, Box(0.05, row.y, MARGIN - 0.1, row.height), title, align="left")
        for upper, lower in ((user, kernel), (kernel, shared), (shared, hardware)):
            y = (upper.y + lower.top) / 2
            dashes = (0, (4, 2)) if upper is user else (0, (1, 1.5))
            axes.plot([0.05, plots.PAGE - 0.05], [y, y], color="0.5", linewidth=0.7, linestyle=dashes)
    return sheet


def _draw_parts(axes, boxes: dict[str, Box], parts: pd.DataFrame) -> dict[tuple[str, str], Box]:
    """Parts at kernel level: what all have stands in the same row everywhere, the lowest being what most stand upon."""
    kernel = parts[parts.level == "kernel"]
    owners = kernel.groupby("part", sort=False).owner.nunique()
    common = [part for part in owners.index if owners[part] == len(boxes)]
    uses = [upon for text in kernel.drop_duplicates("part").upon for upon in text.split()]
    common.sort(key=lambda part: uses.count(part))
    own = {
        name: [part for part in kernel[kernel.owner == name].part if part not in common] for name in boxes
    }
    depth = max(map(len, own.values()))
    places = {}
    for name, box in boxes.items():
        shade = living.color(name)
        drawing.rectangle(axes, box, face=drawing.tint(shade, 0.15))
        rows = box.within(0.07).rows([1] * (depth + len(common)), gap=0.07)
        # What only this one has stands next to the common parts.
        first = depth - len(own[name])
        titles = kernel[kernel.owner == name].set_index("part")
        for part, place in zip([*own[name], *common], rows[first:], strict=True):
            row = titles.loc[part]
            places[name, part] = place
            drawing.rectangle(
                axes, place, face=drawing.tint(shade, 0.4) if row.built else "white",
                linestyle="-" if row.built else (0, (3, 2)),
            )
            threads = f", {row.threads} threads" if row.threads else ""
            drawing.write(axes, place, row.title + threads + ("" if row.built else " (not built)"), size=6.5)
        _draw_modules(axes, name, titles, places)
    return places


def _draw_modules(axes, name: str, titles: pd.DataFrame, places: dict[tuple[str, str], Box]) -> None:
    """A frame around the parts of a kernel module, with its name on its left."""
    for module, here in titles[titles.module != ""].groupby("module"):
        first, last = places[name, here.index[0]], places[name, here.index[-1]]
        around = first.spanning(last).within(-0.035)
        drawing.rectangle(axes, around, face="none", edge="black", linewidth=1.1, zorder=3)
        word = Box(around.x - 0.62, around.y, 0.58, around.height)
        drawing.write(axes, word, f"module {module}", size=6, align="right")


def _draw_channels(axes, places: dict[tuple[str, str], Box], names: list[str], results: Results) -> None:
    """An arrow in the gap between neighbours for each part that connects them; any two are connected alike."""
    channels = results.frames["channels"]
    for one, other in itertools.pairwise(names):
        here = channels[(channels.one == one) & (channels.other == other)]
        for row in here.itertuples():
            left, right = places[one, row.part], places[other, row.part]
            y = left.middle[1]
            drawing.arrow(
                axes, (left.right, y), (right.x, y), linestyle="-" if row.since == "always" else (0, (2, 1.5)),
            )


def _draw_shared(axes, room: Box, shared: pd.DataFrame) -> None:
    cells = [cell for row in room.rows([1, 1], gap=0.06) for cell in row.columns([1, 1], gap=0.1)]
    for row, cell in zip(shared.itertuples(), cells, strict=True):
        drawing.rectangle(axes, cell, face="0.93", linestyle="-" if row.built else (0, (3, 2)))
        told = f": {row.members}" if row.members else "" if row.built else " (not built)"
        drawing.write(axes, cell, row.title + told, size=6.5)


def _draw_cores(axes, room: Box, name: str, cores: pd.DataFrame, notes: dict) -> None:
    """The cores of an owner; the communication core is black."""
    if name == SUPERVISOR:
        drawing.write(axes, room, f"shares core {notes['seat']}")
        return
    mine = cores[cores.owner == name]
    side = min(0.25, (room.width - 0.04 * (len(mine) - 1)) / max(1, len(mine)))
    left = room.middle[0] - (side * len(mine) + 0.04 * (len(mine) - 1)) / 2
    for number, row in enumerate(mine.itertuples()):
        cell = Box(left + number * (side + 0.04), room.middle[1] - side / 2, side, side)
        talks = row.role == "communication"
        drawing.rectangle(axes, cell, face="0.15" if talks else drawing.tint(living.color(name), 0.45))
        drawing.write(axes, cell, str(row.core), color="white" if talks else "black")


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    frames, notes = results.frames, results.notes
    talking = frames["cores"][frames["cores"].role == "communication"]
    (moved,) = frames["history"].itertuples()
    told = ", ".join(f"{row.owner} {row.core}" for row in talking.itertuples())
    pairs = frames["channels"].groupby("part", sort=False).size()
    titles = frames["parts"].drop_duplicates("part").set_index("part").title
    counted = ", ".join(f"{titles[part]} {count}" for part, count in pairs.items())
    return (
        f"After {moved.command}, which took {1e3 * moved.took_s:.0f} ms. Black: communication cores ({told}), between "
        f"which messages of {notes['message']:g} B and interrupts go. Solid arrows: channels that are always there, "
        f"dashed: on demand; drawn between neighbours, possible between more pairs ({counted}). Drawn from the "
        f"described parts and from the machine at that moment, seed {results.seed}."
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """I1, I2, I5, I6 and I7."""
    frames, notes = results.frames, results.notes
    parts, cores, shared = frames["parts"], frames["cores"], frames["shared"].set_index("structure")
    subos = [name for name in dict.fromkeys(parts.owner) if name != SUPERVISOR]
    threads = parts[(parts.part == "ficm") & (parts.owner != SUPERVISOR)].threads
    talking = cores[cores.role == "communication"].owner.tolist()
    first = cores.owner[cores.core == notes["seat"]].tolist() == subos[:1]
    lists = {key: row.members for key, row in shared.iterrows() if row.members}
    complete = all(name in members for members in lists.values() for name in subos)
    few = set(lists) == {"communication_cores", "mac_list"} and complete
    return [
        paper.judge_fact(paper.claim("I1"), notes["message"]),
        paper.judge_fact(paper.claim("I2"), int(threads.iloc[0]), f"in each of {len(threads)} subOSes"),
        paper.judge_fact(paper.claim("I5"), sorted(talking) == sorted(subos), f"{len(talking)} communication cores"),
        paper.judge_fact(paper.claim("I6"), first, f"it shares core {notes['seat']} with {subos[0]}"),
        paper.judge_fact(paper.claim("I7"), few, f"lists: {', '.join(shared.title[list(lists)])}"),
    ]
