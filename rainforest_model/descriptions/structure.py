"""A shared kernel structure: its kind, and the scope at which one copy of it exists."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .expression import LONGEST
from .parameter import Description, misfit

Scope = Literal["core", "process", "node", "container", "instance", "machine"]
SCOPES: tuple[str, ...] = ("core", "process", "node", "container", "instance", "machine")
"""Ordered from private to global.  An *instance* is one running kernel; a *container* one partition,
whether or not it has a kernel of its own; a *node* is the memory of one socket within an instance."""

Kind = Literal[
    "ticket_lock",       # FIFO spin lock; its hand-off grows with its waiters
    "queue_lock",        # MCS or qspinlock; its hand-off does not
    "mutex",             # sleeping lock; a woken waiter must try again
    "rwsem",             # sleeping reader-writer lock, granted in arrival order
    "percpu_counter",    # per-CPU deltas, folded under a lock past a batch
    "sloppy_counter",    # per-core spare references of a central count
    "atomic",            # one line, one atomic read-modify-write each time
    "locked_count",      # a count changed under its own spin lock
    "percpu",            # a private copy each core: never contended
    "rcu",               # readers store nothing
    "seqlock",           # readers retry when a writer came between
    "line",              # plain data on one cache line
    "tlb",               # how translations are flushed on other cores
    "absent",            # this kernel has no such structure
]


_UNDIVIDED = ("percpu_counter", "sloppy_counter", "percpu", "rcu", "tlb")
"""Kinds that have a part for each core, or nothing to divide."""


class Structure(Description):
    """One row of the paper's idea: what a structure is and who shares it.

    Attributes
    ----------
    kind : str
        What it is (see `Kind`).
    scope : str
        At which scope one copy exists (see `SCOPES`).  A ``tlb`` with scope ``core`` has no other core to flush.
    lock : {"ticket", "queue"}, optional
        The spin lock inside a ``percpu_counter`` or a ``locked_count``, or around ``tlb`` slots.
    lock_scope : str, optional
        At which scope one copy of the lock inside a count exists, where that is not the count's own.
    waiting : {"sleep", "optimistic"}
        How a ``mutex`` or ``rwsem`` waits: at once asleep, or spinning while its owner runs.
    interrupts_off : bool
        Whether the holder of a spin lock keeps interrupts off (``spin_lock_irqsave``).
    batch : str, optional
        Of a ``percpu_counter``: an expression of what a number of a program may name; of a ``sloppy_counter``:
        the spare references a core keeps.
    slots : int
        Of ``tlb``: flush slots, each a lock that is held until all targets have answered; slot =
        core mod slots.  0: per-CPU queues, nothing shared.
    copies : int
        Copies side by side at the scope, of which each core uses the one of its number modulo `copies`: the
        queues of a network card, say.
    pages_per_flush : int, optional
        Of ``tlb``: pages gathered before the next flush.
    single_page_limit : int
        Of ``tlb``: up to so many pages are flushed one by one.
    transport : {"interrupts", "messages"}
        Of ``tlb``: how other cores are told.  ``messages``: a monitor on each core polls for cache lines, and
        answers by one.
    phases : int
        Of a ``tlb`` by messages: rounds of them until all agree (1 or 2 phases of a commit).
    label : str, optional
        The kernel's own name, where the key is not.
    source : str
        File and version, or the publication.
    """

    kind: Kind
    scope: Scope
    lock: Literal["ticket", "queue"] | None = None
    lock_scope: Scope | None = None
    waiting: Literal["sleep", "optimistic"] = "sleep"
    interrupts_off: bool = False
    batch: str | None = Field(default=None, max_length=LONGEST)
    slots: int = Field(default=0, ge=0, le=64)
    copies: int = Field(default=1, ge=1, le=64)
    pages_per_flush: int | None = Field(default=None, ge=1, le=2**31)
    single_page_limit: int = Field(default=0, ge=0, le=2**31)
    transport: Literal["interrupts", "messages"] = "interrupts"
    phases: int = Field(default=1, ge=1, le=2)
    label: str | None = None
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _complete(self):
        needs_lock = self.kind in ("percpu_counter", "locked_count") or (self.kind == "tlb" and self.slots)
        if needs_lock and self.lock is None:
            raise misfit("lock", f"a {self.kind} needs \"ticket\" or \"queue\"")
        if not needs_lock and self.lock is not None:
            raise misfit("lock", f"a {self.kind} has no lock of its own")
        if self.lock_scope is not None and self.kind not in ("percpu_counter", "locked_count"):
            raise misfit("lock_scope", "belongs to percpu_counter and locked_count")
        if (self.kind in ("percpu_counter", "sloppy_counter")) != (self.batch is not None):
            raise misfit("batch", "belongs to percpu_counter and sloppy_counter, and they need it")
        if (self.kind == "tlb") != (self.pages_per_flush is not None):
            raise misfit("pages_per_flush", "belongs to tlb, and it needs it")
        if self.copies > 1 and (self.kind in _UNDIVIDED or self.scope in ("core", "node")):
            raise misfit("copies", f"a {self.kind} of scope {self.scope} is divided by core already, or not at all")
        by_messages = self.transport == "messages"
        if by_messages and (self.kind != "tlb" or self.slots):
            raise misfit("transport", "messages are for a tlb without slots")
        if self.phases > 1 and not by_messages:
            raise misfit("phases", "only messages have phases; an interrupt is answered once")
        return self

    @property
    def around(self) -> Structure:
        """The structure at the scope of the lock inside."""
        return self if self.lock_scope is None else self.model_copy(update={"scope": self.lock_scope})

    def __repr__(self) -> str:
        return f"<Structure {self.kind}, one a {self.scope}>"
