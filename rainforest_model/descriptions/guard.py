"""Security Guard: what it costs to intercept a privileged operation at the same privilege level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..errors import InputError
from .near import hint
from .parameter import Description, Name, Time

GUARDED = ("write_cr3", "page_table_update", "startup_ipi", "halt", "iommu")
"""Privileged operations that are intercepted (section 4.2)."""


class Guard(Description):
    """Time on top of each intercepted operation.

    Attributes
    ----------
    write_cr3, page_table_update, startup_ipi, halt, iommu : Parameter
        A switch of address spaces, an entry of a page table, a start of a core, a core put to sleep, an entry
        of a device's address space.
    """

    kind: Literal["guard"]
    id: Name
    title: str
    source: str
    write_cr3: Time
    page_table_update: Time
    startup_ipi: Time
    halt: Time
    iommu: Time

    def overhead_ns(self, operations: Mapping[str, float], clock_ghz: float | None = None) -> float:
        """What it adds to so many operations of each kind.

        Parameters
        ----------
        operations : mapping of str to float
            How many of each of `GUARDED`.
        clock_ghz : float, optional
            Where a cost is in cycles.

        Raises
        ------
        InputError
            If there is no such operation.

        Examples
        --------
        A switch to another process, and 512 pages of it that get mapped:

        >>> from rainforest_model.descriptions import load
        >>> load.guard().overhead_ns({"write_cr3": 1, "page_table_update": 512})
        15410.0
        """
        for name in operations:
            if name not in GUARDED:
                raise InputError(f"is not guarded{hint(name, GUARDED)}", key="operation", value=name)
        return sum(count * getattr(self, name).ns(clock_ghz) for name, count in operations.items())

    def __repr__(self) -> str:
        return f"<Guard: {len(GUARDED)} operations>"
