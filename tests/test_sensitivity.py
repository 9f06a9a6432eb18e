"""Sensitivity: known indices through our pipeline, ranges and homes of parameters, points that are kept."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import halfnorm

import rainforest_model.sensitivity as sn
from rainforest_model import cli, plots, results
from rainforest_model.descriptions.parameter import Parameter
from rainforest_model.errors import InputError
from rainforest_model.experiments.common import Options
from rainforest_model.experiments.fig03a_mmap import explained
from rainforest_model.sensitivity import factors as fc
from rainforest_model.sensitivity.screening import STEP
from rainforest_model.simulation import SimulationError, replicate
from rainforest_model.sweep import Store

RAINFOREST, LXC = ("mmap", "rainforest"), ("mmap", "lxc")
TAIL, SHARED = (*RAINFOREST, "p99"), (*LXC, "p99")


def _mmap(condition, values):
    return explained(condition[1], Options(), cores=2).model_copy(update={"duration": "0.4 ms", "warmup": "0.1 ms"})


TINY = sn.Study(
    "tiny", "mmap on two cores", _mmap, (sn.Output(TAIL), sn.Output(SHARED, TAIL)),
    (sn.Ordering("mine", ((TAIL, SHARED),)),),
)
SMALL = sn.Sizes(noise=3, trajectories=2, most=2, base=2, points=5)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "points.store") as kept:
        yield kept


@pytest.fixture(scope="module")
def investigated(tmp_path_factory):
    """The tiny study, investigated twice, and the folder of its points."""
    with Store(tmp_path_factory.mktemp("points") / "points.store") as kept:
        return sn.investigate(TINY, SMALL, kept), sn.investigate(TINY, SMALL, kept, jobs=2), kept.path


def parameter(low: float, value: float, high: float, unit: str = "ns") -> Parameter:
    return Parameter(value=value, unit=unit, range=(low, high), basis="derived", source="made for a test")


# --- functions whose indices are known --------------------------------------------------------------------


def ishigami(x, a=7.0, b=0.1):
    x = math.pi * (2 * x - 1)
    return {"y": np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])}


def test_the_indices_of_ishigamis_function():
    """Ishigami and Homma (1990): the variances in closed form."""
    a, b, pi = 7.0, 0.1, math.pi
    first = np.array([0.5 * (1 + b * pi**4 / 5) ** 2, a**2 / 8, 0.0])
    both = b**2 * pi**8 * (1 / 18 - 1 / 50)
    variance = first.sum() + both
    table = sn.share_out(["x1", "x2", "x3"], ishigami, base=1024)
    assert table["first"].to_numpy() == pytest.approx(first / variance, abs=0.03)
    assert table.total.to_numpy() == pytest.approx((first + np.array([both, 0, both])) / variance, abs=0.03)
    assert table.variance.to_numpy() == pytest.approx(variance, rel=0.03)


def test_the_indices_of_the_g_function():
    """Saltelli and Sobol' (1995): each factor matters the less, the larger its coefficient."""
    a = np.array([0.0, 1.0, 4.5, 99.0])
    parts = 1 / (3 * (1 + a) ** 2)
    variance = np.prod(1 + parts) - 1
    total = [parts[k] * np.prod(np.delete(1 + parts, k)) for k in range(len(a))]
    table = sn.share_out(
        list("abcd"), lambda x: {"y": np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1)}, base=1024
    )
    assert table["first"].to_numpy() == pytest.approx(parts / variance, abs=0.03)
    assert table.total.to_numpy() == pytest.approx(np.array(total) / variance, abs=0.03)


def test_the_effects_of_a_sum_are_its_coefficients():
    slopes = np.array([3.0, -2.0, 0.0])
    table = sn.screen(list("abc"), lambda x: {"y": x @ slopes, "z": -(x @ slopes)}, trajectories=5)
    assert table.mu.to_numpy() == pytest.approx([3, -2, 0, -3, 2, 0])
    assert table.mu_star.to_numpy() == pytest.approx([3, 2, 0, 3, 2, 0])
    assert table[["sigma", "half"]].to_numpy() == pytest.approx(0, abs=1e-9)


def test_what_interacts_has_effects_that_vary():
    table = sn.screen(list("ab"), lambda x: {"y": x[:, 0] * x[:, 1]}, trajectories=20).set_index("factor")
    assert table.sigma.min() > 0.1


