"""The live session: what is seen is what is simulated, links restore it, and pages do not disturb one another."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import signal
import socket
import subprocess
import sys
import time
import zlib
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from rainforest_model import cli, histogram, live, paper
from rainforest_model.descriptions import load
from rainforest_model.engine import arena
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.engine.watch import DOINGS, LOCKED, SPINS, WAITS, WatchedEngine
from rainforest_model.errors import InputError
from rainforest_model.experiments.searching import search_on
from rainforest_model.live import link, server
from rainforest_model.live.conversation import Conversation
from rainforest_model.live.offers import offers
from rainforest_model.live.overlays import overlays
from rainforest_model.live.overlays import settings as paper_settings
from rainforest_model.live.pair import Pair, default
from rainforest_model.live.session import POOL, Session
from rainforest_model.lowering import lower
from rainforest_model.random_scenarios import Lot
from rainforest_model.simulation import SimulationError, replicate, scenario
from rainforest_model.units import TICKS_PER_NS, to_us

ROOT = Path(__file__).resolve().parents[1]
US = 1000 * TICKS_PER_NS
MOVABLE = {"system": "rainforest", "workload": "mmap", "load": 12, "cores": 12}
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow],
               phases=[Phase.explicit, Phase.generate])


def machine(**changes) -> live.Configuration:
    """A checked configuration, RainForest with a process on each core unless changed."""
    return live.configuration(**MOVABLE | changes)


def same(frame: dict) -> dict:
    """A frame without what counts the frames of one page."""
    return {key: value for key, value in frame.items() if key not in ("serial", "window")}


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
            session.move(core, to)
            owners[core] = to
        frame = session.frame()
        assert frame["owner"] == owners
        off = [core for core, state in enumerate(frame["state"]) if DOINGS[state] == "off"]
        assert off == [core for core, owner in enumerate(owners) if owner == POOL]
        assert sum(frame["share"]) == pytest.approx(1)


def test_an_instance_ends_with_its_last_core_and_begins_anew_with_the_next():
    session = Session(machine(load=1))  # the only process is in instance 0
    session.advance(100)
    for core in (0, 1):
        session.move(core, POOL)
    gone = session.frame()["total"]["n"]
    session.advance(200)
    assert session.frame()["total"]["n"] == gone > 0
    session.move(7, 0)
    session.advance(200)
    assert session.frame()["total"]["n"] > gone


def test_more_cores_let_search_bear_more_load():
    tails = []
    for moved in (range(6), range(6, 11)):  # all but one leave it; all but one of the other's come
        session = Session(machine(workload="search", load=300))
        for core in [*moved][:5]:
            session.move(core, POOL if core < 6 else 0)
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


# --- links ------------------------------------------------------------------------------------------------

ACTIONS = st.lists(st.one_of(
    st.tuples(st.just("step"), st.integers(1, 700)),
    st.tuples(st.just("move"), st.integers(0, 1), st.integers(0, 11), st.integers(-1, 5)),
), min_size=1, max_size=14)


def pair_of(first="lxc", second="rainforest") -> Pair:
    return Pair([machine(system=first, seed=9), machine(system=second, seed=9)])


def do(pair: Pair, actions) -> None:
    """Frames and moves, as a page makes them: after each there is a frame."""
    for what, *arguments in actions:
        if what == "step":
            pair.pace(arguments[0])
            pair.step()
        else:
            try:
                pair.move(*arguments)
            except InputError:
                continue
            pair.frames()


def refusal(session: Session, arguments) -> str:
    """Why a move is refused; empty where it is not."""
    try:
        session.move(*arguments[1:])
    except InputError as error:
        return str(error)
    return ""


def caught_up(text: str) -> Pair:
    pair = Pair.of_link(text)
    while not pair.catch_up(0.001):
        pair.frames()  # of the replay
    return pair


@FEW
@given(ACTIONS, ACTIONS)
def test_a_link_restores_the_exact_state_and_what_comes_of_it(before, after):
    pair = pair_of()
    do(pair, before)
    text = pair.link()
    again = caught_up(text)
    assert again.link() == text
    assert [side.history for side in again.sides] == [side.history for side in pair.sides]
    assert [side.moves for side in again.sides] == [side.moves for side in pair.sides]
    assert all((one._engine._a == other._engine._a).all() for one, other in zip(pair.sides, again.sides, strict=True))
    again.frames()  # what the restored page shows
    for what, *arguments in after:
        for side, (one, other) in enumerate(zip(pair.sides, again.sides, strict=True)):
            if what == "step":
                one.advance(arguments[0])
                other.advance(arguments[0])
            elif arguments[0] == side:
                assert refusal(one, arguments) == refusal(other, arguments)
            assert same(one.frame()) == same(other.frame())


def test_the_frame_of_a_restored_page_is_the_one_that_was_shown():
    talk = Conversation("a", [machine(system="xen"), machine()])
    talk.hear({"type": "open", "state": ""})
    told = []
    for message in ({"type": "step"}, {"type": "move", "side": 1, "core": 4, "to": 5}, {"type": "step"},
                    {"type": "move", "side": 0, "core": 0, "to": -1}, {"type": "step"}, {"type": "step"},
                    {"type": "speed", "value": 73}, {"type": "step"}):
        told += talk.hear(message)
    text = [message["link"] for message in told if message["type"] == "state"][-1]
    again = Conversation("b")
    again.hear({"type": "open", "state": text})
    while again.restoring:
        last = again.go_on()
    assert last[-1] == {"type": "state", "link": text}
    assert list(map(same, again.latest)) == list(map(same, talk.latest))


def test_a_link_may_be_long_but_not_too_long_for_an_address():
    rng = random.Random(4)
    ticks = sorted(rng.randrange(2 * 10**8) for _ in range(link.MOST_MOVES))
    moves = tuple(
        link.Move(side=rng.randrange(2), tick=tick, core=rng.randrange(40), to=rng.randrange(-1, 6)) for tick in ticks
    )
    end = link.Reached(configuration=machine(cores=40), tick=2 * 10**8, shares_from=10**8, events=10**9)
    state = link.State(sides=(end, end), speed_us=200, moves=moves)
    text = link.encode(state)
    assert link.decode(text) == state
    assert len(text) <= link.LONGEST_TEXT


def forged(table, version=link.VERSION) -> str:
    """A link with a right checksum that holds anything."""
    packed = zlib.compress(json.dumps(table).encode())
    whole = binascii.crc32(packed).to_bytes(4, "big") + packed
    return f"{version}.{base64.urlsafe_b64encode(whole).rstrip(b'=').decode()}"


SIDE = ["rainforest", "mmap", 12, 12, "", [], 1, 10**6, 0, 10]


@pytest.mark.parametrize("text", [
    "x", "r1.", "r1.AAAA", "r1.!!!!", "r1.\u00e9", "https://example.org", "r0.AAAA", "r1." + "A" * 9000, 7, None,
    ["r1."],
    forged([]), forged({"sides": 1}), forged("r1"), forged([[SIDE], 1, []]), forged([[SIDE, SIDE], "fast", []]),
    forged([[SIDE, SIDE], 1e7, []]), forged([[SIDE, SIDE], float("nan"), []]), forged([[SIDE, SIDE], 1, [[0, 1, 2]]]),
    forged([[SIDE, SIDE], 1, [[2, 1, 0, -1]]]), forged([[SIDE, SIDE], 1, [[0, 10**7, 0, -1]]]),
    forged([[SIDE, SIDE], 1, [[0, 9, 0, -1], [0, 3, 0, 0]]]), forged([[SIDE, SIDE], 1, [[0, 1, 0, -1]] * 501]),
    forged([[[*SIDE[:7], 5, 9, 0], SIDE], 1, []]), forged([[["windows", *SIDE[1:]], SIDE], 1, []]),
    forged([[[*SIDE[:3], 99, *SIDE[4:]], SIDE], 1, []]), forged([[[*SIDE[:7], 10**15, 0, 0], SIDE], 1, []]),
    forged([[SIDE, SIDE], 1, []], version="r9"), forged([[SIDE, SIDE], 1, ["x" * 2**20]]),
])
def test_what_is_no_link_is_one_clear_line(text):
    with pytest.raises(InputError) as refused:
        Pair.of_link(text)
    assert str(refused.value).startswith("link: ")
    assert "\n" not in str(refused.value)


def test_any_mistyped_letter_is_noticed():
    text = pair_of().link()
    rng = random.Random(1)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(len(text)):
        other = rng.choice([letter for letter in letters if letter != text[place]])
        changed = text[:place] + other + text[place + 1:]
        try:
            found = link.decode(changed)
        except InputError:
            continue
        assert found == link.decode(text)  # the last letter has bits that say nothing


def test_a_link_of_other_machines_is_noticed_at_its_end():
    wrong = forged([[SIDE, SIDE], 200, []])
    with pytest.raises(InputError, match="another version"):
        caught_up(wrong)
    impossible = forged([[["linux-4.9.40", *SIDE[1:]], SIDE], 200, [[0, 5, 0, -1]]])
    with pytest.raises(InputError, match="a move that cannot be"):
        caught_up(impossible)
    talk = Conversation("a")
    talk.hear({"type": "open", "state": wrong})
    told = []
    while talk.restoring:
        told = talk.go_on()
    assert told[0]["type"] == "error"
    assert told[0]["text"].endswith("here is the usual page instead")
    assert told[-1] == {"type": "state", "link": Pair(default()).link()}


def test_a_machine_that_cannot_go_on_says_so_and_its_link_shows_it_as_it_stopped():
    talk = Conversation("a", [machine(system=id, workload="search", load=2000, cores=1) for id in ("lxc", "xen")])
    talk.hear({"type": "open", "state": ""})
    for side in talk._pair.sides:
        with pytest.raises(SimulationError, match="more requests arrive than are served"):
            side.advance(60e6)
    talk.hear({"type": "run"})
    error, *told = talk.go_on()
    assert (error["type"], talk.running) == ("error", False)
    assert "found its queue full" in error["text"]
    again = Conversation("b")
    again.hear({"type": "open", "state": told[-1]["link"]})
    while again.restoring:
        again.go_on()
    assert list(map(same, again.latest)) == list(map(same, talk.latest))


# --- conversations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [
    None, 7, [], {}, {"type": 1}, {"type": "dance"}, {"type": "move"}, {"type": "move", "side": 2, "core": 0, "to": 0},
    {"type": "move", "side": True, "core": 0, "to": 0}, {"type": "speed"}, {"type": "speed", "value": "fast"},
    {"type": "speed", "value": float("inf")}, {"type": "speed", "value": True}, {"type": "configure"},
    {"type": "configure", "side": 0, "load": None}, {"type": "configure", "side": 1, "workload": {}},
])
def test_a_message_that_does_not_fit_is_an_error_and_changes_nothing(message):
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    before = talk._pair.link()
    (error,) = talk.hear(message)
    assert error["type"] == "error"
    assert "\n" not in error["text"]
    assert talk._pair.link() == before


def test_nothing_can_be_done_before_the_page_is_open():
    (error,) = Conversation("a").hear({"type": "run"})
    assert error["text"].endswith("nothing is open yet")


def test_configuring_one_side_sets_both_workloads_and_keeps_the_other_system():
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    talk.hear({"type": "step"})
    told = talk.hear({"type": "configure", "side": 0, "system": "lxc", "workload": "search", "load": 250, "cores": 12})
    layouts = [message["layout"] for message in told if message["type"] == "layout"]
    assert [(one["system"], one["workload"], one["load"]) for one in layouts] == [
        ("lxc", "search", 250), ("rainforest", "search", 250)]
    assert [frame["time"] for frame in talk.latest] == [0, 0]
    assert told[0]["speed"]["value"] == next(offer.pace_us for offer in offers() if offer.id == "search")


def test_every_frame_ends_at_most_one_window_and_all_of_them_are_told():
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    talk.hear({"type": "speed", "value": 2300})
    told = [message for _ in range(6) for message in talk.hear({"type": "step"})]
    for side in (0, 1):
        windows = [m["frame"]["window"] for m in told if m["type"] == "frame" and m["side"] == side]
        assert [window for window in windows if window] == talk._pair.sides[side].history


def test_both_sides_are_at_the_same_time_after_every_frame():
    pair = pair_of("linux-2.6.35m", "xen")
    for us in (10, 950, 333.3):
        pair.pace(us)
        frames = pair.step()
        assert frames[-2][1]["time"] == frames[-1][1]["time"]
    pair.move(1, 3, 0)  # takes time on its side only
    frames = pair.step()
    assert frames[-2][1]["time"] == frames[-1][1]["time"]


def test_a_frame_of_forty_cores_is_computed_in_less_than_a_click_may_wait():
    pair = Pair([machine(system=id, cores=40, load=40) for id in ("linux-4.9.40", "rainforest")])
    pair.pace(1e6)  # far more than can be computed in a frame
    took = []
    for _ in range(15):
        began = time.perf_counter()
        pair.step()
        took.append(time.perf_counter() - began)
    assert sorted(took)[7] < 0.1


# --- the server -------------------------------------------------------------------------------------------


class Page:
    """A browser's side of the talk."""

    def __init__(self, connection):
        self.connection, self.frames, self.session = connection, [None, None], None

    async def say(self, **message):
        await self.connection.write_message(json.dumps(message))

    async def hear(self, until="state"):
        """Everything up to a message of a type, and that one."""
        told = []
        while not told or told[-1]["type"] != until:
            text = await asyncio.wait_for(self.connection.read_message(), 20)
            assert text is not None, "the server has closed the connection"
            told.append(json.loads(text))
            if told[-1]["type"] == "frame":
                self.frames[told[-1]["side"]] = told[-1]["frame"]
            elif told[-1]["type"] == "choices":
                self.session = told[-1]["session"]
        return told

    async def ask(self, until="state", **message):
        await self.say(**message)
        return await self.hear(until)


