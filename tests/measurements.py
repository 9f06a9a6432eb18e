"""Measurements of this machine, and others by hand, for the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rainforest_model import cli as door
from rainforest_model import histogram, measure
from rainforest_model.measure import host
from rainforest_model.measure.clock import Clock
from rainforest_model.measure.laboratory import Found, Measurement, Series
from rainforest_model.measure.plan import ACCESSES, Case, Plan
from rainforest_model.units import TICKS_PER_NS

ROOT = Path(__file__).resolve().parents[1]
CORES = measure.usable_cores() if sys.platform == "linux" else (0,)
WORKERS = min(2, len(CORES))
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="nobody to contend with on one core")
LOOPS_OF = {
    "map_and_unmap": ("map and unmap", "map", "unmap"), "system_call": ("system call", "lock and unlock"),
    "unmap_touched": ("unmap",), "spin": ("time taken away",), "own_line": ("own line",), "fetch_line": ("fetch",),
    "take_lock": ("take",),
}
"""Latencies of which a loop has one for each operation."""


def rainforest(*arguments: str):
    return CliRunner().invoke(door.cli, ["measure", *arguments], prog_name="rainforest")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def series(*latencies_ns: float) -> Series:
    ticks = [round(ns * TICKS_PER_NS) for ns in latencies_ns]
    counts = np.zeros(histogram.BUCKETS, np.int64)
    np.add.at(counts, [histogram.bucket_index(value) for value in ticks], 1)
    return Series(counts, sum(ticks))


def by_hand(cases: dict[str, tuple[str, dict[str, Series]]], rounds: int = 2) -> Measurement:
    """A measurement with these latencies in every round, by case: its loop, and what that has."""
    made = tuple(
        Case(id, id.split(".", 1)[1], id.split(".")[0], ((loop,),), (0, 1) if loop == "fetch_line" else (0,), 16)
        for id, (loop, _) in cases.items()
    )
    found = []
    for repeat in range(rounds):
        for case, (loop, latencies) in zip(made, cases.values(), strict=True):
            n = max(one.n for one in latencies.values())
            elapsed = max(one.ticks for one in latencies.values()) / TICKS_PER_NS
            found.append(Found(case, repeat, elapsed, 0, 1.0, 1.0, 1.0, 1.0, 0.0, {loop: n}, latencies))
    machine = host.Host("a processor", "6.0", "", False, (0, 1), {0: 0, 1: 0}, {0: 0, 1: 1}, 1024.0, 8.0, 2000.0)
    return Measurement(Plan(made, rounds, 0.01), machine, Clock("counter", 2.0, 20.0, 0.5), True, tuple(found))


def uncontended(map_ns=(1500.0,), unmap_ns=(1900.0,)) -> Measurement:
    """What a prediction looks at: two calls of these latencies, others of none, and lines of 50 ns."""
    whole = series(*(a + b for a, b in zip(map_ns, unmap_ns, strict=True)))
    latencies = {"map and unmap": whole, "map": series(*map_ns), "unmap": series(*unmap_ns)}
    lines = {
        **{f"line.own.{name}": ("own_line", {"own line": series(2.0)}) for name in ACCESSES},
        **{f"line.{name}.0.1": ("fetch_line", {"fetch": series(50.0)}) for name in ACCESSES},
    }
    return by_hand({
        "mmap.alone": ("map_and_unmap", latencies),
        "mmap.entry": ("system_call", {"system call": series(100.0), "lock and unlock": series(200.0)}),
        **lines,
    })
