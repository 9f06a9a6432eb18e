"""A queue of requests between those who send them and those who serve them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mesa

if TYPE_CHECKING:
    from .model import MachineModel
    from .task import Task


@dataclass(eq=False)
class Request:
    """A request that several receivers have parts of: when it was sent, and how many parts are not done."""

    stamp: int
    missing: int


class RequestQueue(mesa.Agent):
    """Requests in order of arrival, and the receivers that wait for one.

    Attributes
    ----------
    waiting : deque of int or Request
        When the waiting requests were sent, in ticks, oldest first; or the requests of which parts wait.
    idle : deque of Task
        Receivers asleep, the longest first.  There are none while requests wait.
    capacity : int
        Requests that may wait.
    """

    def __init__(self, model: MachineModel, name: str, capacity: int):
        super().__init__(model)
        self.name = name
        self.capacity = capacity
        self.waiting: deque[int | Request] = deque()
        self.idle: deque[Task] = deque()

    def send(self, now: int) -> bool:
        """Give a request to the first idle receiver, else let it wait; False if there is no room."""
        if self.idle:
            receiver = self.idle.popleft()
            receiver.measured_since = now
            receiver.wake()
            return True
        return self._line_up(now)

    def send_part(self, request: Request) -> bool:
        """Give a part of a request to the first idle receiver, else let it wait; False if there is no room."""
        if self.idle:
            receiver = self.idle.popleft()
            receiver.request = request
            receiver.wake()
            return True
        return self._line_up(request)

    def _line_up(self, item: int | Request) -> bool:
        if len(self.waiting) == self.capacity:
            return False
        self.waiting.append(item)
        return True

    @property
    def length(self) -> int:
        """Requests that wait."""
        return len(self.waiting)

    def __repr__(self) -> str:
        return f"<RequestQueue {self.name}: {len(self.waiting)} requests, {len(self.idle)} idle receivers>"
