"""Smoother, bridge and arm: a free action moves the joints, one into a collision none of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from support.actions import chunk
from support.node_bench import NodeBench
from support.played_ros2_control import BridgeRig, tip_poses
from support.smoother_rig import Rig, transform
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.arms.panda_urdf import TIP, panda_urdf
from rt_vla_ros.control.status import State

pytest.importorskip("pinocchio")


def tip_of(positions: np.ndarray) -> TransformStamped:
    message = transform("panda_link0", TIP)
    at = message.transform.translation
    at.x, at.y, at.z = map(float, tip_poses([positions])[0, :3, 3])
    return message


def test_only_an_action_whose_way_is_free_moves_the_joints(make_bench: Callable[..., NodeBench]) -> None:
    given = (
        *("collision_check:=mujoco", f"tip_frame:={TIP}", "workspace_frame:=panda_link0", "require_arm_status:=true"),
        "forbidden_boxes:=[-0.8, -0.5, 0.3, -0.27, 0.5, 1.0]",
    )
    bench = make_bench(
        *(part for one in given for part in ("-p", f"smoother_node:{one}")),
        *("-p", "ros2_control_bridge_node:controller:=forward_position_controller"),
        *("-p", "ros2_control_bridge_node:command_rate:=25.0"),  # several nodes share a thread here
    )
    bridge = BridgeRig(bench, "position", panda_urdf(shapes=True))
    bridge.until_ready()
    bench.world.destroy_publisher(bridge.smoother)  # the smoother of this test is a real one
    frames = StaticTransformBroadcaster(bench.world)
    frames.sendTransform(tip_of(bridge.arm.position))
    rig = Rig(bench)
    try:
        bench.until(lambda: rig.node._unchecked() is None and rig.node._denied() is None, "it is not ready")
        before = bridge.arm.position.copy()
        rig.decide(chunk(*[(-0.03, 0.0, 0.0)] * 8))
        bench.until(lambda: rig.statuses[-1].state == State.FAULT)
        assert "would bring panda_link4 within 0.01 m of forbidden box 1" in rig.statuses[-1].reason
        bench.spin_for(0.3)
        np.testing.assert_allclose(bridge.arm.position, before, atol=1e-9)
        rig.decide(chunk(*[(0.02, 0.0, 0.0)] * 4))
        rig.until_state(State.HOLDING)
        bench.until(lambda: not rig.statuses[-1].commanding)
        one, two = tip_poses([before, bridge.arm.position])
        assert 0.02 < two[0, 3] - one[0, 3] < 0.085  # less by what was due during the check
    finally:
        rig.node.close()
        bridge.node.close()
