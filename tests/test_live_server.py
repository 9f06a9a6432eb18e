"""Conversations and the server: pages do not disturb one another, whatever they say."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner
from live_sessions import ROOT, machine, pair_of, same
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from rainforest_model import cli, live
from rainforest_model.descriptions import load
from rainforest_model.live import server
from rainforest_model.live.conversation import Conversation
from rainforest_model.live.offers import offers
from rainforest_model.live.pair import Pair
from rainforest_model.live.session import Session

# --- conversations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [
    None, 7, [], {}, {"type": 1}, {"type": "dance"}, {"type": "move"}, {"type": "move", "side": 2, "core": 0, "to": 0},
    {"type": "move", "side": True, "core": 0, "to": 0}, {"type": "speed"}, {"type": "speed", "value": "fast"},
    {"type": "speed", "value": float("inf")}, {"type": "speed", "value": True}, {"type": "configure"},
    {"type": "configure", "side": 0, "load": None}, {"type": "configure", "side": 1, "workload": {}},
])
def test_a_message_that_does_not_fit_is_an_error_and_changes_nothing(message):
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    before = talk._pair.link()
    (error,) = talk.hear(message)
    assert error["type"] == "error"
    assert "\n" not in error["text"]
    assert talk._pair.link() == before


def test_nothing_can_be_done_before_the_page_is_open():
    (error,) = Conversation("a").hear({"type": "run"})
    assert error["text"].endswith("nothing is open yet")


def test_configuring_one_side_sets_both_workloads_and_keeps_the_other_system():
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    talk.hear({"type": "step"})
    told = talk.hear({"type": "configure", "side": 0, "system": "lxc", "workload": "search", "load": 250, "cores": 12})
    layouts = [message["layout"] for message in told if message["type"] == "layout"]
    assert [(one["system"], one["workload"], one["load"]) for one in layouts] == [
        ("lxc", "search", 250), ("rainforest", "search", 250)]
    assert [frame["time"] for frame in talk.latest] == [0, 0]
    assert told[0]["speed"]["value"] == next(offer.pace_us for offer in offers() if offer.id == "search")


def test_every_frame_ends_at_most_one_window_and_all_of_them_are_told():
    talk = Conversation("a")
    talk.hear({"type": "open", "state": ""})
    talk.hear({"type": "speed", "value": 2300})
    told = [message for _ in range(6) for message in talk.hear({"type": "step"})]
    for side in (0, 1):
        windows = [m["frame"]["window"] for m in told if m["type"] == "frame" and m["side"] == side]
        assert [window for window in windows if window] == talk._pair.sides[side].history


def test_both_sides_are_at_the_same_time_after_every_frame():
    pair = pair_of("linux-2.6.35m", "xen")
    for us in (10, 950, 333.3):
        pair.pace(us)
        frames = pair.step()
        assert frames[-2][1]["time"] == frames[-1][1]["time"]
    pair.move(1, 3, 0)  # takes time on its side only
    frames = pair.step()
    assert frames[-2][1]["time"] == frames[-1][1]["time"]


def test_a_frame_of_forty_cores_is_computed_in_less_than_a_click_may_wait():
    pair = Pair([machine(system=id, cores=40, load=40) for id in ("linux-4.9.40", "rainforest")])
    pair.pace(1e6)  # far more than can be computed in a frame
    took = []
    for _ in range(15):
        began = time.perf_counter()
        pair.step()
        took.append(time.perf_counter() - began)
    assert sorted(took)[7] < 0.1


# --- the server -------------------------------------------------------------------------------------------


class Page:
    """A browser's side of the talk."""

    def __init__(self, connection):
        self.connection, self.frames, self.session = connection, [None, None], None

    async def say(self, **message):
        await self.connection.write_message(json.dumps(message))

    async def hear(self, until="state"):
        """Everything up to a message of a type, and that one."""
        told = []
        while not told or told[-1]["type"] != until:
            text = await asyncio.wait_for(self.connection.read_message(), 20)
            assert text is not None, "the server has closed the connection"
            told.append(json.loads(text))
            if told[-1]["type"] == "frame":
                self.frames[told[-1]["side"]] = told[-1]["frame"]
            elif told[-1]["type"] == "choices":
                self.session = told[-1]["session"]
        return told

    async def ask(self, until="state", **message):
        await self.say(**message)
        return await self.hear(until)


@asynccontextmanager
async def served(**options):
    application = server.LiveApplication(**options)
    http, port = server.listen(application)
    try:
        yield application, port
    finally:
        http.stop()
        await http.close_all_connections()
        application.shut_down()


