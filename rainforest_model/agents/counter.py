"""Per-core counters: cheap as long as a core stays below its batch, shared beyond it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import mesa

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel


class Counter(mesa.Agent):
    """A count in parts: one private part for each core, and a central one.

    Attributes
    ----------
    local : dict of Core to int
        What a core has counted (or: the spare references that it keeps) since it last went to the centre.
    central : int
        What has been folded into the centre.
    folds : int
        How often.
    """

    def __init__(self, model: MachineModel, name: str):
        super().__init__(model)
        self.name = name
        self.local: defaultdict[Core, int] = defaultdict(int)
        self.central = 0
        self.folds = 0

    def add(self, core: Core, amount: int, batch: int) -> bool:
        """Add to the core's part (``percpu_counter``); whether it reached the batch and has to be folded."""
        total = self.local[core] + amount
        if abs(total) < batch:
            self.local[core] = total
            return False
        self._fold(core, total)
        return True

    def change_spares(self, core: Core, taken: int, threshold: int) -> bool:
        """Take (`taken` = 1) or return (-1) a spare reference; whether the core has to go to the centre.

        It has to when it has none to take, or more than `threshold` after one was returned.
        """
        spares = self.local[core] - taken
        if spares > threshold:
            self._fold(core, spares)
            return True
        if spares < 0:
            self.folds += 1
            return True
        self.local[core] = spares
        return False

    def _fold(self, core: Core, amount: int) -> None:
        self.local[core] = 0
        self.central += amount
        self.folds += 1

    @property
    def value(self) -> int:
        """Central count and all parts together."""
        return self.central + sum(self.local.values())

    def __repr__(self) -> str:
        return f"<Counter {self.name}: {self.value}, folded {self.folds} times>"
