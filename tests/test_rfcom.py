"""RFcom and back ends on a live machine: packets in order, finite rings, memory that both map, accounts that add up."""

from __future__ import annotations

import pytest
from fake_engine import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from live_machine import ENGINES, MS, NAMES, FastLifecycle, after, service

from rainforest_model.descriptions import load
from rainforest_model.errors import InputError
from rainforest_model.supervision import (
    BackEnds,
    ElasticMachine,
    LoadCr3,
    PageTableUpdate,
    RfCom,
    SecurityGuard,
)
from rainforest_model.units import TICKS_PER_NS


def made(engine=FakeEngine, guard=None) -> ElasticMachine:
    return ElasticMachine(service(), NAMES, engine=engine, lifecycle=FastLifecycle(), guard=guard)


@pytest.fixture(params=ENGINES)
def machine(request) -> ElasticMachine:
    return made(ENGINES[request.param])


@pytest.fixture
def fake() -> ElasticMachine:
    return made()


@pytest.fixture
def guarded() -> ElasticMachine:
    return made(guard=SecurityGuard.described(load.guard(), 2.4))


def go_on(machine, ms: float = 0.1) -> None:
    machine.run(machine.seconds_passed + ms * MS)


# --- packets --------------------------------------------------------------------------------------------------


class TestPackets:
    def test_a_packet_arrives_after_its_way_and_not_before(self, machine):
        go_on(machine)
        connection = machine.rfcom.rf_open("search", "batch")
        go_on(machine)
        packet = machine.rfcom.rf_write(connection, "search", b"hello")
        assert machine.rfcom.rf_read(connection, "batch") is None
        took = (packet.arrives_at - machine.now) / TICKS_PER_NS
        channel = machine.rfcom.channel
        least = channel.core_ns(5)["sender"] + channel.wire_ns(5)
        assert least + channel.notification.delay.ns() < took < 20_000
        go_on(machine)
        assert machine.rfcom.rf_read(connection, "batch") == b"hello"
        assert machine.rfcom.rf_read(connection, "batch") is None
        machine.check()

    @given(st.lists(st.tuples(st.sampled_from(NAMES[:2]), st.binary(max_size=40), st.booleans()), max_size=60))
    @settings(max_examples=25, deadline=None)
    def test_each_direction_keeps_its_order_and_loses_nothing(self, script):
        machine = made()
        connection = machine.rfcom.rf_open("search", "batch")
        written, read = {"search": [], "batch": []}, {"search": [], "batch": []}

        def drain(end):
            while (payload := machine.rfcom.rf_read(connection, end)) is not None:
                read[connection.peer(end)].append(payload)

        for writer, payload, wait in script:
            if connection.room(writer):
                machine.rfcom.rf_write(connection, writer, payload)
                written[writer].append(payload)
            if wait:
                go_on(machine, 0.01)
                drain(connection.peer(writer))
            assert 0 <= connection.room(writer) <= connection.slots
        go_on(machine, 5)
        drain("search")
        drain("batch")
        assert read == written

    def test_a_full_ring_blocks_its_writer_until_the_peer_reads(self, fake):
        connection = fake.rfcom.rf_open("search", "batch")
        packets = [fake.rfcom.rf_write(connection, "search", bytes([k])) for k in range(connection.slots)]
        assert connection.room("search") == 0
        assert connection.room("batch") == connection.slots
        blocked = fake.rfcom.rf_write(connection, "search", b"last")
        assert blocked.waiting
        assert not any(packet.waiting for packet in packets)
        with pytest.raises(InputError, match="blocked already"):
            fake.rfcom.rf_write(connection, "search", b"one more")
        go_on(fake, 5)
        assert blocked.waiting
        assert fake.rfcom.rf_read(connection, "batch") == b"\0"
        assert not blocked.waiting
        go_on(fake, 5)
        rest = [fake.rfcom.rf_read(connection, "batch") for _ in range(connection.slots)]
        assert rest == [bytes([k]) for k in range(1, connection.slots)] + [b"last"]

    def test_only_a_reader_with_an_empty_ring_is_notified(self, fake):
        connection = fake.rfcom.rf_open("search", "batch")
        go_on(fake)
        before = fake.ficm.sent["search"]
        for _ in range(10):
            fake.rfcom.rf_write(connection, "search", b"x")
        assert fake.ficm.sent["search"] == before + 1
        go_on(fake)
        assert not fake.ficm.mailboxes["batch"]

    def test_work_keeps_the_cores_of_both_ends(self, fake):
        connection = fake.rfcom.rf_open("search", "batch")
        go_on(fake)
        payload, channel = bytes(50_000), fake.rfcom.channel
        fake.rfcom.rf_write(connection, "search", payload)
        go_on(fake)
        fake.rfcom.rf_read(connection, "batch")
        cores, work = fake.ficm.communication_cores, channel.core_ns(len(payload))
        kept = [(core, ticks) for _, core, ticks in fake.engine.occupied]
        assert (cores["search"], round(work["sender"] * TICKS_PER_NS)) in kept
        assert (cores["batch"], round(work["receiver"] * TICKS_PER_NS)) in kept

    def test_what_was_in_the_ring_is_read_after_the_close_and_no_more_is_written(self, fake):
        connection = fake.rfcom.rf_open("search", "batch")
        for _ in range(connection.slots):
            fake.rfcom.rf_write(connection, "search", b"x")
        blocked = fake.rfcom.rf_write(connection, "search", b"y")
        go_on(fake, 5)
        fake.rfcom.rf_close(connection, "search")
        assert blocked.lost
        assert not blocked.waiting
        assert [fake.rfcom.rf_read(connection, "batch") for _ in range(connection.slots)] == [b"x"] * connection.slots
        for call in (
            lambda: fake.rfcom.rf_read(connection, "batch"), lambda: fake.rfcom.rf_close(connection, "batch"),
            lambda: fake.rfcom.rf_write(connection, "batch", b"z"),
        ):
            with pytest.raises(InputError, match="closed: by search"):
                call()
        assert not fake.rfcom.connections

    def test_a_destroyed_end_closes_the_channel_and_a_dead_one_does_not_read(self, fake):
        connection = fake.rfcom.rf_open("search", "batch")
        go_on(fake)
        fake.rfm.fail("batch")
        fake.rfcom.rf_write(connection, "search", b"to nobody")
        with pytest.raises(InputError, match="failed"):
            fake.rfcom.rf_read(connection, "batch")
        assert after(fake, fake.rfm.destroy("batch")).done
        with pytest.raises(InputError, match="closed: batch is gone"):
            fake.rfcom.rf_write(connection, "search", b"x")

    def test_refusals(self, fake):
        rfcom = fake.rfcom
        connection = rfcom.rf_open("search", "batch")
        for call, why in (
            (lambda: rfcom.rf_open("search", "mars"), "no such instance"),
            (lambda: rfcom.rf_open("search", "web"), "dormant"),
            (lambda: rfcom.rf_open("batch", "batch"), "two different"),
            (lambda: rfcom.rf_write(connection, "web", b""), "no part"),
            (lambda: rfcom.rf_read(connection, "web"), "no part"),
            (lambda: rfcom.rf_write(connection, "search", bytes(65537)), "room for 65536"),
        ):
            with pytest.raises(InputError, match=why):
                call()


