"""A stand-in for an engine: it keeps the books that `rainforest_model.supervision` asks for, and simulates nothing.

Every core of a domain with living threads is busy.  A core's task may be moved in every other millisecond only, and
threads end one at a time.  The first domain that is alive answers requests at a constant rate, each after 1 ms.
"""

from __future__ import annotations

import numpy as np

from rainforest_model.histogram import BUCKETS, bucket_index
from rainforest_model.outcome import Outcome, StopReason

MILLISECOND = 10**8
THREADS = 3
LATENCY = MILLISECOND


class FakeEngine:
    def __init__(self, tables, warmup: int = 0):
        self.now = 0
        self._domain = {core: -1 for core in range(tables.cores)}
        self._threads = []
        for number, domain in enumerate(tables.domains):
            for core in domain.cores:
                self._domain[core] = number
            self._threads.append(THREADS if domain.cores else 0)
        self._busy = np.zeros(tables.cores, np.int64)
        self._series = len(tables.series)
        self._sent = self._answered = self._lost = 0
        self.occupied: list[tuple[int, int, int]] = []

    def run(self, until: int) -> StopReason:
        assert until >= self.now
        for core, domain in self._domain.items():
            if domain >= 0 and self._threads[domain]:
                self._busy[core] += until - self.now
        before, after = (tick // MILLISECOND for tick in (self.now, until))
        self._sent += after - before
        if self._threads[0]:
            self._answered = self._sent - self._lost
        else:
            self._lost = self._sent - self._answered
        self.now = until
        return StopReason.REACHED if any(self._threads) else StopReason.DEADLOCK

    def culprit(self) -> str:
        return "nobody"

    def owner(self, core: int) -> int:
        return self._domain[core]

    def release(self, core: int) -> bool:
        domain = self._domain[core]
        if domain < 0:
            raise ValueError(f"core {core} is free")
        if self._threads[domain] and list(self._domain.values()).count(domain) == 1:
            raise ValueError(f"core {core} is the last of domain {domain}")
        if self._threads[domain] and (self.now // MILLISECOND + core) % 2:
            return False
        self._domain[core] = -1
        return True

    def adopt(self, core: int, domain: int) -> None:
        if self._domain[core] >= 0:
            raise ValueError(f"core {core} is not free")
        self._domain[core] = domain

    def occupy(self, core: int, ticks: int) -> None:
        assert 0 <= core < len(self._domain) and ticks >= 0
        self.occupied.append((self.now, core, ticks))

    def start_threads(self, domain: int) -> None:
        if domain not in self._domain.values():
            raise ValueError(f"domain {domain} has no core")
        self._threads[domain] = THREADS

    def end_threads(self, domain: int) -> bool:
        self._threads[domain] = max(0, self._threads[domain] - 1)
        return not self._threads[domain]

    def outcome(self) -> Outcome:
        counts = np.zeros((self._series, BUCKETS), np.int64)
        moments = np.zeros((self._series, 4))
        counts[0, bucket_index(LATENCY)] = self._answered
        moments[0] = self._answered, self._answered * LATENCY, self._answered * LATENCY**2, LATENCY
        return Outcome(counts, moments, self._busy.copy(), self.now, 0)

    def requests(self) -> tuple[int, int, int]:
        return self._sent, self._answered, self._lost
