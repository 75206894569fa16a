"""The server as an ASGI application: robots on WebSockets, `/health` and `/metrics` for monitoring."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rt_vla_ros.policies.remote.handshake import Hello, refuse_other
from rt_vla_ros.policies.remote.wire import (
    HEADER,
    MOST_META,
    VERSION,
    MessageKind,
    RemoteMessage,
    RemoteWireError,
    pack,
    unpack,
)
from rt_vla_ros.serving.access import RobotAccess
from rt_vla_ros.serving.metrics import FleetMetrics
from rt_vla_ros.serving.prometheus_text import CONTENT_TYPE, prometheus_text
from rt_vla_ros.serving.refusal import in_words_for_robots
from rt_vla_ros.serving.robot_session import RobotSession
from rt_vla_ros.serving.served_policy import ServedPolicy

# WebSocket close codes, RFC 6455.
POLICY_VIOLATION = 1008
HANDSHAKE = 5.0  # timeout of a robot's first message [s]
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class RobotLimits:
    """robots: most connections, in total and from one address. rate: messages per second of one robot, and burst size.

    pending: most resets and questions of one robot without an answer.
    """

    robots: int = 64
    robots_of_address: int = 64
    rate: float = 200.0
    pending: int = 8


class PolicyServer:
    """app: the ASGI application. tell: called with messages, such as when a robot connects or disconnects."""

    def __init__(
        self,
        policies: Mapping[str, ServedPolicy],
        access: RobotAccess,
        metrics: FleetMetrics,
        *,
        limits: RobotLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        """policies: loaded, by their names. clock: monotonic [s]."""
        self._policies, self._access, self._metrics = dict(policies), access, metrics
        self._limits, self._clock, self._tell = limits or RobotLimits(), clock, tell
        self._addresses: Counter[str] = Counter()
        self._asking = asyncio.Lock()
        self.app = Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/metrics", self._figures, methods=["GET"]),
                WebSocketRoute("/robot", self._robot),
            ]
        )

    @property
    def longest_message(self) -> int:
        """Longest message of a robot [bytes]."""
        return HEADER.size + MOST_META + max(one.largest_body for one in self._policies.values())

    # Monitoring -----------------------------------------------------------------------------------------------------

    async def _health(self, _request: Request) -> Response:
        """200 if every policy can decide, otherwise 503."""
        policies = {name: one.health() for name, one in self._policies.items()}
        healthy = all(one["ready"] for one in policies.values())
        body = {"healthy": healthy, "protocol": VERSION, "robots": self._addresses.total(), "policies": policies}
        return JSONResponse(body, 200 if healthy else 503, headers=HEADERS)

    async def _figures(self, request: Request) -> Response:
        status = self._status(request)
        if status != 200:
            return _plain("The metrics require the token.", status)
        return Response(prometheus_text(self._metrics), media_type=CONTENT_TYPE, headers=HEADERS)

    # Robots ----------------------------------------------------------------------------------------------------------

    def _status(self, connection: HTTPConnection) -> int:
        headers = connection.headers
        return self._access.status(headers.get("authorization"), headers.get("origin"), _address(connection))

    async def _robot(self, socket: WebSocket) -> None:
        address = _address(socket)
        status = self._status(socket)
        full = self._addresses.total() >= self._limits.robots
        if status == 200 and (full or self._addresses[address] >= self._limits.robots_of_address):
            status = 503
        if status != 200:
            self._metrics.turn_away({401: "token", 403: "origin", 429: "token", 503: "full"}[status])
            await socket.send_denial_response(_plain("The server does not accept this connection.", status))
            return
        self._addresses[address] += 1
        try:
            await socket.accept()
            await self._serve(socket, address)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it has disconnected
        finally:
            self._addresses[address] -= 1
            self._addresses += Counter()  # removes addresses without connections

    async def _serve(self, socket: WebSocket, address: str) -> None:
        try:
            first = unpack(await asyncio.wait_for(socket.receive_bytes(), HANDSHAKE), 0)
            if first.kind is not MessageKind.HELLO:
                raise RemoteWireError(f"The first message must be HELLO, not {first.kind.name}.")
            hello = Hello.read(first.meta)
            policy = self._find(hello.policy)
            refusal = refuse_other(hello, policy.name, policy.model, policy.card)
            if refusal is not None:
                raise RemoteWireError(refusal)
            session = await asyncio.wrap_future(policy.worker.call(policy.session))
        except asyncio.TimeoutError:
            self._metrics.turn_away("handshake")
            await socket.close(POLICY_VIOLATION, "The first message did not arrive in time.")
            return
        except KeyError:  # text instead of bytes
            self._metrics.turn_away("handshake")
            await socket.close(POLICY_VIOLATION, "Received text, expected bytes.")
            return
        except ValueError as error:  # a RemoteWireError, or a SharingError
            self._metrics.turn_away("handshake")
            await _refuse(socket, in_words_for_robots(error))
            return
        await socket.send_bytes(pack(RemoteMessage(MessageKind.WELCOME, first.number, policy.welcome().meta())))
        tally = self._metrics.join(hello.robot, policy.name)
        robot = RobotSession(
            socket,
            policy,
            session,
            tally,
            self._metrics,
            self._clock,
            self._asking,
            self._limits.rate,
            self._limits.pending,
        )
        self._tell(f"{hello.robot} ({address}) is served by {policy.name}.")
        try:
            await robot.run()
        finally:
            self._metrics.leave(tally)
            self._tell(f"{hello.robot} ({address}) disconnected: {robot.account()}")

    def _find(self, name: str) -> ServedPolicy:
        if not name and len(self._policies) == 1:
            return next(iter(self._policies.values()))
        if name in self._policies:
            return self._policies[name]
        there = ", ".join(self._policies)
        wanted = f"There is no policy {name!r} here" if name else "This server has several policies"
        raise RemoteWireError(f"{wanted}: name one of {there}, as in remote:HOST/NAME.")


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client is not None else ""


async def _refuse(socket: WebSocket, sentence: str) -> None:
    """Sends a message and closes; a WebSocket's close reason is limited to 123 bytes."""
    await socket.send_bytes(
        pack(RemoteMessage(MessageKind.REFUSED, 1, {"sentence": sentence[:4000], "reason": "handshake"}))
    )
    await socket.close(POLICY_VIOLATION)


def _plain(sentence: str, status: int) -> Response:
    return Response(sentence, status, media_type="text/plain; charset=utf-8", headers=HEADERS)