def test_what_cannot_matter_gets_exactly_nothing():
    def function(x):
        return {"y": np.exp(x[:, 0]), "constant": np.ones(len(x))}

    effects = sn.screen(["a", "idle"], function, trajectories=4)
    shares = sn.share_out(["a", "idle"], function, base=64)
    assert effects[effects.factor == "idle"].mu_star.eq(0).all()
    idle = shares[shares.factor == "idle"]
    assert idle.total.eq(0).all()
    assert shares[shares.output == "constant"][["first", "total"]].eq(0).to_numpy().all()


def test_the_floor_is_the_mean_effect_of_noise_alone():
    assert sn.floor_of(0.3) == pytest.approx(halfnorm(scale=0.3 * math.sqrt(2) / STEP).mean())


def test_a_factor_is_kept_for_any_output_on_which_it_stands_out():
    effects = sn.screen(
        list("abcd"), lambda x: {"y": 10 * x[:, 0] + x[:, 2] / 2, "z": x[:, 1] + 0.001 * x[:, 3]}, trajectories=4
    )
    none = {"y": 0.0, "z": 0.0}
    assert sn.kept(effects, none, most=9) == ["a", "b"]  # c is small beside a, d beside b
    assert sn.kept(effects, none, most=1) == ["a"]
    assert sn.kept(effects, {"y": 0.0, "z": 2.0}, most=9) == ["a"]  # all of z is noise


def test_nothing_to_vary_is_told():
    with pytest.raises(InputError, match="no parameter with a range"):
        sn.screen([], lambda x: {"y": x}, trajectories=2)


# --- parameters and their ranges --------------------------------------------------------------------------


@given(
    low=st.one_of(st.just(0.0), st.floats(1e-3, 1e6)), width=st.floats(1e-3, 1e6), place=st.floats(0, 1),
    u=st.floats(0, 1), unit=st.sampled_from(["ns", "count", "ratio"]),
)
def test_a_value_lies_in_its_range(low, width, place, u, unit):
    high = low + width
    factor = sn.Factor(("a.toml:key",), parameter(low, min(low + place * width, high), high, unit))
    assert low <= factor.at(u) <= high
    assert [factor.at(0.0), factor.at(1.0)] == pytest.approx([low, high], rel=1e-8)


def test_orders_of_magnitude_are_equally_likely_where_they_are_what_is_not_known():
    wide, narrow, with_zero = (
        sn.Factor(("a.toml:k",), parameter(*ends)) for ends in ((1, 5, 100), (1, 5, 9), (0, 5, 100))
    )
    assert (wide.at(0.5), narrow.at(0.5), with_zero.at(0.5)) == (10, 5, 50)


def test_what_is_counted_stays_whole():
    factor = sn.Factor(("a.toml:k",), parameter(1, 2, 3, "count"))
    assert {factor.at(u) for u in np.linspace(0, 1, 50)} == {1, 2, 3}


def test_a_parameter_without_a_range_is_no_factor_and_is_listed(investigated):
    found = investigated[0].frames["parameters"].set_index("path")
    described = TINY.described((RAINFOREST, LXC))
    assert set(found.index) == set(described)
    fixed = found[found.done == "has no range"]
    assert (fixed.low == fixed.high).all()
    assert len(fixed) == sum(one.range[0] == one.range[1] for one in described.values())
    assert "machines/S-A.toml:topology.clock" in fixed.index
    assert (found[found.done == "varied"].low < found[found.done == "varied"].high).all()


def test_every_varied_parameter_changes_what_the_engines_get_and_no_other_does():
    conditions = (RAINFOREST,)
    names = {factor.name for factor in TINY.factors(conditions)}
    assert "linux-2.6.32: costs.vma_insert" in names
    idle = [factor for factor in fc.factors(TINY.described(conditions)) if factor.name not in names]
    assert any(factor.name == "linux-2.6.32: costs.tcp_send" for factor in idle)
    together = {home: value for factor in idle for home, value in factor.values(1.0).items()}
    moved, described = (replicate(TINY.scenario(RAINFOREST, values)) for values in (together, {}))
    assert (moved.counts == described.counts).all()
    assert moved.events == described.events


def test_what_kernels_estimate_alike_moves_together():
    conditions = tuple(("mmap", id) for id in ("linux-2.6.32", "linux-4.9.40"))
    factor = next(f for f in TINY.factors(conditions) if f.homes[0].endswith(":path_variation"))
    assert [home.partition(":")[0] for home in factor.homes] == [
        "systems/kernels/linux-2.6.32.toml", "systems/kernels/linux-4.9.40.toml",
    ]
    values = factor.values(1.0)
    assert {TINY.scenario(c, values).system.kernel.path_variation.value for c in conditions} == {0.3}


