"""Quiz problems: their text alone is enough to work them out by hand, and the model comes to the same answer."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from rainforest_model import quiz
from rainforest_model.cli import cli
from rainforest_model.errors import InputError

SEEDS = range(60)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def table(one, pattern: str) -> dict[str, list[int]]:
    """Rows of numbers by the letter of their thread or core."""
    found = re.findall(pattern + r" ([A-H])\b(.*)$", "\n".join(one.given), re.MULTILINE)
    return {letter: numbers(rest) for letter, rest in found if numbers(rest)}


# --- worked out by hand, from the text --------------------------------------------------------------------


def responses(threads: dict[str, list[int]], moved_us: float) -> dict[str, float]:
    """First come, first served: who comes while the lock is taken has it a move after the release before."""
    free, found = 0.0, {}
    for letter, (ask, hold) in sorted(threads.items(), key=lambda item: item[1][0]):
        begin = ask if ask >= free else free + moved_us
        free = begin + hold
        found[letter] = free - ask
    return found


def lock_by_hand(one) -> float:
    moved = int(re.search(r"sees it (\d+) ns later", " ".join(one.given))[1]) / 1000
    asked = re.search(r"does thread ([A-H])", one.question)[1]
    return responses(table(one, "^thread"), moved)[asked]


def line_by_hand(one) -> float:
    text = " ".join(one.given)
    near, far = (int(price) for price in re.search(r"takes (\d+) ns, and .* socket (\d+) ns", text).groups())
    holder, waits = "A", 0
    for writer in re.search(r"written by ([A-D, ]+),", text)[1].split(", "):
        together = {holder, writer} in ({"A", "B"}, {"C", "D"})
        waits += 0 if writer == holder else near if together else far
        holder = writer
    return waits


def shootdown_by_hand(one) -> float:
    text = " ".join(one.given)
    begin, flush, send, deliver, enter = (
        int(re.search(pattern, text)[1]) for pattern in (
            r"At (\d+) us core A", r"own TLB \((\d+) ns\)", r"sending one takes (\d+) ns", r"arrives (\d+) ns",
            r"handler takes (\d+) ns to enter",
        )
    )
    answers = []
    for place, (_, until) in enumerate(table(one, "^core").values(), 1):
        arrival = 1000 * begin + flush + place * send + deliver
        answers.append(max(arrival, 1000 * until) + enter + flush)
    return max(answers) / 1000 - begin


def queue_by_hand(one) -> float:
    text = " ".join(one.given)
    arrivals = numbers(re.search(r"arrive at ([\d, ]+) us", text)[1])
    service, servers = int(re.search(r"takes (\d+) us of service", text)[1]), 1 if text.startswith("One") else 2
    free, sojourns = [0] * servers, []
    for arrival in arrivals:  # Lindley: the server that is free first
        free.sort()
        free[0] = max(free[0], arrival) + service
        sojourns.append(free[0] - arrival)
    return max(sojourns) if "largest" in one.question else sum(sojourns) / len(sojourns)


def scope_by_hand(one) -> float:
    threads = table(one, "^thread")
    halves = [{letter: threads[letter] for letter in pair} for pair in ("AB", "CD")]
    private = sum(sum(responses(half, 0).values()) for half in halves)
    return sum(responses(threads, 0).values()) - private


BY_HAND = {
    "lock": lock_by_hand, "line": line_by_hand, "shootdown": shootdown_by_hand, "queue": queue_by_hand,
    "scope": scope_by_hand,
}


def test_every_topic_is_worked_out_by_hand_here():
    assert list(BY_HAND) == quiz.topics()


@pytest.mark.parametrize("topic", BY_HAND)
def test_the_text_alone_gives_the_models_answer(topic):
    for seed in SEEDS:
        one = quiz.problem(topic, seed)
        answer = one.solve().answer
        assert answer > 0, one.text()
        assert answer == pytest.approx(BY_HAND[topic](one), rel=1e-9), one.text()


@pytest.mark.parametrize("topic", BY_HAND)
def test_seeds_give_different_problems_and_one_seed_the_same_one(topic):
    texts = [quiz.problem(topic, seed).text() for seed in SEEDS]
    assert texts == [quiz.problem(topic, seed).text() for seed in SEEDS]
    assert len(set(texts)) == len(texts)
    assert len({quiz.problem(topic, seed).solve().answer for seed in SEEDS}) > 10


def test_both_questions_about_a_lock_are_asked_and_some_threads_wait():
    late = 0
    for seed in SEEDS:
        one = quiz.problem("lock", seed)
        held = {letter: hold for letter, (_, hold) in table(one, "^thread").items()}
        late += one.solve().answer > held[re.search(r"does thread ([A-H])", one.question)[1]]
    assert late > len(SEEDS) / 2


@pytest.mark.parametrize("topic", BY_HAND)
def test_steps_are_in_order_and_fit_a_terminal(topic):
    for seed in range(10):
        one = quiz.problem(topic, seed)
        steps = one.solve().steps
        for heading in one.scenarios:
            begin = steps.index(f"{heading}:") if heading else 0
            block = "\n".join(steps[begin:]).partition("    core A")[0]
            times = [float(time) for time in re.findall(r"^ *([\d.]+) [nu]s  ", block, re.MULTILINE)]
            assert times == sorted(times)
            assert len(times) >= 4
        assert max(len(line) for line in (*steps, *one.text().splitlines()[2:-2])) <= 110
        assert steps[-1].endswith(f" {one.solve().answer:g} {one.unit}.")


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", BY_HAND)
def test_only_the_right_answer_is_right(topic):
    one = quiz.problem(topic, 4)
    right = one.solve().answer
    assert one.check(right).right
    for wrong, told in ((1.01 * right, "too large"), (0.99 * right, "too small"), (1000 * right, "asked for in")):
        verdict = one.check(wrong)
        assert (verdict.right, told in verdict.text) == (False, True)
        assert f"{right:g}" not in verdict.text.replace(one.unit, "")
    assert not one.check(0).right
    assert not one.check(-right).right


def test_what_is_no_answer_or_no_topic():
    with pytest.raises(InputError, match=r"--answer = nan: must be a finite number"):
        quiz.problem("lock", 1).check(float("nan"))
    with pytest.raises(InputError, match=r"topic = 'lok': no such topic; did you mean lock\?"):
        quiz.problem("lok", 1)


# --- the command ------------------------------------------------------------------------------------------


def call(*arguments: str):
    return CliRunner().invoke(cli, ["quiz", *arguments])


def test_the_command_sets_solves_and_checks():
    one = quiz.problem("shootdown", 9)
    right = one.solve().answer
    assert call("shootdown", "--seed", "9").output == one.text() + "\n"
    solved = call("shootdown", "--seed", "9", "--solve").output
    assert solved == one.text() + "\n\n" + "\n".join(one.solve().steps) + "\n"
    good, bad = (call("shootdown", "--seed", "9", "--answer", answer) for answer in (str(right), "1"))
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert (good.output.startswith("Right: "), bad.output.startswith("Not yet: ")) == (True, True)


def test_the_command_in_json():
    told = json.loads(call("queue", "--seed", "2", "--solve", "--answer", "0.5", "--json").output)
    assert set(told) == {"topic", "seed", "text", "unit", "steps", "answer", "right", "verdict"}
    assert told["right"] is False
    assert told["answer"] == quiz.problem("queue", 2).solve().answer
