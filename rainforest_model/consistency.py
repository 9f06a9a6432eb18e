"""Where printed numbers of section 6.3.2 cannot all be true together: arithmetic on claims, without a simulation.

A batch is 13 programs, run again and again.  If a system needs T seconds for a batch (Table 5) and the replay lasts W,
the batches that end within it are the whole part of W / T, and the rest of it is the position x in the next one, as a
share of its time.  Of that one k programs are over, with c(k) the share of a batch's time that its first k take:

    finished = 13 * floor(W / T) + k,    c(k) <= x < c(k + 1)

No order of the programs changes c(0) = 0 or c(13) = 1, so T bounds the count whatever the order; and where count and T
agree, they bound c.  All of it takes for granted that Table 5 speaks of the same runs as the counts, and that a
batch goes at one pace; where cores come and go the second is true on average only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pandas as pd

from . import paper, plots
from .workloads.batch import Batch

SYSTEMS = ("linux-2.6.32", "linux-2.6.35m", "linux-3.17.4", "lxc", "xen", "rainforest")


class Bound(NamedTuple):
    """Between what and what the first programs' share of a batch lies: above `low`, at most `high`."""

    low: float
    high: float


def replay_s() -> float:
    """Length of the replay in s (F101).

    Examples
    --------
    >>> replay_s()
    2250.0
    """
    return 60 * paper.claim("F101.duration").value


def programs() -> int:
    """Programs of a batch (F103)."""
    return int(paper.claim("F103").value)


