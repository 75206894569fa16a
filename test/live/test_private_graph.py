"""A private graph leads nowhere else, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from rt_vla_ros.live import private_graph
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.wire.session import Session

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
print(child.pid, flush=True)
time.sleep(1000)
"""


def ended(pid: int) -> bool:
    """Whether a process is no more, or only waits to be reaped by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def first_line(log: Path) -> str:
    deadline = time.monotonic() + 30
    while not log.exists() or "\n" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text().splitlines()[0]


def test_variables_lead_nowhere_else_and_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", "connect/endpoints=['tcp/robot:7447']")
    monkeypatch.delenv("RT_VLA_ROS_ROUTER", raising=False)
    with PrivateGraph(), PrivateGraph() as inner:
        assert os.environ["RT_VLA_ROS_ROUTER"] == inner.variables["RT_VLA_ROS_ROUTER"]
        assert inner.variables["RT_VLA_ROS_ROUTER"].startswith("tcp/127.0.0.1:")
        assert not inner.variables["RT_VLA_ROS_ROUTER"].endswith(":7447")
        assert os.environ["ROS_DOMAIN_ID"] != "0"
        assert "ZENOH_CONFIG_OVERRIDE" not in os.environ
    assert os.environ["ROS_DOMAIN_ID"] == "0"
    assert os.environ["ZENOH_CONFIG_OVERRIDE"] == "connect/endpoints=['tcp/robot:7447']"
    assert "RT_VLA_ROS_ROUTER" not in os.environ


def test_its_port_is_kept_for_its_router_alone() -> None:
    with PrivateGraph() as graph:
        host, _, port = graph.variables["RT_VLA_ROS_ROUTER"].removeprefix("tcp/").partition(":")
        for _ in range(2):  # also a router that ended is followed by another
            with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
                other.bind((host, int(port)))
            session = Session.open()
            assert session.hosts_router
            session.close()
    with socket.create_server((host, int(port))):
        pass


def test_processes_end_even_when_they_do_not_want_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_graph, "GRACE", 0.5)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    log = tmp_path / "log"
    with PrivateGraph() as graph:
        process = graph.start("stubborn", log=log, variables={"PYTHONPATH": str(tmp_path)})
        grandchild = int(first_line(log))
        assert not ended(process.pid)
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while not ended(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_that_end_by_themselves_are_waited_for(tmp_path: Path) -> None:
    with PrivateGraph() as graph:
        process = graph.start("this", log=tmp_path / "log")
        assert process.wait(30) == 0
    assert "Beautiful is better than ugly." in (tmp_path / "log").read_text()
    assert isinstance(process, subprocess.Popen)
