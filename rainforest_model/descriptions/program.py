"""A program: readable micro-operations that name shared structures, and nothing of scope, lock or cost.

The verbs are plain functions, so that a program reads as what the kernel does::

    program("mmap",
        measure("map and unmap",
            syscall("mmap",
                write_lock("mmap_sem"), count("vm_committed_as", pages="pages"), unlock("mmap_sem")),
            ...))

The same operations are written in TOML as ``{ do = "count", what = "vm_committed_as", pages = "pages" }``.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from .. import units
from .arrivals import Arrivals
from .footprint import Footprint
from .parameter import LONGEST_NS, Description, Name, misfit

_TIME = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?) *([a-z]+)\s*")


def time_ns(text: str) -> float:
    """Nanoseconds of a time such as ``"2.5 us"``.

    Raises
    ------
    ValueError
        If it is no number with a unit of time, or is negative.

    Examples
    --------
    >>> time_ns("2.5 us")
    2500.0
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time such as \"2.5 us\"")
    value = units.nanoseconds(float(match[1]), match[2])
    if value < 0:
        raise ValueError(f"a negative time ({text.strip()})")
    if value > LONGEST_NS:
        raise ValueError(f"{text.strip()} is longer than the hour that a simulation may last")
    return value


class Duration(Description):
    """A constant or random time.

    Attributes
    ----------
    distribution : {"constant", "exponential", "lognormal", "uniform"}
        A ``uniform`` one lies between zero and twice its mean.
    mean : str
        For example ``"2 us"``.
    cv : float
        Coefficient of variation of a lognormal one.
    """

    distribution: Literal["constant", "exponential", "lognormal", "uniform"] = "constant"
    mean: str
    cv: float = Field(default=0.0, ge=0, le=20)

    @model_validator(mode="after")
    def _valid(self):
        try:
            mean = time_ns(self.mean)
        except ValueError as error:
            raise misfit("mean", str(error)) from None
        if (self.cv > 0) != (self.distribution == "lognormal"):
            raise misfit("cv", "a lognormal duration has a cv above 0, and no other has one")
        if mean == 0 and self.distribution != "constant":
            raise misfit("mean", "a random time has a mean above 0")
        return self

    @property
    def mean_ns(self) -> float:
        """Mean in nanoseconds."""
        return time_ns(self.mean)


MAX_DEPTH = 30
MAX_OPS = 2000
"""Blocks within blocks, and operations of a program in all."""

INNER = ("body", "then")
"""Where an operation holds others."""

Number = int | str
"""A whole number, or an expression of the program's parameters and the kernel's constants; of ``cpus`` and
``ram_pages`` of the kernel; of ``nodes`` and ``kernel_nodes``, sockets of the cores of partition and kernel."""


class Op(Description):
    """Base of the micro-operations."""


class Compute(Op):
    """Run for the time of a named kernel path, or for a given time."""

    do: Literal["compute"] = "compute"
    path: Name | None = None
    time: Duration | None = None
    name: Name | None = None
    times: Number = 1

    @model_validator(mode="after")
    def _one(self):
        if (self.path is None) == (self.time is None):
            raise misfit("path", "compute takes a path or a time")
        return self


class Sleep(Op):
    """Leave the core for a time."""

    do: Literal["sleep"] = "sleep"
    time: Duration
    name: Name = "sleep"


class OnStructure(Op):
    """Base of the operations on a shared structure."""

    what: Name


class Lock(OnStructure):
    """Take a lock alone."""

    do: Literal["lock"] = "lock"


class ReadLock(OnStructure):
    """Take a reader-writer lock together with other readers."""

    do: Literal["read_lock"] = "read_lock"


class WriteLock(OnStructure):
    """Take a reader-writer lock alone."""

    do: Literal["write_lock"] = "write_lock"


class Unlock(OnStructure):
    """Release whatever was taken of this structure."""

    do: Literal["unlock"] = "unlock"


class Count(OnStructure):
    """Add pages to a counter."""

    do: Literal["count"] = "count"
    pages: Number


class Get(OnStructure):
    """Take a reference."""

    do: Literal["get"] = "get"


class Put(OnStructure):
    """Drop a reference."""

    do: Literal["put"] = "put"


class Read(OnStructure):
    """Read shared data."""

    do: Literal["read"] = "read"


