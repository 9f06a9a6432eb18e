"""Replays that a user asks for: systems of a choice, a trace and a policy of one's own.

The replays of the paper's figures are `rainforest_model.experiments.replaying`, of which these take the scenario.  Each
finished one is kept (`rainforest_model.run_store`), so that a command that was interrupted goes on where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import pandas as pd

from .descriptions.arrivals import Arrivals
from .descriptions.scenario import Scenario
from .errors import InputError
from .experiments.replaying import fingerprint, live, replay_on, seconds, shipped_batch, summary
from .run_store import RunStore
from .supervision import Policy, PolicyError, ThresholdPolicy
from .workloads.traffic import search_trace

STEP_S = 10.0
"""Simulated time between two looks at whether to go on; the result does not depend on it."""
COLUMNS = {
    "system": "system", "p99_ms": "p99 (ms)", "throughput": "answers/s", "progress": "batches",
    "batch_s": "a batch (s)", "finished": "programs", "cores": "cores",
}
"""Columns of `table`, and how they are headed."""
WIDTHS = {"system": 22, "p99_ms": 11, "throughput": 11, "progress": 9, "batch_s": 12, "finished": 10, "cores": 9}


@dataclass(frozen=True)
class Asked:
    """What shall be replayed on each system.

    Attributes
    ----------
    arrivals : Arrivals
        By default the shipped trace.
    policy : callable
        Makes a fresh policy for each run; by default the paper's.
    policy_text : str
        What decides how it decides, such as the text of its file; a run is kept under it.
    until_s : float, optional
        Simulated time; by default all of the trace.
    seed : int
    engine : {"compiled", "agents"}
    """

    arrivals: Arrivals = field(default_factory=search_trace)
    policy: Callable[[], Policy] = ThresholdPolicy
    policy_text: str = ""
    until_s: float | None = None
    seed: int = 1
    engine: str = "compiled"

    def scenario(self, system: str) -> Scenario:
        """The scenario on a system.

        Raises
        ------
        InputError
            If there is no such system, or the trace is shorter than `until_s`.
        """
        scenario = replay_on(system, self.arrivals)
        if self.until_s is not None and not 0 < self.until_s <= seconds(scenario):
            reason = f"must lie above 0 and up to {seconds(scenario):g}, the length of trace {self.arrivals.id}"
            raise InputError(reason, key="until_s", value=self.until_s)
        return scenario

    def key(self, scenario: Scenario) -> dict:
        """What a run comes from, besides the package's sources and data."""
        return {
            "scenario": fingerprint(scenario), "policy": repr(self.policy()), "text": self.policy_text,
            "until_s": self.end_s(scenario), "seed": self.seed, "engine": self.engine,
        }

    def end_s(self, scenario: Scenario) -> float:
        """Simulated time in s."""
        return seconds(scenario) if self.until_s is None else float(self.until_s)


@dataclass(frozen=True)
class Replayed:
    """What came of one replay.

    Attributes
    ----------
    system : str
    timeline : DataFrame
        As `rainforest_model.supervision.ElasticMachine.timeline`, up to where the run came.
    summary : dict of str to float
        As `rainforest_model.experiments.replaying.Replay.summary`, of the same time.
    reached_s : float
        Simulated time that was reached.
    failure, traceback : str
        What stopped its policy; empty where it decided to the end.
    """

    system: str
    timeline: pd.DataFrame
    summary: dict[str, float]
    reached_s: float
    failure: str = ""
    traceback: str = ""

    @property
    def cores(self) -> tuple[int, int]:
        """Least and most cores that the instance of Search had at the end of an interval."""
        own = self.timeline[self.timeline.instance == self.timeline.instance.iloc[0]].cores
        return int(own.min()), int(own.max())


