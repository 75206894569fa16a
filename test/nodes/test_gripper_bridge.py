"""The gripper bridge between a smoother and a gripper's controller that are played."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ControllerStatus
from std_msgs.msg import Float64, Float64MultiArray
from support.node_bench import NodeBench

from rt_vla_ros.nodes.gripper_bridge_node import GripperBridgeNode
from rt_vla_ros.nodes.start_error import StartError

control = pytest.importorskip("control_msgs.action")
SERVER = "hand/gripper_cmd"


class Hand:
    """A gripper's controller. answer: "reach", "stall", "fail", "reject" or "wait" for a cancel."""

    def __init__(self, bench: NodeBench, action: Any, name: str, answer: str = "reach") -> None:
        self.goals: list[Any] = []
        self.canceled = 0
        self.answer = answer
        self._action = action
        self._waiting: list[ServerGoalHandle] = []
        self.server = ActionServer(
            bench.world,
            action,
            name,
            execute_callback=self._execute,
            goal_callback=self._take,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
        )

    def _take(self, goal: Any) -> GoalResponse:
        self.goals.append(goal)
        return GoalResponse.REJECT if self.answer == "reject" else GoalResponse.ACCEPT

    def _accepted(self, handle: ServerGoalHandle) -> None:
        if self.answer != "never":
            handle.execute()

    def _cancel(self, _handle: ServerGoalHandle) -> CancelResponse:
        self.canceled += 1
        self.answer = "reach"
        return CancelResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle) -> Any:
        result = self._action.Result()
        if self.answer == "fail":
            handle.abort()
        else:
            handle.succeed()
        for field, answer in (("reached_goal", "reach"), ("stalled", "stall"), ("success", "reach")):
            if hasattr(result, field):
                setattr(result, field, self.answer == answer)
        return result


