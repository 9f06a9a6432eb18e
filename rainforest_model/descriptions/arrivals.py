"""When requests arrive: times known beforehand, such as those of a recorded trace.

A file of arrivals is CSV with a header, in one of three forms:

- ``time_s``: one arrival a row, in seconds from the beginning and in ascending order.
- ``start_s,requests``: how many requests arrive from `start_s` up to the next row's.
- ``start_s,rate``: the rate, in requests a second, from `start_s` up to the next row's; the counts that come of it are
  rounded so that they add up to the rounded total.

The last row of an interval form closes the one before it: its `requests` or `rate` is empty.  Blank lines, and lines
that begin with ``#``, say nothing; the first comment is the trace's source.  Times within an interval are the business
of a `Spread`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from .. import draws
from ..errors import InputError
from .near import hint
from .told import in_one_line

LARGEST_TRACE = 2**26
"""Bytes of a file of arrivals: some four million rows."""
MOST_ARRIVALS = 10**7
"""Requests of a trace: what both engines keep in memory."""
LONGEST_S = 3600.0
"""An hour, as for every simulation."""
ONE_BY_ONE, COUNTS, RATES = ("time_s",), ("start_s", "requests"), ("start_s", "rate")
"""The three forms, by their columns."""

Spread = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From edges float64[n + 1] in s and counts int64[n] to the arrivals, float64[sum of the counts], in order."""


class Arrivals:
    """Scheduled times of requests.

    Parameters
    ----------
    id : str
        Names the trace.
    times : array of float
        Seconds from the beginning, in ascending order and not negative.
    source : str
        Where they come from.

    Attributes
    ----------
    nanoseconds : int64[count]
        The times, read-only.

    Raises
    ------
    InputError
        If there are none, or they are not finite, negative or out of order.

    Examples
    --------
    >>> trace = Arrivals("three", [0.5, 0.5, 2])
    >>> trace, trace.nanoseconds.tolist()
    (<Arrivals three: 3 in 2 s>, [500000000, 500000000, 2000000000])
    """

    def __init__(self, id: str, times, source: str = ""):
        seconds = np.asarray(times, float)
        if not seconds.size:
            raise InputError("no arrivals", key="times")
        if not np.isfinite(seconds).all() or seconds[0] < 0 or (np.diff(seconds) < 0).any():
            raise InputError("times must be finite, not negative and in ascending order", key="times")
        if seconds[-1] > LONGEST_S:
            raise InputError("is later than the hour that a simulation may last", key="times", value=float(seconds[-1]))
        self.id, self.source = id, source
        self.nanoseconds = np.round(seconds * 1e9).astype(np.int64)
        self.nanoseconds.flags.writeable = False

    @cached_property
    def digest(self) -> str:
        """Hash of the times."""
        return hashlib.sha256(self.nanoseconds.tobytes()).hexdigest()[:16]

    def between(self, start_s: float, end_s: float) -> Arrivals:
        """Those from one time on and before another, with times that begin there: a piece of a trace.

        Raises
        ------
        InputError
            If there are none.

        Examples
        --------
        >>> Arrivals("four", [0.5, 1.5, 2.5, 3.5]).between(1, 3)
        <Arrivals four from 1 to 3 s: 2 in 1.5 s>
        """
        inside = self.nanoseconds[(self.nanoseconds >= start_s * 1e9) & (self.nanoseconds < end_s * 1e9)]
        return Arrivals(f"{self.id} from {start_s:g} to {end_s:g} s", inside / 1e9 - start_s, self.source)

    def __len__(self) -> int:
        return len(self.nanoseconds)

    def __eq__(self, other) -> bool:
        return isinstance(other, Arrivals) and (self.id, self.digest) == (other.id, other.digest)

    def __hash__(self) -> int:
        return hash((self.id, self.digest))

    def __repr__(self) -> str:
        return f"<Arrivals {self.id}: {len(self)} in {self.nanoseconds[-1] / 1e9:g} s>"


# --- within an interval -----------------------------------------------------------------------------------


