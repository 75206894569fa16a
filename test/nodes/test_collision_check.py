"""No action moves the arm before its whole way is known to be free of collisions."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.actions import changed, chunk
from support.node_bench import NodeBench
from support.played_arm import PANDA, PlayedArm
from support.smoother_rig import Rig, velocity

from rt_vla_ros.arms.collision_checker import CollisionChecker
from rt_vla_ros.arms.panda_urdf import panda_urdf
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.nodes.start_error import StartError

UP, BACK = (0.0, 0.0, 0.02), (-0.03, 0.0, 0.0)
WALL_BEHIND = "[-0.8, -0.5, 0.3, -0.27, 0.5, 1.0]"  # beside the elbow, 0.6 m behind the tip
ON = ("collision_check:=mujoco", "tip_frame:=panda_link8", "workspace_frame:=panda_link0")
NOTHING_CHECKED = "Collisions cannot be checked (collision_check): "


class CheckedRig(Rig):
    """A smoother that checks collisions, and an arm that says where it is."""

    def __init__(self, bench: NodeBench, urdf: str = PANDA) -> None:
        self.arm = PlayedArm(bench)
        if urdf:
            self.arm.describe(urdf)
        super().__init__(bench)

    @property
    def checker(self) -> CollisionChecker:
        found = self.node._collisions._checking._checker  # type: ignore[union-attr]
        assert found is not None
        return found

    def until_checking(self) -> None:
        self.bench.until(lambda: self.node._unchecked() is None, "the check does not begin")

    @contextmanager
    def check_under_way(self, **fields: Any) -> Iterator[None]:
        """Within it the check of an upward action lasts. fields: see `act`."""
        self.until_checking()
        os.kill(self.checker.pid or 0, signal.SIGSTOP)
        self.act(translation=UP, **fields)
        self.bench.until(lambda: self.node._collisions._asked)  # type: ignore[union-attr]
        yield
        os.kill(self.checker.pid or 0, signal.SIGCONT)

    def still(self) -> bool:
        return not any(velocity(twist).any() for twist in self.twists)

    def until_refused(self, words: str) -> str:
        self.bench.until(lambda: words in self.statuses[-1].reason, f"it does not say {words!r}")
        assert self.statuses[-1].state == State.FAULT
        return str(self.statuses[-1].reason)


MakeRig = Callable[..., CheckedRig]


@pytest.fixture
def make_rig(make_bench: Callable[..., NodeBench]) -> Any:
    rigs: list[CheckedRig] = []

    def make(*parameters: str, urdf: str = PANDA) -> CheckedRig:
        given = [part for one in (*ON, *parameters) for part in ("-p", f"smoother_node:{one}")]
        rigs.append(CheckedRig(make_bench(*given), urdf))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.node.close()


def test_an_action_whose_way_is_free_moves_the_arm(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.until_checking()
    rig.decide(chunk(UP, UP, UP))
    rig.until_state(State.MOVING)
    rig.bench.until(lambda: not rig.still())
    rig.until_still()
    # The time of the check is time that has passed: steps begin when they are due by their image.
    assert 0.005 < rig.statuses[-1].commanded_distance < 0.065


def test_a_chunk_whose_seventh_step_brings_the_elbow_into_a_box_moves_nothing(make_rig: MakeRig) -> None:
    """The tip is 0.6 m away from the box, and its walls know nothing of it."""
    rig = make_rig(f"forbidden_boxes:={WALL_BEHIND}")
    rig.until_checking()
    steps = [(0.0, 0.0, 0.001)] * 6 + [(-0.05, 0.0, 0.0), UP]
    rig.decide(chunk(*steps))
    told = rig.until_refused("would bring")
    link = told.partition(" would bring ")[2].split()[0]
    assert link in ("panda_link3", "panda_link4")
    assert told == (f"The action (steps[6]) would bring {link} within 0.01 m of forbidden box 1 (collision_check).")
    rig.bench.spin_for(0.3)
    assert rig.still()
    assert rig.node._controller.accepted == 0
    rig.act(translation=UP)
    rig.until_state(State.MOVING)


def test_an_arm_that_would_fold_into_itself_is_refused(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.until_checking()
    rig.decide(chunk(*[(-0.1, 0.0, -0.1)] * 6))
    assert "of panda_link" in rig.until_refused("The action (steps[")
    assert rig.still()


def test_the_chunk_before_goes_on_during_a_check_and_brakes_if_the_next_is_refused(make_rig: MakeRig) -> None:
    rig = make_rig(f"forbidden_boxes:={WALL_BEHIND}")
    rig.until_checking()
    rig.decide(chunk(*[UP] * 8))
    rig.bench.until(lambda: velocity(rig.twists[-1]).any() if rig.twists else False)
    os.kill(rig.checker.pid or 0, signal.SIGSTOP)
    rig.decide(chunk(*[BACK] * 10))
    rig.bench.spin_for(0.15)
    assert rig.statuses[-1].state == State.MOVING
    os.kill(rig.checker.pid or 0, signal.SIGCONT)
    rig.until_refused("of forbidden box 1")
    rig.until_still()


def test_a_check_that_is_not_answered_in_time_refuses(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=0.2")
    rig.until_checking()
    os.kill(rig.checker.pid or 0, signal.SIGSTOP)
    rig.act(translation=UP)
    assert rig.until_refused("answered") == "The collision checker has not answered within 200 ms."
    rig.act(translation=UP)
    rig.bench.spin_for(0.3)
    assert rig.still()
    rig.until_checking()  # another process
    rig.act(translation=UP)
    rig.until_state(State.MOVING)


def test_a_checker_that_is_killed_refuses_until_it_is_back(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.until_checking()
    os.kill(rig.checker.pid or 0, signal.SIGKILL)
    rig.act(translation=UP)
    rig.until_refused("The collision checker")
    assert rig.still()
    rig.until_checking()
    rig.act(translation=UP)
    rig.until_state(State.MOVING)


@pytest.mark.parametrize(
    ("urdf", "sentence"),
    [
        ("", "no robot description received on '/robot_description'."),
        ("<robot", "The robot description is not valid XML: "),
        (panda_urdf(), "the URDF has no collision shapes (<collision>), so there is nothing to check."),
        (
            PANDA.replace('<sphere radius="0.05"/>', '<mesh filename="package://nowhere/link6.stl"/>'),
            "package 'nowhere' not found",
        ),
    ],
)
def test_without_a_description_that_can_be_checked_nothing_moves(make_rig: MakeRig, urdf: str, sentence: str) -> None:
    rig = make_rig(urdf=urdf)
    rig.bench.until(lambda: sentence in (rig.node._unchecked() or ""), f"it does not say {sentence!r}")
    rig.act(translation=UP)
    rig.until_refused(sentence)
    assert rig.still()
    rig.bench.until(lambda: sentence in rig.bench.diagnostics.get("/smoother_node", (0, ""))[1])


def test_without_joint_states_nothing_moves(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.until_checking()
    rig.arm.silent = True
    rig.bench.until(lambda: rig.node._unchecked() is not None)
    rig.act(translation=UP)
    assert rig.until_refused("joint state").startswith(f"{NOTHING_CHECKED}The last joint state of 'panda_joint1' is ")
    assert rig.still()


def test_a_terminate_and_a_stop_are_not_checked_and_end_a_check(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=1.0")
    with rig.check_under_way():
        rig.decide(changed(chunk(UP), 0, terminate=True))
        rig.until_state(State.TERMINATED)
        rig.act(translation=UP)
        rig.bench.spin_for(0.05)
        rig.node._stop("A test stops it.")
        assert rig.node._controller.release() is None
    rig.bench.spin_for(0.3)
    assert rig.still()
    assert rig.node._controller.accepted == 1  # the terminate


def test_an_action_of_a_request_that_is_over_by_then_counts_for_nothing(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=1.0")
    with rig.check_under_way(publisher="/policy_node#1", request=1):
        rig.node._gate.end("It is over.")
    rig.bench.until(lambda: rig.node._controller.refused == 1)
    assert rig.still()


def test_a_fault_during_the_check_counts_for_the_action_too(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=1.0")
    with rig.check_under_way():
        rig.node._controller.fault("A callback failed.")
    rig.bench.until(lambda: rig.node._controller.refused == 1)
    rig.bench.spin_for(0.2)
    assert rig.still()
    assert rig.node._controller.state is State.FAULT
    rig.decide(chunk(UP, UP))
    rig.until_state(State.MOVING)


def test_only_the_newest_request_moves_the_arm_after_a_check(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=1.0")
    with rig.check_under_way(publisher="/policy_node#1", request=1):
        rig.act(translation=(0.0, 0.0, -0.02), publisher="/policy_node#1", request=2)
        rig.bench.until(lambda: rig.node._gate.running and rig.node._gate.running.number == 2)
    rig.until_state(State.MOVING)
    rig.bench.spin_for(0.1)
    assert rig.node._controller.accepted == 1
    assert rig.node._gate.running.number == 2  # type: ignore[union-attr]
    assert not any(velocity(twist)[2] > 0 for twist in rig.twists)


def test_pairs_that_a_semantic_description_disables_may_touch(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.until_checking()
    fold = chunk(*[(-0.1, 0.0, -0.1)] * 6)
    rig.decide(fold)
    told = rig.until_refused("would bring")
    words = told.split()
    one, other = words[words.index("bring") + 1], words[words.index("of") + 1]
    rig.arm.disable((one, other))
    rig.bench.until(lambda: rig.node._collisions._checking._allowed)  # type: ignore[union-attr]
    rig.until_checking()
    rig.decide(fold)
    rig.bench.until(lambda: rig.statuses[-1].reason != told)
    assert f"bring {one} within 0.01 m of {other}" not in rig.statuses[-1].reason


def test_the_newest_of_several_actions_is_checked_and_each_in_its_turn(make_rig: MakeRig) -> None:
    rig = make_rig("collision_timeout:=1.0")
    rig.until_checking()
    os.kill(rig.checker.pid or 0, signal.SIGSTOP)
    for _ in range(3):
        rig.act(translation=UP)
        rig.bench.spin_for(0.05)
    stamp = rig.act(translation=UP)
    rig.bench.spin_for(0.05)
    os.kill(rig.checker.pid or 0, signal.SIGCONT)
    rig.bench.until(lambda: rig.node._controller.accepted == 2)
    rig.bench.spin_for(0.1)
    assert rig.node._controller.accepted == 2
    assert rig.node._controller.action_stamp == pytest.approx(stamp / 1e9, abs=1e-6)


def test_a_check_needs_the_tip(make_bench: Callable[..., NodeBench]) -> None:
    make_bench("-p", "smoother_node:collision_check:=mujoco")
    with pytest.raises(StartError, match="needs the parameter 'tip_frame'"):
        SmootherNode()


def test_where_it_is_off_nothing_of_it_is_there(bench: NodeBench) -> None:
    rig = Rig(bench)
    assert rig.node._collisions is None
    assert not rig.node.count_subscribers("joint_states")
    rig.act(translation=UP)
    rig.until_state(State.MOVING)
