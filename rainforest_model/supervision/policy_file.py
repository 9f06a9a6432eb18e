"""A policy in a Python file of the user's own: one subclass of `Policy`, or an object named ``policy``."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .policy import Policy

NAME = "policy"
"""What an object in a policy file must be called to be taken."""


def read_policy(path: Path | str) -> Callable[[], Policy]:
    """Run a policy file, and find its policy.

    Parameters
    ----------
    path : path or str
        A Python file.  It is executed: run none that you would not run otherwise.

    Returns
    -------
    callable
        Makes a fresh policy for each run, since a policy may remember what it has seen.

    Raises
    ------
    InputError
        Naming file, line and reason, if it cannot be run, or holds no policy or several.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "never.py"
    >>> _ = path.write_text("class Never(Policy):\\n    def decide(self, seen):\\n        return 0\\n")
    >>> read_policy(path)()
    Never()
    """
    path = Path(path)
    names = _names(path)
    if NAME in names:
        found = names[NAME]
        if not isinstance(found, Policy):
            raise InputError("is no object of a subclass of Policy", file=path, key=NAME, value=found)
        return lambda: copy.deepcopy(found)
    # Only what the file itself defines: an imported ThresholdPolicy is no answer.
    own = [
        each for each in names.values()
        if isinstance(each, type) and issubclass(each, Policy) and each.__module__ == names["__name__"]
    ]
    if len(own) != 1:
        told = ", ".join(each.__name__ for each in own) or "none"
        raise InputError(f"one subclass of Policy or an object named {NAME} is needed; found: {told}", file=path)
    try:
        own[0]()
    except Exception as error:
        reason = f"{own[0].__name__}() raises {_told(error)}; an object named {NAME} can have its arguments"
        raise InputError(f"{_line(path, error)}{reason}", file=path) from error
    return own[0]


def _names(path: Path) -> dict:
    """What is defined once the file has run; `Policy` and the shipped policies are known to it."""
    from . import policy

    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(getattr(error, "strerror", None) or f"no text in UTF-8: {error}", file=path) from None
    known = {
        name: each for name, each in vars(policy).items()
        if isinstance(each, type) and issubclass(each, (Policy, policy.Observation))
    }
    names = {**known, "__name__": f"policy file {path.stem}", "__file__": str(path)}
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), names)
    except SyntaxError as error:
        raise InputError(f"line {error.lineno}: {error.msg}", file=path) from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{_line(path, error)}raises {_told(error)}", file=path) from error
    return names


def _line(path: Path, error: BaseException) -> str:
    """The last line of the file on the way to an error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}: " if lines else ""


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
