"""Who owns what: a double-entry ledger of cores and memory, with loans, whose accounts add up exactly.

Each core and each block of memory has exactly one owner at any time: an OS instance, the free pool of the
supervisor, or, between the two, nobody who could use it (`TRANSIT`).  The ledger counts in whole ticks, so that the
accounts of all owners together are those of the machine to the last tick.  It knows nothing of an engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

FREE = "free"
"""The supervisor's pool."""
TRANSIT = "in transit"
"""Given up by one owner, and not yet taken over by the next."""
POOLS = (FREE, TRANSIT)
"""Owners that are no OS instances; no instance may have their names."""

BLOCK_BYTES = 2 * 2**20
"""Memory changes hands in large pages of x86-64."""
PAGES_PER_BLOCK = BLOCK_BYTES // 4096


class OwnershipViolation(RuntimeError):
    """A resource would have two owners or none, or an account does not add up."""


@dataclass(frozen=True)
class Loan:
    """Resources of one instance that another one uses, registered with the supervisor.

    Attributes
    ----------
    number : int
    lender, borrower : str
    cores : tuple of int
    blocks : int
        Memory, in blocks of `BLOCK_BYTES`.
    since : int
        Tick of its registration.
    """

    number: int
    lender: str
    borrower: str
    cores: tuple[int, ...]
    blocks: int
    since: int


class Account(NamedTuple):
    """What an owner had over time: ticks of cores owned and busy, and ticks of memory blocks owned."""

    core_ticks: int
    busy_ticks: int
    block_ticks: int

    def __add__(self, other: Account) -> Account:
        return Account(*(a + b for a, b in zip(self, other, strict=True)))