@asynccontextmanager
async def served(**options):
    application = server.LiveApplication(**options)
    http, port = server.listen(application)
    try:
        yield application, port
    finally:
        http.stop()
        await http.close_all_connections()
        application.shut_down()


@asynccontextmanager
async def page_of(port, state="", until="state"):
    connection = await websocket_connect(f"ws://127.0.0.1:{port}/live")
    page = Page(connection)
    try:
        if state is not None:
            page.opened = await page.ask(type="open", state=state, until=until)
        yield page
    finally:
        connection.close()
        while await connection.read_message() is not None:
            pass


async def fetch(port, path, **headers):
    request = HTTPRequest(f"http://127.0.0.1:{port}{path}", headers=headers)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 90))


def test_a_page_hears_what_it_needs_in_order_and_the_numbers_are_those_of_the_interface():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            kinds = [message["type"] for message in page.opened]
            assert kinds == ["choices", "layout", "layout", "history", "history", "frame", "frame", "state"]
            assert {item["id"] for item in page.opened[0]["systems"]} == set(load.systems())
            await page.ask(type="step")
            for side in (0, 1):
                answer = await fetch(port, f"/api/state?session={page.session}&side={side}")
                assert json.loads(answer.body) == page.frames[side]
                assert page.frames[side]["time"] == pytest.approx(200)
            assert (await fetch(port, "/api/state?session=other")).code == 404
            assert (await fetch(port, f"/api/state?session={page.session}&side=2")).code == 400

    run(main())


