"""The fluctuating load of Search: how many requests come in each second, and the clients that send them.

The rate follows the day (one harmonic) times a long-range dependent fluctuation, FARIMA(0, d, 0) of the rate's
logarithm; the requests of an interval are a Poisson number of users, each with a geometric number of requests
(the Pólya-Aeppli law).  The counts are then scaled so that they sum to the stated total.

References
----------
Hosking, J. R. M. (1981). Fractional differencing. *Biometrika* 68(1).

Judge, J. (1999). A model for the marginal distribution of aggregate per second HTTP request rate. *IEEE LANMAN*.

Wang, X., & Goseva-Popstojanova, K. (2009). Modeling Web request and session level arrivals. *AINA*.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from .. import draws
from ..descriptions.arrivals import Arrivals, Spread, read_arrivals, whole_counts, write_counts
from ..descriptions.fitted import with_fitted
from ..descriptions.parameter import Description, Name, Plain, Time, misfit
from ..descriptions.program import Program, arrive, program, scatter
from ..descriptions.read import read_toml, validated
from ..errors import InputError
from ..resources import data_path

_FILE = "workloads/search_traffic.toml"
TRACE = ("traces", "search.csv")
"""Where the trace lies under ``data/``."""
MOST_INTERVALS = 100_000


class Traffic(Description):
    """A load that fluctuates, and the total that it adds up to.

    Attributes
    ----------
    id, title, source : str
    seed : int
        Of the realisation.
    requests : Parameter
        All requests.
    duration, interval : Parameter
        Of the whole, and of what is counted together.
    days : Parameter
        How many days, of one rise and fall each, the whole holds.
    swing, peak : Parameter
        Amplitude of a day over its mean, and which share of a day goes by before its highest rate.
    hurst, fluctuation : Parameter
        Hurst parameter and coefficient of variation of the rate of an interval around the day's curve.
    burst : Parameter
        Mean requests that an active user sends in an interval; at least one.
    """

    kind: Literal["traffic"]
    id: Name
    title: str
    source: str
    seed: int = Field(ge=0)
    requests: Plain
    duration: Time
    interval: Time
    days: Plain
    swing: Plain
    peak: Plain
    hurst: Plain
    fluctuation: Plain
    burst: Plain

    @model_validator(mode="after")
    def _possible(self):
        if self.requests.value < 1 or self.requests.value % 1:
            raise misfit(("requests", "value"), "must be a whole number above 0")
        for key in ("duration", "interval", "days"):
            if getattr(self, key).value <= 0:
                raise misfit((key, "value"), "must be above 0")
        if self.intervals < 1 or self.intervals * self.interval.ns() != self.duration.ns():
            raise misfit("interval", "a whole number of intervals must fill the duration")
        if self.intervals > MOST_INTERVALS:
            raise misfit("interval", f"there is room for {MOST_INTERVALS} intervals")
        if not self.swing.value < 1:
            raise misfit(("swing", "value"), "must be below 1, or the rate is negative at night")
        if not 0.5 <= self.hurst.value < 1:
            raise misfit(("hurst", "value"), "must lie in 0.5 .. 1, without 1")
        if self.burst.value < 1:
            raise misfit(("burst", "value"), "an active user sends at least one request")
        return self

    @property
    def intervals(self) -> int:
        """Number of intervals."""
        return round(self.duration.ns() / self.interval.ns())

    @property
    def edges_s(self) -> np.ndarray:
        """Where the intervals begin, and the last one ends: float64[intervals + 1]."""
        return np.arange(self.intervals + 1) * self.interval.ns() / 1e9

    def expected(self) -> np.ndarray:
        """Requests of each interval by the day's curve alone, float64[intervals]; they sum to `requests`."""
        middle = (self.edges_s[:-1] + self.edges_s[1:]) / 2
        phase = middle / self.edges_s[-1] * self.days.plain() - self.peak.plain()
        return _scaled(1 + self.swing.plain() * np.cos(2 * np.pi * phase), self.requests.plain())

    def counts(self) -> np.ndarray:
        """Requests of each interval, int64[intervals], for the description's seed; they sum to `requests` exactly.

        Examples
        --------
        >>> int(description().counts().sum())
        482400
        """
        from scipy import stats  # here: slow to import, and only needed to make a trace

        rate = _scaled(self.expected() * np.exp(self._slow()), self.requests.plain())
        users = stats.poisson.ppf(self._units("users"), rate / self.burst.plain())
        more = self._more(users) if self.burst.plain() > 1 else 0
        return whole_counts(_scaled(users + more, self.requests.plain()))

    def _slow(self) -> np.ndarray:
        """A Gaussian FARIMA(0, d, 0) series, of the standard deviation that gives the rate its variation."""
        from scipy import signal  # here: as in `counts`

        count, d = self.intervals, self.hurst.plain() - 0.5
        steps = np.arange(1, count)
        weights = np.cumprod(np.concatenate([[1.0], (steps - 1 + d) / steps]))
        # As much again before the beginning: the weights have no end, and what is further back is left out.
        normals = draws.normals(self._stream("fluctuation"), 2 * count - 1)
        series = signal.fftconvolve(normals, weights, mode="valid")
        return np.sqrt(np.log1p(self.fluctuation.plain() ** 2)) * series / np.sqrt(np.sum(weights**2))

    def _more(self, users: np.ndarray) -> np.ndarray:
        """Requests beyond each user's first: a sum of geometric numbers is negative binomial."""
        from scipy import stats  # here: as in `counts`

        drawn = stats.nbinom.ppf(self._units("requests"), np.maximum(users, 1), 1 / self.burst.plain())
        return np.where(users > 0, drawn, 0)

    def _units(self, purpose: str) -> np.ndarray:
        return draws.units(self._stream(purpose), self.intervals)

    def _stream(self, purpose: str) -> int:
        return draws.stream(self.seed, purpose, self.id)

    def __repr__(self) -> str:
        return f"<Traffic {self.id}: {self.requests.value:g} in {self.duration.value:g} {self.duration.unit}>"


