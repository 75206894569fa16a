"""The nodes as users run them: a process each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # [s]


class NodeProcess:
    """`NodeProcess("smoother_node", "use_sim_time:=true")`; a policy node may play one of support.played_policies."""

    def __init__(self, name: str, *parameters: str, played: str = "") -> None:
        program = (
            [str(ROOT / "test/support/played_policies.py"), played] if played else ["-m", f"rt_vla_ros.nodes.{name}"]
        )
        arguments = [word for parameter in parameters for word in ("-p", parameter)]
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, *program, "--ros-args", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )

    def kill(self) -> None:
        """As a crash would (SIGKILL)."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def interrupt(self) -> int:
        """As Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