def test_the_files_of_the_page_come_from_the_package_and_nothing_else_does():
    async def main():
        async with served() as (_, port):
            for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"),
                               ("/machine_view.js", "text/javascript")):
                answer = await fetch(port, path)
                assert answer.code == 200
                assert answer.headers["Content-Type"].startswith(kind)
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert b"https://" not in answer.body
            for path in ("/server.py", "/../pyproject.toml", "/widget.py", "/%2e%2e/cli.py", "/live/"):
                assert (await fetch(port, path)).code == 404

    run(main())


def test_time_goes_on_while_it_runs_and_stands_still_after_a_pause():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            await page.ask(type="run")
            times = [(await page.hear(), page.frames[0]["time"])[1] for _ in range(6)]
            assert times == sorted(set(times))
            await page.say(type="pause")
            while page.frames[0]["running"]:
                await page.hear()
            stands = page.frames[0]["time"]
            await asyncio.sleep(0.2)
            await page.ask(type="speed", value=100)  # the next answer is the next message: none was between
            assert page.frames[0]["time"] == stands
            before = page.frames[1]["owner"]
            await page.ask(type="move", side=1, core=2, to=0)
            assert page.frames[1]["owner"] == [0 if core == 2 else owner for core, owner in enumerate(before)]

    run(main())


