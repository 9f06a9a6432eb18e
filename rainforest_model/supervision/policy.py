"""Policies: how many cores the latency-critical instance shall get or give back, asked once in an interval.

A policy sees what an operator sees, the tail and the load of the last interval, and says a number.  It is plain
Python above either engine: subclass `Policy`, write `decide`, and hand an object to `ElasticMachine`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError


class PolicyError(RuntimeError):
    """A policy raised, or decided what is no decision; the run ends there, and keeps what it has.

    Attributes
    ----------
    traceback : str
        Of what the policy raised.
    timeline : DataFrame
        The intervals before.
    """

    def __init__(self, message: str, traceback: str, timeline):
        super().__init__(message)
        self.traceback = traceback
        self.timeline = timeline


@dataclass(frozen=True)
class Observation:
    """The last interval as a policy sees it.

    Attributes
    ----------
    time_s : float
        Its end.
    tail_ms : float
        99th percentile of the latencies that ended in it; infinite if requests came and none was answered, NaN if
        none came either.
    arrived, answered : int
        Requests that came, and latencies that ended.
    rate : float
        Arrivals a second.
    cores, other_cores : int
        Of the latency-critical instance, and of all others together.
    """

    time_s: float
    tail_ms: float
    arrived: int
    answered: int
    rate: float
    cores: int
    other_cores: int


class Policy:
    """Base of policies.

    Attributes
    ----------
    interval_s : float
        Time between two decisions; 10 s as in section 6.3.2 of the paper.
    """

    interval_s: float = 10.0

    def decide(self, seen: Observation) -> int:
        """Cores to move to the latency-critical instance; negative: to give back.

        What cannot be moved is left: an instance keeps its last core.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        told = ", ".join(f"{key}={value!r}" for key, value in vars(self).items() if not key.startswith("_"))
        return f"{type(self).__name__}({told})"


def _interval(interval_s: float) -> float:
    if not 0 < interval_s < math.inf:
        raise InputError("must be a positive time", key="interval_s", value=interval_s)
    return interval_s


class ThresholdPolicy(Policy):
    """A core more when the tail is above `upper_ms`, one less when it is below `lower_ms`.

    Parameters
    ----------
    lower_ms, upper_ms : float
        160 and 200 ms: RainForest (arXiv 1604.01378), section 6.3.2, (l_t, u_t).
    interval_s : float
        10 s, ibid.

    Examples
    --------
    >>> seen = Observation(10, tail_ms=240, arrived=2000, answered=2000, rate=200, cores=6, other_cores=6)
    >>> ThresholdPolicy().decide(seen)
    1
    """

    def __init__(self, lower_ms: float = 160, upper_ms: float = 200, interval_s: float = 10.0):
        if not 0 <= lower_ms <= upper_ms:
            raise InputError(f"must lie in 0 .. upper_ms = {upper_ms:g}", key="lower_ms", value=lower_ms)
        self.lower_ms, self.upper_ms = lower_ms, upper_ms
        self.interval_s = _interval(interval_s)

    def decide(self, seen: Observation) -> int:
        """1 above, -1 below, 0 between."""
        return int(seen.tail_ms > self.upper_ms) - int(seen.tail_ms < self.lower_ms)


class HysteresisPolicy(ThresholdPolicy):
    """As `ThresholdPolicy`, but only after `windows` intervals in a row that ask for the same.

    Examples
    --------
    >>> policy = HysteresisPolicy(windows=2)
    >>> seen = Observation(10, tail_ms=240, arrived=2000, answered=2000, rate=200, cores=6, other_cores=6)
    >>> [policy.decide(seen) for _ in range(4)]
    [0, 1, 0, 1]
    """

    def __init__(self, lower_ms: float = 160, upper_ms: float = 200, windows: int = 3, interval_s: float = 10.0):
        super().__init__(lower_ms, upper_ms, interval_s)
        if isinstance(windows, bool) or not isinstance(windows, int) or windows < 1:
            raise InputError("must be a whole number from 1", key="windows", value=windows)
        self.windows = windows
        self._wanted, self._times = 0, 0

    def decide(self, seen: Observation) -> int:
        """The threshold's answer, once it has come `windows` times in a row; then counting begins anew."""
        wanted = super().decide(seen)
        self._times = self._times + 1 if wanted == self._wanted else 1
        self._wanted = wanted
        if self._times < self.windows:
            return 0
        self._times = 0
        return wanted


class PredictivePolicy(Policy):
    """Cores for the load that the next interval will bring, after Holt's linear smoothing of level and trend.

    Parameters
    ----------
    rate_per_core : float
        Requests a second that a core bears with a bearable tail; where it comes from is the user's knowledge.
    level, trend : float
        Weights of the newest interval, in 0 .. 1.
    most : int
        Cores moved in one decision.
    interval_s : float

    References
    ----------
    Holt, C. C. Forecasting seasonals and trends by exponentially weighted moving averages. ONR Memorandum 52, 1957.

    Examples
    --------
    >>> policy = PredictivePolicy(rate_per_core=40)
    >>> policy.decide(Observation(10, tail_ms=100, arrived=2400, answered=2400, rate=240, cores=6, other_cores=6))
    0
    >>> policy.decide(Observation(20, tail_ms=100, arrived=3600, answered=3600, rate=360, cores=6, other_cores=6))
    3
    """

    def __init__(
        self, rate_per_core: float, level: float = 0.7, trend: float = 0.3, most: int = 3, interval_s: float = 10.0,
    ):
        if not 0 < rate_per_core < math.inf:
            raise InputError("must be positive", key="rate_per_core", value=rate_per_core)
        for key, weight in (("level", level), ("trend", trend)):
            if not 0 <= weight <= 1:
                raise InputError("must lie in 0 .. 1", key=key, value=weight)
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise InputError("must be a whole number from 1", key="most", value=most)
        self.rate_per_core, self.level, self.trend, self.most = rate_per_core, level, trend, most
        self.interval_s = _interval(interval_s)
        self._level: float | None = None
        self._trend = 0.0

    def predicted(self) -> float:
        """Requests a second that the next interval is expected to bring."""
        return max(0.0, (self._level or 0.0) + self._trend)

    def decide(self, seen: Observation) -> int:
        """Cores that the predicted load takes, less those that are there, in bounds."""
        if self._level is None:
            self._level = seen.rate
        else:
            before = self._level
            self._level = self.level * seen.rate + (1 - self.level) * (before + self._trend)
            self._trend = self.trend * (self._level - before) + (1 - self.trend) * self._trend
        wanted = max(1, math.ceil(self.predicted() / self.rate_per_core))
        return max(-self.most, min(self.most, wanted - seen.cores))
