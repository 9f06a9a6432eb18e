"""From a scenario to the integer tables of the engines.

Here, and only here, a program meets a system: a verb and the kind of its structure choose the operations
(`verbs`), the structure's scope chooses which copy each thread means (`assembly`), the partitioning says who
runs where (`placement`), and the machine and kernel give the ticks.
"""

from __future__ import annotations

from ..descriptions.scenario import Scenario
from ..tables import Tables
from .assembly import MAX_SOURCES, Assembly
from .verbs import LONGEST_OPERATION

__all__ = ["LONGEST_OPERATION", "MAX_SOURCES", "lower"]


def lower(scenario: Scenario, seed: int | str = 1) -> Tables:
    """The tables of one replication of a scenario.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Seeds every random stream, together with the stream's purpose and its thread.

    Raises
    ------
    InputError
        If a program names what the system does not have, or uses a structure as it cannot be used.
    """
    return Assembly(scenario, seed).tables()
