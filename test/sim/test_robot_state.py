"""The simulated arm's state is what its joints, its tool and its gripper say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim import TabletopSim
from rt_vla_ros.sim.arm import ArmDescription
from rt_vla_ros.sim.robot_state import state_of

CARD = tabletop_card("state")
STATE = (
    *(StateDimension(axis, "m", -1, 1, f"tip:{axis}") for axis in "xyz"),
    *(
        StateDimension(f"r{axis}", "rad", middle - 1, middle + 1, f"tip:r{axis}")
        for axis, middle in zip("xyz", (3, 0, 0), strict=True)
    ),
    StateDimension("grip", "1", 0, 1, "gripper"),
    StateDimension("q2", "rad", -3, 3, "-joint:panda_joint2"),
)


def test_a_card_gets_the_arms_state_in_its_order() -> None:
    sim = TabletopSim()
    sim.command_gripper(1.0)
    sim.command(np.array([0.0, 0.05, 0.0]), np.array([0.0, 0.0, 0.3]))
    sim.step(0.4)
    state = state_of(sim, replace(CARD, state=STATE))
    np.testing.assert_array_equal(state[:3], sim.ee_position)
    half = sim.ee_yaw / 2
    np.testing.assert_allclose(state[3:6], np.pi * np.array([np.cos(half), np.sin(half), 0]), atol=0.05)
    assert state[6] == sim.gripper_closedness > 0.9
    assert state[7] == -sim.joint_positions[1]


@pytest.mark.parametrize("source", ["joint:panda_finger_joint1", "topic:0"])
def test_joints_that_the_arm_does_not_have_are_named(source: str) -> None:
    card = replace(CARD, state=(StateDimension("finger", "m", 0, 0.04, source),))
    with pytest.raises(ValueError, match=f"'finger' \\({source}\\) is missing: the simulated arm has tip, gripper, "):
        state_of(TabletopSim(), card)


def test_the_policy_node_knows_this_arm() -> None:
    arm = ArmDescription
    told = POLICY_WITH_SIM_ARM
    assert (told["tip_frame"], told["gripper_joint"]) == (arm.tool_frame, arm.gripper_joint_name)
    assert (told["gripper_joint_open"], told["gripper_joint_closed"]) == arm.gripper_range
    assert told["base_frame"] == arm.link_frames[0][1]
