"""The collision check by MoveIt's planning scene, with a stand-in for move_group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sensor_msgs.msg import JointState
from support.actions import chunk
from support.move_group_stand_in import GROUP, StandInMoveGroup
from support.node_bench import NodeBench
from support.played_arm import PlayedArm
from support.smoother_rig import Rig, velocity

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

BACK = (-0.02, 0.0, 0.0)
BOX = "[-0.8, -0.5, 0.3, -0.27, 0.5, 1.0]"
ON = (
    *("collision_check:=moveit", f"moveit_group:={GROUP}", "tip_frame:=panda_link8", "workspace_frame:=panda_link0"),
    "collision_timeout:=1.0",
)


class MoveItRig(Rig):
    """A smoother, the stand-in, and an arm that says where it is."""

    def __init__(self, bench: NodeBench, move_group: bool) -> None:
        self.arm = PlayedArm(bench)
        self.move_group = bench.add(StandInMoveGroup()) if move_group else None
        super().__init__(bench)

    def until_checking(self) -> None:
        self.bench.until(lambda: self.node._unchecked() is None, "the check does not begin")

    def until_refused(self, words: str) -> str:
        self.bench.until(lambda: words in self.statuses[-1].reason, f"it does not say {words!r}")
        assert self.statuses[-1].state == State.FAULT
        assert not any(velocity(twist).any() for twist in self.twists)
        return str(self.statuses[-1].reason)


@pytest.fixture
def make_rig(make_bench: Callable[..., NodeBench]) -> Callable[..., Any]:
    def make(*parameters: str, move_group: bool = True) -> MoveItRig:
        given = [part for one in (*ON, *parameters) for part in ("-p", f"smoother_node:{one}")]
        return MoveItRig(make_bench(*given), move_group)

    return make


def test_a_way_that_is_free_in_the_planning_scene_is_gone(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig()
    rig.until_checking()
    rig.decide(chunk(BACK, BACK, BACK))
    rig.until_state(State.MOVING)
    assert rig.move_group is not None
    (request,) = rig.move_group.asked
    assert request.avoid_collisions
    assert (request.link_name, request.header.frame_id) == ("panda_link8", "panda_link0")
    assert request.waypoints[-1].position.x == pytest.approx(0.307 - 0.06, abs=0.005)
    assert len(request.start_state.joint_state.name) == 7


def test_a_way_into_an_obstacle_of_the_planning_scene_is_refused_whole(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig()
    rig.until_checking()
    assert rig.move_group is not None
    rig.move_group.wall = 0.307 - 0.13
    rig.decide(chunk(*[BACK] * 9))
    told = rig.until_refused("would bring")
    assert told == (
        "The action (steps[6]) would bring panda_link4 into contact with forbidden box 1 (collision_check)."
    )


def test_the_forbidden_boxes_are_added_to_the_planning_scene_before_anything_moves(
    make_rig: Callable[..., MoveItRig],
) -> None:
    rig = make_rig(f"forbidden_boxes:={BOX}")
    rig.bench.until(lambda: "does not know the forbidden boxes yet" in (rig.node._unchecked() or ""))
    rig.act(translation=BACK)
    rig.until_checking()
    assert rig.move_group is not None
    box = rig.move_group.objects[0]
    assert (box.id, box.header.frame_id) == ("forbidden box 1", "panda_link0")
    assert list(box.primitives[0].dimensions) == pytest.approx([0.53, 1.0, 0.7])
    at = box.primitive_poses[0].position
    assert (at.x, at.y, at.z) == pytest.approx((-0.535, 0.0, 0.65))


def test_without_move_group_nothing_moves(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig(move_group=False)
    rig.act(translation=BACK)
    told = rig.until_refused("move_group")
    assert told.endswith("nobody offers '/compute_cartesian_path': is move_group running?")


def test_what_move_group_cannot_check_is_refused(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig("moveit_group:=arm")
    rig.until_checking()
    rig.act(translation=BACK)
    assert "the error code -15 for the group 'arm' (moveit_group)" in rig.until_refused("error code")
    assert rig.move_group is not None


def test_a_way_that_the_inverse_kinematics_does_not_follow_is_refused(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig()
    rig.until_checking()
    assert rig.move_group is not None
    rig.move_group.reaches = 0.32
    rig.act(translation=(0.04, 0.0, 0.0))
    rig.until_refused("inverse kinematics does not follow")


def test_a_move_group_that_does_not_answer_in_time_is_a_fault(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig("collision_timeout:=0.2")
    rig.until_checking()
    rig.bench._executor.remove_node(rig.move_group)  # it is there, and hangs
    rig.act(translation=BACK)
    assert rig.until_refused("not answered") == (
        "MoveIt's move_group has not answered within 200 ms (collision_timeout)."
    )


def test_a_group_and_a_frame_are_needed(make_bench: Callable[..., NodeBench]) -> None:
    make_bench("-p", "smoother_node:collision_check:=moveit", "-p", "smoother_node:tip_frame:=panda_link8")
    with pytest.raises(StartError, match="needs the parameter 'workspace_frame'"):
        SmootherNode()


def test_an_arm_that_is_silent_is_not_covered_by_the_gripper(make_rig: Callable[..., MoveItRig]) -> None:
    rig = make_rig()
    rig.until_checking()
    rig.arm.silent = True
    states = rig.bench.publisher(JointState, "joint_states", 10)

    def tell() -> None:
        message = JointState(name=["panda_finger_joint1"], position=[0.04])
        message.header.stamp = rig.node.get_clock().now().to_msg()
        states.publish(message)

    gripper = rig.bench.world.create_timer(0.05, tell)
    rig.bench.spin_for(0.8)
    assert rig.node._unchecked() is None
    rig.decide(chunk(BACK, BACK, BACK))
    assert "joint state of 'panda_joint1'" in rig.until_refused("joint state of ")
    gripper.cancel()
