"""The shipped programs, found by name; a user's own are written with the same verbs or in TOML."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from ..descriptions.program import INNER, OnQueue, OnStructure, Op, Program
from ..errors import InputError, UnknownKeyError


def workloads() -> dict[str, Program]:
    """Every shipped program by its id, discovered from the modules of this package.

    A module has programs as its names, or in a dict called ``PROGRAMS``.
    """
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in (*vars(module).values(), *getattr(module, "PROGRAMS", {}).values()):
            if isinstance(value, Program):
                found[value.id] = value
    return dict(sorted(found.items()))


def workload(id: str, **parameters: int) -> Program:
    """The shipped program `id`, with some of its parameters changed.

    Raises
    ------
    InputError
        If there is no such program, or it has no such parameter.

    Examples
    --------
    >>> workload("mmap", pages=256).parameters["pages"]
    256
    """
    known = workloads()
    if id not in known:
        raise InputError(f"no such workload; known: {', '.join(known)}", key="workload", value=id)
    return with_parameters(known[id], parameters)


def with_parameters(program: Program, parameters: dict[str, int]) -> Program:
    """The program with some of its parameters changed.

    Raises
    ------
    InputError
        If the program has no such parameter, or the value is out of bounds.
    """
    for key, value in parameters.items():
        if key not in program.parameters:
            has = ", ".join(program.parameters) or "none"
            raise UnknownKeyError(f"workload {program.id} has no such parameter; it has: {has}", key=key, value=value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 2**31:
            raise InputError("must be a whole number in 1 .. 2**31", key=key, value=value)
    return program.model_copy(update={"parameters": {**program.parameters, **parameters}})


def operations(program: Program) -> Iterator[Op]:
    """Every operation of a program, blocks and what is in them."""
    pending = list(program.ops)
    while pending:
        item = pending.pop()
        pending += [inner for key in INNER for inner in getattr(item, key, ())]
        yield item


def structures_of(program: Program) -> set[str]:
    """Names of the shared structures that a program uses.

    Examples
    --------
    >>> "mmap_sem" in structures_of(workload("mmap"))
    True
    """
    used = (item for item in operations(program) if isinstance(item, OnStructure))
    return {item.what for item in used if not isinstance(item, OnQueue)}


def partners(id: str) -> list[str]:
    """The shipped programs at the other end of a program's queues, without which it would wait for ever.

    Examples
    --------
    >>> partners("queue_source"), partners("mmap")
    (['queue_server'], [])
    """
    queues = {other: _queues_of(program) for other, program in workloads().items()}
    return [other for other in queues if other != id and queues[other] & queues[id]]


def _queues_of(program: Program) -> set[str]:
    return {item.what for item in operations(program) if isinstance(item, OnQueue)}
