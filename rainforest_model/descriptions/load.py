"""The shipped descriptions by their ids, and a user's by the path of its file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from ..errors import InputError
from ..resources import data_path
from .channel import Channel, Stack
from .ficm import Ficm
from .fitted import fitted_values, with_fitted
from .guard import Guard
from .lifecycle import Lifecycle
from .machine import Machine
from .read import read_toml, validated
from .system import Kernel, Partitioning, System

_Model = TypeVar("_Model", bound=BaseModel)
_FOLDERS = {
    Machine: "machines", Kernel: "systems/kernels", Partitioning: "systems/partitionings",
    Lifecycle: "systems/lifecycles", Channel: "systems/channels",
}


def _shipped(model: type[_Model]) -> dict[str, Path]:
    return {path.stem: path for path in sorted(data_path(_FOLDERS[model]).glob("*.toml"))}


@cache
def _load(model: type[_Model], path: Path) -> _Model:
    return validated(model, with_fitted(read_toml(path), path), path)


def _find(model: type[_Model], id: str, key: str) -> _Model:
    """A shipped description by its id, or a user's by its path."""
    shipped = _shipped(model)
    if id in shipped:
        return _load(model, shipped[id])
    if str(id).endswith(".toml"):
        return validated(model, read_toml(id), id)
    raise InputError(f"no such {key}; known: {', '.join(shipped)}; or the path of a .toml file", key=key, value=id)


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


def stack() -> Stack:
    """What the shipped kernel's network stack costs, whatever channel is below it.

    Examples
    --------
    >>> stack()
    <Stack linux-2.6.32: 13 paths>
    """
    return _load(Stack, data_path() / "systems/stack.toml")


def channel(id: str) -> Channel:
    """The channel `id`, or the one described in the TOML file of that path.

    Parameters
    ----------
    id : str
        A file that has no table ``stack`` gets the shipped one.

    Examples
    --------
    >>> channel("nic")
    <Channel nic: tcp, udp, 1 Gb/s>
    """
    shipped = _shipped(Channel)
    if id in shipped:
        return channel_of(id, fitted_values())
    if str(id).endswith(".toml"):
        return validated(Channel, _with_stack(read_toml(id), stack().model_dump()), id)
    raise InputError(f"no such channel; known: {', '.join(shipped)}; or the path of a .toml file", key="channel", value=id)


def channel_of(id: str, values: Mapping[str, float]) -> Channel:
    """A shipped channel with other values of fitted parameters, by their paths: what a fit tries."""
    path, home = _shipped(Channel)[id], data_path("systems/stack.toml")
    lower = with_fitted(read_toml(home), home, values)
    return validated(Channel, _with_stack(with_fitted(read_toml(path), path, values), lower), path)


def _with_stack(table: dict, stack: dict) -> dict:
    return {"stack": stack, **table}


def channels() -> list[str]:
    """Ids of the shipped channels.

    Examples
    --------
    >>> channels()
    ['loopback', 'nic', 'rfcom', 'rffuse', 'rfloop', 'rftun', 'xen-vnic']
    """
    return list(_shipped(Channel))


def machines() -> list[str]:
    """Ids of the shipped machines."""
    return list(_shipped(Machine))


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
    if id in _shipped(Kernel) and kernel is None:
        return System(kernel=_find(Kernel, id, "kernel"), partitioning=partitioning("linux"))
    if id not in _shipped(Partitioning) and not str(id).endswith(".toml"):
        raise InputError(f"no such system; known: {', '.join(systems())}", key="system", value=id)
    how = partitioning(id)
    return System(kernel=_find(Kernel, kernel or how.default_kernel, "kernel"), partitioning=how)
