"""Why the model misses a claim: what the experiment says of it, and the sentences of ``data/paper/misses.toml``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from ..descriptions.near import hint
from ..descriptions.parameter import Description, Name
from ..descriptions.read import read_toml, validated
from ..errors import InputError
from ..paper import Verdict, claims
from ..resources import data_path

_MISSES = ("paper", "misses.toml")


class _Miss(Description):
    claims: tuple[Name, ...] = Field(min_length=1)
    why: str = Field(min_length=20)


class _File(Description):
    miss: tuple[_Miss, ...] = ()


def read_reasons(path: Path | None = None) -> dict[str, str]:
    """The written sentences by the ids of the claims that they are about.

    Parameters
    ----------
    path : Path, optional
        Instead of the shipped ``data/paper/misses.toml``.

    Raises
    ------
    InputError
        If the file does not fit, names a claim that there is not, or explains one twice.
    """
    path = path or data_path(*_MISSES)
    known, found = {stated.id for stated in claims()}, {}
    for place, miss in enumerate(validated(_File, read_toml(path), path).miss):
        for id in miss.claims:
            key = f"miss.{place}.claims"
            if id not in known:
                raise InputError(f"no such claim{hint(id, known)}", file=path, key=key, value=id)
            if id in found:
                raise InputError("is explained twice", file=path, key=key, value=id)
            found[id] = miss.why
    return found


def with_reasons(verdicts: Iterable[Verdict], reasons: Mapping[str, str]) -> list[Verdict]:
    """The verdicts, with its sentence at the end of the note of each miss that has one."""
    return [
        replace(row, note="; ".join(part for part in (row.note, reasons[row.id]) if part))
        if row.verdict == "misses" and row.id in reasons else row
        for row in verdicts
    ]


def explanation(verdict: Verdict) -> str:
    """What the note of a verdict adds to the size of the error; empty where nothing.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rainforest_model.paper import claim, judge_value
    >>> far = SimpleNamespace(value=155.0, low=151.0, high=159.0)
    >>> explanation(judge_value(claim("F91.lxc"), far, "a queue that the paper's server did not have"))
    "a queue that the paper's server did not have"
    """
    return verdict.note.partition("; ")[2]
