"""Channels: closed forms, what a description must say, and the engine's agreement with both."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model import paper
from rainforest_model.descriptions import load
from rainforest_model.descriptions.channel import Ring
from rainforest_model.descriptions.fitted import fitted_values
from rainforest_model.errors import InputError
from rainforest_model.experiments import sec642_channels as sec642
from rainforest_model.experiments.common import Options
from rainforest_model.resources import data_path
from rainforest_model.simulation import replicate, simulate
from rainforest_model.workloads.channels import MESSAGES, parties, stream_loads, transaction_loads

IDS = load.channels()
WITH_PROTOCOLS = [(id, protocol) for id in IDS for protocol in load.channel(id).protocol]
STREAMING = [(id, p) for id, p in WITH_PROTOCOLS if "receiver" in load.channel(id).core_ns(1, p)]
sizes = st.integers(1, 10**6)
channels = st.sampled_from(WITH_PROTOCOLS)


# --- closed forms ---------------------------------------------------------------------------------------------


@given(channels, sizes)
def test_a_stream_is_as_fast_as_its_slowest_part_and_a_message_takes_them_all(which, size):
    channel, protocol = load.channel(which[0]), which[1]
    cores, wire = channel.core_ns(size, protocol), channel.wire_ns(size, protocol)
    slowest = max(*cores.values(), wire)
    assert channel.carried(size, protocol) == pytest.approx(1e9 * size / slowest)
    assert channel.time_ns(size, protocol) >= sum(cores.values()) + wire
    assert channel.round_trip_ns(size, protocol) == 2 * channel.time_ns(size, protocol)
    named = channel.bottleneck(size, protocol)
    assert (wire if named == "wire" else cores[named]) == slowest


@given(channels, sizes, st.integers(1, 8))
def test_flows_share_the_wire_and_the_host_alone(which, size, flows):
    channel, protocol = load.channel(which[0]), which[1]
    one, each = channel.carried(size, protocol), channel.carried(size, protocol, flows)
    assert one / flows <= each * (1 + 1e-9) <= one * (1 + 2e-9)
    cores = channel.core_ns(size, protocol)
    if channel.bottleneck(size, protocol) in ("wire", "host"):
        assert each == pytest.approx(one / flows)
    assert each <= 1e9 * size / max(time for party, time in cores.items() if party != "host") * (1 + 1e-9)


@given(channels, sizes, sizes)
def test_more_bytes_take_no_less_time(which, a, b):
    channel, protocol = load.channel(which[0]), which[1]
    less, more = sorted((a, b))
    assert channel.time_ns(less, protocol) <= channel.time_ns(more, protocol)
    if channel.kept(65536, protocol):
        assert channel.transfer_s(less, protocol=protocol) <= channel.transfer_s(more, protocol=protocol) * (1 + 1e-12)


@pytest.mark.parametrize(("id", "protocol"), STREAMING)
def test_a_long_transfer_goes_at_the_speed_of_the_stream(id, protocol):
    channel, size = load.channel(id), MESSAGES.get(protocol, 65536)
    took = channel.transfer_s(1e10, protocol=protocol, message=size)
    assert took == pytest.approx(1e10 / channel.throughput(size, protocol), rel=1e-3)


def test_what_gigabit_ethernet_carries_is_arithmetic_on_frames():
    nic = load.channel("nic")
    assert nic.throughput(16384, "tcp") == pytest.approx(1e9 / 8 * 1448 / 1538)
    one_frame = 1472
    assert nic.wire_ns(one_frame, "udp") == pytest.approx(1538 * 8)


@pytest.mark.parametrize(("id", "size", "packets"), [
    ("loopback", 65507, 4), ("rfloop", 65507, 45), ("xen-vnic", 65507, 45), ("nic", 1472, 1), ("nic", 1473, 2),
    ("rfloop", 0, 1),
])
def test_datagrams_are_cut_at_the_mtu(id, size, packets):
    assert load.channel(id).speaks("udp").packets(size) == packets


@pytest.mark.parametrize(("id", "protocol"), WITH_PROTOCOLS)
def test_all_work_is_charged_to_somebody(id, protocol):
    channel = load.channel(id)
    work, paid = channel.core_ns(5000, protocol), channel.charged_ns(5000, protocol)
    assert sum(paid.values()) == pytest.approx(sum(work.values()))
    if id in ("rftun", "rffuse"):
        assert work["host"] > 0
        assert "host" not in paid
    elif "host" in work:
        assert paid == work


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 60))
def test_messages_survive_whose_packets_all_find_room(burst, room, packets):
    ring = Ring.model_validate({
        "packets": number(256, "count"), "overflow": "drops", "burst": number(max(burst, room), "count"),
        "room": number(room, "count"),
    })
    burst = max(burst, room)
    # Every phase of a message against the bursts, over as many messages as begin in a burst.
    whole = sum(first + packets <= room for first in range(burst)) / burst
    assert ring.kept(packets) == pytest.approx(whole)


# --- what a description must say ------------------------------------------------------------------------------


def number(value: float, unit: str) -> dict:
    return {"value": value, "unit": unit, "range": [value, value], "basis": "derived", "source": "a test"}


def test_a_channel_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(data_path("systems/channels/rfloop.toml").read_text())
    assert load.channel(str(file)).paths == load.channel("rfloop").paths


@pytest.mark.parametrize(("old", "new", "key", "why"), [
    ("bandwidth = { value = 10.5", "bandwidth = { value = 0", "bandwidth.value", "above 0"),
    ("bandwidth =", "width =", "width", "no such key"),
    ('"segment_out", "hook",', '"segment_out", "hok",', "protocol.tcp.stage.0.packet", "no path 'hok'"),
    ('overflow = "waits"', 'overflow = "drops"', "ring.burst", "says burst and room"),
    ('core = "sender"', 'core = "nobody"', "protocol.tcp.stage.0.core", "sender"),
    ("payload = { value = 1480", "payload = { value = 0", "protocol.udp.payload", ""),
])
def test_what_does_not_fit_is_told_by_file_key_and_reason(tmp_path, old, new, key, why):
    text = data_path("systems/channels/rfloop.toml").read_text()
    assert old in text
    text = text.replace(old, new, 1).replace("range = [10.2, 12.8]", "range = [0, 12.8]")
    text = text.replace("range = [1480, 1480]", "range = [0, 1480]")
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError) as told:
        load.channel(str(file))
    assert str(file) in str(told.value)
    assert key in str(told.value)
    assert why in str(told.value)


def test_a_channel_without_bandwidth_is_refused(tmp_path):
    lines = data_path("systems/channels/nic.toml").read_text().splitlines()
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(line for line in lines if not line.startswith("bandwidth")))
    assert "bandwidth" not in tomllib.loads(file.read_text())
    with pytest.raises(InputError, match="bandwidth") as told:
        load.channel(str(file))
    assert str(file) in str(told.value)
    assert "is missing" in str(told.value)


@pytest.mark.parametrize("ask", [
    lambda: load.channel("rfloup"), lambda: load.channel("nic").core_ns(1, "sctp"),
    lambda: load.channel("nic").wire_ns(-1), lambda: load.channel("nic").throughput(1, flows=0),
    lambda: load.channel("nic").transfer_s(float("inf")), lambda: stream_loads(load.channel("rffuse"), 4096),
    lambda: transaction_loads(load.channel("rffuse"), 4096),
])
def test_questions_that_cannot_be_answered(ask):
    with pytest.raises(InputError):
        ask()


# --- the engine agrees ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "test"), [(id, test) for id in sec642.SYSTEMS for test in sec642.TESTS])
def test_what_is_simulated_is_the_closed_form(id, test):
    protocol, kind = sec642.TESTS[test]
    channel, system = load.channel(id), sec642.SYSTEMS[id]
    run = simulate(sec642.scenario_of(channel, system, test, "60 ms"), replications=3)
    rate = sec642.rates(run).mean()
    if kind == sec642.STREAMS:
        size = MESSAGES[protocol]
        expected = channel.carried(size, protocol) / size
    else:
        how = load.system(system)
        knobs = how.kernel.scheduler
        wake = knobs.idle_wakeup.ns() + knobs.context_switch.ns()
        wake += sum(how.surcharge_ns(f"scheduler.{name}", 2.4) for name in ("idle_wakeup", "context_switch"))
        expected = 1e9 / channel.round_trip_ns(1, protocol, wake_ns=wake)
    assert rate == pytest.approx(expected, rel=0.015)


def test_a_window_of_one_makes_a_stream_as_slow_as_a_message():
    channel = load.channel("rfloop")
    scenario = sec642.scenario_of(channel, "rainforest", "tcp stream", "30 ms")
    loads = stream_loads(channel, 16384, "tcp", {"sender": 0, "receiver": 1}, window=1)
    run = simulate(scenario.model_copy(update={"loads": loads}), replications=1)
    knobs = load.kernel("linux-2.6.32").scheduler
    wakes = 2 * (knobs.idle_wakeup.ns() + knobs.context_switch.ns())
    alone = sum(channel.core_ns(16384, "tcp").values()) + channel.wire_ns(16384, "tcp") + wakes
    assert sec642.rates(run)[0] == pytest.approx(1e9 / alone, rel=0.01)


def test_both_engines_agree():
    scenario = sec642.scenario_of(load.channel("xen-vnic"), "xen", "tcp stream", "7 ms")
    outcomes = [replicate(scenario, engine=engine) for engine in ("compiled", "agents")]
    assert outcomes[0].moments.tolist() == outcomes[1].moments.tolist()
    assert outcomes[0].moments[0][0] > 50


def test_parties_have_cores_of_their_own():
    for id in sec642.SYSTEMS:
        for test, (protocol, _) in sec642.TESTS.items():
            scenario = sec642.scenario_of(load.channel(id), sec642.SYSTEMS[id], test, "20 ms")
            inside = [load.program.id for load in scenario.loads if load.place == "partition"]
            assert scenario.cores == len(parties(load.channel(id), protocol))
            assert len(set(inside)) == len(inside)


# --- the fit --------------------------------------------------------------------------------------------------


def test_the_fit_answers_for_its_claims_and_for_no_other():
    answer = sec642.FITS["channels"](fitted_values(), Options())
    stated = {claim.id: claim for claim in paper.claims() if claim.artefact == "sec642_channels"}
    assert set(answer) == {id for id, claim in stated.items() if claim.role == "fitted"}
    assert {id for id, claim in stated.items() if claim.role == "predicted"} == {"N1.loopback", "N2.loopback"}


def test_loopback_feels_the_stack_and_not_xens_card():
    values = fitted_values()

    def speed(id, protocol, path, factor):
        return load.channel_of(id, {**values, path: factor * values[path]}).throughput(MESSAGES[protocol], protocol)

    stack, grant = "systems/stack.toml:paths.segment_in", "systems/channels/xen-vnic.toml:paths.grant"
    for id, path, moves in (("loopback", stack, True), ("loopback", grant, False), ("xen-vnic", grant, True)):
        assert (speed(id, "tcp", path, 1.2) < speed(id, "tcp", path, 1)) == moves