class Touch(OnStructure):
    """Write shared data."""

    do: Literal["touch"] = "touch"


class FlushTlb(OnStructure):
    """Make all cores that have this address space loaded forget `pages` translations."""

    do: Literal["flush_tlb"] = "flush_tlb"
    pages: Number


class OnQueue(OnStructure):
    """Base of the operations on a queue of requests, which is no structure of a system."""


class Send(OnQueue):
    """Put a request, stamped with the time, into a queue."""

    do: Literal["send"] = "send"


class Receive(OnQueue):
    """Take the oldest request of a queue, waiting for one; measured time starts at its stamp."""

    do: Literal["receive"] = "receive"


class Scatter(OnQueue):
    """Send `parts` parts of one request to each process that receives from this queue."""

    do: Literal["scatter"] = "scatter"
    parts: Number = 1


class ReceivePart(OnQueue):
    """Take this process's part of the oldest request of a queue, waiting for one."""

    do: Literal["receive_part"] = "receive_part"


class Gather(Op):
    """This part of the request is done; the time from scatter to the last part's gather is a sample.

    Who brings the last part does `then`.
    """

    do: Literal["gather"] = "gather"
    name: Name
    then: tuple[AnyOp, ...] = ()


class Arrive(Op):
    """Sleep until the next of given times; after the last for ever.

    In a scenario file `arrivals` is the path of a file of arrivals (`rainforest_model.descriptions.arrivals`).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    do: Literal["arrive"] = "arrive"
    arrivals: Arrivals


class Block(Op):
    """Base of the operations that hold others."""

    body: tuple[AnyOp, ...] = Field(min_length=1)


class Syscall(Block):
    """Enter the kernel, do the body, return; the kernel is not preempted in between."""

    do: Literal["syscall"] = "syscall"
    name: Name


class Fault(Block):
    """A page fault: trap, body, return."""

    do: Literal["fault"] = "fault"


class Repeat(Block):
    """Do the body a number of times."""

    do: Literal["repeat"] = "repeat"
    times: Number


class Every(Block):
    """Do the body each `times`-th time that a thread passes (refilling a per-CPU list, say)."""

    do: Literal["every"] = "every"
    times: Number


class Measure(Block):
    """The time of the body is a sample of the latency."""

    do: Literal["measure"] = "measure"
    name: Name


AnyOp = Annotated[
    Compute | Sleep | Lock | ReadLock | WriteLock | Unlock | Count | Get | Put
    | Read | Touch | FlushTlb | Send | Receive | Scatter | ReceivePart | Gather | Arrive
    | Syscall | Fault | Repeat | Every | Measure,
    Field(discriminator="do"),
]
for _block in (Gather, Block, Syscall, Fault, Repeat, Every, Measure):
    _block.model_rebuild()


class Program(Description):
    """What a thread does, over and over.

    Attributes
    ----------
    id, title, source : str
        Handle, one line, and where the program comes from.
    parameters : dict of str to int
        Numbers that expressions in the operations may name; a scenario may change them.
    ops : tuple of operations
        One round.
    footprint : Footprint, optional
        What its threads ask of caches and memory; without one their speed depends on nobody.
    """

    kind: Literal["program"] = "program"
    id: Name
    title: str = ""
    source: str = ""
    parameters: dict[Name, int] = {}
    ops: tuple[AnyOp, ...] = Field(min_length=1)
    footprint: Footprint | None = None

    @field_validator("parameters")
    @classmethod
    def _in_bounds(cls, parameters):
        for key, value in parameters.items():
            if not 0 < value <= 2**31:
                raise misfit(key, "must lie in 1 .. 2**31")
        return parameters

    @model_validator(mode="before")
    @classmethod
    def _not_too_deep(cls, table):
        """Looked at before anything descends into the blocks."""
        layer, found, depth = table.get("ops") if isinstance(table, dict) else None, 0, 0
        while layer and isinstance(layer, list | tuple):
            depth, found = depth + 1, found + len(layer)
            if depth > MAX_DEPTH:
                raise misfit("ops", f"blocks are nested more than {MAX_DEPTH} deep")
            if found > MAX_OPS:
                raise misfit("ops", f"more than {MAX_OPS} operations; repeat does many")
            tables = [op if isinstance(op, dict) else getattr(op, "__dict__", {}) for op in layer]
            bodies = [table.get(key) for table in tables for key in INNER]
            layer = [inner for body in bodies if isinstance(body, list | tuple) for inner in body]
        return table

    def __repr__(self) -> str:
        return f"<Program {self.id}: {self.title}>"


def constant(mean: str) -> Duration:
    """A fixed time, e.g. ``constant("300 ns")``."""
    return Duration(mean=mean)


def exponential(mean: str) -> Duration:
    """An exponential time with this mean."""
    return Duration(distribution="exponential", mean=mean)


def lognormal(mean: str, cv: float) -> Duration:
    """A lognormal time with this mean and coefficient of variation."""
    return Duration(distribution="lognormal", mean=mean, cv=cv)


def uniform(mean: str) -> Duration:
    """A time uniform between zero and twice this mean."""
    return Duration(distribution="uniform", mean=mean)


def compute(what: str | Duration, times: Number = 1, name: str | None = None) -> Compute:
    """Run for the time of the kernel path `what` (a name) or for a given `Duration`."""
    if isinstance(what, Duration):
        return Compute(time=what, name=name, times=times)
    return Compute(path=what, name=name, times=times)


def sleep(time: Duration, name: str = "sleep") -> Sleep:
    """Leave the core for `time`."""
    return Sleep(time=time, name=name)


def lock(what: str) -> Lock:
    """Take the lock `what` alone."""
    return Lock(what=what)


def read_lock(what: str) -> ReadLock:
    """Take the reader-writer lock `what` as a reader."""
    return ReadLock(what=what)


def write_lock(what: str) -> WriteLock:
    """Take the reader-writer lock `what` as its writer."""
    return WriteLock(what=what)


def unlock(what: str) -> Unlock:
    """Release `what`."""
    return Unlock(what=what)


def count(what: str, pages: Number) -> Count:
    """Add `pages` (negative: take away) to the counter `what`."""
    return Count(what=what, pages=pages)


def get(what: str) -> Get:
    """Take a reference of `what`."""
    return Get(what=what)


def put(what: str) -> Put:
    """Drop a reference of `what`."""
    return Put(what=what)


def read(what: str) -> Read:
    """Read the shared data `what`."""
    return Read(what=what)


def touch(what: str) -> Touch:
    """Write the shared data `what`."""
    return Touch(what=what)


def flush_tlb(what: str, pages: Number) -> FlushTlb:
    """Flush `pages` translations on every core that has the address space loaded."""
    return FlushTlb(what=what, pages=pages)


def send(what: str) -> Send:
    """Put a time-stamped request into the queue `what`."""
    return Send(what=what)


def receive(what: str) -> Receive:
    """Wait for the oldest request of the queue `what`."""
    return Receive(what=what)


def scatter(what: str, parts: Number = 1) -> Scatter:
    """Send `parts` parts of one request to each process that receives from the queue `what`."""
    return Scatter(what=what, parts=parts)


def receive_part(what: str) -> ReceivePart:
    """Wait for this process's part of the oldest request of the queue `what`."""
    return ReceivePart(what=what)


