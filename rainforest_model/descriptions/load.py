"""The shipped descriptions by their ids, and a user's by the path of its file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from ..errors import InputError
from ..resources import data_path
from .ficm import Ficm
from .fitted import with_fitted
from .guard import Guard
from .lifecycle import Lifecycle
from .machine import Machine
from .read import read_toml, validated
from .system import Kernel, Partitioning, System

_Model = TypeVar("_Model", bound=BaseModel)
_FOLDERS = {
    Machine: "machines", Kernel: "systems/kernels", Partitioning: "systems/partitionings",
    Lifecycle: "systems/lifecycles",
}


BEYOND = "beyond"
"""Folder of what is found by its id, but is not among the machines and systems that the paper compares throughout."""


def _shipped(model: type[_Model]) -> dict[str, Path]:
    return {path.stem: path for path in sorted(data_path(_FOLDERS[model]).glob("*.toml"))}


def _findable(model: type[_Model]) -> dict[str, Path]:
    beyond = data_path(_FOLDERS[model]) / BEYOND
    return _shipped(model) | {path.stem: path for path in sorted(beyond.glob("*.toml"))}


@cache
def _load(model: type[_Model], path: Path) -> _Model:
    return validated(model, with_fitted(read_toml(path), path), path)


def _find(model: type[_Model], id: str, key: str) -> _Model:
    """A shipped description by its id, or a user's by its path."""
    findable = _findable(model)
    if id in findable:
        return _load(model, findable[id])
    if str(id).endswith(".toml"):
        return validated(model, read_toml(id), id)
    raise InputError(f"no such {key}; known: {', '.join(findable)}; or the path of a .toml file", key=key, value=id)


def machine(id: str) -> Machine:
    """The machine `id`, or the one described in the TOML file of that path.

    Raises
    ------
    InputError
        If there is none, or the file does not fit.

    Examples
    --------
    >>> machine("S-A")
    <Machine S-A: 2 sockets x 6 cores, 2.4 GHz>
    """
    return _find(Machine, id, "machine")


def kernel(id: str) -> Kernel:
    """The kernel `id`, or the one described in the TOML file of that path."""
    return _find(Kernel, id, "kernel")


def partitioning(id: str) -> Partitioning:
    """The partitioning `id`, or the one described in the TOML file of that path."""
    return _find(Partitioning, id, "partitioning")


def lifecycle(id: str) -> Lifecycle:
    """The life cycle of an OS instance under the partitioning `id`, or the one described in the TOML file of that path.

    Examples
    --------
    >>> lifecycle("xen")
    <Lifecycle xen: 9 steps>
    """
    return _find(Lifecycle, id, "lifecycle")


def ficm(path: Path | str | None = None) -> Ficm:
    """What messages between OS instances cost: as shipped, or as the TOML file of that path describes it.

    Examples
    --------
    >>> ficm()
    <Ficm: messages of 64 B>
    """
    return _single(Ficm, "systems/ficm.toml", path)


def guard(path: Path | str | None = None) -> Guard:
    """What Security Guard costs: as shipped, or as the TOML file of that path describes it.

    Examples
    --------
    >>> guard()
    <Guard: 5 operations>
    """
    return _single(Guard, "systems/guard.toml", path)


def _single(model: type[_Model], shipped: str, path: Path | str | None) -> _Model:
    return _load(model, data_path() / shipped) if path is None else validated(model, read_toml(path), path)


def machines() -> list[str]:
    """Ids of the paper's machines."""
    return list(_shipped(Machine))


def beyond() -> dict[str, list[str]]:
    """Ids of machines and kernels that are shipped beside the paper's own set.

    Examples
    --------
    >>> beyond()["kernel"]
    ['barrelfish', 'linux-6.12']
    """
    kinds = {"machine": Machine, "kernel": Kernel}
    return {kind: [id for id in _findable(model) if id not in _shipped(model)] for kind, model in kinds.items()}


def systems() -> list[str]:
    """Ids of the paper's systems: each kernel shared, then the default kernel under each partitioning.

    Examples
    --------
    >>> systems()
    ['linux-2.6.32', 'linux-2.6.35m', 'linux-3.17.4', 'linux-4.9.40', 'lxc', 'xen', 'rainforest']
    """
    divided = [p for p in map(partitioning, _shipped(Partitioning)) if p.partitioned]
    order = {"lxc": 0, "xen": 1, "rainforest": 2}
    return [*_shipped(Kernel), *sorted((p.id for p in divided), key=lambda id: (order.get(id, 9), id))]


def system(id: str, kernel: str | None = None) -> System:
    """A kernel under a partitioning.

    Parameters
    ----------
    id : str
        A kernel's id (that kernel, shared by all) or a partitioning's.
    kernel : str, optional
        Another kernel for the partitioning than its default one.

    Raises
    ------
    InputError
        If there is no such kernel or partitioning.

    Examples
    --------
    >>> system("rainforest")
    <System rainforest>
    >>> system("rainforest", kernel="linux-4.9.40")
    <System rainforest on linux-4.9.40>
    """
    if id in _findable(Kernel) and kernel is None:
        return System(kernel=_find(Kernel, id, "kernel"), partitioning=partitioning("linux"))
    if id not in _shipped(Partitioning) and not str(id).endswith(".toml"):
        known = ", ".join([*systems(), *beyond()["kernel"]])
        raise InputError(f"no such system; known: {known}", key="system", value=id)
    how = partitioning(id)
    return System(kernel=_find(Kernel, kernel or how.default_kernel, "kernel"), partitioning=how)
