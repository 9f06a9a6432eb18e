"""The description of a sweep: which scenarios, what varies, how the points lie, what is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ..descriptions.parameter import Description, Name, misfit
from ..descriptions.read import read_toml, validated
from ..scenario_file import MOST_REPLICATIONS
from ..simulation import STATISTICS
from .design import Axis, Design, Grid

COUNTS = ("utilisation", "samples", "events")
"""Outputs that are no latency: share of core time in use, recorded latencies, processed events."""


class Output(Description):
    """One number of a point.

    Attributes
    ----------
    statistic : str
        One of `rainforest_model.simulation.STATISTICS`, a percentile such as ``"p95"``, or one of `COUNTS`.
    series : str, optional
        Which latency; the scenario's first one by default.

    Examples
    --------
    >>> Output(statistic="p99").column, Output(statistic="p99", series="reply").column
    ('p99_us', 'reply.p99_us')
    """

    statistic: str
    series: str | None = None

    @model_validator(mode="after")
    def _known(self):
        if self.statistic in COUNTS:
            if self.series is not None:
                raise misfit("series", f"{self.statistic} is of the whole scenario")
        elif self.statistic not in STATISTICS and not self._is_percentile():
            known = ", ".join([*STATISTICS, *COUNTS])
            reason = f"no such output as {self.statistic}; known: {known}, or a percentile such as p95"
            raise misfit("statistic", reason)
        return self

    def _is_percentile(self) -> bool:
        try:
            return self.statistic.startswith("p") and 0 < float(self.statistic[1:]) <= 100
        except ValueError:
            return False

    @property
    def is_latency(self) -> bool:
        """Whether it is a statistic of a latency, in microseconds."""
        return self.statistic not in COUNTS

    @property
    def column(self) -> str:
        """Its column in a table."""
        name = f"{self.statistic}_us" if self.is_latency else self.statistic
        return name if self.series is None else f"{self.series}.{name}"


class Sweep(Description):
    """What a ``SWEEP.toml`` holds.

    Attributes
    ----------
    title : str
    scenario : tuple of str
        Scenario files, relative to the sweep's folder; each is swept.
    set : dict
        Dotted keys and their values, the same at all points; nested tables are taken key by key.
    vary : tuple of Axis
    design : Grid, LatinHypercube or Sobol
    replications, seed : int
        Of each point; all points meet the same random streams.
    outputs : tuple of Output
        A text is short for its statistic.
    """

    title: Name = "sweep"
    scenario: tuple[str, ...] = Field(min_length=1)
    set: dict[str, Any] = {}
    vary: tuple[Axis, ...] = Field(min_length=1, max_length=1000)
    design: Design = Grid()
    replications: int = Field(default=5, ge=1, le=MOST_REPLICATIONS)
    seed: int = Field(default=1, ge=0, lt=2**63)
    outputs: tuple[Output, ...] = Field(default=(Output(statistic="mean"), Output(statistic="p99")), min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, table):
        if not isinstance(table, dict):
            return table
        table = dict(table)
        if isinstance(table.get("scenario"), str):
            table["scenario"] = [table["scenario"]]
        if isinstance(table.get("outputs"), list):
            outputs = table["outputs"]
            table["outputs"] = [{"statistic": item} if isinstance(item, str) else item for item in outputs]
        if isinstance(table.get("design"), str):
            table["design"] = {"kind": table["design"]}
        if isinstance(table.get("set"), dict):
            table["set"] = dict(_flat(table["set"]))
        return table

    @model_validator(mode="after")
    def _fits(self):
        reason = self.design.refused(self.vary)
        if reason is not None:
            raise reason
        taken: dict[str, str] = {key: "set" for key in self.set}
        for number, axis in enumerate(self.vary):
            for key in axis.keys:
                if key in taken:
                    raise misfit(("vary", number, "key"), f"{key} stands in {taken[key]} already")
                taken[key] = f"vary.{number}"
        columns = [output.column for output in self.outputs]
        for number, column in enumerate(columns):
            if column in columns[:number]:
                raise misfit(("outputs", number), f"{column} stands twice")
        return self

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self.scenario) * self.design.count(self.vary)


def _flat(table: dict, above: str = ""):
    """Nested tables by dotted keys: ``load.0.threads = 4`` is a table in a table for TOML."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def read_sweep(path: Path | str) -> Sweep:
    """The sweep of a TOML file.

    Raises
    ------
    InputError
        Where something does not fit, naming the file, the key, the value and the reason in one line.
    """
    return validated(Sweep, read_toml(path), path)
