"""Runs the server in its own thread, beside a node."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
from asyncio import BaseTransport, TimerHandle
from typing import Any

import uvicorn
import websockets  # noqa: F401  # without it uvicorn serves the page, but none of its connections
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from rt_vla_ros.console.requests import LONGEST_MESSAGE
from rt_vla_ros.loopback import is_loopback
from rt_vla_ros.os_error import in_words

MOST_CONNECTIONS = 256  # more would use up the file descriptors of the process
IDLE = 5  # an idle connection is closed after this time [s]
SLOWEST_REQUEST = 10  # timeout of a request's head, against slow senders [s]
FAREWELL = 1.0  # grace period for the server to shut down [s]
MOST_TRIES = 20  # for a port that is free at all addresses of a host
# An address that this machine does not have, such as ::1 without IPv6.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class _BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Anybody on the network can open connections, also who cannot log in: uvicorn takes all, and waits forever."""

    _slow: TimerHandle | None = None  # runs while the head of a request is received

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.transport.abort()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waits = self in self.connections and (self.cycle is None or self.cycle.response_complete)
        if waits and self._slow is None:
            self._slow = self.loop.call_later(SLOWEST_REQUEST, self.transport.abort)
        elif not waits:
            self._forget_slow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_slow()
        super().connection_lost(exc)

    def _forget_slow(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


class WebThread:
    """port: on which it listens. alive: whether it still does."""

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        certificate: str = "",
        key: str = "",
        *,
        longest_message: int = LONGEST_MESSAGE,
        **settings: Any,
    ) -> None:
        """port 0: any that is free. longest_message: of a WebSocket [bytes]. settings: further ones of uvicorn.Config.

        Raises ValueError, with a message, if it cannot listen.
        """
        self._sockets = _listen(host, port)
        self.port = int(self._sockets[0].getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="on",
            proxy_headers=False,  # anybody can forge them, and wrong tokens are counted by address
            http=_BoundedProtocol,
            timeout_keep_alive=IDLE,
            ws_max_size=longest_message,
            ws_per_message_deflate=False,  # JPEGs do not shrink, and a STOP would wait for it
            ssl_certfile=certificate or None,
            ssl_keyfile=key or None,
            timeout_graceful_shutdown=1,
            **settings,
        )
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # the node reports what the user needs to know
        try:
            config.load()
        except OSError as error:  # and ssl.SSLError
            _close(self._sockets)
            why = str(error) if isinstance(error, ssl.SSLError) else in_words(error)
            raise ValueError(f"The certificate {certificate!r} with the key {key!r} cannot be used: {why}") from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": self._sockets}, name="web server", daemon=True
        )

    def start(self) -> None:
        """Starts serving."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it is still running."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Shuts down and notifies its pages."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(FAREWELL)
            self._server.force_exit = True
        _close(self._sockets)


def _listen(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host: a browser that tries the other address of localhost must not find a
    different page.
    """
    for tries in reversed(range(1 if port else MOST_TRIES)):
        listening: list[socket.socket] = []
        try:
            addresses = _addresses(host)
            for address in addresses:
                try:
                    listening.append(_listener(*address, listening[0].getsockname()[1] if listening else port))
                except OSError as error:
                    if error.errno not in _NOT_HERE or (address == addresses[-1] and not listening):
                        raise
            return listening
        except OSError as error:
            _close(listening)
            if tries and error.errno == errno.EADDRINUSE:
                continue  # the port that is free at one address is taken at another
            why = error.strerror or str(error)
            raise ValueError(
                f"The web server cannot listen on {host!r}, port {port} ({why}): is the port in use? Set another "
                "one, with the parameter 'port' of a console or --port of a command."
            ) from error
    raise AssertionError("unreachable")


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Those of IPv4 first. Raises OSError."""
    there = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    found = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in there)
    # A server without a token must not be reachable from elsewhere, whatever the hosts file says.
    inside = [one for one in found if not is_loopback(host) or is_loopback(one[1])]
    if not inside:
        raise OSError(errno.EADDRNOTAVAIL, "it is not a loopback address")
    return sorted(inside, key=lambda one: one[0] != socket.AF_INET)


def _listener(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is given; otherwise an answer after a pong waits for its ACK, 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()
