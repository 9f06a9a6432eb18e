"""Life cycles, messages and guard: sums of steps that code and hardware explain, and what is refused."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rainforest_model import draws
from rainforest_model.descriptions import ficm, load
from rainforest_model.descriptions.guard import GUARDED
from rainforest_model.descriptions.lifecycle import OPERATIONS, Lifecycle, Step, TimedStep, sample_ns
from rainforest_model.descriptions.parameter import Description, Parameter
from rainforest_model.errors import InputError
from rainforest_model.resources import data_path

IDS = ["lxc", "rainforest", "xen"]
COUNTS = st.integers(0, 10**7)


def parameters(value, place=""):
    """Every parameter of a description, with its place."""
    if isinstance(value, Parameter):
        yield place, value
    elif isinstance(value, Description):
        for key in type(value).model_fields:
            yield from parameters(getattr(value, key), f"{place}.{key}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from parameters(inner, f"{place}.{key}")


def number(value, unit, low=None, high=None):
    """A parameter's table; exact where no range is given."""
    ends = [value if low is None else low, value if high is None else high]
    return {"value": value, "unit": unit, "range": ends, "basis": "derived", "source": "a test"}


def step(name="free", **times):
    return Step(name=name, actor="instance", **{"base": number(0, "ms"), "cv": number(0.1, "ratio"), **times})


# --- what is shipped --------------------------------------------------------------------------------------


def test_every_divided_partitioning_has_its_life_cycle():
    files = {path.stem for path in data_path("systems/lifecycles").glob("*.toml")}
    divided = {path.stem for path in data_path("systems/partitionings").glob("*.toml")} - {"linux"}
    assert files == set(IDS) == divided
    for id in IDS:
        assert load.lifecycle(id).id == id
        assert load.lifecycle(id).title == load.partitioning(id).title


@pytest.mark.parametrize("described", [*map(load.lifecycle, IDS), load.ficm(), load.guard()], ids=lambda d: d.id)
def test_every_number_says_where_it_comes_from(described):
    found = list(parameters(described))
    assert found
    for place, parameter in found:
        assert len(parameter.source) > 10, place
        hedged = parameter.source.startswith("estimate")
        assert not (hedged and parameter.basis == "cited"), place
        if hedged:
            assert parameter.range[0] < parameter.range[1], f"{place}: an estimate is not exact"


@pytest.mark.parametrize("id", IDS)
def test_no_step_is_idle_and_no_operation_empty(id):
    cycle = load.lifecycle(id)
    used = {name for field in (cycle.operations, cycle.left_out) for op in OPERATIONS for name in getattr(field, op)}
    assert used == set(cycle.step)
    for operation in OPERATIONS:
        assert cycle.steps(operation, 6, 2**22)
        assert all(step.mean_ns > 0 for step in cycle.steps(operation, 6, 2**22))


