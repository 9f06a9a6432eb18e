"""Closed forms against independent numerical solutions: balance equations, recursions, a plain simulation."""

import heapq
import math
import random
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainforest_model import theory
from rainforest_model.stats import mean_interval

times = st.floats(1e-2, 1e2)
cores = st.integers(1, 12)


def balance(births, deaths):
    """Distribution of a birth-death chain by its balance equations, in plain products."""
    weights = [1.0]
    for birth, death in zip(births, deaths, strict=True):
        weights.append(weights[-1] * birth / death)
    return [weight / sum(weights) for weight in weights]


class TestOpenQueues:
    @pytest.mark.parametrize(("load", "servers"), [(0.3, 1), (0.8, 1), (1.5, 2), (2.4, 3), (11.0, 12)])
    def test_mmc_is_the_truncated_birth_death_chain(self, load, servers):
        mean, levels = 2.0, 1500
        rate = load / mean
        shares = balance([rate] * levels, [min(k + 1, servers) / mean for k in range(levels)])
        queue = sum((k - servers) * share for k, share in enumerate(shares) if k > servers)
        assert theory.erlang_c(rate, mean, servers) == pytest.approx(sum(shares[servers:]), rel=1e-9)
        assert theory.mmc_mean_wait(rate, mean, servers) == pytest.approx(queue / rate, rel=1e-9)
        assert theory.mmc_mean_sojourn(rate, mean, servers) == pytest.approx(queue / rate + mean, rel=1e-9)

    @given(load=st.floats(0.01, 0.99), mean=times)
    def test_one_server_three_ways(self, load, mean):
        rate = load / mean
        sojourn = theory.mm1_mean_sojourn(rate, mean)
        assert theory.mmc_mean_sojourn(rate, mean, 1) == pytest.approx(sojourn)
        assert theory.mg1_mean_wait(rate, mean, scv=1.0) + mean == pytest.approx(sojourn)
        assert theory.erlang_c(rate, mean, 1) == pytest.approx(load)
        assert theory.mm1_mean_number(rate, mean) == pytest.approx(rate * sojourn)

    def test_mm1_number_is_the_geometric_mean_of_its_chain(self):
        shares = balance([0.7] * 500, [1.0] * 500)
        expected = sum(k * share for k, share in enumerate(shares))
        assert theory.mm1_mean_number(rate=0.7, mean=1.0) == pytest.approx(expected)

    @pytest.mark.parametrize("probability", [0.0, 0.5, 0.99, 0.9999])
    def test_mm1_sojourn_quantile_inverts_a_mixture_of_erlangs(self, probability):
        rate, mean, load = 0.4, 2.0, 0.8
        t = theory.mm1_sojourn_quantile(rate, mean, probability)
        # An arrival that finds k there leaves after k + 1 services: Poisson sums give each Erlang's tail.
        tail, term, poisson = 0.0, math.exp(-t / mean), math.exp(-t / mean)
        for k in range(600):
            tail += (1 - load) * load**k * poisson
            term *= t / mean / (k + 1)
            poisson += term
        assert 1.0 - tail == pytest.approx(probability, abs=1e-9)

    @pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
    def test_md1_is_its_chain_at_departures(self, load):
        size = 150
        arrivals = [math.exp(-load)]
        for k in range(1, size):
            arrivals.append(arrivals[-1] * load / k)
        chain = np.zeros((size, size))
        for left in range(size):
            first = max(left - 1, 0)
            chain[left, first:] = arrivals[: size - first]
            chain[left, -1] += 1.0 - chain[left].sum()
        system = np.vstack([chain.T - np.eye(size), np.ones(size)])
        shares = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]
        expected = shares @ np.arange(size) / load - 1.0
        assert theory.mg1_mean_wait(rate=load, mean=1.0, scv=0.0) == pytest.approx(expected, rel=1e-7)

    @pytest.mark.parametrize(
        ("function", "arguments", "message"),
        [
            (theory.mm1_mean_number, (0.0, 1.0), "rate must be finite and positive"),
            (theory.mm1_mean_sojourn, (0.5, -1.0), "mean must be finite and positive"),
            (theory.mm1_mean_sojourn, (math.nan, 1.0), "rate must be finite"),
            (theory.mm1_mean_sojourn, (1.0, 1.0), "no steady state"),
            (theory.mm1_sojourn_quantile, (0.5, 1.0, 1.0), "probability must be in"),
            (theory.erlang_c, (2.0, 1.0, 2), "no steady state"),
            (theory.erlang_c, (0.5, 1.0, 0), "servers must be a whole number"),
            (theory.mmc_mean_wait, (0.5, 1.0, 1.5), "servers must be a whole number"),
            (theory.mg1_mean_wait, (0.5, 1.0, -0.1), "scv must be finite and not negative"),
        ],
    )
    def test_refuses(self, function, arguments, message):
        with pytest.raises(ValueError, match=message):
            function(*arguments)


def mean_value_analysis(n, think, service):
    """Throughput and response of one FIFO exponential server and n customers, one customer at a time."""
    queue = 0.0
    for present in range(1, n + 1):
        response = service * (1.0 + queue)
        throughput = present / (think + response)
        queue = throughput * response
    return throughput, response


