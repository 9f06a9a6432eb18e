"""Barrelfish: an unmap is agreed by messages, whose times add up; what section 7 says of cores and of size."""

from __future__ import annotations

import numpy as np
import pytest

from rainforest_model import opcodes as op
from rainforest_model import simulate
from rainforest_model.descriptions import load
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.descriptions.structure import Structure
from rainforest_model.errors import InputError
from rainforest_model.experiments import sec7_barrelfish_munmap as sec7
from rainforest_model.experiments.common import Replicated
from rainforest_model.lowering import lower
from rainforest_model.results import load as saved
from rainforest_model.units import TICKS_PER_NS
from rainforest_model.workloads import workload

CLOCK = load.machine("S-A").clock_ghz


def calm(scenario: Scenario) -> Scenario:
    """The same without variation, so that times can be added up."""
    kernel = scenario.system.kernel
    still = kernel.path_variation.model_copy(update={"value": 0.0, "range": (0.0, 0.3)})
    system = scenario.system.model_copy(update={"kernel": kernel.model_copy(update={"path_variation": still})})
    return scenario.model_copy(update={"system": system})


def point(cores: int, pages: int, **tlb) -> Scenario:
    """A calm point of the experiment on Barrelfish, its commit changed."""
    scenario = calm(sec7.point("barrelfish", cores, pages, "3 ms"))
    changed = scenario.all_structures["tlb"].model_copy(update=tlb)
    return scenario.model_copy(update={"structures": {"tlb": changed}})


def shortest_us(scenario: Scenario) -> float:
    """The fastest of all unmaps: the one that met no timer tick."""
    return float(simulate(scenario, replications=1).cdf()[0][0])


def flushes(scenario: Scenario) -> list[list[int]]:
    return [row[1:7] for row in lower(scenario).ops.tolist() if row[0] == op.FLUSH]


# --- described, found, and no part of the paper's sweeps


def test_it_is_found_by_its_id_but_joins_no_sweep():
    assert load.system("barrelfish").title == "Barrelfish"
    assert "barrelfish" in load.beyond()["kernel"]
    assert "barrelfish" not in load.systems()
    with pytest.raises(InputError, match="barrelfish"):
        load.system("nonesuch")


def test_its_parameters_lie_in_their_ranges_and_estimates_say_so():
    kernel = load.kernel("barrelfish")
    for parameter in (*kernel.costs.values(), *kernel.constants.values()):
        assert parameter.range[0] <= parameter.value <= parameter.range[1]
        assert not (parameter.basis == "cited" and "estimate" in parameter.source)
        assert parameter.basis != "fitted"


@pytest.mark.parametrize(("keys", "reason"), [
    ({"kind": "line", "transport": "messages"}, "messages are for a tlb"),
    ({"kind": "tlb", "pages_per_flush": 1, "slots": 1, "lock": "ticket", "transport": "messages"}, "without slots"),
    ({"kind": "tlb", "pages_per_flush": 1, "phases": 2}, "only messages have phases"),
])
def test_what_messages_do_not_fit(keys, reason):
    with pytest.raises(ValueError, match=reason):
        Structure(scope="instance", source="a test", **keys)


# --- the round of a phase


def test_each_phase_is_a_round_of_messages_and_the_last_one_flushes():
    kernel, machine = load.kernel("barrelfish"), load.machine("S-A")
    first, last = flushes(point(4, 1))
    ns = {name: kernel.costs[name].ns(CLOCK) for name in kernel.costs}
    send, until, after, gap, delivery, as_line = (value / TICKS_PER_NS for value in first)
    assert send == pytest.approx(ns["message_send"], abs=0.1)
    answer = ns["message_receive"] + ns["capability_check"] + ns["message_send"]
    assert until == pytest.approx(answer, abs=0.1)
    assert after == pytest.approx(ns["monitor_return"], abs=0.1)
    assert (gap, delivery) == pytest.approx((ns["message_receive"], ns["message_poll"]), abs=0.1)
    assert as_line
    assert (last[1] - first[1]) / TICKS_PER_NS == pytest.approx(machine.tlb.single_page.ns(CLOCK), abs=0.1)
    assert len(flushes(point(4, 1, phases=1))) == 1


