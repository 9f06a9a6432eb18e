"""Verdicts as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import get_args

from .catalogue import claims
from .stated import Role
from .verdicts import Outcome, Verdict
from .words import number

WIDTH = 100
_CAPS = (24, 12, 9, 14, 24)


def _model(row: Verdict) -> str:
    if row.model is None or row.low is None or row.high is None:
        return number(row.model)
    return f"{number(row.model)} [{number(row.low, 3)}, {number(row.high, 3)}]"


def _totals(rows: Sequence[Verdict]) -> str:
    """How many hold, in all and, held of judged, by role."""
    count = {outcome: sum(row.verdict == outcome for row in rows) for outcome in get_args(Outcome)}
    parts = []
    for role in get_args(Role):
        judged = [row for row in rows if row.role == role and row.verdict != "not modelled"]
        if judged:
            parts.append(f"{role} {sum(row.verdict == 'holds' for row in judged)}/{len(judged)}")
    head = "{} claims: {} hold, {} miss, {} not modelled".format(len(rows), *count.values())
    return head + (f" ({', '.join(parts)})" if parts else "")


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Verdicts as plain text, at most 100 columns wide.

    Parameters
    ----------
    verdicts : iterable of Verdict

    Returns
    -------
    str
        A line of totals, with those that hold of those judged for each role; then a line for each
        verdict: claim, verdict, role, printed number, model with its interval, note. A note that is too
        long for its line stands below it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rainforest_model.paper import claim, judge_value, not_modelled
    >>> near = SimpleNamespace(value=131.2, low=130.0, high=132.4)
    >>> print(verdict_table([judge_value(claim("F91.lxc"), near), not_modelled(claim("F66"))]))
    2 claims: 1 hold, 0 miss, 1 not modelled (predicted 1/1)
    <BLANKLINE>
    claim    verdict       role       paper     model             note
    F91.lxc  holds         predicted  129.3 ms  131.2 [130, 132]  1.5 % above
    F66      not modelled  context    -         -
    """
    rows = list(verdicts)
    printed = {stated.id: stated.printed for stated in claims()}
    lines = [("claim", "verdict", "role", "paper", "model")]
    for row in rows:
        lines.append((row.id, row.verdict, row.role, printed.get(row.id) or number(row.value), _model(row)))
    widths = [
        min(cap, max(map(len, column))) for cap, column in zip(_CAPS, zip(*lines, strict=True), strict=True)
    ]
    room = WIDTH - sum(widths) - 2 * len(widths)
    text = [_totals(rows), ""]
    for cells, note in zip(lines, ["note", *(row.note for row in rows)], strict=True):
        line = "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True))
        beside = len(note) <= room
        text.append(f"{line}  {note if beside else ''}".rstrip())
        if not beside:
            text += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(text)
