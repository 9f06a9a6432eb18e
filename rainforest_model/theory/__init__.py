"""Closed forms that the simulation must meet: open queues, and the lock as a closed queue.

Every function takes and gives plain floats. Times are means in any one unit and rates are per that
unit, so a caller who passes nanoseconds gets nanoseconds and events per nanosecond.

Two families:

- *Open queues* (requests come from outside): ``mm1_*``, ``erlang_c``, ``mmc_*``, ``mg1_mean_wait``.
- *A lock among n cores* (a closed queue: a core that waits makes no new request):
  `machine_repairman` when a hand-off is free; `ticket_lock_birth_death`, the published approximation
  of a ticket lock; `ticket_lock_embedded`, the exact solution of the ticket lock that we simulate.

`littles_law_residual` and `utilisation_law_residual` hold for any run, whatever its distributions.
"""

from __future__ import annotations

from .closed_lock import ClosedLock, machine_repairman, ticket_lock_birth_death, ticket_lock_embedded
from .laws import littles_law_residual, utilisation_law_residual
from .open_queues import (
    erlang_c,
    mg1_mean_wait,
    mm1_mean_number,
    mm1_mean_sojourn,
    mm1_sojourn_quantile,
    mmc_mean_sojourn,
    mmc_mean_wait,
)

__all__ = [
    "ClosedLock",
    "erlang_c",
    "littles_law_residual",
    "machine_repairman",
    "mg1_mean_wait",
    "mm1_mean_number",
    "mm1_mean_sojourn",
    "mm1_sojourn_quantile",
    "mmc_mean_sojourn",
    "mmc_mean_wait",
    "ticket_lock_birth_death",
    "ticket_lock_embedded",
    "utilisation_law_residual",
]
