"""The simulated arm on a graph, in real time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from rt_vla_ros.srv import ResetScene, TaskOutcome
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Bool, Float64
from support.node_bench import NEWEST, NodeBench
from tf2_msgs.msg import TFMessage

from rt_vla_ros.nodes.conversions import nanoseconds, time_message
from rt_vla_ros.nodes.images import rgb_from_image
from rt_vla_ros.nodes.sim_arm_node import SimArmNode
from rt_vla_ros.nodes.start_error import StartError

UP = 0.1
ERROR = 2


class Rig:
    """A simulated arm, and somebody who drives it."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.images = bench.listen(Image, "image", NEWEST)
        self.node = bench.add(SimArmNode())
        self.sim = self.node._world.sim
        self.driver = bench.publisher(TwistStamped, "delta_twist_cmds")

    def drive(self, velocity: float, *, age: float = 0.0, frame: str = "panda_link0") -> None:
        """Upwards [m/s]."""
        twist = TwistStamped()
        twist.header.stamp = time_message(self.node.get_clock().now().nanoseconds - round(age * 1e9))
        twist.header.frame_id = frame
        twist.twist.linear.z = velocity
        self.driver.publish(twist)

    def rise(self) -> float:
        """How far it goes up while it is driven [m]."""
        before = float(self.sim.ee_position[2])
        steps = self.node._world.time_ns
        while self.node._world.time_ns < steps + 500_000_000:
            self.drive(UP)
            self.bench.spin_for(0.02)
        return float(self.sim.ee_position[2]) - before


@pytest.fixture
def rig(bench: NodeBench) -> Rig:
    return Rig(bench)


def test_it_follows_velocities_and_stops_by_itself_when_they_stop(rig: Rig) -> None:
    assert rig.rise() > 0.02
    rig.bench.until_diagnostics("sim_arm_node", 0, "Following velocity commands.")
    rig.bench.until_diagnostics("sim_arm_node", 0, "Standing still: no recent velocity command.")
    rig.bench.spin_for(0.3)
    at = rig.sim.ee_position
    rig.bench.spin_for(0.3)
    assert np.linalg.norm(rig.sim.ee_position - at) < 1e-3


@pytest.mark.parametrize(
    ("frame", "velocity", "words"),
    [
        ("world", UP, "A velocity was rejected. TF does not know the frame 'world' of the actions"),
        ("panda_link0", float("nan"), "A velocity with a non-finite value was rejected."),
    ],
)
def test_a_velocity_that_cannot_be_followed_moves_nothing(rig: Rig, frame: str, velocity: float, words: str) -> None:
    before = rig.sim.ee_position
    rig.drive(velocity, frame=frame)
    rig.bench.until_diagnostics("sim_arm_node", 0, words)
    assert np.linalg.norm(rig.sim.ee_position - before) < 2e-3


@pytest.mark.parametrize("age", [0.5, -0.5, -3600.0])
def test_an_old_velocity_or_one_from_the_future_moves_nothing(rig: Rig, age: float) -> None:
    before = rig.sim.ee_position
    for _ in range(10):
        rig.drive(UP, age=age)
        rig.bench.spin_for(0.02)
    rig.bench.until_diagnostics("sim_arm_node", 0, "Standing still: no recent velocity command.")
    assert ("s in the future." in rig.bench.diagnostics["/sim_arm_node"][1]) == (age < 0)
    assert np.linalg.norm(rig.sim.ee_position - before) < 2e-3


def test_it_shows_what_its_camera_sees(rig: Rig) -> None:
    infos = rig.bench.listen(CameraInfo, "camera_info", NEWEST)
    rig.bench.until(lambda: len(rig.images) >= 5 and infos)
    pixels = rgb_from_image(rig.images[-1])
    assert pixels.shape == (96, 96, 3)
    assert pixels.std() > 10
    stamps = [nanoseconds(image.header.stamp) for image in rig.images]
    assert np.median(np.diff(stamps)) == pytest.approx(1e8, rel=0.3)
    assert (infos[-1].width, infos[-1].k[2]) == (96, 48)
    assert infos[-1].header.frame_id == rig.images[-1].header.frame_id == "front_camera_optical_frame"


def test_joint_states_and_transforms_are_those_of_the_arm(rig: Rig) -> None:
    joints = rig.bench.listen(JointState, "joint_states")
    transforms = rig.bench.listen(TFMessage, "/tf")
    rig.bench.until(lambda: joints and transforms)
    rig.bench.spin_for(0.2)
    assert list(joints[-1].name) == list(rig.sim.joint_names)
    np.testing.assert_allclose(joints[-1].position, rig.sim.joint_positions, atol=0.02)
    tool = next(t for t in transforms[-1].transforms if t.child_frame_id == "panda_hand_tcp")
    at = tool.transform.translation
    assert tool.header.frame_id == "panda_link0"
    np.testing.assert_allclose([at.x, at.y, at.z], rig.sim.ee_position, atol=0.01)
    turn = tool.transform.rotation
    x, y, z, w = turn.x, turn.y, turn.z, turn.w
    down = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    np.testing.assert_allclose(down, rig.sim.ee_rotation[:, 2], atol=0.01)


