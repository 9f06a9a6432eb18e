"""Security Guard: privileged operations of kernels at one privilege level, checked against resource descriptions.

The supervisor and the subOSes all run in ring 0, so no hardware keeps one from the other's memory.  Security Guard,
a module in each kernel, intercepts what could: page-table updates and loads of CR3, start-up IPIs and HALT, and the
configuration of the IOMMU.  It looks the target up in descriptions of who owns what, which every guard can read and
only the supervisor's can write.  (RainForest, arXiv 1604.01378, section 4.2; its prototype is without it.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from ..descriptions.guard import GUARDED, Guard
from ..errors import InputError

SUPERVISOR = "supervisor"
"""Who alone may write descriptions."""


@dataclass(frozen=True)
class ResourceDescription:
    """What an instance may use.

    Attributes
    ----------
    cores : frozenset of int
    memory : tuple of range
        Numbers of its memory blocks.
    devices : frozenset of str
    shared : tuple of range
        Memory blocks of others that it may map, as `rf_map` arranges.
    """

    cores: frozenset[int] = frozenset()
    memory: tuple[range, ...] = ()
    devices: frozenset[str] = frozenset()
    shared: tuple[range, ...] = ()

    def may_map(self, block: int) -> bool:
        """Whether a memory block is its own or shared with it."""
        return any(block in extent for extent in (*self.memory, *self.shared))

    def owns(self, block: int) -> bool:
        """Whether a memory block is its own."""
        return any(block in extent for extent in self.memory)


@dataclass(frozen=True)
class PrivilegedOperation:
    """An instruction that Security Guard intercepts; a subclass says what it needs.

    Attributes
    ----------
    kind : str
        The key of its price.
    """

    kind: ClassVar[str]

    def objection(self, described: ResourceDescription) -> str | None:
        """Why an instance that is described so may not do it; None if it may."""
        raise NotImplementedError


@dataclass(frozen=True)
class PageTableUpdate(PrivilegedOperation):
    """Map memory block `block`."""

    kind: ClassVar[str] = "page_table_update"
    block: int

    def objection(self, described):
        return None if described.may_map(self.block) else f"memory block {self.block} belongs to somebody else"


@dataclass(frozen=True)
class LoadCr3(PrivilegedOperation):
    """Switch to a page table that lies in memory block `block`."""

    kind: ClassVar[str] = "write_cr3"
    block: int

    def objection(self, described):
        # Not a shared block: its owner could rewrite the table.
        return None if described.owns(self.block) else f"memory block {self.block} with the table is somebody else's"


@dataclass(frozen=True)
class OnCore(PrivilegedOperation):
    """Base of what is done to a core, which must be one's own."""

    core: int

    def objection(self, described):
        return None if self.core in described.cores else f"core {self.core} belongs to somebody else"


@dataclass(frozen=True)
class StartupIpi(OnCore):
    """Send a start-up interrupt to a core, which then jumps to where the sender wants."""

    kind: ClassVar[str] = "startup_ipi"


@dataclass(frozen=True)
class Halt(OnCore):
    """Stop a core."""

    kind: ClassVar[str] = "halt"


@dataclass(frozen=True)
class ConfigureIommu(PrivilegedOperation):
    """Let a device reach memory block `block`."""

    kind: ClassVar[str] = "iommu"
    device: str
    block: int

    def objection(self, described):
        if self.device not in described.devices:
            return f"device {self.device} belongs to somebody else"
        return None if described.may_map(self.block) else f"memory block {self.block} belongs to somebody else"


@dataclass(frozen=True)
class WriteDescription(PrivilegedOperation):
    """Write the description of an instance."""

    kind: ClassVar[str] = "write_description"
    of: str

    def objection(self, described):
        return "descriptions are read-only outside the supervisor"


KINDS = (*GUARDED, WriteDescription.kind)
"""What the guard checks; the keys of its prices."""


@dataclass(frozen=True)
class Permitted:
    """An operation that was let through.

    Attributes
    ----------
    tick : int
    instance : str
    operation : PrivilegedOperation
    """

    tick: int
    instance: str
    operation: PrivilegedOperation

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class Refused:
    """An operation that was not executed: an event in the guard's record, and false.

    Attributes
    ----------
    tick : int
    instance : str
    operation : PrivilegedOperation
    reason : str
    """

    tick: int
    instance: str
    operation: PrivilegedOperation
    reason: str

    def __bool__(self) -> bool:
        return False