def gather(name: str, *then: Op) -> Gather:
    """End this part of the request; its last part ends the latency sample called `name`, and `then` is done."""
    return Gather(name=name, then=then)


def arrive(arrivals: Arrivals) -> Arrive:
    """Sleep until the next of these times."""
    return Arrive(arrivals=arrivals)


def syscall(name: str, *body: Op) -> Syscall:
    """A system call with this body."""
    return Syscall(name=name, body=body)


def fault(*body: Op) -> Fault:
    """A page fault with this body."""
    return Fault(body=body)


def repeat(times: Number, *body: Op) -> Repeat:
    """The body, `times` times."""
    return Repeat(times=times, body=body)


def every(times: Number, *body: Op) -> Every:
    """The body, each `times`-th time."""
    return Every(times=times, body=body)


def measure(name: str, *body: Op) -> Measure:
    """The body as one latency sample called `name`."""
    return Measure(name=name, body=body)


def program(
    id: str, *ops: Op, title: str = "", source: str = "", footprint: Footprint | None = None, **parameters: int
) -> Program:
    """A program of these operations, with its parameters' default values.

    Examples
    --------
    >>> program("spin", lock("l"), compute(constant("1 us")), unlock("l")).ops[0].what
    'l'
    """
    return Program(id=id, title=title, source=source, parameters=parameters, ops=ops, footprint=footprint)