def test_two_pages_do_not_disturb_each_other():
    async def main():
        async with served() as (application, port), page_of(port) as one, page_of(port) as other:
            assert one.session != other.session
            await one.ask(type="configure", side=0, system="lxc", workload="malloc", load=6, cores=6)
            await one.ask(type="run")
            await one.ask(type="move", side=0, core=0, to=-1)
            told = await other.ask(type="step")
            assert [message["type"] for message in told] == ["frame", "frame", "state"]
            assert len(other.frames[0]["owner"]) == 12
            alone = Conversation("alone")
            alone.hear({"type": "open", "state": ""})
            alone.hear({"type": "step"})
            assert list(map(same, other.frames)) == list(map(same, alone.latest))
            assert len(application.talks) == 2
        assert application.talks == {}

    run(main())


def test_the_link_of_one_page_opens_another():
    async def main():
        async with served() as (_, port), page_of(port) as one:
            await one.ask(type="speed", value=900)
            await one.ask(type="move", side=1, core=5, to=-1)
            while one.frames[1]["time"] < 1000:  # a window has ended
                told = await one.ask(type="step")
            async with page_of(port, told[-1]["link"]) as other:
                assert other.opened[-1] == told[-1]
                assert list(map(same, other.frames)) == list(map(same, one.frames))
                histories = {m["side"]: m["history"] for m in other.opened if m["type"] == "history"}
                assert histories[1][0]["n"] > 1000

    run(main())


