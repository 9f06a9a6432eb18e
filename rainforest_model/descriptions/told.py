"""What the schema finds wrong, told by the keys that stand in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from ..errors import InputError, UnknownKeyError
from .near import hint

_BARE = re.compile(r"[A-Za-z0-9_-]+")
MISFIT, UNKNOWN_KEY = "misfit", "unknown_key"
"""Kinds of the errors that descriptions raise themselves."""
_ABSENT = {"missing", "union_tag_not_found", MISFIT, UNKNOWN_KEY}


def dotted(keys: Iterable[str | int]) -> str:
    """Keys as TOML writes them in one: bare where they can be, else quoted.

    Examples
    --------
    >>> dotted(["surcharges", "scheduler.wakeup", "value"])
    'surcharges."scheduler.wakeup".value'
    """
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key) for key in map(str, keys))


def in_one_line(text: str) -> str:
    """Any text without its line breaks, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= 400 else text[:397] + "..."


def _followed(table, path: Iterable[str | int], absent: bool) -> tuple[list[str | int], object]:
    """The keys of `path` that lead into `table` (`absent`: all but the last), and what stands there."""
    path = list(path)
    keys, value = [], table
    for place, key in enumerate(path, start=1):
        indexed = isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)
        if indexed or (isinstance(value, dict) and key in value):
            value = value[key]
        elif absent and place == len(path):
            value = None
        else:
            continue  # the name of a branch of the schema, which the file does not show
        keys.append(key)
    return keys, value


def told(error: ValidationError, table: dict, file, prefix: str) -> InputError:
    """The first thing that does not fit, by the keys of the file rather than the branches of the schema."""
    detail = error.errors(include_url=False)[0]
    kind, context, reason = detail["type"], detail.get("ctx", {}), detail["msg"].removeprefix("Value error, ")
    path = [*detail["loc"], *context.get("keys", ())]
    if kind == "union_tag_invalid":
        path.append("do")
        reason = f"no such operation{hint(context['tag'], re.findall('[a-z_]+', context['expected_tags']))}"
    elif kind == "union_tag_not_found":
        path.append("do")
        reason = "is missing"
    elif kind == "missing":
        reason = "is missing"
    keys, value = _followed(table, path, absent=kind in _ABSENT)
    key = ".".join(part for part in (prefix, dotted(keys)) if part)
    too_long = isinstance(value, int) and value.bit_length() > 1000
    hidden = value is None or too_long or isinstance(value, dict | list | tuple | BaseModel)
    error = UnknownKeyError if kind == UNKNOWN_KEY else InputError
    return error(in_one_line(reason), file=file, key=key, **({} if hidden else {"value": value}))
