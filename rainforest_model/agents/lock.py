"""Locks: spinning ones that hand over a cache line, and sleeping ones that cost wake-ups.

A lock of your own is a subclass.  Say which class to use when the model is made, by the name of the
structure; everything else stays as it is:

>>> from rainforest_model.agents import MachineModel, QueueLock
>>> from rainforest_model.reference import closed_lock
>>> class LifoLock(QueueLock):
...     "The last to come is the first served."
...     fifo = False  # the checks shall not expect fairness
...
...     def next_spinner(self):
...         return self.spinners.pop()
>>> model = MachineModel.from_scenario(closed_lock(6), lock_classes={"lock": LifoLock})
>>> model.run(10_000_000)
<StopReason.REACHED: 'reached its end'>

`SpinLock.next_spinner` says who is next, `SpinLock.hand_off_delay` how long the hand-off takes beyond the
transfer of the line; who needs more overrides `Lock.acquire` and `Lock.release`, with `Lock.fetch_line`,
`Lock.store`, `Lock.spin` and `Lock.hand_off` as their parts.  Whoever waits is in `spinners` or `sleepers`:
the checks look there.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import mesa

from ..tables import ATOMIC, BUSY, LOAD, STORE
from .operations import WAITS
from .states import State
from .streams import Stream

if TYPE_CHECKING:
    from .core import Core
    from .model import MachineModel
    from .task import Task


class Lock(mesa.Agent):
    """Base of the locks: an owner, those who spin, and the cache line that the lock lives on.

    Attributes
    ----------
    name : str
    fifo : bool
        Whether tasks go in in the order in which they asked; the checks hold it to that.
    owner : Task or None
        Who has it, from the moment at which it is given.
    spinners : deque of Task
        Who spins for it, first come first.
    sleepers : deque of Task
        Who sleeps for it (on a sleeping lock).
    last_core : Core or None
        Who has its line.
    line_busy_until : int
        Tick until which earlier requests keep the line busy.
    stream : Stream
        Its own keyed random numbers.
    """

    fifo = False

    def __init__(self, model: MachineModel, name: str, stream: int = 0):
        super().__init__(model)
        self.name = name
        self.owner: Task | None = None
        self.spinners: deque[Task] = deque()
        self.sleepers: deque[Task] = deque()
        self.last_core: Core | None = None
        self.line_busy_until = 0
        self.stream = Stream(stream)

    # --- what a lock is -----------------------------------------------------------------------------------

    def acquire(self, task: Task) -> int | None:
        """Let the task in and return the ticks that this takes, or make it wait and return `WAITS`."""
        raise NotImplementedError

    def release(self, task: Task) -> int:
        """Let the next one in, if any, and return the ticks that the releasing task needs."""
        raise NotImplementedError

    # --- what locks are made of ---------------------------------------------------------------------------

    def fetch_line(self, core: Core) -> int:
        """Ticks of an atomic operation of `core` on the lock's line, behind the requests before it."""
        links, now, last = self.model.interconnect, self.model.now, self.last_core
        self.last_core = core
        if last is None or last is core:
            return links.transfer(core, core, ATOMIC)
        start = max(now, self.line_busy_until)
        self.line_busy_until = start + links.transfer(last, core, BUSY)
        return start - now + links.transfer(last, core, ATOMIC)

    def store(self, core: Core) -> int:
        """Ticks of a store of `core` to the lock's line, which it has."""
        return self.model.interconnect.transfer(core, core, STORE)

    def spin(self, task: Task) -> None:
        """Let the task spin; `hand_off` ends it."""
        self.spinners.append(task)
        task.state = State.SPINNING
        return WAITS

    def hand_off(self, winner: Task, giver: Core, delay: int = 0) -> None:
        """Give the lock to a spinner, which sees it after `delay`.

        The store of `giver` takes the line from the spinner that watches it, and the spinner fetches it
        again.
        """
        home, links = winner.core, self.model.interconnect
        self.owner = winner
        self.last_core = home
        line = links.transfer(home, giver, STORE) + links.transfer(giver, home, LOAD)
        winner.resume(home.free_at + delay + line)

    @property
    def queue_length(self) -> int:
        """Tasks that wait, spinning or asleep."""
        return len(self.spinners) + len(self.sleepers)

    def __repr__(self) -> str:
        owner = "free" if self.owner is None else f"held by {self.owner.name}"
        return f"<{type(self).__name__} {self.name}: {owner}, {self.queue_length} waiting>"


class SpinLock(Lock):
    """First come, first served: whoever finds it taken spins until it is handed over."""

    fifo = True

    def acquire(self, task: Task) -> int | None:
        """Take it if it is free, else spin."""
        if self.owner is not None:
            return self.spin(task)
        self.owner = task
        return self.fetch_line(task.core)

    def release(self, task: Task) -> int:
        """Hand it to the next spinner, if any."""
        if self.spinners:
            delay = self.hand_off_delay(len(self.spinners))
            self.hand_off(self.next_spinner(), task.core, delay)
        else:
            self.owner = None
        return self.store(task.core)

    def next_spinner(self) -> Task:
        """Take who is next out of the spinners: the first."""
        return self.spinners.popleft()

    def hand_off_delay(self, spinning: int) -> int:
        """Ticks that the hand-off takes beyond one transfer, with so many spinners."""
        return 0