def replay(
    system: str, asked: Asked, tell: Callable[[float], None] = lambda time_s: None,
    going_on: Callable[[], bool] = lambda: True,
) -> Replayed | None:
    """Replay once.

    Parameters
    ----------
    system : str
    asked : Asked
    tell : callable
        Given the simulated seconds so far, now and then.
    going_on : callable
        Asked now and then; when it says no, the run ends without a result.

    Returns
    -------
    Replayed or None
        With a `failure`, and what was seen before it, if the policy raised or decided what is no decision.
    """
    scenario = asked.scenario(system)
    machine = live(scenario, asked.policy(), asked.seed, engine=asked.engine)
    end, failure, trace = asked.end_s(scenario), "", ""
    while machine.seconds_passed < end:
        try:
            machine.run(min(end, machine.seconds_passed + STEP_S))
        except PolicyError as error:
            failure, trace = str(error), error.traceback
            break
        tell(machine.seconds_passed)
        if not going_on():
            return None
    told = summary(machine, shipped_batch())
    return Replayed(system, machine.timeline, told, machine.seconds_passed, failure, trace)


def replays(
    systems: Iterable[str], asked: Asked, jobs: int = 1, progress: Callable[[int, int], None] | None = None,
    store: RunStore | None = None,
) -> Iterator[Replayed]:
    """Replay on several systems, which all meet the same requests; yields each as it is done.

    Parameters
    ----------
    systems : iterable of str
    asked : Asked
    jobs : int
        Replays at the same time.
    progress : callable, optional
        Called with (done, expected) simulated seconds.
    store : RunStore, optional
        Where finished replays are kept and looked up; runs whose policy failed are not kept.

    Raises
    ------
    InputError
        Before anything runs, if a system or the time does not fit.
    """
    scenarios = {system: asked.scenario(system) for system in systems}
    expected = sum(asked.end_s(scenario) for scenario in scenarios.values())
    passed: dict[str, float] = dict.fromkeys(scenarios, 0.0)
    stopped = threading.Event()

    def one(system: str) -> Replayed | None:
        key = asked.key(scenarios[system])
        kept = store.get(key) if store is not None else None
        if kept is not None:
            tell(system, kept["reached_s"])
            return Replayed(system, pd.DataFrame(kept["timeline"]), kept["summary"], kept["reached_s"])
        done = replay(system, asked, lambda time_s: tell(system, time_s), lambda: not stopped.is_set())
        if store is not None and done is not None and not done.failure:
            timeline = done.timeline.to_dict("list")
            store.put(key, {"timeline": timeline, "summary": done.summary, "reached_s": done.reached_s})
        return done

    def tell(system: str, time_s: float) -> None:
        passed[system] = time_s
        if progress is not None:
            progress(round(sum(passed.values())), round(expected))

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in as_completed([pool.submit(one, system) for system in scenarios]):
                if (done := future.result()) is not None:
                    yield done
        finally:
            # Whoever breaks off, with Ctrl-C or by leaving the loop, does not wait for whole replays.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def table(found: Mapping[str, Replayed]) -> str:
    """Replays as a plain table, a line for each system."""
    lines = ["".join(_cell(key, head) for key, head in COLUMNS.items())]
    for system, done in found.items():
        s = done.summary
        cells = {
            "system": system, "p99_ms": f"{s['p99_ms']:.1f}", "throughput": f"{s['throughput']:.1f}",
            "progress": f"{s['progress']:.3f}", "batch_s": f"{s['batch_s']:.1f}", "finished": f"{s['finished']:.0f}",
            "cores": "{} .. {}".format(*done.cores) if len(done.timeline) else "-",
        }
        stopped = f"   stopped at {done.reached_s:g} s" if done.failure else ""
        lines.append("".join(_cell(key, text) for key, text in cells.items()) + stopped)
    return "\n".join(lines)


def _cell(key: str, text: str) -> str:
    return text.ljust(WIDTHS[key]) if key == "system" else text.rjust(WIDTHS[key])


def timelines(found: Mapping[str, Replayed]) -> pd.DataFrame:
    """The timelines one below the other, with a first column ``system``."""
    frames = [done.timeline.assign(system=system) for system, done in found.items()]
    together = pd.concat(frames, ignore_index=True)
    return together[["system", *(column for column in together if column != "system")]]
