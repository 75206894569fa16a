"""The web server: the page's files, a login, and two WebSockets: one for messages, one for the cameras."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import secrets
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rt_vla_ros.console.access import COOKIE, PageAccess
from rt_vla_ros.console.assets import HEADERS, PUBLIC, Asset, read_assets
from rt_vla_ros.console.board import Board
from rt_vla_ros.console.frames import FrameHub
from rt_vla_ros.console.requests import FOR_ALL, BadRequest, PageRequest, Reply, read_request
from rt_vla_ros.console.seat import Seat
from rt_vla_ros.console.stick import PageStick
from rt_vla_ros.token_file import LONGEST_TOKEN

PERIOD = 0.1  # between two states [s]
GONE = 10.0  # a page that sends or accepts nothing for this long is disconnected [s]
MOST_PAGES = 16
MOST_WAITING = 32  # requests of a page without an answer
LOGIN_PERIOD = 0.5  # between two checks whether a page is still logged in [s]
LATEST = 2.0  # round-trip time allowed for requests other than a stop [s]
LONGEST_LOGIN = 4 * LONGEST_TOKEN  # [bytes]
# Of a WebSocket that is closed, by RFC 6455.
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013
# Raised if a page is gone or sends bytes instead of text.
_GONE = (WebSocketDisconnect, asyncio.TimeoutError, KeyError, RuntimeError, OSError)
CLIP = "application/octet-stream"
TOO_LATE = (
    f"Rejected: the round trip to the page took more than {LATEST:g} s, so the request may be outdated. Try again."
)
LOGGED_OUT = "The login has expired."
FULL = f"{MOST_PAGES} pages are open, the maximum of this server."


class ArmLink(Protocol):
    """The node's interface for the page in control; answers come within its own time limits."""

    async def carry_out(self, request: PageRequest) -> Reply:
        """Executes a request."""
        ...


