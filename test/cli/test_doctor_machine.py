"""`rt-vla doctor`: what is here is fine, and what is not comes with what to do."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rt_vla_ros.cli.doctor import machine
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.main import main
from rt_vla_ros.control.stop_file import StopFile, stop_path
from zenoh_ros.security.key_folder import HostName, KeyFolder


def findings(look: Any) -> list[Finding]:
    return list(look())


def test_the_exit_code_says_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fine() -> Iterator[Finding]:
        yield Finding(True, "Good.")

    def bad() -> Iterator[Finding]:
        yield Finding(False, "Bad: do this.")

    monkeypatch.setattr(machine, "LOOKS", (fine,))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "  ok  Good.\n\nEverything is fine.\n"
    monkeypatch.setattr(machine, "LOOKS", (fine, bad))
    assert main(["doctor"]) == 1
    assert " !!!  Bad: do this.\n\n1 problems found.\n" in capsys.readouterr().out


@pytest.mark.parametrize(("version", "fine"), [((3, 9, 1), False), ((3, 10, 0), True), ((3, 15, 0), False)])
def test_pythons_that_are_too_old_or_new(version: Any, fine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    (finding,) = findings(machine.python)
    assert finding.fine is fine
    assert ".".join(map(str, version)) in finding.sentence


def test_a_broken_ros_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure() -> str:
        raise ImportError("rclpy is for Python 3.12")

    (here,) = findings(machine.ros_runtime)
    assert here.fine
    monkeypatch.setattr(machine.ros, "ensure", ensure)
    assert findings(machine.ros_runtime) == [Finding(False, "ROS: rclpy is for Python 3.12.")]


def test_a_missing_library_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_LIBRARIES", (("numpy", "numpy"), ("unheard-of", "unheard_of")))
    here, missing = findings(machine.libraries)
    assert "numpy " in here.sentence
    assert not missing.fine
    assert missing.sentence.endswith(f"{sys.executable} -m pip install unheard-of")


@pytest.mark.parametrize(
    ("available", "driver", "fine", "part"),
    [(True, True, True, "run on Big GPU"), (False, True, False, "CUDA build"), (False, False, True, "No GPU")],
)
def test_the_accelerator(available: bool, driver: bool, fine: bool, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_available=lambda: available, get_device_name=lambda index: "Big GPU")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, __version__="2.0"))  # type: ignore[arg-type]
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/bin/nvidia-smi" if driver else None)
    monkeypatch.setattr(machine.Path, "exists", lambda path: False)
    (finding,) = findings(machine.accelerator)
    assert finding.fine is fine
    assert part in finding.sentence


def test_an_arm_that_is_not_installed_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    (here,) = findings(machine.arm_model)
    assert here.fine
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (missing,) = findings(machine.arm_model)
    assert not missing.fine
    assert "pip install --no-deps gym-hil" in missing.sentence


def test_the_launch_files_came_along() -> None:
    (finding,) = findings(machine.launch_files)
    assert finding.fine
    assert "policy.launch.py" in finding.sentence


def test_a_free_port_and_one_with_a_graph(ros_graph: Any) -> None:
    from zenoh_ros.wire.session import Session

    (finding,) = findings(machine.port)
    assert finding == Finding(
        True, f"{ros_graph.router} (domain {ros_graph.domain}) is free: the first node will host the graph."
    )
    session = Session.open()
    try:
        (finding,) = findings(machine.port)
    finally:
        session.close()
    assert finding.fine
    assert finding.sentence.endswith("hosts a running graph.")


def test_a_port_that_somebody_else_has(ros_graph: Any) -> None:
    with socket.create_server(("127.0.0.1", ros_graph.port)):
        (finding,) = findings(machine.port)
    assert not finding.fine
    assert ros_graph.router in finding.sentence
    assert "RT_VLA_ROS_ROUTER" in finding.sentence


def test_nodes_that_begin_stopped_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert findings(machine.latched_stops) == []
    StopFile(stop_path(7, "/left/smoother_node")).write("The stop service was called.")
    StopFile(stop_path(8, "/smoother_node")).write("Of another domain.")
    (finding,) = findings(machine.latched_stops)
    assert not finding.fine
    assert "/left/smoother_node is stopped" in finding.sentence
    assert "until /left/smoother_node/release is called. The stop service was called." in finding.sentence


def test_a_host_s_certificate_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZENOH_SESSION_CONFIG_URI", raising=False)
    monkeypatch.delenv("RT_VLA_ROS_ROUTER", raising=False)
    assert findings(machine.certificates) == []
    now = datetime.now(timezone.utc)
    folder = KeyFolder.create(tmp_path / "keys", now)
    robot = folder.add(HostName("robot"), router=None, days=365, at=None, now=now)
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(robot / "session.json5"))
    (fine,) = findings(machine.certificates)
    assert fine.fine
    assert "this one's is robot, until 20" in fine.sentence
    (robot / "key.pem").chmod(0o644)
    assert [finding.fine for finding in findings(machine.certificates)] == [True, False]
    folder.renew(HostName("robot"), days=3, now=now)
    said = findings(machine.certificates)
    assert [finding.fine for finding in said] == [True, False, False]
    assert "in 2 days: renew it with `rt-vla keys renew`" in said[1].sentence
    folder.renew(HostName("robot"), days=1, now=now - timedelta(days=3))
    (expired,) = findings(machine.certificates)
    assert not expired.fine
    assert "has expired by this host's clock" in expired.sentence
