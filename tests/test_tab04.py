"""Table 4: repetitions of described steps, their order, and the models offered to the fits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rainforest_model import paper, results
from rainforest_model.descriptions import load
from rainforest_model.descriptions.fitted import fitted_values
from rainforest_model.descriptions.lifecycle import OPERATIONS, TimedStep
from rainforest_model.experiments import tab04_elasticity as tab04
from rainforest_model.experiments.common import Options, Replicated
from rainforest_model.stats import mean_interval

OPTIONS = Options()


@pytest.fixture(scope="module")
def found():
    return tab04.run(OPTIONS)


def values(found, *key):
    return Replicated(found.frames["statistics"], tab04.KEYS).values(*key, "time")


def with_times(found, change):
    """The results with other times: `change` takes the table of statistics."""
    table = found.frames["statistics"].copy()
    table["value_us"] = change(table)
    return dataclasses.replace(found, frames={**found.frames, "statistics": table})


def test_the_committed_numbers_are_those_of_the_descriptions(found):
    assert results.differences(results.load("tab04_elasticity"), found) == []


def test_the_paper_repeated_as_often(found):
    assert found.frames["statistics"].groupby(tab04.KEYS).size().unique().tolist() == [100]


def test_sizes_are_those_of_the_table():
    assert tab04.SIZES["create"] == tab04.SIZES["destroy"] == (6, 16 * 2**30 // 4096)
    assert tab04.SIZES["cpu_online"] == tab04.SIZES["cpu_offline"] == (1, 0)
    assert tab04.SIZES["memory_online"] == tab04.SIZES["memory_offline"] == (0, 131072)


@pytest.mark.parametrize("id", tab04.SYSTEMS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_repetitions_scatter_around_the_mean_of_the_steps(found, id, operation):
    steps = load.lifecycle(id).steps(operation, *tab04.SIZES[operation])
    mean = sum(step.mean_ns for step in steps) / 1e3
    deviation = np.sqrt(sum((step.mean_ns * step.cv) ** 2 for step in steps)) / 1e3
    times = values(found, id, tab04.OWN, operation)
    assert abs(times.mean() - mean) < 5 * deviation / np.sqrt(len(times))
    assert 0 < times.std() < 2 * deviation


def test_equal_steps_draw_alike_and_others_apart():
    a, b = TimedStep("a", "nobody", 2e6, 0.2), TimedStep("b", "nobody", 2e6, 0.2)
    same = [tab04.repetition_ns("create", (a,), 1, k) for k in range(20)]
    slower = [tab04.repetition_ns("create", (a._replace(mean_ns=4e6),), 1, k) for k in range(20)]
    assert slower == pytest.approx([2 * time for time in same])
    others = [[tab04.repetition_ns(*key, k) for k in range(20)] for key in
              (("create", (b,), 1), ("destroy", (a,), 1), ("create", (a,), 2))]
    assert all(not set(other) & set(same) for other in others)


def test_the_stock_kernel_differs_by_its_calibration_in_every_repetition(found):
    stock, own = (values(found, "rainforest", path, "cpu_online") for path in (tab04.STOCK, tab04.OWN))
    calibration = load.lifecycle("rainforest").step["calibrate_delay"].timed(cores=1)
    extra = mean_interval(stock - own)
    assert (stock > own).all()
    assert abs(extra.value - calibration.mean_ns / 1e3) < 5 * calibration.mean_ns / 1e3 * calibration.cv / 10


def test_the_order_holds_where_zeros_are_equal(found):
    assert tab04.in_order(found).all()
    equal = with_times(found, lambda t: t.value_us.where(t.operation != "destroy", 1e3))
    assert tab04.in_order(equal).all()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_operation_turns_the_order_over(found, operation):
    slow = with_times(
        found, lambda t: t.value_us.where((t.system != "lxc") | (t.operation != operation), 1e9)
    )
    assert not tab04.in_order(slow).any()
    verdict = next(v for v in tab04.verdicts(slow) if v.id == "T4d")
    assert (verdict.model, verdict.verdict) == (0, "misses")


def test_verdicts_follow_the_times(found):
    judged = {v.id: v for v in tab04.verdicts(found)}
    slower = {v.id: v for v in tab04.verdicts(with_times(found, lambda t: 2 * t.value_us))}
    assert set(judged) == {claim.id for claim in paper.claims() if claim.artefact == "tab04_elasticity"}
    for id, verdict in judged.items():
        if id != "T4d":
            assert slower[id].model == pytest.approx(2 * verdict.model), id
    assert slower["T4a.create.rainforest"].verdict == "misses"


def test_the_table_has_every_cell_of_the_papers(found):
    table = tab04.table(found)
    assert len(table) == len(OPERATIONS) * len(tab04.SYSTEMS)
    assert ((table.least <= table.most) & (table.low <= table.model) & (table.model <= table.high)).all()
    for row in table.itertuples():
        assert row.printed == paper.claim(f"{tab04.COLUMNS[row.operation]}.{row.system}").value


def test_bars_are_the_steps(found):
    bars = tab04.figure(found).axes[1].patches
    drawn = sorted(round(bar.get_width(), 6) for bar in bars if bar.get_width() > 0)
    steps = found.frames["steps"].query("system == 'rainforest' and operation in ['cpu_online', 'cpu_offline']")
    assert drawn == pytest.approx(sorted(steps.mean_ms), abs=1e-5)


# --- fits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", tab04.SYSTEMS)
def test_a_fits_model_is_the_described_mean(id):
    answer = tab04.FITS[f"lifecycle-{id}"](fitted_values(), OPTIONS)
    declared = {
        claim.id for claim in paper.claims()
        if claim.role == "fitted" and claim.artefact == "tab04_elasticity" and claim.systems == (id,)
    }
    assert set(answer) == declared
    for operation, row in tab04.COLUMNS.items():
        if f"{row}.{id}" in answer:
            expected = load.lifecycle(id).mean_s(operation, *tab04.SIZES[operation])
            assert answer[f"{row}.{id}"] == pytest.approx(expected)


def test_another_value_of_a_fitted_number_moves_its_own_operations_alone():
    path = "systems/lifecycles/rainforest.toml:step.hotplug.base"
    now = tab04.FITS["lifecycle-rainforest"](fitted_values(), OPTIONS)
    more = tab04.FITS["lifecycle-rainforest"]({**fitted_values(), path: fitted_values()[path] + 5}, OPTIONS)
    moved = {id: more[id] - now[id] for id in now}
    assert moved == pytest.approx(dict.fromkeys(now, 0) | {"T4b.online.rainforest": 5e-3})


def test_there_are_fewer_fitted_numbers_than_claims_that_they_serve():
    mine = [path for path in fitted_values() if path.startswith("systems/lifecycles/")]
    claims = [claim for claim in paper.claims() if claim.artefact == "tab04_elasticity"]
    fitted = [claim for claim in claims if claim.role == "fitted"]
    assert len(mine) < len(fitted) < len(claims)
