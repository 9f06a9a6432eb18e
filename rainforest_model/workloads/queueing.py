"""Textbook queues as ordinary programs: for theory, for the benchmark, and for the first lesson."""

from __future__ import annotations

from ..descriptions.program import (
    compute,
    exponential,
    lock,
    lognormal,
    measure,
    program,
    receive,
    send,
    sleep,
    unlock,
)

closed_lock = program(
    "closed_lock",
    compute(exponential("2 us"), name="think"),
    measure("response", lock("lock"), compute(exponential("300 ns"), name="hold"), unlock("lock")),
    title="think, then hold a first-come first-served lock (the machine-repairman model)",
    source="Boyd-Wickizer et al., Non-scalable locks are dangerous, OLS 2012",
)

queue_source = program(
    "queue_source",
    sleep(exponential("2381 us"), name="interarrival"), send("requests"),
    title="Poisson arrivals of requests",
    source="Kleinrock, Queueing Systems I, 1975",
)

queue_server = program(
    "queue_server",
    measure("sojourn", receive("requests"), compute(lognormal("20 ms", cv=0.8), name="service")),
    title="serve the requests of a queue one after the other",
    source="Kleinrock, Queueing Systems I, 1975",
)
