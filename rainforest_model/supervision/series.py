"""Whose latencies are whose: what each instance measures, told apart where two programs use one name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..descriptions.program import Gather, Measure, Op
from ..descriptions.scenario import Load, Scenario
from ..workloads import operations


def told_apart(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario with the measured names that several partitions share made different, by the partition's name.

    Whole requests (`Gather`) keep their name, as they end wherever their last part does; so does what a load measures
    that runs in every partition.
    """
    users: dict[str, set[int]] = defaultdict(set)
    for entry in scenario.loads:
        for op in operations(entry.program):
            if isinstance(op, Measure):
                users[op.name] |= set(entry.copies(scenario.partitions))
    shared = {name for name, partitions in users.items() if len(partitions) > 1}

    def renamed(entry: Load) -> Load:
        if len(names) == 1 or entry.partition is None:
            return entry
        suffix = f" of {names[entry.partition]}"
        ops = tuple(_with_suffix(op, shared, suffix) for op in entry.program.ops)
        return entry.model_copy(update={"program": entry.program.model_copy(update={"ops": ops})})

    if not shared:
        return scenario
    return scenario.model_copy(update={"loads": tuple(renamed(entry) for entry in scenario.loads)})


def _with_suffix(op: Op, shared: set[str], suffix: str) -> Op:
    changes = {}
    if hasattr(op, "body"):
        changes["body"] = tuple(_with_suffix(inner, shared, suffix) for inner in op.body)
    if isinstance(op, Measure) and op.name in shared:
        changes["name"] = op.name + suffix
    return op.model_copy(update=changes) if changes else op


def series_of(scenario: Scenario, partition: int, series: Sequence[str]) -> tuple[str, ...]:
    """Names of what the programs of a partition measure, whole requests first, else in the order of `series`."""
    whole, single = set(), set()
    divided = scenario.system.partitioning.partitioned
    for entry in scenario.loads:
        if entry.place == "outside" or (divided and partition not in entry.copies(scenario.partitions)):
            continue
        for op in operations(entry.program):
            if isinstance(op, Gather):
                whole.add(op.name)
            elif isinstance(op, Measure):
                single.add(op.name)
    return tuple(name for kind in (whole, single - whole) for name in series if name in kind)
