"""Progress: with the time left where the end is known; a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """A callable for `rainforest_model.experiments.common.Options.progress`.

    Parameters
    ----------
    title : str
        What is going on.
    stream : text file, optional
        Standard error by default.
    units : str
        What is counted.
    """

    def __init__(self, title: str, stream=None, units: str = "runs"):
        self.title, self.stream, self.units = title, stream or sys.stderr, units
        self._began = self._told = time.monotonic()
        self._bar = None
        if self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=title, total=1, unit=f" {units}", file=self.stream, leave=False, dynamic_ncols=True)

    def __call__(self, done: int, expected: int) -> None:
        if self._bar is not None:
            self._bar.total = max(expected, done)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN_LINES and done:
            self._told = now
            left = (now - self._began) * max(0, expected - done) / done
            self.stream.write(f"{self.title}: {done} of about {max(expected, done)} {self.units}, {left:.0f} s left\n")
            self.stream.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


class Stages:
    """Progress of one stage after the other: called with a stage's title, it gives that stage's `Progress`.

    Parameters
    ----------
    stream : text file, optional
        Standard error by default.
    units : str
        What is counted.
    """

    def __init__(self, stream=None, units: str = "runs"):
        self._stream, self._units = stream, units
        self._now: Progress | None = None

    def __call__(self, title: str) -> Progress:
        self.close()
        self._now = Progress(title, self._stream, self._units)
        return self._now

    def close(self) -> None:
        """Remove the bar of the last stage."""
        if self._now is not None:
            self._now.close()


class Search:
    """Progress of a search, whose end is not known: one line, written over on a terminal.

    Examples
    --------
    >>> tell = Search(sys.stdout)
    >>> tell.seconds = 0
    >>> tell("search", 12, 0.031)
    search: 12 evaluations, best residual 3.1 %
    """

    seconds = SECONDS_BETWEEN_LINES

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self._told, self._terminal, self._width = time.monotonic(), self.stream.isatty(), 0

    def __call__(self, title: str, evaluations: int, residual: float) -> None:
        line = f"{title}: {evaluations} evaluations, best residual {100 * residual:.2g} %"
        if self._terminal:
            self._write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
        elif time.monotonic() - self._told >= self.seconds:
            self._told = time.monotonic()
            self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def close(self) -> None:
        """Remove the line from a terminal."""
        if self._width:
            self._write(f"\r{' ' * self._width}\r")
            self._width = 0
