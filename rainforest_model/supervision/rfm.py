"""rfm: the management interface, on a live machine."""

from __future__ import annotations

import math
from numbers import Integral
from typing import TYPE_CHECKING

from ..errors import InputError
from .guard import SUPERVISOR
from .instance import Phase
from .operation import Operation, seconds
from .ownership import BLOCK_BYTES, POOLS

if TYPE_CHECKING:
    import pandas as pd

    from .machine import ElasticMachine

_BLOCKS_PER_GB = 2**30 // BLOCK_BYTES


class Rfm:
    """Commands to the supervisor of a machine.

    A command returns at once with an `Operation`, which is done or refused once time has gone on: it takes as long as
    its steps take.  What can be no command at all (no such name, not a number, more than the machine has) is an
    `InputError` at once; what the machine's state does not allow when its turn comes is a refused operation, with its
    reason.
    """

    def __init__(self, machine: ElasticMachine):
        self._machine = machine
        self._supervisor = machine.supervisor

    # --- commands ---------------------------------------------------------------------------------------------

    def create(self, name: str, *, cores: int, memory_gb: float | None = None, priority: int = 0) -> Operation:
        """Boot an instance on free cores and memory; it takes over a dormant partition of the scenario.

        Parameters
        ----------
        name : str
            That of a dormant partition, or a new one for the first dormant partition.
        cores : int
        memory_gb : float, optional
            By default the cores' share of the machine.
        priority : int

        Raises
        ------
        InputError
            If an argument does not fit.
        """
        if not isinstance(name, str) or not name or not name.isprintable():
            raise InputError("a printable name is needed", key="name", value=name)
        if name in POOLS or name == SUPERVISOR:
            raise InputError("is no name for an instance", key="name", value=name)
        cores = self._cores(cores)
        blocks = self._machine.share_of_memory(cores) if memory_gb is None else self._blocks(memory_gb)
        arguments = {"name": name, "cores": cores, "memory_gb": blocks / _BLOCKS_PER_GB, "priority": priority}
        priority = self._whole("priority", priority)
        return self._ask("create", arguments, self._supervisor.create(name, cores, blocks, priority))

    def destroy(self, name: str) -> Operation:
        """End an instance and take back all that it has."""
        return self._ask("destroy", {"name": self._name(name)}, self._supervisor.destroy(name))

    def resize(self, name: str, *, cores: int | None = None, memory_gb: float | None = None) -> Operation:
        """Bring an instance to so many cores and so much memory, from and to what is free."""
        if cores is None and memory_gb is None:
            raise InputError("say cores, memory_gb or both", key="resize", value=name)
        cores = None if cores is None else self._cores(cores)
        blocks = None if memory_gb is None else self._blocks(memory_gb)
        arguments = {"name": self._name(name), "cores": cores, "memory_gb": memory_gb}
        return self._ask("resize", arguments, self._supervisor.resize(name, cores, blocks))

    def borrow(self, borrower: str, lender: str, *, cores: int = 0, memory_gb: float = 0) -> Operation:
        """Let one instance use resources of another until `give_back`; the supervisor registers the loan."""
        self._two(borrower, lender, "lender")
        blocks = self._blocks(memory_gb) if memory_gb else 0
        cores = self._cores(cores) if cores else 0
        if not cores and not blocks:
            raise InputError("say cores, memory_gb or both", key="borrow", value=borrower)
        arguments = {"borrower": borrower, "lender": lender, "cores": cores, "memory_gb": memory_gb}
        return self._ask("borrow", arguments, self._supervisor.borrow(borrower, lender, cores, blocks))

    def give_back(self, borrower: str, lender: str) -> Operation:
        """Give back all that one instance has borrowed from another."""
        self._two(borrower, lender, "lender")
        arguments = {"borrower": borrower, "lender": lender}
        return self._ask("give back", arguments, self._supervisor.give_back(borrower, lender))

    def preempt(self, name: str, from_: str, *, cores: int = 1) -> Operation:
        """Take cores from an instance of lower priority, for good."""
        self._two(name, from_, "from_")
        cores = self._cores(cores)
        arguments = {"name": name, "from_": from_, "cores": cores}
        return self._ask("preempt", arguments, self._supervisor.preempt(name, from_, cores))

    def transfer(self, giver: str, taker: str, *, cores: int = 1) -> Operation:
        """Move cores from one instance to another, for good, whatever their priorities."""
        self._two(taker, giver, "giver")
        cores = self._cores(cores)
        arguments = {"giver": giver, "taker": taker, "cores": cores}
        return self._ask("transfer", arguments, self._supervisor.transfer(giver, taker, cores))

    def fail(self, name: str) -> None:
        """Let the kernel of an instance crash, now: its threads end, and it keeps its resources until `destroy`.

        Raises
        ------
        InputError
            If there is none of this name, or it does not live.
        """
        self._machine.fail(name)

    # --- what there is ----------------------------------------------------------------------------------------

    def list(self) -> pd.DataFrame:
        """One row for each instance.

        Returns
        -------
        DataFrame
            Columns name, state, priority, cores, core_numbers, communication_core, memory_gb, devices, domain.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                (
                    i.name, i.state.value, i.priority, len(i.cores), i.cores, i.communication_core, i.memory_gb,
                    i.devices, i.domain,
                )
                for i in self._machine.instances.values()
            ],
            columns=[
                "name", "state", "priority", "cores", "core_numbers", "communication_core", "memory_gb", "devices",
                "domain",
            ],
        )

    def account(self) -> pd.DataFrame:
        """What each owner has had so far; the rows add up to the machine.

        Returns
        -------
        DataFrame
            Columns owner (instances, ``free``, ``in transit``), cores, memory_gb: now; core_s, busy_s, memory_gb_s:
            until now; answered.
        """
        import pandas as pd

        machine = self._machine
        machine.turn_accounts()
        ledger = machine.ledger
        names = dict.fromkeys((*machine.instances, *ledger.owners, *POOLS))
        rows = []
        for owner in names:
            had = ledger.account(owner)
            rows.append((
                owner, len(ledger.cores_of(owner)), ledger.blocks_of(owner) / _BLOCKS_PER_GB, seconds(had.core_ticks),
                seconds(had.busy_ticks), seconds(had.block_ticks) / _BLOCKS_PER_GB,
                machine.answered(owner) if owner in machine.instances else 0,
            ))
        columns = ["owner", "cores", "memory_gb", "core_s", "busy_s", "memory_gb_s", "answered"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def operations(self) -> list[Operation]:
        """The record of all commands."""
        return list(self._supervisor.operations)

    # --- arguments --------------------------------------------------------------------------------------------

    def _ask(self, kind: str, arguments: dict, process) -> Operation:
        return self._supervisor.ask(kind, arguments, process)

    def _name(self, name: str, key: str = "name") -> str:
        coming = {o.arguments["name"] for o in self._supervisor.pending if o.kind == "create"}
        if name not in self._machine.instances and name not in coming:
            known = ", ".join(self._machine.instances)
            raise InputError(f"no such instance; known: {known}", key=key, value=name)
        return name

    def _two(self, taker: str, giver: str, key: str) -> None:
        self._name(taker)
        if self._name(giver, key) == taker:
            raise InputError("two different instances are needed", key=key, value=giver)

    def _whole(self, key: str, value: int) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InputError("a whole number is needed", key=key, value=value)
        return int(value)

    def _cores(self, cores: int) -> int:
        have = self._machine.ledger.core_count
        if not 1 <= self._whole("cores", cores) <= have:
            raise InputError(f"must lie in 1 .. {have}, which are in use on the machine", key="cores", value=cores)
        return int(cores)

    def _blocks(self, memory_gb: float) -> int:
        try:
            blocks = float(memory_gb) * _BLOCKS_PER_GB
        except (TypeError, ValueError):
            raise InputError("a number is needed", key="memory_gb", value=memory_gb) from None
        have = self._machine.ledger.block_count
        if not math.isfinite(blocks) or not 1 <= blocks <= have:
            reason = f"must lie above 0 and up to {have / _BLOCKS_PER_GB:g}, which the machine has"
            raise InputError(reason, key="memory_gb", value=memory_gb)
        if blocks != round(blocks):
            raise InputError(f"memory comes in blocks of {BLOCK_BYTES // 2**20} MB", key="memory_gb", value=memory_gb)
        return round(blocks)

    def __repr__(self) -> str:
        living = [i.name for i in self._machine.instances.values() if i.state not in (Phase.DESTROYED, Phase.DORMANT)]
        return f"<rfm: {', '.join(living)}>"
