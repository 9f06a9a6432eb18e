"""rainforest replay: a trace and a policy of one's own; what does not fit is told in a line, what is finished stays."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import rainforest_model.cli as door
from rainforest_model import replays, run_store
from rainforest_model.descriptions.arrivals import Arrivals
from rainforest_model.errors import InputError
from rainforest_model.progress import Progress
from rainforest_model.run_store import RunStore
from rainforest_model.supervision import HysteresisPolicy, Policy, ThresholdPolicy, read_policy

TRACE = "time_s\n" + "".join(f"{0.02 * k:.2f}\n" for k in range(1, 1401))
"""50 requests a second for 28 s: three windows."""
NEVER = "class Never(Policy):\n    def decide(self, seen):\n        return 0\n"
RAISES = """class Raises(Policy):
    def decide(self, seen):
        if seen.time_s > 15:
            return 1 // 0
        return 1
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a trace and two policies, in which runs are kept too."""
    monkeypatch.setattr(run_store, "user_cache_path", lambda name: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    for name, text in {"trace.csv": TRACE, "never.py": NEVER, "raises.py": RAISES}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def command(*arguments: str):
    return CliRunner().invoke(door.cli, ["replay", *arguments], prog_name="rainforest")


def complaints(result) -> list[str]:
    """Lines on standard error, without those that a slow machine tells of its progress."""
    return [line for line in result.stderr.splitlines() if not line.startswith("replay: ")]


def refused(result, *words: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = complaints(result)
    assert line.startswith("rainforest: ")
    assert not [word for word in words if word not in line]


def rows(result) -> dict[str, list[str]]:
    head, *lines = [line for line in result.stdout.splitlines() if not line.startswith("timelines")]
    assert head.split()[0] == "system"
    return {line.split()[0]: line.split()[1:] for line in lines}


# --- runs -------------------------------------------------------------------------------------------------


def test_a_table_and_the_timelines(here):
    result = command("rainforest", "linux-2.6.32", "--trace", "trace.csv", "--csv", "out.csv")
    assert (result.exit_code, complaints(result)) == (0, [])
    told = rows(result)
    assert list(told) == ["rainforest", "linux-2.6.32"]
    timeline = pd.read_csv("out.csv")
    assert list(timeline.columns[:3]) == ["system", "time_s", "instance"]
    assert timeline.groupby("system").time_s.unique().map(list).to_dict() == dict.fromkeys(told, [10, 20, 30])
    search = timeline[timeline.instance == "search"]
    # The paper's policy (160 and 200 ms) decided on each window, and its decision was carried out in the next one.
    wanted = (search.tail_ms > 200).astype(int) - (search.tail_ms < 160)
    assert search.decision.tolist() == wanted.tolist()
    assert search.cores.tolist() == [6, *(6 + wanted.cumsum())[:-1]]
    assert told["rainforest"][-3:] == [str(search.cores.min()), "..", str(search.cores.max())]
    assert told["linux-2.6.32"][-3:] == ["12", "..", "12"]
    # All that was sent was answered within the 30 s, on each system.
    assert [float(row[1]) for row in told.values()] == pytest.approx([1400 / 30] * 2, abs=0.2)


def test_a_policy_of_ones_own_decides(here):
    result = command("rainforest", "--trace", "trace.csv", "--policy", "never.py", "--until", "20")
    assert (result.exit_code, complaints(result)) == (0, [])
    assert rows(result)["rainforest"][-3:] == ["6", "..", "6"]


def test_a_policy_that_raises_stops_its_own_run_only(here):
    result = command("rainforest", "linux-2.6.32", "--trace", "trace.csv", "--policy", "raises.py", "--csv", "out.csv")
    assert result.exit_code == 2
    told = rows(result)
    assert told["rainforest"][-4:] == ["stopped", "at", "20", "s"]
    assert "stopped" not in told["linux-2.6.32"]
    assert 'raises.py", line 4, in decide' in result.stderr
    assert "ZeroDivisionError" in result.stderr
    assert complaints(result)[-1].startswith("rainforest: raises.py: stopped on 1 of 2 systems")
    timeline = pd.read_csv("out.csv")
    assert timeline[timeline.system == "rainforest"].time_s.max() == 20
    assert timeline[timeline.system == "linux-2.6.32"].time_s.max() == 30


def test_what_is_finished_is_shown_and_kept_when_interrupted(here, monkeypatch):
    real = replays.replay

    def interrupted(system, *rest):
        if system == "xen":
            raise KeyboardInterrupt
        return real(system, *rest)

    monkeypatch.setattr(replays, "replay", interrupted)
    arguments = ["rainforest", "xen", "--trace", "trace.csv", "--csv", "out.csv", "--jobs", "1"]
    result = command(*arguments)
    assert result.exit_code == 130
    assert complaints(result) == ["rainforest: interrupted; finished results are kept"]
    assert list(rows(result)) == ["rainforest"]
    assert set(pd.read_csv("out.csv").system) == {"rainforest"}

    monkeypatch.setattr(replays, "replay", lambda *rest: pytest.fail("is kept, and not run again"))
    again = command("rainforest", *arguments[2:])
    assert rows(again) == rows(result)


def test_fresh_runs_again_what_is_kept(here, monkeypatch):
    arguments = ["rainforest", "--trace", "trace.csv", "--until", "10"]
    first, real, ran = command(*arguments), replays.replay, []
    monkeypatch.setattr(replays, "replay", lambda *rest: ran.append(rest[0]) or real(*rest))
    assert command(*arguments).stdout == first.stdout
    assert ran == []
    assert command(*arguments, "--fresh").stdout == first.stdout
    assert ran == ["rainforest"]


def test_another_policy_text_is_another_run(here):
    asked = {"arrivals": Arrivals("one", [1.0]), "policy": ThresholdPolicy}
    keys = [replays.Asked(**asked, policy_text=text) for text in ("a", "b")]
    scenario = keys[0].scenario("rainforest")
    assert keys[0].key(scenario) != keys[1].key(scenario)


def test_who_leaves_the_loop_does_not_wait_for_whole_replays(monkeypatch):
    ended = []

    def slow(system, asked, tell, going_on):
        if system == "lxc":
            return replays.Replayed(system, pd.DataFrame(), {}, 1.0)
        while going_on():
            threading.Event().wait(0.01)
        ended.append(system)
        return None

    monkeypatch.setattr(replays, "replay", slow)
    running = replays.replays(["xen", "lxc"], replays.Asked(arrivals=Arrivals("one", [1.0])), jobs=2)
    assert next(running).system == "lxc"
    running.close()
    assert ended == ["xen"]


def test_without_an_answer_there_is_no_tail(here):
    (here / "late.csv").write_text("time_s\n19.5\n")
    result = command("rainforest", "--trace", "late.csv", "--until", "10")
    assert (result.exit_code, complaints(result)) == (0, [])
    assert rows(result)["rainforest"][:2] == ["nan", "0.0"]


def test_the_step_at_which_it_is_looked_at_changes_nothing(monkeypatch):
    asked = replays.Asked(arrivals=Arrivals("steady", np.arange(1, 1000) * 0.02))
    tens = replays.replay("rainforest", asked)
    monkeypatch.setattr(replays, "STEP_S", 3.7)
    others = replays.replay("rainforest", asked)
    assert others.summary == tens.summary
    pd.testing.assert_frame_equal(others.timeline, tens.timeline)


# --- what does not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_s\n1\n3\n2\n", ["line 4: time_s = 2.0", "ascend"]),
        ("time_s\n1\n-3\n", ["line 3: time_s = '-3'", "negative"]),
        ("time_s\n1\nnan\n", ["line 3: time_s = 'nan'", "finite"]),
        ("when\n1\n", ["line 1: header = 'when'", "columns"]),
        ("time_s\n", ["no rows"]),
        ("", ["empty"]),
        ("start_s,requests\n0,1\n1,many\n2,\n", ["line 3: requests = 'many'", "no number"]),
    ],
    ids=["unsorted", "negative", "nan", "columns", "no rows", "empty", "word"],
)
def test_a_trace_that_does_not_fit(here, text, words):
    (here / "trace.csv").write_text(text)
    refused(command("rainforest", "--trace", "trace.csv"), "trace.csv", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Broken(Policy:\n", ["line 1"]),
        ("x = 1\ny = 1 / 0\n", ["line 2", "ZeroDivisionError"]),
        ("raise SystemExit\n", ["line 1", "SystemExit"]),
        ("x = 1\n", ["found: none"]),
        ("from rainforest_model.supervision import ThresholdPolicy\n", ["found: none"]),
        ("class A(Policy): pass\nclass B(Policy): pass\n", ["found: A, B"]),
        ("policy = 3\n", ["policy = 3"]),
        ("class A(Policy):\n    def __init__(self, x): pass\n", ["A()", "TypeError"]),
    ],
)
def test_a_policy_file_that_does_not_fit(here, text, words):
    (here / "mine.py").write_text(text)
    refused(command("rainforest", "--trace", "trace.csv", "--policy", "mine.py"), "mine.py", *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solaris"], ["system = 'solaris'", "known: "]),
        (["--until", "0"], ["until_s = 0.0"]),
        (["--until", "nan"], ["until_s = nan"]),
        (["--until", "31"], ["until_s = 31.0", "up to 30"]),
        (["--policy", "none.py"], ["none.py", "No such file"]),
        (["--csv", "none/out.csv"], ["--csv = 'none/out.csv'", "no such folder"]),
    ],
)
def test_options_that_do_not_fit(here, arguments, words):
    refused(command("--trace", "trace.csv", *arguments), *words)
    assert not (here / "cache").exists()


# --- policy files -----------------------------------------------------------------------------------------


def test_an_object_named_policy_is_taken_and_each_run_gets_its_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("policy = HysteresisPolicy(windows=2)\n")
    make = read_policy(path)
    first, second = make(), make()
    assert isinstance(first, HysteresisPolicy)
    assert first is not second
    assert repr(first) == repr(second) == repr(HysteresisPolicy(windows=2))


def test_a_class_may_build_on_a_shipped_one(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("class Mine(ThresholdPolicy):\n    def __init__(self):\n        super().__init__(upper_ms=300)\n")
    made = read_policy(path)()
    assert isinstance(made, Policy)
    assert made.upper_ms == 300


def test_a_policy_file_of_other_bytes(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_policy(path)


# --- progress ---------------------------------------------------------------------------------------------


def test_progress_counts_simulated_seconds_and_tells_the_time_left(monkeypatch):
    stream, clock = io.StringIO(), iter([0.0, 20.0])
    monkeypatch.setattr("rainforest_model.progress.time.monotonic", partial(next, clock))
    Progress("replay", stream, units="simulated s")(50, 150)
    assert stream.getvalue() == "replay: 50 of about 150 simulated s, 40 s left\n"


def test_progress_of_replays_reaches_the_end(tmp_path):
    asked, seen = replays.Asked(arrivals=Arrivals("one", [12.0])), []
    store = RunStore("asked", Path(tmp_path))
    for _ in range(2):  # simulated, then kept
        list(replays.replays(["rainforest", "lxc"], asked, 1, lambda *told: seen.append(told), store))
        assert seen[-1] == (40, 40)
        assert seen == sorted(seen)
        seen.clear()


# --- Ctrl-C -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_ends_replays_under_way(here):
    command = [sys.executable, "-m", "rainforest_model", "replay", "--fresh", "--jobs", "2"]
    listen = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen,
        env={**os.environ, "PYTHONPATH": str(Path(door.__file__).parents[2])},
    )
    try:
        time.sleep(5)  # six replays take ten times as long
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "rainforest: interrupted; finished results are kept"
    assert "Traceback" not in err
    assert "rainforest" not in out  # the last of the six has not even begun
