"""The node's side of a solver's process: starts it, sends requests, restarts it, or gives up."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rt_vla_ros.arms.solver_messages import Kind, SolverMessage, frame, take
from rt_vla_ros.parent_process import ends_with_this_process

PACKAGE = Path(__file__).resolve().parents[1]
# It loads only this folder of the package, and nothing installed next to it.
_BOOT = (
    "import sys, types; own = types.ModuleType('rt_vla_ros'); own.__path__ = [sys.argv[1]]; "
    "sys.modules['rt_vla_ros'] = own; from importlib import import_module; "
    "import_module('rt_vla_ros.arms.' + sys.argv[2]).main()"
)
# Timeout for loading its libraries, including from a cold disk; and for an answer, until it is killed [s].
START_TIMEOUT, HANG_TIMEOUT = 30.0, 1.0
WRITE_TIMEOUT = 0.02
# Window [s] for counting starts: too many, and it is given up.
MOST_STARTS, STARTS_WITHIN = 5, 60.0
ENDED, ENDING = "has ended", 0.05  # [s]
_SOLVER_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class SolverProcess:
    """`problem`: why there is no answer now, as a sentence; None while there is one. pid: of its process; None without.
    about: what it said of itself, such as the libraries' versions. started: how often its process was started.
    """

    title = "The solver"
    module = ""  # of this package's folder `arms`, whose `main` the process runs
    remedy = ""  # what to do once the reason why it was given up is gone

    def __init__(self, setup: bytes, python: str, clock: Callable[[], float]) -> None:
        """python: the interpreter that has the libraries; empty for this one. clock: steady [s]."""
        self._setup, self._python, self._clock = setup, python or sys.executable, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._number = 0
        self._ready = self._given_up = False
        self._since = 0.0  # when it was started, or when the oldest unanswered request was sent
        self._starts: deque[float] = deque(maxlen=MOST_STARTS)
        self.problem: str | None = f"{self.title} is starting."
        self.about = ""
        self.started = 0
        self._start()

    @property
    def is_given_up(self) -> bool:
        """Whether automatic restarts have ended."""
        return self._given_up

    @property
    def pid(self) -> int | None:
        """Of its process."""
        return None if self._process is None else self._process.pid

    def poll(self) -> None:
        """Checks the process and restarts it if needed; to be called at each tick. Never waits."""
        if self._given_up:
            return
        if self._process is None:
            self._start()
            return
        while self._process is not None and (answer := self._answer(0.0)) is not None:
            self._take(answer)
        waited = self._clock() - self._since
        if self._process is None or self.problem is None or waited <= (HANG_TIMEOUT if self._ready else START_TIMEOUT):
            return
        self._lost(f"has not answered for {waited:.1f} s" if self._ready else f"did not start within {waited:.0f} s")

    def close(self) -> None:
        """Ends its process."""
        self._given_up, self.problem = True, f"{self.title} was shut down."
        self._end()

    def _start(self) -> None:
        now = self._clock()
        if len(self._starts) == MOST_STARTS and now - self._starts[0] < STARTS_WITHIN:
            self._give_up(
                f"{self.problem} It was started {MOST_STARTS} times within a minute, so it is not restarted again. "
                "Is the host overloaded?"
            )
            return
        self._starts.append(now)
        self.started += 1
        self._since, self._buffer, self._ready = now, bytearray(), False
        try:
            self._process = subprocess.Popen(
                [self._python, "-c", _BOOT, str(PACKAGE), self.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=_environment(self._python),
                start_new_session=True,
                preexec_fn=ends_with_this_process(signal.SIGKILL),
            )
        except OSError as error:
            self._give_up(f"{self.title} cannot start: {error}.")
            return
        os.set_blocking(self._process.stdin.fileno(), False)  # type: ignore[union-attr]
        self._send(SolverMessage(Kind.SETUP, 0, self._setup))

    def _take(self, answer: SolverMessage) -> None:
        """Handles messages that nobody waits for: ready, failed, or a late answer."""
        if answer.kind is Kind.READY:
            self._ready, self.problem = True, None
            self.about = text_of(answer)
        elif not self._ready:
            self._give_up(f"{self.title} cannot start: {text_of(answer)}.")
        elif answer.number == self._number:
            self.problem = None

    def _request(self, payload: bytes) -> None:
        self._number += 1
        self._since = self._clock()
        self._send(SolverMessage(Kind.SOLVE, self._number, payload))

    def _late(self, timeout: float) -> None:
        """A late answer, or another process, ends the problem."""
        if self._process is not None:
            self.problem = f"{self.title} has not answered within {1000 * timeout:.0f} ms."

    def _reply(self, timeout: float) -> SolverMessage | None:
        """The answer to the last request, if it comes within this time [s]."""
        deadline = self._clock() + timeout
        while self._process is not None and (answer := self._answer(deadline - self._clock())) is not None:
            if answer.number == self._number:
                return answer
        return None

    def _send(self, message: SolverMessage) -> None:
        """A message is far smaller than what a pipe holds."""
        assert self._process is not None
        assert self._process.stdin is not None
        data, file = frame(message), self._process.stdin.fileno()
        deadline = self._clock() + WRITE_TIMEOUT
        try:
            while data:
                try:
                    data = data[os.write(file, data) :]
                except BlockingIOError:
                    if self._clock() >= deadline:
                        self._lost("does not read its requests")
                        return
                    select.select([], [file], [], WRITE_TIMEOUT)
        except OSError:
            self._lost(ENDED)

    def _answer(self, timeout: float) -> SolverMessage | None:
        """The next message within this time [s]; None if there is none. A process that has ended counts as lost."""
        assert self._process is not None
        assert self._process.stdout is not None
        file = self._process.stdout.fileno()
        deadline = self._clock() + timeout
        while True:
            try:
                message = take(self._buffer)
            except ValueError as error:
                self._lost(f"sent an invalid message ({error})")
                return None
            if message is not None:
                return message
            left = max(0.0, deadline - self._clock())
            poll = select.poll()
            poll.register(file, select.POLLIN)
            if not poll.poll(1000 * left):
                return None
            chunk = os.read(file, 65_536)
            if not chunk:
                self._lost(ENDED)
                return None
            self._buffer += chunk

    def _lost(self, how: str) -> None:
        """It is restarted at the next poll."""
        code = self._end(kill=how != ENDED)
        self.problem = f"{self.title} {how}{code}: restarting it."

    def _give_up(self, sentence: str) -> None:
        self._end()
        self._given_up, self.problem = True, f"{sentence} {self.remedy}"

    def _end(self, *, kill: bool = True) -> str:
        """How the process ended, in parentheses, if it ended by itself."""
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that has closed its pipe is about to end
            process.wait(0.0 if kill else ENDING)
        code = process.poll()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        return "" if code is None else f" (signal {-code})" if code < 0 else f" (exit code {code})"


def text_of(answer: SolverMessage) -> str:
    """The words of a message."""
    return answer.payload.decode(errors="replace")[:500].rstrip(".")


def _environment(python: str) -> dict[str, str]:
    """Environment variables: one thread, and no sourced ROS 2 for the interpreter of another environment."""
    environment = {**os.environ, **dict.fromkeys(_SOLVER_THREADS, "1")}
    if python != sys.executable and (Path(python).parent.parent / "pyvenv.cfg").is_file():
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
            environment.pop(name, None)
    return environment
