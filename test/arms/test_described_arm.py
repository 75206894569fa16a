"""Which links and joints of a URDF are the arm, whatever else the robot has."""

from __future__ import annotations

import pytest

from rt_vla_ros.arms.chain import ChainError
from rt_vla_ros.arms.described_arm import describe_arm
from rt_vla_ros.arms.panda_urdf import FLANGE, JOINTS, NAMES, panda_urdf


def robot(*joints: tuple[str, str, str, str], extra: str = "") -> str:
    """joints: name, type, parent, child."""
    links = dict.fromkeys(link for _, _, parent, child in joints for link in (parent, child))
    parts = [f'<link name="{link}"/>' for link in links]
    for name, kind, parent, child in joints:
        limit = '<limit lower="-1" upper="2" velocity="1" effort="1"/>' if kind in ("revolute", "prismatic") else ""
        parts.append(
            f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
            f'<origin xyz="0 0 0.5"/>{limit}</joint>'
        )
    return f"<robot name='r'>{''.join(parts)}{extra}</robot>"


UR = (
    ("fixed_base", "fixed", "world", "base_link"),
    ("inertia", "fixed", "base_link", "base_link_inertia"),
    ("shoulder", "continuous", "base_link_inertia", "shoulder_link"),
    ("elbow", "revolute", "shoulder_link", "forearm_link"),
    ("flange_joint", "fixed", "forearm_link", "flange"),
    ("tool", "fixed", "flange", "tool0"),
)
GRIPPER = (
    ("mount", "fixed", "tool0", "robotiq_85_base_link"),
    ("left_knuckle_joint", "revolute", "robotiq_85_base_link", "left_knuckle"),
    ("left_pad_joint", "revolute", "left_knuckle", "left_pad"),
    ("right_knuckle_joint", "revolute", "robotiq_85_base_link", "right_knuckle"),
)
CAMERA = (("hand_eye", "fixed", "tool0", "hand_camera"), ("pan", "revolute", "base_link", "head"))


def test_a_panda() -> None:
    arm = describe_arm(panda_urdf(fingers=True))
    assert (arm.base, arm.tip, arm.mount) == ("panda_link0", "panda_hand", "panda_hand")
    assert tuple(joint.name for joint in arm.joints) == NAMES
    assert [(joint.lower, joint.upper) for joint in arm.joints] == [(row[3], row[4]) for row in JOINTS]
    assert arm.reach == pytest.approx(sum((row[0] ** 2 + row[1] ** 2) ** 0.5 for row in JOINTS) + FLANGE)
    assert describe_arm(panda_urdf()).tip == "panda_link8"  # nothing is named after a tip


def test_an_arm_with_and_without_a_gripper_and_with_other_branches() -> None:
    arm = describe_arm(robot(*CAMERA, *UR))
    assert (arm.base, arm.tip, arm.mount) == ("base_link", "tool0", "")
    assert [(one.name, one.unit, one.lower, one.upper) for one in arm.joints] == [
        ("shoulder", "rad", None, None),
        ("elbow", "rad", -1.0, 2.0),
    ]
    arm = describe_arm(robot(*GRIPPER, *CAMERA, *UR))
    assert (arm.base, arm.tip, arm.mount) == ("base_link", "robotiq_85_base_link", "robotiq_85_base_link")
    assert [one.name for one in arm.joints] == ["shoulder", "elbow"]
    tcp = ("tcp", "fixed", "robotiq_85_base_link", "grasp_tcp")
    assert describe_arm(robot(*GRIPPER, *UR, tcp)).tip == "grasp_tcp"


def test_a_sliding_joint_reaches_as_far_as_it_slides() -> None:
    arm = describe_arm(robot(("lift", "prismatic", "base_link", "carriage"), ("arm", "revolute", "carriage", "tool0")))
    assert (arm.joints[0].unit, arm.reach) == ("m", pytest.approx(0.5 + 2.0 + 0.5))


@pytest.mark.parametrize(
    ("urdf", "sentence"),
    [
        ("", "is not valid XML"),
        ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><robot>&a;</robot>', "declares a document type"),
        ("<robot>" + '<link name="a"/>' * 2001 + "</robot>", "has 2001 links, expected at most 2000"),
        (robot(("a", "fixed", "base", "tip")), "no movable joint except a gripper's"),
        (robot(("a", "revolute", "x", "y"), ("b", "revolute", "y", "x")), "form a cycle"),
        (robot(("a", "revolute", "x", "y")).replace("0 0 0.5", "0 0 far"), "an origin that is not three numbers"),
        (robot(("a", "revolute", "x", "y")).replace("0 0 0.5", "0 0 inf"), "expected finite numbers"),
    ],
)
def test_what_cannot_be_read_is_refused(urdf: str, sentence: str) -> None:
    with pytest.raises(ChainError, match=sentence):
        describe_arm(urdf)
