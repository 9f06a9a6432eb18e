"""A sweep's numbers as a table, for CSV, Parquet and the terminal."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .description import Output
from .runner import Done
from .store import Outcome

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
MOST_REASONS = 5


def table(done: Done) -> pd.DataFrame:
    """One row for each point.

    Returns
    -------
    DataFrame
        Columns point, scenario, one for each axis, then for each output its mean over the replications and the
        ends ``_low`` and ``_high`` of its 95 % interval (Student's t; empty for one replication), replications, and
        failure: why the point has no numbers, or empty.  A latency that was not recorded in some replication is
        empty.
    """
    import pandas as pd

    sweep, points = done.plan.sweep, done.plan.points
    columns: dict[str, list | np.ndarray] = {
        "point": [point.number for point in points],
        "scenario": [sweep.scenario[point.base] for point in points],
    }
    for place, axis in enumerate(sweep.vary):
        columns[axis.name] = _of_one_kind([point.values[place] for point in points])
    for output in sweep.outputs:
        values = _replicated(done, output)
        half, mean = _half_width(values), values.mean(axis=1)
        columns |= {output.column: mean, f"{output.column}_low": mean - half, f"{output.column}_high": mean + half}
    columns["replications"] = [len(done.outcomes.get(point.number, ())) for point in points]
    columns["failure"] = [done.failures.get(point.number, "") for point in points]
    return pd.DataFrame(columns)


def _of_one_kind(values: list) -> list:
    """As they are, where they are all numbers, all truths or all texts; else as texts."""
    kinds = {type(value) for value in values}
    plain = kinds <= {int, float} or kinds in ({bool}, {str})
    return values if plain else [str(value) for value in values]


def _replicated(done: Done, output: Output) -> np.ndarray:
    """The output of every point in each replication: float64[points, replications]."""
    n = done.plan.sweep.replications
    return np.array([_values(done.outcomes.get(point.number), output, n) for point in done.plan.points])


def _values(outcomes: dict[int, Outcome] | None, output: Output, replications: int) -> list[float]:
    """The output in each replication; NaN where there is none."""
    if outcomes is None:
        return [np.nan] * replications
    found = []
    for number in range(replications):
        outcome = outcomes[number]
        if not output.is_latency:
            found.append(float(outcome[output.statistic]))
            continue
        latencies = outcome["latencies"]
        series = output.series if output.series is not None else next(iter(latencies), None)
        value = latencies.get(series, {}).get(output.statistic)
        found.append(np.nan if value is None else value)
    return found


def _half_width(values: np.ndarray) -> np.ndarray:
    """Of the interval of each row's mean: float64[points]."""
    from scipy.special import stdtrit

    n = values.shape[1]
    if n == 1:
        return np.full(len(values), np.nan)
    return stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(axis=1, ddof=1) / np.sqrt(n)


def parquet(frame: pd.DataFrame) -> bytes:
    """The table as a Parquet file.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError:
        raise InputError("needs pyarrow, which rainforest-model[sweep] brings", key="--parquet") from None
    return buffer.getvalue()


def summary(done: Done) -> str:
    """How many points finished, where the outputs lie, and why points failed: some lines for the terminal."""
    lines = [
        f"{done.plan.sweep.title}: {len(done.plan.points)} points: {len(done.outcomes)} finished, "
        f"{len(done.failures)} failed; {done.kept} of them were in the store"
    ]
    for output in done.plan.sweep.outputs:
        values = _replicated(done, output).mean(axis=1)
        values = values[np.isfinite(values)]
        told = "nothing recorded"
        if len(values):
            told = f"{values.min():.4g} .. {values.max():.4g}, median {np.median(values):.4g}"
            empty = len(done.outcomes) - len(values)
            told += f", nothing recorded at {empty} points" if empty else ""
        lines.append(f"  {output.column:24} {told}")
    reasons = Counter(done.failures.values()).most_common()
    lines += [f"  {count} failed: {reason}" for reason, count in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        lines.append(f"  {len(reasons) - MOST_REASONS} further reasons: see the column failure of --csv or --parquet")
    return "\n".join(lines)
