"""The Mesa model: its invariants hold and are really checked, and it can be stepped, watched and extended."""

from __future__ import annotations

import gc
import inspect
import random
import subprocess
import sys
import weakref
from dataclasses import replace

import mesa
import numpy as np
import pytest

from rainforest_model import opcodes
from rainforest_model.agents import (
    CacheLine,
    Core,
    InvariantViolation,
    Lock,
    MachineModel,
    Mutex,
    QueueLock,
    RwSemaphore,
    State,
    Stopped,
    SubOS,
    Task,
)
from rainforest_model.agents.operations import Operations
from rainforest_model.descriptions import load
from rainforest_model.descriptions import program as pg
from rainforest_model.descriptions.scenario import Load, Scenario
from rainforest_model.engine.door import CompiledEngine
from rainforest_model.lowering import lower
from rainforest_model.outcome import StopReason
from rainforest_model.reference import closed_lock, open_queue
from rainforest_model.workloads import workload

BUSY = closed_lock(6, think_us=1.0, hold_us=0.5)  # there is always a queue
MICROSECOND = 100_000


def model_with(lock_class: type[Lock], scenario: Scenario = BUSY, **options) -> MachineModel:
    return MachineModel.from_scenario(scenario, lock_classes={"lock": lock_class}, **options)


def violated(model: MachineModel) -> str:
    """Name of the invariant that a run of 1 ms violates."""
    with pytest.raises(InvariantViolation) as caught:
        model.run(1000 * MICROSECOND)
    return caught.value.invariant


# --- properties: each is caught when a lock breaks it -----------------------------------------------------


class TestMutualExclusion:
    """Nobody enters a lock while another is inside, unless both are readers."""

    def test_a_lock_that_lets_everybody_in(self):
        class OpenDoor(QueueLock):
            def acquire(self, task):
                self.owner = task
                return self.fetch_line(task.core)

        assert violated(model_with(OpenDoor)) == "MutualExclusion"

    def test_a_lock_that_hands_over_while_it_is_held(self):
        class Impatient(QueueLock):
            def acquire(self, task):
                answer = super().acquire(task)
                if len(self.spinners) == 2:
                    self.hand_off(self.next_spinner(), task.core)
                return answer

        assert violated(model_with(Impatient)) == "MutualExclusion"

    def test_a_semaphore_that_lets_readers_join_a_writer(self):
        class Careless(RwSemaphore):
            def acquire_shared(self, task):
                self.readers.add(task)
                return self.fetch_line(task.core)

        hold = pg.compute(pg.exponential("1 us"))
        unlock = pg.unlock("lock")
        loop = pg.program("loop", pg.read_lock("lock"), hold, unlock, pg.write_lock("lock"), hold, unlock)
        scenario = closed_lock(4, kind="rwsem").model_copy(update={"loads": (Load(program=loop, threads=4),)})
        assert model_with(RwSemaphore, scenario).run(1000 * MICROSECOND) is StopReason.REACHED
        assert violated(model_with(Careless, scenario)) == "MutualExclusion"


class TestFifoOrder:
    """A lock that says it is first come, first served, is."""

    def test_a_lock_that_serves_the_last(self):
        class LastFirst(QueueLock):
            def next_spinner(self):
                return self.spinners.pop()

        assert violated(model_with(LastFirst)) == "FifoOrder"

    def test_a_lock_that_says_that_it_is_unfair(self):
        class LastFirst(QueueLock):
            fifo = False

            def next_spinner(self):
                return self.spinners.pop()

        assert model_with(LastFirst).run(1000 * MICROSECOND) is StopReason.REACHED


class TestNoLostWakeup:
    """A free lock has nobody waiting, unless one of them is on the way to it."""

    def test_a_lock_that_forgets_its_spinners(self):
        class Forgetful(QueueLock):
            def release(self, task):
                self.owner = None
                return self.store(task.core)

        assert violated(model_with(Forgetful)) == "NoLostWakeup"

    @pytest.mark.parametrize("base", [Mutex, RwSemaphore])
    def test_a_lock_that_forgets_its_sleepers(self, base):
        class Forgetful(base):
            def release(self, task):
                self.owner = None
                return self.store(task.core)

        kind = {Mutex: "mutex", RwSemaphore: "rwsem"}[base]
        scenario = closed_lock(6, think_us=1.0, hold_us=0.5, kind=kind)
        assert model_with(base, scenario).run(1000 * MICROSECOND) is StopReason.REACHED
        assert violated(model_with(Forgetful, scenario)) == "NoLostWakeup"


