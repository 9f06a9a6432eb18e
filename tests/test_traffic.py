"""Traces of arrivals: files are read or refused in one line, and the shipped one follows from its description."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_descriptions import parameters
from test_twins import assert_twins

from rainforest_model import draws
from rainforest_model.descriptions import arrivals as ar
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.arrivals import Arrivals, read_arrivals
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.errors import InputError
from rainforest_model.lowering import lower
from rainforest_model.outcome import StopReason
from rainforest_model.reference import bare_system, ideal_machine
from rainforest_model.resources import data_path
from rainforest_model.scenario_file import load_scenario
from rainforest_model.simulation import simulate
from rainforest_model.workloads import search, traffic

# --- files ------------------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "mine.csv"
        path.write_text(text)
        return path

    return write


def test_arrivals_one_by_one(write):
    trace = read_arrivals(write("# from a log\n\ntime_s\n0\n0.25\n0.25\n1e1\n"))
    assert trace == Arrivals("mine", [0, 0.25, 0.25, 10])
    assert trace.source == "from a log"


def test_counts_evenly(write):
    trace = read_arrivals(write("start_s,requests\n0,4\n2,0\n3,1\n4,\n"), spread=ar.evenly)
    assert trace.nanoseconds.tolist() == [250_000_000, 750_000_000, 1_250_000_000, 1_750_000_000, 3_500_000_000]


def test_rates_make_counts_that_add_up(write):
    edges, counts = ar.read_counts(write("start_s, rate\r\n0,0.4\r\n1,0.4\r\n2,0.4\r\n3,1.9\r\n5,\r\n"))
    assert edges.tolist() == [0, 1, 2, 3, 5]
    assert counts.sum() == round(3 * 0.4 + 2 * 1.9)
    assert counts.tolist() == [0, 1, 0, 4]


def test_a_byte_order_mark_and_quoted_names_are_no_matter(write):
    path = write("")
    path.write_bytes('"start_s","requests"\n0,1\n1,\n'.encode("utf-8-sig"))
    assert len(read_arrivals(path)) == 1


REFUSED = {
    "": "is empty",
    "# nothing else\n": "is empty",
    "time_s\n": "time_s: has no rows",
    "time_s\n1\n0.5\n": "line 3: time_s = 0.5: comes after 1; times must ascend",
    "time_s\n-1\n0.5\n": "line 2: time_s = '-1': must not be negative",
    "time_s\n0\n\n# gap\nnan\n": "line 5: time_s = 'nan': must be finite",
    "time_s\ninf\n": "line 2: time_s = 'inf': must be finite",
    "time_s\n0\nsoon\n": "line 3: time_s = 'soon': is no number",
    "time_s\n3601\n": "line 2: time_s = 3601.0: is later than the hour that a simulation may last",
    "time\n0\n": "line 1: header = 'time': the columns must be time_s or start_s,requests or start_s,rate; "
                 "did you mean time_s?",
    "0\n1\n": "line 1: header = '0': the columns must be time_s or start_s,requests or start_s,rate; "
              "known: rate, requests, start_s, time_s",
    "start_s\n0\n": "line 1: header = 'start_s': the columns must be time_s or start_s,requests or start_s,rate",
    "start_s,requests\n0,1,2\n1,\n": "line 2: 3 cells, but the header names 2",
    "start_s,requests\n0\n1,\n": "line 2: 1 cell, but the header names 2",
    "start_s,requests\n0,1\n1,1\n":
        "line 3: requests = '1': must be empty: the last row says where the interval before it ends",
    "start_s,requests\n0,\n": "line 2: requests = '': a row that ends the first interval is needed",
    "start_s,requests\n0,1\n1,\n2,\n": "line 3: requests = '': is no number",
    "start_s,requests\n0,1.5\n1,\n": "line 2: requests = 1.5: must be a whole number of requests",
    "start_s,requests\n0,-1\n1,\n": "line 2: requests = '-1': must not be negative",
    "start_s,requests\n0,1\n0,1\n1,\n": "line 3: start_s = 0.0: comes after 0; times must ascend",
    "start_s,requests\n0,0\n1,\n": "requests: no request arrives at all",
    "start_s,requests\n0,1e8\n1,\n": "requests: 1e+08 requests; there is room for 10000000",
    "start_s,rate\n0,-0.5\n1,\n": "line 2: rate = '-0.5': must not be negative",
    "start_s,rate\n0,many\n1,\n": "line 2: rate = 'many': is no number",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_is_told_with_file_line_column_and_reason(write, text):
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_arrivals(path)
    assert str(caught.value) == f"{path}: {REFUSED[text]}"


def test_what_is_no_text_or_no_file_is_told(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name, reason in {"binary.csv": "no text in UTF-8", "none.csv": "No such file", ".": "is no file"}.items():
        with pytest.raises(InputError, match=reason) as caught:
            read_arrivals(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path))


def test_one_by_one_is_not_counted(write):
    with pytest.raises(InputError, match="counts are needed"):
        ar.read_counts(write("time_s\n0\n"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3600 * 10**9), min_size=1, max_size=20))
def test_what_is_written_is_read_again(tmp_path_factory, nanoseconds):
    path = tmp_path_factory.mktemp("traces") / "mine.csv"
    trace = Arrivals("mine", np.sort(nanoseconds) / 1e9, "a test")
    ar.write_arrivals(path, trace)
    again = read_arrivals(path)
    assert (again, again.source) == (trace, "a test")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any), st.integers(1, 1000))
def test_counts_that_are_written_are_read_again(tmp_path_factory, counts, millis):
    path = tmp_path_factory.mktemp("traces") / "mine.csv"
    edges = np.arange(len(counts) + 1) * millis / 1e3
    ar.write_counts(path, edges, np.array(counts), "a test")
    for written, read in zip((edges, counts), ar.read_counts(path), strict=True):
        np.testing.assert_allclose(read, written, rtol=1e-11)


# --- within an interval -----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.integers(0, 20)), min_size=1, max_size=20), st.integers(0, 99),
)
def test_every_spread_leaves_each_interval_its_requests_in_order(intervals, seed):
    lengths, counts = map(np.array, zip(*intervals, strict=True))
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    for spread in (ar.evenly, ar.at_random(seed)):
        times = spread(edges, counts)
        assert (np.diff(times) >= 0).all()
        np.testing.assert_array_equal(np.histogram(times, edges)[0], counts)


def test_arrivals_at_random_are_a_poisson_process():
    """Of many intervals with Poisson counts: distances are exponential; of one: times are uniform."""
    counts = stats.poisson.ppf(draws.units(draws.stream(1, "a test", 0), 5000), 4).astype(int)
    distances = np.diff(ar.at_random(seed=2)(np.arange(5001.0), counts))
    assert stats.kstest(distances, "expon", (0, 1 / 4)).pvalue > 1e-3
    one = ar.at_random(seed=3)(np.array([0.0, 1.0]), np.array([20_000]))
    assert stats.kstest(one, "uniform").pvalue > 1e-3


def test_the_seed_alone_decides():
    edges, counts = np.arange(11.0), np.full(10, 5)
    first, again, other = (ar.at_random(seed)(edges, counts) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_whole_counts_never_fall_behind(expected):
    counts = ar.whole_counts(np.array(expected))
    assert (counts >= 0).all()
    assert (abs(np.cumsum(counts) - np.cumsum(expected)) <= 0.5 + 1e-9).all()


def test_half_a_million_requests_take_little_memory():
    assert traffic.search_trace().nanoseconds.nbytes < 4e6


# --- the described load -----------------------------------------------------------------------------------


def test_every_number_of_the_description_says_where_it_comes_from():
    found = dict(parameters(traffic.description()))
    assert len(found) == 9
    for where, parameter in found.items():
        low, high = parameter.range
        assert (low == high) == (parameter.basis == "cited"), where
        if parameter.basis != "fitted":
            assert parameter.source.startswith("estimate" if low < high else "RainForest"), where


def test_the_shipped_trace_follows_from_the_description_and_its_seed(tmp_path):
    """After a change: `traffic.write_trace(data_path(*traffic.TRACE))`."""
    path = tmp_path / "search.csv"
    traffic.write_trace(path)
    assert path.read_text() == data_path(*traffic.TRACE).read_text()


def test_the_shipped_trace_has_the_stated_total_and_duration():
    edges, counts = ar.read_counts(data_path(*traffic.TRACE))
    assert counts.sum() == 482_400
    assert (edges[0], edges[-1]) == (0, 37.5 * 60)
    assert len(traffic.search_trace()) == 482_400


def made(seed: int = 1, **values: float) -> traffic.Traffic:
    """A load like the shipped one with other values, inside its ranges or not."""
    table = traffic.description().model_dump() | {"seed": seed}
    for key, value in values.items():
        table[key] |= {"value": value, "range": (value, value)}
    return traffic.Traffic.model_validate(table)


@pytest.mark.parametrize("values", [{}, {"days": 0.026}, {"burst": 1}, {"hurst": 0.5}, {"requests": 1}])
def test_counts_sum_to_the_total_whatever_the_shape(values):
    load = made(seed=5, **values)
    assert load.counts().sum() == load.requests.value
    assert load.expected().sum() == pytest.approx(load.requests.value)
    assert (load.counts() >= 0).all()


def test_by_day_alone_the_rate_swings_as_described():
    load = traffic.description()
    expected = load.expected()
    mean = load.requests.value / load.intervals
    assert expected.max() / mean == pytest.approx(1 + load.swing.value, rel=1e-5)
    assert expected.min() / mean == pytest.approx(1 - load.swing.value, rel=1e-5)
    assert np.argmax(expected) / load.intervals == pytest.approx(load.peak.value, abs=1e-3)


def over_seeds(statistic, **values):
    """Mean of a statistic of counts over the day's curve, over seeds, with its standard error."""
    loads = [made(seed, **values) for seed in range(40)]
    found = [statistic(load.counts() / load.expected()) for load in loads]
    return np.mean(found), np.std(found, ddof=1) / np.sqrt(len(found))


