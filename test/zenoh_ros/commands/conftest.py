"""What the tests of the ROS commands share: a talker on a graph of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from support.launching import REPOSITORY, child_environment

from rt_vla_ros.cli.main import main


@pytest.fixture(scope="module")
def talker() -> Iterator[subprocess.Popen[str]]:
    """A process with the node /demo/talker; this process's commands are on its graph."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RT_VLA_ROS_ROUTER", f"tcp/localhost:{port}")
        patch.setenv("ROS_DOMAIN_ID", str(120 + os.getpid() % 80))
        command = [sys.executable, str(REPOSITORY / "test" / "support" / "talker.py")]
        with subprocess.Popen(command, env=child_environment(), text=True) as process:
            try:
                # It is there when somebody hears it.
                assert main(["topic", "echo", "--once", "--timeout", "60", "/demo/chatter", "std_msgs/msg/String"]) == 0
                yield process
            finally:
                process.kill()


Commanded = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    talker: subprocess.Popen[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Commanded:
    """Runs `rt-vla ARGUMENT...` in this process on the talker's graph: (exit code, standard output, standard error)."""

    from zenoh_ros.commands import graph

    monkeypatch.setattr(graph, "PATIENCE", 1.5)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run
