"""The paper's figures and tables, one module each, found by looking.

A module's name is the experiment's id, and names its notebook, results, figure, command-line argument and
test too.  Each holds the same furniture in the same order: a docstring (what is claimed, where, what we
read into it, what we leave out), `TITLE`, `describe`, `run`, `figure` or `text`, `verdicts`.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from types import ModuleType

from ..errors import InputError

_ID = re.compile(r"(fig|tab|sec)\d+[a-z]?_\w+")


def ids() -> list[str]:
    """Ids of the experiments that exist, tables first.

    Examples
    --------
    >>> "fig03a_mmap" in ids()
    True
    """
    names = [info.name for info in pkgutil.iter_modules(__path__) if _ID.fullmatch(info.name)]
    return sorted(names, key=lambda name: (not name.startswith("tab"), name))


def experiment(id: str) -> ModuleType:
    """The module of an experiment.

    Raises
    ------
    InputError
        If there is none; the message says whether the paper has it.
    """
    if id in ids():
        return importlib.import_module(f"{__name__}.{id}")
    from ..paper import contents

    missing = [item.id for item in contents() if item.id.startswith(id)]
    if missing:
        reason = f"{missing[0]} is in the paper but not modelled yet; modelled: {', '.join(ids())}"
        raise InputError(reason, key="id", value=id)
    raise InputError(f"no such experiment; known: {', '.join(ids())}", key="id", value=id)


def explained(id: str) -> dict[str, Callable]:
    """What can be explained under this name: conditions of a workload, or all that an experiment offers.

    Parameters
    ----------
    id : str
        A name that an experiment's ``EXPLAINED`` has, or an experiment's id or its unique beginning.

    Returns
    -------
    dict of str to callable
        By name: system, options and, if wanted, cores to a scenario.

    Raises
    ------
    InputError
        If there is nothing of this name.

    Examples
    --------
    >>> list(explained("mmap")), list(explained("fig06"))
    (['mmap'], ['malloc', 'munmap', 'open'])
    """
    offers = {name: getattr(experiment(name), "EXPLAINED", {}) for name in ids()}
    by_name = {name: conditions for offer in offers.values() for name, conditions in offer.items()}
    if id in by_name:
        return {id: by_name[id]}
    fits = [offer for name, offer in offers.items() if id and name.startswith(id) and offer]
    if len(fits) == 1:
        return fits[0]
    homes = [name for name, offer in offers.items() if offer]
    raise InputError(f"nothing of this name is explained; known: {', '.join([*by_name, *homes])}", key="id", value=id)


def summary(id: str) -> str:
    """First line of an experiment's docstring."""
    return (experiment(id).__doc__ or "").strip().splitlines()[0]
