"""Progress with the time left: a bar on a terminal, a line now and then elsewhere."""

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
    """

    def __init__(self, title: str, stream=None):
        self.title, self.stream = title, stream or sys.stderr
        self._began = self._told = time.monotonic()
        self._bar = None
        if self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=title, total=1, unit="run", file=self.stream, leave=False, dynamic_ncols=True)

    def __call__(self, done: int, expected: int) -> None:
        if self._bar is not None:
            self._bar.total = max(expected, done)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN_LINES and done:
            self._told = now
            left = (now - self._began) * max(0, expected - done) / done
            self.stream.write(f"{self.title}: {done} of about {max(expected, done)} runs, {left:.0f} s left\n")
            self.stream.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