class TestConservation:
    """Every task is in the places of its state and in no other."""

    def test_a_lock_that_keeps_who_has_got_it_among_the_spinners(self):
        class Clinging(QueueLock):
            def next_spinner(self):
                return self.spinners[0]

        assert violated(model_with(Clinging)) == "Conservation"

    def test_a_lock_that_queues_a_task_twice(self):
        class Doubling(QueueLock):
            def spin(self, task):
                self.spinners.append(task)
                return super().spin(task)

        assert violated(model_with(Doubling)) == "Conservation"

    def test_a_lock_that_loses_a_spinner(self):
        class Losing(QueueLock):
            def release(self, task):
                answer = super().release(task)
                if self.spinners:
                    self.spinners.pop()
                return answer

        assert violated(model_with(Losing)) == "Conservation"

    def test_a_task_on_two_cores(self):
        model = MachineModel.from_scenario(BUSY)
        model.run(20 * MICROSECOND)
        model.cores[0].current = model.cores[1].current
        with pytest.raises(InvariantViolation, match="Conservation"):
            model.check()

    def test_an_event_that_nobody_waits_for(self):
        model = MachineModel.from_scenario(BUSY)
        model.run(20 * MICROSECOND)
        spinner = next(task for task in model.tasks if task.state is State.SPINNING)
        model.plan(spinner, model.now + 1)
        with pytest.raises(InvariantViolation, match="Conservation"):
            model.check()


class TestClockMonotone:
    """Nothing happens in the past."""

    def test_a_lock_that_works_backwards(self):
        class Prophetic(QueueLock):
            def hand_off_delay(self, spinning):
                return -50 * MICROSECOND

        assert violated(model_with(Prophetic)) == "ClockMonotone"


class TestOneOwner:
    """The owner of a line has a copy of it."""

    def test_an_owner_without_a_copy(self):
        model = MachineModel.from_scenario(BUSY)
        line = CacheLine(model, "line")
        line.check()
        line.write(model.cores[0])
        line.check()
        line.owner = model.cores[1]
        with pytest.raises(InvariantViolation, match="OneOwner"):
            line.check()


def test_an_unchecked_model_believes_its_locks():
    class LastFirst(QueueLock):
        def next_spinner(self):
            return self.spinners.pop()

    assert model_with(LastFirst, checked=False).run(1000 * MICROSECOND) is StopReason.REACHED


# --- a lock of one's own ----------------------------------------------------------------------------------


class LifoLock(QueueLock):
    """The last to come is the first served."""

    fifo = False

    def next_spinner(self):
        return self.spinners.pop()


class RandomLock(QueueLock):
    """Any of the spinners, by the lock's own keyed numbers."""

    fifo = False

    def next_spinner(self):
        chosen = self.spinners[self.stream.below(len(self.spinners))]
        self.spinners.remove(chosen)
        return chosen


class GrabLock(Lock):
    """From the base class: released, it is given to any spinner, after all have read the line."""

    def acquire(self, task):
        if self.owner is not None:
            return self.spin(task)
        self.owner = task
        return self.fetch_line(task.core)

    def release(self, task):
        self.owner = None
        if self.spinners:
            winner = self.random.choice(self.spinners)
            self.spinners.remove(winner)
            self.hand_off(winner, task.core, delay=len(self.spinners) * 1000)
        return self.store(task.core)


def responses(lock_class: type[Lock]) -> np.ndarray:
    """Count, sum, sum of squares, maximum of the response in 5 ms."""
    model = model_with(lock_class)
    assert model.run(5000 * MICROSECOND) is StopReason.REACHED
    return model.outcome().moments[0]


def test_who_is_next_changes_the_spread_but_not_the_throughput():
    fair, lifo, lot = responses(QueueLock), responses(LifoLock), responses(RandomLock)
    for unfair in (lifo, lot):
        assert unfair[0] == pytest.approx(fair[0], rel=0.03)
        assert unfair[2] / unfair[0] > 1.2 * fair[2] / fair[0]
        assert unfair[3] > fair[3]


