"""The life cycle of an OS instance: what each operation on it consists of, step by step."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from .. import draws, units
from ..errors import InputError
from .near import hint
from .parameter import Description, Name, Parameter, Plain, Time, misfit

Operation = Literal["create", "destroy", "cpu_online", "cpu_offline", "memory_online", "memory_offline"]

OPERATIONS: tuple[Operation, ...] = (
    "create", "destroy", "cpu_online", "cpu_offline", "memory_online", "memory_offline",
)
"""What a supervisor can do to an OS instance."""

Actor = Literal["supervisor", "instance", "core", "nobody"]
"""Whom a step keeps busy: a core of the supervisor, the communication core, the core that comes or goes, none."""

PAGE_BYTES = 4096
"""A page, as `Step.per_page` counts them."""
MOST_CV = 10.0


class TimedStep(NamedTuple):
    """One step of an operation: what is done, whom it keeps busy, how long it takes in the mean, and how it varies."""

    name: str
    actor: Actor
    mean_ns: float
    cv: float


class Step(Description):
    """What is done once in an operation, and for each core and page that it is about.

    Attributes
    ----------
    name : str
    actor : {"supervisor", "instance", "core", "nobody"}
        Whom it keeps busy.
    base : Parameter
        Time that it takes whatever the size.
    per_core, per_page : Parameter, optional
        Time for each core that comes or goes, and for each page of 4 KB.
    cv : Parameter
        How its duration varies from one time to the next: standard deviation over mean.

    Examples
    --------
    >>> def estimate(value, unit):
    ...     return {"value": value, "unit": unit, "range": [0, 9], "basis": "derived", "source": "an example"}
    >>> step = Step(name="free", actor="instance", base=estimate(1, "ms"), per_page=estimate(2, "us"),
    ...             cv=estimate(0.1, "ratio"))
    >>> step.timed(pages=500)
    TimedStep(name='free', actor='instance', mean_ns=2000000.0, cv=0.1)
    """

    name: Name
    actor: Actor
    base: Time
    per_core: Time | None = None
    per_page: Time | None = None
    cv: Plain

    @model_validator(mode="after")
    def _on_any_machine(self):
        for key in ("base", "per_core", "per_page"):
            time = getattr(self, key)
            if time is not None and time.unit == "cycles":
                raise misfit((key, "unit"), "the machine's clock is not known here; known: s, ms, us, ns")
        if self.cv.plain() > MOST_CV:
            raise misfit(("cv", "value"), f"a mean says nothing of a duration that varies by more than {MOST_CV:g}")
        return self

    def timed(self, cores: int = 0, pages: int = 0) -> TimedStep:
        """The step of an operation on so many cores and pages."""
        mean = sum(count * time.ns() for count, time in self._parts(cores, pages))
        return TimedStep(self.name, self.actor, mean, self.cv.plain())

    def bounds_ns(self, cores: int = 0, pages: int = 0) -> tuple[float, float]:
        """The mean with all numbers at the lower and at the upper end of their ranges, a fitted one as it was found."""
        low = high = 0.0
        for count, time in self._parts(cores, pages):
            ends = (time.value, time.value) if time.basis == "fitted" else time.range
            least, most = (count * units.nanoseconds(end, time.unit) for end in ends)
            low, high = low + least, high + most
        return low, high

    def _parts(self, cores: int, pages: int) -> list[tuple[int, Parameter]]:
        counted = ((1, self.base), (cores, self.per_core), (pages, self.per_page))
        return [(count, time) for count, time in counted if time is not None]


class Operations(Description):
    """Names of the steps of each operation, in their order; an operation of none takes no time."""

    create: tuple[Name, ...] = ()
    destroy: tuple[Name, ...] = ()
    cpu_online: tuple[Name, ...] = ()
    cpu_offline: tuple[Name, ...] = ()
    memory_online: tuple[Name, ...] = ()
    memory_offline: tuple[Name, ...] = ()

    def with_names(self, operation: Operation, names: tuple[str, ...]) -> Operations:
        """The same, with other steps in one operation."""
        return self.model_copy(update={operation: names})


class Lifecycle(Description):
    """What it takes to create, resize and destroy an OS instance under one partitioning.

    Attributes
    ----------
    id : str
        That of the partitioning.
    title, source : str
    step : dict of str to Step
        All steps, by their names; one may take part in several operations.
    operations : Operations
        Their names, by operation.
    left_out : Operations
        Steps that the stock kernel takes besides, and this system does without.
    turn : Parameter, optional
        For how long a tool of the supervisor and the threads on its core take turns, where that is not the matter
        of the kernel's own scheduler.

    Examples
    --------
    >>> from rainforest_model.descriptions import load
    >>> lifecycle = load.lifecycle("rainforest")
    >>> lifecycle.mean_s("cpu_online", cores=1) < lifecycle.stock().mean_s("cpu_online", cores=1)
    True
    """

    kind: Literal["lifecycle"]
    id: Name
    title: str
    source: str
    step: dict[Name, Step]
    operations: Operations
    left_out: Operations = Field(default=Operations(), description="what the stock kernel does besides")
    turn: Time | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_by_their_keys(cls, table):
        steps = table.get("step") if isinstance(table, dict) else None
        if not isinstance(steps, dict):
            return table
        named = {key: {"name": key, **step} if isinstance(step, dict) else step for key, step in steps.items()}
        return {**table, "step": named}

    @model_validator(mode="after")
    def _known_steps(self):
        for field in ("operations", "left_out"):
            for operation in OPERATIONS:
                names = getattr(getattr(self, field), operation)
                for i, name in enumerate(names):
                    if name not in self.step:
                        raise misfit((field, operation, i), f"no such step{hint(name, self.step)}")
                    if name in names[:i]:
                        raise misfit((field, operation, i), "is there twice")
        return self

    def steps(self, operation: Operation, cores: int = 0, pages: int = 0) -> tuple[TimedStep, ...]:
        """The steps of an operation, in their order.

        Parameters
        ----------
        operation : str
            One of `OPERATIONS`.
        cores : int
            Cores that the operation is about: those of the instance, or those that come or go.
        pages : int
            Likewise, of 4 KB.

        Raises
        ------
        InputError
            If there is no such operation, or a number is negative.

        Examples
        --------
        >>> from rainforest_model.descriptions import load
        >>> [step.name for step in load.lifecycle("lxc").steps("cpu_online", cores=1)]
        ['cgroup_write']
        """
        if operation not in OPERATIONS:
            raise InputError(f"no such operation{hint(operation, OPERATIONS)}", key="operation", value=operation)
        for key, count in (("cores", cores), ("pages", pages)):
            if count < 0:
                raise InputError("must not be negative", key=key, value=count)
        return tuple(self.step[name].timed(cores, pages) for name in getattr(self.operations, operation))

    def mean_s(self, operation: Operation, cores: int = 0, pages: int = 0) -> float:
        """How long an operation takes in the mean, in seconds; parameters as for `steps`."""
        return sum(step.mean_ns for step in self.steps(operation, cores, pages)) / 1e9

    def bounds_s(self, operation: Operation, cores: int = 0, pages: int = 0) -> tuple[float, float]:
        """Between what the ranges of its numbers leave an operation's mean, in seconds; parameters as for `steps`.

        Examples
        --------
        >>> from rainforest_model.descriptions import load
        >>> low, high = load.lifecycle("rainforest").bounds_s("cpu_offline", cores=1)
        >>> low < load.lifecycle("rainforest").mean_s("cpu_offline", cores=1) < high
        True
        """
        names = [step.name for step in self.steps(operation, cores, pages)]
        ends = [self.step[name].bounds_ns(cores, pages) for name in names]
        return sum(low for low, _ in ends) / 1e9, sum(high for _, high in ends) / 1e9

    def without(self, name: str) -> Lifecycle:
        """The same life cycle, with no operation that takes the step of this name.

        Raises
        ------
        InputError
            If there is no such step.
        """
        if name not in self.step:
            raise InputError(f"no such step{hint(name, self.step)}", key="step", value=name)
        kept = self.operations
        for operation in OPERATIONS:
            names = getattr(kept, operation)
            kept = kept.with_names(operation, tuple(other for other in names if other != name))
        return self.model_copy(update={"operations": kept})

    def with_step(self, operation: Operation, step: Step) -> Lifecycle:
        """The same life cycle, with one more step at the end of an operation."""
        if operation not in OPERATIONS:
            raise InputError(f"no such operation{hint(operation, OPERATIONS)}", key="operation", value=operation)
        if self.step.get(step.name, step) != step:
            raise InputError("there is another step of this name", key="step", value=step.name)
        names = (*getattr(self.operations, operation), step.name)
        steps, operations = {**self.step, step.name: step}, self.operations.with_names(operation, names)
        return self.model_copy(update={"step": steps, "operations": operations})

    def stock(self) -> Lifecycle:
        """The life cycle as the stock kernel has it: with the steps that this system leaves out."""
        found = self
        for operation in OPERATIONS:
            for name in getattr(self.left_out, operation):
                found = found.with_step(operation, self.step[name])
        return found

    def __repr__(self) -> str:
        return f"<Lifecycle {self.id}: {len(self.step)} steps>"


def sample_ns(step: TimedStep, word: int) -> float:
    """A duration of a step, lognormal with its mean and coefficient of variation.

    Parameters
    ----------
    step : TimedStep
    word : int
        A word of a stream: see `rainforest_model.draws`.

    Examples
    --------
    >>> sample_ns(TimedStep("free", "instance", 2e6, 0.0), 12345)
    2000000.0
    """
    variance = math.log1p(step.cv**2)
    return float(step.mean_ns * math.exp(math.sqrt(variance) * draws.normal(word) - variance / 2))
