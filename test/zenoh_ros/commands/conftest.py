"""What the tests of the ROS commands share: a talker on a graph of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.launching import REPOSITORY, child_environment

from rt_vla_ros import ros
from rt_vla_ros.cli.main import main

ros.ensure()

from zenoh_ros.commands import graph  # noqa: E402


def grip_package(prefix: Path) -> str:
    """The prefix of a package `grip_msgs` as it is installed, with a message, one within it, and a service."""
    grip = "# How to hold.\nuint8 FIRM=3\nstring[] names  # of grippers\nfloat64 force 1.0\nPart[2] parts\nuint8 hold\n"
    for name, text in {
        "msg/Grip.msg": grip,
        "msg/Part.msg": "# A part.\nbuiltin_interfaces/Time seen\n",
        "srv/Hold.srv": "Grip grip\n---\nbool success\n",
    }.items():
        file = prefix / "share/grip_msgs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(prefix)


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process with the node /demo/talker, which alone knows grip_msgs; this process's commands are on its graph."""
    environment = child_environment() | {"AMENT_PREFIX_PATH": grip_package(tmp_path_factory.mktemp("prefix"))}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "PATIENCE", 15.0)  # what is there is found, however busy the machine is
        patch.setenv("RT_VLA_ROS_ROUTER", f"tcp/localhost:{port}")
        patch.setenv("ROS_DOMAIN_ID", str(120 + os.getpid() % 80))
        command = [sys.executable, str(REPOSITORY / "test" / "support" / "talker.py")]
        environment |= {name: os.environ[name] for name in ("RT_VLA_ROS_ROUTER", "ROS_DOMAIN_ID")}
        with subprocess.Popen(command, env=environment, text=True) as process:
            try:
                # It is there when somebody hears it.
                assert main(["topic", "echo", "--once", "--timeout", "60", "/demo/chatter", "std_msgs/msg/String"]) == 0
                yield process
            finally:
                process.kill()


Commanded = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """For names that are not on the graph, which are waited for in vain."""
    monkeypatch.setattr(graph, "PATIENCE", 1.5)


@pytest.fixture
def command(talker: subprocess.Popen[str], capfd: pytest.CaptureFixture[str]) -> Commanded:
    """Runs `rt-vla ARGUMENT...` in this process on the talker's graph: (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(arguments))
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run
