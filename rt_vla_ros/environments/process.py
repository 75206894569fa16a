"""Client of an environment's process: starts it, sends requests, and ends it after a crash or timeout."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rt_vla_ros.environments.environment import EnvironmentFailure, EnvironmentRefusal
from rt_vla_ros.environments.worker.pipe import pack, receive
from rt_vla_ros.sim.rendering import choose_library

ANSWER_TIME, START_TIME = 120.0, 600.0  # [s]; imports, textures and the drawing of starts take long on a busy machine
PACKAGE = Path(__file__).resolve().parents[1]
# There, the package of this name is only this folder, without its imports or this Python's packages.
BOOTSTRAP = (
    "import runpy, sys, types; package = types.ModuleType('rt_vla_ros'); package.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['rt_vla_ros'] = package; "
    "runpy.run_module('rt_vla_ros.environments.worker.main', run_name='__main__', alter_sys=True)"
)
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
TAIL = 600  # of what it said last [characters]


class EnvironmentProcess:
    """Starts with the first request, and again with the first one after a crash."""

    def __init__(self, python: Path, kind: str, name: str, answer_time: float = ANSWER_TIME) -> None:
        """python: the environment's interpreter. kind: of the worker. answer_time: timeout [s]."""
        self._python, self._kind, self._name, self._answer_time = python, kind, name, answer_time
        self._process: subprocess.Popen[bytes] | None = None
        self._said: BinaryIO | None = None

    @property
    def runs(self) -> bool:
        """Whether the process is believed to be running."""
        return self._process is not None

    def ask(self, operation: str, *, most: float | None = None, **values: Any) -> tuple[Mapping[str, Any], bytes]:
        """Send a request; return the answer and its raw bytes. most: timeout [s].

        Raises EnvironmentFailure after a crash or timeout, and for a step that raised an exception; EnvironmentRefusal
        for a refusal.
        """
        process = self._process or self._start()
        deadline = time.monotonic() + (most or self._answer_time)
        try:
            assert process.stdin is not None
            process.stdin.write(pack({"op": operation, **values}))
            process.stdin.flush()
            header, body = receive(lambda count: self._read(process, count, deadline))
        except (OSError, EOFError, ValueError) as error:
            said = self._end()
            code = process.returncode
            what = (
                f"did not answer within {most or self._answer_time:g} s"
                if isinstance(error, TimeoutError)
                else (
                    f"ended by itself ({f'signal {-code}' if code is not None and code < 0 else f'exit code {code}'})"
                )
            )
            raise EnvironmentFailure(f"The process of {self._name} {what}.{said}") from error
        except BaseException:  # Ctrl-C: the answer that is under way would be taken for the next one
            self._end()
            raise
        if "failure" in header:
            raise EnvironmentFailure(f"{self._name} failed in this episode: {header['failure']}")
        if "error" in header:
            raise EnvironmentRefusal(f"{self._name}: {header['error']}")
        return header, body

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        variables = {key: value for key, value in os.environ.items() if key not in OURS}
        variables["MUJOCO_GL"] = choose_library()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        self._process = subprocess.Popen(
            [str(self._python), "-c", BOOTSTRAP, str(PACKAGE), self._kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=variables,
            bufsize=0,
        )
        return self._process

    def _read(self, process: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
        assert process.stdout is not None
        data = bytearray()
        while len(data) < count:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(process.stdout.fileno(), count - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return bytes(data)

    def _end(self) -> str:
        """Kill the process; return its last output as a sentence."""
        process, self._process = self._process, None
        assert process is not None
        assert self._said is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.wait(0.2)  # one that crashed has its exit code then
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        return f" Last output: {lines[-1][:TAIL]}" if lines else ""
