"""The server of the interactive page: its files, and a session for each connection."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..errors import InputError
from ..view import ASSETS, asset
from .configuration import Configuration
from .conversation import Conversation, Message

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "::1")
MOST_SESSIONS = 8
LARGEST_MESSAGE = 2**16
FRAMES_A_SECOND = 20
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Local:
    """Serves whoever addressed this machine by its own name, so that no other site's name leads here."""

    def prepare(self) -> None:
        name = urlsplit(f"//{self.request.host}").hostname
        if name not in NAMES:
            self.set_status(403)
            self.finish("this page is served to this machine only\n")

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        self.clear_header("Server")


class _File(_Local, RequestHandler):
    def get(self, name: str) -> None:
        name = name or "page.html"
        if name not in ASSETS:
            self.set_status(404)
            self.finish("no such file\n")
            return
        self.set_header("Content-Type", f"{ASSETS[name]}; charset=UTF-8")
        self.finish(asset(name))


class _State(_Local, RequestHandler):
    """The latest frame of one side of a session, as its page shows it."""

    def get(self) -> None:
        talk = self.application.talks.get(self.get_argument("session", ""))
        side = self.get_argument("side", "0")
        if talk is None:
            self.set_status(404)
            self.finish({"error": "no such session"})
        elif side not in ("0", "1"):
            self.set_status(400)
            self.finish({"error": "side must be 0 or 1"})
        else:
            self.finish(talk.latest[int(side)])


class _Live(_Local, WebSocketHandler):
    """One page.  Whatever computes does so in a thread, one thing at a time."""

    def initialize(self) -> None:
        self._talk: Conversation | None = None
        self._going: asyncio.Task | None = None
        self._turn = asyncio.Lock()

    def check_origin(self, origin: str) -> bool:
        """Whether the page that connects is this server's."""
        return urlsplit(origin).netloc == self.request.host

    def open(self) -> None:
        self.set_nodelay(True)  # several small messages in a row would wait for an acknowledgement of 40 ms
        talks = self.application.talks
        if len(talks) >= MOST_SESSIONS:
            self._say_now({"type": "error", "side": None,
                           "text": f"{MOST_SESSIONS} pages are open already; close one of them first"})
            self.close(1013, "too many pages")
            return
        self._talk = Conversation(secrets.token_urlsafe(9), self.application.sides, self.application.sides_pool.map)
        talks[self._talk.id] = self._talk

    async def on_message(self, text: str | bytes) -> None:
        if self._talk is None:
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        await self._take_turn(lambda: self._talk.hear(message))
        if (self._talk.running or self._talk.restoring) and (self._going is None or self._going.done()):
            self._going = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        """Frame after frame, while time goes on."""
        while self._talk.running or self._talk.restoring:
            began = time.monotonic()
            await self._take_turn(self._frame)
            rest = 0 if self._talk.restoring else 1 / FRAMES_A_SECOND - (time.monotonic() - began)
            await asyncio.sleep(max(0.001, rest))  # a click takes its turn meanwhile

    def _frame(self) -> list[Message]:
        going = self._talk.running or self._talk.restoring  # a click may have ended it meanwhile
        return self._talk.go_on() if going else []

    async def _take_turn(self, compute: Callable[[], list[Message]]) -> None:
        async with self._turn:
            told = await asyncio.get_running_loop().run_in_executor(self.application.pool, compute)
            try:
                for message in told:
                    # Waiting until it is sent keeps a slow browser from piling frames up.
                    await self.write_message(json.dumps(message, separators=(",", ":"), allow_nan=False))
            except WebSocketClosedError:
                self.on_close()

    def _say_now(self, message: Message) -> None:
        self.write_message(json.dumps(message))

    def on_close(self) -> None:
        if self._talk is not None:
            self._talk.running = self._talk.restoring = False
            self.application.talks.pop(self._talk.id, None)


class LiveApplication(Application):
    """The page, its WebSocket, and the latest frames of all sessions.

    Parameters
    ----------
    sides : pair of Configuration, optional
        What a page shows at first.

    Attributes
    ----------
    talks : dict of str to Conversation
        The sessions of the pages that are open.
    """

    def __init__(self, sides: Iterable[Configuration] | None = None):
        super().__init__(
            [(r"/live", _Live), (r"/api/state", _State), (r"/([\w.]*)", _File)],
            websocket_max_message_size=LARGEST_MESSAGE, websocket_ping_interval=20,
            log_function=lambda handler: None,
        )
        self.sides = sides
        self.talks: dict[str, Conversation] = {}
        self.pool = ThreadPoolExecutor(MOST_SESSIONS, "page")
        # Threads of their own, for a page that waits for its sides must not keep them from computing.
        self.sides_pool = ThreadPoolExecutor(2 * MOST_SESSIONS, "side")

    def shut_down(self) -> None:
        """End all sessions."""
        for talk in list(self.talks.values()):
            talk.running = talk.restoring = False
        self.pool.shutdown(cancel_futures=True)
        self.sides_pool.shutdown(cancel_futures=True)


def listen(application: LiveApplication, port: int = 0) -> tuple[HTTPServer, int]:
    """Serve on this machine only.

    Parameters
    ----------
    port : int
        0: any that is free.

    Returns
    -------
    server, port

    Raises
    ------
    InputError
        If the port cannot be had.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        reason = f"cannot be had: {os.strerror(error.errno).lower()}; --port 0 takes any that is free"
        raise InputError(reason, key="--port", value=port) from None
    listening.setblocking(False)
    server = HTTPServer(application, max_buffer_size=2**20, max_header_size=2**14)
    server.add_socket(listening)
    return server, listening.getsockname()[1]


def serve(port: int, ready: Callable[[str], None], sides: Iterable[Configuration] | None = None) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    port : int
        0: any that is free.
    ready : callable
        Called with the page's address.
    sides : pair of Configuration, optional
        What a page shows at first.

    Raises
    ------
    InputError
        If the port cannot be had.
    """
    async def main() -> None:
        application = LiveApplication(sides)
        server, had = listen(application, port)
        try:
            ready(f"http://{HOST}:{had}/")
            await asyncio.Event().wait()
        finally:
            server.stop()
            application.shut_down()

    asyncio.run(main())
