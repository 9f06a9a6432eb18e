"""Cache shares and bandwidth against closed limits: alone, equal, unlimited, saturated, remote."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rainforest_model.descriptions.footprint import Footprint
from rainforest_model.descriptions.load import machine
from rainforest_model.descriptions.parameter import Parameter
from rainforest_model.errors import InputError
from rainforest_model.memory import BUSIEST, ITERATIONS, KNEE, LINE, Group, MemoryModel
from rainforest_model.reference import ideal_machine

S_A = machine("S-A")
MB = 2**20
UNITS = {"cache": "MB", "working_set": "MB"}


def number(value: float, unit: str) -> Parameter:
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source="a test")


def footprint(sharing: str = "process", **values: float) -> Footprint:
    typical = dict(
        cpi=0.8, mpki=4, cache=6, exponent=0.5, working_set=256, compulsory=0, overlap=2, write_back=0.25,
    )
    known = {key: number(value, UNITS.get(key, "ratio")) for key, value in (typical | values).items()}
    return Footprint(id="program", sharing=sharing, **known)


def with_memory(base=S_A, **values: Parameter):
    return base.model_copy(update={"memory": base.memory.model_copy(update=values)})


ENDLESS = number(1e9, "GB/s")
UNHURRIED = with_memory(socket_bandwidth=ENDLESS, core_bandwidth=ENDLESS, link_bandwidth=ENDLESS)


def cpi(program: Footprint, share_mb: float, latency_ns: float) -> float:
    """Cycles of an instruction by the power law, on a machine of 2.4 GHz with hits of 40 cycles."""
    mpki = program.mpki.value * (program.cache.value / share_mb) ** program.exponent.value
    return program.cpi.value + mpki / 1000 * (latency_ns * 2.4 - 40) / program.overlap.value


programs = st.builds(
    footprint,
    sharing=st.sampled_from(["process", "thread"]),
    cpi=st.floats(0.3, 2),
    mpki=st.sampled_from([0.0, 0.01, 0.6, 4.0, 16.0, 60.0]),
    cache=st.sampled_from([2, 12, 40]),
    exponent=st.floats(0, 1),
    working_set=st.sampled_from([0.5, 5, 11, 13, 30, 256]),
    overlap=st.sampled_from([1, 2, 8]),
    write_back=st.floats(0, 1),
) | st.builds(
    footprint, mpki=st.floats(5, 40), compulsory=st.floats(0.1, 5), exponent=st.floats(0, 1),
    working_set=st.floats(1, 40), overlap=st.floats(1, 10),
)
local = st.lists(st.builds(Group, programs), min_size=3, max_size=3)
anywhere = st.lists(st.builds(Group, programs, st.sampled_from([0, 0.2, 0.5, 1])), min_size=3, max_size=3)
threads = st.tuples(*[st.tuples(*[st.integers(0, 3)] * 3)] * 2)
hard = settings(max_examples=200, deadline=None)
machines = st.sampled_from([
    S_A, with_memory(queueing=number(0, "ratio")), with_memory(socket_bandwidth=number(3, "GB/s")), UNHURRIED,
])


class TestAlone:
    @pytest.mark.parametrize("name", ["S-A", "S-B"])
    @hard
    @given(program=programs)
    def test_one_thread_alone_is_the_measure(self, name, program):
        server = machine(name)
        idle = ((0,),) * (server.topology.sockets - 1)
        model = MemoryModel(server, [Group(program)])
        assert model.slowdowns(((1,), *idle)) == ((1.0,), *((1.0,) for _ in idle))

    def test_nobody_runs(self):
        pressure = MemoryModel(S_A, [Group(footprint())]).pressure(((0,), (0,)))
        assert pressure.slowdowns == ((1.0,), (1.0,))
        assert pressure.bandwidth == pressure.link_bandwidth == (0.0, 0.0)
        assert pressure.occupancies == ((0.0,), (0.0,))

    def test_a_machine_where_memory_costs_nothing(self):
        assert MemoryModel(ideal_machine(4), [Group(footprint(mpki=0))]).slowdowns(((4,),)) == ((1.0,),)

    def test_other_sockets_do_not_matter_while_memory_is_local(self):
        model = MemoryModel(S_A, [Group(footprint(mpki=20)), Group(footprint(exponent=0))])
        together, apart = model.slowdowns(((3, 2), (1, 3))), model.slowdowns(((3, 2), (0, 0)))
        assert together[0] == pytest.approx(apart[0], rel=1e-9)


class TestCache:
    def test_two_equal_programs_have_half_each(self):
        program = footprint()
        pressure = MemoryModel(UNHURRIED, [Group(program), Group(program)]).pressure(((1, 1), (0, 0)))
        assert pressure.occupancies[0] == pytest.approx((6 * MB, 6 * MB))
        assert pressure.slowdowns[0] == pytest.approx([cpi(program, 6, 84) / cpi(program, 12, 84)] * 2)

    @pytest.mark.parametrize(("sharing", "share"), [("process", 12), ("thread", 3)])
    def test_threads_share_one_occupancy_or_split_it(self, sharing, share):
        program = footprint(sharing=sharing)
        pressure = MemoryModel(UNHURRIED, [Group(program)]).pressure(((4,), (0,)))
        assert pressure.occupancies[0] == pytest.approx([12 * MB])
        assert pressure.slowdowns[0] == pytest.approx([cpi(program, share, 84) / cpi(program, 12, 84)])

    def test_occupancy_is_in_proportion_to_misses_a_second(self):
        light, heavy = footprint(mpki=2, exponent=0.3), footprint(cpi=0.5, mpki=9, exponent=0.7)
        pressure = MemoryModel(S_A, [Group(light), Group(heavy)]).pressure(((1, 2), (0, 0)))
        a, b = pressure.occupancies[0]
        assert a + b == pytest.approx(12 * MB)
        extra = pressure.latency[0] * 2.4 - 40
        rates = []
        for program, share, count in [(light, a, 1), (heavy, b, 2)]:
            misses = program.mpki.value * (6 * MB / share) ** program.exponent.value / 1000
            rates.append(count * misses / (program.cpi.value + misses * extra / program.overlap.value))
        assert a / b == pytest.approx(rates[0] / rates[1], rel=1e-8)

    def test_bandwidth_without_end_leaves_only_the_cache(self):
        stream = footprint(exponent=0, mpki=30)
        assert MemoryModel(UNHURRIED, [Group(stream)]).slowdowns(((6,), (0,)))[0] == pytest.approx([1])

    def test_what_fits_side_by_side_is_not_slowed(self):
        small, large = footprint(working_set=4, cache=2), footprint(working_set=8, mpki=20)
        assert MemoryModel(S_A, [Group(small), Group(large)]).slowdowns(((1, 1), (0, 0)))[0] == pytest.approx((1, 1))

    def test_others_take_what_one_cannot_use(self):
        small, large = footprint(working_set=1, mpki=40, compulsory=20, exponent=0), footprint()
        pressure = MemoryModel(S_A, [Group(small), Group(large)]).pressure(((1, 1), (0, 0)))
        assert pressure.occupancies[0] == pytest.approx((MB, 11 * MB))
        assert pressure.misses[0][0] == pytest.approx(20)

    def test_what_all_but_fits_is_settled(self):
        program = footprint(working_set=6 + 1e-7, mpki=20)
        pressure = MemoryModel(S_A, [Group(program), Group(program)]).pressure(((2, 1), (0, 0)))
        assert sum(pressure.occupancies[0]) == pytest.approx(12 * MB)
        assert max(pressure.misses[0]) < 0.01

    @given(working_set=st.floats(11, 16))
    @settings(deadline=None)
    def test_the_miss_curve_falls_without_a_cliff(self, working_set):
        shares = [12 / n for n in (1, 1.001)]
        program = footprint(working_set=working_set, compulsory=0.5)
        curve = [
            MemoryModel(
                with_memory(llc_per_socket=number(share, "MB")), [Group(program)]
            ).pressure(((1,), (0,))).misses[0][0] for share in shares
        ]
        law = 4 * (6 / 12) ** 0.5
        steepest = law / (working_set * (1 - KNEE)) * 12 * 0.001
        assert curve[0] <= curve[1] <= curve[0] + steepest + 0.01
        assert 0.5 <= curve[0] <= law + 1e-9


class TestBandwidth:
    def test_latency_follows_its_own_load(self):
        pressure = MemoryModel(S_A, [Group(footprint(mpki=16, overlap=4))]).pressure(((6,), (0,)))
        rho = pressure.bandwidth[0] / 20.5e9
        assert 0.3 < rho < BUSIEST
        assert pressure.latency[0] == pytest.approx(84 * (1 + 0.45 * rho / (1 - rho)))

    def test_traffic_is_what_the_speeds_say(self):
        program = footprint(mpki=12, exponent=0)
        pressure = MemoryModel(S_A, [Group(program)]).pressure(((4,), (0,)))
        instructions = 4 * 2.4e9 / cpi(program, 6, pressure.latency[0])
        assert pressure.bandwidth[0] == pytest.approx(instructions * 0.012 * LINE * 1.25)

    def test_a_full_memory_serves_its_capacity(self):
        stream = footprint(exponent=0, mpki=30, overlap=8)
        narrow = with_memory(socket_bandwidth=number(5, "GB/s"), queueing=number(0, "ratio"))
        one, six = (MemoryModel(narrow, [Group(stream)]).pressure(((n,), (0,))) for n in (1, 6))
        assert six.bandwidth[0] == pytest.approx(5e9)
        alone = max(cpi(stream, 6, 84) / 2.4, 0.03 * LINE * 1.25 / 5)
        assert six.slowdowns[0][0] == pytest.approx(6 * 0.03 * LINE * 1.25 / 5 / alone)
        assert one.slowdowns[0] == (1.0,)

    def test_a_core_has_its_lines_no_faster(self):
        stream = footprint(exponent=0, mpki=60, overlap=16, cpi=0.3)
        pressure = MemoryModel(with_memory(queueing=number(0, "ratio")), [Group(stream)]).pressure(((1,), (0,)))
        assert pressure.bandwidth[0] == pytest.approx(10e9)

    @hard
    @given(server=machines, groups=anywhere, running=threads)
    def test_nothing_carries_more_than_its_capacity(self, server, groups, running):
        pressure = MemoryModel(server, groups).pressure(running)
        assert max(pressure.bandwidth) <= server.memory.socket_bandwidth.plain() * (1 + 1e-8)
        assert max(pressure.link_bandwidth) <= server.memory.link_bandwidth.plain() * (1 + 1e-8)
        assert all(sum(held) <= 12 * MB * (1 + 1e-8) for held in pressure.occupancies)
        assert pressure.iterations < ITERATIONS / 5


class TestRemote:
    def test_all_remote_without_contention(self):
        program = footprint()
        slowdowns = MemoryModel(UNHURRIED, [Group(program, remote=1)]).slowdowns(((1,), (0,)))
        assert slowdowns[0] == pytest.approx([cpi(program, 12, 122) / cpi(program, 12, 84)])

    def test_remote_lines_queue_at_the_link_and_at_the_memory_there(self):
        pressure = MemoryModel(S_A, [Group(footprint(mpki=8, exponent=0), remote=1)]).pressure(((3,), (0,)))
        assert pressure.bandwidth[0] == 0
        assert pressure.bandwidth[1] == pytest.approx(pressure.link_bandwidth[0])
        rho = pressure.link_bandwidth[0] / 9.6e9
        assert pressure.link_latency[0] == pytest.approx(38 * (1 + 0.45 * rho / (1 - rho)))
        assert pressure.latency[1] > pressure.latency[0] == 84

    def test_a_full_link_carries_its_capacity(self):
        narrow = with_memory(link_bandwidth=number(1, "GB/s"))
        pressure = MemoryModel(narrow, [Group(footprint(mpki=30, exponent=0), remote=1)]).pressure(((6,), (0,)))
        assert pressure.link_bandwidth[0] == pytest.approx(1e9)

    def test_three_other_sockets_serve_a_third_each(self):
        server = machine("S-B")
        pressure = MemoryModel(server, [Group(footprint(), remote=1)]).pressure(((0,), (2,), (0,), (0,)))
        a, own, *rest = pressure.bandwidth
        assert own == 0
        assert rest == pytest.approx([a, a])

    def test_whoever_is_slowed_here_relieves_the_memory_there(self):
        stream = footprint(exponent=0, mpki=30, overlap=6)
        model = MemoryModel(S_A, [Group(stream), Group(stream, remote=0.5)])
        before, after = model.slowdowns(((0, 3), (2, 0))), model.slowdowns(((3, 3), (2, 0)))
        assert after[0][1] > before[0][1]
        assert after[1][0] < before[1][0]


class TestPressure:
    @hard
    @given(server=machines, groups=local, running=threads, socket=st.integers(0, 1), k=st.integers(0, 2))
    def test_one_thread_more_speeds_nobody_up(self, server, groups, running, socket, k):
        model = MemoryModel(server, groups)
        more = tuple(
            tuple(n + (s == socket and i == k) for i, n in enumerate(counts)) for s, counts in enumerate(running)
        )
        before, after = model.slowdowns(running), model.slowdowns(more)
        for i, group in enumerate(groups):
            # Threads on common data gain by one more: together they keep more of it in the cache.
            if i != k or group.footprint.sharing == "thread" or not running[socket][k]:
                assert after[socket][i] >= before[socket][i] * (1 - 1e-7)
        assert after[1 - socket] == pytest.approx(before[1 - socket], rel=1e-7)

    @hard
    @given(server=machines, groups=local, running=threads)
    def test_nobody_is_faster_than_alone(self, server, groups, running):
        assert min(map(min, MemoryModel(server, groups).slowdowns(running))) >= 1 - 1e-7

    @settings(max_examples=50, deadline=None)
    @given(groups=anywhere, running=threads)
    def test_names_and_places_do_not_matter(self, groups, running):
        slowdowns = MemoryModel(S_A, groups).slowdowns(running)
        turned = MemoryModel(S_A, groups).slowdowns(running[::-1])
        for here, there in zip(slowdowns, turned[::-1], strict=True):
            assert here == pytest.approx(there, rel=1e-6)
        for order in permutations(range(3)):
            model = MemoryModel(S_A, [groups[i] for i in order])
            answer = model.slowdowns(tuple(tuple(counts[i] for i in order) for counts in running))
            for here, there in zip(slowdowns, answer, strict=True):
                assert [here[i] for i in order] == pytest.approx(there, rel=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(groups=anywhere, running=threads)
    def test_the_same_question_has_the_same_answer(self, groups, running):
        model = MemoryModel(S_A, groups)
        model.slowdowns(((1, 2, 1), (1, 0, 2)))
        assert model.pressure(running) is model.pressure(running)
        assert model.pressure(running) == MemoryModel(S_A, groups).pressure(running)


class TestRefusals:
    def test_remote_without_another_socket(self):
        with pytest.raises(InputError, match="no other socket"):
            MemoryModel(ideal_machine(2), [Group(footprint(), remote=0.5)])

    @pytest.mark.parametrize("remote", [-0.1, 1.1])
    def test_more_than_all_remote(self, remote):
        with pytest.raises(InputError, match="remote"):
            Group(footprint(), remote)

    @pytest.mark.parametrize("running", [((1,),), ((1, 2), (0, 1)), ((-1,), (0,))])
    def test_threads_that_do_not_fit_the_machine(self, running):
        with pytest.raises(InputError, match="running"):
            MemoryModel(S_A, [Group(footprint())]).slowdowns(running)

    def test_no_equilibrium_in_time_is_an_error(self, monkeypatch):
        monkeypatch.setattr("rainforest_model.memory.ITERATIONS", 1)
        with pytest.raises(ArithmeticError, match="no equilibrium in 1 iterations"):
            MemoryModel(S_A, [Group(footprint())])