def _scaled(values: np.ndarray, total: float) -> np.ndarray:
    return values * (total / values.sum())


@cache
def description() -> Traffic:
    """The shipped description, with its fitted value if there is one.

    Examples
    --------
    >>> description()
    <Traffic search_traffic: 482400 in 37.5 min>
    """
    return validated(Traffic, with_fitted(read_toml(data_path(_FILE)), _FILE), data_path(_FILE))


def traffic(path: Path | str) -> Traffic:
    """The description of a file.

    Raises
    ------
    InputError
        Naming file, key and reason, if it does not fit.
    """
    return validated(Traffic, read_toml(path), path)


def described(seed: int | None = None, **values: float) -> Traffic:
    """The shipped description with other values for some of its parameters, in their units, or with another seed.

    Raises
    ------
    InputError
        If there is no such parameter, or the value does not fit.

    Examples
    --------
    >>> described(days=0.026).days.value
    0.026
    """
    table = description().model_dump()
    for key, value in values.items():
        if not isinstance(table.get(key), dict):
            raise InputError("no such parameter", key=key, value=value)
        table[key] = {**table[key], "value": value}
    if seed is not None:
        table["seed"] = seed
    return validated(Traffic, table, data_path(_FILE))


def write_trace(path: Path | str, of: Traffic | None = None) -> None:
    """Write the counts of a description, the shipped one by default, as a file of arrivals."""
    of = of or description()
    source = f"requests of each {of.interval.value:g} {of.interval.unit}: {of.id}.toml, seed {of.seed}; estimates"
    write_counts(path, of.edges_s, of.counts(), source)


def search_trace(spread: Spread | None = None) -> Arrivals:
    """The shipped trace, realised from `description`.

    Parameters
    ----------
    spread : Spread, optional
        How requests lie within a second: at random, with seed 1, by default.

    Examples
    --------
    >>> len(search_trace())
    482400
    """
    return read_arrivals(data_path(*TRACE), spread)


def replay(arrivals: Arrivals) -> Program:
    """Clients that send requests at given times, through a front end that asks every back end of Search.

    Examples
    --------
    >>> replay(Arrivals("three", [0.5, 0.5, 2]))
    <Program search_replay: a replay of three>
    """
    return program(
        "search_replay", arrive(arrivals), scatter("search requests"),
        title=f"a replay of {arrivals.id}", source=arrivals.source,
    )
