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
    """A request that several receivers have parts of: when it was sent, and how many parts are not done.

    One that is not complete has lost a part, and will never be answered.
    """

    stamp: int
    missing: int
    complete: bool = True

    def lose_part(self, model: MachineModel) -> None:
        """A part of it will never be done."""
        self.complete = False
        self.part_done(model)

    def part_done(self, model: MachineModel) -> bool:
        """A part is over, done or lost; whether that answers the request."""
        self.missing -= 1
        if self.missing:
            return False
        model.requests_under_way -= 1
        if self.complete:
            model.requests_answered += 1
        return self.complete


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
    closed : bool
        Whether its receivers have ended.
    """

    def __init__(self, model: MachineModel, name: str, capacity: int):
        super().__init__(model)
        self.name = name
        self.capacity = capacity
        self.waiting: deque[int | Request] = deque()
        self.idle: deque[Task] = deque()
        self.closed = False

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
        if self.closed:
            request.lose_part(self.model)
            return True
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

    def close(self) -> None:
        """Nobody receives any more: the parts that wait are lost, and so are all that come."""
        self.closed = True
        while self.waiting:
            self.waiting.popleft().lose_part(self.model)

    @property
    def length(self) -> int:
        """Requests that wait."""
        return len(self.waiting)

    def __repr__(self) -> str:
        return f"<RequestQueue {self.name}: {len(self.waiting)} requests, {len(self.idle)} idle receivers>"
