"""A server of the page whose machines are canned: it speaks as `rainforest app` does, and keeps what it was told."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager

import tornado.ioloop
import tornado.web
import tornado.websocket
from canned_machine import CannedMachine

from rainforest_model.errors import InputError
from rainforest_model.view import ASSETS, asset

CHOICES = {
    "type": "choices", "session": "s1",
    "systems": [{"id": "linux-4.9.40", "title": "Linux 4.9.40"},
                {"id": "rainforest", "title": "RainForest (Linux 2.6.32)"}],
    "workloads": [
        {"id": "mmap", "title": "mmap", "load": {"name": "processes", "unit": "", "low": 1, "high": 40, "value": 6}},
        {"id": "search", "title": "Search",
         "load": {"name": "load", "unit": "requests/s", "low": 10, "high": 400, "value": 100}},
    ],
}
LINK = "canned-link"


class _File(tornado.web.RequestHandler):
    def get(self, name):
        name = name or "page.html"
        if name not in ASSETS:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", f"{ASSETS[name]}; charset=utf-8")
        self.write(asset(name))


class _Live(tornado.websocket.WebSocketHandler):
    def initialize(self, server):
        self.server, self.timer = server, None
        sockets, cores = server.shape
        self.machines = [CannedMachine(sockets, cores, instances=1, slower=2.5),
                         CannedMachine(sockets, cores, instances=3, paper=[])]

    def open(self):
        self.server.connections.append(self)

    def tell(self, **message):
        self.write_message(json.dumps(message))

    def show(self, side):
        self.tell(type="frame", side=side, frame=self.machines[side].frame() | {"running": self.timer is not None})

    def begin(self, side):
        self.tell(type="layout", side=side, layout=self.machines[side].layout())
        self.tell(type="history", side=side, history=[])
        self.show(side)

    def step(self):
        for side, machine in enumerate(self.machines):
            machine.advance(100.0)
            self.show(side)

    def on_message(self, text):
        message = json.loads(text)
        self.server.heard.append(message)
        getattr(self, f"on_{message['type']}")(message)

    def on_open(self, message):
        self.write_message(json.dumps(CHOICES))
        for side in range(2):
            self.begin(side)
        if message["state"] not in ("", LINK):
            self.tell(type="error", text="link: the checksum does not fit: this is the default")
        self.tell(type="state", link=LINK)

    def on_step(self, message):
        self.step()

    def on_run(self, message):
        self.timer = tornado.ioloop.PeriodicCallback(self.step, 20)
        self.timer.start()

    def on_pause(self, message):
        self.timer.stop()
        self.timer = None
        for side in range(2):
            self.show(side)

    def on_speed(self, message):
        pass

    def on_configure(self, message):
        alone = message["system"] != "rainforest"
        machine = CannedMachine(*self.server.shape, instances=1 if alone else 2, workload=message["workload"])
        self.machines[message["side"]] = machine
        self.begin(message["side"])

    def on_move(self, message):
        try:
            self.machines[message["side"]].move(message["core"], message["to"])
        except InputError as error:
            self.tell(type="error", side=message["side"], text=str(error))
        self.show(message["side"])

    def on_close(self):
        if self.timer:
            self.timer.stop()


class Server:
    """What a test may see and do: the address, what was heard, and cutting all connections."""

    def __init__(self, shape):
        self.shape, self.heard, self.connections = shape, [], []

    def cut(self) -> None:
        """End every connection."""
        for connection in self.connections:
            self.loop.call_soon_threadsafe(connection.close)


@contextmanager
def serving(shape=(2, 6)):
    """A running server, in a thread."""
    server, ready = Server(shape), threading.Event()

    async def main():
        application = tornado.web.Application([(r"/live", _Live, {"server": server}), (r"/(.*)", _File)])
        http = application.listen(0, "127.0.0.1")
        server.loop, server.stop = asyncio.get_running_loop(), asyncio.Event()
        (socket,) = http._sockets.values()
        server.address = f"http://127.0.0.1:{socket.getsockname()[1]}/"
        ready.set()
        await server.stop.wait()
        http.stop()
        await http.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        server.loop.call_soon_threadsafe(server.stop.set)
        thread.join()
