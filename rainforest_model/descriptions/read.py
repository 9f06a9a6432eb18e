"""From a TOML file to a checked table, and one clear line when it does not fit."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import InputError
from .told import in_one_line, told

LARGEST_FILE = 2**20
_Model = TypeVar("_Model", bound=BaseModel)


def read_toml(path: Path | str) -> dict:
    """The tables of a TOML file.

    Raises
    ------
    InputError
        If the file cannot be read or is no TOML.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError("is no file", file=path)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"is larger than {LARGEST_FILE // 2**20} MB", file=path)
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", file=path) from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"no valid TOML: {in_one_line(str(error))}", file=path) from None


def validated(model: type[_Model], table: dict, file: Path | str | None = None, prefix: str = "") -> _Model:
    """The description that a table holds.

    Raises
    ------
    InputError
        Naming the first key that does not fit, its value and the reason.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise told(error, table, file, prefix) from None
