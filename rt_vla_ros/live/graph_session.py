"""Policy, smoother and simulated arm on a private graph: waits until all are up, and notices when one has ended."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from rt_vla_ros.live.recorder import Recorder
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError

NODES = {"policy_node", "smoother_node", "sim_arm_node"}
START_UP = 120.0  # for three processes on a slow machine [s]
ANSWER = 20.0  # for a service [s]
STALL = 30.0  # without anything happening [s]


class RunFailed(Exception):
    """The run cannot go on; the message says why."""


def tail(log: Path, lines: int = 8) -> str:
    """The end of a log, indented."""
    kept = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-lines:]
    return "\n".join("    " + line[:300] for line in kept)


class GraphSession:
    """While `recorder` waits, a process that ends raises RunFailed, a policy that cannot be loaded CliError."""

    def __init__(self, recorder: Recorder, launched: subprocess.Popen[bytes], progress: Progress) -> None:
        """launched: the process that started the nodes."""
        self.recorder, self.progress = recorder, progress
        self._launched = launched
        self._there: set[str] = set()
        recorder.check = self._check

    def _check(self) -> None:
        """Raises what must end the run."""
        if self.recorder.policy_failure:
            raise CliError(self.recorder.policy_failure)
        if self._launched.poll() is not None:
            raise RunFailed(f"The processes ended by themselves (status {self._launched.returncode}).")
        gone = self._there - self.recorder.nodes
        if gone:
            raise RunFailed(f"The process of {' and '.join(sorted(gone))} has gone.")

    def wait_for_nodes(self) -> None:
        """Until all are there, the policy is ready and a first image has come."""
        recorder, begin = self.recorder, time.monotonic()

        def ready() -> bool:
            for name in sorted((recorder.nodes & NODES) - self._there):
                self._there.add(name)
                self.progress.line(f"  {name} is there ({time.monotonic() - begin:.0f} s).")
            return self._there == NODES and recorder.policy_ready and bool(recorder.trajectory.images)

        if not recorder.wait(ready, begin + START_UP):
            missing = ", ".join(sorted(NODES - self._there)) or "the policy, or a first image,"
            raise RunFailed(f"After {START_UP:.0f} s {missing} had not come.")
