"""The points of a sweep, and the two keys of each: what was asked, and what that comes to.

The first is cheap: a hash of the files and the changes. The second is that of the scenario's content, which costs
reading it; points of other sweeps and files with the same content share it. The store remembers which leads to which.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..descriptions.changes import override
from ..descriptions.read import read_toml
from ..errors import InputError
from ..run_store import hash_of, origin
from .description import Sweep, read_sweep

DIGEST_BYTES = 12
"""Of a key: among a billion points two share one with a probability below 1e-11."""


@dataclass(frozen=True)
class Base:
    """A scenario file of a sweep, with the changes that all its points share.

    Attributes
    ----------
    path : Path
    table : dict
        As read, and changed.
    digest : str
        Hash of the file, of all files that it names, and of everything else that its points depend on.
    """

    path: Path
    table: dict
    digest: str

    def changed(self, changes: dict[str, Any]) -> dict:
        """A copy of the table with some keys changed.

        Raises
        ------
        UnknownKeyError
            If there can be no such key.
        """
        table = copy.deepcopy(self.table)
        for key, value in changes.items():
            override(table, key, value, self.path)
        return table


@dataclass(frozen=True)
class Point:
    """One point: which scenario, and what is changed in it.

    Attributes
    ----------
    number : int
    base : int
        Number of the scenario file.
    values : tuple
        The axes' values.
    asked : str
        Key of what is asked.
    """

    number: int
    base: int
    values: tuple
    asked: str


@dataclass(frozen=True)
class Plan:
    """A sweep, ready to run.

    Attributes
    ----------
    path : Path
    sweep : Sweep
    bases : tuple of Base
    """

    path: Path
    sweep: Sweep
    bases: tuple[Base, ...]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All points, scenario after scenario."""
        rows = list(self.sweep.design.rows(self.sweep.vary))
        return tuple(self._points(rows))

    def _points(self, rows: list[tuple]) -> Iterator[Point]:
        keys = [axis.keys for axis in self.sweep.vary]
        for number, base in enumerate(self.bases):
            for place, row in enumerate(rows):
                told = json.dumps([base.digest, list(zip(keys, row, strict=True))], sort_keys=True, default=str)
                yield Point(number * len(rows) + place, number, row, digest(told))

    def changes(self, point: Point) -> dict[str, Any]:
        """The keys that a point changes, and their values."""
        return {
            key: value for axis, value in zip(self.sweep.vary, point.values, strict=True) for key in axis.keys
        }


def digest(text: str) -> str:
    """A key of the store."""
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def load_plan(path: Path | str) -> Plan:
    """The sweep of a TOML file, with its scenario files read.

    Raises
    ------
    InputError
        Where something of the sweep does not fit, a scenario file cannot be read, or there can be no such key.
    """
    path = Path(path)
    sweep = read_sweep(path)
    model, bases = origin(), []
    for number, name in enumerate(sweep.scenario):
        home = path.parent / name
        if not home.is_file():
            raise InputError(f"there is no file {home}", file=path, key=f"scenario.{number}", value=name)
        table = read_toml(home)
        named = sorted(files_named([table, sweep.set, [axis.values for axis in sweep.vary]], home.parent))
        base = Base(home.absolute(), table, "").changed(sweep.set)
        told = json.dumps([model, hash_of(named), sweep.seed, base], sort_keys=True, default=str)
        bases.append(Base(home.absolute(), base, digest(told)))
    return Plan(path, sweep, tuple(bases))


def files_named(value, folder: Path) -> set[Path]:
    """The files, descriptions and traces, that a table names, and those that these name in turn."""
    found: set[Path] = set()
    pending = [(value, folder)]
    while pending:
        value, folder = pending.pop()
        if isinstance(value, dict):
            pending += [(inner, folder) for inner in value.values()]
        elif isinstance(value, list | tuple):
            pending += [(inner, folder) for inner in value]
        elif isinstance(value, str) and value.endswith((".toml", ".csv")):
            path = folder / value
            if path not in found and path.is_file():
                found.add(path)
                if path.suffix == ".toml":
                    pending.append((read_toml(path), path.parent))
    return found
