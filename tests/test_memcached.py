"""memcached: who shares which structure of the network, what one core and private structures leave of the growth."""

from __future__ import annotations

import pytest

from rainforest_model import units
from rainforest_model.descriptions import load
from rainforest_model.descriptions.structure import Structure
from rainforest_model.errors import InputError
from rainforest_model.experiments import fig12_memcached as experiment
from rainforest_model.lowering import lower
from rainforest_model.simulation import simulate
from rainforest_model.workloads import structures_of
from rainforest_model.workloads.memcached import described, gets_of, memcached, memcached_on

SHARED = {name for names in experiment.CAUSES.values() for name in names}
SHORT = {"duration": "6 ms", "warmup": "2 ms"}


def copies(id: str, name: str, cores: int = 40) -> int:
    """Copies of a structure that the servers of a system use, queues of a card counted one by one."""
    tables = lower(memcached_on(id, cores))
    return sum(row.name.split(".")[0] == name for row in tables.objects)


def tail(id: str, cores: int, **rest) -> float:
    return float(simulate(memcached_on(id, cores, **SHORT, **rest), replications=2, jobs=2).estimate("p99").value)


def private(id: str) -> dict[str, Structure]:
    """All that the servers share, each core with a copy of its own."""
    found = load.system(id).structures
    return {name: found[name].model_copy(update={"scope": "core", "copies": 1}) for name in SHARED}


# --- who shares what --------------------------------------------------------------------------------------


def test_the_causes_are_all_that_servers_share():
    xen_adds_none = structures_of(memcached)
    assert xen_adds_none == SHARED


@pytest.mark.parametrize("id", ["linux-2.6.32", "linux-2.6.35m", "linux-3.17.4"])
def test_plain_linux_has_one_card_for_all_servers(id):
    assert copies(id, "transmit_queue") == 8


@pytest.mark.parametrize("id", ["lxc", "xen", "rainforest"])
def test_an_instance_has_a_card_and_routes_of_its_own(id):
    assert copies(id, "transmit_queue") == 4 * 8
    assert copies(id, "output_route") == copies(id, "input_route") == copies(id, "skb_lists") == 4


def test_a_container_shares_only_the_count_of_its_kernels_memory():
    """The one structure that containers share and that kernels of their own divide."""
    differ = {name for name in SHARED if copies("lxc", name) != copies("rainforest", name)}
    assert differ == {"udp_memory"}
    assert copies("linux-2.6.32", "udp_memory") == copies("lxc", "udp_memory") == 1
    assert copies("rainforest", "udp_memory") == copies("xen", "udp_memory") == 4


@pytest.mark.parametrize(("id", "kinds"), [
    ("linux-2.6.32", {"output_route": "atomic", "udp_memory": "atomic", "skb_lists": "ticket_lock"}),
    ("linux-2.6.35m", {"output_route": "sloppy_counter", "udp_memory": "sloppy_counter", "skb_lists": "ticket_lock"}),
    ("linux-3.17.4", {"output_route": "percpu", "udp_memory": "atomic", "skb_lists": "absent"}),
])
def test_what_each_kernel_counts_how(id, kinds):
    structures = load.system(id).structures
    assert {name: structures[name].kind for name in kinds} == kinds


def test_the_older_buffers_are_larger_and_move_more_lines():
    old, new = (load.system(id).kernel.constants for id in ("linux-2.6.32", "linux-2.6.35m"))
    assert old["slab_lines"].value > new["slab_lines"].value > 0
    assert old["charged_together"].value < new["charged_together"].value


@pytest.mark.parametrize("id", [*load.systems(), "rainforest on linux-4.9.40"])
def test_it_runs_on_every_system(id):
    run = simulate(memcached_on(load.system(*id.split(" on ")), 8, **SHORT), replications=1)
    assert run.samples > 0


# --- limits -----------------------------------------------------------------------------------------------


def test_on_one_core_a_system_on_the_same_kernel_costs_the_same():
    """Nothing is contended, so partitions of one and the same kernel do not differ, but for Xen's surcharges."""
    alone = {id: tail(id, 1, instances=1) for id in ("linux-2.6.32", "lxc", "xen", "rainforest")}
    assert alone["lxc"] == alone["rainforest"] == alone["linux-2.6.32"]
    assert alone["xen"] > alone["rainforest"]


