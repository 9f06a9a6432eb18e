"""The uncertain parameters of scenarios, read from their descriptions, and scenarios with other values for them.

A parameter is named by its data file and its key there, as in `rainforest_model.descriptions.fitted`. It is uncertain
if its declared range has a width. It acts on scenarios if an end of that range changes what the engines are given: the
lowered tables are compared, so nobody states by hand which parameters a workload uses.  Numbers that a program has in
place, such as how many pages it maps, are its definition and have no range.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..descriptions.machine import Machine
from ..descriptions.parameter import Description, Parameter
from ..descriptions.scenario import Scenario
from ..descriptions.system import Kernel, Partitioning
from ..descriptions.told import dotted
from ..errors import InputError
from ..lowering import lower
from ..sweep.design import Axis

DECADE = 10.0
"""Ratio of a range's ends from which it is the order of magnitude that is not known."""
_FOLDERS = {Machine: "machines", Kernel: "systems/kernels", Partitioning: "systems/partitionings"}

Values = Mapping[str, float]
"""Values of parameters by their paths."""


@dataclass(frozen=True)
class Factor:
    """One thing that is not known exactly.

    Attributes
    ----------
    homes : tuple of str
        Paths of the parameters that take its value: more than one where kernels carry the same estimate, which is then
        wrong in all of them alike.
    parameter : Parameter
        As described.

    Examples
    --------
    >>> told = {"unit": "ns", "basis": "derived", "source": "an estimate"}
    >>> factor = Factor(("machines/S-A.toml:tlb.refill",), Parameter(value=500, range=(100, 5000), **told))
    >>> factor.name, factor.scale, factor.at(0.5)
    ('S-A: tlb.refill', 'log', 707.106781)
    """

    homes: tuple[str, ...]
    parameter: Parameter

    @property
    def name(self) -> str:
        """For tables and figures: the descriptions' ids, and the key."""
        ids = [home.partition(":")[0].rpartition("/")[2].removesuffix(".toml") for home in self.homes]
        shown = ids[0] + (f" and {len(ids) - 1} more" if len(ids) > 1 else "")
        return f"{shown}: {self.homes[0].partition(':')[2]}"

    @property
    def scale(self) -> str:
        """``log`` where the range spans a decade or more, else ``linear``: on that its values are equally likely."""
        low, high = self.parameter.range
        return "log" if low > 0 and high >= DECADE * low else "linear"

    @property
    def _axis(self) -> Axis:
        low, high = self.parameter.range
        counted = self.parameter.unit in ("count", "pages", "lines")
        whole = counted and all(float(x).is_integer() for x in (low, high, self.parameter.value))
        return Axis(key=self.homes, low=low, high=high, scale=self.scale, whole=whole)

    def at(self, u: float) -> float:
        """The value at a place `u` in [0, 1] of its range, in its unit."""
        low, high = self.parameter.range
        return min(max(self._axis.at(u), low), high)  # an axis rounds

    def values(self, u: float) -> dict[str, float]:
        """The value at `u` for each of its parameters."""
        return dict.fromkeys(self.homes, self.at(u))

    def __repr__(self) -> str:
        low, high = self.parameter.range
        return f"<Factor {self.name}: {self.parameter.value:g} in [{low:g}, {high:g}] {self.parameter.unit}>"


def home_of(description: Machine | Kernel | Partitioning) -> str:
    """The data file that describes it, relative to ``data/``."""
    return f"{_FOLDERS[type(description)]}/{description.id}.toml"


def parameters_of(description: Description, home: str) -> Iterator[tuple[str, Parameter]]:
    """All parameters in a description, by their paths.

    Examples
    --------
    >>> from rainforest_model.descriptions.load import partitioning
    >>> [path for path, _ in parameters_of(partitioning("lxc"), "systems/partitionings/lxc.toml")][0]
    'systems/partitionings/lxc.toml:costs.memcg_charge'
    """
    for keys, parameter in _inside(description, ()):
        yield f"{home}:{dotted(keys)}", parameter


