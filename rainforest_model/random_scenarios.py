"""Scenarios drawn by lot: random machines, systems and programs, to hold the two engines against each other.

Everything that a description can say is drawn from one seeded generator, so a disagreement is told by a
number: ``Lot(17).scenario()``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from .descriptions import load
from .descriptions import program as pg
from .descriptions.arrivals import Arrivals
from .descriptions.footprint import Footprint
from .descriptions.machine import Coherence, Interrupt, Machine, Tlb, Topology, Transfer
from .descriptions.parameter import Parameter
from .descriptions.scenario import Load, Scenario
from .descriptions.structure import SCOPES, Structure
from .descriptions.system import Background, Kernel, Partitioning, Scheduler, System

SOURCE = "drawn by lot"


def number(value: float, unit: str = "ns") -> Parameter:
    """A parameter of this value."""
    return Parameter(value=value, unit=unit, range=(value, value), basis="derived", source=SOURCE)


@dataclass(frozen=True)
class Where:
    """Where in a program an operation stands: what is held around it, and so on."""

    held: tuple[str, ...] = ()
    spinning: bool = False
    kernel: bool = False
    measuring: bool = False


class Lot:
    """Draws a scenario: everything that a description can say is drawn from one generator."""

    LOCKS = ("ticket_lock", "queue_lock", "mutex", "rwsem", "absent")
    COUNTERS = ("percpu_counter", "atomic", "absent")
    REFERENCES = ("atomic", "percpu", "rcu", "locked_count", "sloppy_counter", "absent")
    DATA = ("line", "atomic", "percpu", "seqlock", "absent")
    PATHS = ("path0", "path1", "path2")

    def __init__(self, seed: int):
        self.rng = rng = random.Random(seed)
        self.orderly = rng.random() < 0.7  # locks are taken in one order, so that nobody deadlocks
        self.structures = self.draw_structures()

    def ns(self, high: float) -> Parameter:
        """A cost, often 0."""
        rng = self.rng
        return number(rng.choice([0.0, float(rng.randrange(1, int(high) + 1)), rng.uniform(0.01, high)]))

    def time(self, high_us: float) -> pg.Duration:
        """A duration of a program, at least 20 ns in the mean."""
        mean = f"{self.rng.uniform(0.02, high_us):.3f} us"
        cv = self.rng.uniform(0.1, 2.0)
        return self.rng.choice(
            [pg.constant(mean), pg.exponential(mean), pg.uniform(mean), pg.lognormal(mean, cv)]
        )

    # --- where it runs ------------------------------------------------------------------------------------

    def machine(self) -> Machine:
        rng = self.rng
        sockets = rng.randint(1, 4)
        hops = [[0] * sockets for _ in range(sockets)]
        for a in range(sockets):
            for b in range(a):
                hops[a][b] = hops[b][a] = rng.randint(1, 2)
        transfer = [
            Transfer(load=self.ns(300), store=self.ns(300), atomic=self.ns(300), write_occupancy=self.ns(300))
            for _ in range(3)
        ]
        return Machine(
            kind="machine", id="lot", title="a machine", source=SOURCE,
            topology=Topology(
                sockets=sockets, cores_per_socket=rng.randint(1, 3), clock=number(2.4, "GHz"), hops=hops
            ),
            coherence=Coherence(
                own_load=self.ns(5), own_store=self.ns(5), own_atomic=self.ns(30),
                same_socket=transfer[0], one_hop=transfer[1], two_hops=transfer[2],
                read_occupancy=self.ns(60), write_occupancy=self.ns(60),
            ),
            memory=load.machine("S-A").memory,
            interrupt=Interrupt(send=self.ns(300), deliver=self.ns(1000), entry=self.ns(1500)),
            tlb=Tlb(
                entries=number(64, "count"), full_flush=self.ns(200), single_page=self.ns(90),
                refill=self.ns(900),
            ),
        )

    def system(self) -> System:
        rng = self.rng
        ticks = rng.random() < 0.7
        scheduler = Scheduler(
            latency=number(rng.uniform(1, 60), "us"), min_granularity=number(rng.uniform(0.5, 10), "us"),
            wakeup_granularity=self.ns(10_000), tick_period=number(rng.uniform(1, 30) if ticks else 0, "us"),
            tick_cost=self.ns(600), context_switch=self.ns(1500), wakeup=self.ns(600),
            idle_wakeup=self.ns(1500), migration=self.ns(5000),
        )
        background = {
            f"daemon{i}": Background(
                per=rng.choice(["core", "instance"]), period=number(rng.uniform(2, 40), "us"),
                work=number(rng.uniform(1, 4000)),
            )
            for i in range(rng.choice([0, 0, 1, 2]))
        }
        costs = {
            name: self.ns(300) for name in (
                "syscall_enter", "syscall_exit", "fault_enter", "fault_exit", "counter_fold", "counter_local",
                "count_section", "reference_local", "rcu_read", "flush_hypercall", "monitor_call", "monitor_return",
                "message_send", "message_poll", "message_receive", "capability_check", *self.PATHS,
            )
        }
        return System(
            kernel=Kernel(
                kind="kernel", id="lot", title="a kernel", released=2026, source=SOURCE, scheduler=scheduler,
                path_variation=number(rng.choice([0, 0.1, 0.5]), "ratio"), costs=costs,
                structures=self.structures, background=background,
            ),
            partitioning=Partitioning(
                kind="partitioning", id="lot", title="a partitioning", source=SOURCE,
                kernels=rng.choice(["one", "each"]), partitioned=rng.random() < 0.5,
                memory=rng.choice(["any", "local"]),
                instance_name="instance", default_kernel="lot",
            ),
        )

    def structure(self, kind: str) -> Structure:
        rng = self.rng
        own_lock = kind in ("percpu_counter", "locked_count", "tlb")
        scopes = SCOPES[2:] if kind in ("percpu_counter", "tlb") else SCOPES
        slots = rng.choice([0, 1, 2, 8]) if kind == "tlb" else 0
        by_messages = kind == "tlb" and not slots and rng.random() < 0.5
        return Structure(
            kind=kind, scope=rng.choice(scopes), source=SOURCE,
            lock=rng.choice(["ticket", "queue"]) if own_lock and (kind != "tlb" or slots) else None,
            waiting=rng.choice(["sleep", "optimistic"]) if kind in ("mutex", "rwsem") else "sleep",
            interrupts_off=kind != "tlb" and rng.random() < 0.3,
            batch=str(rng.randint(1, 6)) if kind in ("percpu_counter", "sloppy_counter") else None,
            slots=slots, pages_per_flush=8 if kind == "tlb" else None,
            single_page_limit=rng.choice([0, 2]) if kind == "tlb" else 0,
            transport="messages" if by_messages else "interrupts",
            phases=rng.choice([1, 2]) if by_messages else 1,
        )

    def draw_structures(self) -> dict[str, Structure]:
        rng = self.rng
        return {
            **{f"lock{i}": self.structure(rng.choice(self.LOCKS)) for i in range(4)},
            **{f"rw{i}": self.structure(rng.choice(["rwsem", "rwsem", "absent"])) for i in range(2)},
            **{f"count{i}": self.structure(rng.choice(self.COUNTERS)) for i in range(2)},
            **{f"reference{i}": self.structure(rng.choice(self.REFERENCES)) for i in range(3)},
            **{f"data{i}": self.structure(rng.choice(self.DATA)) for i in range(3)},
            "tlb": self.structure("tlb"),
        }

    # --- what it does -------------------------------------------------------------------------------------

    def program(self, id: str) -> pg.Program:
        ops = [*self.block(3, Where()), pg.compute(self.time(5), name="think")]
        return pg.program(id, *ops, footprint=self.footprint(id))

    def footprint(self, id: str) -> Footprint | None:
        """What it asks of caches and memory: often nothing."""
        rng = self.rng
        if rng.random() < 0.6:
            return None
        return Footprint(
            id=id, cpi=number(rng.uniform(0.3, 2), "ratio"), mpki=number(rng.uniform(1, 40), "count"),
            cache=number(rng.uniform(1, 40), "MB"), exponent=number(rng.uniform(0, 1), "ratio"),
            working_set=number(rng.uniform(0.5, 200), "MB"), compulsory=number(rng.uniform(0, 1), "count"),
            overlap=number(rng.uniform(1, 8), "count"), write_back=number(rng.uniform(0, 1), "ratio"),
            sharing=rng.choice(["process", "thread"]),
        )

    def part_server(self) -> pg.Program:
        """Takes its process's part of each request of the clients; after the last it may go on."""
        then = self.block(1, Where()) if self.rng.random() < 0.5 else []
        return pg.program(
            "part_server", pg.receive_part("parts"), *self.block(2, Where()), pg.compute(self.time(5)),
            pg.gather("parts", *then), footprint=self.footprint("part_server"),
        )

    def scatterers(self) -> pg.Program:
        """Clients that send requests in parts, at random or at scheduled times."""
        rng = self.rng
        if rng.random() < 0.5:
            when = pg.sleep(self.time(200))
        else:
            count = rng.randint(1, 200)
            when = pg.arrive(Arrivals(f"schedule{count}", sorted(rng.choice([0.0, 0.01 * rng.random()])
                                                                 for _ in range(count))))
        return pg.program("scatterers", when, pg.scatter("parts", parts=rng.randint(1, 3)), pg.compute(self.time(1)))

    def block(self, depth: int, where: Where) -> list:
        return [op for _ in range(self.rng.randint(1, 4)) for op in self.ops(depth, where)]

    def ops(self, depth: int, where: Where) -> list:
        """One or several operations that belong together."""
        rng, spinning = self.rng, where.spinning
        draws = {"compute": 3, "path": 2, "count": 2, "reference": 2, "data": 3, "send": 0.5}
        if depth > 0:
            draws |= {"critical": 6, "crossed": 2, "syscall": 4, "loop": 2}
            draws["measure"] = 2 * (not where.measuring)
        if not spinning:
            draws |= {"sleep": 1, "receive": 0.3, "flush": 4 * where.kernel}
        match rng.choices(list(draws), list(draws.values()))[0]:
            case "compute":
                name = rng.choice([None, "work"])
                return [pg.compute(self.time(3), times=rng.choice([1, 1, 2]), name=name)]
            case "path":
                return [pg.compute(rng.choice(self.PATHS), times=rng.choice([1, 1, 3]))]
            case "count":
                return [pg.count(f"count{rng.randrange(2)}", rng.choice([-3, -1, 1, 3]))]
            case "reference":
                return [rng.choice([pg.get, pg.put])(f"reference{rng.randrange(3)}")]
            case "data":
                return [rng.choice([pg.read, pg.read, pg.touch])(f"data{rng.randrange(3)}")]
            case "critical":
                return self.critical(depth, where)
            case "crossed":
                return self.critical(depth, where, crossed=True)
            case "syscall":
                body = self.block(depth - 1, replace(where, kernel=True))
                return [rng.choice([pg.syscall("call", *body), pg.fault(*body)])]
            case "loop":
                body = self.block(depth - 1, where)
                return [rng.choice([pg.repeat, pg.every])(rng.randint(1, 4), *body)]
            case "measure":
                body = self.block(depth - 1, replace(where, measuring=True))
                return [pg.measure(f"series{rng.randrange(3)}", *body)]
            case "flush":
                return [pg.flush_tlb("tlb", rng.randint(1, 4))]
            case "sleep":
                return [pg.sleep(self.time(20))]
            case "send":
                return [pg.send(f"queue{rng.randrange(2)}")]
            case "receive":
                return [pg.receive(f"queue{rng.randrange(2)}")]

    def critical(self, depth: int, where: Where, crossed: bool = False) -> list:
        """A critical section; `crossed`: of two locks of which the first is released first."""
        first = self.take(where)
        if first is None:
            return [pg.compute(self.time(1))]
        acquire, name, inside = first
        body = self.block(depth - 1, inside)
        second = self.take(inside) if crossed else None
        if second is None:
            return [acquire, *body, pg.unlock(name)]
        acquire_2, name_2, both = second
        inner = self.block(depth - 1, both)
        spins_2 = self.structures[name_2].kind.endswith("_lock")
        rest = replace(where, held=(*where.held, name_2), spinning=where.spinning or spins_2)
        outer = self.block(depth - 1, rest)
        return [acquire, *body, acquire_2, *inner, pg.unlock(name), *outer, pg.unlock(name_2)]

    def take(self, where: Where):
        """A lock that may be taken here: the operation, its name, and where one is then; None without any."""
        choices = []
        names = [name for name in self.structures if name.startswith(("lock", "rw"))]
        for place, name in enumerate(names):
            s = self.structures[name]
            too_late = any(names.index(other) > place for other in where.held)
            if name in where.held or (self.orderly and too_late):
                continue
            sleeps = s.kind in ("mutex", "rwsem")
            if sleeps and (where.spinning or (s.waiting == "optimistic" and not where.kernel)):
                continue
            verbs = [pg.lock] if name.startswith("lock") else [pg.read_lock, pg.read_lock, pg.write_lock]
            spinning = where.spinning or s.kind.endswith("_lock")
            inside = replace(where, held=(*where.held, name), spinning=spinning)
            choices.append((self.rng.choice(verbs)(name), name, inside))
        return self.rng.choice(choices) if choices else None

    # --- who has which cores, and when that changes --------------------------------------------------------

    def shares(self, system: System, cores: int, partitions: int) -> tuple[int, ...]:
        """Cores of each partition: mostly even, else by lot, and nobody has all of them."""
        rng = self.rng
        if not system.partitioning.partitioned or rng.random() < 0.5:
            return ()
        owners = [rng.randint(0, partitions) for _ in range(cores)]
        owned = tuple(owners.count(p) for p in range(partitions))
        return owned if sum(owned) else ()

    def intervention(self, domains: int, cores: int) -> tuple[str, tuple[int, ...]]:
        """What a supervisor may try: the engine's method and its arguments."""
        rng = self.rng
        core, domain = rng.randrange(cores), rng.randrange(domains)
        return rng.choice([
            ("release", (core,)), ("release", (core,)), ("adopt", (core, domain)), ("adopt", (core, domain)),
            ("occupy", (core, rng.randrange(10**6))), ("start_threads", (domain,)), ("end_threads", (domain,)),
        ])

    # --- together -----------------------------------------------------------------------------------------

    def scenario(self) -> Scenario:
        rng = self.rng
        machine, system = self.machine(), self.system()
        cores = rng.randint(1, machine.topology.cores)
        partitions = rng.choice([n for n in range(1, cores + 1) if cores % n == 0])
        loads = [
            Load(
                program=self.program(f"program{i}"), processes=rng.randint(1, 2), threads=rng.randint(1, 4),
                pinned=rng.random() < 0.5,
            )
            for i in range(rng.randint(1, 3))
        ]
        if rng.random() < 0.5:
            source = pg.program("clients", pg.sleep(self.time(30)), pg.send(f"queue{rng.randrange(2)}"))
            loads.append(Load(program=source, place="outside", threads=rng.randint(1, 2)))
        if rng.random() < 0.3:
            loads.append(Load(program=self.scatterers(), place="outside", threads=rng.randint(1, 2)))
            loads.append(Load(program=self.part_server(), processes=rng.randint(1, 2), threads=rng.randint(1, 3)))
        return Scenario(
            machine=machine, system=system, loads=loads, cores=cores, partitions=partitions,
            shares=self.shares(system, cores, partitions),
            stagger=rng.choice(["0 ns", "1 us", "20 us"]),
        )
