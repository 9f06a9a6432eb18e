"""memcached: one server of one thread a core, and batches of gets that arrive over UDP.

A client sends a batch of gets to one server and waits for all replies.  The time from the first datagram's way
through the kernel to the last reply is one measured look-up.  What softirqs do for a datagram is charged to the
server that it is for, one batch at a time on each receive queue of the card; that the core which polls the card
is mostly another one is told by the lines that come from there.
"""

from __future__ import annotations

from pydantic import field_validator

from ..descriptions.load import machine as shipped_machine
from ..descriptions.load import system as shipped_system
from ..descriptions.load import validated as validated_scenario
from ..descriptions.machine import Machine
from ..descriptions.parameter import Description, Name, Parameter, Plain, Time, misfit
from ..descriptions.program import (
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
    """

    kind: Name
    id: Name
    title: str
    source: str
    batch: Plain
    serve: Time
    turnaround: Time
    moderation: Plain

    @field_validator("batch", "moderation")
    @classmethod
    def _some(cls, parameter: Parameter):
        if parameter.value < 1 or parameter.value != int(parameter.value):
            raise misfit("value", "must be a whole number from 1 on")
        return parameter


_DESCRIBED = validated(Memcached, read_toml(data_path(_FILE)), data_path(_FILE))

# The card interrupts any core of the kernel, and its buffers come from its own node: a core of another node takes
# them from the list of that node one by one, and gives them back a batch at a time but one by one into their slabs.
# A core of the same node takes and gives whole batches of pointers.
_buffer = every(
    "slab_batch if kernel_nodes == 1 else 1", lock("skb_lists"), compute("skb_list_section"), unlock("skb_lists"),
)
_free_buffer = every(
    "slab_batch",
    lock("skb_lists"), compute("skb_list_section", times="1 if nodes == 1 else slab_batch"), unlock("skb_lists"),
)
_from_the_polling_core = every(
    "kernel_nodes", compute("packet_near"), compute("packet_far", times="kernel_nodes - 1")
)
_deliver = (
    every("moderation", compute("nic_interrupt")),
    _buffer,
    get("input_route"), compute("udp_deliver"), every("charged_together", get("udp_memory")),
)
_receive = syscall(
    "recvmsg",
    _from_the_polling_core, compute("udp_receive"), put("input_route"), _free_buffer,
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
            repeat("batch", _receive, compute(constant(_ns(known.serve)), name="serve"), _send),
        ),
        title=known.title, source=known.source, batch=batch, moderation=int(known.moderation.value),
    )


memcached = _program(_DESCRIBED)


def memcached_on(
    system: System | str, cores: int, *, machine: Machine | str = "S-B", servers: int | None = None,
    instances: int = 4, **rest,
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
    system = shipped_system(system) if isinstance(system, str) else system
    machine = shipped_machine(machine) if isinstance(machine, str) else machine
    servers = cores if servers is None else servers
    parts = instances if system.partitioning.partitioned else 1
    if servers > cores:
        reason = f"each server is pinned to a core of its own, and there are {cores}"
        raise InputError(reason, file=f"program {memcached.id}", key="servers", value=servers)
    if servers < 1 or servers % parts:
        reason = f"must be divided evenly among {parts} OS instances"
        raise InputError(reason, file=f"program {memcached.id}", key="servers", value=servers)
    return validated_scenario(Scenario, {
        "machine": machine, "system": system, "cores": cores, "partitions": parts,
        "loads": [Load(program=memcached, processes=servers // parts, pinned=True)], **rest,
    })
