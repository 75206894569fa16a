"""A private ROS graph on this machine: nothing on it reaches a robot, and no process is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rt_vla_ros.live.held_port import HeldPort
from rt_vla_ros.parent_process import ends_with_this_process

GRACE = 4.5  # time for processes to end by themselves [s]
# Variables that could lead elsewhere: another Zenoh configuration, a discovery server, a static peer.
LEADS_ELSEWHERE = (
    *("ZENOH_CONFIG_OVERRIDE", "ZENOH_SESSION_CONFIG_URI", "ZENOH_ROUTER_CONFIG_URI", "ZENOH_ROUTER_CHECK_ATTEMPTS"),
    *("ROS_DISCOVERY_SERVER", "ROS_STATIC_PEERS", "CYCLONEDDS_URI", "FASTDDS_DEFAULT_PROFILES_FILE"),
)


def _variables(port: int) -> dict[str, str]:
    """Environment variables of a private graph: own port, own domain, this machine only."""
    return {
        "RT_VLA_ROS_ROUTER": f"tcp/127.0.0.1:{port}",
        "ROS_DOMAIN_ID": str(50 + os.getpid() % 50),
        # Humble knows only the first; its successors complain about it.
        **({"ROS_LOCALHOST_ONLY": "1"} if os.environ.get("ROS_DISTRO") == "humble" else {}),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


class PrivateGraph:
    """Processes on a private graph; all of them have ended when the `with` block is left, however it is left.

    Entering it puts this process on the graph too: its environment variables are changed, so enter before rclpy.init.
    """

    def __init__(self) -> None:
        self._port = HeldPort()
        self.variables = _variables(self._port.number)
        self._home = tempfile.TemporaryDirectory(prefix="rt-vla-ros-home-", ignore_cleanup_errors=True)
        self.variables["ROS_HOME"] = self._home.name  # where a stop is kept: one of another run would block this one
        self._before, self._processes = dict[str, str | None](), list[subprocess.Popen[bytes]]()

    def __enter__(self) -> PrivateGraph:
        self._before = {name: os.environ.get(name) for name in (*self.variables, *LEADS_ELSEWHERE)}
        for name in LEADS_ELSEWHERE:
            os.environ.pop(name, None)
        os.environ.update(self.variables)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._port.close()
        self._home.cleanup()
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def start(
        self, module: str, *arguments: str, log: Path, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """`python -m module arguments` in a process group of its own, what it prints going to `log`."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(variables or {})},
                start_new_session=True,
                preexec_fn=ends_with_this_process(signal.SIGINT),
            )
        self._processes.append(process)
        return process

    def wait(self) -> None:
        """Until the process that was started last has ended."""
        self._processes[-1].wait()

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Asks one of the processes to end, and ends it where it does not within 4.5 s."""
        _stop_all([process])
        self._processes.remove(process)

    def stop(self) -> None:
        """Asks all processes to end, and ends those that do not within 4.5 s. Ctrl-C does not cut this short."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
        try:
            _stop_all(self._processes)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._processes.clear()


def _stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # also what a process left behind in its group
        process.wait()