class TestMachineRepairman:
    @given(n=st.integers(1, 60), think=times, service=times)
    def test_is_exact_mean_value_analysis(self, n, think, service):
        lock = theory.machine_repairman(n, think, service)
        throughput, response = mean_value_analysis(n, think, service)
        assert lock.throughput == pytest.approx(throughput, rel=1e-9)
        assert lock.response == pytest.approx(response, rel=1e-9)
        assert lock.utilisation == pytest.approx(throughput * service, rel=1e-9)

    def test_distribution_is_the_balance_of_its_chain(self):
        n, think, service = 6, 3.0, 0.7
        expected = balance([(n - k) / think for k in range(n)], [1.0 / service] * n)
        assert theory.machine_repairman(n, think, service).distribution == pytest.approx(expected)

    def test_many_saturated_cores_do_not_overflow(self):
        lock = theory.machine_repairman(n=2000, think=1e-3, service=1e3)
        assert lock.throughput == pytest.approx(1e-3)
        assert lock.response == pytest.approx(2000 * 1e3)


class TestTicketLockBirthDeath:
    def test_two_cores_by_hand(self):
        think, section, transfer = 5.0, 2.0, 3.0
        w1 = 2 * section / think
        w2 = w1 * (section + transfer / 2) / think
        p0, p1, p2 = (weight / (1 + w1 + w2) for weight in (1.0, w1, w2))
        lock = theory.ticket_lock_birth_death(2, think, section, transfer)
        assert lock.distribution == pytest.approx((p0, p1, p2))
        assert lock.throughput == pytest.approx((2 * p0 + p1) / think)
        assert lock.response == pytest.approx((p1 + 2 * p2) / lock.throughput)
        assert lock.utilisation == pytest.approx(1 - p0)

    @given(n=cores, think=times, section=times)
    def test_free_transfer_is_the_machine_repairman(self, n, think, section):
        assert theory.ticket_lock_birth_death(n, think, section, 0.0) == theory.machine_repairman(
            n, think, section
        )

    def test_collapses_where_the_machine_repairman_levels_off(self):
        ticket = [theory.ticket_lock_birth_death(n, 20.0, 1.0, 1.0).throughput for n in (8, 16, 48)]
        free = [theory.machine_repairman(n, 20.0, 1.0).throughput for n in (8, 16, 48)]
        assert ticket[0] > ticket[1] > ticket[2]
        assert free[0] < free[1] < free[2]


def simulate_ticket_lock(n, think, section, transfer, requests, rng):
    """Plain event-by-event run: mean response, throughput and utilisation after a warm-up of a tenth."""
    events = [(rng.expovariate(1 / think), core, "want") for core in range(n)]
    heapq.heapify(events)
    queue, since, busy = deque(), [0.0] * n, False
    done, responses, busy_time, last = 0, [], 0.0, 0.0
    warm_up, start = requests // 10, 0.0
    while done < requests:
        now, core, kind = heapq.heappop(events)
        if busy and done >= warm_up:
            busy_time += now - last
        last = now
        if kind == "want":
            since[core] = now
            if busy:
                queue.append(core)
            else:
                busy = True
                heapq.heappush(events, (now + rng.expovariate(1 / section), core, "release"))
            continue
        done += 1
        if done > warm_up:
            responses.append(now - since[core])
        elif done == warm_up:
            start = now
        heapq.heappush(events, (now + rng.expovariate(1 / think), core, "want"))
        busy = bool(queue)
        if queue:
            handoff = rng.randint(1, len(queue)) * transfer
            release = now + handoff + rng.expovariate(1 / section)
            heapq.heappush(events, (release, queue.popleft(), "release"))
    elapsed = now - start
    return sum(responses) / len(responses), len(responses) / elapsed, busy_time / elapsed