def evenly(edges: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Arrivals at equal distances within each interval, half of one from its edges.

    Examples
    --------
    >>> evenly(np.array([0.0, 1.0, 3.0]), np.array([2, 1])).tolist()
    [0.25, 0.75, 2.0]
    """
    return _within(edges, counts, (_places(counts) + 0.5) / np.repeat(counts, counts))


def at_random(seed: int | str = 1) -> Spread:
    """Arrivals of a Poisson process that is known to have had these counts: uniform and independent in each interval.

    Parameters
    ----------
    seed : int or str
        Of the draws, which are keyed by the number of the request: `seed` alone decides, whatever runs.

    Examples
    --------
    >>> times = at_random(seed=1)(np.array([0.0, 1.0, 3.0]), np.array([2, 1]))
    >>> bool(0 < times[0] < times[1] < 1 < times[2] < 3)
    True
    """

    def spread(edges: np.ndarray, counts: np.ndarray) -> np.ndarray:
        shares = draws.units(draws.stream(seed, "arrivals", "within an interval"), int(counts.sum()))
        return np.sort(_within(edges, counts, shares))

    return spread


def _places(counts: np.ndarray) -> np.ndarray:
    """Number of each request within its interval."""
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(before, counts)


def _within(edges: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.repeat(edges[:-1], counts) + shares * np.repeat(np.diff(edges), counts)


def whole_counts(expected: np.ndarray) -> np.ndarray:
    """Whole counts that follow `expected` ones: at each edge the sum so far is rounded to the nearest.

    Examples
    --------
    >>> whole_counts(np.array([0.4, 0.4, 0.4, 0.8])).tolist()
    [0, 1, 0, 1]
    """
    return np.diff(np.floor(np.cumsum(expected) + 0.5).astype(np.int64), prepend=0)


# --- files ------------------------------------------------------------------------------------------------


def read_arrivals(path: Path | str, spread: Spread | None = None) -> Arrivals:
    """The arrivals of a CSV file; its name is the trace's id.

    Parameters
    ----------
    path : path or str
        In one of the forms that this module's head describes.
    spread : Spread, optional
        How requests lie within an interval: `at_random` with seed 1 by default, or `evenly`.

    Raises
    ------
    InputError
        Naming file, line, column and reason.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = path.write_text("start_s,requests\\n0,2\\n1,3\\n2,\\n")
    >>> read_arrivals(path, spread=evenly)
    <Arrivals mine: 5 in 1.83333 s>
    """
    path = Path(path)
    comment, columns, lines, values = _table(path)
    if columns == ONE_BY_ONE:
        _ascending(path, lines, values[0], columns[0])
        times = values[0]
    else:
        edges, counts = _intervals(path, columns, lines, values)
        times = (spread or at_random())(edges, counts)
    return Arrivals(path.stem, times, comment)


def read_counts(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of a file of counts or rates: edges float64[n + 1] in s, and whole counts int64[n].

    Raises
    ------
    InputError
        As `read_arrivals`, and where the file has arrivals one by one.
    """
    path = Path(path)
    _, columns, lines, values = _table(path)
    if columns == ONE_BY_ONE:
        raise InputError("holds arrivals one by one, and counts are needed", file=path, key="time_s")
    return _intervals(path, columns, lines, values)


def write_arrivals(path: Path | str, arrivals: Arrivals) -> None:
    """Write arrivals one by one, to the nanosecond."""
    rows = (f"{ns // 10**9}.{ns % 10**9:09d}" for ns in arrivals.nanoseconds.tolist())
    _write(path, arrivals.source, ONE_BY_ONE, rows)


def write_counts(path: Path | str, edges: np.ndarray, counts: np.ndarray, source: str = "") -> None:
    """Write how many requests arrive in each of consecutive intervals, in the form that `read_arrivals` reads.

    Parameters
    ----------
    edges : float64[n + 1], s
    counts : int64[n]
    source : str
        One line on where they come from.
    """
    rows = [f"{start:.12g},{count}" for start, count in zip(edges[:-1].tolist(), counts.tolist(), strict=True)]
    _write(path, source, COUNTS, [*rows, f"{edges[-1]:.12g},"])


def _write(path: Path | str, source: str, columns: Sequence[str], rows) -> None:
    head = [f"# {in_one_line(source)}"] if source else []
    Path(path).write_text("\n".join([*head, ",".join(columns), *rows, ""]), encoding="utf-8")


def _table(path: Path) -> tuple[str, tuple[str, ...], list[int], list[np.ndarray]]:
    """First comment, columns, line number of each row, and values by column; the last interval's amount is left out."""
    everything = _lines(path)
    comment = next((text.lstrip("# ").strip() for text in everything if text.startswith("#")), "")
    lines = [k for k, text in enumerate(everything, start=1) if text and text[0] != "#" and not text.isspace()]
    if not lines:
        raise InputError("is empty", file=path)
    header, *lines = lines
    columns = _columns(path, header, everything[header - 1])
    if not lines:
        raise InputError("has no rows", file=path, key=",".join(columns))
    texts = [everything[line - 1] for line in lines]
    wrong = next((k for k, text in enumerate(texts) if text.count(",") != len(columns) - 1), None)
    if wrong is not None:
        cells = texts[wrong].count(",") + 1
        reason = f"line {lines[wrong]}: {cells} cell{'s' * (cells != 1)}, but the header names {len(columns)}"
        raise InputError(reason, file=path)
    if columns == ONE_BY_ONE:
        return comment, columns, lines, [_numbers(path, columns[0], lines, texts)]
    starts, (*amounts, last) = zip(*(text.split(",") for text in texts), strict=True)
    edges = _numbers(path, columns[0], lines, starts)
    if last.strip():
        reason = "must be empty: the last row says where the interval before it ends"
        raise _at(path, lines[-1], columns[1], last.strip(), reason)
    return comment, columns, lines, [edges, _numbers(path, columns[1], lines, amounts)]


def _lines(path: Path) -> list[str]:
    try:
        if path.exists() and not path.is_file():
            raise InputError("is no file", file=path)
        if path.stat().st_size > LARGEST_TRACE:
            raise InputError(f"is larger than {LARGEST_TRACE // 2**20} MB", file=path)
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"no text in UTF-8: {error}", file=path) from None


