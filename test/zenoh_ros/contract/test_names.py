"""Names of nodes and topics, namespaces, remaps and other ROS arguments."""

from __future__ import annotations

from typing import Any

import pytest
import rclpy
from rclpy.exceptions import InvalidNamespaceException, InvalidNodeNameException, NotInitializedException
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String
from std_srvs.srv import Trigger


def test_names_and_namespaces(world: Any) -> None:
    plain, nested = world.node("plain"), world.node("nested", namespace="arm/left")
    assert (plain.get_name(), plain.get_namespace()) == ("plain", "/")
    assert plain.get_fully_qualified_name() == "/plain"
    assert (nested.get_namespace(), nested.get_fully_qualified_name()) == ("/arm/left", "/arm/left/nested")
    assert nested.get_logger().name == "arm.left.nested"


def test_topics_are_expanded(world: Any) -> None:
    node = world.node("node", namespace="/arm")
    assert node.resolve_topic_name("image") == "/arm/image"
    assert node.resolve_topic_name("/clock") == "/clock"
    assert node.resolve_topic_name("~/status") == "/arm/node/status"
    assert node.resolve_service_name("~/stop") == "/arm/node/stop"
    assert node.create_publisher(String, "~/status", 10).topic_name == "/arm/node/status"
    assert node.create_service(Trigger, "stop", lambda request, response: response).service_name == "/arm/stop"


def test_remaps(make_world: Any) -> None:
    world = make_world(
        "-r", "image:=/camera/image_raw", "-r", "~/status:=state", "-r", "second:action:=other_action",
        "--remap", "/absolute:=/moved", "-r", "stop:=halt",
    )  # fmt: skip
    node = world.node("first", namespace="arm")
    assert node.resolve_topic_name("image") == "/camera/image_raw"
    assert node.resolve_topic_name("image", only_expand=True) == "/arm/image"
    assert node.resolve_topic_name("~/status") == "/arm/state"
    assert node.resolve_topic_name("/absolute") == "/moved"
    assert node.resolve_topic_name("absolute") == "/arm/absolute"
    assert node.resolve_topic_name("action") == "/arm/action"
    assert node.resolve_service_name("stop") == "/arm/halt"
    assert world.node("second").resolve_topic_name("action") == "/other_action"


def test_the_command_line_names_the_node(make_world: Any) -> None:
    node = make_world("-r", "__node:=renamed", "-r", "__ns:=/moved").node("node", namespace="home")
    assert node.get_fully_qualified_name() == "/moved/renamed"
    assert node.resolve_topic_name("image") == "/moved/image"


def test_a_rule_may_name_the_node_that_it_is_for(make_world: Any) -> None:
    world = make_world("-r", "first:__node:=renamed", "-r", "second:__ns:=/moved")
    assert world.node("first").get_fully_qualified_name() == "/renamed"
    assert world.node("second").get_fully_qualified_name() == "/moved/second"


def test_remapped_topics_meet(make_world: Any) -> None:
    world = make_world("-r", "listener:heard:=said")
    heard: list[str] = []
    world.node("listener").create_subscription(String, "heard", lambda message: heard.append(message.data), 10)
    publisher = world.node("talker").create_publisher(String, "said", 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="hello"))
    assert world.spin_until(lambda: heard == ["hello"])


def test_a_node_may_have_arguments_of_its_own(make_world: Any) -> None:
    world = make_world("-r", "image:=global_image", "-p", "a:=1")
    own = world.node("own", cli_args=["--ros-args", "-r", "image:=own_image", "-p", "a:=2"])
    assert own.resolve_topic_name("image") == "/own_image"
    assert own.declare_parameter("a", 0).value == 2
    deaf = world.node("deaf", use_global_arguments=False)
    assert deaf.resolve_topic_name("image") == "/image"
    assert deaf.declare_parameter("a", 0).value == 0


@pytest.mark.parametrize("name", ["", "1st", "with space", "a/b", "a-b", "a.b"])
def test_bad_node_names_are_refused(world: Any, name: str) -> None:
    with pytest.raises(InvalidNodeNameException):
        world.node(name)


@pytest.mark.parametrize("namespace", ["with space", "/a//b", "/1st", "/a/"])
def test_bad_namespaces_are_refused(world: Any, namespace: str) -> None:
    with pytest.raises(InvalidNamespaceException):
        world.node("node", namespace=namespace)


def test_a_node_needs_init() -> None:
    with pytest.raises(NotInitializedException):
        rclpy.create_node("node", context=rclpy.Context())


def test_unknown_ros_arguments_are_refused(ros_graph: Any) -> None:
    with pytest.raises(RuntimeError, match="--nonsense"):
        rclpy.init(args=["--ros-args", "--nonsense"], context=rclpy.Context())
    with pytest.raises(RuntimeError, match="no_rule"):
        rclpy.init(args=["--ros-args", "-r", "no_rule"], context=rclpy.Context())


def test_ros_arguments_are_removed() -> None:
    line = ["program", "--own", "1", "--ros-args", "-p", "a:=1", "-r", "b:=c", "--", "more", "--ros-args", "-p", "d:=2"]
    assert remove_ros_args(line) == ["program", "--own", "1", "more"]