class Rig:
    """A bridge with a smoother that is played."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.node = bench.add(GripperBridgeNode())
        self.wishes = bench.publisher(Float64, "gripper_command")
        bench.until(lambda: self.wishes.get_subscription_count())

    def wish(self, closed: float) -> None:
        self.wishes.publish(Float64(data=closed))

    def says(self, text: str) -> None:
        self.bench.until(lambda: text in self.bench.diagnostics.get("/gripper_bridge_node", (0, ""))[1], text)


MakeRig = Callable[..., Rig]


def parameters(*given: str) -> tuple[str, ...]:
    return tuple(word for one in (f"server:={SERVER}", *given) for word in ("-p", one))


@pytest.fixture
def make_rig(make_bench: Callable[..., NodeBench]) -> MakeRig:
    return lambda *given: Rig(make_bench(*parameters(*given)))


def test_a_wish_is_a_goal_of_the_controller_and_is_sent_once(make_rig: MakeRig) -> None:
    rig = make_rig("max_effort:=15.0")
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.wish(1.0)
    rig.bench.until(lambda: hand.goals)
    command = hand.goals[0].command
    assert (list(command.name), list(command.position)) == (["panda_finger_joint1"], [0.0])
    assert (list(command.velocity), list(command.effort)) == ([0.05], [15.0])
    rig.wish(1.0)
    rig.bench.spin_for(0.3)
    assert len(hand.goals) == 1
    rig.wish(0.0)
    rig.bench.until(lambda: len(hand.goals) == 2)
    assert list(hand.goals[1].command.position) == [0.04]
    rig.says("follows")


def test_the_older_action_has_a_position_and_an_effort(make_rig: MakeRig) -> None:
    rig = make_rig("kind:=gripper_command", "closed_position:=0.8")
    hand = Hand(rig.bench, control.GripperCommand, SERVER)
    rig.wish(0.5)
    rig.bench.until(lambda: hand.goals)
    assert hand.goals[0].command.position == pytest.approx(0.42)
    assert hand.goals[0].command.max_effort == 20.0


@pytest.mark.parametrize(("answer", "told"), [("reject", "rejected a goal"), ("fail", "neither reached the goal")])
def test_a_goal_that_comes_to_nothing_is_told_and_not_repeated(make_rig: MakeRig, answer: str, told: str) -> None:
    rig = make_rig()
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER, answer)
    rig.wish(1.0)
    rig.says(told)
    rig.wish(1.0)
    rig.bench.spin_for(0.3)
    assert len(hand.goals) == 1
    hand.answer = "reach"
    rig.wish(0.0)
    rig.says("follows")
    assert len(hand.goals) == 2


def test_fingers_that_hold_something_are_no_fault(make_rig: MakeRig) -> None:
    rig = make_rig()
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER, "stall")
    rig.wish(1.0)
    rig.bench.until(lambda: hand.goals)
    rig.bench.until(lambda: not rig.node._goals.busy)
    rig.says("follows")
    rig.wish(0.0)
    rig.says("stalled while opening")


def test_a_goal_that_is_never_carried_out_is_told(make_rig: MakeRig) -> None:
    rig = make_rig("patience:=0.3")
    Hand(rig.bench, control.ParallelGripperCommand, SERVER, "never")
    rig.wish(1.0)
    rig.says("has not completed a goal within 0.3 s")


def test_a_controller_that_comes_late_or_comes_back_gets_the_newest_wish_once(
    make_rig: MakeRig,
) -> None:
    rig = make_rig()
    rig.wish(0.0)
    rig.wish(1.0)
    rig.says(f"No gripper server on '/{SERVER}'")
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.says("follows")
    assert [list(goal.command.position) for goal in hand.goals] == [[0.0]]
    hand.server.destroy()
    rig.says("No gripper server")
    again = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.bench.until(lambda: again.goals)
    rig.bench.spin_for(0.3)
    assert len(again.goals) == 1


def test_franka_grasps_with_any_width_and_moves_to_open_after_the_grasp_is_canceled(make_rig: MakeRig) -> None:
    rig = make_rig("kind:=franka", "open_position:=0.08")
    franka = pytest.importorskip("franka_msgs.action")
    grasp = Hand(rig.bench, franka.Grasp, f"{SERVER}/grasp", "never")
    move = Hand(rig.bench, franka.Move, f"{SERVER}/move")
    rig.wish(1.0)
    rig.bench.until(lambda: grasp.goals)
    goal = grasp.goals[0]
    assert (goal.width, goal.speed, goal.force) == (0.0, 0.05, 20.0)
    assert goal.width - goal.epsilon.inner <= 0.0
    assert goal.width + goal.epsilon.outer >= 0.08
    rig.wish(0.0)
    rig.bench.until(lambda: grasp.canceled)
    assert not move.goals


def test_a_topic_takes_positions(make_rig: MakeRig) -> None:
    rig = make_rig("kind:=topic", "server:=hand/commands")
    heard = rig.bench.listen(Float64MultiArray, "hand/commands")
    rig.wish(1.0)
    rig.bench.until(lambda: heard)
    assert list(heard[0].data) == [0.0]


def play_smoother(rig: Rig) -> Any:
    """A publisher of its status."""
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    statuses = rig.bench.world.create_publisher(ControllerStatus, "controller_status", lasting)
    rig.bench.until(lambda: statuses.get_subscription_count())
    return statuses


def test_after_a_human_took_over_no_wish_of_the_policy_moves_the_fingers(make_rig: MakeRig) -> None:
    rig = make_rig()
    statuses = play_smoother(rig)
    rig.wish(1.0)
    rig.says(f"No gripper server on '/{SERVER}'")
    statuses.publish(ControllerStatus(state=ControllerStatus.HUMAN, commander="human"))
    rig.bench.until(lambda: rig.node._smoother == ControllerStatus.HUMAN)
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.bench.until(lambda: rig.node._ready)
    rig.bench.spin_for(0.3)
    assert not hand.goals


def test_a_human_who_commands_once_more_may_wish_again_what_was_rejected(make_rig: MakeRig) -> None:
    rig = make_rig()
    statuses = play_smoother(rig)
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER, "reject")
    statuses.publish(ControllerStatus(state=ControllerStatus.HUMAN, commander="human"))
    rig.bench.until(lambda: rig.node._commander == "human")
    rig.wish(1.0)
    rig.says("rejected a goal")
    for commander in ("", "human"):
        statuses.publish(ControllerStatus(state=ControllerStatus.HUMAN, commander=commander))
        rig.bench.until(lambda wanted=commander: rig.node._commander == wanted)
    rig.wish(1.0)
    rig.bench.until(lambda: len(hand.goals) == 2)


def test_after_a_stop_no_wish_from_before_moves_the_fingers(make_rig: MakeRig) -> None:
    rig = make_rig()
    statuses = play_smoother(rig)
    rig.wish(0.0)
    rig.says(f"No gripper server on '/{SERVER}'")
    statuses.publish(ControllerStatus(state=ControllerStatus.STOPPED))
    rig.bench.until(lambda: rig.node._smoother == ControllerStatus.STOPPED)
    rig.wish(0.0)  # one that was on its way
    rig.says("call ~/release first")
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.bench.until(lambda: rig.node._ready)
    rig.bench.spin_for(0.3)
    assert not hand.goals
    statuses.publish(ControllerStatus(state=ControllerStatus.MOVING))
    rig.bench.until(lambda: rig.node._smoother == ControllerStatus.MOVING)
    rig.wish(0.0)
    rig.bench.until(lambda: hand.goals)


@pytest.mark.parametrize("data", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_wish_is_refused(make_rig: MakeRig, data: float) -> None:
    rig = make_rig()
    hand = Hand(rig.bench, control.ParallelGripperCommand, SERVER)
    rig.wish(data)
    rig.says("expected 0 (open) to 1 (closed)")
    rig.wish(1.0)
    rig.says("follows")
    assert len(hand.goals) == 1


@pytest.mark.parametrize(
    ("given", "server", "open_position"),
    [
        (("kind:=franka",), "/franka_gripper", 0.08),
        (("kind:=franka", "server:=left_gripper", "open_position:=0.06"), "/left_gripper", 0.06),
        ((), "/panda_hand_controller/gripper_cmd", 0.04),
    ],
)
def test_a_franka_hand_has_names_and_widths_of_its_own(
    make_bench: Callable[..., NodeBench], given: tuple[str, ...], server: str, open_position: float
) -> None:
    if given:
        pytest.importorskip("franka_msgs.action")
    node = make_bench(*(word for one in given for word in ("-p", one))).add(GripperBridgeNode())
    assert node.get_parameter("open_position").value == open_position
    assert node._server.name == server


@pytest.mark.parametrize("name", ["max_velocity", "max_effort"])
def test_a_franka_hand_without_speed_or_force_is_refused(make_bench: Callable[..., NodeBench], name: str) -> None:
    make_bench(*parameters("kind:=franka", f"{name}:=0.0"))
    with pytest.raises(StartError, match="must be greater than 0"):
        GripperBridgeNode()


def test_a_gripper_that_could_not_move_is_refused(make_bench: Callable[..., NodeBench]) -> None:
    make_bench(*parameters("open_position:=0.0"))
    with pytest.raises(StartError, match=r"both 0\.0"):
        GripperBridgeNode()