def counts() -> pd.DataFrame:
    """The finished programs that are printed beside those that the printed time of a batch leaves possible.

    Returns
    -------
    DataFrame
        A row for each system: batch_s (T5a), printed (F105), even (programs if all were equally long), fewest and most
        (over all orders), possible (whether printed lies between), off_percent (by how much batch_s would have to be
        another for the printed count to be possible), position (x, where possible, else NaN).

    Examples
    --------
    >>> table = counts().set_index("system")
    >>> table.fewest["linux-2.6.32"].item(), table.printed["linux-2.6.32"].item()
    (26, 22)
    >>> table.index[table.possible].tolist()
    ['lxc', 'xen', 'rainforest']
    """
    whole, window = programs(), replay_s()
    rows = []
    for system in SYSTEMS:
        batch_s = paper.claim(f"T5a.{system}").value
        printed = int(paper.claim(f"F105.{system}").value)
        ended = math.floor(window / batch_s)
        fewest, most = whole * ended, whole * ended + whole - 1
        possible = fewest <= printed <= most
        rows.append((
            system, batch_s, printed, whole * window / batch_s, fewest, most, possible,
            _off_percent(batch_s, printed // whole, window), window / batch_s - ended if possible else math.nan,
        ))
    columns = ["system", "batch_s", "printed", "even", "fewest", "most", "possible", "off_percent", "position"]
    return pd.DataFrame(rows, columns=columns)


def _off_percent(batch_s: float, ended: int, window: float) -> float:
    """By how much a batch time must change for so many whole batches, and no more, to end within the window."""
    shortest, longest = window / (ended + 1), window / ended if ended else math.inf
    nearest = min(max(batch_s, shortest), longest)
    return 100 * (nearest / batch_s - 1)


def shares() -> dict[int, Bound]:
    """What the systems whose numbers agree say of the first k programs' share of a batch, all of them together.

    Returns
    -------
    dict of int to Bound
        By k, where it is bounded at all.

    Examples
    --------
    >>> {k: f"({low:.3f}, {high:.3f}]" for k, (low, high) in shares().items()}
    {6: '(0.000, 0.311]', 7: '(0.476, 0.480]', 8: '(0.480, 1.000]'}
    """
    agreeing = counts().query("possible")
    found: dict[int, Bound] = {}
    for row in agreeing.itertuples():
        k = row.printed % programs()
        below, above = found.get(k, Bound(0, 1)), found.get(k + 1, Bound(0, 1))
        found[k] = Bound(below.low, min(below.high, row.position))
        found[k + 1] = Bound(max(above.low, row.position), above.high)
    return dict(sorted(found.items()))


def throughputs() -> pd.DataFrame:
    """Answers a second (T5c) beside the requests a second that are offered (F101).

    Returns
    -------
    DataFrame
        A row for each system: printed, offered, above_percent, and wall_s: in which time all requests would have to be
        answered to give the printed number.
    """
    offered, requests = paper.claim("F101.rate").value, paper.claim("F101.requests").value
    printed = [paper.claim(f"T5c.{system}").value for system in SYSTEMS]
    return pd.DataFrame({
        "system": SYSTEMS, "printed": printed, "offered": offered,
        "above_percent": [100 * (each / offered - 1) for each in printed],
        "wall_s": [requests / each for each in printed],
    })


def cumulative(batch: Batch) -> np.ndarray:
    """Share of a batch's time that its first k programs take, alone on the machine: float64[programs + 1].

    Examples
    --------
    >>> from rainforest_model.workloads.batch import described
    >>> cumulative(Batch(4, described=described(order=["dedup", "vips"])))[[0, 2]].tolist()
    [0.0, 1.0]
    """
    times = np.array([0.0, *accumulate(batch.thread_seconds(name) for name in batch.order)])
    return times / times[-1]


def finished(share: Sequence[float], batch_s: float) -> int:
    """Programs that are over at the end of the replay if a batch takes `batch_s` and its first k take ``share[k]``.

    Examples
    --------
    >>> finished([0, 0.5, 1], batch_s=900)  # 2250 s: two batches and half of one
    5
    """
    ended, rest = divmod(replay_s() / batch_s, 1)
    return int(ended) * (len(share) - 1) + int(np.searchsorted(share, rest, side="right")) - 1


def of_order(batch: Batch) -> pd.DataFrame:
    """The programs that an order finishes if each system takes the printed time of a batch.

    Returns
    -------
    DataFrame
        Columns system, batch_s, printed, finished.
    """
    table, share = counts(), cumulative(batch)
    return table[["system", "batch_s", "printed"]].assign(finished=[finished(share, t) for t in table.batch_s])


def figure(batch: Batch):
    """Left: printed counts and what any order leaves possible; right: where c must lie, and where an order has it."""
    table, share, ours = counts(), cumulative(batch), of_order(batch)
    with plots.style():
        drawn, [[left, right]] = plots.new_figure(1, 2, height=2.8)
        for y, row in enumerate(table.itertuples()):
            colour = plots.system_line(row.system)["color"]
            left.plot([row.fewest, row.most], [y, y], color=colour, lw=6, alpha=0.35, solid_capstyle="butt")
            left.plot(row.printed, y, marker="o" if row.possible else "X", ms=6, color=colour, ls="")
            left.plot(ours.finished[y], y, marker="|", ms=11, color="black", ls="")
        left.set_yticks(range(len(table)), [_title(system) for system in table.system])
        left.invert_yaxis()
        left.set_xlabel(f"programs finished in {replay_s():g} s")
        left.plot([], [], color="0.5", lw=6, alpha=0.35, label="possible in some order, by T5a")
        left.plot([], [], marker="o", ls="", color="0.4", label="printed (F105); x: impossible")
        left.plot([], [], marker="|", ms=11, ls="", color="black", label="our order, by T5a")
        left.legend(loc="lower left", bbox_to_anchor=(-0.1, 1), ncols=1)
        k = np.arange(len(share))
        right.plot(k, k / k[-1], color="0.7", lw=0.8, label="equally long programs")
        right.plot(k, share, marker="o", ms=3, color="black", label="our order")
        for place, bound in shares().items():
            green = plots.line(1)["color"]
            right.plot([place, place], bound, color=green, lw=6, alpha=0.5, solid_capstyle="butt")
            right.plot([place, place], bound, color=green, ls="", marker="_", ms=9)
        right.plot([], [], color=plots.line(1)["color"], lw=6, alpha=0.5, label="LXC, Xen, RainForest together")
        right.set(xlabel="first programs of a batch", ylabel="share of its time", ylim=(0, 1), xlim=(0, k[-1]))
        right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1)
    return drawn


def _title(system: str) -> str:
    from .descriptions import load

    return load.system(system).title
