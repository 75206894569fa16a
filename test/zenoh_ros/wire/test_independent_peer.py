"""Messages exchanged with zenoh-ros2-sdk, which others wrote against real ROS 2."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from conftest import RosGraph
from rosbags.typesys import Stores, get_typestore
from support.processes import ROOT, Program

from wire.conftest import Waiter
from zenoh_ros.wire.keys import EndpointKind
from zenoh_ros.wire.messages import message_class
from zenoh_ros.wire.qos import QosProfile
from zenoh_ros.wire.session import Session
from zenoh_ros.wire.types import type_hash

SDK_PEER = ROOT / "test" / "support" / "sdk_peer.py"
String: Any = message_class("std_msgs/msg/String")
Image: Any = message_class("sensor_msgs/msg/Image")
Action: Any = message_class("rt_vla_ros/msg/ActionChunk")
Step: Any = message_class("rt_vla_ros/msg/EndEffectorStep")
Header: Any = message_class("std_msgs/msg/Header")
Time: Any = message_class("builtin_interfaces/msg/Time")
Vector3: Any = message_class("geometry_msgs/msg/Vector3")


def definition_text(name: str) -> str:
    """A definition with everything it refers to, as `ros2 interface` and bag files write it."""
    return get_typestore(Stores.ROS2_JAZZY).generate_msgdef(name, ros_version=2)[0]


def setting(graph: RosGraph) -> str:
    parts = ["std_msgs/msg/Header", "geometry_msgs/msg/Vector3", "builtin_interfaces/msg/Duration"]
    action = (ROOT / "msg" / "ActionChunk.msg").read_text()
    for part in parts:
        action += f"\n{'=' * 80}\nMSG: {part.replace('/msg/', '/')}\n{definition_text(part)}"
    step = (ROOT / "msg" / "EndEffectorStep.msg").read_text()
    action += f"\n{'=' * 80}\nMSG: rt_vla_ros/EndEffectorStep\n{step}"
    texts = {
        "std_msgs/msg/String": definition_text("std_msgs/msg/String"),
        "sensor_msgs/msg/Image": definition_text("sensor_msgs/msg/Image"),
        "rt_vla_ros/msg/ActionChunk": action,
    }
    types = {name: (text, type_hash(name)) for name, text in texts.items()}
    return json.dumps({"port": graph.port, "domain": graph.domain, "types": types})


def test_instruction_in_action_and_image_out(ros_graph: RosGraph, session: Session, waiter: Waiter) -> None:
    node = session.create_node("policy")
    instruction = node.create_subscription("/instruction", String, QosProfile(depth=10), waiter)
    actions = node.create_publisher("/action", Action, QosProfile(depth=10))
    images = node.create_publisher("/image", Image, QosProfile(depth=1))
    with Program(SDK_PEER) as peer:
        peer.tell(setting(ros_graph))
        peer.expect("ready")
        assert session.graph.wait_for(
            lambda _: (instruction.publisher_count, actions.subscription_count, images.subscription_count) == (1, 1, 1),
            20,
        )
        peer.tell("pick up the réd cube ☕")
        message, info = waiter.take(instruction.take)
        assert message == String(data="pick up the réd cube ☕")
        assert len(info.publisher_gid) == 16

        header = Header(stamp=Time(sec=12, nanosec=34), frame_id="panda_link0")
        translation = Vector3(x=0.01, y=-0.02, z=0.04)
        steps = [Step(translation=translation)]
        actions.publish(Action(header=header, steps=steps, terminate=True, plan="then", tokens=[0, 255]))
        assert json.loads(peer.expect("action")) == {
            "frame": "panda_link0",
            "stamp": [12, 34],
            "translation": [0.01, -0.02, 0.04],
            "terminate": True,
            "plan": "then",
            "tokens": [0, 255],
        }

        pixels = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        images.publish(Image(height=480, width=640, encoding="rgb8", step=1920, data=pixels.tobytes()))
        assert json.loads(peer.expect("image")) == [480, 640, "rgb8", 1920, int(pixels.sum())]

        kinds = {endpoint.name: endpoint.kind for endpoint in session.graph.endpoints() if endpoint.node != node.key}
        assert kinds == {
            "/instruction": EndpointKind.PUBLISHER,
            "/action": EndpointKind.SUBSCRIPTION,
            "/image": EndpointKind.SUBSCRIPTION,
        }
        assert peer.close() == 0
