"""What happens next: at most one pending event for each source, in the order of (time, slot)."""

from __future__ import annotations

from heapq import heappop, heappush


class EventQueue:
    """Pending events.

    A source (a task, a core's inbox, a core's timer) is known by its slot and has one pending event or
    none.  Of two events at the same time that of the lower slot comes first: tasks before interrupts
    before ticks, each in the order of their numbers.

    Examples
    --------
    >>> events = EventQueue()
    >>> events.plan(2, 50); events.plan(0, 90); events.plan(2, 90); events.plan(1, 70); events.cancel(1)
    >>> events.pop(), events.pop(), events.first()
    ((90, 0), (90, 2), None)
    """

    def __init__(self):
        self._time_of: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def plan(self, slot: int, time: int) -> None:
        """Let the event of `slot` be at `time`, wherever it was before."""
        self._time_of[slot] = time
        heappush(self._heap, (time, slot))

    def cancel(self, slot: int) -> None:
        """Leave `slot` without a pending event."""
        self._time_of.pop(slot, None)

    def time_of(self, slot: int) -> int | None:
        """Time of the pending event of `slot`, if it has one."""
        return self._time_of.get(slot)

    def first(self) -> tuple[int, int] | None:
        """Time and slot of the next event, if there is one."""
        while self._heap and self._time_of.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)  # planned anew or cancelled since
        return self._heap[0] if self._heap else None

    def pop(self) -> tuple[int, int]:
        """Take out the next event."""
        time, slot = self.first()
        heappop(self._heap)
        del self._time_of[slot]
        return time, slot
