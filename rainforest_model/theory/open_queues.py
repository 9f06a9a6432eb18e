"""Queues at servers whose requests come from outside."""

from __future__ import annotations

import math

from .arguments import check, check_count


def mm1_mean_number(rate: float, mean: float) -> float:
    """Mean number in an M/M/1 queue, the one in service included.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time.
    mean : float
        Mean of the exponential service time.

    Returns
    -------
    float
        ρ / (1 - ρ), with ρ = rate * mean.

    Raises
    ------
    ValueError
        If an argument is not positive, or if ρ >= 1 (no steady state).

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.2.

    Examples
    --------
    >>> mm1_mean_number(rate=0.5, mean=1.0)
    1.0
    """
    return rate * mm1_mean_sojourn(rate, mean)


def mm1_mean_sojourn(rate: float, mean: float) -> float:
    """Mean time from arrival to departure in an M/M/1 queue.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time.
    mean : float
        Mean of the exponential service time.

    Returns
    -------
    float
        mean / (1 - ρ), with ρ = rate * mean.

    Raises
    ------
    ValueError
        If an argument is not positive, or if ρ >= 1 (no steady state).

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.2.

    Examples
    --------
    >>> mm1_mean_sojourn(rate=0.75, mean=1.0)
    4.0
    """
    return mean / (1.0 - _load(rate, mean))


def mm1_sojourn_quantile(rate: float, mean: float, probability: float) -> float:
    """Quantile of the time from arrival to departure in a first-come-first-served M/M/1 queue.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time.
    mean : float
        Mean of the exponential service time.
    probability : float
        In [0, 1), such as 0.99 for the 99th percentile.

    Returns
    -------
    float
        ``-log(1 - probability)`` mean sojourns: the sojourn of M/M/1 is itself exponential.

    Raises
    ------
    ValueError
        If ``rate`` or ``mean`` is not positive, if ρ >= 1, or if ``probability`` is not in [0, 1).

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 5.

    Examples
    --------
    >>> round(mm1_sojourn_quantile(rate=0.5, mean=1.0, probability=0.99), 3)
    9.21
    """
    if not 0.0 <= probability < 1.0:
        raise ValueError(f"probability must be in [0, 1), not {probability!r}")
    return -math.log1p(-probability) * mm1_mean_sojourn(rate, mean)


def erlang_c(rate: float, mean: float, servers: int) -> float:
    """Probability that an arrival at an M/M/c queue has to wait (Erlang's C formula).

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time, for all servers together.
    mean : float
        Mean of the exponential service time.
    servers : int
        Number of servers c, at least 1.

    Returns
    -------
    float
        In (0, 1).

    Raises
    ------
    ValueError
        If ``rate`` or ``mean`` is not positive, ``servers`` is not a whole number >= 1, or
        rate * mean >= servers (no steady state).

    Notes
    -----
    Computed from Erlang B by its recursion, which has no factorials to overflow.

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.5.

    Examples
    --------
    >>> round(erlang_c(rate=1.0, mean=1.0, servers=2), 6)
    0.333333
    """
    load = _load(rate, mean, servers)
    blocking = 1.0
    for server in range(1, servers + 1):
        blocking = load * blocking / (server + load * blocking)
    return blocking / (1.0 - load / servers * (1.0 - blocking))


def mmc_mean_wait(rate: float, mean: float, servers: int) -> float:
    """Mean time in the queue, before service begins, of M/M/c.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time, for all servers together.
    mean : float
        Mean of the exponential service time.
    servers : int
        Number of servers c, at least 1.

    Returns
    -------
    float
        ``erlang_c * mean / (c - rate * mean)``.

    Raises
    ------
    ValueError
        As `erlang_c`.

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.5.

    Examples
    --------
    >>> round(mmc_mean_wait(rate=2.4, mean=1.0, servers=3), 3)
    1.079
    """
    return erlang_c(rate, mean, servers) * mean / (servers - rate * mean)


def mmc_mean_sojourn(rate: float, mean: float, servers: int) -> float:
    """Mean time from arrival to departure in an M/M/c queue.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time, for all servers together.
    mean : float
        Mean of the exponential service time.
    servers : int
        Number of servers c, at least 1.

    Returns
    -------
    float
        ``mmc_mean_wait + mean``.

    Raises
    ------
    ValueError
        As `erlang_c`.

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 3.5.

    Examples
    --------
    >>> round(mmc_mean_sojourn(rate=2.4, mean=1.0, servers=3), 3)
    2.079
    """
    return mmc_mean_wait(rate, mean, servers) + mean


def mg1_mean_wait(rate: float, mean: float, scv: float) -> float:
    """Mean time in the queue of M/G/1, by the Pollaczek-Khinchine formula.

    Parameters
    ----------
    rate : float
        Poisson arrivals a unit of time.
    mean : float
        Mean service time.
    scv : float
        Squared coefficient of variation of the service time, variance / mean²: 0 is M/D/1, 1 is M/M/1.

    Returns
    -------
    float
        ``ρ mean (1 + scv) / (2 (1 - ρ))``, with ρ = rate * mean.

    Raises
    ------
    ValueError
        If ``rate`` or ``mean`` is not positive, ``scv`` is negative, or ρ >= 1 (no steady state).

    References
    ----------
    Kleinrock, L. (1975). *Queueing Systems, Volume 1: Theory*. Wiley, section 5.6.

    Examples
    --------
    M/D/1 waits half as long as M/M/1:

    >>> mg1_mean_wait(rate=0.75, mean=1.0, scv=0.0), mg1_mean_wait(rate=0.75, mean=1.0, scv=1.0)
    (1.5, 3.0)
    """
    check(scv=scv, zero_allowed=True)
    load = _load(rate, mean)
    return load * mean * (1.0 + scv) / (2.0 * (1.0 - load))


def _load(rate: float, mean: float, servers: int = 1) -> float:
    """Offered load rate * mean, refused when the queue would grow without end."""
    check(rate=rate, mean=mean)
    check_count("servers", servers)
    if rate * mean >= servers:
        raise ValueError(f"no steady state: rate * mean = {rate * mean:g} >= {servers} server(s)")
    return rate * mean
