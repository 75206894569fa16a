"""The loop of a solver's process: requests come on its standard input, answers go to its original standard output. It
ends with its input, so never later than its parent process, which handles Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from rt_vla_ros.arms.solver_messages import Kind, SolverMessage, frame, take

CHUNK = 65_536
Answering = Callable[[bytes], bytes]


def answer_requests(set_up: Callable[[bytes], tuple[Answering, str]], remedy: str) -> None:
    """Answers until the input ends.

    set_up: from the payload of a setup to what answers the requests, and a text about it. remedy: what to do where a
    library is missing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not mix with answers
    buffer = bytearray()
    answering: Answering | None = None
    while (message := _receive(buffer)) is not None:
        if answering is None and message.kind is not Kind.SETUP:
            raise SystemExit("a request was received before the setup")
        try:
            if message.kind is Kind.SETUP:
                answering, about = set_up(message.payload)
                answer = SolverMessage(Kind.READY, message.number, about.encode())
            else:
                assert answering is not None
                answer = SolverMessage(Kind.SOLVED, message.number, answering(message.payload))
        except Exception as error:  # the user gets every exception of the libraries
            answer = SolverMessage(Kind.REFUSED, message.number, _sentence(error, remedy).encode())
        _send(out, frame(answer))


def _receive(buffer: bytearray) -> SolverMessage | None:
    while (message := take(buffer)) is None:
        chunk = os.read(0, CHUNK)
        if not chunk:
            return None
        buffer += chunk
    return message


def _send(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sentence(error: Exception, remedy: str) -> str:
    if isinstance(error, ImportError):
        return f"{error} ({sys.executable}). {remedy}"
    return f"{type(error).__name__}: {error}"
