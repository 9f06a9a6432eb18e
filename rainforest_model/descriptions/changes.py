"""Single keys of a file's tables changed, before anything of them is checked."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ..errors import UnknownKeyError
from .told import dotted


def laid_over(base: dict, changes: dict) -> dict:
    """The tables of `base` with single keys changed; a structure that states its kind is a new one.

    Examples
    --------
    >>> laid_over({"scheduler": {"latency": 5, "tick": 4}}, {"scheduler": {"tick": 10}})
    {'scheduler': {'latency': 5, 'tick': 10}}
    """
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        if isinstance(value, dict) and isinstance(inner, dict) and "kind" not in value:
            value = laid_over(inner, value)
        merged[key] = value
    return merged


def override(table: dict, key: str, value, path: Path) -> None:
    """Set one dotted `key` of the table of a scenario file.

    Parameters
    ----------
    table : dict
        Changed in place; tables on the way to the key are made where they are missing.
    key : str
        As TOML writes it; the elements of a list are numbered from 0.
    value : object
        A text is read as TOML where it is a TOML value, and stands for itself where it is not.
    path : Path
        The file, for messages.

    Raises
    ------
    UnknownKeyError
        If the key is none, or leads through something that holds no keys.

    Examples
    --------
    >>> table = {"machine": "S-A", "load": [{"threads": 1}]}
    >>> override(table, "machine.topology.sockets", "4", Path("mine.toml"))
    >>> override(table, "load.0.threads", "8", Path("mine.toml"))
    >>> table
    {'machine': {'base': 'S-A', 'topology': {'sockets': 4}}, 'load': [{'threads': 8}]}
    """
    keys = _keys(key, path)
    value = _toml_value(value) if isinstance(value, str) else value
    here: dict | list = table
    for place, part in enumerate(keys[:-1], start=1):
        inner = _inside(here, part, keys[:place], path)
        if isinstance(inner, str) and (shorthand := _shorthand(keys[:place])):
            inner = {shorthand: inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict | list):
            reason = f"holds no keys, so {key} cannot be set"
            raise UnknownKeyError(reason, file=path, key=dotted(keys[:place]), value=inner)
        here[_index(part) if isinstance(here, list) else part] = inner
        here = inner
    _inside(here, keys[-1], keys, path)
    here[_index(keys[-1]) if isinstance(here, list) else keys[-1]] = value


def _keys(key: str, path: Path) -> list[str]:
    """The parts of a dotted key, as TOML reads it."""
    try:
        table, keys = tomllib.loads(f"{key} = 0"), []
        while isinstance(table, dict):
            ((part, table),) = table.items()
            keys.append(part)
    except (ValueError, RecursionError):
        reason = "is no dotted key such as load.0.threads"
        raise UnknownKeyError(reason, file=path, key="--set", value=key) from None
    return keys


def _toml_value(text: str):
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def _index(part: str) -> int:
    return int(part) if part.isdecimal() and len(part) < 5 else -1


def _inside(here: dict | list, part: str, keys: list[str], path: Path):
    """What stands under one key; an element of a list must exist."""
    if isinstance(here, dict):
        return here.get(part)
    if not 0 <= _index(part) < len(here):
        reason = f"is a list of {len(here)}; its first is {dotted([*keys[:-1], 0])}"
        raise UnknownKeyError(reason, file=path, key=dotted(keys[:-1]))
    return here[_index(part)]


def _shorthand(keys: list[str]) -> str | None:
    """The key of the table for which a mere text stands at this place."""
    if keys == ["system"]:
        return "id"
    return "base" if keys in (["machine"], ["system", "kernel"], ["system", "partitioning"]) else None
