"""The layers of software between an application and the hardware: one copy for whom, how privileged, and what it holds.

For a described system they follow from its partitioning and the scopes of its structures; related systems that are not
simulated are described by their layers alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .parameter import Description, Name, misfit
from .parts import Parts
from .structure import Structure
from .system import Partitioning, System

LEVELS = ("beneath", "kernel", "user")
"""From the most privileged: beneath the kernels, as a hypervisor is; that of a kernel; that of an application."""


class Layer(Description):
    """Software of one kind.

    Attributes
    ----------
    title : str
    level : {"beneath", "kernel", "user"}
        Its privilege.
    per : {"machine", "partition", "core", "application"}
        For whom there is one copy.
    between : {"nothing", "messages", "channels"}
        What copies have to do with one another: messages keep their state consistent; or there are channels, for
        those who ask for one.
    holds : tuple of str
        Described structures of which each copy has one.
    source : str
    """

    title: Name
    level: Literal["beneath", "kernel", "user"]
    per: Literal["machine", "partition", "core", "application"]
    between: Literal["nothing", "messages", "channels"] = "nothing"
    holds: tuple[str, ...] = ()
    source: str = Field(min_length=3)

    @property
    def common(self) -> bool:
        """Whether all applications of the machine meet in the same copy."""
        return self.per == "machine"


class Architecture(Description):
    """The layers of a system.

    Attributes
    ----------
    family : str
        What kind of system it is.
    layers : dict of str to Layer
        From the hardware upwards.
    """

    kind: Literal["architecture"]
    id: Name
    title: Name
    source: str
    family: Name
    layers: dict[Name, Layer]

    @model_validator(mode="after")
    def _complete(self):
        if not any(layer.per == "application" for layer in self.layers.values()):
            raise misfit("layers", "there must be one for applications")
        if not any(layer.level != "user" for layer in self.layers.values()):
            raise misfit("layers", "somebody must be privileged")
        order = [LEVELS.index(layer.level) for layer in self.layers.values()]
        if order != sorted(order):
            raise misfit("layers", "must stand from the hardware upwards, the most privileged first")
        return self

    def __repr__(self) -> str:
        return f"<Architecture {self.id}: {', '.join(layer.title for layer in self.layers.values())}>"


def home(structure: Structure, how: Partitioning) -> str:
    """The layer in which a structure lies: ``beneath``, ``kernel``, ``container`` or ``application``.

    What has one copy for the machine although each partition has a kernel of its own lies beneath the kernels.  What
    an application has to itself counts as the application's, though a kernel keeps it.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import system
    >>> for id in ("lxc", "xen"):
    ...     print(home(system(id).structures["tmp_dentry"], system(id).partitioning),
    ...           home(system(id).structures["tlb"], system(id).partitioning))
    container kernel
    kernel beneath
    """
    own_kernels = how.kernels == "each"
    return {
        "machine": "beneath" if own_kernels else "kernel",
        "instance": "kernel",
        "node": "kernel",
        "container": "container" if how.partitioned and not own_kernels else "kernel",
    }.get(structure.scope, "application")


def architecture_of(system: System, parts: Parts | None = None) -> Architecture:
    """The layers of a described system, with each of its structures in one of them.

    Parameters
    ----------
    system : System
    parts : Parts, optional
        Of a system whose kernels can have channels between them.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import parts, system
    >>> architecture_of(system("xen"))
    <Architecture xen: Xen, kernel, application>
    >>> architecture_of(system("rainforest"), parts()).layers["kernel"].between
    'channels'
    """
    how, held = system.partitioning, {}
    for name, structure in system.structures.items():
        if structure.kind != "absent":
            held.setdefault(home(structure, how), []).append(structure.label or name)
    own_kernels = how.kernels == "each"
    channels = parts is not None and parts.id == how.id and parts.channels
    kernel = {
        "level": "kernel", "per": "partition" if own_kernels else "machine", "source": system.kernel.source,
        "between": "channels" if channels else "nothing",
    }
    layers = {
        "beneath": {"title": how.title, "level": "beneath", "per": "machine", "source": how.source},
        "kernel": {"title": "kernel", **kernel},
        "container": {"title": how.instance_name, "level": "kernel", "per": "partition", "source": how.source},
        "application": {"title": "application", "level": "user", "per": "application", "source": how.source},
    }
    family = "several kernels" if own_kernels else "one kernel"
    return Architecture(
        kind="architecture", id=system.id, title=system.title, source=how.source, family=family,
        layers={
            key: Layer(**layer, holds=tuple(held.get(key, ()))) for key, layer in layers.items()
            if key in held or key in ("kernel", "application")
        },
    )
