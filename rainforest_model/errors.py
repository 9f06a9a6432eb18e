"""The one way to say that an input does not fit: file, key, value and reason in a line."""

from __future__ import annotations


class InputError(ValueError):
    """A user's input that cannot be used, told in one line.

    Parameters
    ----------
    reason : str
        Why it does not fit, in words.
    file : str or path, optional
        The file that holds it.
    key : str, optional
        The dotted key, option or argument.
    value : object, optional
        The value that was found; left out where there is none.

    Examples
    --------
    >>> print(InputError("must be at least 1", file="mine.toml", key="cores", value=0))
    mine.toml: cores = 0: must be at least 1
    """

    _ABSENT = object()

    def __init__(self, reason, *, file=None, key=None, value=_ABSENT):
        self.reason, self.file, self.key = reason, file, key
        self.value = None if value is self._ABSENT else value
        place = str(key) if key else ""
        if value is not self._ABSENT:
            shown = repr(value)
            shown = shown if len(shown) <= 80 else shown[:77] + "..."
            place = f"{place} = {shown}" if place else shown
        super().__init__(": ".join(str(part) for part in (file, place, reason) if part))


class UnknownKeyError(InputError):
    """A key that nothing reads: no value could make it fit."""
