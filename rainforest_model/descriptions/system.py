"""A system is a kernel under a partitioning; nothing else differs between the paper's seven."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from .parameter import Description, Name, Parameter, Plain, Time, misfit
from .structure import Structure

SHORTEST_PERIOD_NS = 1000.0
"""Whatever recurs on every core must leave room for something else."""


def _not_too_often(key: str, period: Parameter, or_never: bool = False) -> None:
    if period.unit == "cycles":
        raise misfit(key, "a period is a time, not cycles")
    if period.ns() < SHORTEST_PERIOD_NS and not (or_never and period.value == 0):
        raise misfit(key, f"{period.value:g} {period.unit} is shorter than {SHORTEST_PERIOD_NS:g} ns")


class Scheduler(Description):
    """CFS-like knobs before scaling, the timer tick, and the price of switching.

    The three latencies are multiplied by ``1 + floor(log2(min(cpus, 8)))`` of the instance.
    """

    latency: Time
    min_granularity: Time
    wakeup_granularity: Time
    tick_period: Time
    tick_cost: Time
    context_switch: Time
    wakeup: Time
    idle_wakeup: Time
    migration: Time

    @model_validator(mode="after")
    def _bearable(self):
        _not_too_often("tick_period", self.tick_period, or_never=True)
        return self


class Background(Description):
    """Housekeeping that the kernel does on its own: every `period`, for `work`, on each core or once."""

    per: Literal["core", "instance"]
    period: Time
    work: Time

    @model_validator(mode="after")
    def _bearable(self):
        _not_too_often("period", self.period)
        return self


class Kernel(Description):
    """One version of the kernel.

    Attributes
    ----------
    costs : dict of str to Parameter
        Time of each named stretch of kernel path when nothing contends.
    constants : dict of str to Parameter
        Plain numbers of the kernel that programs and batches may name (``pagevec``, ``pcp_batch``).
    structures : dict of str to Structure
        The shared structures that programs name.
    path_variation : Parameter
        Coefficient of variation of a path cost (lognormal).
    """

    kind: Literal["kernel"]
    id: Name
    title: str
    released: int
    source: str
    path_variation: Plain
    scheduler: Scheduler
    costs: dict[Name, Time]
    constants: dict[Name, Parameter] = {}
    structures: dict[Name, Structure]
    background: dict[Name, Background] = {}

    def __repr__(self) -> str:
        return f"<Kernel {self.id}: {len(self.structures)} structures, {len(self.costs)} path costs>"


class Partitioning(Description):
    """How a machine is divided, and what the division costs.

    Attributes
    ----------
    kernels : {"one", "each"}
        ``one``: all partitions run on one kernel instance (Linux, LXC); ``each``: every partition
        runs its own (Xen, RainForest).
    partitioned : bool
        Whether cores are divided into partitions at all (Linux: no; programs roam over the machine).
    memory : {"any", "local"}
        Memory policy.
    structures : dict of str to Structure
        Structures that replace or join those of the kernel.
    surcharges : dict of str to Parameter
        Time on top of a kernel path, by its name, or of a scheduler's price (``scheduler.wakeup``).
    """

    kind: Literal["partitioning"]
    id: Name
    title: str
    source: str
    kernels: Literal["one", "each"]
    partitioned: bool
    memory: Literal["any", "local"]
    instance_name: str
    default_kernel: str
    structures: dict[Name, Structure] = {}
    surcharges: dict[Name, Time] = {}
    costs: dict[Name, Time] = {}
    background: dict[Name, Background] = {}

    def __repr__(self) -> str:
        kernels = "one kernel for all" if self.kernels == "one" else "a kernel each"
        return f"<Partitioning {self.id}: {kernels}>"


class System(Description):
    """A kernel under a partitioning.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import system
    >>> system("rainforest", kernel="linux-4.9.40").id
    'rainforest on linux-4.9.40'
    """

    kernel: Kernel
    partitioning: Partitioning

    @property
    def id(self) -> str:
        """The kernel's id on plain Linux, the partitioning's on its default kernel, else both."""
        if not self.partitioning.partitioned:
            return self.kernel.id
        if self.kernel.id == self.partitioning.default_kernel:
            return self.partitioning.id
        return f"{self.partitioning.id} on {self.kernel.id}"

    @property
    def title(self) -> str:
        """A name for a legend."""
        if not self.partitioning.partitioned:
            return self.kernel.title
        if self.kernel.id == self.partitioning.default_kernel:
            return self.partitioning.title
        return f"{self.partitioning.title} ({self.kernel.title})"

    @property
    def structures(self) -> dict[str, Structure]:
        """The kernel's structures with the partitioning's laid over them."""
        return {**self.kernel.structures, **self.partitioning.structures}

    @property
    def costs(self) -> dict[str, Parameter]:
        """The kernel's path costs with the partitioning's laid over them, without surcharges."""
        return {**self.kernel.costs, **self.partitioning.costs}

    @property
    def background(self) -> dict[str, Background]:
        """Housekeeping of kernel and partitioning together."""
        return {**self.kernel.background, **self.partitioning.background}

    def surcharge_ns(self, name: str, clock_ghz: float) -> float:
        """What the partitioning adds to a path or to a price of the scheduler, in nanoseconds."""
        extra = self.partitioning.surcharges.get(name)
        return extra.ns(clock_ghz) if extra is not None else 0.0

    def path_ns(self, name: str, clock_ghz: float) -> float:
        """Uncontended time of a named kernel path in nanoseconds, surcharges included.

        Raises
        ------
        KeyError
            If neither the kernel nor the partitioning knows the path.
        """
        return self.costs[name].ns(clock_ghz) + self.surcharge_ns(name, clock_ghz)

    def __repr__(self) -> str:
        return f"<System {self.id}>"