@asynccontextmanager
async def page_of(port, state="", until="state"):
    connection = await websocket_connect(f"ws://127.0.0.1:{port}/live")
    page = Page(connection)
    try:
        if state is not None:
            page.opened = await page.ask(type="open", state=state, until=until)
        yield page
    finally:
        connection.close()
        while await connection.read_message() is not None:
            pass


async def fetch(port, path, **headers):
    request = HTTPRequest(f"http://127.0.0.1:{port}{path}", headers=headers)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 90))


def test_a_page_hears_what_it_needs_in_order_and_the_numbers_are_those_of_the_interface():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            kinds = [message["type"] for message in page.opened]
            assert kinds == ["choices", "layout", "layout", "history", "history", "frame", "frame", "state"]
            assert {item["id"] for item in page.opened[0]["systems"]} == set(load.systems())
            await page.ask(type="step")
            for side in (0, 1):
                answer = await fetch(port, f"/api/state?session={page.session}&side={side}")
                assert json.loads(answer.body) == page.frames[side]
                assert page.frames[side]["time"] == pytest.approx(200)
            assert (await fetch(port, "/api/state?session=other")).code == 404
            assert (await fetch(port, f"/api/state?session={page.session}&side=2")).code == 400

    run(main())


def test_the_files_of_the_page_come_from_the_package_and_nothing_else_does():
    async def main():
        async with served() as (_, port):
            for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"),
                               ("/machine_view.js", "text/javascript")):
                answer = await fetch(port, path)
                assert answer.code == 200
                assert answer.headers["Content-Type"].startswith(kind)
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert b"https://" not in answer.body
            for path in ("/server.py", "/../pyproject.toml", "/widget.py", "/%2e%2e/errors.py", "/live/"):
                assert (await fetch(port, path)).code == 404

    run(main())


def test_time_goes_on_while_it_runs_and_stands_still_after_a_pause():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            await page.ask(type="run")
            times = [(await page.hear(), page.frames[0]["time"])[1] for _ in range(6)]
            assert times == sorted(set(times))
            await page.say(type="pause")
            while page.frames[0]["running"]:
                await page.hear()
            stands = page.frames[0]["time"]
            await asyncio.sleep(0.2)
            await page.ask(type="speed", value=100)  # the next answer is the next message: none was between
            assert page.frames[0]["time"] == stands
            before = page.frames[1]["owner"]
            await page.ask(type="move", side=1, core=2, to=0)
            assert page.frames[1]["owner"] == [0 if core == 2 else owner for core, owner in enumerate(before)]

    run(main())


def test_two_pages_do_not_disturb_each_other():
    async def main():
        async with served() as (application, port), page_of(port) as one, page_of(port) as other:
            assert one.session != other.session
            await one.ask(type="configure", side=0, system="lxc", workload="malloc", load=6, cores=6)
            await one.ask(type="run")
            await one.ask(type="move", side=0, core=0, to=-1)
            told = await other.ask(type="step")
            assert [message["type"] for message in told] == ["frame", "frame", "state"]
            assert len(other.frames[0]["owner"]) == 12
            alone = Conversation("alone")
            alone.hear({"type": "open", "state": ""})
            alone.hear({"type": "step"})
            assert list(map(same, other.frames)) == list(map(same, alone.latest))
            assert len(application.talks) == 2
        assert application.talks == {}

    run(main())


def test_the_link_of_one_page_opens_another():
    async def main():
        async with served() as (_, port), page_of(port) as one:
            await one.ask(type="speed", value=900)
            await one.ask(type="move", side=1, core=5, to=-1)
            while one.frames[1]["time"] < 1000:  # a window has ended
                told = await one.ask(type="step")
            async with page_of(port, told[-1]["link"]) as other:
                assert other.opened[-1] == told[-1]
                assert list(map(same, other.frames)) == list(map(same, one.frames))
                histories = {m["side"]: m["history"] for m in other.opened if m["type"] == "history"}
                assert histories[1][0]["n"] > 1000

    run(main())


@pytest.mark.parametrize("state", ["r1.broken", "#", "x" * 20_000, 5])
def test_a_broken_link_opens_the_default_with_a_message(state):
    async def main():
        async with served() as (_, port), page_of(port, state, until="error") as page:
            assert page.opened[-1]["text"].startswith("link: ")
            assert page.opened[-1]["text"].endswith("here is the usual page instead")
            layouts = [m["layout"] for m in page.opened if m["type"] == "layout"]
            assert [one["system"] for one in layouts] == ["linux-4.9.40", "rainforest"]
            await page.ask(type="step")

    run(main())


