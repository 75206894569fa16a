"""The HTTP connection to an inference engine: kept open, with deadlines for whole answers."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import ssl
import threading
from concurrent.futures import Future, wait
from dataclasses import replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.policy import PolicyLateError, PolicyLostError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.remote.tls import tls_context
from rt_vla_ros.token_file import header_token

LARGEST_ANSWER, CHUNK = 1 << 22, 1 << 16  # [bytes]
LONGEST_REASON = 300  # [characters]
ENDING = 0.1  # by then, an exchange whose connection was closed has ended [s]
SPARE = 1.0  # added to the timeouts of the socket, so that the deadline comes first [s]


class EngineLateError(PolicyLateError):
    """The engine has not answered in time; its answer is never read."""


class AnswerTooLargeError(Exception):
    """The answer is larger than LARGEST_ANSWER."""


class EngineClient:
    """One request at a time, over one connection that is kept open. Redirects are not followed, proxies not used.

    An answer that is late has nowhere to go: its connection is closed, which also tells the engine to stop.
    """

    def __init__(self, config: EngineConfig, settings: RemoteSettings) -> None:
        """Raises ValueError for unusable token and certificate files, and for a token that anyone could read."""
        if settings.ca and not config.encrypted:
            raise ValueError(f"remote_ca is for TLS, but the engine's url is {config.url}: use https.")
        if settings.token_file and not (config.encrypted or config.on_this_machine or config.plain_http):
            raise ValueError(
                f"The token would be sent to {config.place} without TLS, and anyone on the network path could read it. "
                "Use an https url, or set plain_http: true in engine.json if the network is trusted."
            )
        self._config = config
        self._tls = tls_context(replace(settings, ca=settings.ca or "system")) if config.encrypted else None
        self._has_token = bool(settings.token_file)
        token = {"Authorization": f"Bearer {header_token(settings.token_file)}"} if settings.token_file else {}
        self._headers = {"Content-Type": "application/json", **token}
        self._line: _Line | None = None
        self._working: threading.Thread | None = None

    def post(self, body: bytes, timeout: float) -> bytes:
        """Sends a JSON request; returns the body of an answer with the status 200.

        Raises EngineLateError after `timeout` [s], PolicyLostError for any other answer and for a lost connection.
        """
        late = f"The engine at {self._config.place} has not answered within {timeout:.3g} s; a later answer is ignored."
        if timeout <= 0 or self._still_working():
            raise EngineLateError(late)
        line = self._line = self._line or _Line(self._connection())
        future: Future[tuple[int, bytes]] = Future()
        # A thread, because neither name resolution nor an answer that trickles in ends by a timeout of the socket.
        work = (line, self._config.path, body, self._headers, timeout + SPARE, future)
        self._working = threading.Thread(target=_exchange, args=work, name="engine", daemon=True)
        self._working.start()
        if not wait([future], timeout).done:
            self.close()
            raise EngineLateError(late)
        try:
            status, data = future.result()
        except TimeoutError as error:
            self.close()
            raise EngineLateError(late) from error
        except (OSError, HTTPException, AnswerTooLargeError) as error:
            self.close()
            raise PolicyLostError(self._unreachable(error)) from error
        if status != 200:
            raise PolicyLostError(self._refused(status, data))
        return data

    def close(self) -> None:
        """Closes the connection without waiting; the next request opens another one."""
        line, self._line = self._line, None
        if line is not None:
            line.give_up()

    def _still_working(self) -> bool:
        """Whether an exchange that was given up has not ended, such as one amid the resolution of a name."""
        if self._working is not None:
            self._working.join(ENDING)
        return self._working is not None and self._working.is_alive()

    def _connection(self) -> HTTPConnection:
        where = (self._config.host, self._config.port)
        return HTTPConnection(*where) if self._tls is None else HTTPSConnection(*where, context=self._tls)

    def _unreachable(self, error: Exception) -> str:
        place = self._config.place
        if isinstance(error, AnswerTooLargeError):
            return f"The engine at {place} sent an answer of more than {LARGEST_ANSWER:,} bytes; it is not read."
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"No trusted engine at {place}: {error.verify_message}. See remote_ca."
        if isinstance(error, HTTPException) and not isinstance(error, OSError):
            return f"The server at {place} does not answer in HTTP as expected ({_plain(str(error) or repr(error))})."
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return f"The engine at {place} cannot be reached ({_plain(reason)}): does it run there, with this port?"

    def _refused(self, status: int, data: bytes) -> str:
        who, said = f"The engine at {self._config.place}", _said(data)
        if status in (401, 403):
            other = "another token than the one in remote_token_file"
            given = other if self._has_token else "a token: give the path of a file with it as remote_token_file"
            return f"{who} requires {given} (HTTP status {status})."
        if status == 404:
            model = f"does not have the model {self._config.model!r}, or no chat completions at {self._config.path}"
            return f"{who} {model} (HTTP status 404){said}"
        if status == 429:
            return f"{who} is overloaded or limits the rate of requests (HTTP status 429){said}"
        if 300 <= status < 400:
            return f"{who} redirects to another address (HTTP status {status}), which is not followed: correct the url."
        if status < 500:
            return f"{who} refuses the request (HTTP status {status}){said}"
        return f"{who} has failed (HTTP status {status}){said}"


class _Line:
    """A connection, and whether it was given up."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection, self._given_up = connection, False

    def give_up(self) -> None:
        """Ends the exchange that may be running in another thread."""
        self._given_up = True
        current: socket.socket | None = self._connection.sock
        if current is not None:
            with contextlib.suppress(OSError):  # already closed
                # Not SSLSocket's, which first drops its encryption: the other thread would then send in plain text.
                socket.socket.shutdown(current, socket.SHUT_RDWR)
            current.close()

    def exchange(self, path: str, body: bytes, headers: dict[str, str], timeout: float) -> tuple[int, bytes]:
        """Sends a request; returns status and body of its answer. timeout: of each operation of the socket [s]."""
        connection = self._connection
        connection.timeout = timeout
        if connection.sock is not None and _has_unread(connection.sock):
            connection.close()
        kept_open = connection.sock is not None
        if kept_open:
            connection.sock.settimeout(timeout)
        try:
            return self._exchange(path, body, headers)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            connection.close()
            if not kept_open or self._given_up:
                raise
        return self._exchange(path, body, headers)  # the server had closed the idle connection

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection.sock is None:
            self._connection.connect()
        if self._given_up:  # meanwhile: nothing is sent
            raise ConnectionAbortedError
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        data = bytearray()
        while chunk := response.read1(CHUNK):
            data += chunk
            if self._given_up:
                raise ConnectionAbortedError
            if len(data) > LARGEST_ANSWER:
                raise AnswerTooLargeError
        if response.length:
            raise ConnectionResetError("it ended during an answer")
        response.close()  # read1 does not notice the end, and the connection could not be used again
        return response.status, bytes(data)


def _exchange(
    line: _Line, path: str, body: bytes, headers: dict[str, str], timeout: float, future: Future[tuple[int, bytes]]
) -> None:
    """Runs in a thread of its own; the future may have nobody left who waits for it."""
    try:
        future.set_result(line.exchange(path, body, headers, timeout))
    except Exception as error:  # told by the thread that waits
        future.set_exception(error)


def _has_unread(idle: socket.socket) -> bool:
    """Whether the server has closed a connection, or has sent what would be read as the answer to the next request."""
    if isinstance(idle, ssl.SSLSocket) and idle.pending():
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(idle, selectors.EVENT_READ)
        return bool(selector.select(0))


def _said(data: bytes) -> str:
    """The end of a sentence, with the reason in the body of a refusal if there is one."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return "."
    error = body.get("error", body.get("detail", body.get("message"))) if isinstance(body, dict) else None
    reason = error.get("message") if isinstance(error, dict) else error
    return f": {_plain(reason)}" if isinstance(reason, str) and reason.strip() else "."


def _plain(text: str) -> str:
    """The beginning of a server's text, in one printable line."""
    line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:LONGEST_REASON]
