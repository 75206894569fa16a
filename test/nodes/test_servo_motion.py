"""Smoother, bridge and a Servo that is played: each failure that looked like success ends with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rt_vla_ros.msg import ArmStatus
from std_srvs.srv import SetBool, Trigger
from support.node_bench import NodeBench
from support.servo_stand_in import StandInServo
from support.smoother_rig import Rig

from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS
from rt_vla_ros.nodes.servo_bridge_node import ServoBridgeNode

OURS = {parameter.name for parameter in SMOOTHER_PARAMETERS}
pytestmark = pytest.mark.skipif("require_arm_status" not in OURS, reason="the smoother does not follow arm_status yet")
SETTINGS = ("require_arm_status:=true", "max_linear_velocity:=0.2", "max_linear_acceleration:=2.0")
SOON = 0.5
STEP = (0.05, 0.0, 0.0)  # in half a second [m]


class MotionRig(Rig):
    """The arm is Servo's."""

    def __init__(self, bench: NodeBench) -> None:
        self.servo = bench.add(StandInServo())
        self.bridge = bench.add(ServoBridgeNode())
        self.arm: list[ArmStatus] = bench.listen(ArmStatus, "arm_status")
        super().__init__(bench)
        bench.until(lambda: self.arm and self.arm[-1].ready, "never ready")

    def move(self, frame: str = "panda_link0", step: tuple[float, float, float] = STEP) -> None:
        """Begins a motion, anew where the smoother still looks at the arm."""
        self.act(translation=step, period=0.5, frame=frame)

    def until_fault(self, words: str, begun: float) -> None:
        self.bench.until(lambda: self.statuses[-1].state == State.FAULT and words in self.statuses[-1].reason, words)
        assert time.monotonic() - begun < SOON
        self.until_still()


@pytest.fixture
def rig(make_bench: Callable[..., NodeBench]) -> MotionRig:
    remap = ("-r", "/servo_node/delta_twist_cmds:=/delta_twist_cmds")
    parameters = [word for setting in SETTINGS for word in ("-p", f"smoother_node:{setting}")]
    return MotionRig(make_bench(*parameters, *remap))


def moving(rig: MotionRig) -> float:
    """A motion that goes well so far; when it was so."""
    rig.move()
    rig.bench.until(lambda: rig.servo.tip[0] > 0.005, "it does not move")
    return time.monotonic()


def test_the_whole_way_is_gone(rig: MotionRig) -> None:
    rig.move()
    rig.until_state(State.HOLDING)
    rig.until_still()
    commanded = rig.statuses[-1].commanded_distance
    assert commanded > 0.03
    assert np.linalg.norm(rig.servo.tip) == pytest.approx(commanded, rel=0.15)


def test_an_unknown_frame_is_told(rig: MotionRig) -> None:
    """Of which TF knows and Servo does not."""
    begun = time.monotonic()
    rig.move(frame="base_link")
    rig.until_fault("does not know their frame", begun)


def test_a_singularity_is_told(rig: MotionRig) -> None:
    rig.servo.slow_at, rig.servo.halt_at = 0.01, 0.02
    rig.move()
    rig.bench.until(lambda: rig.servo.tip[0] >= 0.02)
    rig.until_fault("Servo halted the arm at a singularity", time.monotonic())


@pytest.mark.parametrize(("what", "words"), [("collision", "because of a collision"), ("joint_bound", "a joint limit")])
def test_a_halt_is_told(rig: MotionRig, what: str, words: str) -> None:
    begun = moving(rig)
    setattr(rig.servo, what, True)
    rig.until_fault(words, begun)


def test_the_way_back_from_the_end_of_a_joint_is_free(rig: MotionRig) -> None:
    """Servo halts only what goes on towards the end, and says status 0 again once the velocity is zero."""
    begun = moving(rig)
    rig.servo.joint_bound = True
    rig.until_fault("at a joint limit", begun)
    halted = rig.servo.tip[0]
    rig.bench.until(lambda: rig.arm[-1].ready, "still refused")
    rig.bench.call(Trigger, "smoother_node/reset")
    rig.move(step=(-0.02, 0.0, 0.0))
    rig.bench.until(lambda: rig.servo.tip[0] < halted - 0.01, "it does not come back")
    assert rig.statuses[-1].state != State.FAULT


def test_a_collision_is_told_before_an_unknown_frame(rig: MotionRig) -> None:
    """As in servo.cpp, where it overwrites the other code."""
    rig.servo.collision = True
    begun = time.monotonic()
    rig.move(frame="base_link")
    rig.until_fault("because of a collision", begun)


def test_a_pause_is_told(rig: MotionRig) -> None:
    moving(rig)
    rig.bench.call(SetBool, "servo_node/pause_servo", data=True)
    rig.until_fault("Servo is silent", time.monotonic())


def test_a_servo_that_dies_is_told_and_the_next_one_is_greeted(rig: MotionRig) -> None:
    begun = moving(rig)
    rig.bench.kill(rig.servo)
    rig.until_fault("Servo", begun)
    rig.bench.until(lambda: not rig.arm[-1].ready, "nobody missed it")
    rig.servo = rig.bench.add(StandInServo())
    rig.bench.until(lambda: rig.arm[-1].ready)
    rig.bench.call(Trigger, "smoother_node/reset")
    moving(rig)


def test_velocities_that_are_cut_off_are_told(rig: MotionRig) -> None:
    rig.servo.set_parameters([Parameter("moveit_servo.scale.linear", value=0.01)])
    begun = time.monotonic()
    rig.move()
    rig.until_fault("clips velocities at 0.01 m/s", begun)


def test_a_bridge_that_dies_is_noticed(rig: MotionRig) -> None:
    begun = moving(rig)
    rig.bench.kill(rig.bridge)
    rig.until_fault("", begun)


@pytest.mark.parametrize("rests", ["smoother_node/stop", ""])
def test_a_pause_of_ours_costs_little(rig: MotionRig, rests: str) -> None:
    """Servo wakes when the smoother follows an action: what it loses of the way."""
    if rests:
        rig.bench.call(Trigger, rests)
    else:
        rig.act(terminate=True)
    rig.bench.until(lambda: rig.servo.paused, "not paused")
    before = rig.statuses[-1].commanded_distance
    if rests:
        rig.bench.call(Trigger, "smoother_node/release")
        rig.bench.until(lambda: not rig.servo.paused, "not woken")
    rig.move()
    rig.until_state(State.HOLDING)
    rig.until_still()
    gone = float(np.linalg.norm(rig.servo.tip))
    commanded = rig.statuses[-1].commanded_distance - before
    print(f"gone after {rests or 'terminate'}: {gone * 1000:.1f} of {commanded * 1000:.1f} mm")
    assert gone > 0.8 * commanded
