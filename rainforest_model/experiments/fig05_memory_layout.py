"""Figure 5: physical and virtual memory of subOSes, drawn from a machine that lives and from a described address space.

The claims: the memory that all must share for start-up code lies in the lowest MB (I3); a subOS finds the start of its
own memory where Linux finds physical address 0 (I8), and what it gets later with lower addresses in a hole behind
``__START_KERNEL_map`` (I9).

What we read into it: three subOSes on S-A; the second gives memory away, and the first and the third take some of it,
once from behind and once from before their own.  The hole is what the kernel image leaves of its 512 MB, which bounds
how much memory from before its own a subOS can ever take; the paper does not say so, and the memory here is chosen to
fit.  Where shared memory is mapped it does not say either.
"""

from __future__ import annotations

import pandas as pd

from .. import drawing, paper, plots
from ..descriptions import load
from ..descriptions.address_space import DIRECT, KERNEL, AddressSpace
from ..descriptions.scenario import Scenario
from ..drawing import Box
from ..results import Results
from ..supervision import FREE, ElasticMachine
from ..supervision.ownership import BLOCK_BYTES
from . import living
from .common import Options

TITLE = "physical and virtual memory of subOSes"
SHOWN = ("search", "ferret")
"""The subOSes whose virtual memory is drawn, left and right of the physical one."""
SHARED = "shared"
NO_ROOM = "no room"
_GREY = "#888888"


def commands(live: ElasticMachine, given_mb: int = 1024, taken_mb: int = 384) -> tuple[living.Command, ...]:
    """What is done to the machine before it is drawn: vips gives memory, ferret takes some of it, and search as much.

    Parameters
    ----------
    live : ElasticMachine
    given_mb, taken_mb : int
    """
    changes = {"vips": -given_mb, "ferret": taken_mb, "search": taken_mb}
    return tuple(
        ("resize", {"name": name, "memory_gb": live.instances[name].memory_gb + mb / 1024})
        for name, mb in changes.items()
    )


def describe(options: Options) -> dict[tuple, Scenario]:
    """The machine and what runs on it."""
    return {("rainforest",): living.three_instances()}


def first_addresses(live: ElasticMachine) -> dict[str, int]:
    """Where the memory of each instance starts; at the first moment, where each was booted."""
    return {
        i.name: live.ledger.extents(i.name)[0].start * BLOCK_BYTES for i in live.instances.values() if i.blocks
    }


