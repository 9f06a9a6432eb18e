"""memcached: one server of one thread a core, and batches of gets that arrive over UDP.

A client sends a batch of gets to one server and waits for all replies.  The time from the first datagram's way
through the kernel to the last reply is one measured look-up.  What softirqs do for a datagram is charged to the
server that it is for, one batch at a time on each receive queue of the card; that the core which polls the card
is mostly another one is told by the lines that come from there.
"""

from __future__ import annotations

from functools import cache

from pydantic import field_validator

from ..descriptions import load
from ..descriptions.fitted import with_fitted
from ..descriptions.machine import Machine
from ..descriptions.parameter import Description, Name, Parameter, Plain, Time, misfit
from ..descriptions.program import (
    Op,
    Program,
    compute,
    constant,
    every,
    exponential,
    get,
    lock,
    measure,
    program,
    put,
    repeat,
    sleep,
    syscall,
    unlock,
)
from ..descriptions.read import read_toml, validated
from ..descriptions.scenario import Load, Scenario
from ..descriptions.system import System
from ..errors import InputError
from ..resources import data_path

LOOK_UP = "look-up of a batch"
"""Name of the measured latency."""
_FILE = "workloads/memcached.toml"


class Memcached(Description):
    """What a server does for a get, and how its gets come.

    Attributes
    ----------
    batch : Parameter
        Gets that a client sends before it reads the replies.
    serve : Parameter
        User time of a get.
    turnaround : Parameter
        Mean time from the last reply of a batch to the next one, exponential.
    moderation : Parameter
        Gets for one interrupt of the card.
    slab_line : Parameter
        A cache line that comes from another socket while the list of a slab is locked; lies over the kernel's cost.
    """

    kind: Name
    id: Name
    title: str
    source: str
    batch: Plain
    serve: Time
    turnaround: Time
    moderation: Plain
    slab_line: Time

    @field_validator("batch", "moderation")
    @classmethod
    def _some(cls, parameter: Parameter):
        if parameter.value < 1 or parameter.value != int(parameter.value):
            raise misfit("value", "must be a whole number from 1 on")
        return parameter



@cache
def description() -> Memcached:
    """The shipped description, with its fitted value."""
    return validated(Memcached, with_fitted(read_toml(data_path(_FILE)), _FILE), data_path(_FILE))


def described(**values: float) -> Memcached:
    """The shipped description with other values for some of its parameters, in their units.

    Examples
    --------
    >>> described(slab_line=150).slab_line.value
    150.0
    """
    table = description().model_dump()
    for key, value in values.items():
        table[key] = {**table[key], "value": value}
    return validated(Memcached, table, data_path(_FILE))



def _listed(objects: str) -> tuple[Op, ...]:
    """Move objects from or to the slabs of a node, whose lines are where they were last used."""
    return (
        lock("skb_lists"),
        compute("skb_list_section", times=objects), compute("slab_line", times=f"slab_lines * ({objects})"),
        unlock("skb_lists"),
    )


# The card interrupts any core of the kernel, and its buffers come from its own node: a core of another node takes
# them from the list of that node one by one, and gives them back a batch at a time but one by one into their slabs.
# A core of the same node takes and gives whole batches of pointers.
_buffer = every("slab_batch if kernel_nodes == 1 else 1", *_listed("1"))
_free_buffer = every("slab_batch", *_listed("1 if nodes == 1 else slab_batch"))
_from_the_polling_core = (
    compute("packet_near", times="batch * (cpus // kernel_nodes - 1) // cpus"),
    compute("packet_far", times="batch * (cpus - cpus // kernel_nodes) // cpus"),
    compute("udp_wakeup", times="min(1, cpus - 1)"),
)
_deliver = (
    every("moderation", compute("nic_interrupt")),
    _buffer,
    get("input_route"), compute("udp_deliver"), every("charged_together", get("udp_memory")),
)
_receive = syscall(
    "recvmsg",
    compute("udp_receive"), put("input_route"), _free_buffer,
    every("charged_together", put("udp_memory")),
)
_send = syscall(
    "sendmsg",
    get("output_route"), compute("udp_send"), get("output_route"), put("output_route"),
    # dev_hard_start_xmit drops the reference while the queue is locked (IFF_XMIT_DST_RELEASE, net/core/dev.c).
    lock("transmit_queue"), compute("card_send"), put("output_route"), unlock("transmit_queue"),
)


def _ns(time: Parameter) -> str:
    return f"{time.ns():.9g} ns"


def _program(known: Memcached) -> Program:
    batch = int(known.batch.value)
    return program(
        known.id,
        sleep(exponential(_ns(known.turnaround)), name="turnaround"),
        measure(
            LOOK_UP,
            lock("receive_queue"), repeat("batch", *_deliver), unlock("receive_queue"),
            *_from_the_polling_core,
            repeat("batch", _receive, compute(constant(_ns(known.serve)), name="serve"), _send),
        ),
        title=known.title, source=known.source, batch=batch, moderation=int(known.moderation.value),
    )


memcached = _program(description())


def gets_of(scenario: Scenario) -> int:
    """Gets of one measured look-up.

    Examples
    --------
    >>> gets_of(memcached_on("rainforest", 4))
    20
    """
    return scenario.loads[0].program.parameters["batch"]


def memcached_on(
    system: System | str, cores: int, *, machine: Machine | str = "S-B", servers: int | None = None,
    instances: int = 4, memcached: Memcached | None = None, **rest,
) -> Scenario:
    """One pinned server on each core: in one kernel on plain Linux, else divided among OS instances.

    Parameters
    ----------
    system, machine : description or id
    cores : int
        Cores in use.
    servers : int, optional
        Servers in all; one a core by default.
    instances : int
        OS instances, on a system that has them.
    memcached : Memcached, optional
        What a server does for a get; the shipped description by default.
    **rest
        Further fields of `Scenario`: duration, warmup, structures, costs.

    Raises
    ------
    InputError
        If there are more servers than cores, or they cannot be divided evenly.

    Examples
    --------
    >>> memcached_on("lxc", 40)
    <Scenario memcached on lxc, S-B: 40 cores in 4 parts, 20 ms>
    """
    system = load.system(system) if isinstance(system, str) else system
    machine = load.machine(machine) if isinstance(machine, str) else machine
    known = memcached or description()
    servers = cores if servers is None else servers
    parts = instances if system.partitioning.partitioned else 1
    if servers > cores:
        reason = f"each server is pinned to a core of its own, and there are {cores}"
        raise InputError(reason, file=f"program {known.id}", key="servers", value=servers)
    if servers < 1 or servers % parts:
        reason = f"must be divided evenly among {parts} OS instances"
        raise InputError(reason, file=f"program {known.id}", key="servers", value=servers)
    return validated(Scenario, {
        "machine": machine, "system": system, "cores": cores, "partitions": parts,
        "loads": [Load(program=_program(known), processes=servers // parts, pinned=True)],
        **rest, "costs": {"slab_line": known.slab_line, **rest.get("costs", {})},
    })