class PageServer:
    """failure: why the page gets no more data, as a sentence; None otherwise."""

    def __init__(
        self,
        rules: PageAccess,
        board: Board,
        frames: FrameHub,
        stick: PageStick,
        link: ArmLink,
        clock: Callable[[], float],
    ) -> None:
        """board, frames, stick: shared with the node. clock: steady [s]."""
        self.failure: str | None = None
        self._rules, self._board, self._frames, self._stick = rules, board, frames, stick
        self._link, self._clock = link, clock
        self._assets, self._seat = read_assets(), Seat()
        self._pages: set[str] = set()
        self._answers: set[asyncio.Task[None]] = set()
        self._viewers = 0
        self._state, self._next = "{}", asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/login", self._log_in, methods=["POST"]),
                Route("/{name}", self._file, methods=["GET"]),
                Route("/clips/{number:int}", self._clip, methods=["GET"]),
                WebSocketRoute("/say", self._say),
                WebSocketRoute("/look", self._look),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._frames.run())]
        for task in tasks:
            task.add_done_callback(self._on_ended)
        yield
        for task in tasks:
            task.cancel()

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = f"The page's server failed: {type(error).__name__}: {error}."

    async def _tick(self) -> None:
        """The state is serialized once for all pages."""
        while True:
            at = self._clock()
            if self._seat.look(at):
                self._stick.let_go("No messages from the page in control.")
                self._stick.arm(False)
            state = self._board.snapshot(at)
            state["pages"] = len(self._pages)
            state["stick"] = {"armed": self._stick.armed, "held": self._stick.held, "problem": self._stick.problem}
            self._state = _json(state)
            due, self._next = self._next, asyncio.Event()
            due.set()
            await asyncio.sleep(PERIOD)

    # Files and the login ---------------------------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        if (refusal := self._rules.refuse_host(request.headers.get("host"))) is not None:
            return _plain(refusal, 421)
        return _send(self._assets["index.html" if self._is_known(request) else "login.html"])

    async def _file(self, request: Request) -> Response:
        if (refusal := self._rules.refuse_host(request.headers.get("host"))) is not None:
            return _plain(refusal, 421)
        name = request.path_params["name"]
        if name not in PUBLIC and not self._is_known(request):
            return _plain("Log in first.", 403)
        asset = self._assets.get(name)
        return _plain("File not found.", 404) if asset is None else _send(asset)

    async def _clip(self, request: Request) -> Response:
        """Pictures of one of the last runs, see Runs.clip."""
        if (refusal := self._rules.refuse_host(request.headers.get("host"))) is not None:
            return _plain(refusal, 421)
        if not self._is_known(request):
            return _plain("Log in first.", 403)
        clip = self._board.runs.clip(request.path_params["number"])
        return _plain("Clip not found.", 404) if clip is None else _send(Asset(clip, CLIP))

    async def _log_in(self, request: Request) -> Response:
        if (refusal := self._refuse(request)) is not None:
            return _plain(refusal, 403)
        given = b""
        async for part in request.stream():
            given += part
            if len(given) > LONGEST_LOGIN:
                return _plain("Invalid token.", 413)
        address = request.client.host if request.client else ""
        secret = self._rules.log_in(given.decode(errors="replace"), address, self._clock())
        if secret is None:
            return _plain("Wrong token, or too many attempts: wait some seconds.", 403)
        answer = _plain("Logged in.", 200)
        encrypted = self._rules.encrypted
        answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=encrypted, path="/")
        return answer

    def _refuse(self, request: HTTPConnection) -> str | None:
        host = request.headers.get("host")
        return self._rules.refuse_host(host) or self._rules.refuse_origin(request.headers.get("origin"), host)

    def _is_known(self, request: HTTPConnection) -> bool:
        return self._rules.is_known(request.cookies, self._clock())

    async def _until_logged_out(self, socket: WebSocket) -> None:
        """Extends the login of an open page; closes the page if the login was ended otherwise."""
        while self._is_known(socket):
            await asyncio.sleep(LOGIN_PERIOD)
        await socket.close(POLICY_VIOLATION, LOGGED_OUT)

    async def _admit(self, socket: WebSocket) -> bool:
        """A refused WebSocket is closed before it is opened: the page sees a 403."""
        if self._refuse(socket) is None and self._is_known(socket):
            await socket.accept()
            return True
        await socket.close(POLICY_VIOLATION)
        return False

    # Messages --------------------------------------------------------------------------------------------------------

    async def _say(self, socket: WebSocket) -> None:
        if not await self._admit(socket):
            return
        if len(self._pages) >= MOST_PAGES:
            await socket.close(TRY_AGAIN_LATER, FULL)
            return
        page = secrets.token_hex(8)
        self._pages.add(page)
        self._seat.join(page, self._clock())
        talk = _Talk(socket, page)
        try:
            await _first_to_end(self._hear(talk), self._tell(talk), self._until_logged_out(socket))
        finally:
            self._pages.discard(page)
            if self._seat.leave(page):
                self._stick.let_go("The page in control was closed.")
                self._stick.arm(False)

    async def _tell(self, talk: _Talk) -> None:
        """Sends the newest state whenever there is one; skips intermediate ones."""
        while True:
            await self._next.wait()
            you: dict[str, Any] = {"controls": self._seat.holder == talk.page, "taken": self._seat.holder is not None}
            you |= {"told": round(1000 * self._clock(), 3), "trip": talk.trip}
            await talk.send(f'{{"kind":"state","you":{_json(you)},"state":{self._state}}}')

    async def _hear(self, talk: _Talk) -> None:
        while True:
            message = await asyncio.wait_for(talk.socket.receive_text(), GONE)
            at = self._clock()
            try:
                request = read_request(message)
            except BadRequest as error:
                await talk.send(_json({"kind": "refused", "sentence": str(error)}))
                continue
            self._seat.hear(talk.page, at)
            if request.kind == "heartbeat":
                trip = request.trip(at)
                talk.trip = round(1000 * trip, 1) if trip < math.inf else None
            elif request.kind == "stick":
                if self._seat.holder == talk.page:
                    self._stick.say(request.stick, at, trip=request.trip(at))
            elif talk.waiting >= MOST_WAITING and request.kind != "stop":
                await talk.send(_json({"kind": "refused", "sentence": "Too many pending requests."}))
            else:
                # Requests are executed even if their page is gone: above all a stop.
                task = asyncio.create_task(self._answer(talk, request, request.trip(at)))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    async def _answer(self, talk: _Talk, request: PageRequest, trip: float) -> None:
        talk.waiting += 1
        try:
            ok, sentence = await self._do(talk.page, request, trip)
        finally:
            talk.waiting -= 1
        answer = {"kind": "answer", "number": request.number, "ok": ok, "sentence": sentence}
        with contextlib.suppress(Exception):  # the page is gone
            await talk.send(_json(answer))

    async def _do(self, page: str, request: PageRequest, trip: float) -> Reply:
        """trip: round-trip time of the request [s]: a request delayed in a stalled connection must not move the arm."""
        if request.kind not in FOR_ALL:
            refusal = self._seat.refuse(page) or (TOO_LATE if trip > LATEST else None)
            if refusal is not None:
                return Reply(False, refusal)
        if request.kind == "take_control":
            refusal = self._seat.take(page, self._clock(), moving=self._stick.held)
            if refusal is not None:
                return Reply(False, refusal)
            self._stick.arm(False)
            return Reply(True, "This page is in control.")
        if request.kind == "arm_stick":
            self._stick.arm(request.flag)
            return Reply(True, "Hold the stick to move the arm." if request.flag else "The stick is off.")
        return await self._link.carry_out(request)

    # Cameras ---------------------------------------------------------------------------------------------------------

    async def _look(self, socket: WebSocket) -> None:
        """Sends one picture at a time: the next one after the page has drawn the last."""
        if not await self._admit(socket):
            return
        if self._viewers >= MOST_PAGES:
            await socket.close(TRY_AGAIN_LATER, FULL)
            return
        self._viewers += 1
        try:
            with self._frames.viewer():
                await _first_to_end(self._show(socket), self._until_logged_out(socket))
        finally:
            self._viewers -= 1

    async def _show(self, socket: WebSocket) -> None:
        seen: dict[str, int] = {}
        while True:
            newest = asyncio.ensure_future(self._frames.next(seen))
            said = asyncio.ensure_future(socket.receive())
            try:
                await asyncio.wait({newest, said}, return_when=asyncio.FIRST_COMPLETED)
                if said.done():
                    return  # it is gone, or sends something before the first picture
                frame = newest.result()
                seen[frame.camera] = frame.number
                head = _json({"camera": frame.camera, "number": frame.number}).encode()
                sending = socket.send_bytes(struct.pack(">H", len(head)) + head + frame.jpeg)
                await asyncio.wait_for(sending, GONE)
                if (await asyncio.wait_for(said, GONE))["type"] == "websocket.disconnect":
                    return
            finally:
                newest.cancel()
                said.cancel()


class _Talk:
    """One page's WebSocket. trip: round-trip time to the page [ms]; None: unknown yet."""

    def __init__(self, socket: WebSocket, page: str) -> None:
        self.socket, self.page = socket, page
        self.trip: float | None = None
        self.waiting = 0  # requests without an answer
        self._sending = asyncio.Lock()

    async def send(self, text: str) -> None:
        """Raises TimeoutError if the page accepts no data."""
        async with self._sending:
            await asyncio.wait_for(self.socket.send_text(text), GONE)


async def _first_to_end(*parts: Any) -> None:
    """Runs them until the first ends, as all do when the page is gone; the others are canceled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception) and not isinstance(error, _GONE):
            raise error


def _json(data: Any) -> str:
    """Raises ValueError for a number that JSON does not support."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _send(asset: Asset) -> Response:
    return Response(asset.content, media_type=asset.media_type, headers=HEADERS)


def _plain(sentence: str, status: int) -> Response:
    return Response(sentence, status, media_type="text/plain; charset=utf-8", headers=HEADERS)
