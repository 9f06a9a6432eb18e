"""Links: they restore the exact state, and what is no link is told."""

from __future__ import annotations

import base64
import binascii
import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_sessions import FEW, machine, pair_of, same

from rainforest_model.errors import InputError
from rainforest_model.live import link
from rainforest_model.live.conversation import Conversation
from rainforest_model.live.pair import Pair, default
from rainforest_model.live.session import Session
from rainforest_model.simulation import SimulationError

ACTIONS = st.lists(st.one_of(
    st.tuples(st.just("step"), st.integers(1, 700)),
    st.tuples(st.just("move"), st.integers(0, 1), st.integers(0, 11), st.integers(-1, 5)),
), min_size=1, max_size=14)


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
