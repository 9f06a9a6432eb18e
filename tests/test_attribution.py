"""Causes of a tail: what switching one off means, what Shapley's value promises, and what an explanation says."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rainforest_model as rf
from rainforest_model import attribution, cli, plots
from rainforest_model.attribution import CAUSES, Rule, explain
from rainforest_model.attribution.causes import switched_off
from rainforest_model.attribution.explanation import OF_OUR_OWN, TOGETHER, share_of
from rainforest_model.attribution.shapley import MOST_PLAYERS, shapley
from rainforest_model.descriptions import load
from rainforest_model.descriptions.parameter import Parameter
from rainforest_model.descriptions.program import (
    compute,
    constant,
    count,
    fault,
    flush_tlb,
    get,
    lock,
    measure,
    program,
    put,
    read_lock,
    repeat,
    syscall,
    touch,
    unlock,
    write_lock,
)
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import Structure
from rainforest_model.experiments import explained, ids
from rainforest_model.experiments.common import Options
from rainforest_model.experiments.searching import search_on
from rainforest_model.lowering import lower
from rainforest_model.random_scenarios import Lot
from rainforest_model.reference import closed_lock
from rainforest_model.simulation import replicate, scenario
from rainforest_model.tables import BUSY
from rainforest_model.units import to_us

SYSTEMS = load.systems()
LOCKS, RESOURCES, SCHEDULING, COHERENCE, CAPACITY = CAUSES


def crowded(system: str = "linux-2.6.32") -> Scenario:
    """More threads than cores on every shared structure, with a neighbour that presses on the caches."""
    return scenario("S-A", system, "munmap", partitions=6, processes=2, threads=2, duration="4 ms")


def scenarios() -> dict[str, Scenario]:
    found = {id: crowded(id) for id in SYSTEMS}
    found["search"] = search_on("xen", 300, neighbour="parsec.dedup", seconds=3)
    found["search on linux"] = search_on("linux-2.6.32", 300, neighbour="parsec.dedup", seconds=3)
    return found


SCENARIOS = scenarios()
each_scenario = pytest.mark.parametrize("given_one", SCENARIOS.values(), ids=SCENARIOS)


# --- switching off ----------------------------------------------------------------------------------------


@each_scenario
def test_the_order_of_switching_off_does_not_matter(given_one):
    reference = switched_off(given_one, CAUSES)
    for order in permutations(CAUSES):
        assert switched_off(given_one, order) == reference


@each_scenario
@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
def test_switching_off_twice_is_switching_off_once(given_one, cause):
    once = cause.without(given_one)
    assert cause.without(once) == once
    assert once != given_one


@each_scenario
def test_what_is_left_is_a_valid_description_that_can_be_run(given_one):
    for cause in CAUSES:
        left = cause.without(given_one)
        assert Scenario.model_validate(left.model_dump()) == left
        lower(left)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_random_systems_commute_too(seed):
    given_one = Lot(seed).scenario()
    assume(not given_one.shares)
    for first in CAUSES:
        for second in CAUSES:
            assert switched_off(given_one, [first, second]) == switched_off(given_one, [second, first])
    lower(switched_off(given_one, CAUSES))


def test_a_lock_is_the_cores_own_and_its_data_stay_shared():
    left = LOCKS.without(crowded("linux-2.6.32")).all_structures
    assert left["mmap_sem"].scope == left["zone_lock"].scope == "core"
    counter = left["vm_committed_as"]
    assert (counter.scope, counter.lock_scope, counter.lock) == ("instance", "core", "ticket")
    assert (left["tlb"].slots, left["tlb"].scope) == (0, "instance")
    assert left["zone_free_list"].scope == "node"


def test_data_are_the_cores_own_and_their_lock_stays_shared():
    left = RESOURCES.without(crowded("linux-2.6.32")).all_structures
    counter = left["vm_committed_as"]
    assert (counter.scope, counter.lock_scope) == ("core", "instance")
    assert left["zone_free_list"].scope == "core"
    assert (left["zone_lock"].scope, left["mmap_sem"].scope, left["tlb"].slots) == ("node", "process", 8)


def test_the_kernel_takes_no_time_for_itself_and_its_time_slices_stay():
    before = crowded("xen").system
    left = SCHEDULING.without(crowded("xen")).system
    assert left.background == {}
    assert not [name for name in left.partitioning.surcharges if name.startswith("scheduler.")]
    assert left.partitioning.surcharges["syscall_enter"] == before.partitioning.surcharges["syscall_enter"]
    (domain, *_) = lower(SCHEDULING.without(crowded("xen"))).domains
    prices = ("tick_cost", "context_switch", "wakeup", "idle_wakeup", "migration")
    assert [getattr(domain, name) for name in prices] == [0] * 5
    (old, *_) = lower(crowded("xen")).domains
    kept = ("tick_period", "latency", "min_granularity", "wakeup_granularity")
    assert [getattr(domain, name) for name in kept] == [getattr(old, name) for name in kept]


def test_every_line_costs_what_an_own_one_does():
    table = lower(COHERENCE.without(crowded()))
    assert (table.latency == table.latency[0]).all()
    assert table.read_occupancy == 0
    assert not table.latency[:, BUSY].any()
    assert "flush others" in lower(crowded()).labels
    assert "flush others" not in table.labels
    assert "flush own TLB" in table.labels


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_thread_has_a_core_on_its_old_socket(system):
    before, left = crowded(system), CAPACITY.without(crowded(system))
    old, new = lower(before), lower(left)
    assert left.cores == 2 * before.cores
    threads = [task.home for task in new.tasks if task.address_space >= 0]
    assert len(set(threads)) == len(threads) == 24
    sockets = [[t.sockets[task.home] for task in t.tasks if task.address_space >= 0] for t in (old, new)]
    assert sockets[0] == sockets[1]


@pytest.mark.parametrize("system", ["linux-2.6.32", "rainforest"])
def test_more_cores_do_not_change_the_kernels_batches(system):
    def batches(described):
        table = lower(described)
        return [row[2:4] for row, label in zip(table.ops.tolist(), table.labels, strict=True)
                if label == "count vm_committed_as"]

    assert batches(crowded(system))
    assert batches(crowded(system)) == batches(CAPACITY.without(crowded(system)))


def test_nothing_presses_on_caches_and_memory():
    assert lower(SCENARIOS["search"]).memory is not None
    assert lower(CAPACITY.without(SCENARIOS["search"])).memory is None


def test_enough_cores_stay_as_they_are():
    one_each = scenario("S-A", "linux-2.6.32", "mmap", processes=12)
    assert CAPACITY.without(one_each) == one_each


def test_uneven_shares_are_refused_where_cores_are_short():
    uneven = scenario("S-A", "rainforest", "mmap", partitions=2, threads=8, shares=(4, 8))
    with pytest.raises(rf.InputError, match=r"shares = \(4, 8\): .*even shares"):
        CAPACITY.without(uneven)


# --- all off: the bare program ----------------------------------------------------------------------------


def _constant_kernel(system: str):
    """The system with paths that always take the same time."""
    found = load.system(system)
    exact = Parameter(value=0, unit="ratio", range=(0, 0), basis="derived", source="a test: no variation")
    return found.model_copy(update={"kernel": found.kernel.model_copy(update={"path_variation": exact})})


EVERYTHING = program(
    "everything",
    measure(
        "round",
        syscall(
            "call",
            write_lock("mmap_sem"), touch("vma_tree"), count("vm_committed_as", 10**6), unlock("mmap_sem"),
            read_lock("mmap_sem"), compute("vma_find"), unlock("mmap_sem"),
            lock("zone_lock"), touch("zone_free_list"), compute("zone_batch"), unlock("zone_lock"),
            get("root_dentry"), put("root_dentry"), flush_tlb("tlb", 100),
        ),
        repeat(3, fault(compute("clear_page"))),
        lock("application_lock"), compute(constant("300 ns")), unlock("application_lock"),
    ),
    compute(constant("1 us")),
)


@pytest.mark.parametrize("system", ["linux-2.6.32", "linux-4.9.40", "lxc", "rainforest"])
def test_all_off_leaves_the_sum_of_the_programs_operations(system):
    how = _constant_kernel(system)
    machine, clock = load.machine("S-A"), load.machine("S-A").clock_ghz
    shared = {
        "machine": machine, "system": how, "cores": 12, "partitions": 2, "duration": "5 ms",
        "loads": (Load(program=EVERYTHING, processes=2, threads=5),),
    }
    crowd = Scenario(**shared)
    bare = replicate(switched_off(crowd, CAUSES))
    n, total, _, longest = bare.moments[0]
    assert longest * n == total, "every round takes the same time"

    path = {name: how.path_ns(name, clock) for name in how.costs}
    own = {use: getattr(machine.coherence, f"own_{use}").ns(clock) for use in ("load", "store", "atomic")}
    sleeping = 2 * own["atomic"]  # a semaphore: an atomic operation each to take and to release it
    spinning = own["atomic"] + own["store"]
    kinds = how.structures
    references = {
        "atomic": 2 * own["atomic"], "rcu": path["rcu_read"],
        "locked_count": spinning + own["store"] + path["count_section"] + own["atomic"],
    }[kinds["root_dentry"].kind]
    # The counter always spills over, so nothing is counted locally.
    expected_ns = (
        path["syscall_enter"] + path["syscall_exit"]
        + sleeping + own["store"] + spinning + own["store"] + path["counter_fold"]
        + sleeping + path["vma_find"]
        + spinning + own["store"] + path["zone_batch"]
        + references + machine.tlb.full_flush.ns(clock)
        + 3 * (path["fault_enter"] + path["clear_page"] + path["fault_exit"])
        + spinning + 300
    )
    assert 1000 * to_us(longest) == pytest.approx(expected_ns, abs=0.5)
    assert replicate(crowd).moments[0][3] > 2 * longest, "and with the causes at work it does not"


# --- Shapley's value --------------------------------------------------------------------------------------

games = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.floats(-1e6, 1e6), min_size=2**n, max_size=2**n).map(np.array)
)


@given(games)
def test_shares_add_up_to_the_whole(game):
    assert shapley(game).sum() == pytest.approx(game[-1] - game[0], abs=1e-6)


@given(games, st.data())
def test_who_changes_nothing_gets_exactly_nothing(game, data):
    n = len(game).bit_length() - 1
    idle = data.draw(st.integers(0, n - 1))
    game = np.array([game[s & ~(1 << idle)] for s in range(2**n)])
    assert shapley(game)[idle] == 0


@given(games, st.data())
def test_who_plays_the_same_part_gets_the_same(game, data):
    n = len(game).bit_length() - 1
    a, b = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))

    def swapped(s):
        return s & ~(1 << a | 1 << b) | (s >> a & 1) << b | (s >> b & 1) << a

    symmetric = np.array([game[s] + game[swapped(s)] for s in range(2**n)])
    shares = shapley(symmetric)
    assert shares[a] == pytest.approx(shares[b], abs=1e-6)


@given(games)
def test_the_shares_of_two_games_together_are_the_sums(game):
    other = game[::-1] ** 2 / 1e6
    assert shapley(game + other) == pytest.approx(shapley(game) + shapley(other), abs=1e-5)


@given(games)
def test_it_is_the_mean_over_all_orders_of_coming(game):
    n = len(game).bit_length() - 1
    total = np.zeros(n)
    for order in permutations(range(n)):
        there = 0
        for player in order:
            total[player] += game[there | 1 << player] - game[there]
            there |= 1 << player
    assert shapley(game) == pytest.approx(total / math.factorial(n), abs=1e-6)


def test_the_glove_game():
    """One left glove (player 0), two right ones; a pair is worth 1 (the textbook's answer: 4/6, 1/6, 1/6)."""
    game = [float(s & 1 and s & 6 > 0) for s in range(8)]
    assert shapley(game) == pytest.approx([4 / 6, 1 / 6, 1 / 6])


def test_games_can_be_stacked():
    games = np.arange(24.0).reshape(3, 8) ** 2
    assert shapley(games).tolist() == [shapley(game).tolist() for game in games]


@pytest.mark.parametrize("values", [3.0, [1.0], [1.0, 2.0, 3.0], []])
def test_a_game_without_a_value_for_each_coalition_is_refused(values):
    with pytest.raises(ValueError, match="a value for each coalition"):
        shapley(values)


def test_too_many_players_are_refused():
    with pytest.raises(ValueError, match=f"need 1 .. {MOST_PLAYERS} players"):
        shapley(np.zeros(2 ** (MOST_PLAYERS + 1)))


# --- explanations -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mmap() -> attribution.Explanation:
    given_one = scenario("S-A", "linux-4.9.40", "mmap", partitions=6, processes=2, duration="3 ms")
    return explain(given_one, rule=4)


def test_contributions_add_up_in_every_replication(mmap):
    assert mmap.values.shape == (4, 32)
    assert mmap.contributed.sum(axis=1) == pytest.approx(mmap.whole)
    assert mmap.tail.value == pytest.approx(mmap.bare.value + sum(mmap.contribution(k).value for k in range(5)))
    assert sum(mmap.share(k).value for k in range(5)) == pytest.approx(100)


def test_a_column_is_the_percentile_with_those_causes_at_work(mmap):
    for subset in (0, 1, 0b01010, 0b11111):
        left = switched_off(mmap.scenario, [cause for k, cause in enumerate(CAUSES) if not subset >> k & 1])
        run = rf.simulate(left, replications=4)
        assert mmap.values[:, subset].tolist() == run.replicated("p99").tolist()


def test_mmap_suffers_from_its_counters_lock_and_line_and_not_from_the_hardwares_capacity(mmap):
    shares = [mmap.share(k) for k in range(5)]
    assert min(shares[k].low for k in (0, 1, 3)) > 0
    assert (shares[4].value, shares[4].half_width) == (0, 0)
    assert mmap.tail.low > 2 * mmap.bare.value


def test_without_anybody_else_no_lock_data_or_line_contributes():
    alone = explain(scenario("S-A", "linux-4.9.40", "mmap", cores=1, duration="3 ms"), rule=3)
    assert [alone.contribution(k).value for k in (0, 1, 3, 4)] == [0, 0, 0, 0]


def test_the_result_does_not_depend_on_jobs():
    given_one = closed_lock(4, duration="2 ms")
    one, two = (explain(given_one, rule=Rule(5, 4, 8), jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one.values, two.values)


def test_the_other_engine_says_the_same():
    given_one = closed_lock(3, duration="1500 us")
    ours, theirs = (explain(given_one, rule=2, engine=engine) for engine in ("compiled", "agents"))
    assert np.array_equal(ours.values, theirs.values)


def test_a_lock_that_all_wait_for_is_explained_by_locks_and_by_lines():
    """Hand-over is free: only the lock is left."""
    found = explain(closed_lock(6, transfer_ns=0.0, duration="4 ms"), rule=4)
    assert found.share(0).value == pytest.approx(100)
    assert [found.share(k).value for k in range(1, 5)] == [0] * 4
    handed = explain(closed_lock(6, transfer_ns=200.0, duration="4 ms"), rule=4)
    assert handed.share(3).low > 10


def test_replications_go_on_until_shares_are_known():
    given_one = closed_lock(4, duration="2 ms")
    loose, tight = (explain(given_one, rule=Rule(points, 4, 200)) for points in (50, 1.5))
    assert len(loose.values) == 4 < len(tight.values) < 200
    assert tight.widest <= 1.5 < loose.widest
    assert "wanted: 1.5" in tight.stopped


def test_a_cap_that_was_hit_is_told():
    found = explain(closed_lock(4, duration="2 ms"), rule=Rule(0.01, 4, 6))
    assert len(found.values) == 6
    assert found.stopped.endswith("not to the 0.01 wanted: the cap of 6 replications was reached")


def test_where_nothing_happens_shares_are_nothing():
    spin = program("spin", measure("round", compute(constant("1 us"))))
    given_one = closed_lock(1).model_copy(update={"loads": (Load(program=spin),)})
    found = explain(given_one, rule=3)
    assert [found.share(k).value for k in range(5)] == [0] * 5
    assert found.widest == 0
    assert found.bare.value == found.tail.value


def test_a_whole_that_cannot_be_told_from_nothing_has_no_shares():
    share = share_of(np.array([1.0, -1.0, 2.0]), np.array([1.0, -2.0, 1.5]))
    assert (share.low, share.high) == (-math.inf, math.inf)
    assert share_of(np.array([1.0, -1.0]), np.array([2.0, -2.0])).half_width == math.inf


def test_a_share_is_a_ratio_of_means_and_known_exactly_where_pairs_are_proportional():
    whole = np.array([3.0, 4.0, 5.0])
    share = share_of(0.25 * whole, whole)
    assert (share.value, share.low, share.high) == (25, 25, 25)


def test_causes_taken_together_are_one_player(mmap):
    sharing = attribution.together("sharing", "what is shared", [LOCKS, RESOURCES, COHERENCE])
    found = explain(mmap.scenario, causes=[sharing, SCHEDULING, CAPACITY], rule=4)
    assert found.values.shape == (4, 8)
    assert found.values[:, [0, -1]].tolist() == mmap.values[:, [0, -1]].tolist()
    assert found.contribution(0).value > max(mmap.contribution(k).value for k in (0, 1, 3))


def test_the_table_has_each_cause_the_whole_and_the_program_alone(mmap):
    table = mmap.table().set_index("cause")
    assert list(table.index) == [*(cause.title for cause in CAUSES), TOGETHER, OF_OUR_OWN]
    assert table.us[:5].sum() == pytest.approx(table.us[TOGETHER])
    assert table.us[TOGETHER] + table.us[OF_OUR_OWN] == pytest.approx(mmap.tail.value)
    assert table.percent[:5].sum() == pytest.approx(table.percent[TOGETHER]) == pytest.approx(100)
    assert set(table.workload) == {"mmap"}
    assert set(table.system) == {"linux-4.9.40"}


def test_the_figure_stacks_up_to_the_tail(mmap):
    fig = attribution.figure([mmap, mmap])
    bars = fig.axes[0].patches
    assert len(bars) == 2 * 6
    of_first = bars[:6]
    assert sum(bar.get_width() for bar in of_first) == pytest.approx(mmap.tail.value)
    ends = [bar.get_x() + bar.get_width() for bar in of_first]
    assert max(ends) >= mmap.tail.value - 1e-9
    assert plots.encode(fig, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("percentile", [0, -1, 100.1, math.nan])
def test_a_percentile_out_of_bounds_is_refused(percentile):
    with pytest.raises(rf.InputError, match="percentile"):
        explain(closed_lock(2), percentile=percentile)


def test_a_program_that_measures_nothing_is_refused():
    spin = program("spin", compute(constant("1 us")))
    with pytest.raises(rf.InputError, match="measures a latency"):
        explain(closed_lock(1).model_copy(update={"loads": (Load(program=spin),)}))


@pytest.mark.parametrize("arguments", [(0, 2, 4), (-1, 2, 4), (5, 1, 4), (5, 4, 3)])
def test_a_rule_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match="points > 0"):
        Rule(*arguments)


# --- a lock inside a count, with a scope of its own ---------------------------------------------------------


def test_a_counts_lock_may_have_another_scope_than_the_count():
    table = lower(scenario("S-A", "linux-2.6.32", "mmap", processes=12, structures={
        "vm_committed_as": Structure(
            kind="percpu_counter", scope="instance", lock="ticket", lock_scope="core", batch="32", source="a test"
        ),
    }))
    names = [row.name for row in table.objects]
    assert sum(name.startswith("vm_committed_as.lock.") for name in names) == 12
    assert sum(name.startswith("vm_committed_as.value.") for name in names) == 1


@pytest.mark.parametrize("kind", ["queue_lock", "line", "tlb", "atomic"])
def test_only_a_count_has_a_lock_scope(kind):
    needs = {"tlb": {"pages_per_flush": 8}}.get(kind, {})
    with pytest.raises(ValueError, match="belongs to percpu_counter and locked_count"):
        Structure(kind=kind, scope="machine", lock_scope="core", source="a test", **needs)


# --- conditions and the command ---------------------------------------------------------------------------


def test_every_condition_can_be_described_on_every_system():
    names = [name for id in ids() for name in getattr(__import__(
        f"rainforest_model.experiments.{id}", fromlist=["x"]), "EXPLAINED", {})]
    assert len(set(names)) == len(names), "a name is explained by one experiment"
    assert {"mmap", "malloc", "munmap", "open", "search"} <= set(names)
    for name in names:
        (conditions,) = explained(name).values()
        for system in SYSTEMS:
            found = conditions(system, Options())
            assert found.system.id == system
            assert lower(found).series


def command(*arguments: str):
    return CliRunner().invoke(cli.cli, ["explain", *arguments], prog_name="rainforest")


@pytest.fixture
def short(monkeypatch):
    """Explanations of few replications."""
    monkeypatch.setattr(attribution, "RULES", {"quick": Rule(50, 2, 2), "full": Rule(50, 3, 3)})


def test_the_command_tells_writes_and_draws(short, tmp_path):
    import pandas as pd

    table, picture = tmp_path / "causes.csv", tmp_path / "causes.svg"
    result = command(
        "mmap", "--system", "linux-4.9.40", "--system", "rainforest", "--cores", "4", "--percentile", "95",
        "--csv", str(table), "--figure", str(picture),
    )
    assert result.exit_code == 0, result.output
    for words in ("mmap on Linux 4.9.40: the 95th percentile is", "mmap on RainForest", "shared locks", "seed 1"):
        assert words in result.stdout
    frame = pd.read_csv(table)
    assert list(frame.columns) == attribution.explanation.COLUMNS
    assert len(frame) == 2 * 7
    assert picture.read_bytes().startswith(b"<?xml")
    told = [line for line in result.stdout.splitlines() if not line.startswith(("table: ", "figure: "))]
    assert max(map(len, told)) <= 120


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mmapp", "--system", "xen"], "nothing of this name is explained; known: "),
        (["mmap", "--system", "zen"], "no such system"),
        (["mmap", "--system", "xen", "--cores", "5"], "cores = 5: OS instances have 2 cores each"),
        (["mmap", "--system", "xen", "--cores", "14"], "cores = 14: machine S-A has 12"),
        (["search", "--system", "xen", "--cores", "6"], "cores = 6: "),
        (["mmap", "--system", "xen", "--figure", "causes.gif"], "ends in .png or .svg"),
    ],
)
def test_what_cannot_be_explained_is_told_in_one_line(arguments, words):
    result = command(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("rainforest: ")
    assert words in line


def test_a_table_that_cannot_be_written_is_told(short, tmp_path):
    result = command("mmap", "--system", "xen", "--cores", "2", "--csv", str(tmp_path / "file" / "x.csv"))
    assert result.exit_code == 0
    (tmp_path / "plain").write_text("")
    result = command("mmap", "--system", "xen", "--cores", "2", "--csv", str(tmp_path / "plain" / "x.csv"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_system_is_needed():
    assert command("mmap").exit_code == 2