def test_a_lock_from_the_base_class():
    grab = responses(GrabLock)
    assert grab[0] > 1000
    np.testing.assert_array_equal(grab, responses(GrabLock))  # Mesa's numbers are seeded too


def test_the_class_is_chosen_by_the_name_of_the_structure():
    model = model_with(LifoLock)
    assert [type(lock) for lock in model.locks] == [LifoLock]
    with pytest.raises(ValueError, match="no structure loc; there are: lock"):
        MachineModel.from_scenario(BUSY, lock_classes={"loc": LifoLock})


def test_one_structure_of_a_shipped_system_can_be_replaced():
    scenario = Scenario(
        machine=load.machine("S-A"), system=load.system("linux-2.6.32"), cores=12, partitions=6,
        loads=(Load(program=workload("mmap"), threads=2, pinned=True),), duration="300 us", warmup="0 ns",
    )
    model = MachineModel.from_scenario(scenario, lock_classes={"vm_committed_as.lock": LifoLock})
    assert model.run() is StopReason.REACHED
    assert {type(lock) for lock in model.locks if lock.name.startswith("vm_committed_as.lock.")} == {LifoLock}


# --- stepping and watching --------------------------------------------------------------------------------


def test_steps_of_any_length_come_to_the_same():
    whole = MachineModel.from_scenario(BUSY, trace=True)
    whole.run(100 * MICROSECOND)
    steps = MachineModel.from_scenario(BUSY, trace=True, interval=3 * MICROSECOND)
    for _ in range(20):
        steps.step()
    steps.interval = 4 * MICROSECOND
    for _ in range(10):
        steps.step()
    assert steps.now == whole.now == 100 * MICROSECOND
    assert steps.steps == 30
    np.testing.assert_array_equal(steps.trace(), whole.trace())


def test_event_by_event_comes_to_the_same():
    whole = MachineModel.from_scenario(BUSY, trace=True)
    whole.run(100 * MICROSECOND)
    single = MachineModel.from_scenario(BUSY)
    events = [single.next_event() for _ in range(whole.events_processed)]
    assert [event.time for event in events] == whole.trace()[:, 0].tolist()
    assert [event.agent.slot for event in events] == whole.trace()[:, 1].tolist()
    assert str(events[0]).endswith(" 687.4 ns  closed_lock.0/0.0.1: think")


def test_data_collector():
    model = MachineModel.from_scenario(BUSY)
    model.datacollector = mesa.DataCollector(
        model_reporters={
            "spinning": lambda model: sum(task.state is State.SPINNING for task in model.tasks),
            "mean": lambda model: model.latencies.mean("response"),
            "now": "now",
        },
        agent_reporters={"name": lambda agent: getattr(agent, "name", None)},
        agenttype_reporters={Core: {"activity": "activity"}, Lock: {"queue": "queue_length"}},
    )
    for _ in range(50):
        model.step()
    of_model = model.datacollector.get_model_vars_dataframe()
    assert of_model["now"].tolist() == [MICROSECOND * k for k in range(1, 51)]
    assert of_model["spinning"].between(0, 5).all()
    assert of_model["spinning"].max() > 1
    of_cores = model.datacollector.get_agenttype_vars_dataframe(Core)
    assert len(of_cores) == 50 * 6
    assert set(of_cores["activity"]) <= {"idle", "running", "spinning"}
    of_lock = model.datacollector.get_agenttype_vars_dataframe(Lock)
    assert of_lock["queue"].tolist() == of_model["spinning"].tolist()
    assert len(model.datacollector.get_agent_vars_dataframe()) == 50 * len(model.agents)


def test_agents_are_mesa_agents():
    model = MachineModel.from_scenario(BUSY)
    kinds = {kind.__name__: len(agents) for kind, agents in model.agents_by_type.items()}
    assert kinds == {"SubOS": 1, "FreePool": 1, "Core": 6, "Task": 6, "QueueLock": 1, "MemorySystem": 1}
    assert model.agents.select(agent_type=Core).agg("busy_ticks", sum) == 0
    assert len({agent.unique_id for agent in model.agents}) == 16


