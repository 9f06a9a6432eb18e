"""What `rainforest validate` holds does hold, and what is broken is found."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from click.testing import CliRunner

from rainforest_model import by_hand, cli, theory, twins, validation
from rainforest_model.descriptions import load
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.lowering import lower
from rainforest_model.reference import closed_lock
from rainforest_model.simulation import scenario
from rainforest_model.tables import ATOMIC
from rainforest_model.validation import Check, CheckResult, Effort, Finding, closed_forms, limits, windows
from rainforest_model.validation.check import SEED
from rainforest_model.workloads import workloads

QUICK = validation.EFFORTS["quick"]
# tests/test_twins.py compares far more events.
TWINS = QUICK._replace(twin_events=500, lots=20)
SMALL = Effort(replications=5, twin_events=500, lots=5)


def named(name: str) -> Check:
    """The check of this name, with the theory of this moment."""
    (check,) = (check for check in validation.checks() if check.name == name)
    return check


# --- all is well ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    """All checks, made once: some share their runs."""
    return {check.name: check for check in validation.checks()}


@pytest.mark.parametrize("name", [check.name for check in validation.checks()])
def test_holds(checks, name):
    check = checks[name]
    result = check.result(TWINS if check.group == "twin" else QUICK)
    line = validation.line(result)
    assert result.passed, line
    assert len(line) <= validation.COLUMNS
    if check.group == "closed form":
        assert result.low < result.value < result.high
        assert result.high - result.low < 0.03 * result.value


def test_all_that_was_promised_is_checked():
    names = [check.name for check in validation.checks()]
    assert len(set(names)) == len(names)
    for words in ("M/M/1", "M/M/4", "M/D/1", "repairman", "Boyd-Wickizer", "Little's law", "utilisation law"):
        assert any(words in name for name in names), words
    assert {f"twin: {id}" for id in workloads()} < set(names)
    assert {check.group for check in validation.checks()} == {"closed form", "limit", "twin"}


SATURATED = list(itertools.product((24, 48, 96), (0.5, 2.0, 8.0), (0.3, 1.0, 3.0)))


@pytest.mark.parametrize(("n", "think", "transfer"), SATURATED)
def test_the_bounds_of_a_collapsed_ticket_lock(n, think, transfer):
    """Where the lock is saturated, the mechanism lies between the least it can do and the published chain."""
    chain = theory.ticket_lock_birth_death(n, think, 1.0, transfer)
    exact = theory.ticket_lock_embedded(n, think, 1.0, transfer)
    assert chain.utilisation > 1 - 1e-6
    assert 1 / (1 + n * transfer / 2) <= exact.throughput * (1 + 1e-9) <= chain.throughput


# --- what is broken is found ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "function"), [
    ("M/M/1 mean sojourn", "mm1_mean_sojourn"),
    ("M/M/1 99th percentile", "mm1_sojourn_quantile"),
    ("M/M/4 mean sojourn", "mmc_mean_sojourn"),
])
def test_a_theory_that_is_off_by_three_percent(monkeypatch, name, function):
    honest = getattr(theory, function)
    monkeypatch.setattr(theory, function, lambda *arguments: 1.03 * honest(*arguments))
    result = named(name).result(QUICK)
    assert not result.passed
    assert not result.low <= result.expected <= result.high
    assert validation.line(result).startswith("FAILS  M/M/")


def test_another_lock_than_the_theory_is_about():
    queue_lock = windows.windows_of(closed_lock(12, 4.0, 0.4, 100))
    exact = theory.ticket_lock_embedded(12, think=4.0, section=0.4, transfer=0.1).throughput
    assert not closed_forms.closed_form("wrong", queue_lock, "throughput", exact).result(SMALL).passed
    rates = {"n": 48, "think": 4.0, "section": 0.4, "transfer": 0.1}
    saturated = windows.windows_of(closed_lock(48, 4.0, 0.4, 100))
    assert not closed_forms.collapsed(saturated, rates, SMALL).passed


def test_an_interval_that_is_too_wide_proves_nothing():
    few = windows.windows_of(closed_lock(2, transfer_ns=0, duration="1.2 ms"))
    exact = theory.machine_repairman(2, think=2.0, service=0.3).response
    finding = closed_forms.closed_form("short", few, "response", exact).find(SMALL)
    assert finding.low < exact < finding.high
    assert not finding.passed
    assert "too wide" in finding.note


def test_a_cost_that_is_one_tick_too_high(monkeypatch):
    class Dear(CompiledEngine):
        def __init__(self, tables, **options):
            super().__init__(tables, **options)
            self._a[self._layout.latency + ATOMIC] += 1  # on a line of one's own

    monkeypatch.setattr(limits, "CompiledEngine", Dear)
    result = named("alone: sum of its operations").result(SMALL)
    assert not result.passed
    assert "on linux-2.6.32: mean" in result.note


def test_a_core_that_idles(monkeypatch):
    class Lazy(CompiledEngine):
        def run(self, until, on_slice=None):
            return super().run(until - until // 20, on_slice)

    monkeypatch.setattr(limits, "CompiledEngine", Lazy)
    assert not named("one core: sequential program").result(SMALL).passed


def test_a_partition_that_is_no_plain_kernel(monkeypatch):
    honest = load.system
    monkeypatch.setattr(load, "system", lambda id, **rest: honest("xen" if id == "rainforest" else id, **rest))
    result = named("one subOS: shared kernel").result(SMALL)
    assert not result.passed
    assert "mmap, pinned" in result.note


class TestTwins:
    def test_a_trace_that_parts(self, monkeypatch):
        class Late(CompiledEngine):
            def trace(self):
                trace = super().trace()
                trace[100:, 0] += 1
                return trace

        monkeypatch.setattr(twins, "CompiledEngine", Late)
        comparison = twins.compare_twins(lower(closed_lock(3)), events=300)
        assert comparison == (100, "the traces part at event 100")
        result = named("twin: mmap").result(SMALL)
        assert not result.passed
        assert "on rainforest the traces part at event 100" in result.note

    def test_counts_that_differ(self, monkeypatch):
        class Forgetful(CompiledEngine):
            def outcome(self):
                outcome = super().outcome()
                outcome.counts[:] = 0
                return outcome

        monkeypatch.setattr(twins, "CompiledEngine", Forgetful)
        assert twins.compare_twins(lower(closed_lock(3)), events=300).difference == "counts differ"


# --- running and telling ----------------------------------------------------------------------------------------


def _broken(effort: Effort) -> Finding:
    raise RuntimeError("no such lock")


THREE = [
    Check("first", "limit", lambda effort: Finding(True, "fine")),
    Check("second", "limit", _broken),
    Check("third", "closed form", lambda effort: Finding(True, "n=5", 2.0, 2.003, 1.989, 2.017, "us")),
]


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_fails_its_check_and_no_other(jobs):
    told = []
    results = list(validation.run_checks(jobs=jobs, chosen=THREE, progress=lambda *step: told.append(step)))
    assert [(result.name, result.passed) for result in results] == [("first", True), ("second", False), ("third", True)]
    assert results[1].note == "RuntimeError: no such lock"
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_jobs_do_not_change_results():
    def values(jobs):
        chosen = [named("M/D/1 mean sojourn"), named("ticket lock, 4 cores")]
        return [(result.value, result.low) for result in validation.run_checks(jobs=jobs, chosen=chosen)]

    assert values(1) == values(2)


def test_lines():
    lines = [validation.line(result) for result in validation.run_checks(chosen=THREE)]
    assert lines == [
        "holds  first                        fine",
        "FAILS  second                       RuntimeError: no such lock",
        "holds  third                        theory 2.000 us   model 2.003 [1.989, 2.017]    n=5",
    ]


def test_a_line_of_equal_ends():
    result = CheckResult("exact", "limit", True, 1.0, 1.0, 1.0, 1.0, "", "us")
    assert "model 1.000 [1.000, 1.000]" in validation.line(result)


class TestCommand:
    def test_tells_that_all_holds(self, monkeypatch):
        monkeypatch.setattr(validation, "checks", lambda: [THREE[0], THREE[2]])
        result = CliRunner().invoke(cli.cli, ["validate"])
        assert (result.exit_code, result.output.count("holds")) == (0, 2)

    def test_fails_where_a_check_fails(self, monkeypatch):
        monkeypatch.setattr(validation, "checks", lambda: THREE)
        result = CliRunner().invoke(cli.cli, ["validate", "--jobs", "2"])
        assert result.exit_code == 1
        assert "FAILS  second" in result.output


# --- the instruments --------------------------------------------------------------------------------------------


def test_a_window_counts_what_ends_inside():
    tables = lower(closed_lock(1), seed=f"{SEED}.0")
    engine = CompiledEngine(tables)
    engine.run(100_000_000)
    before = engine.outcome().moments[0, 0]
    engine.run(2_000_000_000)
    seen = windows.window(closed_lock(1), 0)
    assert seen.throughput == pytest.approx((engine.outcome().moments[0, 0] - before) / 19_000)
    assert seen.busy == 1.0


def test_walking_alone_meets_every_branch():
    """Counters spill past their batch, and every n-th pass takes the long way: latencies are not all equal."""
    quiet = limits.quiet(load.system("linux-2.6.35m"))
    for id in ("malloc", "open", "munmap"):
        latencies = by_hand.walk_alone(lower(scenario("S-A", quiet, id, cores=12)), 100).latencies
        assert len(latencies) == 100
        assert all(latency > 0 for latency in latencies)
    assert len(set(by_hand.walk_alone(lower(scenario("S-A", quiet, "malloc", cores=12)), 100).latencies)) > 1


def test_quiet_leaves_nothing_random():
    for id in load.systems():
        quiet = limits.quiet(load.system(id))
        assert quiet.background == {}
        assert quiet.kernel.path_variation.value == 0
        assert quiet.id == id


def test_a_check_without_numbers():
    assert math.isnan(Finding(True).value)
    assert np.isnan(THREE[0].result(SMALL).expected)
