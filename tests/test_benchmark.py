"""The benchmark's models are the same in all engines, and right; how fast they are is not tested."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict, replace

import pytest

from rainforest_model import benchmark, theory
from rainforest_model.benchmark import AGENTS, CLOSED, COMPILED, MESA, OPEN, SIMPY, BenchRow
from rainforest_model.errors import InputError

pytest.importorskip("simpy")

FIELDS = {"model", "engine", "n", "events_per_s", "ops_per_s", "mean", "p99"}
# From exact mean-value analysis, and long runs of other simulators: mean and p99 in us.
ANSWERS = {(CLOSED, 12): (2.803, 5.781), (CLOSED, 40): (14.00, 18.94), (OPEN, 12): (20_830, 81_200)}


@pytest.fixture(scope="module")
def rows() -> list[BenchRow]:
    return benchmark.run(repeats=3, operations=2500)


def test_every_engine_runs_every_model(rows):
    measured = [(row.model, row.n, row.engine) for row in rows]
    assert measured == [
        (CLOSED, 12, COMPILED), (CLOSED, 12, AGENTS), (CLOSED, 12, SIMPY), (CLOSED, 12, MESA),
        (CLOSED, 40, COMPILED), (CLOSED, 40, SIMPY), (CLOSED, 40, MESA),
        (OPEN, 12, COMPILED), (OPEN, 12, SIMPY), (OPEN, 12, MESA),
        (CLOSED, 128, COMPILED), (CLOSED, 1024, COMPILED),
    ]


def test_rows_are_plain_json(rows):
    for row in json.loads(json.dumps([asdict(row) for row in rows])):
        assert set(row) == FIELDS
        assert row["events_per_s"] > row["ops_per_s"] > 0
        assert 0 < row["mean"] < row["p99"]


def test_answers(rows):
    for row in rows:
        if (row.model, row.n) in ANSWERS:
            mean, p99 = ANSWERS[row.model, row.n]
            tolerance = 0.02 if row.engine == COMPILED else 0.12  # so many fewer operations
            assert row.mean == pytest.approx(mean, rel=tolerance), row
            assert row.p99 == pytest.approx(p99, rel=2 * tolerance), row


def test_a_saturated_lock_needs_no_simulation(rows):
    """All cores but one wait: a round of n cores takes n holds and hand-offs."""
    (row,) = (row for row in rows if row.n == 1024)
    n, gap = 1024, benchmark.HOLD + benchmark.HAND_OFF
    assert row.mean == pytest.approx(n * gap - benchmark.THINK, rel=0.01)


@pytest.mark.parametrize("measure", [benchmark._simpy, benchmark._mesa])
class TestRivals:
    """The models in SimPy and Mesa, where theory knows the answer."""

    def test_without_hand_off(self, measure, monkeypatch):
        monkeypatch.setattr(benchmark, "HAND_OFF", 0.0)
        exact = theory.machine_repairman(12, benchmark.THINK, benchmark.HOLD)
        assert measure(CLOSED, 12, 30_000, seed=1).mean == pytest.approx(exact.response, rel=0.05)

    def test_one_core_never_waits(self, measure):
        repeat = measure(CLOSED, 1, 20_000, seed=1)
        assert repeat.mean == pytest.approx(benchmark.HOLD, rel=0.03)

    def test_exponential_service(self, measure, monkeypatch):
        monkeypatch.setattr(random.Random, "lognormvariate", lambda self, mu, sigma: self.expovariate(1 / 20_000))
        exact = theory.mmc_mean_sojourn(1 / benchmark.INTERARRIVAL, 20_000, 12)
        assert measure(OPEN, 12, 30_000, seed=1).mean == pytest.approx(exact, rel=0.03)

    def test_events_are_counted(self, measure):
        repeat = measure(CLOSED, 40, 5000, seed=1)
        assert 3 <= repeat.events / repeat.operations <= 6

    def test_seeds_matter(self, measure):
        means = [measure(OPEN, 12, 500, seed=seed).mean for seed in (1, 1, 2)]
        assert means[0] == means[1] != means[2]


# --- the text -------------------------------------------------------------------------------------------------


def _rows(slow: float = 1e5) -> list[BenchRow]:
    compiled = BenchRow(CLOSED, COMPILED, 12, 24e6, 8e6, 2.80, 5.78)
    return [
        compiled, replace(compiled, engine=AGENTS, ops_per_s=5e5, events_per_s=15e5),
        replace(compiled, engine=SIMPY, ops_per_s=slow / 5, events_per_s=slow, mean=2.814),
        replace(compiled, n=40, events_per_s=22e6), replace(compiled, n=40, engine=MESA, ops_per_s=slow / 3),
        replace(compiled, n=1024, events_per_s=18e6),
    ]


def test_targets_that_are_met():
    assert all(met for met, _ in benchmark.targets(_rows()))
    text = benchmark.table(_rows())
    assert "400 x" in text
    assert "met     ops/s against SimPy and Mesa: at least 240 times (target 150)" in text
    assert "cost of an event with 1024 cores: 1.33 times that with 12 (logarithm: 2.79)" in text
    assert "MISSED" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(("row", "change", "told"), [
    (2, {"ops_per_s": 1e6}, "ops/s against SimPy"),
    (0, {"events_per_s": 14e6}, "events/s on closed lock 12"),
    (2, {"p99": 6.5}, "agreement"),
    (5, {"events_per_s": 5e6}, "cost of an event with 1024"),
])
def test_targets_that_are_missed(row, change, told):
    rows = _rows()
    rows[row] = replace(rows[row], **change)
    missed = [text for met, text in benchmark.targets(rows) if not met]
    assert len(missed) == 1
    assert told in missed[0]


def test_the_slow_agents_are_no_rival():
    rows = _rows()
    rows[1] = replace(rows[1], ops_per_s=7e6)
    assert all(met for met, _ in benchmark.targets(rows))


def test_without_simpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "simpy", None)
    with pytest.raises(InputError, match=r"pip install 'rainforest-model\[bench\]'"):
        benchmark.run(repeats=1, operations=10)
