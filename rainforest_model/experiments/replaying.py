"""What the experiments on the replay share: Search under its trace beside the batch, with a policy that moves cores.

Figures 10 and 11 and Table 5 are three looks at the same runs, so a run that one of them has finished is kept for the
others, and for a command that was killed (`rainforest_model.run_store`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import histogram
from ..descriptions import load
from ..descriptions.arrivals import Arrivals, at_random
from ..descriptions.fitted import of_file
from ..descriptions.scenario import Load, Scenario
from ..run_store import RunStore
from ..supervision import ElasticMachine
from ..supervision.policy import Policy, ThresholdPolicy
from ..units import TICKS_PER_NS, to_us
from ..workloads import traffic
from ..workloads.batch import Batch, described
from ..workloads.search import SearchDescription, back_end, description
from .common import Options

MACHINE = "S-A"
LINUX = ("linux-2.6.32", "linux-2.6.35m", "linux-3.17.4")
DIVIDED = ("lxc", "xen", "rainforest")
SYSTEMS = (*LINUX, *DIVIDED)
INVALID_S = 1.0
"""Answers that take longer are excluded from the throughput (Table 5)."""


@dataclass(frozen=True)
class Replay:
    """One replay of the trace on one system.

    Attributes
    ----------
    timeline : DataFrame
        For each window: time_s (its end), cores (of Search; on Linux of the machine), tail_ms, answered.
    summary : dict of str to float
        ``p99_ms``, ``throughput`` (answers a second of those within `INVALID_S`), ``batch_s`` (time of a batch),
        ``finished`` (programs of the batch), ``progress`` (batches), ``sent``, ``answered`` and ``lost`` requests.
    """

    timeline: pd.DataFrame
    summary: dict[str, float]


def replay_on(
    system: str, arrivals: Arrivals | None = None, batch: Batch | None = None, search: SearchDescription | None = None,
) -> Scenario:
    """Search under a trace beside the batch job on S-A: in two halves, or on plain Linux on all cores.

    Parameters
    ----------
    system : str
    arrivals : Arrivals, optional
        Instead of the shipped trace.
    batch : Batch, optional
        Instead of the shipped one with a thread for each core of the machine: the job cannot change their number when
        its instance grows, so it begins with as many as it may ever use.
    search : SearchDescription, optional
        Instead of the shipped one.

    Examples
    --------
    >>> replay_on("rainforest").duration
    '2250 s'
    """
    machine, how = load.machine(MACHINE), load.system(system)
    parts = 2 if how.partitioning.partitioned else 1
    arrivals, batch, search = arrivals or traffic.search_trace(), batch or shipped_batch(), search or description()
    return load.validated(Scenario, {
        "machine": machine, "system": how, "cores": machine.topology.cores, "partitions": parts,
        "duration": f"{seconds_of(arrivals):g} s", "warmup": "0 s", "stagger": "1 ms",
        "loads": [
            Load(program=traffic.replay(arrivals), place="outside"),
            Load(program=back_end(1, search), threads=round(search.handlers.plain()), partition=0),
            *batch.loads(parts - 1),
        ],
    })


def shipped_batch() -> Batch:
    """The shipped batch with a thread for each core of the machine."""
    return Batch(load.machine(MACHINE).topology.cores)


def seconds_of(arrivals: Arrivals) -> float:
    """Length of a trace, in whole windows of the policy."""
    window = ThresholdPolicy().interval_s
    return window * -(-arrivals.nanoseconds[-1] // round(1e9 * window))


def live(scenario: Scenario, policy: Policy | None, seed: int = 1, replication: int = 0, engine: str = "compiled"):
    """The live machine of a replay: Search and the batch in instances of their own, or all in one."""
    divided = scenario.system.partitioning.partitioned
    return ElasticMachine(
        scenario, names=("search", "batch") if divided else ("linux",), seed=seed, replication=replication,
        engine=engine, policy=policy if divided else None,
    )


def replay(scenario: Scenario, batch: Batch, policy: Policy | None, options: Options, replication: int) -> Replay:
    """Replay the trace once."""
    machine = live(scenario, policy, options.seed, replication, options.engine)
    machine.run(seconds(scenario))
    return Replay(_windows(machine), summary(machine, batch))


def seconds(scenario: Scenario) -> float:
    """Simulated time of a scenario in s."""
    return float(scenario.duration.removesuffix(" s"))


def _windows(machine: ElasticMachine) -> pd.DataFrame:
    rows = machine.timeline
    first = rows[rows.instance == machine.critical.name]
    return first[["time_s", "cores", "tail_ms", "answered"]].reset_index(drop=True)


def summary(machine: ElasticMachine, batch: Batch) -> dict[str, float]:
    """What a finished replay amounts to; see `Replay`."""
    outcome, series = machine.engine.outcome(), machine.series
    counts = outcome.counts[series.index("search")]
    in_time = counts[: histogram.bucket_index(round(INVALID_S * 1e9 * TICKS_PER_NS)) + 1].sum()
    requests = machine.engine.requests()
    return {
        "p99_ms": to_us(histogram.quantile(counts, 0.99)) / 1000 if counts.any() else float("nan"),
        "throughput": float(in_time) / machine.seconds_passed,
        "batch_s": batch.time_s(series, outcome), "finished": sum(batch.finished(series, outcome).values()),
        "progress": batch.progress(series, outcome),
        "sent": requests.sent, "answered": requests.answered, "lost": requests.lost,
    }


def replications(options: Options) -> int:
    """Replays of each system."""
    return 3 if options.quality == "quick" else 10


def replays(options: Options, systems: Iterable[str] = SYSTEMS) -> dict[tuple[str, int], Replay]:
    """Replays of all systems under the paper's policy, by system and replication; those that are kept are not repeated.

    All systems meet the same requests, and in one replication the same random numbers.
    """
    batch, policy, store = shipped_batch(), ThresholdPolicy(), RunStore("replays")
    points = [(id, i) for id in systems for i in range(replications(options))]
    scenarios = {id: replay_on(id, batch=batch) for id in systems}
    found: dict[tuple[str, int], Replay] = {}

    def one(point: tuple[str, int]) -> tuple[tuple[str, int], Replay]:
        id, i = point
        key = {"system": id, "replication": i, "seed": options.seed, "engine": options.engine, "policy": repr(policy)}
        kept = store.get(key)
        if kept is not None:
            return point, Replay(pd.DataFrame(kept["timeline"]), kept["summary"])
        done = replay(scenarios[id], batch, policy, options, i)
        store.put(key, {"timeline": done.timeline.to_dict("list"), "summary": done.summary})
        return point, done

    with ThreadPoolExecutor(options.jobs) as pool:
        for point, done in pool.map(one, points):
            found[point] = done
            if options.progress is not None:
                options.progress(len(found), len(points))
    return found


FIT_REPLICATIONS = 2
"""Of three systems that hardly differ, and of half a million requests each."""


def fitted_batch(values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The model's time of a batch on each system without partitions, with other values of the fitted parameters.

    Parameters
    ----------
    values : mapping of str to float
        By their paths, such as ``"workloads/batch.toml:slower"``.
    options : Options
        Seed and jobs.
    """
    return _fitted(values, options, "T5a", "batch_s", 1)


