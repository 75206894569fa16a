"""`rt-vla doctor --arm`: whether a real arm would move, how fast and within what."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rt_vla_ros.msg import ArmStatus  # noqa: E402
from std_msgs.msg import Float64  # noqa: E402

from rt_vla_ros.cli.doctor import arm  # noqa: E402
from rt_vla_ros.nodes.smoother_node import SmootherNode  # noqa: E402

WALLS = ("workspace_low:=[0.3, -0.3, 0.1]", "workspace_high:=[0.7, 0.3, 0.6]", "workspace_frame:=base")
GOOD = (
    *WALLS,
    "max_linear_velocity:=0.2",
    "tip_frame:=tip",
    "follow_time:=0.4",
    "speed_scale:=0.3",
    "require_arm_status:=true",
)
Look = Callable[..., list[tuple[bool, str]]]


@pytest.fixture
def look(ros_graph: Any) -> Iterator[Look]:
    """What the doctor says of a smoother with these parameters, beside what `world` adds."""
    stops: list[Callable[[], None]] = []

    def run(*parameters: str, world: Callable[[Node], None] = lambda _node: None) -> list[tuple[bool, str]]:
        words = [word for parameter in parameters for word in ("-p", f"smoother_node:{parameter}")]
        rclpy.init(args=["test", "--ros-args", *words])
        smoother, others = SmootherNode(), rclpy.create_node("others")
        world(others)
        executor = SingleThreadedExecutor()
        executor.add_node(smoother)
        executor.add_node(others)

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        thread = threading.Thread(target=spin)
        thread.start()

        def stop() -> None:
            executor.shutdown()
            rclpy.try_shutdown()
            thread.join()

        stops.append(stop)
        return [(one.fine, one.sentence) for one in arm.look_at_arm("/smoother_node")]

    yield run
    for stop in stops:
        stop()


def bridge(ready: bool, reason: str = "") -> Callable[[Node], None]:
    def make(node: Node) -> None:
        publisher = node.create_publisher(ArmStatus, "arm_status", 10)
        node.create_timer(0.05, lambda: publisher.publish(ArmStatus(ready=ready, reason=reason)))
        node.create_subscription(Float64, "gripper_command", lambda _message: None, 10)

    return make


def test_a_setup_for_a_first_run_is_fine(look: Look) -> None:
    found = look(*GOOD, world=bridge(True))
    assert [sentence for fine, sentence in found if not fine] == []
    assert not any("The base" in sentence for _, sentence in found)
    said = " ".join(sentence for _, sentence in found)
    for part in ("reports ready", "0.06 m/s", "6 of 6 walls", "follow_time 0.4", "is not stopped"):
        assert part in said


def test_a_base_that_is_driven_is_told_with_its_speed(look: Look) -> None:
    found = look(*GOOD, "drive_base:=true", world=bridge(True))
    sentence = "The base goes at most 0.09 m/s and 0.18 rad/s, has no walls, and brakes within 0.6 s."
    assert (True, sentence) in found
    assert any(not fine and "set base_follow_time, e.g. 1.0, and remap base_odometry" in said for fine, said in found)


def test_a_base_that_is_watched_is_told_of(look: Look) -> None:
    found = look(*GOOD, "drive_base:=true", "base_follow_time:=1.0", world=bridge(True))
    assert (True, "The base is checked for following its commands (base_follow_time 1 s).") in found


def test_a_base_that_brakes_for_long_is_told_of(look: Look) -> None:
    found = look(*GOOD, "drive_base:=true", "max_base_angular_acceleration:=0.2", world=bridge(True))
    assert any(not fine and "brakes within 3 s: raise its acceleration limits" in sentence for fine, sentence in found)


def test_what_a_smoother_for_a_simulation_lacks_is_named(look: Look) -> None:
    wrong = " ".join(sentence for fine, sentence in look() if not fine)
    for part in ("set require_arm_status", "fast for a first run", "no walls", "set follow_time", "gripper_command"):
        assert part in wrong


def test_an_arm_that_is_not_ready_says_why(look: Look) -> None:
    wrong = [sentence for fine, sentence in look(*GOOD, world=bridge(False, "Servo is paused.")) if not fine]
    assert any("The arm is not ready: Servo is paused." in sentence for sentence in wrong)


def test_a_bridge_that_is_missing_is_named(look: Look) -> None:
    wrong = " ".join(sentence for fine, sentence in look(*GOOD) if not fine)
    assert "No messages on /arm_status: nothing will move." in wrong


def test_without_a_smoother_nothing_holds_the_arm(ros_graph: Any) -> None:
    assert [(one.fine, one.sentence.split(":")[0]) for one in arm.look_at_arm("/smoother_node")] == [
        (False, "No /smoother_node is running")
    ]
