"""From a scenario to a run: replications, when they stop, what a run says, and how it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rainforest_model
from rainforest_model import compiled, histogram
from rainforest_model.agents.latencies import Latencies
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import Structure
from rainforest_model.errors import InputError
from rainforest_model.reference import bare_system, closed_lock, ideal_machine, open_queue
from rainforest_model.simulation import ENGINES, STATISTICS, SimulationError, replicate, scenario, simulate
from rainforest_model.stats import Precision, mean_interval
from rainforest_model.units import to_us

PACKAGE = Path(rainforest_model.__file__).resolve().parent
LOCK = closed_lock(4, duration="3 ms")


def assert_same(a, b) -> None:
    """Two runs with the same numbers in every replication."""
    assert len(a.outcomes) == len(b.outcomes)
    for x, y in zip(a.outcomes, b.outcomes, strict=True):
        np.testing.assert_array_equal(x.counts, y.counts)
        np.testing.assert_array_equal(x.moments, y.moments)
        np.testing.assert_array_equal(x.busy, y.busy)
        assert (x.now, x.events) == (y.now, y.events)


# --- replications and when they stop ----------------------------------------------------------------------


def test_so_many_replications_as_asked():
    run = simulate(LOCK, replications=3)
    assert (len(run.outcomes), run.stopped) == (3, "3 replications, as asked")


def test_a_rule_stops_when_it_is_tight_and_says_which():
    run = simulate(LOCK, replications=Precision(relative=0.5, minimum=2, cap=20))
    assert len(run.outcomes) == 2
    assert run.stopped.startswith("p99: half-width ")
    assert run.stopped.endswith("<= 50 %")


def test_a_rule_stops_at_its_cap_and_says_so():
    run = simulate(LOCK, replications=Precision(relative=1e-9, minimum=2, cap=4), statistic="mean")
    assert len(run.outcomes) == 4
    assert run.stopped.startswith("mean: cap of 4 replications reached at ")


def test_a_rule_stops_at_the_first_replication_that_it_may():
    rule = Precision(relative=0.012, minimum=3, cap=40)
    run = simulate(LOCK, replications=rule, statistic="mean")
    values = run.replicated("mean")
    assert 3 < len(values) < 40
    assert rule.decide(values).stop
    assert not any(rule.decide(values[:n]).stop for n in range(len(values)))


@pytest.mark.parametrize("jobs", [2, 3, 7])
@pytest.mark.parametrize("replications", [5, Precision(relative=0.012, minimum=3, cap=40)])
def test_a_run_does_not_depend_on_jobs(jobs, replications):
    alone = simulate(LOCK, replications=replications, statistic="mean")
    together = simulate(LOCK, replications=replications, statistic="mean", jobs=jobs)
    assert_same(alone, together)
    assert alone.stopped == together.stopped


def test_a_replication_is_the_same_alone_and_among_others():
    run = simulate(LOCK, replications=3, seed=5)
    np.testing.assert_array_equal(run.outcomes[2].counts, replicate(LOCK, seed=5, replication=2).counts)


def test_replications_and_seeds_differ():
    outcomes = [replicate(LOCK, seed, i).moments[0, 1] for seed in (1, 2) for i in (0, 1)]
    assert len(set(outcomes)) == 4


def test_progress_is_told_of_each_replication():
    told = []
    simulate(LOCK, replications=4, jobs=2, progress=told.append)
    assert told == [1, 1, 1, 1]


def test_a_program_that_measures_nothing_runs_as_often_as_the_cap():
    silent = LOCK.model_copy(update={"loads": (Load(program=pg.program("busy", pg.compute(pg.constant("1 us")))),)})
    run = simulate(silent, replications=Precision(minimum=2, cap=3))
    assert (len(run.outcomes), run.series, run.samples) == (3, (), 0)
    assert repr(run).endswith("nothing recorded>")


# --- what a run says --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    return simulate(LOCK, replications=4)


@pytest.mark.parametrize("statistic", [*STATISTICS, "p95", "p0.1", "p100"])
def test_a_statistic_has_a_value_for_each_replication(run, statistic):
    values = run.replicated(statistic)
    assert values.shape == (4,)
    assert (values > 0).all()
    assert run.estimate(statistic) == mean_interval(values)


def test_statistics_are_in_order(run):
    p50, p99, p999, largest = (run.replicated(name) for name in ("p50", "p99", "p99.9", "max"))
    assert (p50 < p99).all()
    assert (p99 < p999).all()
    assert (p999 <= 1.004 * largest).all()


def test_a_tail_is_a_percentile(run):
    assert run.tail(0.99) == run.estimate("p99")
    assert run.tail(0.999) == run.estimate("p99.9")
    assert run.tail() == run.tail(0.99)


@pytest.mark.parametrize("statistic", ["median", "p", "p0", "p101", "pnan", "99", "", "P99"])
def test_an_unknown_statistic_is_told_with_the_known_ones(run, statistic):
    with pytest.raises(InputError, match=r"no such statistic; known: mean, .* such as p95") as caught:
        run.replicated(statistic)
    assert (caught.value.key, caught.value.value) == ("statistic", statistic)


@pytest.mark.parametrize("ask", ["replicated", "estimate"])
def test_an_unknown_series_is_told_with_the_known_ones(run, ask):
    with pytest.raises(InputError, match="known: response") as caught:
        getattr(run, ask)("p99", "respons")
    assert (caught.value.key, caught.value.value) == ("series", "respons")


def test_a_series_by_name_is_the_same_as_the_first(run):
    np.testing.assert_array_equal(run.replicated("mean", "response"), run.replicated("mean"))


def test_the_distribution_is_that_of_all_replications(run):
    latency, probability = run.cdf()
    assert run.counts().sum() == run.samples == sum(int(o.moments[0, 0]) for o in run.outcomes)
    assert (np.diff(latency) > 0).all()
    assert (np.diff(probability) > 0).all()
    assert probability[-1] == 1


def test_a_table_has_a_row_for_each_statistic(run):
    table = run.table(["mean", "p95"])
    assert list(table.columns) == ["series", "statistic", "value_us", "low_us", "high_us", "n"]
    assert table.statistic.tolist() == ["mean", "p95"]
    assert (table.low_us <= table.value_us).all()
    assert (table.value_us <= table.high_us).all()
    assert (table.n == 4).all()


def test_utilisation_is_a_share(run):
    assert 0.9 < run.utilisation <= 1  # think and spin, always one of them


def test_a_run_shows_its_tail_and_its_name(run):
    e = run.estimate("p99")
    told = f"p99 {e.value:.4g} us [{e.low:.4g}, {e.high:.4g}], n=4>"
    assert repr(run) == f"<Run {LOCK!r}: {told}"
    assert repr(simulate(LOCK, replications=4, name="mine")) == f"<Run 'mine': {told}"


def test_a_caption_says_how_the_numbers_came_about(run):
    assert run.caption == f"4 replications of 3 ms ({run.samples:,} samples), seed 1"


def test_quantiles_are_those_of_the_exact_samples(monkeypatch):
    """The model records into buckets; here every sample is kept beside them."""
    samples, record = [], Latencies.record

    def kept(self, series, since, now):
        if since >= self.warmup:
            samples.append(now - since)
        record(self, series, since, now)

    monkeypatch.setattr(Latencies, "record", kept)
    run = simulate(scenario("S-A", "linux-2.6.32", "malloc", cores=4, threads=4, duration="5 ms"),
                   replications=1, engine="agents")
    assert len(samples) == run.samples > 300
    for q in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0):
        exact = to_us(np.quantile(samples, q, method="inverted_cdf"))
        assert run.replicated(f"p{100 * q:g}")[0] == pytest.approx(exact, rel=0.004)
    values = to_us(np.array(samples, float))
    assert run.replicated("mean")[0] == pytest.approx(values.mean(), rel=1e-12)
    assert run.replicated("sd")[0] == pytest.approx(values.std(), rel=1e-6)
    assert run.replicated("max")[0] == values.max()
    latency, probability = run.cdf()
    np.testing.assert_array_equal(histogram.cdf(run.counts())[1], probability)
    assert latency[-1] == pytest.approx(values.max(), rel=0.004)


# --- engines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "small",
    [
        closed_lock(3, duration="2 ms"),
        scenario("S-A", "rainforest", "munmap", cores=4, partitions=2, threads=2, duration="2 ms"),
        scenario("S-A", "linux-4.9.40", "open", cores=2, processes=3, duration="2 ms"),
    ],
    ids=repr,
)
def test_both_engines_give_the_same_run(small):
    fast, readable = (simulate(small, replications=2, engine=engine) for engine in ENGINES)
    assert_same(fast, readable)
    assert fast.samples > 0


@pytest.mark.parametrize(
    ("key", "value"), [("engine", "steam"), ("replications", 0), ("replications", -3), ("jobs", 0)]
)
def test_an_argument_that_does_not_fit_is_told(key, value):
    with pytest.raises(InputError) as caught:
        simulate(LOCK, **{"replications": 2, key: value})
    assert (caught.value.key, caught.value.value) == (key, value)


# --- runs that cannot be finished -------------------------------------------------------------------------


def two_locks_in_two_orders(machine, system) -> Scenario:
    hold, think = pg.compute(pg.constant("1 us")), pg.compute(pg.exponential("1 us"))
    loads = []
    for first, second in ("ab", "ba"):
        body = (pg.lock(first), hold, pg.lock(second), pg.unlock(first), pg.unlock(second))
        loads.append(Load(program=pg.program(f"{first}_{second}", think, pg.measure("both", *body))))
    kind = Structure(kind="queue_lock", scope="machine", source="a test")
    return Scenario(
        machine=machine, system=system, loads=tuple(loads), cores=2, structures={"a": kind, "b": kind},
        duration="5 ms",
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_is_an_error(engine):
    stuck = two_locks_in_two_orders(ideal_machine(2), bare_system())
    with pytest.raises(SimulationError, match="waits for ever, as all the others do") as caught:
        simulate(stuck, replications=2, engine=engine)
    assert repr(stuck) in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_names_a_thread(engine):
    stuck = two_locks_in_two_orders(ideal_machine(2), bare_system())
    with pytest.raises(SimulationError, match=r"thread (a_b|b_a)\.\S+ waits for ever"):
        simulate(stuck, replications=2, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_under_a_kernel_with_ticks_is_an_error(engine):
    machine, system = rainforest_model.machine("S-A"), rainforest_model.system("linux-4.9.40")
    stuck = two_locks_in_two_orders(machine, system)
    with pytest.raises(SimulationError, match="waits for ever"):
        simulate(stuck, replications=2, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_overfull_queue_names_the_thread_that_found_it_full(engine):
    with pytest.raises(SimulationError, match=r"thread source\.\S+ found its queue full") as caught:
        simulate(open_queue(1, "1 us", constant="1 s"), replications=1, engine=engine)
    assert " us)" in str(caught.value)


def test_a_run_that_is_too_short_says_so():
    slow = pg.program("slow", pg.measure("round", pg.compute(pg.constant("10 ms"))))
    run = simulate(LOCK.model_copy(update={"loads": (Load(program=slow),)}), replications=2)
    assert run.samples == 0
    with pytest.raises(SimulationError, match="no latency was recorded"):
        run.estimate("mean")


# --- scenarios by id --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"machine": "S-C"}, "machine"), ({"system": "linux-0.1"}, "system"), ({"program": "mmapp"}, "workload"),
        ({"cores": 13}, "cores"), ({"cores": 0}, "cores"), ({"partitions": 5}, "partitions"),
        ({"processes": 0}, "loads[0].processes"), ({"duration": "soon"}, "duration"),
        ({"durations": "1 ms"}, "durations"), ({"warmup": "1 s"}, "warmup"),
    ],
    ids=str,
)
def test_a_scenario_that_does_not_fit_is_told_by_its_key(changed, key):
    told = {"machine": "S-A", "system": "linux-4.9.40", "program": "mmap", **changed}
    with pytest.raises(InputError) as caught:
        scenario(told.pop("machine"), told.pop("system"), told.pop("program"), **told)
    assert caught.value.key.replace(".0.", "[0].") == key
    assert "\n" not in str(caught.value)


def test_a_scenario_takes_ids_or_descriptions():
    ids = scenario("S-A", "lxc", "open", cores=6)
    descriptions = scenario(
        rainforest_model.machine("S-A"), rainforest_model.system("lxc"), rainforest_model.workload("open"), cores=6
    )
    assert ids == descriptions
    assert scenario("S-A", "lxc", "open").cores == 12


# --- the top level ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["rf.scenario", "rf.simulate", "rf.compare", "import rainforest_model.comparison"])
def test_the_functions_at_the_top_are_functions_in_every_order(first):
    asked = "all(map(callable, (rf.scenario, rf.simulate, rf.compare)))"
    program = f"import rainforest_model as rf; {first}; assert {asked}"
    result = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


# --- the cache of compiled code ---------------------------------------------------------------------------


def test_the_hash_changes_with_every_byte_of_every_source(tmp_path):
    copies = []
    for path in compiled.compiled_sources():
        copies.append(tmp_path / path.relative_to(PACKAGE))
        copies[-1].parent.mkdir(exist_ok=True)
        shutil.copy(path, copies[-1])
    whole = compiled.sources_hash(copies)
    assert whole == compiled.sources_hash()
    for path in copies:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert compiled.sources_hash(copies) != whole, path.name
        path.write_bytes(content)
    assert compiled.sources_hash(copies) == whole


def test_every_module_with_a_compiled_function_is_hashed():
    hashed = set(compiled.compiled_sources())
    for path in PACKAGE.rglob("*.py"):
        if any(line.startswith("@compiled") for line in path.read_text(encoding="utf-8").splitlines()):
            assert path in hashed, path.name


@pytest.fixture
def fresh():
    """The function that looks for a cache folder, without its memory."""
    return compiled.cache_folder.__wrapped__


def test_the_cache_lies_in_the_users_folder(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / "user" / name)
    assert fresh() == tmp_path / "user" / "rainforest-model" / compiled.sources_hash()


def test_the_cache_falls_back_where_the_users_folder_is_not_writable(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder can be made below a file")
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / "file" / name)
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    found = fresh()
    assert found == tmp_path / "temporary" / "rainforest-model" / compiled.sources_hash()
    assert found.is_dir()


def test_the_cache_falls_back_to_a_folder_of_its_own(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder can be made below a file")
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / "file" / name)
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    monkeypatch.setattr(compiled.tempfile, "mkdtemp", lambda prefix: str(tmp_path / f"{prefix}1"))
    assert fresh() == tmp_path / "rainforest-1"