def layout(live: ElasticMachine, space: AddressSpace, starts: dict[str, int]) -> dict[str, pd.DataFrame]:
    """What the drawing is made of.

    Parameters
    ----------
    live : ElasticMachine
    space : AddressSpace
    starts : dict of str to int
        Physical address at which each instance was booted.

    Returns
    -------
    dict of str to DataFrame
        ``physical`` as `rainforest_model.experiments.living.memory`, after the memory that all share; ``virtual``
        (owner, area, start: physical address, virtual, kb, late: whether it came after the boot); ``areas`` (area,
        title, symbol, start, end) of the address space; addresses are hexadecimal.
    """
    low, page = round(space.low_memory.plain()), round(space.shared_page.plain())
    shared = pd.DataFrame([(SHARED, hex(0), hex(low), low // 2**20)], columns=["owner", "start", "end", "mb"])
    rows = []
    for name, start in starts.items():
        pieces = [(extent.start * BLOCK_BYTES, len(extent) * BLOCK_BYTES) for extent in live.ledger.extents(name)]
        rows.append((name, SHARED, hex(0), "", (low + page) // 1024, False))
        for mapping in space.mappings(start, pieces):
            virtual = "" if mapping.virtual is None else hex(mapping.virtual)
            late = mapping.physical != start
            rows.append((name, mapping.area or NO_ROOM, hex(mapping.physical), virtual, mapping.size // 1024, late))
    areas = [("user", "applications", "", hex(0), hex(round(space.user.plain())))] + [
        (key, area.title, area.symbol, hex(area.start), hex(area.end)) for key, area in space.areas.items()
    ]
    areas.insert(len(areas) - 1, ("hole", "hole", "", *map(hex, space.hole)))
    return {
        "physical": pd.concat([shared, living.memory(live)], ignore_index=True),
        "virtual": pd.DataFrame(rows, columns=["owner", "area", "start", "virtual", "kb", "late"]),
        "areas": pd.DataFrame(areas, columns=["area", "title", "symbol", "start", "end"]),
    }


def run(options: Options) -> Results:
    """Let a machine live until memory has changed hands, and ask it."""
    ((_, scenario),) = describe(options).items()
    live = living.started(scenario, options)
    starts = first_addresses(live)
    history = living.carry_out(live, commands(live))
    frames = {**layout(live, load.address_space(), starts), "history": history}
    return Results("fig05_memory_layout", options.quality, options.seed, frames)


def figure(results: Results):
    """Physical memory in the middle, the virtual memory of two subOSes beside it; heights are not to scale."""
    frames = results.frames
    with plots.style():
        sheet, axes = drawing.sheet(plots.PAGE, 4.4)
        heads, body = Box(0.06, 0.06, plots.PAGE - 0.12, 4.28).rows([0.24, 4.0], gap=0.04)
        words_left, left, _, middle, _, right, words_right = body.columns(
            [0.86, 1.15, 0.55, 1.2, 0.55, 1.15, 0.86], gap=0.04
        )
        places = _draw_physical(axes, middle, frames["physical"])
        drawing.write(axes, _above(middle, heads), "physical memory", size=8, weight="bold")
        for name, stack, words, align in zip(
            SHOWN, (left, right), (words_left, words_right), ("right", "left"), strict=True
        ):
            drawing.write(axes, _above(stack, heads), f"virtual memory of {name}", size=8, weight="bold")
            ends = (stack.right, middle.x) if stack is left else (stack.x, middle.right)
            for key, place in _draw_virtual(axes, stack, words, align, name, frames):
                color = _GREY if key == SHARED else living.color(name)
                axes.plot(ends, [place.middle[1], places[key].middle[1]], color=color, linewidth=1.1, zorder=3)
    return sheet


def _above(stack: Box, heads: Box) -> Box:
    """Room for a heading, wider than what it stands above."""
    return Box(stack.x - 0.3, heads.y, stack.width + 0.6, heads.height)


def _amount(mb: float) -> str:
    return f"{mb / 1024:.1f} GB" if mb >= 1024 else f"{mb:g} MB"


def _draw_physical(axes, room: Box, physical: pd.DataFrame) -> dict[str, Box]:
    """Pieces by ascending address from below; the place of each by its start, that of shared memory by its name."""
    pieces = physical.iloc[::-1]
    # Even the smallest has room for its name.
    rows = room.rows([0.2 + 0.11 * mb / 1024 for mb in pieces.mb], gap=0.0)
    places = {}
    for row, box in zip(pieces.itertuples(), rows, strict=True):
        shade = _GREY if row.owner == SHARED else living.color(row.owner)
        drawing.rectangle(axes, box, face=drawing.tint(shade, 0.4), hatch="////" if row.owner == FREE else None)
        look = {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.4}} if row.owner == FREE else {}
        drawing.write(axes, box, f"{row.owner}, {_amount(row.mb)}", **look)
        places[SHARED if row.owner == SHARED else row.start] = box
    return places


def _draw_virtual(
    axes, stack: Box, words: Box, align: str, name: str, frames: dict[str, pd.DataFrame]
) -> list[tuple[str, Box]]:
    """Areas by ascending address from below, with their starts beside them; each piece of memory and its place."""
    areas, mine = frames["areas"].set_index("area"), frames["virtual"][frames["virtual"].owner == name]
    upwards = [area for area in areas.index if area != "hole"]
    weights = {"user": 0.3, DIRECT: 1.2, KERNEL: 1.05}
    top, *bands = stack.rows([0.32, *(weights.get(area, 0.28) for area in upwards[::-1])], gap=0.05)
    drawing.rectangle(axes, top, face=drawing.tint(_GREY, 0.4))
    drawing.write(axes, top, "low memory and shared page", size=6.5)
    found = [(SHARED, top)]
    for area, box in zip(upwards[::-1], bands, strict=True):
        row = areas.loc[area]
        start = Box(words.x, box.y, words.width, min(0.28, box.height))
        drawing.write(axes, start, f"{row.symbol}\n{row.start.removeprefix('0x')}".strip(), size=6, align=align)
        entries = _entries(area, areas, mine)
        for (key, told, face, weight), place in zip(
            entries, box.rows([weight for *_, weight in entries[::-1]], gap=0.0)[::-1], strict=True
        ):
            drawing.rectangle(axes, place, face=drawing.tint(living.color(name), 0.4) if face is None else face)
            drawing.write(axes, place, told, size=6.5)
            if key:
                found.append((key, place))
    return found


def _room(area) -> int:
    """Bytes between the two ends of an area."""
    return int(area.end, 16) - int(area.start, 16)


def _entries(area: str, areas: pd.DataFrame, mine: pd.DataFrame) -> list[tuple[str, str, object, float]]:
    """What an area holds, upwards: start of the memory in it or nothing, words, colour if not the owner's, weight."""
    pieces = [
        (
            piece.start, f"{'added later' if piece.late else 'at boot'}, {_amount(piece.kb / 1024)}", None,
            1 if piece.late else 2,
        )
        for piece in mine[mine.area == area].itertuples()
    ]
    if area != KERNEL:
        return pieces or [("", areas.loc[area].title, "white", 1)]
    left = _room(areas.loc["hole"]) - 1024 * mine[mine.area == KERNEL].kb.sum()
    outside = mine[mine.area == NO_ROOM].kb.sum() / 1024
    rest = [("", f"hole, {_amount(left / 2**20)} left", "white", 1)] if left else []
    missing = [("", f"no room for {_amount(outside)}", drawing.tint("#D55E00", 0.5), 1)] if outside else []
    return [("", "kernel image", "0.92", 1), *pieces, *rest, *missing]


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    virtual, areas = results.frames["virtual"], results.frames["areas"].set_index("area")
    hole = _room(areas.loc["hole"]) // 2**20
    late = virtual[virtual.late]
    told = ", ".join(
        f"{row.owner} {row.kb // 1024} MB ({'behind' if row.area == DIRECT else 'before'} its own)"
        for row in late.itertuples()
    )
    return (
        f"After {len(results.frames['history'])} changes of size. Added later: {told}. What lies before a subOS's "
        f"first memory goes into the hole behind the kernel image, of {hole} MB: no more than that can ever come from "
        f"there. Pieces are not to scale. Drawn from the books of a machine and the described address space, seed "
        f"{results.seed}."
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """I3, I8 and I9."""
    frames = results.frames
    physical, virtual, areas = frames["physical"], frames["virtual"], frames["areas"].set_index("area")
    low = physical[physical.owner == SHARED]
    at_boot = virtual[~virtual.late & (virtual.area != SHARED)]
    before = virtual[virtual.area.isin([KERNEL, NO_ROOM])]
    base, hole = int(areas.loc[DIRECT].start, 16), areas.loc["hole"]
    inside = [
        row.virtual and int(hole.start, 16) <= int(row.virtual, 16)
        and int(row.virtual, 16) + 1024 * row.kb <= int(hole.end, 16) for row in before.itertuples()
    ]
    told = f"{before.kb.sum() // 1024} MB from before its own; the hole has room for {_room(hole) // 2**20} MB"
    return [
        paper.judge_fact(paper.claim("I3"), float(low.mb.iloc[0]), "as described"),
        paper.judge_fact(
            paper.claim("I8"), all(int(at, 16) == base for at in at_boot.virtual), f"of {len(at_boot)} subOSes",
        ),
        paper.judge_fact(paper.claim("I9"), bool(inside) and all(inside), told),
    ]
