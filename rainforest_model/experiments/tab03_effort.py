"""Table 3: how many lines of code RainForest took, as printed, with their sum.

No model can predict an effort, so the numbers are recorded (``data/paper/claims.toml``), and only their sum,
which the paper does not print, is worked out and checked.
"""

from __future__ import annotations

import pandas as pd

from .. import paper
from ..results import Results
from ..tabulate import markdown
from .common import Options

TITLE = "lines of code of RainForest"
TOTAL = "T3.total"


def describe(options: Options) -> dict[tuple, paper.Claim]:
    """The printed rows, by claim."""
    return {(c.id,): c for c in paper.claims() if c.artefact == "tab03_effort" and c.id != TOTAL}


def run(options: Options) -> Results:
    """Copy the printed rows and add them up; nothing is simulated."""
    rows = [(id, c.quantity, int(c.value)) for (id,), c in describe(options).items()]
    frame = pd.DataFrame(rows, columns=["claim", "component", "lines"])
    return Results("tab03_effort", options.quality, options.seed, {"table": frame})


def text(results: Results) -> str:
    """The table in Markdown, with the total."""
    table = results.frames["table"]
    total = pd.DataFrame([("", "all together", table.lines.sum())], columns=table.columns)
    return markdown(pd.concat([table, total]))


def verdicts(results: Results) -> list[paper.Verdict]:
    """T3: the total of the printed rows; the rows themselves have no model."""
    table = results.frames["table"]
    rows = [paper.not_modelled(paper.claim(id), "an effort, recorded as printed") for id in table.claim]
    return [*rows, paper.judge_fact(paper.claim(TOTAL), float(table.lines.sum()), "sum of the printed rows")]
