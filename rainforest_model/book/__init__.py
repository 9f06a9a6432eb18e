"""The book: README, course, figures and tables as a static site that opens from a file and asks nothing of a network.

``python -m rainforest_model.book`` (or ``make book``) executes the notebooks, keeps each executed copy by what it came
from, replaces what needs a kernel by its first output, and has Sphinx make pages of it all.
"""

from __future__ import annotations

from .offline import faults
from .site import Book, build

__all__ = ["Book", "build", "faults"]
