"""The scoreboard of saved results, as text and as files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import paper, plots, reproduce, results
from ..descriptions.fitted import read_fitted
from ..paper import Verdict
from .drawing import TITLE, describe_figure, figure
from .misses import read_reasons, with_reasons
from .totals import Totals, aims, error, totals


@dataclass(frozen=True)
class Scoreboard:
    """Every claim of the paper with the model's answer, and the totals.

    Attributes
    ----------
    quality : {"quick", "full"}
        Which saved results were judged.
    verdicts : tuple of Verdict
        One for each claim, in the paper's order; the note of a miss says why.
    totals : Totals
    """

    quality: str
    verdicts: tuple[Verdict, ...]
    totals: Totals

    def __repr__(self) -> str:
        found = self.totals
        return f"<Scoreboard ({self.quality}): {found.hold} of {found.claims} claims hold, {found.miss} miss>"


def scoreboard(quality: str = "quick", root: Path | None = None) -> Scoreboard:
    """Judge every claim from the saved results.

    Parameters
    ----------
    quality : {"quick", "full"}
    root : Path, optional
        Where ``data/results`` is, instead of the clone's root or the current folder.

    Raises
    ------
    InputError
        If saved results, fits or explanations cannot be read.

    Examples
    --------
    >>> board = scoreboard()
    >>> len(board.verdicts) == board.totals.claims
    True
    """
    verdicts = with_reasons(reproduce.verdicts(quality, root), read_reasons())
    return Scoreboard(quality, tuple(verdicts), totals(verdicts, read_fitted()))


def text(board: Scoreboard) -> str:
    """Totals, aims, then a line for each claim; at most 100 columns wide."""
    first, _, table = paper.verdict_table(board.verdicts).partition("\n")
    rows = [(aim.what, aim.stands, aim.answer) for aim in aims(board.totals)]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:2]]
    lines = [f"  {what.ljust(widths[0])}  {stands.ljust(widths[1])}  {answer}" for what, stands, answer in rows]
    return "\n".join([first, "", *lines, table])


def json_text(board: Scoreboard) -> str:
    """What stands beside the picture: caption, totals, aims, and every claim with its error."""
    side = {
        "id": "scoreboard", "title": TITLE, "caption": describe_figure(board.verdicts, board.totals),
        "quality": board.quality, "totals": asdict(board.totals),
        "aims": [{"what": aim.what, "stands": aim.stands, "answer": aim.answer} for aim in aims(board.totals)],
        "claims": [asdict(row) | {"error": error(row)} for row in board.verdicts],
    }
    return json.dumps(side, indent=1) + "\n"


def write(board: Scoreboard, root: Path | None = None) -> list[Path]:
    """Write ``figures/scoreboard.*``: png, svg and json.

    Returns
    -------
    list of Path
        The files written.
    """
    target = results.figures_folder(board.quality, root)
    drawn, content = figure(board.verdicts), json_text(board).encode()
    origin = f"scoreboard, {board.quality} quality; scoreboard.json: {hashlib.sha256(content).hexdigest()[:16]}"
    written = {target / f"scoreboard.{kind}": plots.encode(drawn, kind, origin) for kind in ("png", "svg")}
    written[target / "scoreboard.json"] = content
    for path, content in written.items():
        results.write_whole(path, content)
    return list(written)