def test_nonsense_gets_an_answer_and_the_page_goes_on():
    async def main():
        async with served() as (_, port), page_of(port) as page:
            for text in ("{", "null", '"open"', "[1]", '{"type": "fly"}', "[" * 50_000):
                await page.connection.write_message(text)
                (error,) = await page.hear("error")
                assert "no such message" in error["text"]
            await page.ask(type="step")

    run(main())


def test_a_message_that_is_too_long_ends_the_connection():
    async def main():
        async with served() as (application, port):
            connection = await websocket_connect(f"ws://127.0.0.1:{port}/live")
            await connection.write_message("x" * (server.LARGEST_MESSAGE + 1))
            assert await asyncio.wait_for(connection.read_message(), 10) is None
            connection.close()
            await asyncio.sleep(0.05)
            assert application.talks == {}

    run(main())


def test_there_are_so_many_pages_and_no_more():
    async def main():
        async with served() as (application, port):
            pages = [await websocket_connect(f"ws://127.0.0.1:{port}/live") for _ in range(server.MOST_SESSIONS)]
            one_more = await websocket_connect(f"ws://127.0.0.1:{port}/live")
            error = json.loads(await one_more.read_message())
            assert "close one of them first" in error["text"]
            assert await asyncio.wait_for(one_more.read_message(), 10) is None
            one_more.close()
            pages[0].close()
            assert await pages[0].read_message() is None
            async with page_of(port):
                assert len(application.talks) == server.MOST_SESSIONS
            for connection in pages[1:]:
                connection.close()
                assert await connection.read_message() is None

    run(main())


def test_no_other_site_gets_in():
    async def main():
        async with served() as (application, port):
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": f"evil.example:{port}"},
                            {"Origin": f"http://127.0.0.1:{port + 1}"},
                            {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}):
                request = HTTPRequest(f"ws://127.0.0.1:{port}/live", headers=headers)
                with pytest.raises(HTTPClientError) as refused:
                    await websocket_connect(request)
                assert refused.value.code == 403
            assert (await fetch(port, "/", Host="evil.example")).code == 403
            assert (await fetch(port, "/", Host=f"localhost:{port}")).code == 200
            assert application.talks == {}
            own = HTTPRequest(f"ws://127.0.0.1:{port}/live", headers={"Origin": f"http://127.0.0.1:{port}"})
            (await websocket_connect(own)).close()

    run(main())


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli.cli, ["app", "--no-browser", "--port", str(port)])
    assert result.exit_code == 2
    assert f"--port = {port}: cannot be had" in result.stderr.splitlines()[-1]


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_serves_until_it_is_interrupted():
    command = [sys.executable, "-m", "rainforest_model", "app", "--port", "0", "--no-browser", "--system", "xen"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().split()[0]

        async def main():
            port = int(address.rstrip("/").rpartition(":")[2])
            async with page_of(port) as page:
                layouts = [m["layout"] for m in page.opened if m["type"] == "layout"]
                assert [one["system"] for one in layouts] == ["linux-4.9.40", "xen"]
                await page.ask(type="run")
                process.send_signal(signal.SIGINT)  # while it runs
                assert process.wait(20) == 0

        run(main())
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def test_a_record_holds_the_frames_of_the_run_and_its_page_can_be_played(tmp_path):
    file = tmp_path / "run.html"
    result = CliRunner().invoke(cli.cli, ["app", "--record", str(file), "--system", "lxc", "--frames", "7"])
    assert (result.exit_code, result.stdout) == (0, f"record: {file}\n")
    assert 'id="record"' in file.read_text(encoding="utf-8")
    kept = live.record(machine(system="lxc"), frames=7)
    session = Session(machine(system="lxc"))
    session.advance(7 * 200)
    assert kept["frames"][-1]["total"] == session.frame()["total"]
    assert [frame["window"] for frame in kept["frames"] if frame["window"]] == session.history


@pytest.mark.parametrize(("arguments", "words"), [
    (["--workload", "quake"], "no such workload here"), (["--system", "windows"], "no such system"),
    (["--load", "0"], "load"), (["--cores", "99"], "machine S-B has 40"),
    (["--system", "lxc", "--system", "xen", "--system", "rainforest"], "a page shows two"),
    (["--record", "run.html", "--frames", "99999"], "must be in 1 .. 5000"),
])
def test_a_wrong_option_is_one_clear_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.cli, ["app", "--no-browser", *arguments])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []
