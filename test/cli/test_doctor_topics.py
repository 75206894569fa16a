"""`rt-vla doctor --topics`: who is on the graph, and whether cameras, clock, actions and frames are what is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros
from rt_vla_ros.cli.main import main

ros.ensure()

import rclpy  # noqa: E402
from geometry_msgs.msg import TransformStamped, TwistStamped  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rt_vla_ros.msg import ActionChunk as ChunkMsg  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from support.cards import card as make_card  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from rt_vla_ros.action_space.card import ActionCard  # noqa: E402
from rt_vla_ros.action_space.state import StateDimension  # noqa: E402
from rt_vla_ros.cli.doctor import graph_look  # noqa: E402
from rt_vla_ros.cli.doctor.parameter_files import POLICY, SMOOTHER, read_files  # noqa: E402
from rt_vla_ros.cli.doctor.topics import look_at_graph  # noqa: E402
from rt_vla_ros.nodes.conversions import time_message  # noqa: E402

RATE = 20.0  # of what the world publishes [Hz]
World = Callable[..., list[tuple[bool, str]]]


class Camera:
    """Publishes images. ahead: how far their stamps are in the future [s]; None: the stamp stands still.

    missed: how many of the first are not published.
    """

    def __init__(
        self, node: Node, topic: str, *, ahead: float | None = 0.0, encoding: str = "rgb8", missed: int = 0
    ) -> None:
        self._kind = CompressedImage if topic.endswith("/compressed") else Image
        self._ahead, self._encoding, self._count, self._first = ahead, encoding, -missed, time.time_ns()
        self._publisher = node.create_publisher(self._kind, topic, 1)
        node.create_timer(1 / RATE, self._publish)

    def _publish(self) -> None:
        self._count += 1
        if self._count < 0:
            return
        stamp = self._first if self._ahead is None else time.time_ns() + round(self._ahead * 1e9)
        pixels = [self._count % 256] * 12
        if self._kind is CompressedImage:
            message: Any = CompressedImage(format="jpeg", data=pixels)
        else:
            message = Image(height=2, width=2, encoding=self._encoding, step=6, data=pixels)
        message.header.stamp = time_message(stamp)
        self._publisher.publish(message)


@pytest.fixture
def look(ros_graph: Any) -> Iterator[World]:
    """What the doctor says of a world that `make` fills with nodes."""
    rclpy.init(args=["world"])
    executor = SingleThreadedExecutor()
    stopped = threading.Event()

    def spin() -> None:
        while not stopped.is_set():
            try:
                executor.spin_once(timeout_sec=0.02)
            except ExternalShutdownException:
                return

    thread = threading.Thread(target=spin)

    def look_at(
        make: Callable[[Callable[..., Node]], object], card: ActionCard | None = None, **values: Any
    ) -> list[tuple[bool, str]]:
        nodes: list[Node] = []

        def add(name: str, **options: Any) -> Node:
            nodes.append(Node(name, **options))
            executor.add_node(nodes[-1])
            return nodes[-1]

        make(add)
        thread.start()
        setup = read_files([]).nodes
        for node in setup.values():
            assert isinstance(node.values, dict)
            node.values.update({name: value for name, value in values.items() if name in node.values})
        return [
            (one.fine, one.sentence) for one in look_at_graph(setup[POLICY], setup[SMOOTHER], card or make_card(), 0.5)
        ]

    yield look_at
    stopped.set()
    if thread.is_alive():
        thread.join()
    executor.shutdown()
    rclpy.try_shutdown()


def _ignore(_message: object) -> None:
    pass


def whole_graph(add: Callable[..., Node], **camera: Any) -> Node:
    """All that runs beside a real arm; the policy node."""
    Camera(add("camera", namespace="cell"), "/cell/image", **camera)
    policy, smoother, arm = (add(name, namespace="cell") for name in ("policy_node", "smoother_node", "arm"))
    policy.create_subscription(Image, "image", _ignore, 1)
    policy.create_publisher(ChunkMsg, "action", 1)
    smoother.declare_parameter("tip_frame", "tool0")
    smoother.declare_parameter("workspace_frame", "panda_link0")
    smoother.create_subscription(ChunkMsg, "action", _ignore, 1)
    smoother.create_publisher(TwistStamped, "delta_twist_cmds", 1)
    arm.create_subscription(TwistStamped, "delta_twist_cmds", _ignore, 1)
    transforms = arm.create_publisher(TFMessage, "/tf", 10)

    def publish() -> None:
        transform = TransformStamped(child_frame_id="tool0")
        transform.header.frame_id, transform.header.stamp = "panda_link0", time_message(time.time_ns())
        transform.transform.rotation.w = 1.0
        transforms.publish(TFMessage(transforms=[transform]))

    arm.create_timer(1 / RATE, publish)
    return policy


def wrong(said: list[tuple[bool, str]]) -> list[str]:
    return [sentence for fine, sentence in said if not fine]


def test_a_whole_graph_is_fine_in_any_namespace(look: World) -> None:
    said = look(whole_graph)
    assert wrong(said) == []
    text = "\n".join(sentence for _, sentence in said)
    for part in (
        "/cell/image: rgb8 2x2, 12 bytes, ",
        " a second, from /cell/camera.",
        "/cell/policy_node publishes /cell/action; subscribed by /cell/smoother_node.",
        "The velocities on /cell/delta_twist_cmds are subscribed by /cell/arm.",
        "TF has the pose of the tip 'tool0' in 'panda_link0'.",
    ):
        assert part in text


def test_an_empty_graph_says_what_to_start_and_ends(
    ros_graph: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "simulated.yaml"
    path.write_text("/**:\n  ros__parameters: {use_sim_time: true, policy: rt1-untrained}\n")
    assert main(["doctor", "--topics", "--params", str(path)]) == 1
    said = capsys.readouterr().out
    for sentence in (
        "No /policy_node on the graph (it has no nodes): start it.",
        "No /smoother_node on the graph (it has no nodes): start it.",
        "No publisher on /image: start the camera, or remap the topic to the camera's.",
        "use_sim_time is true but /clock has no publisher: no node acts. Start the simulation, or remove the "
        "parameter.",
        "No publisher on /action: start the policy node, or check the remaps.",
        "TF does not know the frame 'panda_link0' of the actions: no transform was received",
    ):
        assert f" !!!  {sentence}" in said


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        ({"ahead": 3600.0}, "in the future: synchronize the clocks of both hosts"),
        ({"ahead": -2.0}, "s old, more than max_image_age"),
        ({"ahead": None}, "all images have the same timestamp: the camera is frozen."),
        ({"encoding": "32FC1"}, "/cell/image: The image's encoding is '32FC1'"),
    ],
)
def test_a_camera_that_cannot_be_acted_on(look: World, camera: dict[str, Any], sentence: str) -> None:
    assert any(sentence in said for said in wrong(look(lambda add: whole_graph(add, **camera))))


def test_another_transport_two_policies_and_nobody_who_listens(look: World) -> None:
    def make(add: Callable[..., Node]) -> None:
        policy = add("policy_node")
        policy.create_subscription(Image, "image", _ignore, 1)
        policy.create_publisher(ChunkMsg, "action", 1)
        add("other_policy").create_publisher(ChunkMsg, "action", 1)
        Camera(add("camera"), "/image/compressed")
        smoother = add("smoother_node")
        smoother.create_publisher(TwistStamped, "delta_twist_cmds", 1)
        smoother.create_publisher(TwistStamped, "base_twist_cmds", 1)
        smoother.create_publisher(TwistStamped, "cmd_vel", 1)

    said = wrong(look(make))
    assert "No publisher on /image, but /image/compressed exists: set image_transport to 'compressed'." in said
    assert (
        "/other_policy and /policy_node publish /action: the arm follows one and rejects the others. Stop all but one."
        in said
    )
    assert "No subscriber on /action: start the smoother node, or check the remaps." in said
    for driver, topic in (
        ("the arm's driver", "/delta_twist_cmds"),
        ("the base's driver", "/base_twist_cmds"),
        ("the driver of the arm or the base", "/cmd_vel"),
    ):
        assert f"No subscriber of the velocities on {topic}: start {driver}, or remap the topic." in said


STATE = (
    StateDimension("x", "m", -1, 1, "tip:x"),
    StateDimension("q1", "rad", -1, 1, "joint:a"),
    StateDimension("q2", "rad", -1, 1, "joint:b"),
    StateDimension("own", "1", 0, 1, "topic:0"),
)


@pytest.mark.parametrize(
    ("position", "numbers", "expected"),
    [
        (0.25, True, []),
        (90.0, True, ["The state's dimension 'q1' (joint:a) is about 9e+01 rad"]),
        (
            None,
            False,
            [
                "'q1' (joint:a) is missing: '/cell/arm_states' has no position of a joint 'a'; it has b.",
                "'own' (topic:0) is missing: '/cell/state' has no publisher.",
            ],
        ),
    ],
)
def test_what_is_missing_of_the_robots_state_is_named(
    look: World, position: float | None, numbers: bool, expected: list[str]
) -> None:
    def graph(add: Callable[..., Node]) -> None:
        policy = whole_graph(add)
        policy.declare_parameter("tip_frame", "tool0")
        policy.create_subscription(JointState, "arm_states", _ignore, 1)
        policy.create_subscription(Float64MultiArray, "state", _ignore, 1)
        arm = add("driver", namespace="cell")
        joints, own = arm.create_publisher(JointState, "arm_states", 10), None
        if numbers:
            own = arm.create_publisher(Float64MultiArray, "state", 10)

        def publish() -> None:
            positions = {"b": -0.5} | ({} if position is None else {"a": position})
            message = JointState(name=list(positions), position=list(positions.values()))
            message.header.stamp = time_message(time.time_ns())
            joints.publish(message)
            if own is not None:
                own.publish(Float64MultiArray(data=[0.75]))

        arm.create_timer(1 / RATE, publish)

    said = look(graph, replace(make_card(), state=STATE))
    found = wrong(said)
    assert len(found) == len(expected), found
    assert all(part in sentence for part, sentence in zip(expected, found, strict=True)), found
    there = "The robot's state is available: x 0 m, q1 0.25 rad, q2 -0.5 rad, own 0.75 1."
    assert ((True, there) in said) is (not expected)


def test_topics_and_images_that_come_late_are_waited_for(look: World) -> None:
    def make(add: Callable[..., Node]) -> None:
        policy, smoother = add("policy_node"), add("smoother_node")
        smoother.create_publisher(TwistStamped, "delta_twist_cmds", 1)
        policy.create_publisher(ChunkMsg, "action", 1)
        Camera(add("camera"), "/image", missed=int(RATE))

        def subscribe() -> None:
            timer.cancel()
            policy.create_subscription(Image, "image", _ignore, 1)

        timer = policy.create_timer(0.3, subscribe)

    assert any(fine and sentence.startswith("/image: rgb8 2x2") for fine, sentence in look(make))


def test_a_policy_node_that_neither_answers_nor_listens(look: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_look, "ANSWER", 0.1)

    def make(add: Callable[..., Node]) -> None:
        add("policy_node", start_parameter_services=False)
        add("smoother_node").create_publisher(TwistStamped, "delta_twist_cmds", 1)

    said = wrong(look(make))
    assert "/policy_node does not answer parameter requests: it hangs." in said
    assert "/policy_node subscribes to no images: is it the policy node of this package?" in said