def test_subsystems_divide_the_cores_among_themselves():
    scenario = Scenario(
        machine=load.machine("S-A"), system=load.system("rainforest"), cores=12, partitions=6,
        loads=(Load(program=workload("mmap"), threads=3),), duration="1 ms", warmup="0 ns",
    )
    model = MachineModel.from_scenario(scenario)
    assert model.run() is StopReason.REACHED
    assert [len(subos.cores) for subos in model.subsystems] == [2] * 6
    assert {core: core.subos for subos in model.subsystems for core in subos.cores} == {
        core: core.subos for core in model.cores
    }
    assert all(task.last_core in task.subos.cores for task in model.tasks)
    for subos in model.subsystems:
        assert subos.busy_ticks == sum(core.busy_ticks for core in subos.cores)
        assert 0.4 < subos.utilisation <= 1


def test_clients_have_computers_of_their_own():
    model = MachineModel.from_scenario(open_queue(2, "10 us", duration="501 ms", constant="15 us"))
    assert len(model.machine_cores) == 2
    assert [core.number for core in model.cores] == [0, 1, 2]
    assert [subos.name for subos in model.subsystems] == ["subOS 0", "outside"]
    assert isinstance(model.subsystems[1], SubOS)
    assert len(model.outcome().busy) == 2


def test_it_stops_for_good():
    model = MachineModel.from_scenario(open_queue(1, "1 us", constant="1 s"))
    assert model.run(10**10) is StopReason.QUEUE_FULL
    assert model.run(10**10) is StopReason.QUEUE_FULL
    assert not model.running
    assert model.culprit().startswith("source")
    again = MachineModel.from_scenario(open_queue(1, "1 us", constant="1 s"))
    with pytest.raises(Stopped, match="found its queue full"):
        list(iter(again.next_event, None))


def test_it_knows_its_end_only_from_a_scenario():
    scenario = closed_lock(2, duration="2 ms")
    model = MachineModel.from_scenario(scenario)
    assert model.run() is StopReason.REACHED
    assert model.now == 2000 * MICROSECOND
    with pytest.raises(ValueError, match="until which tick"):
        MachineModel(lower(scenario)).run()
    with pytest.raises(ValueError, match="trace=True"):
        model.trace()


# --- by hand ----------------------------------------------------------------------------------------------


def test_two_cores_and_a_lock_by_hand():
    """Think 2 us, hold 3 us, 100 ns to move a line; thread 0 begins at 0 and thread 1 at 0.5 us."""
    think, hold = pg.compute(pg.constant("2 us")), pg.compute(pg.constant("3 us"))
    loop = pg.program("loop", think, pg.measure("response", pg.lock("lock"), hold, pg.unlock("lock")))
    loads = (Load(program=loop, threads=2, pinned=True),)
    tables = lower(closed_lock(2, transfer_ns=100).model_copy(update={"loads": loads}))
    later = replace(tables.tasks[1], begins=50_000)
    tables = replace(tables, tasks=[replace(tables.tasks[0], begins=0), later])
    model = MachineModel(tables, trace=True)
    model.run(1_200_000)
    times = {slot: [row[0] for row in model.trace().tolist() if row[1] == slot] for slot in (0, 1)}
    # Thread 0 thinks until 2 us, finds the lock free and its line nowhere, holds it until 5 us, thinks until
    # 7 us.  Thread 1 has asked at 2.5 us, sees the lock at 5.1 us and holds it until 8.1 us; thread 0 sees it
    # at 8.2 us; and so on.
    assert times[0] == [0, 200_000, 500_000, 700_000, 820_000, 1_120_000]
    assert times[1] == [50_000, 250_000, 510_000, 810_000, 1_010_000, 1_130_000]
    counts, total = model.outcome().moments[0, :2]
    assert (counts, total) == (3, 300_000 + 560_000 + 420_000)


# --- symmetry ---------------------------------------------------------------------------------------------


def both_counts(tables, until: int = 2000 * MICROSECOND) -> np.ndarray:
    """Latency histograms of both engines, which are the same."""
    model, engine = MachineModel(tables), CompiledEngine(tables)
    model.run(until)
    engine.run(until)
    np.testing.assert_array_equal(model.outcome().counts, engine.outcome().counts)
    return model.outcome().counts


