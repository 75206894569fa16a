"""A robot's connection to its policy server. Thread-safe; messages are read in a separate thread."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
except ImportError as error:
    raise ImportError(f"A remote policy needs websockets: pip install 'rt_vla_ros[remote]' ({error}).") from error
from websockets.sync.client import ClientConnection, connect

from rt_vla_ros.policies.policy import PolicyLostError
from rt_vla_ros.policies.remote.address import RemoteAddress
from rt_vla_ros.policies.remote.handshake import Hello, Welcome
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.remote.tls import tls_context
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage, RemoteWireError, pack, unpack
from rt_vla_ros.token_file import header_token

OPENING = 3.0  # timeout of the first answer [s]
PING, PONG = 1.0, 3.0  # interval and timeout of WebSocket pings [s]
LARGEST_ANSWER = 1 << 22  # [bytes]


class RemoteRefusedError(PolicyLostError):
    """The server refuses this robot; the message says why."""


class NoAnswerError(ValueError):
    """No answer in time; a late one is dropped."""


class RemoteConnection:
    """welcome: the server's first message. lost: why the connection was lost, in a sentence; None while it is open."""

    def __init__(self, address: RemoteAddress, settings: RemoteSettings, hello: Hello) -> None:
        """Raises PolicyLostError, RemoteRefusedError, and ValueError for unusable certificate or token files."""
        self._place = address.place
        self.lost: str | None = None
        self._socket = _open(address, settings)
        self._changed = threading.Condition()
        self._answers: dict[int, RemoteMessage | None] = {}
        self._sending = threading.Lock()
        self._number = 0
        self._heard = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="policy server", daemon=True)
        self._reader.start()
        try:
            answer = self.ask(MessageKind.HELLO, hello.meta(), timeout=OPENING)
            if answer.kind is not MessageKind.WELCOME:
                raise RemoteRefusedError(refusal_of(answer))
            self.welcome = Welcome.read(answer.meta)
        except NoAnswerError as error:
            self.close()
            raise PolicyLostError(f"The server at {self._place} does not respond like a policy server.") from error
        except RemoteWireError as error:
            self.close()
            raise RemoteRefusedError(f"The policy server at {self._place} cannot be used: {error}") from error
        except PolicyLostError:
            self.close()
            raise

    @property
    def silence(self) -> float:
        """Time since the last message [s]."""
        return time.monotonic() - self._heard

    def ask(self, kind: MessageKind, meta: Mapping[str, Any], body: bytes = b"", *, timeout: float) -> RemoteMessage:
        """Sends a request and returns the answer.

        Raises NoAnswerError after `timeout` [s], PolicyLostError, RemoteWireError for a message that is too large.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._number = (self._number + 1) % 2**32
            number = self._number
            self._answers[number] = None
        try:
            data = pack(RemoteMessage(kind, number, meta, body))
            self._send(data)
            with self._changed:
                while (answer := self._answers[number]) is None:
                    if self.lost is not None:
                        raise PolicyLostError(self.lost)
                    left = until - time.monotonic()
                    if left <= 0:
                        raise NoAnswerError(f"The policy server at {self._place} has not answered in {timeout:.3g} s.")
                    self._changed.wait(left)
                return answer
        finally:
            with self._changed:
                self._answers.pop(number, None)

    def close(self) -> None:
        """Closes the connection without waiting for the server."""
        self.lose("The connection was closed.")

    def lose(self, sentence: str) -> None:
        """Closes the connection; sentence: the reason."""
        self._lose(sentence)
        _shut(self._socket)

    def _send(self, data: bytes) -> None:
        if self.lost is not None:
            raise PolicyLostError(self.lost)
        try:
            with self._sending:
                self._socket.send(data)
        except (ConnectionClosed, OSError) as error:
            self._lose(self._why(error))
            raise PolicyLostError(self.lost or "") from error

    def _read(self) -> None:
        try:
            while True:
                data = self._socket.recv()
                self._heard = time.monotonic()
                if isinstance(data, str):
                    raise RemoteWireError("It sent a text message, expected bytes.")
                answer = unpack(data, LARGEST_ANSWER)
                with self._changed:
                    if answer.number in self._answers:
                        self._answers[answer.number] = answer
                        self._changed.notify_all()
        except (ConnectionClosed, OSError) as error:
            self._lose(self._why(error))
        except RemoteWireError as error:
            self._lose(f"The policy server at {self._place} sent an invalid message: {error}")
            _shut(self._socket)

    def _why(self, error: Exception) -> str:
        reason = error.rcvd.reason if isinstance(error, ConnectionClosed) and error.rcvd is not None else ""
        said = f": {reason}" if reason else "."
        return f"The connection to the policy server at {self._place} was lost{said}"

    def _lose(self, sentence: str) -> None:
        with self._changed:
            self.lost = self.lost or sentence
            self._changed.notify_all()


def refusal_of(answer: RemoteMessage) -> str:
    """The error message in an unexpected answer."""
    sentence = answer.meta.get("sentence")
    return sentence[:2000] if isinstance(sentence, str) else f"The policy server answers with {answer.kind.name}."


def _shut(connection: ClientConnection) -> None:
    """Closes at once: a WebSocket close handshake would wait for a server that may be gone."""
    with contextlib.suppress(OSError):  # already closed
        connection.socket.shutdown(socket.SHUT_RDWR)


def _open(address: RemoteAddress, settings: RemoteSettings) -> ClientConnection:
    headers = {"Authorization": f"Bearer {header_token(settings.token_file)}"} if settings.token_file else {}
    tls = tls_context(settings)
    url = f"{'ws' if tls is None else 'wss'}://{address.place}/robot"
    try:
        opening = connect(
            url,
            ssl=tls,
            additional_headers=headers,
            proxy=None,
            compression=None,
            open_timeout=OPENING,
            ping_interval=PING,
            ping_timeout=PONG,
            close_timeout=1.0,
            max_size=LARGEST_ANSWER,
        )
        return opening.__enter__()  # ended by `close`; leaving the context manager would wait for the server
    except InvalidStatus as error:
        status = error.response.status_code
        raise RemoteRefusedError(_refused(address, settings, status)) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise PolicyLostError(_unreachable(address, tls is not None, error)) from error


def _refused(address: RemoteAddress, settings: RemoteSettings, status: int) -> str:
    if status == 401:
        given = "another token than the one in remote_token_file" if settings.token_file else "a token"
        cure = "" if settings.token_file else ": give the path of a file with it as remote_token_file"
        return f"The policy server at {address.place} requires {given}{cure}."
    if status == 429:
        return (
            f"The policy server at {address.place} received several wrong tokens from this machine's address and "
            "blocks it for some seconds."
        )
    if status == 503:
        return f"The policy server at {address.place} has reached its maximum number of robots."
    return f"The server at {address.place} is not a policy server: it answers with the HTTP status {status}."


def _unreachable(address: RemoteAddress, encrypted: bool, error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"No trusted policy server at {address.place}: {error.verify_message}. See remote_ca."
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        reason = error.strerror or str(error)
    else:
        reason = "no answer" if isinstance(error, TimeoutError) else str(error)
    # TLS 1.3 reports a missing client certificate only after the handshake.
    cure = ", and does it take remote_certificate" if encrypted else ", and without TLS (otherwise set remote_ca)"
    return f"No policy server answers at {address.place} ({reason}): does `rt-vla serve` run there{cure}?"
