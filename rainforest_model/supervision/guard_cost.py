"""What Security Guard would cost a program that runs on and on: a prediction, as the paper gives no figure.

The guard's time for an operation (`rainforest_model.descriptions.guard`) is added to the kernel paths that perform it:
to each page-table entry that is written, and to each context switch, which may load CR3.  So a context switch pays even
between threads of one address space, where no kernel loads CR3; that is an upper bound.  A halt comes when a core has
nothing to do, and start-up IPIs and entries of the IOMMU when an instance is resized: they lie on no path of a request.

Runs with and without the guard meet the same random numbers, so their difference is the guard's.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..descriptions import load
from ..descriptions.guard import Guard
from ..descriptions.parameter import Parameter
from ..descriptions.scenario import Scenario
from ..simulation import Run, simulate
from ..stats import paired_ratio
from ..units import nanoseconds

if TYPE_CHECKING:
    import pandas as pd

PATHS = MappingProxyType({"pte_update": "page_table_update", "scheduler.context_switch": "write_cr3"})
"""Kernel paths, or prices of the scheduler, that perform a guarded operation, and which."""
ENDS = ("least", "estimate", "most")
"""Lower end, value and upper end of the guard's parameters, all of them together."""


def guarded(scenario: Scenario, end: str = "estimate", guard: Guard | None = None) -> Scenario:
    """The same scenario on kernels that have the guard.

    Parameters
    ----------
    scenario : Scenario
    end : {"least", "estimate", "most"}
        Which end of the ranges of the guard's parameters.
    guard : Guard, optional
        Instead of the shipped one.

    Examples
    --------
    >>> from rainforest_model.simulation import scenario
    >>> guarded(scenario("S-A", "rainforest", "malloc"), "most").path_ns("pte_update")
    200.0
    """
    of, partitioning = guard or load.guard(), scenario.system.partitioning
    surcharges = dict(partitioning.surcharges)
    for path, operation in PATHS.items():
        surcharges[path] = _added(surcharges.get(path), getattr(of, operation), end, scenario.machine.clock_ghz)
    how = partitioning.model_copy(update={"surcharges": surcharges})
    return scenario.model_copy(update={"system": scenario.system.model_copy(update={"partitioning": how})})


def _added(before: Parameter | None, cost: Parameter, end: str, clock_ghz: float) -> Parameter:
    """What the partitioning adds to a path already, and the guard's part at one end of its range."""
    low, high = cost.range
    chosen = {"least": low, "estimate": cost.value, "most": high}[end]
    ns = nanoseconds(chosen, cost.unit, clock_ghz) + (before.ns(clock_ghz) if before is not None else 0.0)
    return Parameter(value=ns, unit="ns", range=(ns, ns), basis="derived", source=f"with Security Guard: {cost.source}")


def runs(
    scenario: Scenario, replications: int = 5, seed: int = 1, engine: str = "compiled", jobs: int = 1,
    guard: Guard | None = None,
) -> dict[str, Run]:
    """A scenario without the guard (``"without"``) and with it at each of `ENDS`, with the same random numbers."""
    scenarios = {"without": scenario, **{end: guarded(scenario, end, guard) for end in ENDS}}

    def one(name: str) -> Run:
        return simulate(scenarios[name], replications=replications, seed=seed, engine=engine, name=name)

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(scenarios, pool.map(one, scenarios), strict=True))


def cost(found: Mapping[str, Run], statistics: tuple[str, ...] = ("mean", "p99")) -> pd.DataFrame:
    """By how much the guard makes latencies longer.

    Parameters
    ----------
    found : mapping of str to Run
        As of `runs`.
    statistics : tuple of str
        As of `rainforest_model.simulation.Run.replicated`.

    Returns
    -------
    DataFrame
        Columns statistic, end (of `ENDS`), without_us, with_us, percent (longer, paired over replications), low, high
        (its 95 % interval).
    """
    import pandas as pd

    rows = []
    for statistic in statistics:
        without = found["without"].replicated(statistic)
        for end in ENDS:
            values = found[end].replicated(statistic)
            ratio = paired_ratio(values, without)
            longer = [100 * (each - 1) for each in (ratio.value, ratio.low, ratio.high)]
            rows.append((statistic, end, without.mean(), values.mean(), *longer))
    return pd.DataFrame(rows, columns=["statistic", "end", "without_us", "with_us", "percent", "low", "high"])
