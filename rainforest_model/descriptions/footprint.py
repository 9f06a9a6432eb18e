"""What a thread asks of the caches and of memory while it computes."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from .parameter import Description, Name, Plain, Size, misfit


class Footprint(Description):
    """Miss curve, memory traffic and sensitivity of a program, as one thread of it runs.

    The misses of a thousand instructions follow the power law ``mpki * (cache / share) ** exponent`` of the
    last-level cache that it has, until its working set fits (Hartstein et al., Computing Frontiers 2006).

    Attributes
    ----------
    id : str
    cpi : Parameter
        Cycles of an instruction when nothing misses the last-level cache.
    mpki : Parameter
        Last-level cache misses of a thousand instructions with a cache of size `cache`.
    cache : Parameter
        The cache at which `mpki` was measured.
    exponent : Parameter
        Of the power law; 0 for a stream that no cache helps.
    working_set : Parameter
        With that much cache only the `compulsory` misses remain.
    compulsory : Parameter
        Misses of a thousand instructions however large the cache.
    overlap : Parameter
        Misses under way at a time (memory-level parallelism), by which their latency is divided.
    write_back : Parameter
        Lines written back to memory for each line read.
    sharing : {"process", "thread"}
        Whether the threads of a process work on the same data or on data of their own.
    """

    id: Name
    cpi: Plain
    mpki: Plain
    cache: Size
    exponent: Plain
    working_set: Size
    compulsory: Plain
    overlap: Plain
    write_back: Plain
    sharing: Literal["process", "thread"] = "process"

    @model_validator(mode="after")
    def _possible(self):
        for key in ("cpi", "cache", "working_set"):
            if getattr(self, key).value <= 0:
                raise misfit(key, "must be above 0")
        if self.overlap.value < 1:
            raise misfit("overlap", "at least one miss is under way at a time")
        if self.compulsory.value > self.mpki.value:
            raise misfit("compulsory", f"more than all misses ({self.mpki.value:g})")
        if self.exponent.value > 1:
            raise misfit("exponent", "must lie in 0 .. 1")
        return self

    def misses_with(self, cache_bytes: float) -> float:
        """Last-level cache misses of a thousand instructions with so much cache, by the power law."""
        if cache_bytes >= self.working_set.plain():
            return self.compulsory.plain()
        law = self.mpki.plain() * (self.cache.plain() / cache_bytes) ** self.exponent.plain()
        return max(self.compulsory.plain(), law)

    def __repr__(self) -> str:
        return f"<Footprint {self.id}: {self.working_set.value:g} {self.working_set.unit}>"