class SecurityGuard:
    """The guards of all kernels: one set of descriptions, one record of what was refused.

    Parameters
    ----------
    costs_ns : mapping of str to float, optional
        Nanoseconds that the check of an operation takes, by its kind; a kind that is left out is free.

    Attributes
    ----------
    descriptions : mapping of str to ResourceDescription
        Readable by all; `write` is the only way to change them.
    refused : list of Refused
        Oldest first.
    checked : dict of str to int
        How many operations of each kind were checked.

    Raises
    ------
    InputError
        If a cost is of no known kind, or negative.

    Examples
    --------
    >>> guard = SecurityGuard()
    >>> guard.write(SUPERVISOR, "batch", ResourceDescription(cores=frozenset({4, 5})))
    Permitted(tick=0, instance='supervisor', operation=WriteDescription(of='batch'))
    >>> bool(guard.attempt("batch", Halt(4)))
    True
    >>> guard.attempt("batch", Halt(0)).reason
    'core 0 belongs to somebody else'
    """

    def __init__(self, costs_ns: Mapping[str, float] | None = None):
        self.costs_ns = dict(costs_ns or {})
        for kind, cost in self.costs_ns.items():
            if kind not in KINDS:
                raise InputError(f"no such operation; known: {', '.join(KINDS)}", key="costs_ns", value=kind)
            if not 0 <= cost < float("inf"):
                raise InputError("a cost is not negative", key=f"costs_ns.{kind}", value=cost)
        self._descriptions: dict[str, ResourceDescription] = {}
        self.descriptions: Mapping[str, ResourceDescription] = MappingProxyType(self._descriptions)
        self.refused: list[Refused] = []
        self.checked: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._clock: Callable[[], int] = lambda: 0
        self._charge: Callable[[str, float], None] = lambda instance, ns: None

    @classmethod
    def described(cls, guard: Guard, clock_ghz: float | None = None) -> SecurityGuard:
        """One with described costs.

        Examples
        --------
        >>> from rainforest_model.descriptions import load
        >>> SecurityGuard.described(load.guard(), clock_ghz=2.4).costs_ns["page_table_update"] > 0
        True
        """
        return cls({kind: getattr(guard, kind).ns(clock_ghz) for kind in GUARDED})

    def install(self, clock: Callable[[], int], charge: Callable[[str, float], None]) -> None:
        """Put it into the kernels of a machine.

        Parameters
        ----------
        clock : callable
            Tells the tick.
        charge : callable
            Given an instance and nanoseconds, keeps the core of its kernel for so long.
        """
        self._clock, self._charge = clock, charge

    def attempt(self, instance: str, operation: PrivilegedOperation) -> Permitted | Refused:
        """Let an instance's kernel try an operation.

        Returns
        -------
        Permitted or Refused
            The second one is false, and recorded.
        """
        self.checked[operation.kind] += 1
        self._charge(instance, self.costs_ns.get(operation.kind, 0.0))
        writes = isinstance(operation, WriteDescription)
        if instance not in self._descriptions and instance != SUPERVISOR:
            objection = "nobody of this name is described"
        elif writes and instance == SUPERVISOR:
            objection = None
        else:
            objection = operation.objection(self._descriptions.get(instance, ResourceDescription()))
        if objection is None:
            return Permitted(self._clock(), instance, operation)
        event = Refused(self._clock(), instance, operation, objection)
        self.refused.append(event)
        return event

    def write(self, writer: str, of: str, description: ResourceDescription | None) -> Permitted | Refused:
        """Write the description of an instance, or with None strike it out; only the supervisor may."""
        answer = self.attempt(writer, WriteDescription(of))
        if answer and description is None:
            self._descriptions.pop(of, None)
        elif answer:
            self._descriptions[of] = description
        return answer

    def share(self, writer: str, memory: tuple[range, ...], user: str) -> Permitted | Refused:
        """Let an instance map memory of another (`rf_map`); only the supervisor may arrange it.

        Raises
        ------
        InputError
            If nobody of the user's name is described.
        """
        if user not in self._descriptions:
            raise InputError("nobody of this name is described", key="user", value=user)
        described = self._descriptions[user]
        return self.write(writer, user, replace(described, shared=(*described.shared, *memory)))

    def unshare(self, writer: str, memory: tuple[range, ...], user: str) -> Permitted | Refused:
        """Take back what `share` has arranged.

        Raises
        ------
        InputError
            If nobody of the user's name is described.
        """
        if user not in self._descriptions:
            raise InputError("nobody of this name is described", key="user", value=user)
        described = self._descriptions[user]
        left = tuple(extent for extent in described.shared if extent not in memory)
        return self.write(writer, user, replace(described, shared=left))

    def __repr__(self) -> str:
        return f"<SecurityGuard: {sum(self.checked.values())} operations checked, {len(self.refused)} refused>"