def test_where_its_cameras_are_is_told_again_with_each_scene(rig: Rig) -> None:
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    mounts = rig.bench.listen(TFMessage, "/tf_static", lasting)

    def position() -> list[float]:
        found = [one for one in mounts[-1].transforms if one.child_frame_id == "front_camera_optical_frame"]
        at = found[0].transform.translation
        assert found[0].header.frame_id == "panda_link0"
        return [at.x, at.y, at.z]

    rig.bench.until(lambda: mounts)
    np.testing.assert_allclose(position(), rig.sim.data.camera("front").xpos)
    before = position()
    rig.bench.call(ResetScene, "sim_arm_node/reset_scene", suite="train-looks", seed=3)
    rig.bench.until(lambda: position() != before)
    np.testing.assert_allclose(position(), rig.sim.data.camera("front").xpos)


def test_the_gripper_closes(rig: Rig) -> None:
    gripper = rig.bench.publisher(Float64, "gripper_command")
    gripper.publish(Float64(data=1.0))
    rig.bench.until(lambda: rig.sim.gripper_closedness > 0.8)
    gripper.publish(Float64(data=7.0))
    rig.bench.until_diagnostics("sim_arm_node", 0, "The gripper command is 7.0, expected 0 (open) to 1 (closed).")


def test_a_scene_is_laid_anew_and_judged(rig: Rig) -> None:
    laid = rig.bench.call(ResetScene, "sim_arm_node/reset_scene", seed=5, instruction="pick up the red cube")
    assert (laid.success, laid.instruction) == (True, "pick up the red cube")
    judged = rig.bench.call(TaskOutcome, "sim_arm_node/outcome")
    assert (judged.success, judged.outcome, judged.message) == (False, "timeout", "Nothing was lifted.")
    judged = rig.bench.call(TaskOutcome, "sim_arm_node/outcome", terminated=True)
    assert (judged.outcome, judged.message) == ("stopped_early", "The policy terminated before anything was lifted.")
    refused = rig.bench.call(ResetScene, "sim_arm_node/reset_scene", suite="pick-nothing")
    assert not refused.success
    assert "pick-colours" in refused.message
    assert rig.node._world.scene.task.instruction == "pick up the red cube"
    assert rig.rise() > 0.02


def test_a_terminate_that_it_hears_makes_the_outcome_an_early_stop(rig: Rig) -> None:
    terminate = rig.bench.publisher(Bool, "terminate")
    for terminated, outcome in ((True, "stopped_early"), (False, "timeout")):
        terminate.publish(Bool(data=terminated))
        rig.bench.until(lambda expected=terminated: rig.node._world.terminated is expected)
        assert rig.bench.call(TaskOutcome, "sim_arm_node/outcome").outcome == outcome


def test_with_its_own_clock_it_stamps_by_it(make_bench: Callable[..., NodeBench]) -> None:
    bench = make_bench("-p", "sim_arm_node:publish_clock:=true", "-p", "sim_arm_node:wrist_image:=true")
    clocks = bench.listen(Clock, "/clock")
    wrist = bench.listen(Image, "wrist_image", NEWEST)
    bench.add(SimArmNode())
    bench.until(lambda: len(clocks) > 10 and len(wrist) > 2)
    times = [nanoseconds(clock.clock) for clock in clocks]
    assert set(np.diff(times)) == {20_000_000}
    assert nanoseconds(wrist[-1].header.stamp) in times


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("suite:=pick-nothing", "'suite' is 'pick-nothing', expected one of"),
        ("instruction:='pick up the elephant'", "The simulated arm cannot start: "),
        ("image_rate:=7.0", "'image_rate' must be 50 Hz by a whole number"),
        ("seed:=-1", "'seed' must be int from 0"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    make_bench: Callable[..., NodeBench], argument: str, words: str
) -> None:
    make_bench("-p", f"sim_arm_node:{argument}")
    with pytest.raises(StartError, match=words):
        SimArmNode()


def test_where_two_publish_velocities_it_stands_still_and_names_them(rig: Rig) -> None:
    rig.bench.add(Node("old_smoother")).create_publisher(TwistStamped, "delta_twist_cmds", 10)
    sentence = "'/delta_twist_cmds' has 2 publishers, /old_smoother and /world, and nothing moves"
    rig.bench.until_diagnostics("sim_arm_node", ERROR, sentence)
    assert abs(rig.rise()) < 0.002