def test_names_tell_factors_apart():
    for study in sn.studies().values():
        conditions = sn.conditions_of((*study.outputs, *study.orderings))
        names = [factor.name for factor in fc.factors(study.described(conditions))]
        assert len(set(names)) == len(names)


def test_a_value_outside_of_its_range_is_refused():
    path = "machines/S-A.toml:coherence.own_load"
    with pytest.raises(InputError, match=r"coherence\.own_load.*lies outside the declared range \[4, 5\]"):
        TINY.scenario(RAINFOREST, {path: 6.0})


def test_values_reach_machine_kernel_partitioning_and_workload():
    study = sn.study("memcached")
    values = {
        "machines/S-B.toml:coherence.own_load": 5.0, "systems/kernels/linux-2.6.32.toml:costs.udp_send": 2500.0,
        'systems/partitionings/xen.toml:surcharges."scheduler.wakeup"': 2.0,
        "workloads/memcached.toml:slab_line": 200.0,
    }
    scenario = study.scenario(("memcached", "xen"), values)
    assert scenario.machine.coherence.own_load.value == 5
    assert scenario.system.kernel.costs["udp_send"].value == 2500
    assert scenario.system.partitioning.surcharges["scheduler.wakeup"].value == 2
    assert scenario.costs["slab_line"].value == 200


# --- points -----------------------------------------------------------------------------------------------


def evaluator(store, **changes):
    factors = TINY.factors((RAINFOREST,))
    return sn.Evaluator(TINY, (RAINFOREST,), factors, store, **changes)


def test_a_point_is_the_simulation_of_its_scenario(store):
    evaluate = evaluator(store, seed=4, replications=2)
    point = np.full(len(evaluate.factors), 0.3)
    found = evaluate(point[None])[(*RAINFOREST, "max")]
    scenario = TINY.scenario(RAINFOREST, evaluate.values(point))
    assert found[0] == pytest.approx([replicate(scenario, 4, i).moments[0][3] / 1e5 for i in range(2)])


def test_what_is_kept_is_not_simulated_again(store):
    first, again, more = evaluator(store), evaluator(store, jobs=2), evaluator(store)
    points = sn.hypercube(len(first.factors), 3)
    before = first(points)
    after = again(points)
    assert (first.simulated, again.simulated) == (3, 0)
    assert all((before[key] == after[key]).all() for key in before)
    more(np.vstack([points, np.full((1, len(first.factors)), 0.5)]))
    assert more.simulated == 1
    assert evaluator(store, seed=2)._has("nothing of the kind") is False


def test_a_run_that_is_broken_off_keeps_what_has_finished(store):
    class Enough(Exception):
        pass

    def stop(done, expected):
        if done == 2:
            raise Enough

    broken = evaluator(store, progress=stop)
    points = sn.hypercube(len(broken.factors), 4)
    with pytest.raises(Enough):
        broken(points)
    rest = evaluator(store)
    rest(points)
    assert rest.simulated == 2


def test_a_full_disk_is_no_failure_of_a_point(store, monkeypatch):
    def full(*record):
        raise InputError("cannot be written: No space left on device")

    evaluate = evaluator(store)
    points = sn.hypercube(len(evaluate.factors), 2)
    with monkeypatch.context() as disk:
        disk.setattr(store, "put", full)
        with pytest.raises(InputError, match="cannot be written"):
            evaluate(points)
    rest = evaluator(store)
    assert np.isfinite(rest(points)[TAIL]).all()
    assert rest.simulated == 2


def test_the_numbers_do_not_depend_on_how_many_run_at_a_time(tmp_path):
    found = []
    for jobs in (1, 2):
        with Store(tmp_path / f"{jobs}.store") as kept:
            evaluate = evaluator(kept, jobs=jobs)
            found.append(evaluate(sn.hypercube(len(evaluate.factors), 4))[TAIL])
    assert (found[0] == found[1]).all()


def test_values_that_exclude_one_another_are_no_point(store):
    """More compulsory misses than misses: each is in its range."""
    search = sn.study("search")
    chosen = [
        factor for factor in fc.factors(search.described((("search", "rainforest"),)))
        if factor.name in ("search: footprint.compulsory", "search: footprint.mpki")
    ]
    evaluate = sn.Evaluator(search, (("search", "rainforest"),), chosen, store)
    names = [factor.name for factor in chosen]
    point = [1.0 if name.endswith("compulsory") else 0.0 for name in names]
    assert np.isnan(evaluate(np.array([point]))[("search", "rainforest", "p99")]).all()
    again = sn.Evaluator(search, (("search", "rainforest"),), chosen, store)
    again(np.array([point]))
    assert again.simulated == 0
    measured = {TAIL: np.array([[1.0], [np.nan]]), SHARED: np.array([[2.0], [np.nan]])}
    held = sn.survival(sn.Ordering("mine", ((TAIL, SHARED),)), measured, ["a"], np.array([[0.1], [0.2]]))
    assert (held.share.value, held.share.n) == (1.0, 1)