# --- memory ---------------------------------------------------------------------------------------------------


class TestMemory:
    def test_both_see_what_was_stored_last(self, fake):
        zone = fake.rfcom.rf_map("search", "batch", blocks=2)
        zone.store("search", 10, b"abc")
        zone.store("batch", 11, b"X")
        assert zone.load("search", 9, 5) == b"\0aXc\0"
        for by, offset, size in (("web", 0, 1), ("batch", zone.size, 1), ("batch", -1, 1)):
            with pytest.raises(InputError):
                zone.load(by, offset, size)

    def test_the_guard_permits_what_is_registered_and_as_long_as_it_is(self, guarded):
        guard, block = guarded.guard, guarded.ledger.extents("search")[0][0]
        assert not guard.attempt("batch", PageTableUpdate(block))
        zone = guarded.rfcom.rf_map("search", "batch")
        assert zone.memory[0] == block
        assert guard.attempt("batch", PageTableUpdate(block))
        assert not guard.attempt("batch", PageTableUpdate(zone.memory.stop))
        assert not guard.attempt("batch", LoadCr3(block))
        guarded.rfcom.rf_unmap(zone, "batch")
        assert not guard.attempt("batch", PageTableUpdate(block))
        assert guard.attempt("search", PageTableUpdate(block))
        with pytest.raises(InputError, match="page fault"):
            zone.load("batch", 0, 1)
        assert not guarded.rfcom.zones

    def test_zones_of_one_owner_are_apart(self, fake):
        one, two = fake.rfcom.rf_map("search", "batch", 3), fake.rfcom.rf_map("search", "batch", 2)
        assert not set(one.memory) & set(two.memory)

    @pytest.mark.parametrize("goes", ["search", "batch"])
    def test_memory_of_who_is_gone_is_mapped_by_nobody(self, guarded, goes):
        zone = guarded.rfcom.rf_map("search", "batch")
        if goes == "search":  # somebody must live on
            after(guarded, guarded.rfm.create("web", cores=1, memory_gb=1))
        assert after(guarded, guarded.rfm.destroy(goes)).done
        assert not zone.mapped
        assert not guarded.rfcom.zones
        assert not guarded.guard.attempt("batch", PageTableUpdate(zone.memory[0]))

    def test_refusals(self, guarded):
        rfcom = guarded.rfcom
        for call, why in (
            (lambda: rfcom.rf_map("search", "web"), "dormant"),
            (lambda: rfcom.rf_map("search", "search"), "two different"),
            (lambda: rfcom.rf_map("search", "batch", 0), "1 or more"),
            (lambda: rfcom.rf_map("search", "batch", 10**9), "in one piece"),
        ):
            with pytest.raises(InputError, match=why):
                call()
        zone = rfcom.rf_map("search", "batch")
        rfcom.rf_unmap(zone, "search")
        with pytest.raises(InputError, match="does not map"):
            rfcom.rf_unmap(zone, "batch")
        guarded.supervisor.fail()
        with pytest.raises(InputError, match="down"):
            rfcom.rf_map("search", "batch")


