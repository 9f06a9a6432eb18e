"""The reader's own machine, measured: what an operation costs alone, and what when others do the same.

Numba calls the C library, in a process of its own that forks the workers; nothing is built and nothing is fitted.
"""

from .description import STAND_IN, described, measured, toml
from .host import check_system, usable_cores
from .laboratory import Measurement, MeasurementError, Spread, measure
from .plan import BENCHMARKS, Asked, Case, Plan, plan
from .report import document, table, text, warnings

__all__ = [
    "BENCHMARKS",
    "STAND_IN",
    "Asked",
    "Case",
    "Measurement",
    "MeasurementError",
    "Plan",
    "Spread",
    "check_system",
    "described",
    "document",
    "measure",
    "measured",
    "plan",
    "table",
    "text",
    "toml",
    "usable_cores",
    "warnings",
]