# --- orderings --------------------------------------------------------------------------------------------


def test_an_orderings_share_its_interval_and_what_it_hangs_on():
    points = sn.hypercube(2, 200)
    measured = {TAIL: 1 + points[:, :1], SHARED: np.full((200, 1), 1.75)}
    found = sn.survival(sn.Ordering("mine", ((TAIL, SHARED),)), measured, ["a", "b"], points)
    assert found.share.value == 0.75
    assert found.share.low < 0.75 < found.share.high
    assert (found.driver, found.correlation) == ("a", pytest.approx(-1))


def test_all_pairs_of_an_ordering_must_hold():
    other = ("mmap", "xen", "p99")
    measured = {TAIL: np.ones((2, 1)), SHARED: np.full((2, 1), 2.0), other: np.array([[0.5], [3.0]])}
    ordering = sn.Ordering("mine", ((TAIL, SHARED), (TAIL, other)))
    assert sn.survival(ordering, measured, ["a"], np.array([[0.1], [0.9]])).share.value == 0.5


@pytest.mark.parametrize("points", [1, 7])
def test_a_hypercube_meets_each_part_of_each_range_once(points):
    cube = sn.hypercube(3, points)
    assert (np.sort(np.floor(points * cube), axis=0) == np.arange(points)[:, None]).all()


# --- the whole --------------------------------------------------------------------------------------------


def test_an_investigation_and_its_tables(investigated, tmp_path):
    found, again, _ = investigated
    assert found.simulated > 0
    assert again.simulated == 0
    done = sn.combined([again], "quick", 1)
    sn.write(done, tmp_path)
    saved = results.load(sn.ID, "quick", tmp_path)
    assert not results.differences(done, saved)
    told = sn.text(saved)
    assert told.splitlines()[0] == "tiny: mmap on two cores"
    assert "mmap p99, RainForest" in told
    (row,) = saved.frames["orderings"].itertuples()
    assert f"{100 * row.share:5.1f} %" in told
    names = set(saved.frames["parameters"].factor) - {""}
    assert set(saved.frames["screening"].factor) == names
    tidy = sn.tidy(saved)
    assert set(tidy.quantity) == {"mu_star", "sigma", "first", "total", "median", "share"}
    for kind in ("png", "svg"):
        assert (tmp_path / "figures" / f"{sn.ID}.{kind}").read_bytes() == plots.encode(
            sn.figure(saved), kind, results.origin(saved)
        )


def test_a_point_that_cannot_be_simulated_is_told(store):
    def never(condition, values):
        return _mmap(condition, values).model_copy(update={"duration": "1 us", "warmup": "0.5 us"})

    short = sn.Study("short", "too short", never, TINY.outputs, TINY.orderings)
    with pytest.raises(SimulationError, match="no latency was recorded"):
        sn.investigate(short, SMALL, store)


# --- the command ------------------------------------------------------------------------------------------


def command(*arguments: str):
    return CliRunner().invoke(cli.cli, ["sensitivity", *arguments], prog_name="rainforest")


def test_the_command_tells_draws_and_goes_on(investigated, monkeypatch, tmp_path):
    found, _, points = investigated
    monkeypatch.setattr(sn, "study", lambda id: TINY)
    monkeypatch.setitem(sn.SIZES, "quick", SMALL)
    before = points.stat().st_size
    table, picture = tmp_path / "t.csv", tmp_path / "f.png"
    result = command("tiny", "--store", str(points), "--csv", str(table), "--figure", str(picture))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(sn.text(sn.combined([found], "quick", 1)))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(table)) == len(sn.tidy(sn.combined([found], "quick", 1)))
    assert points.stat().st_size == before, "something was simulated again"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mmpa"], "id = 'mmpa': no such study; did you mean mmap?"),
        (["mmap", "--figure", "x.pdf"], "a figure's name ends in .png or .svg"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(arguments, told):
    result = command(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_salib_the_command_says_what_brings_it(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "SALib.analyze.morris", None)
    result = command("mmap", "--store", str(tmp_path / "s"))
    assert result.exit_code == 2
    assert "needs SALib, which rainforest-model[sensitivity] brings" in result.stderr