def test_the_delay_calibration_follows_from_the_tick():
    tick_ms = load.kernel("linux-2.6.32").scheduler.tick_period.ns() / 1e6
    rounds, per_second = 5, round(1000 / tick_ms)
    whole = rounds * (2 + per_second // 100) * tick_ms
    calibration = load.lifecycle("rainforest").step["calibrate_delay"].per_core
    assert calibration.value == whole - tick_ms / 2
    assert calibration.range == (whole - tick_ms, whole)


def test_a_core_is_started_as_the_kernel_does():
    assert load.lifecycle("rainforest").step["start_core"].per_core.value == 10 + 2 * (0.3 + 0.2)


def test_stock_linux_takes_the_calibration_longer_for_each_core():
    cycle = load.lifecycle("rainforest")
    calibration = cycle.step["calibrate_delay"].per_core.ns() / 1e9
    for operation, cores in [("cpu_online", 1), ("create", 6)]:
        extra = cycle.stock().mean_s(operation, cores) - cycle.mean_s(operation, cores)
        assert extra == pytest.approx(cores * calibration)
    assert cycle.stock().steps("cpu_offline", 1) == cycle.steps("cpu_offline", 1)


def test_to_resize_a_container_is_to_write_a_file_whatever_the_size():
    cycle = load.lifecycle("lxc")
    times = {cycle.mean_s(operation, n, 1000 * n) for operation in OPERATIONS[2:] for n in (1, 5)}
    assert len(times) == 1


@pytest.mark.parametrize("id", ["xen", "rainforest"])
def test_memory_and_cores_cost_where_a_system_handles_them_itself(id):
    cycle = load.lifecycle(id)
    for operation in ("create", "memory_online", "memory_offline"):
        assert cycle.mean_s(operation, 6, 2**20) < cycle.mean_s(operation, 6, 2**21)


def test_only_xen_touches_the_pages_of_an_instance_that_goes():
    grows = {id: load.lifecycle(id).mean_s("destroy", 6, 2**22) > load.lifecycle(id).mean_s("destroy", 6) for id in IDS}
    assert grows == {"lxc": False, "rainforest": False, "xen": True}


# --- sums -------------------------------------------------------------------------------------------------


@given(cores=COUNTS, pages=COUNTS)
def test_a_step_is_linear_in_cores_and_pages(cores, pages):
    one = step(base=number(3, "ms"), per_core=number(2, "us"), per_page=number(5, "ns"))
    assert one.timed(cores, pages).mean_ns == pytest.approx(3e6 + 2e3 * cores + 5 * pages)


@pytest.mark.parametrize("id", IDS)
@given(cores=COUNTS, pages=COUNTS)
def test_an_operation_is_the_sum_of_its_steps_within_its_bounds(id, cores, pages):
    cycle = load.lifecycle(id)
    for operation in OPERATIONS:
        mean = cycle.mean_s(operation, cores, pages)
        assert mean == pytest.approx(sum(step.mean_ns for step in cycle.steps(operation, cores, pages)) / 1e9)
        low, high = cycle.bounds_s(operation, cores, pages)
        assert low * (1 - 1e-9) <= mean <= high * (1 + 1e-9)


def test_a_fitted_number_has_no_bounds_but_its_value():
    fitted = {**number(2, "ms", 1, 9), "basis": "fitted", "fitted_to": ["X1"]}
    assert step(base=fitted, per_core=number(1, "ms", 0.5, 4)).bounds_ns(cores=2) == (3e6, 10e6)


def test_a_step_is_left_out_of_every_operation():
    cycle = load.lifecycle("rainforest").without("command")
    assert all("command" not in [step.name for step in cycle.steps(operation, 1, 1)] for operation in OPERATIONS)
    assert cycle.step == load.lifecycle("rainforest").step


def test_a_step_is_added_and_taken_away_again():
    cycle, extra = load.lifecycle("lxc"), step("wait", base=number(7, "ms"))
    longer = cycle.with_step("cpu_online", extra)
    assert longer.mean_s("cpu_online") - cycle.mean_s("cpu_online") == pytest.approx(7e-3)
    assert longer.mean_s("cpu_offline") == cycle.mean_s("cpu_offline")
    assert longer.without("wait").operations == cycle.operations


# --- durations --------------------------------------------------------------------------------------------


def words(n):
    return [draws.stream(7, "test", i) for i in range(n)]


@settings(deadline=None)  # the first draw may be compiled
@given(st.integers(-(2**63), 2**63 - 1))
def test_without_variation_a_step_takes_its_mean(word):
    assert sample_ns(TimedStep("a", "nobody", 123.0, 0.0), word) == 123.0


@pytest.mark.parametrize("cv", [0.05, 0.3, 1.0])
def test_mean_and_variation_of_a_duration_are_those_of_the_step(cv):
    n = 20_000
    found = np.array([sample_ns(TimedStep("a", "nobody", 5e6, cv), word) for word in words(n)])
    assert abs(found.mean() - 5e6) < 5 * 5e6 * cv / math.sqrt(n)
    log = np.log(found)
    sigma = math.sqrt(math.log1p(cv**2))
    assert abs(log.std() - sigma) < 5 * sigma / math.sqrt(2 * n)


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.floats(1, 1e9), st.floats(1, 1e9))
def test_one_word_gives_durations_in_proportion_to_their_means(word, a, b):
    slow, fast = (sample_ns(TimedStep("a", "nobody", mean, 0.4), word) for mean in (a, b))
    assert slow / fast == pytest.approx(a / b)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "key", "reason"),
    [
        (lambda c: c.steps("cpu_onlin"), "operation", "did you mean cpu_online"),
        (lambda c: c.mean_s("create", cores=-1), "cores", "must not be negative"),
        (lambda c: c.mean_s("create", pages=-1), "pages", "must not be negative"),
        (lambda c: c.without("calibrate"), "step", "did you mean calibrate_delay"),
        (lambda c: c.with_step("grow", step()), "operation", "no such operation"),
        (lambda c: c.with_step("create", step("boot")), "step", "another step of this name"),
    ],
)
def test_what_is_not_there_is_told(call, key, reason):
    with pytest.raises(InputError, match=reason) as caught:
        call(load.lifecycle("rainforest"))
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ('cpu_online = ["cgroup_write"]', 'cpu_online = ["cgroup_wirte"]', "operations.cpu_online.0",
         "did you mean cgroup_write"),
        ('destroy = ["kill", "remove_groups"]', 'destroy = ["kill", "kill"]', "operations.destroy.1", "is there twice"),
        ('cpu_online = ["cgroup_write"]', 'cpu_onlin = ["cgroup_write"]', "operations.cpu_onlin", "no such key"),
        ('actor = "nobody"', 'actor = "somebody"', "step.remove_groups.actor", "supervisor"),
        ('value = 5, unit = "ms"', 'value = 5, unit = "MB"', "step.kill.base.unit", "no unit of time"),
        ('value = 5, unit = "ms"', 'value = 5, unit = "cycles"', "step.kill.base.unit", "clock is not known here"),
        ("value = 0.2, unit = \"ratio\", range = [0.1, 0.4]", 'value = 20, unit = "ratio", range = [0.1, 40]',
         "step.kill.cv.value", "says nothing"),
        ('actor = "nobody"\n', "", "step.remove_groups.actor", "needed|required|missing"),
    ],
)
def test_a_file_that_does_not_fit_is_told_in_one_line(tmp_path, old, new, key, reason):
    text = (data_path("systems/lifecycles") / "lxc.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load.lifecycle(str(path))
    assert caught.value.key == key
    assert re.search(reason, str(caught.value))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_life_cycle_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text((data_path("systems/lifecycles") / "lxc.toml").read_text().replace('id = "lxc"', 'id = "mine"'))
    assert load.lifecycle(str(path)).id == "mine"
    with pytest.raises(InputError, match="no such lifecycle; known: lxc, rainforest, xen"):
        load.lifecycle("kvm")


def test_no_operation_is_a_life_cycle_too():
    cycle = Lifecycle(kind="lifecycle", id="none", title="none", source="a test", step={}, operations={})
    assert cycle.steps("create", 6, 100) == ()
    assert cycle.bounds_s("create") == (0, 0)


# --- messages ---------------------------------------------------------------------------------------------

MACHINE, SCHEDULER, FICM = load.machine("S-A"), load.kernel("linux-2.6.32").scheduler, load.ficm()
HOPS = st.lists(st.integers(0, 1), min_size=1, max_size=20)


@given(HOPS)
def test_receivers_are_served_one_after_the_other(hops):
    sent = ficm.sent_ns(MACHINE, FICM, hops)
    handled = ficm.message_ns(MACHINE, SCHEDULER, FICM, hops)
    assert list(sent) == sorted(sent)
    assert sent[-1] == pytest.approx(sum(ficm.sent_ns(MACHINE, FICM, [hop])[0] for hop in hops))
    alone = [ficm.message_ns(MACHINE, SCHEDULER, FICM, [hop])[0] for hop in hops]
    waited = [0.0, *sent[:-1]]
    assert handled == pytest.approx([own + wait for own, wait in zip(alone, waited, strict=True)])


def test_a_message_is_shorter_for_one_that_polls_and_longer_across_sockets():
    near, far = (ficm.message_ns(MACHINE, SCHEDULER, FICM, [hop])[0] for hop in (0, 1))
    assert ficm.polled_ns(MACHINE, FICM, 0) < near < far
    assert ficm.polled_ns(MACHINE, FICM, 0) < ficm.polled_ns(MACHINE, FICM, 1) < far


def test_a_message_is_nothing_beside_what_it_asks_for():
    longest = max(ficm.message_ns(MACHINE, SCHEDULER, FICM, [1] * 11))
    assert longest < 1e9 * load.lifecycle("rainforest").mean_s("cpu_online", 1) / 1000


@pytest.mark.parametrize("hops", [2, -1])
def test_a_distance_without_a_price_is_told(hops):
    with pytest.raises(InputError, match="no price for this distance") as caught:
        ficm.message_ns(MACHINE, SCHEDULER, FICM, [hops])
    assert (caught.value.key, caught.value.value) == ("hops", hops)


# --- guard ------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(GUARDED), st.integers(0, 10**6)))
def test_the_guards_overhead_is_a_sum(operations):
    guard = load.guard()
    expected = sum(n * getattr(guard, name).ns() for name, n in operations.items())
    assert guard.overhead_ns(operations) == pytest.approx(expected)


def test_what_is_not_guarded_is_told():
    with pytest.raises(InputError, match="is not guarded; did you mean write_cr3"):
        load.guard().overhead_ns({"write_cr4": 1})
    assert set(GUARDED) < set(type(load.guard()).model_fields)