class Ledger:
    """The resources of a machine and their owners; at first all are free.

    Parameters
    ----------
    cores, blocks : int
        How many there are.

    Attributes
    ----------
    now : int
        Tick of the last entry.
    loans : dict of int to Loan
        The running ones, by number.

    Examples
    --------
    >>> ledger = Ledger(cores=4, blocks=100)
    >>> ledger.take(FREE, cores=[0, 1], blocks=50); ledger.put("search", cores=[0, 1], blocks=50)
    >>> ledger.cores_of("search"), ledger.blocks_of(FREE)
    ((0, 1), 50)
    >>> ledger.turn(1000, busy=[700, 0, 0, 0])
    >>> ledger.account("search")
    Account(core_ticks=2000, busy_ticks=700, block_ticks=50000)
    """

    def __init__(self, cores: int, blocks: int):
        self.now = 0
        self.loans: dict[int, Loan] = {}
        self._cores: dict[str, list[int]] = defaultdict(list)
        self._cores[FREE] = list(range(cores))
        self._core_owner = [FREE] * cores
        self._names = [FREE]
        self._block_owner = np.zeros(blocks, np.int16)
        self._counts: dict[str, int] = defaultdict(int, {FREE: blocks})
        self._accounts: dict[str, Account] = defaultdict(lambda: Account(0, 0, 0))
        self._busy = [0] * cores
        self._loans_so_far = 0

    # --- who owns what --------------------------------------------------------------------------------------

    @property
    def owners(self) -> tuple[str, ...]:
        """All who own something or ever did."""
        return tuple(dict.fromkeys((*self._accounts, *self._cores, *self._counts)))

    @property
    def core_count(self) -> int:
        """Cores of the machine."""
        return len(self._core_owner)

    @property
    def block_count(self) -> int:
        """Blocks of memory of the machine."""
        return len(self._block_owner)

    def owner(self, core: int) -> str:
        """Owner of a core."""
        return self._core_owner[core]

    def cores_of(self, owner: str) -> tuple[int, ...]:
        """Cores of an owner in the order in which they were acquired."""
        return tuple(self._cores.get(owner, ()))

    def blocks_of(self, owner: str) -> int:
        """Number of memory blocks of an owner."""
        return self._counts.get(owner, 0)

    def extents(self, owner: str) -> tuple[range, ...]:
        """Memory of an owner as ascending ranges of block numbers."""
        if owner not in self._names:
            return ()
        mine = np.flatnonzero(self._block_owner == self._names.index(owner))
        if not len(mine):
            return ()
        runs = np.split(mine, np.flatnonzero(np.diff(mine) > 1) + 1)
        return tuple(range(int(run[0]), int(run[-1]) + 1) for run in runs)

    # --- changes ----------------------------------------------------------------------------------------------

    def turn(self, now: int, busy: Sequence[int] | None = None) -> None:
        """Bring all accounts up to the tick `now`; an entry counts from the last turn on.

        Parameters
        ----------
        now : int
        busy : sequence of int, optional
            Ticks for which each core had a task so far; without it the cores were idle since the last turn.
        """
        span = now - self.now
        if span < 0:
            raise OwnershipViolation(f"an entry for tick {now} after one for tick {self.now}")
        busy = self._busy if busy is None else [int(ticks) for ticks in busy]
        if any(not after - before >= 0 for before, after in zip(self._busy, busy, strict=True)):
            raise OwnershipViolation("a core's busy time fell")
        for owner in self.owners:
            cores = self._cores.get(owner, ())
            self._accounts[owner] += Account(
                span * len(cores), sum(busy[core] - self._busy[core] for core in cores), span * self.blocks_of(owner)
            )
        self.now, self._busy = now, list(busy)

    def take(self, owner: str, cores: Iterable[int] = (), blocks: int = 0) -> None:
        """Bring resources of an owner into transit.

        Raises
        ------
        OwnershipViolation
            If the owner does not have them; then nothing has changed.
        """
        self._move(owner, TRANSIT, tuple(cores), blocks)

    def put(self, owner: str, cores: Iterable[int] = (), blocks: int = 0) -> None:
        """Give resources in transit to an owner.

        Raises
        ------
        OwnershipViolation
            If they are not in transit; then nothing has changed.
        """
        self._move(TRANSIT, owner, tuple(cores), blocks)

    def _move(self, giver: str, taker: str, cores: tuple[int, ...], blocks: int) -> None:
        if len(set(cores)) != len(cores):
            raise OwnershipViolation(f"cores {cores} name one twice")
        for core in cores:
            if not 0 <= core < self.core_count:
                raise OwnershipViolation(f"there is no core {core}")
            if self._core_owner[core] != giver:
                raise OwnershipViolation(f"core {core} is owned by {self._core_owner[core]}, not by {giver}")
        if not 0 <= blocks <= self.blocks_of(giver):
            raise OwnershipViolation(f"{giver} has {self.blocks_of(giver)} memory blocks, not {blocks}")
        for core in cores:
            self._cores[giver].remove(core)
            self._cores[taker].append(core)
            self._core_owner[core] = taker
        if blocks:
            # The giver's last ones go, so that what it had from the first stays in one piece.
            mine = np.flatnonzero(self._block_owner == self._number(giver))
            chosen = mine[:blocks] if giver in POOLS else mine[-blocks:]
            self._block_owner[chosen] = self._number(taker)
            self._counts[giver] -= blocks
            self._counts[taker] += blocks

    def _number(self, owner: str) -> int:
        if owner not in self._names:
            self._names.append(owner)
        return self._names.index(owner)

    # --- loans ------------------------------------------------------------------------------------------------

    def lend(self, lender: str, borrower: str, cores: Iterable[int] = (), blocks: int = 0) -> Loan:
        """Register that the borrower, who has them by now, uses resources of the lender.

        Raises
        ------
        OwnershipViolation
            If the borrower does not have them, or has them on loan already.
        """
        cores = tuple(cores)
        lent_cores, lent_blocks = self.borrowed(borrower)
        missing = [core for core in cores if core not in self._cores.get(borrower, ()) or core in lent_cores]
        if missing or blocks > self.blocks_of(borrower) - lent_blocks:
            raise OwnershipViolation(f"{borrower} has no such cores {missing} or blocks of its own to register as lent")
        self._loans_so_far += 1
        loan = Loan(self._loans_so_far, lender, borrower, cores, blocks, self.now)
        self.loans[loan.number] = loan
        return loan

    def strike(self, loan: Loan, cores: Iterable[int] = (), blocks: int = 0) -> Loan:
        """Strike resources off a loan, as they have left the borrower; the loan ends with the last of them.

        Returns
        -------
        Loan
            What is left of it.

        Raises
        ------
        OwnershipViolation
            If it is not running, or not about these.
        """
        cores = tuple(cores)
        if self.loans.get(loan.number) != loan:
            raise OwnershipViolation(f"loan {loan.number} is not running")
        if not set(cores) <= set(loan.cores) or not 0 <= blocks <= loan.blocks:
            raise OwnershipViolation(f"loan {loan.number} is not about cores {cores} and {blocks} blocks")
        rest = replace(loan, cores=tuple(c for c in loan.cores if c not in cores), blocks=loan.blocks - blocks)
        if rest.cores or rest.blocks:
            self.loans[loan.number] = rest
        else:
            del self.loans[loan.number]
        return rest

    def borrowed(self, borrower: str) -> tuple[frozenset[int], int]:
        """Cores and number of memory blocks that somebody has on loan."""
        running = [loan for loan in self.loans.values() if loan.borrower == borrower]
        return frozenset(core for loan in running for core in loan.cores), sum(loan.blocks for loan in running)

    def own_cores(self, owner: str) -> tuple[int, ...]:
        """Cores of an owner that are not on loan to it, in the order in which they were acquired."""
        lent, _ = self.borrowed(owner)
        return tuple(core for core in self.cores_of(owner) if core not in lent)

    def own_blocks(self, owner: str) -> int:
        """Memory blocks of an owner that are not on loan to it."""
        return self.blocks_of(owner) - self.borrowed(owner)[1]

    # --- accounts ---------------------------------------------------------------------------------------------

    def account(self, owner: str) -> Account:
        """What an owner had until the last turn."""
        return self._accounts[owner] if owner in self._accounts else Account(0, 0, 0)

    def check(self) -> None:
        """Assert that each resource has one owner, that loans name what the borrowers have, and that accounts add up.

        Raises
        ------
        OwnershipViolation
        """
        listed = sorted(core for cores in self._cores.values() for core in cores)
        if listed != list(range(self.core_count)):
            raise OwnershipViolation(f"owners list the cores {listed}; there are {self.core_count}")
        for owner, cores in self._cores.items():
            for core in cores:
                if self._core_owner[core] != owner:
                    raise OwnershipViolation(f"{owner} lists core {core} of {self._core_owner[core]}")
        counted = np.bincount(self._block_owner, minlength=len(self._names))
        for number, owner in enumerate(self._names):
            if counted[number] != self.blocks_of(owner):
                raise OwnershipViolation(f"{owner} has {counted[number]} blocks, not {self.blocks_of(owner)}")
        for borrower in {loan.borrower for loan in self.loans.values()}:
            cores, blocks = self.borrowed(borrower)
            if not cores <= set(self.cores_of(borrower)) or blocks > self.blocks_of(borrower):
                raise OwnershipViolation(f"{borrower} has not all that it has on loan")
        total = sum(self._accounts.values(), Account(0, 0, 0))
        whole = Account(self.core_count * self.now, sum(self._busy), self.block_count * self.now)
        if total != whole:
            raise OwnershipViolation(f"the accounts add up to {total}, and the machine's is {whole}")

    def __repr__(self) -> str:
        held = ", ".join(f"{owner} {len(cores)}" for owner, cores in self._cores.items() if cores)
        return f"<Ledger: cores of {held}; {len(self.loans)} loans>"
