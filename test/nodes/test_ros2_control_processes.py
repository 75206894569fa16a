"""Smoother and bridge as processes, between a policy and a ros2_control that are played."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from support.actions import action
from support.node_bench import NodeBench
from support.node_processes import NodeProcess
from support.played_ros2_control import PlayedRos2Control, tip_poses
from support.smoother_rig import transform
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.arms.panda_urdf import panda_urdf
from rt_vla_ros.nodes.conversions import chunk_message

pytest.importorskip("pinocchio")
pytestmark = [pytest.mark.slow, pytest.mark.serial]

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rt_vla_ros.msg import ActionChunk, ArmStatus  # noqa: E402
from std_msgs.msg import String  # noqa: E402


class Processes:
    """bridge: a process. statuses: what it says."""

    def __init__(self, bench: NodeBench, bridge: NodeProcess) -> None:
        self.bench, self.bridge = bench, bridge
        self.arm = PlayedRos2Control(bench, "velocity", "forward_velocity_controller")
        self.statuses = bench.listen(ArmStatus, "arm_status")
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._description = bench.world.create_publisher(String, "robot_description", lasting)
        self._description.publish(String(data=panda_urdf()))
        bench.until(lambda: self.statuses and self.statuses[-1].ready, "the bridge does not become ready")

    def solvers(self) -> list[int]:
        """Processes of the solver that are the bridge's."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line, status = (folder / "cmdline").read_bytes(), (folder / "status").read_text()
            except OSError:
                continue
            if b"ik_process" in line and f"PPid:\t{self.bridge.process.pid}\n" in status:
                found.append(int(folder.name))
        return found

    def drive(self) -> None:
        twist = TwistStamped()
        twist.header.frame_id = "panda_link0"
        twist.header.stamp = self.bench.world.get_clock().now().to_msg()
        twist.twist.linear.x = 0.05
        self.publisher.publish(twist)

    publisher: Any


@pytest.fixture
def processes(ros_graph: Any) -> Iterator[Processes]:
    """By the host's clock, as the processes have it."""
    bench = NodeBench()
    given = ("command_interface:=velocity", "controller:=forward_velocity_controller", "command_rate:=50.0")
    with NodeProcess("ros2_control_bridge_node", *given) as bridge:
        yield Processes(bench, bridge)
    bench.close()


def test_an_action_moves_the_tip_by_what_it_says(processes: Processes) -> None:
    bench, arm = processes.bench, processes.arm
    with NodeProcess("smoother_node"):
        frames = StaticTransformBroadcaster(bench.world)
        frames.sendTransform(transform("base_link", "panda_link0"))  # as a robot_state_publisher tells it
        policy = bench.publisher(ActionChunk, "action")
        bench.until(lambda: processes.statuses[-1].ready)
        before = arm.position
        for _ in range(4):
            stamp = bench.world.get_clock().now().nanoseconds
            policy.publish(chunk_message(action(translation=(0.02, 0.0, -0.01)), stamp, "panda_link0", 0))
            bench.spin_for(0.2)
        bench.until(lambda: arm.commands, "it does not move")
        bench.until(lambda: not arm.commands[-1].any(), "it does not come to rest")
        bench.spin_for(0.3)
        one, two = tip_poses([before, arm.position])
        way = two[:3, 3] - one[:3, 3]
        assert way[0] > 0.03
        assert way[2] / way[0] == pytest.approx(-0.5, abs=0.05)
        assert abs(way[1]) < 0.002


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_its_end_leaves_no_solver_and_a_still_arm(processes: Processes, number: signal.Signals) -> None:
    bench, arm = processes.bench, processes.arm
    processes.publisher = bench.publisher(TwistStamped, "delta_twist_cmds")
    bench.until(lambda: processes.drive() or (arm.commands and arm.commands[-1].any()), "it does not move")
    solvers = processes.solvers()
    assert len(solvers) == 1
    os.kill(processes.bridge.process.pid, number)
    processes.bridge.process.wait(30)
    bench.until(lambda: not Path(f"/proc/{solvers[0]}").exists(), "the solver stays")
    if number is not signal.SIGKILL:
        assert processes.bridge.process.returncode == 0
        bench.until(lambda: not arm.commands[-1].any(), "the last word was not zero")
        ended = "The bridge to ros2_control was shut down."
        bench.until(lambda: processes.statuses[-1].reason == ended, "it did not say that it was ended")
    assert np.isfinite(arm.position).all()