def _columns(path: Path, line: int, header: str) -> tuple[str, ...]:
    forms = (ONE_BY_ONE, COUNTS, RATES)
    columns = tuple(cell.strip().strip('"') for cell in header.split(","))
    if columns in forms:
        return columns
    known = sorted({column for form in forms for column in form})
    unknown = next((column for column in columns if column not in known), None)
    near = "" if unknown is None else hint(unknown, known)
    allowed = " or ".join(",".join(form) for form in forms)
    raise _at(path, line, "header", ",".join(columns), f"the columns must be {allowed}{near}")


def _at(path: Path, line: int, column: str, value, reason: str) -> InputError:
    return InputError(reason, file=path, key=f"line {line}: {column}", value=value)


def _numbers(path: Path, column: str, lines: Sequence[int], texts: Sequence[str]) -> np.ndarray:
    """Numbers of a column: finite and not negative."""
    try:
        found = np.fromiter(map(float, texts), float, len(texts))
    except ValueError:
        k = next(k for k, text in enumerate(texts) if not _is_number(text))
        raise _at(path, lines[k], column, texts[k].strip(), "is no number") from None
    for bad, reason in ((~np.isfinite(found), "must be finite"), (found < 0, "must not be negative")):
        for k in np.flatnonzero(bad)[:1]:
            raise _at(path, lines[k], column, texts[k].strip(), reason)
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ascending(path: Path, lines: Sequence[int], times: np.ndarray, column: str, strictly: bool = False) -> None:
    steps = np.diff(times)
    for k in np.flatnonzero(steps <= 0 if strictly else steps < 0)[:1]:
        reason = f"comes after {times[k]:g}; times must ascend"
        raise _at(path, lines[k + 1], column, float(times[k + 1]), reason)
    for k in np.flatnonzero(times > LONGEST_S)[:1]:
        raise _at(path, lines[k], column, float(times[k]), "is later than the hour that a simulation may last")


def _intervals(path: Path, columns, lines: Sequence[int], values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    edges, amounts = values
    if len(edges) < 2:
        raise _at(path, lines[0], columns[1], "", "a row that ends the first interval is needed")
    _ascending(path, lines, edges, columns[0], strictly=True)
    expected = amounts if columns == COUNTS else amounts * np.diff(edges)
    if columns == COUNTS:
        for k in np.flatnonzero(amounts != np.floor(amounts))[:1]:
            raise _at(path, lines[k], columns[1], float(amounts[k]), "must be a whole number of requests")
    if expected.sum() > MOST_ARRIVALS:
        raise InputError(f"{expected.sum():g} requests; there is room for {MOST_ARRIVALS}", file=path, key=columns[1])
    counts = whole_counts(expected)
    if not counts.sum():
        raise InputError("no request arrives at all", file=path, key=columns[1])
    return edges, counts
