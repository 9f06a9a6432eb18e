"""Small seeded problems for pencil and paper, in the manner of the OSTEP homework simulators.

One module a topic: what is given, what is asked, and the scenario that the Mesa model steps through for the answer.
"""

from __future__ import annotations

from ..descriptions.near import hint
from ..errors import InputError
from . import line, lock, queue, scope, shootdown
from .numbers import Numbers
from .problem import Problem, Solution, Verdict

_TOPICS = {module.__name__.rpartition(".")[2]: module for module in (lock, line, shootdown, queue, scope)}

__all__ = ["Problem", "Solution", "Verdict", "problem", "topics"]


def topics() -> list[str]:
    """What there are problems about.

    Examples
    --------
    >>> topics()
    ['lock', 'line', 'shootdown', 'queue', 'scope']
    """
    return list(_TOPICS)


def problem(topic: str, seed: int) -> Problem:
    """The problem of a topic that a seed gives, the same one on every machine.

    Parameters
    ----------
    topic : str
        One of `topics`.
    seed : int

    Raises
    ------
    InputError
        If there is no such topic.

    Examples
    --------
    >>> one = problem("lock", 7)
    >>> one.check(one.solve().answer).right
    True
    """
    if topic not in _TOPICS:
        raise InputError(f"no such topic{hint(topic, _TOPICS)}; known: {', '.join(_TOPICS)}", key="topic", value=topic)
    return _TOPICS[topic].problem(seed, Numbers(seed, topic))