class QueueLock(SpinLock):
    """An MCS or queued spin lock: each waits on a line of its own, so a hand-off is one transfer."""


class TicketLock(SpinLock):
    """A ticket lock: all spinners read one line, and all fetch it anew when it is released.

    So the next one gets it in a random turn among them (Boyd-Wickizer et al., Non-scalable locks are
    dangerous, OLS 2012).
    """

    def hand_off_delay(self, spinning: int) -> int:
        """Reads of the line that are served before the next one's."""
        turn = self.stream.below(spinning) if spinning > 1 else 0
        return turn * self.model.interconnect.read_occupancy


class SleepingLock(Lock):
    """Base of the locks whose waiters leave their core."""

    def sleep(self, task: Task, in_front: bool = False) -> None:
        """Let the task sleep behind the others (`in_front`: before them)."""
        if in_front:
            self.sleepers.appendleft(task)
        else:
            self.sleepers.append(task)
        task.leave_core(State.ASLEEP)
        return WAITS

    def wake_first(self, waker: Task) -> int:
        """Wake the first sleeper; the ticks which that costs the waker."""
        self.sleepers.popleft().wake()
        return waker.core.subos.knobs.wakeup

    def owner_runs(self) -> bool:
        """Whether an owner has the lock and is on its core."""
        return self.owner is not None and self.owner.runs


class Mutex(SleepingLock):
    """A mutex: released, it is free for anybody, and a woken sleeper has to try again."""

    def acquire(self, task: Task, optimistic: bool = False) -> int | None:
        """Take it if it is free; else spin while the owner runs, if `optimistic`; else sleep."""
        if self.owner is None:
            self.owner = task
            task.asks_again = False
            return self.fetch_line(task.core)
        if optimistic and self.owner_runs():
            task.asks_again = False
            return self.spin(task)
        task.pc -= 1  # the woken task does the operation once more
        return self.sleep(task, in_front=task.asks_again)

    def release(self, task: Task) -> int:
        """Hand it to a spinner; else let it be free, and wake the first sleeper to try for it."""
        core = task.core
        if self.spinners:
            self.hand_off(self.spinners.popleft(), core)
            return self.store(core)
        self.owner = None
        if not self.sleepers:
            return self.store(core)
        self.sleepers[0].asks_again = True
        return self.store(core) + self.wake_first(task)


class RwSemaphore(SleepingLock):
    """A reader-writer semaphore: given to its sleepers in the order in which they came.

    Attributes
    ----------
    readers : set of Task
        Who shares it.
    """

    def __init__(self, model: MachineModel, name: str, stream: int = 0):
        super().__init__(model, name, stream)
        self.readers: set[Task] = set()
        self._writers: set[Task] = set()

    def acquire(self, task: Task, optimistic: bool = False) -> int | None:
        """Take it alone; an `optimistic` writer passes sleepers, and spins while another writer runs."""
        if self.owner is None and not self.readers and (optimistic or not self.sleepers):
            self.owner = task
            return self.fetch_line(task.core)
        if optimistic and self.owner_runs():
            return self.spin(task)
        self._writers.add(task)
        return self.sleep(task)

    def acquire_shared(self, task: Task) -> int | None:
        """Join the readers, unless a writer has it or somebody sleeps for it."""
        if self.owner is None and not self.sleepers:
            self.readers.add(task)
            return self.fetch_line(task.core)
        return self.sleep(task)

    def release(self, task: Task) -> int:
        """The writer leaves: a spinning writer is next, else the sleepers."""
        ticks = self.fetch_line(task.core)
        self.owner = None
        return ticks + self._pass_on(task)

    def release_shared(self, task: Task) -> int:
        """A reader leaves; the last one lets the next in."""
        ticks = self.fetch_line(task.core)
        self.readers.remove(task)
        return ticks if self.readers else ticks + self._pass_on(task)

    def _pass_on(self, giver: Task) -> int:
        """Give it to a spinner, else to the first sleeper; with a reader go all readers right behind it."""
        if self.spinners:
            self.hand_off(self.spinners.popleft(), giver.core)
            return 0
        ticks = 0
        while self.sleepers and self.owner is None:
            first = self.sleepers[0]
            if first not in self._writers:
                self.readers.add(first)
            elif not self.readers:
                self._writers.remove(first)
                self.owner = first
            else:
                break  # a writer waits until these readers have left
            ticks += self.wake_first(giver)
        return ticks

    def __repr__(self) -> str:
        readers = f", {len(self.readers)} readers" if self.readers else ""
        return super().__repr__()[:-1] + readers + ">"
