"""Operational laws, which hold for any run, whatever its distributions."""

from __future__ import annotations

from .arguments import check


def littles_law_residual(number: float, throughput: float, response: float) -> float:
    """Say by how much a run misses Little's law, ``number = throughput * response``.

    Parameters
    ----------
    number : float
        Mean number present over time.
    throughput : float
        Completions a unit of time.
    response : float
        Mean time each one was present, in the same unit of time.

    Returns
    -------
    float
        ``number - throughput * response`` relative to the larger of the two; 0.0 if both are 0.

    Raises
    ------
    ValueError
        If an argument is negative or not finite.

    Notes
    -----
    A closed system of n cores is the case ``number = n`` and ``response = response + think``.

    References
    ----------
    Little, J. D. C. (1961). A proof for the queuing formula L = λW. *Operations Research* 9(3).

    Examples
    --------
    >>> littles_law_residual(number=6.0, throughput=2.0, response=3.0)
    0.0
    """
    check(number=number, throughput=throughput, response=response, zero_allowed=True)
    return _relative_gap(number, throughput * response)


def utilisation_law_residual(utilisation: float, throughput: float, service: float) -> float:
    """Say by how much a run misses the utilisation law, ``utilisation = throughput * service``.

    Parameters
    ----------
    utilisation : float
        Mean number of servers busy (for one lock: the share of time it is not free).
    throughput : float
        Completions a unit of time.
    service : float
        Mean time a completion keeps a server busy (for a lock: its section and its hand-off).

    Returns
    -------
    float
        ``utilisation - throughput * service`` relative to the larger of the two; 0.0 if both are 0.

    Raises
    ------
    ValueError
        If an argument is negative or not finite.

    References
    ----------
    Denning, P. J., & Buzen, J. P. (1978). The operational analysis of queueing network models.
    *ACM Computing Surveys* 10(3).

    Examples
    --------
    >>> utilisation_law_residual(utilisation=0.5, throughput=2.0, service=0.125)
    0.5
    """
    check(utilisation=utilisation, throughput=throughput, service=service, zero_allowed=True)
    return _relative_gap(utilisation, throughput * service)


def _relative_gap(left: float, right: float) -> float:
    """Difference relative to the larger, 0.0 for two zeros."""
    largest = max(left, right)
    return (left - right) / largest if largest else 0.0
