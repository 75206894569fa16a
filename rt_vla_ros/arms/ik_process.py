"""The solver's process: requests come on its standard input, answers go to its original standard output. It ends with
its input, so never later than its parent process, which handles Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys

from rt_vla_ros.arms.ik_protocol import IkMessage, IkRequest, IkSetup, Kind, frame, take

CHUNK = 65_536


def main() -> None:
    """Answers until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not mix with answers
    buffer = bytearray()
    solver = None
    while (message := _receive(buffer)) is not None:
        if message.kind is Kind.SETUP:
            try:
                from rt_vla_ros.arms.differential_ik import DifferentialIk

                setup = IkSetup.from_bytes(message.payload)
                solver = DifferentialIk(setup)
            except Exception as error:  # the user gets every exception of the libraries
                answer = IkMessage(Kind.REFUSED, message.number, _sentence(error).encode())
            else:
                answer = IkMessage(Kind.READY, message.number, _versions().encode())
        elif solver is None:
            raise SystemExit("a request was received before the setup")
        else:
            try:
                solution = solver.solve(IkRequest.from_bytes(message.payload, len(setup.joints)))
                answer = IkMessage(Kind.SOLVED, message.number, solution.to_bytes())
            except Exception as error:
                answer = IkMessage(Kind.REFUSED, message.number, _sentence(error).encode())
        _send(out, frame(answer))


def _receive(buffer: bytearray) -> IkMessage | None:
    while (message := take(buffer)) is None:
        chunk = os.read(0, CHUNK)
        if not chunk:
            return None
        buffer += chunk
    return message


def _send(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sentence(error: Exception) -> str:
    if isinstance(error, ImportError):
        return (
            f"{error} ({sys.executable}). Install the solver there with pip install pin pin-pink daqp, or set the "
            "parameter solver_python to a Python that has it"
        )
    return f"{type(error).__name__}: {error}"


def _versions() -> str:
    import numpy
    import pink
    import pinocchio

    return f"pinocchio {pinocchio.__version__}, pink {pink.__version__}, numpy {numpy.__version__}"
