"""A machine that is simulated by nobody: states and latencies follow from the time by arithmetic.

It has what a live session has (layout, frame, advance, move), so views can be tested against known numbers.
"""

from __future__ import annotations

from rainforest_model.errors import InputError

STATES = ["computing", "in a lock", "spinning", "waiting for a shootdown", "idle", "off"]
WINDOW_US = 100.0
PAPER = [{"claim": "X1", "label": "paper: 99th percentile", "value": 40.0},
         {"claim": "X2", "label": "paper: median", "value": 38.0}]


class CannedMachine:
    """So many sockets with so many cores, shared out evenly among instances; Linux where there is but one."""

    def __init__(self, sockets=2, cores=6, instances=3, title=None, workload="mmap", slower=1.0, paper=PAPER):
        count = sockets * cores
        self.sockets = [list(range(first, first + cores)) for first in range(0, count, cores)]
        self.owner = [core * instances // count for core in range(count)]
        self.instances, self.workload, self.slower, self.paper = instances, workload, slower, paper
        self.title = title or ("RainForest (Linux 2.6.32)" if instances > 1 else "Linux 4.9.40")
        self.time = self.before = 0.0
        self.serial = 0
        self.history: list[dict] = []

    def layout(self) -> dict:
        alone = self.instances == 1
        names = ["Linux"] if alone else [f"subOS {number}" for number in range(self.instances)]
        return {
            "version": 1, "machine": "S-A", "system": "linux-4.9.40" if alone else "rainforest", "title": self.title,
            "workload": self.workload, "unit": "us", "sockets": self.sockets,
            "instances": [{"number": number, "name": name} for number, name in enumerate(names)],
            "can_move": not alone, "states": STATES, "paper": self.paper,
        }

    def state(self) -> list[int]:
        """Each core goes on by one state in a frame; a core of the pool is off."""
        return [(core * core + self.serial) % 5 if owner >= 0 else 5 for core, owner in enumerate(self.owner)]

    def tail(self, number: int) -> dict:
        """Of the window of this number."""
        p99 = self.slower * (12.0 + number % 7 + 30.0 * (number % 11 == 5))
        return {"time": WINDOW_US * number, "p50": self.slower * (4.0 + number % 3 / 4), "p99": p99, "n": 100 + number}

    def frame(self) -> dict:
        state = self.state()
        share = [state.count(index) / len(state) for index in range(len(STATES))]
        first, last = int(self.before // WINDOW_US), int(self.time // WINDOW_US)
        window = self.tail(last) if last > first else None
        if window:
            self.history.append(window)
        self.before = self.time
        total = {"p50": None, "p99": None, "n": 0}
        if last:
            total = {"p50": self.slower * 4.125, "p99": self.slower * (17.0 + 0.3 * last), "n": 100 * last}
        return {"serial": self.serial, "time": self.time, "state": state, "owner": list(self.owner), "share": share,
                "window": window, "total": total, "running": False}

    def advance(self, us: float) -> None:
        self.time += us
        self.serial += 1

    def move(self, core: int, to: int) -> None:
        if core not in range(len(self.owner)) or to not in range(-1, self.instances):
            raise InputError("there is no such core or instance", key="move", value=(core, to))
        if to == -1 and self.owner.count(self.owner[core]) == 1:
            raise InputError("an instance keeps its last core", key="core", value=core)
        self.owner[core] = to
        self.serial += 1


def run(machine: CannedMachine, frames: int, us: float = WINDOW_US) -> list[dict]:
    """Frames of a run."""
    found = []
    for _ in range(frames):
        machine.advance(us)
        found.append(machine.frame())
    return found