def test_on_one_core_nothing_waits():
    """Private structures change nothing where there is nobody to share with."""
    for id in ("linux-2.6.32", "rainforest"):
        assert tail(id, 1, instances=1) == tail(id, 1, instances=1, structures=private(id))


def test_private_structures_take_the_growth_away():
    """What is left of it: buffers and datagrams that come from other sockets, which no scope changes."""
    shared = tail("linux-2.6.32", 40) / tail("linux-2.6.32", 4)
    alone = tail("linux-2.6.32", 40, structures=private("linux-2.6.32")) / tail("linux-2.6.32", 4)
    assert shared > 4
    assert alone < 2


def test_private_structures_take_all_growth_away_within_a_socket():
    own = private("rainforest")
    assert tail("rainforest", 40, structures=own) < 1.1 * tail("rainforest", 4, structures=own)


def test_a_container_pays_for_the_kernel_that_it_shares():
    assert tail("lxc", 40) > tail("rainforest", 40)


def test_more_lines_between_sockets_take_longer():
    """But nobody who stays within a socket meets them."""
    cheap, dear = described(slab_line=107), described(slab_line=250)
    assert tail("linux-2.6.32", 40, memcached=dear) > 1.3 * tail("linux-2.6.32", 40, memcached=cheap)
    assert tail("rainforest", 40, memcached=dear) < 1.1 * tail("rainforest", 40, memcached=cheap)


# --- set-up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", experiment.SYSTEMS)
def test_one_pinned_server_a_core(id):
    tables = lower(memcached_on(id, 40))
    homes = [task.home for task in tables.tasks if task.name.startswith("memcached")]
    assert sorted(homes) == list(range(40))
    assert all(task.pinned for task in tables.tasks if task.name.startswith("memcached"))


def test_the_measured_look_up_is_a_batch():
    assert gets_of(memcached_on("lxc", 8)) == described().batch.value


@pytest.mark.parametrize("id", ["linux-2.6.32", "rainforest"])
def test_more_servers_than_cores_are_refused(id):
    with pytest.raises(InputError, match="pinned to a core of its own, and there are 8") as caught:
        memcached_on(id, 8, servers=12)
    assert (caught.value.file, caught.value.key, caught.value.value) == ("program memcached", "servers", 12)


@pytest.mark.parametrize("servers", [0, 6])
def test_servers_that_cannot_be_divided_are_refused(servers):
    with pytest.raises(InputError, match="divided evenly among 4 OS instances") as caught:
        memcached_on("lxc", 8, servers=servers)
    assert caught.value.key == "servers"


@pytest.mark.parametrize(("key", "value"), [("batch", 0), ("moderation", 2.5)])
def test_a_batch_is_a_whole_number(key, value):
    with pytest.raises(InputError):
        described(**{key: value})


# --- copies side by side, and the way between sockets -----------------------------------------------------


@pytest.mark.parametrize(("kind", "scope"), [("percpu", "instance"), ("tlb", "instance"), ("line", "core")])
def test_what_is_divided_already_has_no_copies(kind, scope):
    with pytest.raises(InputError) as caught:
        load.validated(Structure, {"kind": kind, "scope": scope, "copies": 4, "source": "none", **(
            {"pages_per_flush": 1} if kind == "tlb" else {}
        )})
    assert caught.value.key == "copies"


def test_more_queues_are_waited_for_less():
    queue = load.system("linux-3.17.4").structures["receive_queue"]
    tails = [
        tail("linux-3.17.4", 40, structures={"receive_queue": queue.model_copy(update={"copies": n})})
        for n in (1, 4, 20)
    ]
    assert tails == sorted(tails, reverse=True)


def test_a_line_is_busy_on_its_way_between_sockets():
    machine = load.machine("S-B")
    near, far = machine.coherence.write_occupancy, machine.coherence.one_hop.write_occupancy
    assert far.ns(machine.clock_ghz) > near.ns(machine.clock_ghz)
    table = lower(memcached_on("lxc", 40)).latency
    assert table[:, -1].tolist() == [
        round(p.ns(machine.clock_ghz) * units.TICKS_PER_NS) for p in (near, near, far, far)
    ]