def test_a_phase_takes_a_message_there_the_work_and_a_message_back():
    """With one other core: what a second phase adds is the sum of its parts, without the flush."""
    kernel, links = load.kernel("barrelfish"), load.machine("S-A").coherence
    ns = {name: cost.ns(CLOCK) for name, cost in kernel.costs.items()}
    there = ns["message_send"] + ns["message_poll"] + links.same_socket.load.ns(CLOCK)
    back = ns["message_receive"] + ns["capability_check"] + ns["message_send"] + links.same_socket.load.ns(CLOCK)
    # The second phase's message meets a monitor that still gives its core back, or has done so.
    busy = ns["monitor_return"] - links.same_socket.load.ns(CLOCK)
    expected = max(there, busy) + back
    added = 1000 * (shortest_us(point(2, 1)) - shortest_us(point(2, 1, phases=1)))
    assert added == pytest.approx(expected, rel=0.02)


def test_messages_to_the_other_socket_take_the_longer_way():
    links = load.machine("S-A").coherence
    near, far = (1000 * shortest_us(point(cores, 1)) for cores in (6, 7))
    assert far - near > 2 * (links.one_hop.load.ns(CLOCK) - links.same_socket.load.ns(CLOCK))


def test_alone_it_sends_nothing():
    alone = sec7.point("barrelfish", 2, 1, "3 ms")
    alone = calm(alone.model_copy(update={"loads": alone.loads[:1]}))
    parts = load.kernel("barrelfish").costs
    assert shortest_us(point(2, 1)) > shortest_us(alone) + 2 * parts["message_poll"].ns(CLOCK) / 1000


def test_an_unmap_is_split_into_one_commit_a_frame():
    one, eight = shortest_us(point(4, 1)), shortest_us(point(4, 8))
    together = shortest_us(point(4, 8, pages_per_flush=8))
    assert 7 * one < eight < 8 * one
    assert together < eight / 2


# --- threads that join a process


def joined(**keys) -> Scenario:
    programs = workload("munmap", pages=1), sec7.bystander
    fields = {"machine": load.machine("S-A"), "system": load.system("rainforest"), "cores": 4, "partitions": 2}
    loads = (Load(program=programs[0], processes=2), Load(program=programs[1], processes=2, **keys))
    return Scenario(loads=loads, **fields)


def test_who_joins_has_the_address_space_of_the_load_in_the_same_partition():
    def spaces(scenario: Scenario) -> dict[str, int]:
        return {t.name: t.address_space for t in lower(scenario).tasks if not t.name.startswith("kernel/")}

    own, together = spaces(joined()), spaces(joined(joins=0))
    assert len(set(own.values())) == len(own)
    assert len(set(together.values())) == len(together) / 2
    for name, space in together.items():
        if name.startswith("bystander"):
            assert space == together[name.replace("bystander.1", "munmap.0")]


@pytest.mark.parametrize(("keys", "reason"), [
    ({"joins": 1}, "earlier load"), ({"joins": 0, "partition": 0}, "differs in processes, place or partition"),
])
def test_who_cannot_join(keys, reason):
    with pytest.raises(ValueError, match=reason):
        joined(**keys)


# --- section 7, from the committed numbers


def test_growth_in_proportion_is_one():
    frame = saved("sec7_barrelfish_munmap").frames["statistics"].copy()
    frame["value_us"] = frame.pages.astype(float)
    r = Replicated(frame, sec7.KEYS)
    assert np.allclose(sec7.by_pages(r, "barrelfish", "mean"), 1)
    assert (sec7.by_cores(r, "barrelfish", "mean") < 1).all()


def test_what_the_verdict_would_refuse():
    results = saved("sec7_barrelfish_munmap")
    frame = results.frames["statistics"]
    flat = frame.assign(value_us=10.0)
    frames = {"statistics": flat}
    refused = sec7.verdicts(type(results)(results.id, results.quality, results.seed, frames, results.notes))
    assert [verdict.verdict for verdict in refused] == ["misses"]


def test_only_on_barrelfish_size_is_paid_in_proportion_and_frames_decide_it():
    r = Replicated(saved("sec7_barrelfish_munmap").frames["statistics"], sec7.KEYS)
    for statistic in sec7.SUMMARY:
        assert sec7.by_pages(r, "barrelfish", statistic).min() > 0.9
        assert sec7.by_pages(r, "linux-2.6.32", statistic)[0].max() < 0.5
        assert sec7.by_pages(r, "barrelfish", statistic, "frames of 512 pages")[0].max() < 0.5
