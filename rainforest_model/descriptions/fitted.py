"""Fitted values, laid over the tables of the data files that hold their parameters.

The home file of a fitted parameter states where the search starts and the range in which it may look;
``data/parameters/fitted.toml`` states what `rainforest_model.calibration` found. A parameter is named by
its file, relative to ``data/``, and its key there: ``workloads/search.toml:cpu``.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from ..errors import InputError
from ..resources import data_path
from .parameter import Description, Parameter
from .read import read_toml, validated
from .told import dotted

FITTED = "parameters/fitted.toml"


class FittedParameter(Description):
    """What was found for one parameter, beside where the search began and where it may end."""

    path: str = Field(min_length=3)
    unit: str
    start: float
    low: float
    high: float
    value: float


class FittedClaim(Description):
    """A claim that was fitted to: printed, given by the model, and how far apart, relative to the printed one."""

    id: str
    unit: str
    printed: float
    model: float
    residual: float
    tolerance: float


class FittedFit(Description):
    """One fit: how it was made, what came of it, and what the claims cannot tell.

    Attributes
    ----------
    id, optimiser, ended : str
        Which fit, by what, and why the search stopped.
    seed, evaluations : int
        Seed of all simulations, and how many parameter sets were tried.
    inputs : str
        Hash of what the fit was asked: declaration, home files, printed numbers, fits before it.
    descriptions : str
        Hash of the numbers of all described machines, systems and workloads.
    singular_values : tuple of float
        Of the Jacobian, largest first: tolerances by which the claims move when a combination of
        parameters crosses its whole range.
    correlations : tuple of tuple of float
        Of the parameters' estimates, in their order.
    parameter : tuple of FittedParameter
        What the claims identify.
    unidentified : tuple of FittedParameter
        What they leave open within its range, and what therefore is back at the value it had before.
    claim : tuple of FittedClaim
    """

    id: str
    optimiser: str
    ended: str
    seed: int
    evaluations: int
    inputs: str
    descriptions: str
    singular_values: tuple[float, ...]
    correlations: tuple[tuple[float, ...], ...]
    parameter: tuple[FittedParameter, ...] = ()
    unidentified: tuple[FittedParameter, ...] = ()
    claim: tuple[FittedClaim, ...]

    @property
    def values(self) -> dict[str, float]:
        """The fitted values by the parameters' paths."""
        return {found.path: found.value for found in self.parameter}


class _File(Description):
    fit: tuple[FittedFit, ...] = ()


def read_fitted(data: Path | None = None) -> tuple[FittedFit, ...]:
    """The fits of ``parameters/fitted.toml``; none where there is no such file.

    Parameters
    ----------
    data : Path, optional
        Instead of the shipped ``data/``.

    Raises
    ------
    InputError
        If the file does not fit.
    """
    path = (data or data_path()) / FITTED
    return validated(_File, read_toml(path), path).fit if path.exists() else ()


def fitted_values(data: Path | None = None) -> dict[str, float]:
    """All fitted values by the parameters' paths."""
    return {path: value for fit in read_fitted(data) for path, value in fit.values.items()}


def fitted_value(path: str, data: Path | None = None) -> float | None:
    """The fitted value of a parameter, or None if none was fitted.

    Examples
    --------
    >>> fitted_value("machines/S-A.toml:topology.clock") is None
    True
    """
    return fitted_values(data).get(path)


def of_file(values: Mapping[str, float], file: str) -> dict[str, float]:
    """The values of one data file, by their keys in it.

    Examples
    --------
    >>> of_file({"workloads/search.toml:cpu": 16.5, "workloads/other.toml:cpu": 1.0}, "workloads/search.toml")
    {'cpu': 16.5}
    """
    return {key: value for path, value in values.items() for home, _, key in [path.partition(":")] if home == file}


def with_fitted(
    table: dict, file: Path | str, values: Mapping[str, float] | None = None, data: Path | None = None
) -> dict:
    """The table of a data file with the fitted values in place of the start values.

    Parameters
    ----------
    table : dict
        As it was read; left as it is.
    file : Path or str
        Where it comes from: relative to ``data/``, or a path in it. Any other file has no fitted values.
    values : mapping of str to float, optional
        By the parameters' paths, instead of those of ``parameters/fitted.toml``: what a fit tries.

    Raises
    ------
    InputError
        If a fitted value lies outside the range that the file states now.

    Examples
    --------
    >>> cpu = {"value": 10, "unit": "ms", "range": [5, 20], "basis": "fitted", "source": "...", "fitted_to": ["F85"]}
    >>> table = {"cpu": cpu, "threads": 4}
    >>> with_fitted(table, "workloads/search.toml", {"workloads/search.toml:cpu": 16.5})["cpu"]["value"]
    16.5
    """
    data, file = data or data_path(), Path(file)
    if file.is_absolute():
        if not file.is_relative_to(data):
            return table
        file = file.relative_to(data)
    mine = of_file(fitted_values(data) if values is None else values, file.as_posix())
    if not mine:
        return table
    table = copy.deepcopy(table)
    for key, value in mine.items():
        found = at_key(table, key)
        if not (isinstance(found, dict) and found.get("basis") == "fitted"):
            continue  # it is fitted no more; `rainforest calibrate --check` says so
        low, high = validated(Parameter, found, data / file, key).range
        if not low <= value <= high:
            reason = f"lies outside the range [{low:g}, {high:g}] that the file states now; run rainforest calibrate"
            raise InputError(reason, file=data / FITTED, key=f"{file.as_posix()}:{key}", value=value)
        found["value"] = value
    return table


def at_key(table: dict, key: str):
    """What stands in a table at a dotted key as TOML writes it, or None; lists are numbered from 0.

    Examples
    --------
    >>> at_key({"costs": {"sched.wakeup": [1, 2]}}, 'costs."sched.wakeup".1')
    2
    """
    try:
        parsed, found = tomllib.loads(f"{key} = 0"), table
    except tomllib.TOMLDecodeError:
        return None
    while isinstance(parsed, dict):
        if len(parsed) != 1:
            return None
        ((part, parsed),) = parsed.items()
        if isinstance(found, list):
            found = dict(enumerate(found)).get(int(part) if part.isdecimal() else -1)
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found


def fitted_parameters(data: Path | None = None) -> Iterator[str]:
    """Paths of all parameters under ``data/`` that say of themselves that they are fitted."""
    data = data or data_path()
    for path in sorted(data.rglob("*.toml")):
        home = path.relative_to(data)
        if home.parts[0] not in ("paper", "parameters", "results"):
            for key in _fitted_keys(read_toml(path), ()):
                yield f"{home.as_posix()}:{dotted(key)}"


def _fitted_keys(found, key: tuple) -> Iterator[tuple]:
    if isinstance(found, dict) and found.get("basis") == "fitted":
        yield key
    elif isinstance(found, dict | list):
        for part, inner in found.items() if isinstance(found, dict) else enumerate(found):
            yield from _fitted_keys(inner, (*key, part))
