"""The Mesa model: the readable definition of what every micro-operation means.

`MachineModel` is a `mesa.Model`; its agents are `SubOS`, `Core`, `Task`, the locks, `CacheLine`, `Counter`
and `RequestQueue`.  It can be stepped, watched, collected and subclassed, and it asserts its
invariants at every event.  `rainforest_model.engine` is the same meaning, event for event, compiled: some
hundred times faster.
"""

from . import _start_method  # before anything imports Mesa
from .cache import CacheLine
from .core import Core
from .counter import Counter
from .invariants import InvariantViolation
from .lock import Lock, Mutex, QueueLock, RwSemaphore, SleepingLock, SpinLock, TicketLock
from .model import Event, MachineModel
from .operations import WAITS
from .queue import RequestQueue
from .states import State
from .subos import SubOS
from .task import Stopped, Task

_start_method.restore()

__all__ = [
    "WAITS", "CacheLine", "Core", "Counter", "Event", "InvariantViolation", "Lock", "MachineModel", "Mutex",
    "QueueLock", "RequestQueue", "RwSemaphore", "SleepingLock", "SpinLock", "State", "Stopped", "SubOS",
    "Task", "TicketLock",
]
