"""The files of ``data/paper/``, read and validated."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ..errors import InputError
from ..resources import data_path
from .stated import GENERAL, Claim, Entry, Item

_CONTENTS = ("paper", "contents.toml")
_CLAIMS = ("paper", "claims.toml")

_Loaded = TypeVar("_Loaded", bound=Entry)


def _read(path: Path, table: str, model: type[_Loaded]) -> tuple[_Loaded, ...]:
    """All ``[[table]]`` entries of a file, validated, with ids that differ."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=path) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is no valid TOML: {error}", file=path) from error
    if unknown := sorted(document.keys() - {table}):
        raise InputError(f"unknown table; the file holds [[{table}]] tables only", file=path, key=unknown[0])
    rows = document.get(table)
    if not isinstance(rows, list) or not rows:
        raise InputError("must be one or more [[...]] tables", file=path, key=table)
    entries: dict[str, _Loaded] = {}
    for position, row in enumerate(rows, start=1):
        name = row.get("id", f"#{position}") if isinstance(row, dict) else f"#{position}"
        try:
            entry = model.model_validate(row)
        except ValidationError as error:
            raise _input_error(error, path, f"{table}[{name}]") from error
        if entry.id in entries:
            raise InputError("is there twice", file=path, key=f"{table}[{name}].id", value=entry.id)
        entries[entry.id] = entry
    return tuple(entries.values())


def _input_error(error: ValidationError, path: Path, entry: str) -> InputError:
    """The first finding of a pydantic error as one line."""
    findings = error.errors()
    first = findings[0]
    where = [*first["loc"], *([first["ctx"]["key"]] if first["type"] == "paper" and not first["loc"] else [])]
    key = ".".join([entry, *(str(part) for part in where)])
    reason = first["msg"] + (f" (and {len(findings) - 1} more)" if len(findings) > 1 else "")
    if first["type"] == "missing":
        return InputError("is missing", file=path, key=key)
    found = first["input"]
    if first["type"] == "paper" and not first["loc"]:
        found = found.get(where[-1]) if isinstance(found, dict) else getattr(found, str(where[-1]), None)
    if found is None:
        return InputError(reason, file=path, key=key)
    return InputError(reason, file=path, key=key, value=found)


def read_contents(path: Path | str | None = None) -> tuple[Item, ...]:
    """Read a table of contents.

    Parameters
    ----------
    path : path, optional
        TOML file of ``[[item]]`` tables; the shipped one unless given.

    Returns
    -------
    tuple of Item
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, is malformed, or has an id twice.

    Examples
    --------
    >>> len(read_contents())
    22
    """
    return _read(data_path(*_CONTENTS) if path is None else Path(path), "item", Item)


def read_claims(path: Path | str | None = None) -> tuple[Claim, ...]:
    """Read a list of claims.

    Parameters
    ----------
    path : path, optional
        TOML file of ``[[claim]]`` tables; the shipped one unless given.

    Returns
    -------
    tuple of Claim
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, is malformed, has an id twice, or names an artefact that the
        table of contents does not have.

    Examples
    --------
    >>> sorted({claim.kind for claim in read_claims()})
    ['approximate', 'configuration', 'derived', 'exact', 'ordering']
    """
    path = data_path(*_CLAIMS) if path is None else Path(path)
    known = {item.id for item in contents()} | {GENERAL}
    found = _read(path, "claim", Claim)
    for stated in found:
        if stated.artefact not in known:
            key = f"claim[{stated.id}].artefact"
            raise InputError("is not in the table of contents", file=path, key=key, value=stated.artefact)
    return found


@cache
def contents() -> tuple[Item, ...]:
    """Every figure, table and further result of the paper, in the file's order.

    Examples
    --------
    >>> [item.id for item in contents() if item.kind == "text"]
    ['sec642_channels', 'sec642_subos_count', 'sec7_barrelfish_munmap']
    """
    return read_contents()


@cache
def claims() -> tuple[Claim, ...]:
    """Every claim of the paper, in the file's order.

    Examples
    --------
    >>> [stated.id for stated in claims() if stated.artefact == "fig11_cores_timeline"]
    ['F111', 'F111.tail']
    """
    return read_claims()


@cache
def _claims_by_id() -> dict[str, Claim]:
    return {stated.id: stated for stated in claims()}


def claim(id: str) -> Claim:
    """One claim by its id.

    Parameters
    ----------
    id : str
        For example ``"F85"`` or ``"F122.linux-2.6.32"``.

    Returns
    -------
    Claim

    Raises
    ------
    InputError
        If there is no such claim; the message names the nearest ones.

    Examples
    --------
    >>> claim("F101.rate").value
    214.4
    >>> claim("F101")
    Traceback (most recent call last):
    ...
    rainforest_model.errors.InputError: paper/claims.toml: claim = 'F101': no such claim; did you mean \
F101.requests, F101.duration, F101.rate?
    """
    try:
        return _claims_by_id()[id]
    except KeyError:
        raise unknown(id, "/".join(_CLAIMS), "claim") from None


def unknown(id: str, file: str, key: str) -> InputError:
    """No such claim, with the ids that may be meant."""
    row = str(id).split(".", 1)[0]
    near = [stated.id for stated in claims() if stated.row == row]
    near = near or difflib.get_close_matches(str(id), list(_claims_by_id()), n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return InputError(f"no such claim{hint}", file=file, key=key, value=id)