@pytest.mark.parametrize("state", ["r1.broken", "#", "x" * 20_000, 5])
def test_a_broken_link_opens_the_default_with_a_message(state):
    async def main():
        async with served() as (_, port), page_of(port, state, until="error") as page:
            assert page.opened[-1]["text"].startswith("link: ")
            assert page.opened[-1]["text"].endswith("here is the usual page instead")
            layouts = [m["layout"] for m in page.opened if m["type"] == "layout"]
            assert [one["system"] for one in layouts] == ["linux-4.9.40", "rainforest"]
            await page.ask(type="step")

    run(main())


def test_nonsense_gets_an_answer_and_the_page_goes_on():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            for text in ("{", "null", '"open"', "[1]", '{"type": "fly"}', "[" * 50_000):
                await page.connection.write_message(text)
                (error,) = await page.hear("error")
                assert "no such message" in error["text"]
            await page.ask(type="step")

    run(main())


def test_a_message_that_is_too_long_ends_the_connection():
    async def main():
        async with served() as (application, port):
            connection = await websocket_connect(f"ws://127.0.0.1:{port}/live")
            await connection.write_message("x" * (server.LARGEST_MESSAGE + 1))
            assert await asyncio.wait_for(connection.read_message(), 10) is None
            connection.close()
            await asyncio.sleep(0.05)
            assert application.talks == {}

    run(main())


