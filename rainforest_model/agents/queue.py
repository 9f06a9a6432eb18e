"""A queue of requests between those who send them and those who serve them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import mesa

if TYPE_CHECKING:
    from .model import MachineModel
    from .task import Task


class RequestQueue(mesa.Agent):
    """Requests in order of arrival, and the receivers that wait for one.

    Attributes
    ----------
    stamps : deque of int
        When the waiting requests were sent, in ticks, oldest first.
    idle : deque of Task
        Receivers asleep, the longest first.  There are none while requests wait.
    capacity : int
        Requests that may wait.
    """

    def __init__(self, model: MachineModel, name: str, capacity: int):
        super().__init__(model)
        self.name = name
        self.capacity = capacity
        self.stamps: deque[int] = deque()
        self.idle: deque[Task] = deque()

    def send(self, now: int) -> bool:
        """Give a request to the first idle receiver, else let it wait; False if there is no room."""
        if self.idle:
            receiver = self.idle.popleft()
            receiver.measured_since = now
            receiver.wake()
            return True
        if len(self.stamps) == self.capacity:
            return False
        self.stamps.append(now)
        return True

    def receive(self) -> int | None:
        """Stamp of the oldest request; None if there is none."""
        return self.stamps.popleft() if self.stamps else None

    @property
    def length(self) -> int:
        """Requests that wait."""
        return len(self.stamps)

    def __repr__(self) -> str:
        return f"<RequestQueue {self.name}: {len(self.stamps)} requests, {len(self.idle)} idle receivers>"