# --- back ends ------------------------------------------------------------------------------------------------


class TestBackEnds:
    def test_what_the_supervisors_core_did_is_paid_by_who_was_served(self, machine):
        go_on(machine)
        ends: BackEnds = machine.back_ends
        threads = [ends.attach("rftun", "search"), ends.attach("rffuse", "search"), ends.attach("rftun", "batch")]
        for thread, size in zip(threads, (1448, 4096, 14480), strict=True):
            ends.carry(thread, size)
            ends.carry(thread, size)
        table = ends.account().set_index("instance")
        expected = {
            "search": 2 * (load.channel("rftun").core_ns(1448)["host"] + load.channel("rffuse").core_ns(4096)["host"]),
            "batch": 2 * load.channel("rftun").core_ns(14480)["host"],
        }
        for name, ns in expected.items():
            assert table.core_s[name] == pytest.approx(ns / 1e9, rel=1e-4)
            assert table.control_group[name] == f"backend/{name}"
        assert table.threads.to_dict() == {"search": 2, "batch": 1}
        assert table.bytes.sum() == sum(thread.size for thread in threads)
        go_on(machine, 1)
        machine.check()

    def test_requests_of_a_thread_follow_one_another(self, fake):
        thread = fake.back_ends.attach("rffuse", "batch")
        first, second = (fake.back_ends.carry(thread, 4096) for _ in range(2))
        host = round(load.channel("rffuse").core_ns(4096)["host"] * TICKS_PER_NS)
        assert second - first == host

    def test_refusals(self, fake):
        ends = fake.back_ends
        for call, why in (
            (lambda: ends.attach("rftun", "mars"), "no such instance"),
            (lambda: ends.attach("rftun", "web"), "dormant"),
            (lambda: ends.attach("xen-vnic", "search"), "pays for"),
            (lambda: ends.attach("rfloop", "search"), "pays for"),
        ):
            with pytest.raises(InputError, match=why):
                call()
        thread = ends.attach("rftun", "batch")
        fake.rfm.fail("batch")
        with pytest.raises(InputError, match="not alive"):
            ends.carry(thread, 1)


def test_what_they_are_says_how_they_are(fake):
    fake.rfcom.rf_open("search", "batch")
    assert isinstance(fake.rfcom, RfCom)
    assert repr(fake.rfcom) == "<RFcom: 1 connections, 0 zones>"
    assert repr(fake.rfcom.connections[1]) == "<Connection 1 of search and batch: open>"