def _inside(found, keys: tuple) -> Iterator[tuple[tuple, Parameter]]:
    if isinstance(found, Parameter):
        yield keys, found
    elif isinstance(found, Description):
        for key in type(found).model_fields:
            yield from _inside(getattr(found, key), (*keys, key))
    elif isinstance(found, Mapping):
        for key, inner in found.items():
            yield from _inside(inner, (*keys, key))


def with_values(description: Description, home: str, values: Values):
    """The same description with other values for some of its parameters; itself where none of them is its own.

    Raises
    ------
    InputError
        If a value lies outside the parameter's range.
    """
    return _changed(description, home, (), values)


def _changed(found, home: str, keys: tuple, values: Values):
    if isinstance(found, Parameter):
        path = f"{home}:{dotted(keys)}"
        return _at(found, path, values[path]) if path in values else found
    if isinstance(found, Description):
        inner = {key: getattr(found, key) for key in type(found).model_fields}
    elif isinstance(found, Mapping):
        inner = found
    else:
        return found
    changed = {key: _changed(value, home, (*keys, key), values) for key, value in inner.items()}
    if all(changed[key] is inner[key] for key in inner):
        return found
    return found.model_copy(update=changed) if isinstance(found, Description) else changed


def _at(parameter: Parameter, path: str, value: float) -> Parameter:
    low, high = parameter.range
    if not low <= value <= high:
        raise InputError(f"lies outside the declared range [{low:g}, {high:g}]", key=path, value=value)
    return parameter.model_copy(update={"value": value})


def laid_over(scenario: Scenario, values: Values) -> Scenario:
    """The scenario with other values for parameters of its machine, its kernel and its partitioning."""
    machine, system = scenario.machine, scenario.system
    kernel, partitioning = system.kernel, system.partitioning
    system = system.model_copy(update={
        "kernel": with_values(kernel, home_of(kernel), values),
        "partitioning": with_values(partitioning, home_of(partitioning), values),
    })
    return scenario.model_copy(update={"machine": with_values(machine, home_of(machine), values), "system": system})


def described(
    scenarios: Iterable[Scenario], workloads: Mapping[str, Description] | None = None
) -> dict[str, Parameter]:
    """All parameters of the scenarios' machines, kernels, partitionings and workloads, by their paths.

    Parameters
    ----------
    scenarios : iterable of Scenario
    workloads : mapping of str to Description, optional
        What describes their programs, by its file.
    """
    homes: dict[str, Description] = {}
    for scenario in scenarios:
        system = scenario.system
        homes |= {home_of(part): part for part in (scenario.machine, system.kernel, system.partitioning)}
    homes |= workloads or {}
    return {path: found for home, part in homes.items() for path, found in parameters_of(part, home)}


def factors(parameters: Mapping[str, Parameter]) -> list[Factor]:
    """The uncertain ones of some parameters; what several kernels estimate alike is one factor."""
    together: dict[tuple, list[str]] = {}
    for path, found in parameters.items():
        if found.range[0] < found.range[1]:
            home, _, key = path.partition(":")
            alike = home.startswith(_FOLDERS[Kernel])
            same = (key, found.value, found.unit, found.range) if alike else (path,)
            together.setdefault(same, []).append(path)
    return [Factor(tuple(homes), parameters[homes[0]]) for homes in together.values()]


def acting(candidates: Iterable[Factor], build: Iterable[Callable[[Values], Scenario]]) -> list[Factor]:
    """The factors that change what the engines are given in some scenario.

    Parameters
    ----------
    candidates : iterable of Factor
    build : iterable of callable
        Each makes a scenario with other values for some parameters.
    """
    as_described = [(make, _told(make({}))) for make in build]
    return [
        factor for factor in candidates
        if any(_told(make(factor.values(u))) != told for make, told in as_described for u in (0.0, 1.0))
    ]


def _told(scenario: Scenario) -> bytes:
    """What the engines are given, as bytes."""
    tables = vars(lower(scenario)).copy()
    memory = tables.pop("memory")
    # Its cache of answers is no part of it, and cannot be pickled.
    model = {} if memory is None else {key: kept for key, kept in vars(memory).items() if not callable(kept)}
    return pickle.dumps((tables, model))
