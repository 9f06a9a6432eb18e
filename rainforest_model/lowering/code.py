"""Operations in the making."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import opcodes as op
from ..descriptions.arrivals import Arrivals
from ..descriptions.program import Program
from ..errors import InputError
from ..units import TICKS_PER_NS

MAX_ROWS = 10_000


def ticks(ns: float) -> int:
    """Nanoseconds as ticks, to the nearest."""
    return round(ns * TICKS_PER_NS)


@dataclass
class Code:
    """Operations in the making, with everything that rows refer to by number."""

    rows: list[list[int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    reals: list[float] = field(default_factory=lambda: [0.0])
    purposes: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    symbols: dict[str, tuple[int, str]] = field(default_factory=dict)
    registers: int = 0
    receivers: dict[str, list[Program]] = field(default_factory=dict)
    arrivals: dict[Arrivals, tuple[int, int]] = field(default_factory=dict)

    def emit(self, label: str, code: int, *operands: int) -> int:
        """Append an operation; its number."""
        if len(self.rows) == MAX_ROWS:
            raise InputError(f"more than {MAX_ROWS} operations in all programs", key="ops")
        self.rows.append([code, *operands, *[0] * (op.OPERANDS - len(operands))])
        self.labels.append(label)
        return len(self.rows) - 1

    def real(self, value: float) -> int:
        """Number of a real parameter."""
        self.reals.append(float(value))
        return len(self.reals) - 1

    def register(self) -> int:
        """Number of a fresh register."""
        self.registers += 1
        return self.registers - 1

    def symbol(self, name: str, kind: int, scope: str, copies: str = "one") -> int:
        """Number of a symbol; `copies` is "one", "core", "socket" or a number of slots."""
        meaning = kind, f"{scope}/{copies}"
        if self.symbols.setdefault(name, meaning) != meaning:
            raise InputError("is the name of two things, such as a queue and a structure", key="what", value=name)
        return list(self.symbols).index(name)

    def has_copy(self, name: str, program: Program) -> bool:
        """Whether threads of this program have a copy of a symbol: a queue of parts is its receivers'."""
        return name not in self.receivers or any(program is other for other in self.receivers[name])

    def measured(self, name: str) -> int:
        """Number of a measured latency."""
        if name not in self.series:
            self.series.append(name)
        return self.series.index(name)

    def scheduled(self, arrivals: Arrivals) -> tuple[int, int]:
        """Where these times begin and end among all that are scheduled."""
        if arrivals not in self.arrivals:
            start = max((end for _, end in self.arrivals.values()), default=0)
            self.arrivals[arrivals] = start, start + len(arrivals)
        return self.arrivals[arrivals]

    @property
    def here(self) -> int:
        """Number of the next operation."""
        return len(self.rows)
