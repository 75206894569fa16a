"""A robot that sends a server whatever a test wants."""

from __future__ import annotations

from support.fleet_policies import CARD, view
from support.policy_server import RunningServer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from rt_vla_ros.policies.remote.handshake import Hello
from rt_vla_ros.policies.remote.image_wire import encode_images
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage, pack, unpack

PATIENCE = 30.0


class Stranger:
    """Says what it likes to a server."""

    def __init__(self, server: RunningServer, *, hello: bool = True) -> None:
        self._opening = connect(f"ws://127.0.0.1:{server.port}/robot", compression=None, max_size=None)
        self.socket: ClientConnection = self._opening.__enter__()
        if hello:
            assert (
                self.ask(RemoteMessage(MessageKind.HELLO, 1, Hello("", "stranger").meta())).kind is MessageKind.WELCOME
            )

    def ask(self, message: RemoteMessage) -> RemoteMessage:
        self.socket.send(pack(message))
        return self.hear()

    def hear(self) -> RemoteMessage:
        data = self.socket.recv(timeout=PATIENCE)
        assert isinstance(data, bytes)
        return unpack(data, 1 << 20)

    def gone(self) -> bool:
        try:
            while True:
                self.socket.recv(timeout=PATIENCE)
        except ConnectionClosed:
            return True

    def act(self, **changes: object) -> RemoteMessage:
        described, body = encode_images(view().images, CARD)
        meta = {"stamp": 0.0, "state": None, "images": described, "budget": 20.0, "trip": 0.0, **changes}
        return self.ask(RemoteMessage(MessageKind.ACT, 2, meta, body))
