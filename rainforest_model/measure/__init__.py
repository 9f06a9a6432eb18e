"""The reader's own machine, measured: what an operation costs alone, and what when others do the same."""

from .laboratory import Measurement, MeasurementError, Spread, measure
from .plan import BENCHMARKS, Asked, Case, Plan, plan

__all__ = ["BENCHMARKS", "Asked", "Case", "Measurement", "MeasurementError", "Plan", "Spread", "measure", "plan"]
