"""The address space of a kernel, and where in it a subOS finds the memory that it owns.

Plain Linux maps all memory from physical address 0 on at ``PAGE_OFFSET``.  A subOS maps the start of its own memory
there, and what it gets later with lower addresses into a hole after ``__START_KERNEL_map`` (RainForest, arXiv
1604.01378, section 5.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import model_validator

from ..errors import InputError
from .parameter import Description, Name, Size, misfit

TOP = 2**64
"""Addresses have 64 bits; the kernel's are counted from here downwards."""
DIRECT, KERNEL = "direct", "kernel"
"""Areas that every address space needs: the mapping of own memory, and the one with the image and the hole."""


class Area(Description):
    """A stretch of virtual addresses.

    Attributes
    ----------
    title, symbol : str
        What it is for, and the kernel's name of its start.
    below_top : Parameter
        By how much it starts below the end of the address space.
    size : Parameter
    """

    title: str
    symbol: Name
    below_top: Size
    size: Size

    @property
    def start(self) -> int:
        """Its first address."""
        return TOP - round(self.below_top.plain())

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.start + round(self.size.plain())


class Mapping(NamedTuple):
    """A piece of physical memory and its place in the address space.

    Attributes
    ----------
    area : str
        Of the address space; empty if there is no room.
    physical : int
        First physical address.
    size : int
        In bytes.
    virtual : int or None
        First virtual address; None if there is no room.
    """

    area: str
    physical: int
    size: int
    virtual: int | None


class AddressSpace(Description):
    """A 64-bit address space.

    Attributes
    ----------
    user : Parameter
        Size of the part of a process, which starts at 0.
    low_memory, shared_page : Parameter
        Physical memory that all OS instances share, from address 0 on and elsewhere.
    image_start, image : Parameter
        Where the kernel lies in its memory, and how long it is.
    areas : dict of str to Area
        Of the kernel, by ascending address.
    """

    kind: Literal["address_space"]
    id: Name
    title: str
    source: str
    user: Size
    low_memory: Size
    shared_page: Size
    image_start: Size
    image: Size
    areas: dict[Name, Area]

    @model_validator(mode="after")
    def _apart(self):
        for key in (DIRECT, KERNEL):
            if key not in self.areas:
                raise misfit("areas", f"there must be an area {key}")
        end, before = round(self.user.plain()), "user"
        for name, area in self.areas.items():
            if area.start < end:
                raise misfit(("areas", name, "below_top"), f"it starts inside {before}, or before it")
            if area.end > TOP:
                raise misfit(("areas", name, "size"), "it reaches beyond the address space")
            end, before = area.end, name
        if self.hole[0] > self.hole[1]:
            raise misfit("image", f"is longer than the area {KERNEL}")
        return self

    @property
    def hole(self) -> tuple[int, int]:
        """First address, and the one after the last, of what the kernel image leaves of its area."""
        image = round(self.image_start.plain()) + round(self.image.plain())
        return self.areas[KERNEL].start + image, self.areas[KERNEL].end

    def mappings(self, start: int, memory: Sequence[tuple[int, int]]) -> tuple[Mapping, ...]:
        """Where a kernel that was booted at physical address `start` finds its memory.

        Parameters
        ----------
        start : int
            0 for plain Linux.
        memory : sequence of (int, int)
            Pieces of physical memory that it has: first address and size in bytes.  Those that lie before `start`
            fill the hole in this order; a piece is cut where the hole ends.

        Raises
        ------
        InputError
            If a piece has no positive size, or begins before `start` and ends after it.

        Examples
        --------
        16 GB at 4 GB, and later 1 GB from the very beginning, for which the hole is too small:

        >>> from rainforest_model.descriptions import load
        >>> GB = 2**30
        >>> for piece in load.address_space().mappings(4 * GB, [(4 * GB, 16 * GB), (0, GB)]):
        ...     print(piece.area or "no room", piece.size // 2**20, "MB", piece.virtual and hex(piece.virtual))
        direct 16384 MB 0xffff880000000000
        kernel 480 MB 0xffffffff82000000
        no room 544 MB None
        """
        found, (place, end) = [], self.hole
        direct = self.areas[DIRECT]
        for physical, size in memory:
            if size <= 0 or physical < 0 or physical < start < physical + size:
                raise InputError("is no piece before or behind the start", key="memory", value=(physical, size))
            if physical >= start:
                virtual = direct.start + physical - start
                if virtual + size > direct.end:
                    raise InputError("is more than the direct mapping holds", key="memory", value=(physical, size))
                found.append(Mapping(DIRECT, physical, size, virtual))
                continue
            fits = min(size, end - place)
            if fits:
                found.append(Mapping(KERNEL, physical, fits, place))
            if size > fits:
                found.append(Mapping("", physical + fits, size - fits, None))
            place += fits
        return tuple(found)

    def __repr__(self) -> str:
        return f"<AddressSpace {self.id}: {len(self.areas)} areas of the kernel>"