def test_without_fluctuation_counts_follow_polya_and_aeppli():
    """A Poisson number of users with geometric numbers of requests of mean m: variance over mean is 2 m - 1."""
    quiet = {"swing": 0, "fluctuation": 0, "requests": 2250 * 200}
    for m in (1, 1.5):
        found, error = over_seeds(lambda r: 200 * np.var(r), burst=m, **quiet)
        assert found == pytest.approx(2 * m - 1, abs=5 * error)


def test_the_fluctuation_is_long_range_dependent():
    """Means of n intervals vary by n ** (2 H - 2): here for a load so large that nothing else fluctuates."""
    smooth = {"swing": 0, "burst": 1, "requests": 2250 * 10_000, "fluctuation": 0.15}

    def slope(r):
        r = np.log(r)[: 2250 // 32 * 32]
        return np.log(np.var(r) / np.var(r.reshape(-1, 8).mean(axis=1))) / np.log(8)

    for hurst in (0.5, 0.7, 0.8):
        found, error = over_seeds(slope, hurst=hurst, **smooth)
        # FARIMA is self-similar in the limit; of eight intervals the exponent is known from its autocovariance.
        assert found == pytest.approx(farima_slope(hurst, 8), abs=5 * error + 0.03)


def farima_slope(hurst: float, n: int) -> float:
    """By how much means of `n` values vary less than one, as an exponent (Hosking 1981: rho_k by d)."""
    d = hurst - 0.5
    k = np.arange(1, n)
    rho = np.cumprod((k - 1 + d) / (k - d))
    return -np.log((n + 2 * np.sum((n - k) * rho)) / n**2) / np.log(n)


def test_the_fluctuation_is_as_large_as_described():
    wide = {"swing": 0, "burst": 1, "requests": 2250 * 10_000, "hurst": 0.5}
    for cv in (0.1, 0.3):
        found, error = over_seeds(np.std, fluctuation=cv, **wide)
        assert found == pytest.approx(cv, abs=5 * error + 1e-3)


NOT_POSSIBLE = {
    "requests": (0.5, "must be a whole number above 0"),
    "interval": (7, "a whole number of intervals must fill the duration"),
    "swing": (1, "must be below 1"),
    "hurst": (1, "must lie in 0.5 .. 1"),
    "burst": (0.5, "an active user sends at least one request"),
    "days": (0, "must be above 0"),
    "day": (1, "no such parameter"),
}


@pytest.mark.parametrize("key", NOT_POSSIBLE)
def test_a_load_that_cannot_be_is_refused(key, tmp_path):
    value, reason = NOT_POSSIBLE[key]
    text = data_path("workloads", "search_traffic.toml").read_text()
    with pytest.raises(InputError, match=reason if key == "day" else None):
        traffic.described(**{key: value})
    if key != "day":
        path = tmp_path / "mine.toml"
        lines = [
            f'{key} = {{ value = {value}, unit = "{"s" if key == "interval" else "count"}", range = [0, 9], '
            'basis = "derived", source = "a test" }' if line.startswith(f"{key} =") else line
            for line in text.splitlines()
        ]
        path.write_text("\n".join(lines))
        with pytest.raises(InputError, match=reason) as caught:
            traffic.traffic(path)
        assert caught.value.file == path
        assert caught.value.key.startswith(key)


# --- a replay ---------------------------------------------------------------------------------------------


def replayed(arrivals: Arrivals, handlers: int = 3) -> Scenario:
    answer = pg.program(
        "answer", pg.receive_part("search requests"), pg.compute(pg.constant("1 ms")), pg.gather("search"),
    )
    return Scenario(
        machine=ideal_machine(handlers), system=bare_system(), cores=handlers, duration="1 s", warmup="0 s",
        loads=(
            Load(program=traffic.replay(arrivals), place="outside"), Load(program=answer, threads=handlers),
        ),
    )


def test_each_request_of_a_trace_is_sent_at_its_time():
    """More servers than requests under way: each takes its service time, and all that arrived are answered."""
    arrivals = Arrivals("five", [0.1, 0.1, 0.2, 0.5, 0.9])
    run = simulate(replayed(arrivals), replications=1)
    assert run.samples == 5
    assert run.estimate("max").value == pytest.approx(1000, rel=1e-3)
    late = Arrivals("late", [0.1, 2.0])
    assert simulate(replayed(late), replications=1).samples == 1


def test_requests_that_come_together_wait_for_each_other():
    run = simulate(replayed(Arrivals("burst", [0.1] * 6), handlers=2), replications=1)
    assert run.estimate("mean").value == pytest.approx(2000, rel=1e-3)  # two each after 1, 2 and 3 ms


def test_both_engines_replay_alike():
    edges, counts = np.arange(11) / 10, np.array([20, 0, 5, 40, 80, 3, 7, 0, 0, 20])
    arrivals = Arrivals("made", ar.at_random(1)(edges, counts))
    assert assert_twins(lower(replayed(arrivals, 2)), events=3000, until=10**11) is StopReason.REACHED


@pytest.mark.parametrize("system", ["linux-2.6.32", "rainforest"])
def test_both_engines_replay_search_alike(system):
    divided = load.system(system).partitioning.partitioned
    handlers = Load(program=search.search_back_end, threads=10, partition=0)
    scenario = Scenario(
        machine=load.machine("S-A"), system=load.system(system), cores=12, partitions=1 + divided,
        loads=(Load(program=traffic.replay(traffic.search_trace()), place="outside"), handlers),
    )
    assert assert_twins(lower(scenario), events=4000) is StopReason.REACHED


SCENARIO = """
machine = "S-A"
system = "linux-2.6.32"
duration = "1 s"
warmup = "0 s"
[[load]]
place = "outside"
program = { id = "clients", ops = [
    { do = "repeat", times = 2, body = [
        { do = "arrive", arrivals = "traces/mine.csv" }, { do = "send", what = "jobs" },
    ] },
] }
[[load]]
program = { id = "server", ops = [{ do = "receive", what = "jobs" }, { do = "measure", name = "job", body = [
    { do = "compute", time = { mean = "1 ms" } },
] }] }
"""


def test_a_scenario_file_names_its_trace(tmp_path):
    (tmp_path / "traces").mkdir()
    trace, path = tmp_path / "traces" / "mine.csv", tmp_path / "mine.toml"
    trace.write_text("start_s,requests\n0,3\n0.5,4\n1,\n")
    path.write_text(SCENARIO)
    assert simulate(load_scenario(path).scenario, replications=1).samples == 7
    trace.write_text("start_s,requests\n0,3\n0.5,few\n1,\n")
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert str(caught.value) == f"{trace}: line 3: requests = 'few': is no number"