def fitted_traffic(values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The model's tail on each system without partitions, with other values of the fitted parameters."""
    return _fitted(values, options, "T5b", "p99_ms", FIT_REPLICATIONS)


def _fitted(values: Mapping[str, float], options: Options, claim: str, statistic: str, count: int) -> dict[str, float]:
    load_of = traffic.described(**of_file(values, "workloads/search_traffic.toml"))
    arrivals = Arrivals(load_of.id, at_random()(load_of.edges_s, load_of.counts()))
    batch = Batch(shipped_batch().threads, described=described(**of_file(values, "workloads/batch.toml")))
    points = [(id, i) for id in LINUX for i in range(count)]

    def one(point: tuple[str, int]) -> float:
        id, i = point
        return replay(replay_on(id, arrivals, batch), batch, None, options, i).summary[statistic]

    with ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip(points, pool.map(one, points), strict=True))
    return {f"{claim}.{id}": float(np.mean([found[id, i] for i in range(count)])) for id in LINUX}


def timelines(found: Mapping[tuple[str, int], Replay]) -> pd.DataFrame:
    """One row for each system, replication and window."""
    frames = [run.timeline.assign(system=id, replication=i) for (id, i), run in found.items()]
    return pd.concat(frames)[["system", "replication", "time_s", "cores", "tail_ms", "answered"]].reset_index(drop=True)


def summaries(found: Mapping[tuple[str, int], Replay]) -> pd.DataFrame:
    """One row for each system, replication and statistic."""
    rows = [(id, i, key, value) for (id, i), run in found.items() for key, value in run.summary.items()]
    return pd.DataFrame(rows, columns=["system", "replication", "statistic", "value"])
