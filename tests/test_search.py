"""Search: what it is made of, what is refused, and what its experiments make of their numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rainforest_model import scenario_file
from rainforest_model.descriptions import load
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.errors import InputError
from rainforest_model.experiments import fig08_search_load as fig08
from rainforest_model.experiments import searching
from rainforest_model.experiments.common import Options, Replicated
from rainforest_model.lowering import lower
from rainforest_model.reference import bare_system, ideal_machine
from rainforest_model.results import Results
from rainforest_model.simulation import simulate
from rainforest_model.stats import mean_interval
from rainforest_model.workloads import search

# --- its description --------------------------------------------------------------------------------------


def test_a_part_is_a_share_of_the_index_and_a_fixed_part():
    s = search.described(scan=12, pages=1024)

    def user_ms(parts):
        measured = next(op for op in search.back_end(parts, s).ops if op.do == "measure")
        return next(op.time.mean_ns for op in measured.body if getattr(op, "name", None) == "search") / 1e6

    assert user_ms(1) == pytest.approx(12 + s.part.value)
    assert user_ms(2) == pytest.approx(6 + s.part.value)


def test_memory_that_is_taken_is_given_back():
    """No page is left in the count of committed memory, whatever the number of pages."""
    for pages in (0, 200, 1024, 4000):
        program = search.back_end(1, search.described(pages=pages))
        counted = [op.pages for block in next(op for op in program.ops if op.do == "measure").body
                   for op in getattr(block, "body", ()) if op.do == "count"]
        assert sum(counted) == 0
        assert sum(map(abs, counted)) // 2 == pytest.approx(pages, abs=search.BATCH // 2)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), 2e6])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(InputError) as caught:
        search.clients(rate)
    assert caught.value.key == "rate"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("handlers", 0, "without handlers answers nothing"),
        ("wait", -1, "lies outside its range"),
        ("scan", 1000, "lies outside its range"),
    ],
)
def test_a_description_that_cannot_be_is_refused_with_its_file_and_key(key, value, reason):
    table = search.description().model_dump()
    table[key] = {**table[key], "value": value}
    if key == "handlers":
        table[key]["range"] = (0, 10)
    with pytest.raises(InputError, match=reason) as caught:
        search._described(table)
    assert "search.toml" in str(caught.value)
    assert str(caught.value.key).startswith(key)


def test_a_footprint_without_working_set_is_refused_with_file_and_key(tmp_path):
    footprint = search.description().footprint.model_dump(mode="json")
    footprint["working_set"] |= {"value": 0, "range": [0, 1]}
    lines = ['id = "p"', '[[ops]]', 'do = "compute"', 'time = { mean = "1 us" }', "[footprint]"]
    for key, value in footprint.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{k} = {v!r}".replace("'", '"') for k, v in value.items() if k != "fitted_to")
            lines.append(f"{key} = {{ {inner} }}")
        else:
            lines.append(f'{key} = "{value}"')
    program = tmp_path / "p.toml"
    program.write_text("\n".join(lines).replace("(", "[").replace(")", "]"))
    path = tmp_path / "s.toml"
    path.write_text('machine = "S-A"\nsystem = "lxc"\n[[load]]\nprogram = "p.toml"\n')
    with pytest.raises(InputError, match="must be above 0") as caught:
        scenario_file.load_scenario(path)
    assert "p.toml" in str(caught.value)
    assert "footprint.working_set" in str(caught.value)


def test_more_cores_than_the_machine_has_are_refused():
    with pytest.raises(InputError, match="machine S-A has 12"):
        load.validated(Scenario, {
            "machine": load.machine("S-A"), "system": load.system("lxc"), "cores": 14,
            "loads": search.search_loads(300, pinned=True),
        })


def test_a_partition_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="2, but there are 2, counted from 0") as caught:
        load.validated(Scenario, {
            "machine": load.machine("S-A"), "system": load.system("lxc"), "cores": 12, "partitions": 2,
            "loads": [Load(program=search.search_back_end, partition=2)],
        })
    assert caught.value.key == "loads.0.partition"


def test_a_neighbour_in_the_other_half_does_not_share_a_core():
    tables = lower(searching.search_on("rainforest", 300, neighbour="parsec.canneal"))
    cores = {name: {core for task in tables.tasks if task.name.startswith(name) and task.domain >= 0
                    for core in tables.domains[task.domain].cores} for name in ("search.", "parsec.canneal")}
    assert cores == {"search.": set(range(6)), "parsec.canneal": set(range(6, 12))}


# --- limits that Search must meet -------------------------------------------------------------------------


def bare(rate: float, back_ends: int, user_ms: float, cores: int = 24):
    """Search on an ideal machine with a core for every handler: nothing but user time."""
    s = search.described(part=0, pages=0)
    at_once = {"scan": s.scan.model_copy(update={"value": user_ms}), "wait": s.wait.model_copy(update={"value": 1e-6})}
    described = s.model_copy(update={**at_once, "footprint": None})
    return Scenario(
        machine=ideal_machine(cores), system=bare_system(), cores=cores, partitions=back_ends,
        loads=search.search_loads(rate, back_ends, described), duration="60 s", warmup="2 s",
    )


def test_at_low_load_a_request_takes_the_longer_of_its_parts():
    """Two equal independent lognormal parts: the mean of the larger is known (Clark 1961 on the logarithm's scale)."""
    from scipy import stats as st

    scenario = bare(20, 2, 20.0)
    run = simulate(scenario, replications=6)
    cv = search.description().scan_cv.value
    sigma = np.sqrt(np.log1p(cv**2))
    # E max(X, Y) = 2 E[X F(X)] = 2 m Phi(sigma / sqrt 2) for two lognormals of one law and mean m.
    expected = 2 * 10.0 * st.norm.cdf(sigma / np.sqrt(2))
    estimate = run.estimate("mean").scaled(1e-3)
    assert estimate.low <= expected <= estimate.high


def test_handlers_are_busy_by_littles_law():
    run = simulate(bare(200, 1, 20.0), replications=4)
    table = searching.resources({("x",): run}, ["key"])
    shares = table[table.statistic == "handlers"].value
    assert mean_interval(shares.to_numpy()).value == pytest.approx(200 * 0.020 / 10 * 100, rel=0.02)


# --- what the experiments make of their numbers -----------------------------------------------------------


def test_the_highest_load_is_found_by_bisection(monkeypatch):
    class Made:
        def __init__(self, rate):
            self.counts = [rate]

    monkeypatch.setattr(searching, "replicate", lambda scenario, seed, i, engine: Made(scenario))
    monkeypatch.setattr(searching.histogram, "quantile", lambda rate, q: 100 * 1e8 if rate <= 437 else 300 * 1e8)
    found = searching.highest_loads({"a": lambda rate: rate}, 100, 700, 3, Options())
    assert len(found) == 3
    assert (abs(found.rate - 437) <= searching.RATE_STEP).all()


def made(tails_ms: dict[float, float]) -> Results:
    rows = [("linux-2.6.35m", 2, rate, i, "p99", 1000 * tail) for rate, tail in tails_ms.items() for i in range(4)]
    frame = pd.DataFrame(rows, columns=[*fig08.KEYS, "replication", "statistic", "value_us"])
    return Results("fig08_search_load", "quick", 1, {"statistics": frame})


def test_a_plateau_is_left_for_good_behind_its_last_point():
    tails = dict.fromkeys(fig08.RATES, 100.0)
    tails |= {300: 250.0, 500: 400.0, 550: 1000.0, 600: 2000.0}
    r = Replicated(made(tails).frames["statistics"], fig08.KEYS)
    found = fig08.leaves_plateau(r, "linux-2.6.35m").value
    assert found == pytest.approx(475)  # halfway in the logarithm between 100 at 450 and 400 at 500


def test_growth_is_in_percent_and_paired():
    e = searching.growth(np.array([110.0, 220.0]), np.array([100.0, 200.0]))
    assert (e.value, e.low, e.high) == pytest.approx((10, 10, 10))


def test_the_printed_numbers_disagree_as_the_notebook_says():
    table = fig08.disagreements().set_index("system")
    assert table.cpu_ms.round(2).to_dict() == {
        "linux-2.6.35m": 17.94, "lxc": 19.89, "xen": 19.1, "rainforest": 16.73,
    }
    assert table.busy_percent["lxc"] > 99
