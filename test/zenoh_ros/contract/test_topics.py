"""Publishers and subscriptions."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    InvalidQoSProfileException,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
    qos_profile_system_default,
)
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.wait_for_message import wait_for_message
from sensor_msgs.msg import Image
from std_msgs.msg import Float64, String

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def test_messages_arrive_in_order(world: Any) -> None:
    talker, listener = world.node("talker"), world.node("listener")
    heard: list[str] = []
    listener.create_subscription(String, "chatter", lambda message: heard.append(message.data), 50)
    publisher = talker.create_publisher(String, "chatter", 50)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    for number in range(20):
        publisher.publish(String(data=str(number)))
    assert world.spin_until(lambda: len(heard) == 20)
    assert heard == [str(number) for number in range(20)]


def test_an_image_arrives_as_it_was_sent(world: Any) -> None:
    node = world.node("camera")
    heard: list[Image] = []
    node.create_subscription(Image, "image", heard.append, qos_profile_sensor_data)
    publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    pixels = bytes(range(256)) * 300
    publisher.publish(Image(width=160, height=160, encoding="rgb8", step=480, data=pixels))
    assert world.spin_until(lambda: heard)
    assert (heard[0].width, heard[0].height, heard[0].encoding, bytes(heard[0].data)) == (160, 160, "rgb8", pixels)


def test_a_late_subscriber_gets_the_latched_message_once(world: Any) -> None:
    talker = world.node("talker")
    publisher = talker.create_publisher(String, "state", LATCHED)
    publisher.publish(String(data="old"))
    publisher.publish(String(data="newest"))
    heard: list[str] = []
    world.node("late").create_subscription(String, "state", lambda message: heard.append(message.data), LATCHED)
    assert world.spin_until(lambda: heard)
    publisher.publish(String(data="live"))
    assert world.spin_until(lambda: "live" in heard)
    assert heard == ["newest", "live"]


def test_a_volatile_subscriber_does_not_get_what_was_before_it(world: Any) -> None:
    talker = world.node("talker")
    publisher = talker.create_publisher(String, "state", LATCHED)
    publisher.publish(String(data="before"))
    heard: list[str] = []
    world.node("late").create_subscription(String, "state", lambda message: heard.append(message.data), 1)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="after"))
    assert world.spin_until(lambda: heard)
    assert heard == ["after"]


def test_depth_one_keeps_the_newest(make_world: Any) -> None:
    sending, receiving = make_world(), make_world()
    heard: list[str] = []
    done: list[str] = []
    listener = receiving.node("listener")
    listener.create_subscription(String, "frames", lambda message: heard.append(message.data), NEWEST)
    listener.create_subscription(String, "done", lambda message: done.append(message.data), 10)
    talker = sending.node("talker")
    frames, end = talker.create_publisher(String, "frames", NEWEST), talker.create_publisher(String, "done", 10)
    assert receiving.spin_until(lambda: frames.get_subscription_count() == 1 and end.get_subscription_count() == 1)
    for number in range(30):
        frames.publish(String(data=str(number)))
    end.publish(String(data="end"))
    # Nobody spun while the frames came: the newest has taken the place of those before it.
    assert receiving.spin_until(lambda: done and heard and heard[-1] == "29")
    assert len(heard) < 30


def test_every_thread_may_publish(world: Any) -> None:
    node = world.node("node")
    heard: list[float] = []
    node.create_subscription(
        Float64,
        "numbers",
        lambda message: heard.append(message.data),
        QoSProfile(depth=0, history=HistoryPolicy.KEEP_ALL),
    )
    publisher = node.create_publisher(Float64, "numbers", QoSProfile(depth=0, history=HistoryPolicy.KEEP_ALL))
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)

    def send(first: int) -> None:
        for number in range(first, first + 50):
            publisher.publish(Float64(data=float(number)))

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, 50, 100, 150)]
    for thread in threads:
        thread.start()
    assert world.spin_until(lambda: len(heard) == 200)
    for thread in threads:
        thread.join()
    assert sorted(heard) == [float(number) for number in range(200)]


def test_raw_messages_are_bytes_both_ways(world: Any) -> None:
    node = world.node("node")
    heard: list[bytes] = []
    node.create_subscription(String, "raw", heard.append, 10, raw=True)
    publisher = node.create_publisher(String, "raw", 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(serialize_message(String(data="as bytes")))
    assert world.spin_until(lambda: heard)
    assert isinstance(heard[0], bytes)
    assert deserialize_message(heard[0], String) == String(data="as bytes")


def test_a_callback_with_two_arguments_gets_the_times(world: Any) -> None:
    node = world.node("node")
    heard: list[tuple[str, Any]] = []

    def callback(message: String, info: Any) -> None:
        heard.append((message.data, info))

    node.create_subscription(String, "stamped", callback, 10)
    publisher = node.create_publisher(String, "stamped", 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="now"))
    assert world.spin_until(lambda: heard)
    assert heard[0][0] == "now"
    assert 0 < heard[0][1]["source_timestamp"] <= heard[0][1]["received_timestamp"]


def test_a_coroutine_may_be_a_callback(world: Any) -> None:
    node = world.node("node")
    heard: list[str] = []

    async def callback(message: String) -> None:
        heard.append(message.data)

    node.create_subscription(String, "topic", callback, 10)
    publisher = node.create_publisher(String, "topic", 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="one"))
    publisher.publish(String(data="two"))
    assert world.spin_until(lambda: len(heard) == 2)
    assert heard == ["one", "two"]


def test_a_destroyed_subscription_is_silent(world: Any) -> None:
    node = world.node("node")
    heard: list[str] = []
    kept: list[str] = []
    gone = node.create_subscription(String, "topic", lambda message: heard.append(message.data), 10)
    node.create_subscription(String, "topic", lambda message: kept.append(message.data), 10)
    publisher = node.create_publisher(String, "topic", 10)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 2)
    assert node.destroy_subscription(gone)
    assert not node.destroy_subscription(gone)
    assert world.spin_until(lambda: publisher.get_subscription_count() == 1)
    publisher.publish(String(data="hello"))
    assert world.spin_until(lambda: kept)
    assert heard == []


def test_a_destroyed_publisher_is_gone(world: Any) -> None:
    node = world.node("node")
    subscription = node.create_subscription(String, "topic", lambda message: None, 10)
    publisher = node.create_publisher(String, "topic", 10)
    assert world.spin_until(lambda: subscription.get_publisher_count() == 1)
    assert node.destroy_publisher(publisher)
    assert world.spin_until(lambda: subscription.get_publisher_count() == 0)


def test_what_cannot_be_published_is_refused(world: Any) -> None:
    publisher = world.node("node").create_publisher(String, "topic", 10)
    with pytest.raises(TypeError):
        publisher.publish(Float64(data=1.0))
    with pytest.raises(TypeError):
        publisher.publish("text")


def test_what_is_no_topic_is_refused(world: Any) -> None:
    node = world.node("node")
    for name in ("", "with space", "1st", "a//b", "ends/"):
        with pytest.raises(InvalidTopicNameException):
            node.create_publisher(String, name, 10)
    with pytest.raises(TypeError):
        node.create_publisher(String, "topic", "ten")
    with pytest.raises(ValueError, match="depth"):
        node.create_publisher(String, "topic", -1)
    with pytest.raises(RuntimeError):
        node.create_subscription(String, "topic", lambda: None, 10)


def test_qos_profiles() -> None:
    sensor = qos_profile_sensor_data
    assert (sensor.depth, sensor.reliability) == (5, ReliabilityPolicy.BEST_EFFORT)
    assert sensor.durability == DurabilityPolicy.VOLATILE
    assert qos_profile_system_default.reliability == ReliabilityPolicy.SYSTEM_DEFAULT
    plain = QoSProfile(depth=7)
    assert (plain.history, plain.depth) == (HistoryPolicy.KEEP_LAST, 7)
    assert (plain.reliability, plain.durability) == (ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
    assert plain == QoSProfile(depth=7)
    assert plain != QoSProfile(depth=7, deadline=Duration(seconds=1))
    with pytest.raises(InvalidQoSProfileException):
        QoSProfile()


def test_one_message_can_be_waited_for(world: Any) -> None:
    talker, waiter = world.node("talker"), world.node("waiter", spins=False)
    talker.create_publisher(String, "state", LATCHED).publish(String(data="here"))
    assert wait_for_message(String, waiter, "state", qos_profile=LATCHED, time_to_wait=20) == (
        True,
        String(data="here"),
    )
    assert wait_for_message(String, waiter, "silent", time_to_wait=0.05) == (False, None)
