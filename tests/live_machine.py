"""A small live machine for the tests: three partitions, a fast life cycle, and engines to choose from."""

from __future__ import annotations

from fake_engine import FakeEngine

from rainforest_model.agents import MachineModel
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.lifecycle import TimedStep
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.supervision import ElasticMachine, Policy

MS = 1e-3
NAMES = ("search", "batch", "web")
SERVE = pg.program("serve", pg.receive_part("requests"), pg.compute(pg.exponential("100 us")), pg.gather("answer"))
WORK = pg.program("work", pg.measure("round", pg.compute(pg.exponential("300 us"))))
ASK = pg.program("ask", pg.sleep(pg.exponential("60 us")), pg.scatter("requests"))


class FastLifecycle:
    """A life cycle a thousandth as long, of one step for each actor, so that runs of milliseconds hold many."""

    TIMES_US = {
        "create": 600, "destroy": 50, "cpu_online": 66, "cpu_offline": 54, "memory_online": 20, "memory_offline": 60,
    }

    def __init__(self, cv: float = 0.1):
        self.cv = cv

    def steps(self, operation, cores=0, pages=0):
        actors = ("supervisor", "instance", "core", "nobody")
        each = 1000 * self.TIMES_US[operation] / len(actors)
        return tuple(
            TimedStep(actor, actor, each, self.cv)
            for actor in actors if not (actor == "core" and "memory" in operation)
        )


def service(shares=(6, 4, 0), system: str = "rainforest") -> Scenario:
    """Search with its clients, a batch job, and a partition that sleeps; what `shares` leave is free."""
    return load.validated(Scenario, {
        "machine": load.machine("S-A"), "system": load.system(system), "cores": 12, "partitions": len(shares),
        "shares": shares, "duration": "1 s", "warmup": "100 us", "stagger": "20 us",
        "loads": [
            Load(program=ASK, place="outside"), Load(program=SERVE, threads=4, partition=0),
            *(Load(program=WORK, threads=3, partition=p) for p in range(1, len(shares))),
        ],
    })


def fake(**options) -> ElasticMachine:
    return ElasticMachine(service(), NAMES, engine=FakeEngine, **{"lifecycle": FastLifecycle(), **options})


ENGINES = {"fake": FakeEngine, "compiled": CompiledEngine, "agents": MachineModel}


def after(machine: ElasticMachine, operation, limit_ms: float = 50):
    """Run until the operation has ended, and check the machine."""
    until = machine.seconds_passed + limit_ms * MS
    while operation.pending:
        assert machine.seconds_passed < until, f"{operation} does not end"
        machine.run(machine.seconds_passed + 0.1 * MS)
        machine.check()
    return operation


def held(machine: ElasticMachine) -> dict[str, int]:
    return {name: len(instance.cores) for name, instance in machine.instances.items()}


class Scripted(Policy):
    """Decides what it was told, and keeps what it saw."""

    def __init__(self, *decisions, interval_s=2 * MS):
        self.decisions, self.interval_s, self.seen = list(decisions), interval_s, []

    def decide(self, seen):
        self.seen.append(seen)
        decision = self.decisions.pop(0) if self.decisions else 0
        if isinstance(decision, Exception):
            raise decision
        return decision
