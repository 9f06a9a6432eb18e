"""Exercises of `03_cache_lines_travel`."""

from __future__ import annotations

from ... import theory
from ...agents import MachineModel, QueueLock
from ...descriptions.load import machine
from ...descriptions.program import compute, exponential, lock, measure, program, unlock
from ...descriptions.structure import Structure
from ...reference import bare_system
from ...simulation import scenario
from ...units import ticks
from ..checks import Number, Trial, Wrong

THINK_US, SECTION_US, TRANSFER_US = 20.0, 1.0, 0.1
"""Of the ticket lock whose throughput has a peak."""
CORES = 12
MOST_WRONG = 1000
"""Pages by which a count that is read without its parts may be wrong."""
STAYS = 0.9
"""Share of the hand-offs that could stay in their socket and must."""


def _peak() -> int:
    """Cores with which the ticket lock is passed on most often."""
    throughput = {
        n: theory.ticket_lock_embedded(n, THINK_US, SECTION_US, TRANSFER_US).throughput for n in range(1, 65)
    }
    return max(throughput, key=throughput.get)


def _saturation() -> float:
    """Cores that would keep a lock with free hand-offs busy, if they came one after the other."""
    return (THINK_US + SECTION_US) / SECTION_US


def _batch() -> int:
    """The largest whose CPUs, each with one less than the batch, are not wrong by more."""
    return MOST_WRONG // CORES + 1


def _two_sockets(lock_class: type[QueueLock]) -> MachineModel:
    """Twelve cores of S-A at one lock for 2 ms."""
    loop = program(
        "crowd", compute(exponential("2 us"), name="think"),
        measure("response", lock("lock"), compute(exponential("100 ns"), name="hold"), unlock("lock")),
    )
    shared = Structure(kind="queue_lock", scope="machine", source="an exercise")
    crowd = scenario(
        machine("S-A"), bare_system(), loop, threads=CORES, pinned=True, structures={"lock": shared}, duration="2 ms",
        warmup="100 us",
    )
    model = MachineModel.from_scenario(crowd, seed=1, lock_classes={"lock": lock_class})
    model.run(ticks(2000, "us"))
    return model


def _stays_near(answer) -> str:
    """Whether a lock goes to a spinner of the same socket where there is one, and serves more for it."""
    if not (isinstance(answer, type) and issubclass(answer, QueueLock)):
        raise Wrong("Answer with the class itself, derived from `QueueLock`.")
    if answer.fifo:
        raise Wrong("Say `fifo = False`: it does not serve first come, first served.")
    could, stayed = [], []

    class Watched(answer):
        def next_spinner(self):
            waiting, socket = list(self.spinners), self.owner.core.socket
            winner = super().next_spinner()
            if winner in self.spinners or winner not in waiting:
                raise Wrong("`next_spinner` must take a spinner out of `self.spinners`, and return it.")
            if any(spinner.core.socket == socket for spinner in waiting):
                could.append(winner)
                stayed.extend([winner] * (winner.core.socket == socket))
            return winner

    near, fair = (_two_sockets(each).outcome().moments[0] for each in (Watched, QueueLock))
    share = len(stayed) / max(1, len(could))
    if share < STAYS:
        raise Wrong(f"Where a spinner of the same socket waits, the lock goes to one in {share:.0%} of the cases.")
    if near[0] <= fair[0]:
        raise Wrong("It serves no more threads than the fair lock does.")
    return f"It is passed on {near[0] / fair[0] - 1:.0%} more often than the fair lock. What does its tail do?"


EXERCISES = {
    "peak": Number(
        _peak, "cores", tolerance=0.01,
        slips={"That is where a lock with free hand-offs would be busy all the time.": _saturation},
        why="With more of them, each hand-off waits for more who read the line, and less is done by more cores.",
    ),
    "batch": Number(
        _batch, "pages", tolerance=0.005,
        slips={
            "Nearly. How much has a CPU counted at most, if it folds as soon as it *reaches* the batch?":
                lambda: MOST_WRONG // CORES,
            "That is with one CPU: each of them keeps a part for itself.": lambda: MOST_WRONG,
        },
        why="A large batch makes a count cheap, and vague: Linux can afford that where it only compares with a limit.",
    ),
    "near_lock": Trial(_stays_near),
}