class TestTicketLockEmbedded:
    @pytest.mark.parametrize(
        ("n", "think", "section", "transfer"), [(2, 1.0, 1.0, 2.0), (4, 3.0, 0.5, 0.5), (8, 20.0, 1.0, 1.0)]
    )
    def test_lies_in_the_interval_of_a_plain_simulation(self, n, think, section, transfer):
        runs = [
            simulate_ticket_lock(n, think, section, transfer, requests=20_000, rng=random.Random(seed))
            for seed in range(20)
        ]
        exact = theory.ticket_lock_embedded(n, think, section, transfer)
        wanted = (exact.response, exact.throughput, exact.utilisation)
        # So wide that a right theory misses one time in 100 000, and still too narrow for a wrong one.
        intervals = [mean_interval(values, level=0.99999) for values in zip(*runs, strict=True)]
        for value, interval in zip(wanted, intervals, strict=True):
            assert interval.low <= value <= interval.high
            assert interval.relative_half_width < 0.06
        approximate = theory.ticket_lock_birth_death(n, think, section, transfer)
        assert not intervals[0].low <= approximate.response <= intervals[0].high

    def test_two_cores_by_hand(self):
        think, section, transfer = 3.0, 1.0, 0.5
        alone = think / (think + section)  # nobody comes during a section
        quiet = math.exp(-transfer / think) * alone  # nor during a hand-off and a section
        none_left = quiet / (1 - alone + quiet)  # share of releases that leave nobody
        cycle = section + none_left * think / 2 + (1 - none_left) * transfer
        lock = theory.ticket_lock_embedded(2, think, section, transfer)
        assert lock.throughput == pytest.approx(1 / cycle, rel=1e-12)
        assert lock.response == pytest.approx(2 * cycle - think, rel=1e-12)
        assert lock.utilisation == pytest.approx(1 - none_left * think / 2 / cycle, rel=1e-12)

    @pytest.mark.parametrize("n", [1, 2, 3, 8, 48])
    @pytest.mark.parametrize("think", [0.01, 1.0, 30.0, 1e6])
    def test_free_transfer_is_the_machine_repairman(self, n, think):
        exact = theory.ticket_lock_embedded(n, think, 1.3, 0.0)
        repairman = theory.machine_repairman(n, think, 1.3)
        assert exact[:3] == pytest.approx(repairman[:3], rel=1e-9)
        assert exact.distribution == pytest.approx(repairman.distribution, rel=1e-9, abs=1e-15)

    @given(think=times, section=times, transfer=times)
    def test_one_core_pays_no_transfer(self, think, section, transfer):
        for solve in (theory.ticket_lock_embedded, theory.ticket_lock_birth_death):
            lock = solve(1, think, section, transfer)
            assert lock.throughput == pytest.approx(1 / (think + section))
            assert lock.response == pytest.approx(section)
            assert lock.utilisation == pytest.approx(section / (think + section))

    @given(n=cores, think=times, section=times, transfer=st.floats(0.0, 1e2))
    def test_laws_hold(self, n, think, section, transfer):
        lock = theory.ticket_lock_embedded(n, think, section, transfer)
        number = sum(k * share for k, share in enumerate(lock.distribution))
        assert len(lock.distribution) == n + 1
        assert min(lock.distribution) >= 0.0
        # The last share is not the remainder of the others, so this is a check, not an identity.
        assert sum(lock.distribution) == pytest.approx(1.0, rel=1e-12)
        assert abs(theory.littles_law_residual(number, lock.throughput, lock.response)) < 1e-9
        assert n == pytest.approx(lock.throughput * (lock.response + think), rel=1e-9)
        assert lock.throughput * section <= lock.utilisation * (1 + 1e-12)
        repairman = theory.machine_repairman(n, think, section)
        assert lock.throughput <= repairman.throughput * (1 + 1e-9)

    def test_saturation_queues_everybody_at_each_release(self):
        n, section, transfer = 48, 1.0, 0.5
        lock = theory.ticket_lock_embedded(n, 1e-9, section, transfer)
        # n - 1 waiters at a release: a hand-off takes transfer * n / 2 on average.
        assert 1 / lock.throughput == pytest.approx(section + transfer * n / 2)

    def test_a_nearly_idle_lock_keeps_its_digits(self):
        n, think, section, transfer = 48, 1e9, 1.0, 0.5
        lock = theory.ticket_lock_embedded(n, think, section, transfer)
        # First order: busy with probability (n - 1) section / think, then a residual section and a hand-off.
        wait = (n - 1) * section / think * (section + transfer)
        assert lock.response - section == pytest.approx(wait, rel=1e-6)


class TestClosedLockArguments:
    @pytest.mark.parametrize("solve", [theory.ticket_lock_embedded, theory.ticket_lock_birth_death])
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((0, 1.0, 1.0, 1.0), "n must be a whole number >= 1"),
            ((2.0, 1.0, 1.0, 1.0), "n must be a whole number >= 1"),
            ((2, 0.0, 1.0, 1.0), "think must be finite and positive"),
            ((2, 1.0, math.inf, 1.0), "section must be finite and positive"),
            ((2, 1.0, 1.0, -1.0), "transfer must be finite and not negative"),
        ],
    )
    def test_ticket_locks_refuse(self, solve, arguments, message):
        with pytest.raises(ValueError, match=message):
            solve(*arguments)

    def test_machine_repairman_refuses(self):
        with pytest.raises(ValueError, match="service must be finite and positive"):
            theory.machine_repairman(2, 1.0, 0.0)


class TestLaws:
    def test_residuals_have_sign_and_scale(self):
        assert theory.littles_law_residual(6.0, 2.0, 3.0) == 0.0
        assert theory.littles_law_residual(5.0, 2.0, 5.0) == -0.5
        assert theory.utilisation_law_residual(1.0, 2.0, 0.25) == 0.5
        assert theory.utilisation_law_residual(0.0, 0.0, 3.0) == 0.0

    def test_refuse_negative_values(self):
        with pytest.raises(ValueError, match="throughput must be finite and not negative"):
            theory.littles_law_residual(1.0, -1.0, 1.0)
        with pytest.raises(ValueError, match="service must be finite and not negative"):
            theory.utilisation_law_residual(1.0, 1.0, math.nan)