def relabelled(tables, order: list[int]):
    """The same threads, numbered in another order."""
    return replace(
        tables, tasks=[tables.tasks[i] for i in order], bind=tables.bind[order], streams=tables.streams[order]
    )


def moved(tables, core_of: dict[int, int]):
    """The same threads, each on another core."""
    return replace(tables, tasks=[replace(task, home=core_of[task.home]) for task in tables.tasks])


@pytest.mark.parametrize("kind", ["queue_lock", "ticket_lock", "mutex"])
def test_threads_may_be_numbered_in_any_order(kind):
    """Threads draw by their names, so only ties between simultaneous events could tell."""
    tables = lower(closed_lock(6, think_us=1.0, kind=kind, occupancy_ns=20))
    order = list(range(6))
    random.Random(5).shuffle(order)
    np.testing.assert_array_equal(both_counts(relabelled(tables, order)), both_counts(tables))


def test_cores_of_a_socket_may_change_places_and_so_may_sockets():
    scenario = closed_lock(12, think_us=1.0).model_copy(
        update={"machine": load.machine("S-A"), "loads": closed_lock(5, think_us=1.0).loads}
    )
    tables = lower(scenario)  # five threads, all on socket 0
    within = moved(tables, {0: 3, 1: 5, 2: 2, 3: 0, 4: 4, 5: 1})
    other_socket = moved(tables, {core: (core + 6) % 12 for core in range(12)})
    apart = moved(tables, {0: 0, 1: 6, 2: 1, 3: 7, 4: 2})
    expected = both_counts(tables)
    np.testing.assert_array_equal(both_counts(within), expected)
    np.testing.assert_array_equal(both_counts(other_socket), expected)
    assert (both_counts(apart) != expected).any()  # lines move between sockets now


def test_one_seed_one_run():
    assert (both_counts(lower(BUSY, 1)) == both_counts(lower(BUSY, 1))).all()
    assert (both_counts(lower(BUSY, 1)) != both_counts(lower(BUSY, 2))).any()


# --- manners ----------------------------------------------------------------------------------------------


def test_every_operation_has_its_method():
    for name in opcodes.NAMES:
        method = getattr(Operations, name.lower())
        assert inspect.getdoc(method), name
        assert len(inspect.signature(method).parameters) - 1 <= opcodes.OPERANDS


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import rainforest_model; print('mesa' in sys.modules)", "False"),
        ("import rainforest_model.engine.door; print('mesa' in sys.modules)", "False"),
        (
            "import multiprocessing as m; m.set_start_method('fork'); import rainforest_model.agents; "
            "print(m.get_start_method())", "fork",
        ),
        (
            "import multiprocessing as m; import rainforest_model.agents; "
            "print(m.get_start_method(allow_none=True))", "None",
        ),
    ],
)
def test_import_has_no_side_effects(program, expected):
    """Mesa takes seconds to import, and 3.3 changes how all processes start."""
    command = [sys.executable, "-c", f"import sys; {program}"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == expected


@pytest.mark.parametrize("kind", [MachineModel, Core, Task, Lock, SubOS, CacheLine])
def test_names_that_later_versions_of_mesa_take(kind):
    model = MachineModel.from_scenario(BUSY)
    agent = model if kind is MachineModel else next(iter(model.agents))
    taken = {"time", "scenario", "schedule_event", "run_for", "run_until", "data_registry"}
    base = mesa.Model if kind is MachineModel else mesa.Agent
    assert not taken & ((set(dir(kind)) | set(vars(agent))) - set(dir(base)))


def test_a_model_can_be_forgotten():
    model = MachineModel.from_scenario(closed_lock(2))
    model.step()
    memory = weakref.ref(model)
    del model
    gc.collect()
    assert memory() is None


def test_agents_have_readable_names():
    model = MachineModel(lower(closed_lock(2, think_us=1, hold_us=1)))
    model.run(10 * MICROSECOND)
    assert repr(model.locks) == "[<QueueLock lock.machine.0: held by closed_lock.0/0.0.1, 1 waiting>]"
    assert repr(model.cores[0]) == "<Core 0: spinning>"
    assert repr(model.subsystems[0]) == "<subOS 0: 2 cores, 2 tasks>"
