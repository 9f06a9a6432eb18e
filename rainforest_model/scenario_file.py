"""A scenario from a TOML file: shipped parts by their ids, parts of one's own by path or in place.

``examples/README.md`` documents the format.  References are followed and changes applied first;
then the same schema checks everything, and the programs are lowered once, so that whatever does not fit is
told before a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from .descriptions import load
from .descriptions.arrivals import read_arrivals
from .descriptions.changes import laid_over, override
from .descriptions.machine import Machine
from .descriptions.near import hint
from .descriptions.parameter import Description, Parameter, misfit
from .descriptions.program import INNER, Program
from .descriptions.scenario import Load, Scenario
from .descriptions.structure import Structure
from .descriptions.system import Kernel, Partitioning, System
from .descriptions.told import dotted
from .errors import InputError, UnknownKeyError
from .lowering import lower
from .stats import Precision
from .workloads import with_parameters, workload

SCALARS = ("cores", "partitions", "duration", "warmup", "stagger")
KEYS = ("title", "machine", "system", *SCALARS, "load", "structures", "costs", "run")
"""What may stand at the top of a scenario file."""
SYSTEM_KEYS = ("id", "kernel", "partitioning")
LOAD_KEYS = ("program", "parameters", "processes", "threads", "place", "pinned", "partition", "joins")
MOST_REPLICATIONS = 10_000


class RunOptions(Description):
    """How a scenario is run: the table ``[run]`` of its file.

    Attributes
    ----------
    seed : int
    replications : int, optional
        So many; or else until `precision` is reached.
    precision : float
        Half-width of the 95 % interval of the 99th percentile, as a share of it.
    minimum, cap : int
        Replications before `precision` may end the run, and at most.
    """

    seed: int = Field(default=1, ge=0, lt=2**63)
    replications: int | None = Field(default=None, ge=1, le=MOST_REPLICATIONS)
    precision: float | None = Field(default=None, gt=0, lt=1)
    minimum: int = Field(default=5, ge=2, le=MOST_REPLICATIONS)
    cap: int = Field(default=20, ge=2, le=MOST_REPLICATIONS)

    @model_validator(mode="after")
    def _one_rule(self):
        if self.replications is not None and self.precision is not None:
            raise misfit("precision", "replications are given too; it is the one or the other")
        if self.minimum > self.cap:
            raise misfit("minimum", f"is above cap = {self.cap}")
        return self

    @property
    def rule(self) -> int | Precision:
        """What `rainforest_model.simulation.simulate` takes for its replications."""
        if self.replications is not None:
            return self.replications
        return Precision(self.precision or 0.05, self.minimum, self.cap)


@dataclass(frozen=True)
class ScenarioFile:
    """What a scenario file holds.

    Attributes
    ----------
    path : Path
    title : str
        The file's own, else its name.
    scenario : Scenario
    seed : int
    replications : int or Precision
        What the file asks for.
    """

    path: Path
    title: str
    scenario: Scenario
    seed: int
    replications: int | Precision

    def simulate(self, **changes):
        """The `rainforest_model.simulation.Run` of the scenario; `changes` go before what the file says."""
        from .simulation import simulate

        options = {"replications": self.replications, "seed": self.seed, "name": self.title, **changes}
        return simulate(self.scenario, **options)

    def __repr__(self) -> str:
        return f"<ScenarioFile {self.path.name}: {self.scenario!r}>"


def load_scenario(path: Path | str, overrides: dict[str, Any] | None = None) -> ScenarioFile:
    """The scenario of a TOML file.

    Parameters
    ----------
    path : str or Path
        References in the file are relative to its folder.
    overrides : dict, optional
        Dotted keys and their values, laid over the file before anything is checked, such as
        ``{"load.0.threads": 4}``.  A text is read as TOML where it is a TOML value (``"4"``, ``"[1, 2]"``),
        and stands for itself where it is not (``"lxc"``, ``"5 ms"``).

    Raises
    ------
    InputError
        Where something does not fit, naming the file, the key, the value and the reason in one line.

    Examples
    --------
    >>> import tempfile
    >>> text = 'machine = "S-A"\\nsystem = "lxc"\\n[[load]]\\nprogram = "mmap"'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.toml")
    ...     _ = path.write_text(text)
    ...     load_scenario(path, {"cores": "6", "system": "rainforest", "partitions": 3}).scenario
    <Scenario mmap on rainforest, S-A: 6 cores in 3 parts, 20 ms>
    """
    path = Path(path)
    table = load.read_toml(path)
    for key, value in (overrides or {}).items():
        override(table, key, value, path)
    return scenario_of(table, path)


def scenario_of(table: dict, path: Path) -> ScenarioFile:
    """What `load_scenario` gives, from the `table` that was read at `path` and perhaps changed."""
    return _Reader(path).lowered(table)


def described_scenario(table: dict, path: Path) -> Scenario:
    """The scenario of `scenario_of`, in a fraction of its time: what only lowering finds is not found."""
    return _Reader(path).read(table).scenario


def _table(description: Description) -> dict:
    return description.model_dump(exclude_unset=True)


def _system(id: str) -> System:
    """A system by its id, or by the path of a kernel's or a partitioning's file."""
    if id.endswith(".toml") and load.read_toml(id).get("kind") == "kernel":
        return System(kernel=load.kernel(id), partitioning=load.partitioning("linux"))
    return load.system(id)


def _read_traces(program: dict, folder: Path) -> None:
    """Put the arrivals of a file in the place of its path, from `folder`, wherever a program has one."""
    pending = [program.get("ops")]
    while pending:
        found = pending.pop()
        for item in found if isinstance(found, list) else []:
            if not isinstance(item, dict):
                continue
            if item.get("do") == "arrive" and isinstance(item.get("arrivals"), str):
                item["arrivals"] = read_arrivals(folder / item["arrivals"])
            pending += [item.get(key) for key in INNER]


class _Reader:
    """Reads one scenario file, and puts its name and key on whatever does not fit."""

    def __init__(self, path: Path):
        self.path = path
        self.programs: dict[str, tuple[Path, str]] = {}

    def _misfit(self, reason: str, key: str, value=None, kind: type[InputError] = InputError) -> InputError:
        given = {} if value is None or isinstance(value, dict | list) else {"value": value}
        return kind(reason, file=self.path, key=key, **given)

    @contextmanager
    def _at(self, key: str, under: bool = False) -> Iterator[None]:
        """Errors that name no file are this file's, at this key, or at a key under it."""
        try:
            yield
        except InputError as error:
            if error.file is not None:
                raise
            place = f"{key}.{error.key}" if under else key
            raise self._misfit(error.reason, place, error.value, type(error)) from None

    def read(self, table: dict) -> ScenarioFile:
        self._known(table, KEYS)
        for key in ("machine", "system", "load"):
            if key not in table:
                raise self._misfit("is missing", key)
        options = load.validated(RunOptions, self._dict(table.get("run", {}), "run"), self.path, "run")
        machine = self._description(table["machine"], "machine", load.machine)
        system = self._system(table["system"])
        entries = table["load"]
        if not isinstance(entries, list) or not entries:
            raise self._misfit("write [[load]] above each load; there is at least one", "load")
        fields = {
            "cores": machine.topology.cores, **{key: table[key] for key in SCALARS if key in table},
            "machine": machine, "system": system,
            "loads": [self._load(entry, f"load.{number}") for number, entry in enumerate(entries)],
            "structures": self._over(table, "structures", Structure, system.structures),
            "costs": self._over(table, "costs", Parameter, system.costs),
        }
        title = table.get("title", self.path.stem)
        if not isinstance(title, str) or not title.isprintable():
            raise self._misfit("must be a text of one line", "title", title)
        return ScenarioFile(self.path, title, self._fitting(fields), options.seed, options.rule)

    def lowered(self, table: dict) -> ScenarioFile:
        """The same, once its programs have been lowered without complaint."""
        loaded = self.read(table)
        try:
            lower(loaded.scenario)
        except InputError as error:
            raise self._of_program(error, loaded.scenario) from None
        return loaded

    def _known(self, table: dict, known: tuple[str, ...], under: str = "") -> None:
        for key in table:
            if key not in known:
                place = f"{under}.{dotted([key])}" if under else dotted([key])
                raise self._misfit(f"no such key{hint(key, known)}", place, table[key], UnknownKeyError)

    def _dict(self, value, key: str) -> dict:
        if not isinstance(value, dict):
            raise self._misfit(f"must be a table; write [{key}] above its keys", key, value)
        return value

    # --- machine and system

    def _located(self, text: str, key: str) -> str:
        """An id as it is, a path from the scenario's folder."""
        if not text.endswith(".toml"):
            return text
        path = self.path.parent / text
        if not path.is_file():
            raise self._misfit(f"there is no file {path}", key, text)
        return str(path)

    def _text(self, value, key: str) -> str:
        if not isinstance(value, str):
            raise self._misfit("must be an id or the path of a .toml file", key, value)
        return value

    def _named(self, given, key: str, read: Callable):
        """A description by its id or its path."""
        with self._at(key):
            return read(self._located(self._text(given, key), key))

    def _description(self, given, key: str, read: Callable, usual: Description | None = None):
        """A description by id, by path, as changes of a base or of the `usual` one, or in full."""
        if isinstance(given, str):
            return self._named(given, key, read)
        given = dict(self._dict(given, key))
        model = {load.machine: Machine, load.kernel: Kernel, load.partitioning: Partitioning}[read]
        base = None if "kind" in given else usual
        if "base" in given:
            base = self._named(given.pop("base"), f"{key}.base", read)
        table = laid_over(_table(base), given) if base else {"kind": model.__name__.lower(), **given}
        return load.validated(model, table, self.path, key)

    def _system(self, given) -> System:
        if isinstance(given, str):
            return self._named(given, "system", _system)
        given = self._dict(given, "system")
        self._known(given, SYSTEM_KEYS, "system")
        if not given:
            raise self._misfit("needs an id, a kernel or a partitioning", "system")
        named = self._named(given["id"], "system.id", _system) if "id" in given else None
        how = named.partitioning if named else load.partitioning("linux")
        if "partitioning" in given:
            how = self._description(given["partitioning"], "system.partitioning", load.partitioning, how)
        usual = named.kernel if named else self._named(
            how.default_kernel, "system.partitioning.default_kernel", load.kernel
        )
        given = given.get("kernel")
        kernel = usual if given is None else self._description(given, "system.kernel", load.kernel, usual)
        return System(kernel=kernel, partitioning=how)

    # --- loads, structures, costs

    def _load(self, entry, key: str) -> Load:
        entry = dict(self._dict(entry, key))
        self._known(entry, LOAD_KEYS, key)
        if "program" not in entry:
            raise self._misfit("is missing", f"{key}.program")
        program = self._program(entry.pop("program"), f"{key}.program")
        parameters = self._dict(entry.pop("parameters", {}), f"{key}.parameters")
        with self._at(f"{key}.parameters", under=True):
            program = with_parameters(program, parameters)
        return load.validated(Load, {"program": program, **entry}, self.path, key)

    def _program(self, given, key: str) -> Program:
        """A shipped program, a file's, or one in place; which it was is kept for messages about it."""
        file, prefix = self.path, f"{key}."
        if isinstance(given, str) and not given.endswith(".toml"):
            with self._at(key):
                return workload(given)
        if isinstance(given, str):
            file, prefix = Path(self._located(given, key)), ""
            given = load.read_toml(file)
        table = {"id": file.stem, **self._dict(given, key)}
        _read_traces(table, file.parent)
        program = load.validated(Program, table, file, prefix.removesuffix("."))
        self.programs.setdefault(program.id, (file, prefix))
        return program

    def _over(self, table: dict, key: str, model: type, known: dict) -> dict:
        """The scenario's own entries; one that is not complete changes the system's of its name."""
        needed = {name: None for name, field in model.model_fields.items() if field.is_required()}.keys()
        found = {}
        for name, entry in self._dict(table.get(key, {}), key).items():
            place = dotted([key, name])
            entry = self._dict(entry, place)
            if name in known:
                entry = laid_over(_table(known[name]) if "kind" not in entry else {}, entry)
            elif not needed <= entry.keys():
                reason = f"a new one needs {', '.join(needed)}, and the system has none of this name"
                raise self._misfit(f"{reason}{hint(name, known)}", place, kind=UnknownKeyError)
            found[name] = load.validated(model, entry, self.path, place)
        return found

    # --- the whole

    def _fitting(self, fields: dict) -> Scenario:
        """The scenario, or what does not fit under the key that the file has for it."""
        try:
            return load.validated(Scenario, fields, self.path)
        except InputError as error:
            first, *rest = str(error.key).split(".")
            if first != "loads":
                raise
            raise self._misfit(error.reason, ".".join(["load", *rest]), kind=type(error)) from None

    def _of_program(self, error: InputError, scenario: Scenario) -> InputError:
        """An error of lowering with the file and the key under which the user wrote the program."""
        key = str(error.key)
        if error.file is None:
            return self._misfit(error.reason, key, error.value)
        name = str(error.file).removeprefix("program ")
        if key.startswith("structures."):
            own = key.split(".")[1] in scenario.structures
            return self._misfit(error.reason, key if own else f"system.kernel.{key}", error.value)
        file, prefix = self.programs.get(name, (None, ""))
        given = {} if error.value is None else {"value": error.value}
        if file is None:
            return InputError(error.reason, file=f"{self.path}: {error.file}", key=key, **given)
        return InputError(error.reason, file=file, key=prefix + key, **given)
