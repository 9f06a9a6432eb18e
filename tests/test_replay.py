"""Figures 10 and 11 and Table 5: replays that are shared and kept, and what is judged of them."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest

from rainforest_model import paper, run_store
from rainforest_model.descriptions.arrivals import Arrivals
from rainforest_model.experiments import fig10_search_timeline as fig10
from rainforest_model.experiments import fig11_cores_timeline as fig11
from rainforest_model.experiments import replaying
from rainforest_model.experiments import tab05_consolidation as tab05
from rainforest_model.experiments.common import Options
from rainforest_model.results import Results
from rainforest_model.run_store import RunStore
from rainforest_model.supervision.policy import HysteresisPolicy, ThresholdPolicy
from rainforest_model.workloads import batch, traffic

OPTIONS = Options()
MODULES = (fig10, fig11, tab05)
N = replaying.replications(OPTIONS)


def made_up(tails, cores=6, **summary) -> replaying.Replay:
    """A replay with these tails, a window each."""
    tails = np.asarray(tails, float)
    timeline = pd.DataFrame({
        "time_s": 10.0 * np.arange(1, len(tails) + 1), "cores": np.broadcast_to(cores, len(tails)), "tail_ms": tails,
        "answered": np.where(np.isnan(tails), 0, 2000),
    })
    numbers = dict.fromkeys(("p99_ms", "throughput", "batch_s", "finished", "progress"), 1.0)
    return replaying.Replay(timeline, {**numbers, "answered": 2000 * len(tails), **summary})


def run_with(module, monkeypatch, make) -> Results:
    """The results of an experiment whose replays are made up: `make` takes system and replication."""
    monkeypatch.setattr(
        module, "replays", lambda scenarios, options: {(id, i): make(id, i) for id in scenarios for i in range(N)}
    )
    return module.run(OPTIONS)


def judged(module, results: Results) -> dict[str, paper.Verdict]:
    return {verdict.id: verdict for verdict in module.verdicts(results)}


# --- what is replayed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_all_systems_meet_the_same_requests(module):
    traces = {replaying.requests_of(scenario) for scenario in module.describe(OPTIONS).values()}
    assert traces == {traffic.search_trace()}


@pytest.mark.parametrize("module", MODULES)
def test_systems_differ_in_nothing_but_the_system_and_its_halves(module):
    for ids, parts in ((replaying.LINUX, 1), (replaying.DIVIDED, 2)):
        described = [scenario for id, scenario in module.describe(OPTIONS).items() if id in ids]
        assert {scenario.partitions for scenario in described} <= {parts}
        assert all(scenario.loads == described[0].loads for scenario in described)


def test_the_offered_load_is_the_trace():
    scenario = replaying.replay_on("xen")
    table = fig10.offered(scenario)
    assert len(table) == replaying.seconds(scenario) / ThresholdPolicy().interval_s
    assert (table.rate * ThresholdPolicy().interval_s).sum() == len(traffic.search_trace())


def test_programs_are_those_of_the_batch_in_their_order():
    names = [f"batch.{name}" for name in batch.description().order]
    assert replaying.programs_of(replaying.replay_on("rainforest")) == names


# --- runs that are kept -----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return RunStore("replays", tmp_path)


@pytest.fixture
def counted(monkeypatch):
    """The replays that were made, each with numbers of its own."""
    made = []

    def fake(scenario, batch, policy, options, replication):
        made.append((scenario.system.partitioning.id, replication))
        return made_up([100.125 + replication, np.nan, 1 / 3], p99_ms=0.1 * len(scenario.system.partitioning.id))

    monkeypatch.setattr(replaying, "replay", fake)
    return made


def short(id: str, times=(0.5, 1.0, 2.0), **rest):
    return replaying.replay_on(id, Arrivals("short", times), **rest)


def same(a, b) -> bool:
    return replaying.timelines(a).equals(replaying.timelines(b)) and all(a[k].summary == b[k].summary for k in a)


def test_what_is_kept_is_not_replayed_and_is_the_same(store, counted):
    scenarios = {id: short(id) for id in ("lxc", "xen")}
    first = replaying.replays(scenarios, OPTIONS, store=store)
    assert sorted(counted) == [(id, i) for id in scenarios for i in range(N)]
    again = replaying.replays(scenarios, OPTIONS, store=store)
    assert len(counted) == 2 * N
    assert same(first, again)


def test_a_killed_run_goes_on_where_it_was(store, counted, monkeypatch):
    whole, fine = replaying.replay, 2

    def killed(*args):
        if len(counted) == fine:
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(replaying, "replay", killed)
    with pytest.raises(KeyboardInterrupt):
        replaying.replays({"lxc": short("lxc")}, OPTIONS, store=store)
    assert counted == [("lxc", 0), ("lxc", 1)]
    monkeypatch.setattr(replaying, "replay", whole)
    replaying.replays({"lxc": short("lxc")}, OPTIONS, store=store)
    assert counted == [("lxc", i) for i in range(N)]


@pytest.mark.parametrize("left", [0, 1, 0.5, -1])
def test_a_truncated_file_is_replayed_again(store, counted, left):
    first = replaying.replays({"lxc": short("lxc")}, OPTIONS, store=store)
    path = sorted(store.folder.iterdir())[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole)) if isinstance(left, float) else left])
    again = replaying.replays({"lxc": short("lxc")}, OPTIONS, store=store)
    assert len(counted) == N + 1
    assert same(first, again)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("other", [
    lambda: {"scenarios": {"lxc": short("lxc", times=(0.5, 1.5, 2.0))}},
    lambda: {"scenarios": {"lxc": short("lxc", batch=batch.Batch(12, described=batch.described(slower=1.9)))}},
    lambda: {"scenarios": {"lxc": short("rainforest")}},
    lambda: {"options": Options(seed=2)},
    lambda: {"policy": HysteresisPolicy},
    lambda: {"policy": lambda: ThresholdPolicy(upper_ms=300)},
], ids=["trace", "batch", "system", "seed", "policy", "threshold"])
def test_another_run_is_never_taken_for_a_kept_one(store, counted, other):
    plain = {"scenarios": {"lxc": short("lxc")}, "options": OPTIONS, "store": store}
    replaying.replays(**plain)
    replaying.replays(**{**plain, **other()})
    assert len(counted) == 2 * N


def test_the_newest_runs_are_kept(store, monkeypatch):
    monkeypatch.setattr(run_store, "MOST", 3)
    for i in range(5):
        store.put({"i": i}, i)
        os.utime(sorted(store.folder.iterdir(), key=lambda path: path.stat().st_mtime)[-1], (i, i))
    assert [store.get({"i": i}) for i in range(5)] == [None, None, 2, 3, 4]


def test_a_folder_that_cannot_be_written_costs_the_keeping_alone(tmp_path, counted):
    (tmp_path / "replays").write_text("a file, where the folder should be")
    store = RunStore("replays", tmp_path)
    for times in (1, 2):
        replaying.replays({"lxc": short("lxc")}, OPTIONS, store=store)
        assert len(counted) == times * N


def test_every_replay_has_a_policy_of_its_own(store, monkeypatch):
    seen = []
    monkeypatch.setattr(replaying, "replay", lambda s, b, policy, *_: seen.append(policy) or made_up([1.0]))
    replaying.replays({"lxc": short("lxc")}, OPTIONS, policy=HysteresisPolicy, store=store)
    assert len({id(policy) for policy in seen}) == N


# --- short replays that are simulated ---------------------------------------------------------------------


def test_every_system_answers_the_same_requests_in_every_replication(store):
    times = np.arange(0, 15, 0.02)  # and five seconds without, in which the last ones are answered
    scenarios = {id: replaying.replay_on(id, Arrivals("even", times)) for id in ("linux-2.6.35m", "lxc", "rainforest")}
    found = replaying.replays(scenarios, dataclasses.replace(OPTIONS, jobs=2), store=store)
    assert {run.summary["answered"] for run in found.values()} == {len(times)}
    assert {run.timeline.answered.sum() for run in found.values()} == {len(times)}
    assert len({run.summary["p99_ms"] for run in found.values()}) > len(scenarios), "replications draw anew"
    for (id, _), run in found.items():
        assert run.summary["throughput"] <= len(times) / 20
        assert run.timeline.cores.iloc[0] == (6 if id in replaying.DIVIDED else 12)
    assert same(found, replaying.replays(scenarios, OPTIONS, store=store))


# --- Figure 10 --------------------------------------------------------------------------------------------


def test_a_constant_tail_does_not_fluctuate():
    found = fig10.measured(made_up([250.0] * 20))
    assert (found["sd_ms"], found["median_ms"], found["max_ms"], found["above_percent"]) == (0, 250, 250, 100)


def test_windows_without_an_answer_are_counted_apart():
    found = fig10.measured(made_up([100, np.nan, 300, np.nan]))
    assert (found["silent"], found["median_ms"], found["sd_ms"], found["above_percent"]) == (2, 200, 100, 50)


SPREAD = {"linux-2.6.35m": 90, "lxc": 60, "xen": 30, "rainforest": 5}


def windows(id: str, i: int, spread=SPREAD) -> replaying.Replay:
    away = spread.get(id, 50)
    return made_up([250 - away, 250 + away] * 10, finished=20 + i)


def test_fluctuations_in_the_printed_order_hold(monkeypatch):
    found = judged(fig10, run_with(fig10, monkeypatch, windows))
    assert (found["F104"].model, found["F104"].verdict) == (1, "holds")
    assert (found["F104.rainforest"].model, found["F104.rainforest"].verdict) == (250, "holds")
    assert (found["F104.xen"].model, found["F104.xen"].verdict) == (280, "misses")
    assert {found[f"F105.{id}"].model for id in replaying.SYSTEMS} == {20 + (N - 1) / 2}


@pytest.mark.parametrize(("id", "away"), [("rainforest", 40), ("xen", 70), ("lxc", 10), ("linux-2.6.35m", 10)])
def test_one_system_out_of_its_place_turns_the_order_over(monkeypatch, id, away):
    results = run_with(fig10, monkeypatch, lambda one, i: windows(one, i, {**SPREAD, id: away}))
    assert (judged(fig10, results)["F104"].model, judged(fig10, results)["F104"].verdict) == (0, "misses")


def test_the_order_of_linux_and_lxc_is_left_open(monkeypatch):
    turned = {**SPREAD, "lxc": 90, "linux-2.6.35m": 60}
    results = run_with(fig10, monkeypatch, lambda id, i: windows(id, i, turned))
    assert judged(fig10, results)["F104"].verdict == "holds"


def test_facts_are_those_of_the_described_policy(monkeypatch):
    class Hasty(ThresholdPolicy):
        def __init__(self):
            super().__init__(100, 400, interval_s=5)

        def decide(self, seen):
            return 3 * super().decide(seen)

    assert fig10.moved_at_once(ThresholdPolicy()) == 1
    assert fig10.moved_at_once(Hasty()) == 3
    results = run_with(fig10, monkeypatch, windows)
    monkeypatch.setattr(fig10, "ThresholdPolicy", Hasty)
    found = judged(fig10, results)
    facts = {"F102.upper": 400, "F102.lower": 100, "F102.window": 5, "F102.step": 3}
    assert {id: found[id].model for id in facts} == facts
    assert {found[id].verdict for id in facts} == {"misses"}


def test_facts_are_those_of_the_described_trace(monkeypatch):
    results = run_with(fig10, monkeypatch, windows)
    monkeypatch.setattr(fig10, "replay_on", lambda id: short(id, times=np.arange(60)))
    found = judged(fig10, results)
    assert [found[f"F101.{key}"].model for key in ("requests", "duration", "rate")] == [60, 1, 1]


# --- Figure 11 --------------------------------------------------------------------------------------------


def with_cores(cores, tails):
    return lambda id, i: made_up(tails, cores)


@pytest.mark.parametrize(("cores", "moves", "undone"), [
    ([6, 6, 6], 0, 0), ([6, 7, 7], 1, 0), ([6, 6, 7, 6, 6], 2, 100), ([6, 7, 7, 8, 9], 3, 0),
    ([6, 7, 6, 5, 6], 4, 200 / 3),
])
def test_moves_and_those_that_take_back_the_one_before(cores, moves, undone):
    found = replaying.cores_of(made_up([1.0] * len(cores), cores))
    assert (found["moves"], found["undone_percent"]) == (moves, pytest.approx(undone))
    assert (found["mean_cores"], found["most_cores"]) == (pytest.approx(np.mean(cores)), max(cores))


def test_tails_by_the_number_of_cores():
    run = made_up([100, 300, 500, 190], [6, 5, 5, 6])
    table = replaying.by_cores(replaying.timelines({("xen", 0): run}))
    assert table.values.tolist() == [["xen", 5, 2, 400, 100], ["xen", 6, 2, 145, 0]]


def test_xen_with_eleven_cores_and_a_long_tail_holds(monkeypatch):
    found = judged(fig11, run_with(fig11, monkeypatch, with_cores([6, 11, 11], [100, 220, 240])))
    assert (found["F111"].model, found["F111"].verdict) == (11, "holds")
    assert (found["F111.tail"].model, found["F111.tail"].verdict) == (220, "holds")


def test_one_short_tail_with_eleven_cores_is_not_staying_above(monkeypatch):
    found = judged(fig11, run_with(fig11, monkeypatch, with_cores([6, 11, 11, 11], [100, 220, 190, 240])))
    assert (found["F111.tail"].model, found["F111.tail"].verdict) == (190, "misses")
    assert "67 % of them above 200 ms" in found["F111.tail"].note


def test_without_eleven_cores_nothing_bears_the_claim_out(monkeypatch):
    found = judged(fig11, run_with(fig11, monkeypatch, with_cores([6, 10], [300, 300])))
    assert found["F111"].verdict == found["F111.tail"].verdict == "misses"
    assert found["F111.tail"].model is None or np.isnan(found["F111.tail"].model)


@pytest.mark.parametrize(("tails", "told"), [
    ([100, 220, 240], "with 6 cores the median window is below 160 ms"),
    ([210, 150, 120], "with 7 cores"), ([210, 220, 240], "with no number of cores"),
])
def test_a_miss_says_with_how_many_cores_the_tail_is_short(monkeypatch, tails, told):
    results = run_with(fig11, monkeypatch, with_cores([6, 7, 8], tails))
    assert told in judged(fig11, results)["F111"].note


def test_a_step_is_as_wide_as_its_window(monkeypatch):
    results = run_with(fig11, monkeypatch, with_cores([6, 7, 11], [100, 220, 240]))
    (axes,) = fig11.figure(results).axes
    line = axes.get_lines()[0]
    assert line.get_ydata().tolist() == [6, 7, 11]
    assert line.get_xdata() == pytest.approx([10 / 60, 20 / 60, 30 / 60])


# --- Table 5 ----------------------------------------------------------------------------------------------


def as_printed(id: str, i: int, **changed) -> replaying.Replay:
    """The printed row of a system, a little different in each replication."""
    row = {column: paper.claim(f"{claims}.{id}").value * (1 + 1e-4 * i) for column, claims in tab05.COLUMNS.items()}
    return made_up([200.0], **{**row, **changed})


def test_the_printed_table_holds(monkeypatch):
    found = judged(tab05, run_with(tab05, monkeypatch, as_printed))
    assert set(found) == {claim.id for claim in paper.claims() if claim.artefact == "tab05_consolidation"}
    assert {verdict.verdict for verdict in found.values()} == {"holds"}


@pytest.mark.parametrize("column", tab05.ORDERS)
def test_one_cell_out_of_its_place_turns_the_order_over(monkeypatch, column):
    results = run_with(
        tab05, monkeypatch, lambda id, i: as_printed(id, i, **({column: 1.0} if id == "linux-2.6.32" else {}))
    )
    verdict = judged(tab05, results)["T5d"]
    assert (verdict.model, verdict.verdict) == (0, "misses")
    assert f"{tab05.TITLES[column]} 0 %" in verdict.note
    assert verdict.note.count(" 100 %") == len(tab05.ORDERS) - 1


def test_orders_are_those_of_the_printed_numbers():
    for column, ids in tab05.ORDERS.items():
        printed = [paper.claim(f"{tab05.COLUMNS[column]}.{id}").value for id in ids]
        assert sorted(ids) == sorted(replaying.SYSTEMS)
        assert printed == sorted(printed)


def test_the_time_of_a_batch_asks_for_as_many_cores_as_it_has(monkeypatch):
    results = run_with(tab05, monkeypatch, as_printed)
    found = tab05._table(results)
    time = found.estimate("xen", "batch_s").value
    assert tab05.cores_wanted(found, "xen", time) == pytest.approx(6)
    assert tab05.cores_wanted(found, "xen", 2 * time) == pytest.approx(9)


def test_the_table_has_every_cell(monkeypatch):
    table = tab05.table(run_with(tab05, monkeypatch, as_printed))
    assert len(table) == len(tab05.COLUMNS) * len(replaying.SYSTEMS)
    assert ((table.low <= table.model) & (table.model <= table.high)).all()
    assert table.model.to_numpy() == pytest.approx(table.printed.to_numpy(), rel=1e-3)
