"""One lock among n cores: a closed queue, since a core that waits makes no new request."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .arguments import check, check_count


class ClosedLock(NamedTuple):
    """Steady state of one lock among n cores that think, want the lock, hold it, and think again.

    Attributes
    ----------
    throughput : float
        Releases a unit of time, by all cores together.
    response : float
        Mean time from wanting the lock to releasing it.
    utilisation : float
        Share of time the lock is not free: held, or on its way to the next holder.
    distribution : tuple of float
        ``n + 1`` probabilities; item k is the share of time with k cores at the lock (waiting,
        being handed the lock, or holding it).

    Examples
    --------
    >>> lock = machine_repairman(n=1, think=3.0, service=1.0)
    >>> lock.throughput, lock.response, lock.utilisation
    (0.25, 1.0, 0.25)
    """

    throughput: float
    response: float
    utilisation: float
    distribution: tuple[float, ...]


def machine_repairman(n: int, think: float, service: float) -> ClosedLock:
    """Solve a first-come-first-served lock whose hand-off costs nothing (M/M/1//n).

    Parameters
    ----------
    n : int
        Cores, at least 1.
    think : float
        Mean of the exponential time from a release to the same core's next request.
    service : float
        Mean of the exponential time the lock is held.

    Returns
    -------
    ClosedLock
        Exact. ``utilisation = throughput * service`` and ``response = n / throughput - think``.

    Raises
    ------
    ValueError
        If ``n`` is not a whole number >= 1 or a time is not positive.

    Notes
    -----
    Birth-death chain on the number of cores at the lock: births ``(n - k) / think``, deaths
    ``1 / service``. Exact mean value analysis gives the same means. Throughput levels off at
    ``1 / service``; unlike a ticket lock's, it never falls as cores are added.

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.8.
    Reiser, M., & Lavenberg, S. S. (1980). Mean-value analysis of closed multichain queuing networks.
    *Journal of the ACM* 27(2).

    Examples
    --------
    >>> lock = machine_repairman(n=2, think=1.0, service=1.0)
    >>> round(lock.throughput, 6), round(lock.response, 6), [round(p, 6) for p in lock.distribution]
    (0.8, 1.5, [0.2, 0.4, 0.4])
    """
    _check_closed(n, think=think, service=service)
    return _birth_death(think, [service] * n)


def ticket_lock_birth_death(n: int, think: float, section: float, transfer: float) -> ClosedLock:
    """Approximate a ticket lock by the birth-death chain of Boyd-Wickizer et al. (2012).

    Parameters
    ----------
    n : int
        Cores, at least 1.
    think : float
        Mean time from a release to the same core's next request (the paper's *a*).
    section : float
        Mean time the lock is held (the paper's *s*).
    transfer : float
        Time to move the lock's cache line to one waiter (the paper's *c*); may be 0.

    Returns
    -------
    ClosedLock
        Of the chain. The paper's speed-up is ``throughput * think``, the mean number of cores that
        are not at the lock.

    Raises
    ------
    ValueError
        If ``n`` is not a whole number >= 1, ``think`` or ``section`` is not positive, or
        ``transfer`` is negative.

    Notes
    -----
    A release makes every waiter fetch the line again, and the next holder's fetch is, on average,
    served half-way through the k waiters. With k waiters behind the holder (k + 1 cores at the lock)
    a core arrives at rate ``(n - k - 1) / think`` and one leaves at rate
    ``1 / (section + transfer * k / 2)``. The rate is indexed as in the paper, by the waiters, so that
    a lone core pays no hand-off.

    What it simplifies, against `ticket_lock_embedded`: the hand-off is part of one exponential
    service; its mean is ``transfer * k / 2``, not ``transfer * (k + 1) / 2``; and it follows the
    number who wait *now*, so that a late arrival slows a hand-off which is already over, where in
    the mechanism it is settled by those who wait at the release.

    References
    ----------
    Boyd-Wickizer, S., Kaashoek, M. F., Morris, R., & Zeldovich, N. (2012). Non-scalable locks are
    dangerous. *Proceedings of the Linux Symposium*, Ottawa.

    Examples
    --------
    More cores, less done: the collapse of a ticket lock.

    >>> [round(ticket_lock_birth_death(n, think=20.0, section=1.0, transfer=1.0).throughput, 3)
    ...  for n in (4, 8, 16, 32)]
    [0.187, 0.348, 0.146, 0.063]
    """
    _check_closed(n, think=think, section=section)
    check(transfer=transfer, zero_allowed=True)
    return _birth_death(think, [section + transfer * waiters / 2.0 for waiters in range(n)])


def ticket_lock_embedded(n: int, think: float, section: float, transfer: float) -> ClosedLock:
    """Solve exactly the ticket lock that the simulation runs, as a semi-Markov process.

    The mechanism: each core thinks for an exponential time, then queues for the lock, first come
    first served. At a free lock it starts to hold at once. A release that leaves k >= 1 waiters is
    followed by a hand-off of ``j * transfer``, j uniform on 1..k (the place of the next holder's
    fetch among the k that race for the line), and the next holder then holds for an exponential
    time. Cores go on arriving all the while; those who come after the release do not lengthen that
    hand-off.

    Parameters
    ----------
    n : int
        Cores, at least 1.
    think : float
        Mean of the exponential time from a release to the same core's next request.
    section : float
        Mean of the exponential time the lock is held.
    transfer : float
        Time to move the lock's cache line to one waiter; may be 0 (then `machine_repairman`).

    Returns
    -------
    ClosedLock
        Exact. ``throughput * section`` is the share of time some core is inside its section, which
        is below ``utilisation`` by the time spent on hand-offs.

    Raises
    ------
    ValueError
        If ``n`` is not a whole number >= 1, ``think`` or ``section`` is not positive, or
        ``transfer`` is negative.

    Notes
    -----
    A hand-off is not exponential, so the number at the lock is no Markov chain in time; but the
    number k of waiters *just after a release* is one, since thinking has no memory. Between two
    releases the number of thinkers only falls: each of the ``n - k`` thinkers outlasts a hand-off h
    with probability ``exp(-h / think)``, and during the section arrivals race with the release. With
    π the stationary distribution of k, renewal-reward gives

        1 / throughput = section + π₀ think / n + Σ_{k >= 1} π_k transfer (k + 1) / 2.

    The number at the lock goes from k to k + 1 as often as a release leaves k behind, hence the share
    of time with k < n cores at the lock is ``throughput * π_k * think / (n - k)``; the share with all n
    there is integrated directly, and the mean response follows by Little's law. Work grows as n³; n = 100
    takes some hundredths of a second.

    References
    ----------
    Çinlar, E. (1975). *Introduction to Stochastic Processes*. Prentice-Hall, chapter 10 (semi-Markov
    processes).
    Brill, P. H., & Posner, M. J. M. (1977). Level crossings in point processes applied to queues.
    *Operations Research* 25(4).
    Grassmann, W. K., Taksar, M. I., & Heyman, D. P. (1985). Regenerative analysis and steady state
    distributions for Markov chains. *Operations Research* 33(5).

    Examples
    --------
    >>> [round(ticket_lock_embedded(n, think=20.0, section=1.0, transfer=1.0).throughput, 3)
    ...  for n in (4, 8, 16, 32)]
    [0.187, 0.337, 0.127, 0.06]
    """
    _check_closed(n, think=think, section=section)
    check(transfer=transfer, zero_allowed=True)
    after_handoff = _thinkers_after_handoff(n, think, transfer)
    per_release = _thinkers_after_section(n, think, section)
    # A chain on thinkers at the end of a section; the releaser then thinks, so waiters = n - 1 - thinkers.
    thinkers = _stationary(after_handoff[::-1] @ per_release)
    waiters = thinkers[::-1]

    handoffs = transfer * (np.arange(n) + 1.0) / 2.0
    cycle = section + waiters[0] * think / n + float(waiters[1:] @ handoffs[1:])
    shares = waiters * think / (n - np.arange(n)) / cycle
    # Found by itself: one minus the others would lose all digits of a lock that is nearly idle.
    nobody_thinks = waiters[-1] * section + float(waiters @ _handoff_without_thinkers(n, think, transfer))
    return _closed_lock(think, [*shares.tolist(), nobody_thinks / cycle])


def _birth_death(think: float, services: list[float]) -> ClosedLock:
    """Solve the closed chain in which ``services[k - 1]`` is the mean service with k at the lock."""
    n = len(services)
    logs = [0.0]
    for k, service in enumerate(services):
        logs.append(logs[-1] + math.log((n - k) * service / think))
    # Logarithms, since the products overflow for many cores.
    weights = [math.exp(log - max(logs)) for log in logs]
    total = math.fsum(weights)
    return _closed_lock(think, [weight / total for weight in weights])


def _closed_lock(think: float, distribution: list[float]) -> ClosedLock:
    """Derive the means from the share of time with k = 0..n cores at the lock."""
    n = len(distribution) - 1
    throughput = math.fsum((n - k) * share for k, share in enumerate(distribution)) / think
    number = math.fsum(k * share for k, share in enumerate(distribution))
    utilisation = min(1.0, math.fsum(distribution[1:]))
    return ClosedLock(throughput, number / throughput, utilisation, tuple(distribution))


def _thinkers_after_handoff(n: int, think: float, transfer: float) -> np.ndarray:
    """Row k: probabilities of 0..n-1 thinkers when the hand-off after a release with k waiters ends."""
    rows = np.zeros((n, n))
    # A free lock waits for the first of n thinkers, and needs no hand-off.
    rows[0, n - 1] = 1.0
    for place in range(1, n):
        gone, stays = -math.expm1(-place * transfer / think), math.exp(-place * transfer / think)
        survivors = np.zeros((n, n))
        survivors[0, 0] = 1.0
        for m in range(1, n):
            # Binomial by Pascal's rule: no factorials, no cancellation.
            survivors[m] = gone * survivors[m - 1]
            survivors[m, 1:] += stays * survivors[m - 1, :-1]
        # This place is possible after any release with that many waiters or more.
        rows[place:] += survivors[n - place : 0 : -1]
    rows[1:] /= np.arange(1, n)[:, None]
    return rows


def _handoff_without_thinkers(n: int, think: float, transfer: float) -> np.ndarray:
    """Item k: mean time for which nobody thinks during the hand-off after a release with k waiters."""
    times = np.zeros(n)
    places = transfer * np.arange(1, n)
    m = np.arange(1, n)
    # The integral of (1 - exp(-t / think))**m over the hand-off h is h - think * (p + p²/2 + ... + p**m / m).
    gone = -np.expm1(-places / think)[:, None]
    spans = places[:, None] - think * np.cumsum(gone**m / m, axis=1)
    means = np.cumsum(spans, axis=0) / m[:, None]
    times[1:] = np.maximum(0.0, means[m - 1, n - m - 1])
    return times


def _thinkers_after_section(n: int, think: float, section: float) -> np.ndarray:
    """Row m: probabilities of 0..n-1 thinkers at the end of a section that began with m thinkers."""
    rows = np.zeros((n, n))
    rows[0, 0] = 1.0
    for m in range(1, n):
        # Release and next arrival race: the release wins with probability think / (think + m section).
        rows[m] = rows[m - 1] * (m * section / (think + m * section))
        rows[m, m] = think / (think + m * section)
    return rows


def _stationary(transitions: np.ndarray) -> np.ndarray:
    """Stationary distribution by Grassmann-Taksar-Heyman elimination, which never subtracts."""
    chain = transitions.copy()
    for state in range(len(chain) - 1, 0, -1):
        chain[:state, state] /= chain[state, :state].sum()
        chain[:state, :state] += np.outer(chain[:state, state], chain[state, :state])
    shares = np.zeros(len(chain))
    shares[0] = 1.0
    for state in range(1, len(chain)):
        shares[state] = shares[:state] @ chain[:state, state]
        # Scaled at each step, since a nearly idle lock spans hundreds of orders of magnitude.
        shares[: state + 1] /= shares[: state + 1].sum()
    return shares


def _check_closed(n: int, **times: float) -> None:
    """Check the arguments that all models of a closed lock share."""
    check_count("n", n)
    check(**times)