def test_there_are_so_many_pages_and_no_more():
    async def main():
        async with served() as (application, port):
            pages = [await websocket_connect(f"ws://127.0.0.1:{port}/live") for _ in range(server.MOST_SESSIONS)]
            one_more = await websocket_connect(f"ws://127.0.0.1:{port}/live")
            error = json.loads(await one_more.read_message())
            assert "close one of them first" in error["text"]
            assert await asyncio.wait_for(one_more.read_message(), 10) is None
            one_more.close()
            pages[0].close()
            assert await pages[0].read_message() is None
            async with page_of(port):
                assert len(application.talks) == server.MOST_SESSIONS
            for connection in pages[1:]:
                connection.close()
                assert await connection.read_message() is None

    run(main())


def test_no_other_site_gets_in():
    async def main():
        async with served() as (application, port):
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": f"evil.example:{port}"},
                            {"Origin": f"http://127.0.0.1:{port + 1}"},
                            {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}):
                request = HTTPRequest(f"ws://127.0.0.1:{port}/live", headers=headers)
                with pytest.raises(HTTPClientError) as refused:
                    await websocket_connect(request)
                assert refused.value.code == 403
            assert (await fetch(port, "/", Host="evil.example")).code == 403
            assert (await fetch(port, "/", Host=f"localhost:{port}")).code == 200
            assert application.talks == {}
            own = HTTPRequest(f"ws://127.0.0.1:{port}/live", headers={"Origin": f"http://127.0.0.1:{port}"})
            (await websocket_connect(own)).close()

    run(main())


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli.cli, ["app", "--no-browser", "--port", str(port)])
    assert result.exit_code == 2
    assert f"--port = {port}: cannot be had" in result.stderr.splitlines()[-1]


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_serves_until_it_is_interrupted():
    command = [sys.executable, "-m", "rainforest_model", "app", "--port", "0", "--no-browser", "--system", "xen"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().split()[0]

        async def main():
            port = int(address.rstrip("/").rpartition(":")[2])
            async with page_of(port) as page:
                layouts = [m["layout"] for m in page.opened if m["type"] == "layout"]
                assert [one["system"] for one in layouts] == ["linux-4.9.40", "xen"]
                await page.ask(type="run")
                process.send_signal(signal.SIGINT)  # while it runs
                assert process.wait(20) == 0

        run(main())
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def test_a_record_holds_the_frames_of_the_run_and_its_page_can_be_played(tmp_path):
    file = tmp_path / "run.html"
    result = CliRunner().invoke(cli.cli, ["app", "--record", str(file), "--system", "lxc", "--frames", "7"])
    assert (result.exit_code, result.stdout) == (0, f"record: {file}\n")
    assert 'id="record"' in file.read_text(encoding="utf-8")
    kept = live.record(machine(system="lxc"), frames=7)
    session = Session(machine(system="lxc"))
    session.advance(7 * 200)
    assert kept["frames"][-1]["total"] == session.frame()["total"]
    assert [frame["window"] for frame in kept["frames"] if frame["window"]] == session.history


@pytest.mark.parametrize(("arguments", "words"), [
    (["--workload", "quake"], "no such workload here"), (["--system", "windows"], "no such system"),
    (["--load", "0"], "load"), (["--cores", "99"], "machine S-B has 40"),
    (["--system", "lxc", "--system", "xen", "--system", "rainforest"], "a page shows two"),
    (["--record", "run.html", "--frames", "99999"], "must be in 1 .. 5000"),
])
def test_a_wrong_option_is_one_clear_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.cli, ["app", "--no-browser", *arguments])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []
