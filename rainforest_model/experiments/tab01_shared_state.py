"""Table 1: which state is shared between applications, printed from the system descriptions.

The claim: of the systems compared, only RainForest's applications share no locks and no software resources,
and its events stay within a subOS.

What we read into it: an application is a process in a partition of its own (on plain Linux: any process),
and a structure is shared when two of them use the same copy, which its scope decides.  A system's row lists
the structures of the modelled programs; IX and Arrakis are not described,
and of Barrelfish only what an unmap needs (`sec7_barrelfish_munmap`).
"""

from __future__ import annotations

import pandas as pd

from .. import paper
from ..descriptions.load import system, systems
from ..descriptions.structure import Structure
from ..descriptions.system import System
from ..results import Results
from ..tabulate import markdown
from .common import Options

TITLE = "state shared between applications"
LOCKS = ("ticket_lock", "queue_lock", "mutex", "rwsem", "percpu_counter", "locked_count")
DATA = ("line", "atomic", "sloppy_counter", "seqlock")
COLUMNS = ("locks", "software resources", "events")


def describe(options: Options) -> dict[tuple, System]:
    """The systems, by id."""
    return {(id,): system(id) for id in systems()}


def is_shared(structure: Structure, under: System) -> bool:
    """Whether two applications in different partitions use the same copy of a structure.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import system
    >>> counter = system("lxc").structures["vm_committed_as"]
    >>> is_shared(counter, system("lxc")), is_shared(counter, system("rainforest"))
    (True, False)
    """
    how = under.partitioning
    return {
        "machine": True,
        "instance": how.kernels == "one",
        "node": how.kernels == "one",
        "container": not how.partitioned,
    }.get(structure.scope, False)


def _column(structure: Structure) -> str | None:
    if structure.kind in LOCKS:
        return "locks"
    if structure.kind in DATA:
        return "software resources"
    return "events" if structure.kind == "tlb" else None


def run(options: Options) -> Results:
    """Ask every structure of every system; nothing is simulated."""
    rows = []
    for (id,), s in describe(options).items():
        for name, structure in s.structures.items():
            column = _column(structure)
            if column is not None and is_shared(structure, s):
                rows.append((id, column, structure.label or name, structure.kind, structure.scope, structure.source))
    frame = pd.DataFrame(rows, columns=["system", "column", "structure", "kind", "scope", "source"])
    return Results("tab01_shared_state", options.quality, options.seed, {"table": frame})


def text(results: Results) -> str:
    """The table in Markdown: a row for each system."""
    table, rows = results.frames["table"], []
    for id in systems():
        here = table[table.system == id]
        cells = [", ".join(f"`{name}`" for name in here[here.column == column].structure) for column in COLUMNS]
        rows.append((system(id).title, *(cell or "none" for cell in cells)))
    titles = ["system", "structures protected by locks", "shared software resources", "TLB flushes beyond it, through"]
    return markdown(pd.DataFrame(rows, columns=titles))


def verdicts(results: Results) -> list[paper.Verdict]:
    """T1: RainForest shares nothing, and every other described system something."""
    table = results.frames["table"]
    counts = {id: int((table.system == id).sum()) for id in systems()}
    only = counts["rainforest"] == 0 and all(n > 0 for id, n in counts.items() if id != "rainforest")
    told = ", ".join(f"{id} {n}" for id, n in counts.items())
    return [paper.judge_fact(paper.claim("T1"), only, f"shared structures described: {told}")]
