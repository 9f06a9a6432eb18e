"""Findings of all studies as results on disk, as text, and as one tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from .. import reproduce, results
from ..results import Results
from .drawing import describe_figure, figure
from .investigation import SIZES, TABLES, Findings

ID = "sensitivity"
TITLE = "which parameters matter, and which orderings survive all of them"
TOP = 3
"""Factors that the text names for an output."""
_TIDY = ("study", "about", "factor", "quantity", "value", "low", "high")


def combined(found: Sequence[Findings], quality: str, seed: int) -> Results:
    """The findings of some studies as results that can be saved, drawn and told.

    Parameters
    ----------
    found : sequence of Findings
    quality : {"quick", "full"}
    seed : int
    """
    frames = {
        name: pd.concat([one.frames[name] for one in found if len(one.frames[name])] or [pd.DataFrame()]).reset_index(
            drop=True
        )
        for name in TABLES
    }
    notes = {
        "studies": {one.study.id: {"title": one.study.title, "points": one.points} for one in found},
        "sizes": asdict(SIZES[quality]),
    }
    return Results(ID, quality, seed, frames, notes)


def write(found: Results, root: Path | None = None) -> list[Path]:
    """Write ``data/results/sensitivity.*``, then the figure from what was saved.

    Returns
    -------
    list of Path
        The files written.
    """
    files = results.save(found, root)
    saved = results.load(ID, found.quality, root)
    return [*files, *reproduce.write_figure(saved, figure(saved), TITLE, describe_figure(saved), root)]


def text(found: Results) -> str:
    """For each study: what its outputs depend on, and how often its orderings hold."""
    return "\n\n".join(_study(found, id) for id in found.frames["parameters"].study.unique())


def _study(found: Results, id: str) -> str:
    about = {name: _of(frame, id) for name, frame in found.frames.items()}
    told = found.notes["studies"][id]
    done = about["parameters"].done.value_counts()
    counts = ", ".join(
        f"{done.get(key, 0)} {words}" for key, words in (
            ("varied", "parameters are varied"), ("has no range", "have no range"),
            ("acts on nothing here", "act on nothing here"),
        )
    )
    lines = [f"{id}: {told['title']}", f"  {counts}; {told['points']} points"]
    for row in about["spread"].itertuples():
        shares = _of(about["indices"], row.output, "output").sort_values("total", ascending=False, kind="stable")
        named = ", ".join(f"{share.factor} {share.total:.2f}" for share in shares.head(TOP).itertuples())
        lines.append(f"  {row.output:40} {row.described:8.4g} {row.unit:5}  5 to 95 %: {row.p5:.4g} to {row.p95:.4g}")
        lines.append(f"  {'':40} {named or 'nothing stands out of the noise'}")
    width = max(map(len, about["orderings"].ordering), default=0)
    for row in about["orderings"].itertuples():
        hangs = f"; most on {row.driver} ({row.correlation:+.2f})" if row.share < 1 and row.driver else ""
        lines.append(
            f"  {row.ordering.ljust(width)} {100 * row.share:5.1f} % "
            f"[{100 * row.low:.1f}, {100 * row.high:.1f}] of {row.points}{hangs}"
        )
    return "\n".join(lines)


def _of(frame: pd.DataFrame, value: str, column: str = "study") -> pd.DataFrame:
    """The rows of a study or an output; none of a table that is empty."""
    if column not in frame:
        return pd.DataFrame(columns=["output", "factor", "total", "ordering"])
    return frame[frame[column] == value]


def tidy(found: Results) -> pd.DataFrame:
    """Effects, indices, spreads and orderings in one table.

    Returns
    -------
    DataFrame
        Columns study, about (output or ordering), factor, quantity, value, low, high.
    """
    rows = []
    for row in found.frames["screening"].itertuples():
        ends = (row.mu_star - row.half, row.mu_star + row.half)
        rows += [
            (row.study, row.output, row.factor, "mu_star", row.mu_star, *ends),
            (row.study, row.output, row.factor, "sigma", row.sigma, None, None),
        ]
    for row in found.frames["indices"].itertuples():
        for name in ("first", "total"):
            value, half = getattr(row, name), getattr(row, f"{name}_half")
            rows.append((row.study, row.output, row.factor, name, value, value - half, value + half))
    for row in found.frames["spread"].itertuples():
        rows.append((row.study, row.output, "", "median", row.p50, row.p5, row.p95))
    for row in found.frames["orderings"].itertuples():
        rows.append((row.study, row.ordering, row.driver, "share", row.share, row.low, row.high))
    return pd.DataFrame(rows, columns=list(_TIDY))
