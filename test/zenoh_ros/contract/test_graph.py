"""What a node sees of the graph."""

from __future__ import annotations

from typing import Any

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointTypeEnum
from std_msgs.msg import Float64, String
from std_srvs.srv import Trigger
from type_description_interfaces.srv import GetTypeDescription

STRING, TRIGGER = "std_msgs/msg/String", "std_srvs/srv/Trigger"


@pytest.fixture
def seen(make_world: Any) -> tuple[Any, Any, Any]:
    """A world with an observer, and a node of another process's kind: another context on the same graph."""
    here, there = make_world(), make_world()
    observer, other = here.node("observer"), there.node("other", namespace="/arm")
    other.create_publisher(
        String,
        "said",
        QoSProfile(depth=3, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE),
    )
    other.create_subscription(Float64, "heard", lambda message: None, 10)
    other.create_service(Trigger, "serve", lambda request, response: response)
    other.create_client(Trigger, "ask")
    assert here.spin_until(lambda: observer.count_clients("/arm/ask") == 1)
    return here, observer, other


def test_nodes(seen: tuple[Any, Any, Any]) -> None:
    _, observer, other = seen
    assert observer.wait_for_node("/arm/other", timeout=20.0)
    assert sorted(observer.get_node_names()) == ["observer", "other"]
    assert sorted(observer.get_node_names_and_namespaces()) == [("observer", "/"), ("other", "/arm")]
    assert "/arm/other" in observer.get_fully_qualified_node_names()
    assert not observer.wait_for_node("/nobody", timeout=0.05)
    other.destroy_node()
    assert seen[0].spin_until(lambda: observer.get_node_names() == ["observer"])


def test_topics_and_services(seen: tuple[Any, Any, Any]) -> None:
    _, observer, _ = seen
    topics = dict(observer.get_topic_names_and_types())
    assert topics["/arm/said"] == [STRING]
    assert topics["/arm/heard"] == ["std_msgs/msg/Float64"]
    assert topics["/rosout"] == ["rcl_interfaces/msg/Log"]
    services = dict(observer.get_service_names_and_types())
    assert services["/arm/serve"] == [TRIGGER]
    assert services["/arm/other/get_parameters"] == ["rcl_interfaces/srv/GetParameters"]


def test_what_one_node_has(seen: tuple[Any, Any, Any]) -> None:
    _, observer, _ = seen
    assert ("/arm/said", [STRING]) in observer.get_publisher_names_and_types_by_node("other", "/arm")
    assert ("/arm/heard", ["std_msgs/msg/Float64"]) in observer.get_subscriber_names_and_types_by_node("other", "/arm")
    assert ("/arm/serve", [TRIGGER]) in observer.get_service_names_and_types_by_node("other", "/arm")
    assert ("/arm/ask", [TRIGGER]) in observer.get_client_names_and_types_by_node("other", "/arm")
    assert "/arm/said" not in dict(observer.get_publisher_names_and_types_by_node("observer", "/"))
    with pytest.raises(RuntimeError):
        observer.get_publisher_names_and_types_by_node("nobody", "/")


def test_counts(seen: tuple[Any, Any, Any]) -> None:
    _, observer, other = seen
    assert (observer.count_publishers("/arm/said"), observer.count_subscribers("/arm/said")) == (1, 0)
    assert (other.count_publishers("said"), other.count_subscribers("heard")) == (1, 1)
    assert (observer.count_services("/arm/serve"), observer.count_clients("/arm/ask")) == (1, 1)
    assert observer.count_publishers("/nothing") == 0


def test_names_are_remapped_where_endpoints_are_described_and_not_where_they_are_counted(world: Any) -> None:
    rules = ["--ros-args", "-r", "said:=/elsewhere/said", "-r", "serve:=/elsewhere/serve"]
    node = world.node("node", cli_args=rules)
    publisher = node.create_publisher(String, "said", 10)
    node.create_subscription(String, "said", lambda message: None, 10)
    node.create_service(Trigger, "serve", lambda request, response: response)
    node.create_client(Trigger, "serve")
    assert publisher.topic_name == "/elsewhere/said"
    for name, count in (("/elsewhere/said", 1), ("said", 0)):
        assert world.spin_until(lambda at=name, of=count: node.count_publishers(at) == of)
        assert world.spin_until(lambda at=name, of=count: node.count_subscribers(at) == of)
    for name, count in (("/elsewhere/serve", 1), ("serve", 0)):
        assert world.spin_until(lambda at=name, of=count: node.count_services(at) == of)
        assert world.spin_until(lambda at=name, of=count: node.count_clients(at) == of)
    for name in ("said", "/elsewhere/said"):
        assert len(node.get_publishers_info_by_topic(name)) == 1
        assert len(node.get_subscriptions_info_by_topic(name)) == 1


def test_endpoints(seen: tuple[Any, Any, Any]) -> None:
    _, observer, _ = seen
    (publisher,) = observer.get_publishers_info_by_topic("/arm/said")
    assert (publisher.node_name, publisher.node_namespace) == ("other", "/arm")
    assert publisher.topic_type == STRING
    assert publisher.endpoint_type == TopicEndpointTypeEnum.PUBLISHER
    assert publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert publisher.qos_profile.durability == DurabilityPolicy.VOLATILE
    assert len(publisher.endpoint_gid) in (16, 24)
    (subscription,) = observer.get_subscriptions_info_by_topic("/arm/heard")
    assert subscription.endpoint_type == TopicEndpointTypeEnum.SUBSCRIPTION
    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert observer.get_publishers_info_by_topic("/nothing") == []


def test_types_are_described(world: Any) -> None:
    node = world.node("node")
    node.create_publisher(String, "said", 10)
    client = world.node("asker").create_client(GetTypeDescription, "node/get_type_description")
    assert client.wait_for_service(20.0)
    known = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    answer = world.answer(client.call_async(GetTypeDescription.Request(type_name=STRING, type_hash=known)))
    assert answer.successful, answer.failure_reason
    described = answer.type_description.type_description
    assert (described.type_name, [field.name for field in described.fields]) == (STRING, ["data"])
    unknown = world.answer(
        client.call_async(GetTypeDescription.Request(type_name="a/msg/B", type_hash="RIHS01_" + "0" * 64))
    )
    assert not unknown.successful
    assert unknown.failure_reason
