"""The live session: what is seen is what is simulated, cores change hands, and the paper's numbers stand beside."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_sessions import FEW, US, machine, move, same

from rainforest_model import histogram, live, paper
from rainforest_model.descriptions import load
from rainforest_model.engine import arena
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.engine.watch import DOINGS, LOCKED, SPINS, WAITS, WatchedEngine
from rainforest_model.errors import InputError
from rainforest_model.experiments.searching import search_on
from rainforest_model.live.offers import offers
from rainforest_model.live.overlays import overlays
from rainforest_model.live.overlays import settings as paper_settings
from rainforest_model.live.session import POOL, Session
from rainforest_model.lowering import lower
from rainforest_model.random_scenarios import Lot
from rainforest_model.simulation import SimulationError, replicate, scenario
from rainforest_model.units import to_us

# --- the watch --------------------------------------------------------------------------------------------

WATCHED = {
    "locks": lambda: scenario("S-A", "linux-4.9.40", "mmap", processes=24),
    "shootdowns": lambda: scenario("S-A", "linux-2.6.32", "munmap", threads=12),
    "cache": lambda: scenario("S-A", "lxc", "cachebench_write", partitions=2, threads=3),
    "requests": lambda: search_on("rainforest", 300, back_ends=2),
}


@pytest.mark.parametrize("name", WATCHED)
def test_a_watch_changes_nothing_and_misses_nothing(name):
    tables = lower(WATCHED[name](), seed="1.0")
    until = 1_000_000 * US if name == "requests" else 5000 * US
    plain, watched = CompiledEngine(tables), WatchedEngine(tables)
    assert plain.run(until) is watched.run(until)
    assert plain.events == watched.events > 10
    assert (plain._a == watched._a).all()
    assert (plain.outcome().counts == watched.outcome().counts).all()
    assert watched.spent.sum() == until * tables.cores
    assert watched.spent[:4].sum() == watched.outcome().busy.sum()  # whoever is not idle has a task


@pytest.mark.parametrize("seed", range(12))
def test_a_watch_changes_nothing_whatever_runs(seed):
    tables = lower(Lot(seed).scenario(), seed)
    plain, watched = CompiledEngine(tables), WatchedEngine(tables)
    for until in range(1, 200):
        assert plain.run(until * US) is watched.run(until * US)
    assert (plain._a == watched._a).all()
    assert watched.spent.sum() == watched.now * tables.cores


@pytest.mark.parametrize("name", WATCHED)
def test_who_has_a_lock_is_said_to_be_in_it_and_spinners_are_those_of_the_locks(name):
    tables = lower(WATCHED[name](), seed="1.0")
    engine, layout = WatchedEngine(tables), arena.Layout(tables)
    seen = set()
    for step in range(1, 400):
        engine.run(step * (2000 * US if name == "requests" else 7 * US))
        a, doing = engine._a, engine.doing()
        on_core = {int(a[layout.core(core) + arena.CURRENT]): core for core in range(tables.cores)}
        on_core.pop(-1, None)
        locks = [layout.object(i) for i, row in enumerate(tables.objects) if row.kind <= 2]
        for o in locks:
            core = on_core.get(int(a[o + arena.OWNER]))
            if core is not None:
                assert doing[core] in (LOCKED, SPINS, WAITS)
        assert (doing == SPINS).sum() == sum(a[o + arena.WAITERS] for o in locks)
        waiting = [core for task, core in on_core.items() if a[task + arena.ACKS] > 0]
        assert sorted(waiting) == np.flatnonzero(doing == WAITS).tolist()
        seen.update(doing.tolist())
    assert LOCKED in seen or name == "cache"
    assert {"locks": SPINS, "shootdowns": WAITS}.get(name, 0) in seen


# --- one machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", offers(), ids=lambda offer: offer.id)
@pytest.mark.parametrize("system", ["linux-2.6.32", "rainforest"])
def test_everything_on_offer_runs_and_its_frames_are_sound(offer, system):
    session = Session(live.configuration(
        system=system, workload=offer.id, load=offer.load.value, cores=offer.cores, seed=3,
    ))
    layout = session.layout()
    cores = [core for socket in layout["sockets"] for core in socket]
    assert sorted(cores) == list(range(offer.cores))
    assert layout["can_move"] == (system == "rainforest")
    assert tuple(layout["states"]) == DOINGS
    before = 0
    for _ in range(8):
        session.advance(offer.window_us / 4)
        frame = json.loads(json.dumps(session.frame(), allow_nan=False))
        assert sum(frame["share"]) == pytest.approx(1)
        assert min(frame["share"]) >= 0
        assert len(frame["state"]) == len(frame["owner"]) == offer.cores
        assert set(frame["owner"]) <= {instance["number"] for instance in layout["instances"]}
        assert frame["total"]["n"] >= before
        before = frame["total"]["n"]
    assert len(session.history) == 2
    assert min(window["n"] for window in session.history) > 100  # enough for a 99th percentile
    assert sum(window["n"] for window in session.history) == before


def test_the_numbers_shown_are_those_of_a_run_without_a_page():
    asked = machine(system="linux-4.9.40", seed=5)
    session = Session(asked)
    session.advance(3000)
    outcome = replicate(asked.scenario().model_copy(update={"duration": "3 ms"}), seed=5)
    counts = outcome.counts[0]
    total = session.frame()["total"]
    assert total["n"] == counts.sum()
    assert (total["p50"], total["p99"]) == tuple(to_us(histogram.quantile(counts, [0.5, 0.99])))
    assert session.events == outcome.events


def test_a_window_holds_what_ended_in_it_and_no_percentile_is_averaged():
    session, counts = Session(machine()), [np.zeros(histogram.BUCKETS, np.int64)]
    for _ in range(3):
        session.advance(1000)
        counts.append(session._engine.outcome().counts[0])
    for window, before, after in zip(session.history, counts, counts[1:], strict=False):
        assert window["p99"] == to_us(histogram.quantile(after - before, 0.99))
        assert window["n"] == (after - before).sum()
    merged = session.frame()["window"]  # three windows have ended since the last frame: one point for all
    assert merged["n"] == counts[-1].sum()
    assert merged["p99"] == to_us(histogram.quantile(counts[-1], 0.99))
    assert session.frame()["window"] is None


@FEW
@given(st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_how_time_is_cut_into_frames_changes_nothing(cuts):
    whole, cut = Session(machine()), Session(machine())
    for us in cuts:
        cut.advance(us)
        cut.frame()
    whole.advance(sum(cuts))
    assert whole.history == cut.history
    ignored = ("share",)  # since the last frame
    assert {k: v for k, v in same(whole.frame()).items() if k not in ignored} == {
        k: v for k, v in same(cut.frame()).items() if k not in ignored}


def test_a_run_ends_at_its_longest_time():
    session = Session(machine(workload="search", load=5))
    session.advance_to(session.end)
    assert len(session.history) == 2000
    with pytest.raises(SimulationError, match="ends here"):
        session.advance(1)


# --- borders ----------------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(-1, 5), st.integers(0, 200)), max_size=15))
def test_a_core_has_one_owner_whatever_is_moved(moves):
    session = Session(machine())
    owners = session.owners()
    for core, to, us in moves:
        session.advance(us)
        if owners[core] == to:
            with pytest.raises(InputError, match="is there already"):
                session.move(core, to)
        else:
            move(session, core, to)
            owners[core] = to
        frame = session.frame()
        assert frame["owner"] == owners
        off = [core for core, state in enumerate(frame["state"]) if DOINGS[state] == "off"]
        assert off == [core for core, owner in enumerate(owners) if owner == POOL]
        assert sum(frame["share"]) == pytest.approx(1)


def test_a_core_whose_kernel_threads_have_work_leaves_when_they_have_had_their_turn():
    session = Session(machine(seed=2))
    waited = []
    for turn in range(40):
        session.advance(150 + turn)
        core = turn % 2
        move(session, core, 1 if session.owners()[core] != 1 else 2)
        waited.append(session.now - session.moves[-1][0])
    assert min(waited) < 5 * US
    assert max(waited) < 40_000 * US  # a time slice


def test_a_core_that_is_on_its_way_cannot_be_sent_elsewhere():
    session = Session(machine())
    for core, to in ((5, 3), (1, 2), (3, 0), (10, 4), (1, POOL)):
        session.advance(100)
        session.move(core, to)
        if session.moving:
            with pytest.raises(InputError, match="is on its way already"):
                session.move(session.moving[0], 5)
            before = session.owners()
            session.advance(60_000)
            assert session.moving == []
            assert session.owners() != before
            return
    raise AssertionError("no core had to wait")


def test_an_instance_ends_with_its_last_core_and_begins_anew_with_the_next():
    session = Session(machine(load=1))  # the only process is in instance 0
    session.advance(100)
    for core in (0, 1):
        move(session, core, POOL)
    gone = session.frame()["total"]["n"]
    session.advance(200)
    assert session.frame()["total"]["n"] == gone > 0
    move(session, 7, 0)
    session.advance(200)
    assert session.frame()["total"]["n"] > gone


def test_more_cores_let_search_bear_more_load():
    tails = []
    for moved in (range(6), range(6, 11)):  # all but one leave it; all but one of the other's come
        session = Session(machine(workload="search", load=300))
        for core in [*moved][:5]:
            move(session, core, POOL if core < 6 else 0)
        session.advance(6e6)
        tails.append(session.frame()["total"]["p99"])
    assert tails[0] > 3 * tails[1]


@pytest.mark.parametrize(("core", "to", "words"), [
    (12, 0, "core = 12: must be a whole number in 0 .. 11"), (-1, 0, "core = -1"), (0, 6, "to = 6"), (0, -2, "to = -2"),
    (True, 0, "core = True"), ("0", 1, "core = '0'"), (0.0, 1, "core = 0.0"), (0, None, "to"),
    (0, 0, "core = 0: is there already"),
])
def test_a_move_that_cannot_be_is_one_clear_line_and_leaves_no_trace(core, to, words):
    session = Session(machine())
    with pytest.raises(InputError, match=words.replace(".", r"\.")) as refused:
        session.move(core, to)
    assert "\n" not in str(refused.value)
    assert session.moves == []
    assert session.now == 0


def test_one_kernel_gives_no_core_away():
    with pytest.raises(InputError, match="one kernel has all cores"):
        Session(machine(system="linux-4.9.40")).move(0, POOL)


# --- configurations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "words"), [
    ({"system": "windows"}, "no such system"), ({"workload": "quake"}, "no such workload here"),
    ({"workload": ["mmap"]}, "workload"), ({"load": 0}, "load"), ({"load": 2.5}, "whole number in 1 .. 160"),
    ({"load": float("nan")}, "load"), ({"load": 1e9}, "1 .. 160"), ({"cores": 0}, "cores"), ({"cores": 41}, "has 40"),
    ({"cores": 12.5}, "cores"), ({"cores": None}, "cores"), ({"seed": -1}, "seed"), ({"seed": 2**63}, "seed"),
    ({"machine": "S-Z"}, "no such machine"), ({"cores": 13, "machine": "S-A"}, "machine S-A has 12"),
    ({"color": "red"}, "no such key"),
])
def test_what_does_not_fit_is_told_by_key(changes, words):
    with pytest.raises(InputError) as refused:
        machine(**changes)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_shares_that_do_not_fit_are_refused_when_it_begins():
    with pytest.raises(InputError, match="shares"):
        Session(machine(shares=(20, 1)))
    session = Session(machine(shares=(5, 0, 7)))
    assert session.owners() == [0] * 5 + [2] * 7


def test_instances_divide_the_cores_inside_sockets():
    for cores in range(1, 41):
        asked = machine(cores=cores)
        size = cores // asked.instances
        assert size * asked.instances == cores
        assert asked.instances <= 6
        socket = asked.described_machine.topology.cores_per_socket
        assert socket % size == 0 or not any(cores % n == 0 and socket % (cores // n) == 0 for n in range(1, 7))


def test_systems_meet_the_same_arrivals():
    loads = [machine(system=id, workload="search", load=250).scenario().loads for id in load.systems()]
    assert all(found == loads[0] for found in loads)
    tables = [lower(machine(system=id, workload="search", load=250).scenario(), "1.0") for id in load.systems()]
    clients = [next(i for i, task in enumerate(t.tasks) if task.name.startswith("search_clients")) for t in tables]
    assert len({t.tasks[number].begins for t, number in zip(tables, clients, strict=True)}) == 1


# --- the paper's numbers ----------------------------------------------------------------------------------


def test_overlays_are_tails_that_the_paper_states_of_just_this():
    drawn = set()
    for setting in paper_settings():
        for claim in map(paper.claim, setting.claims):
            assert claim.has_number
            assert claim.unit in ("us", "ms", "s")
            assert f"{setting.load:g} req/s" in claim.workload
            for system in claim.systems:
                asked = live.configuration(
                    system=system, workload=setting.workload, load=setting.load, cores=setting.cores,
                )
                found = {row["claim"]: row for row in overlays(asked)}
                assert claim.id in found
                assert found[claim.id]["label"].startswith("paper, on ")
                number = claim.value or claim.low or claim.high
                assert found[claim.id]["value"] == number * (1000 if claim.unit == "s" else 1)
                drawn.add(claim.id)
                assert overlays(asked.model_copy(update={"load": setting.load + 1})) == []
                assert overlays(asked.model_copy(update={"shares": (6, 6)})) == []
    assert len(drawn) > 10
