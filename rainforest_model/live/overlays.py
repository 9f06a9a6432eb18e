"""The paper's own numbers for what a page shows, where the paper states one."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import Field

from .. import paper
from ..descriptions.parameter import Description, Name
from ..descriptions.read import read_toml, validated
from ..resources import data_path
from ..units import nanoseconds
from .configuration import Configuration

_FILE = "paper/overlays.toml"
_NS = {"us": 1e3, "ms": 1e6}


class Setting(Description):
    """Claims of a tail, and the setting in which the paper states them.

    Attributes
    ----------
    claims : tuple of str
    workload, machine : str
    load : float
    cores : int
    on : str
        What the workload has of the machine, in words: true until cores are moved.
    statistic : {"p99", "p50"}
    """

    claims: tuple[Name, ...] = Field(min_length=1)
    workload: Name
    machine: Name
    load: float
    cores: int
    on: Name
    statistic: Literal["p99", "p50"] = "p99"

    def holds(self, configuration: Configuration) -> bool:
        """Whether a machine is set up so."""
        return not configuration.shares and (
            (self.workload, self.machine, self.load, self.cores)
            == (configuration.workload, configuration.described_machine.id, configuration.load, configuration.cores)
        )


class Settings(Description):
    """All of them."""

    overlay: tuple[Setting, ...]


@cache
def settings() -> tuple[Setting, ...]:
    """The shipped settings."""
    path = data_path(_FILE)
    return validated(Settings, read_toml(path), path).overlay


_NAMES = {"p99": "99th percentile", "p50": "median"}


def overlays(configuration: Configuration) -> list[dict]:
    """What the paper states for a machine that is set up so.

    Returns
    -------
    list of dict
        ``claim``, ``label`` and ``value`` in the unit of the workload's latencies.
    """
    found = []
    for setting in settings():
        if not setting.holds(configuration):
            continue
        for stated in map(paper.claim, setting.claims):
            if configuration.system not in stated.systems:
                continue
            bound = "" if stated.value is not None else " at least" if stated.low is not None else " at most"
            number = next(n for n in (stated.value, stated.low, stated.high) if n is not None)
            found.append({
                "claim": stated.id, "label": f"paper, on {setting.on}: {_NAMES[setting.statistic]}{bound}",
                "value": nanoseconds(number, stated.unit) / _NS[configuration.offer.unit],
            })
    return found
