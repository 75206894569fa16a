"""Transforms: broadcast, heard, and told between any two frames."""

from __future__ import annotations

import math
from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_ros import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    LookupException,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformException,
    TransformListener,
)


def _transform(parent: str, child: str, x: float, yaw: float = 0.0, stamp: float = 0.0) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = Time(nanoseconds=int(stamp * 1e9)).to_msg()
    message.transform.translation.x = x
    message.transform.rotation.z, message.transform.rotation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    return message


@pytest.fixture
def buffer() -> Buffer:
    """A base with a static camera, and an arm that turned a quarter and reached out between 1 s and 2 s."""
    filled = Buffer()
    filled.set_transform_static(_transform("base", "camera", 0.5), "test")
    for stamp, yaw, reach in ((1.0, 0.0, 0.2), (2.0, math.pi / 2, 0.4)):
        filled.set_transform(_transform("base", "arm", 0.0, yaw, stamp), "test")
        filled.set_transform(_transform("arm", "tip", reach, 0.0, stamp), "test")
    return filled


def _where(buffer: Buffer, target: str, source: str, stamp: float = 0.0) -> tuple[float, float, float]:
    translation = buffer.lookup_transform(target, source, Time(nanoseconds=int(stamp * 1e9))).transform.translation
    return translation.x, translation.y, translation.z


def test_along_the_tree(buffer: Buffer) -> None:
    assert _where(buffer, "base", "tip") == pytest.approx((0.0, 0.4, 0.0), abs=1e-9)
    assert _where(buffer, "camera", "tip") == pytest.approx((-0.5, 0.4, 0.0), abs=1e-9)
    assert _where(buffer, "tip", "base") == pytest.approx((-0.4, 0.0, 0.0), abs=1e-9)
    assert _where(buffer, "tip", "tip") == (0.0, 0.0, 0.0)
    latest = buffer.lookup_transform("base", "tip", Time())
    assert (latest.header.frame_id, latest.child_frame_id, latest.header.stamp.sec) == ("base", "tip", 2)
    assert latest.transform.rotation.z == pytest.approx(math.sin(math.pi / 4))


def test_between_two_stamps(buffer: Buffer) -> None:
    diagonal = 0.3 * math.sqrt(0.5)
    assert _where(buffer, "base", "tip", 1.5) == pytest.approx((diagonal, diagonal, 0.0), abs=1e-9)
    assert _where(buffer, "base", "tip", 1.0) == pytest.approx((0.2, 0.0, 0.0), abs=1e-9)


def test_what_is_not_known_is_said(buffer: Buffer) -> None:
    buffer.set_transform_static(_transform("elsewhere", "island", 1.0), "test")
    for target, source, stamp, kind in (
        ("base", "nothing", 0.0, LookupException),
        ("base", "island", 0.0, ConnectivityException),
        ("base", "tip", 3.0, ExtrapolationException),
        ("base", "tip", 0.5, ExtrapolationException),
    ):
        with pytest.raises(kind):
            _where(buffer, target, source, stamp)
        assert not buffer.can_transform(target, source, Time(nanoseconds=int(stamp * 1e9)))
        assert issubclass(kind, TransformException)
    assert buffer.can_transform("base", "tip", Time())


def test_old_transforms_are_forgotten() -> None:
    buffer = Buffer(cache_time=Duration(seconds=2.0))
    for stamp in (1.0, 2.0, 5.0, 5.5):
        buffer.set_transform(_transform("base", "arm", stamp, stamp=stamp), "test")
    with pytest.raises(ExtrapolationException):
        _where(buffer, "base", "arm", 1.5)
    assert _where(buffer, "base", "arm")[0] == 5.5


def test_what_is_static_outlives_a_clear(buffer: Buffer) -> None:
    buffer.clear()
    assert _where(buffer, "base", "camera") == (0.5, 0.0, 0.0)
    assert not buffer.can_transform("base", "tip", Time())


def test_broadcasters_fill_a_late_listeners_buffer(world: Any) -> None:
    speaker, node = world.node("speaker"), world.node("listener")
    static = StaticTransformBroadcaster(speaker)
    static.sendTransform(_transform("base", "camera", 0.5))
    static.sendTransform([_transform("base", "table", -0.5)])
    moving = TransformBroadcaster(speaker)
    buffer = Buffer()
    listener = TransformListener(buffer, node)
    assert world.spin_until(lambda: buffer.can_transform("camera", "table", Time()))
    assert _where(buffer, "camera", "table") == pytest.approx((-1.0, 0.0, 0.0))
    assert world.spin_until(lambda: node.count_publishers("/tf") == 1 and speaker.count_subscribers("/tf") == 1)

    def arrived() -> bool:
        moving.sendTransform(_transform("base", "tip", 0.3, stamp=7.0))
        return bool(buffer.can_transform("camera", "tip", Time()))

    assert world.spin_until(arrived)
    assert _where(buffer, "camera", "tip", 7.0) == pytest.approx((-0.2, 0.0, 0.0))
    listener.unregister()
