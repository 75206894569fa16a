"""`rt-vla lifecycle` against a managed node in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.launching import REPOSITORY, child_environment

SOURCE = """
from rt_vla_ros import ros; ros.ensure()
import rclpy
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
class Arm(LifecycleNode):
    def on_activate(self, state):
        return TransitionCallbackReturn.FAILURE
rclpy.init()
node = Arm("arm", namespace="demo")
print("up", flush=True)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def arm(talker: subprocess.Popen[str]) -> Iterator[None]:
    """The node /demo/arm beside /demo/talker; it cannot be activated."""
    names = ("RT_VLA_ROS_ROUTER", "ROS_DOMAIN_ID")
    environment = child_environment() | {name: os.environ[name] for name in names}
    command = [sys.executable, "-c", SOURCE]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield
        process.kill()


@pytest.mark.usefixtures("arm")
def test_what_ros2_lifecycle_prints(command: Any) -> None:
    assert command("lifecycle", "nodes") == (0, "/demo/arm\n", "")
    assert command("lifecycle", "nodes", "-c")[1] == "1\n"
    assert command("lifecycle", "get") == (0, "/demo/arm: unconfigured [1]\n", "")
    listed = "- configure [1]\n\tStart: unconfigured\n\tGoal: configuring\n"
    listed += "- shutdown [5]\n\tStart: unconfigured\n\tGoal: shuttingdown\n"
    assert command("lifecycle", "list", "/demo/arm") == (0, listed, "")
    assert command("lifecycle", "list", "-a", "/demo/arm")[1].count("- ") == 25
    assert command("lifecycle", "set", "demo/arm", "configure") == (0, "Transitioning successful\n", "")
    assert command("lifecycle", "get", "/demo/arm") == (0, "inactive [2]\n", "")
    assert command("lifecycle", "set", "/demo/arm", "3") == (1, "", "Transitioning failed\n")
    code, _, err = command("lifecycle", "set", "/demo/arm", "configure")
    assert code == 1
    assert err == ("Unknown transition requested, available ones are:\n- cleanup [2]\n- activate [3]\n- shutdown [6]\n")


@pytest.mark.usefixtures("arm")
def test_a_node_that_is_not_managed_is_refused(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from zenoh_ros.commands import lifecycle

    monkeypatch.setattr(lifecycle, "ANSWER", 0.3)
    code, _, err = command("lifecycle", "get", "/demo/talker")
    assert (code, "/demo/talker is not a managed node. " in err, "/demo/arm" in err) == (2, True, True)
