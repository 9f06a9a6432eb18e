"""The parts that a prototype adds to its kernels, who has them, and the few structures that all share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .near import hint
from .parameter import Description, Name, Plain, misfit


class Part(Description):
    """A part.

    Attributes
    ----------
    title : str
    of : {"supervisor", "subos", "both"}
        Who has one.
    level : {"user", "kernel"}
    module : str, optional
        The kernel module that it belongs to.
    upon : tuple of str
        Parts that it uses.
    channel : {"always", "on demand"}, optional
        Whether it connects any two who have it, and since when.
    shares : tuple of str
        Shared structures that it needs.
    threads : Parameter, optional
        Kernel threads of each copy.
    built : bool
        Whether the prototype has it.
    source : str
    """

    title: Name
    of: Literal["supervisor", "subos", "both"]
    level: Literal["user", "kernel"]
    module: Name | None = None
    upon: tuple[Name, ...] = ()
    channel: Literal["always", "on demand"] | None = None
    shares: tuple[Name, ...] = ()
    threads: Plain | None = None
    built: bool = True
    source: str = Field(min_length=3)


class Shared(Description):
    """A structure that the supervisor keeps and all may read.

    Attributes
    ----------
    title : str
    built : bool
    source : str
    """

    title: Name
    built: bool = True
    source: str = Field(min_length=3)


class Parts(Description):
    """All parts of a prototype.

    Attributes
    ----------
    id : str
        The partitioning that it implements.
    parts : dict of str to Part
    shared : dict of str to Shared
    """

    kind: Literal["parts"]
    id: Name
    title: str
    source: str
    parts: dict[Name, Part]
    shared: dict[Name, Shared] = {}

    @model_validator(mode="after")
    def _known(self):
        for name, part in self.parts.items():
            for key, known in (("upon", self.parts), ("shares", self.shared)):
                for other in getattr(part, key):
                    if other not in known:
                        raise misfit(("parts", name, key), f"there is no {other}{hint(other, known)}")
            if name in part.upon:
                raise misfit(("parts", name, "upon"), "a part does not stand upon itself")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """Parts that connect two OS instances."""
        return tuple(name for name, part in self.parts.items() if part.channel is not None)

    def of(self, who: Literal["supervisor", "subos"]) -> dict[str, Part]:
        """The parts that the supervisor or a subOS has."""
        return {name: part for name, part in self.parts.items() if part.of in (who, "both")}

    def __repr__(self) -> str:
        return f"<Parts of {self.id}: {len(self.parts)} parts, {len(self.shared)} shared structures>"
