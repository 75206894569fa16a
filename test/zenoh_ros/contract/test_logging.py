"""Logging: levels, filters, the line on stderr, and /rosout."""

from __future__ import annotations

import re
from typing import Any

import pytest
import rclpy.logging
from rcl_interfaces.msg import Log
from rclpy.logging import LoggingSeverity
from rclpy.qos import DurabilityPolicy, QoSProfile

ROSOUT = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)

SAYS = """
rclpy.init(args=sys.argv)
node = rclpy.create_node("talker", namespace="arm")
node.get_logger().info("hello {braces}")
node.get_logger().debug("secret")
node.get_logger().get_child("part").warning("careful")
rclpy.shutdown()
"""


def test_lines_go_to_stderr(program: Any) -> None:
    code, out, err = program(SAYS).end()
    assert code == 0, err
    assert out == ""
    lines = err.splitlines()
    assert re.fullmatch(r"\[INFO\] \[\d+\.\d{9}\] \[arm\.talker\]: hello \{braces\}", lines[0])
    assert re.fullmatch(r"\[WARN\] \[\d+\.\d{9}\] \[arm\.talker\.part\]: careful", lines[1])
    assert len(lines) == 2


def test_the_command_line_sets_levels(program: Any) -> None:
    _, _, everything = program(SAYS, "--ros-args", "--log-level", "debug").end()
    assert "[DEBUG]" in everything
    assert "secret" in everything
    _, _, little = program(SAYS, "--ros-args", "--log-level", "arm.talker:=warn").end()
    assert "hello" not in little
    assert "careful" in little


def test_rosout_tells_late_listeners(world: Any) -> None:
    speaker = world.node("speaker")
    speaker.get_logger().warning("something happened")
    heard: list[Log] = []
    world.node("listener").create_subscription(Log, "/rosout", heard.append, ROSOUT)
    assert world.spin_until(lambda: any(line.msg == "something happened" for line in heard))
    line = next(line for line in heard if line.msg == "something happened")
    assert (line.name, line.level) == (
        "speaker",
        int.from_bytes(Log.WARN, "big") if isinstance(Log.WARN, bytes) else 30,
    )
    assert line.function == "test_rosout_tells_late_listeners"
    assert line.file.endswith("test_logging.py")
    assert line.stamp.sec > 0


def test_rosout_can_be_left_out(world: Any) -> None:
    world.node("quiet", enable_rosout=False)
    watcher = world.node("watcher")
    assert watcher.wait_for_node("/quiet", timeout=20.0)
    assert world.spin_until(lambda: "/rosout" in dict(watcher.get_publisher_names_and_types_by_node("watcher", "/")))
    assert "/rosout" not in dict(watcher.get_publisher_names_and_types_by_node("quiet", "/"))


def test_filters(world: Any) -> None:
    logger = world.node("node").get_logger()
    assert [logger.info("once", once=True) for _ in range(3)] == [True, False, False]
    assert [logger.info("not first", skip_first=True) for _ in range(3)] == [False, True, True]
    assert [logger.info("seldom", throttle_duration_sec=60.0) for _ in range(3)] == [True, False, False]
    assert [logger.info("always") for _ in range(2)] == [True, True]
    with pytest.raises(TypeError):
        logger.info("wrong", nonsense=True)


def test_levels() -> None:
    logger = rclpy.logging.get_logger("level_test")
    child = logger.get_child("child")
    assert child.name == "level_test.child"
    logger.set_level(LoggingSeverity.ERROR)
    assert not logger.is_enabled_for(LoggingSeverity.WARN)
    assert child.get_effective_level() == LoggingSeverity.ERROR
    assert logger.warning("dropped") is False
    rclpy.logging.set_logger_level("level_test", LoggingSeverity.DEBUG)
    assert logger.is_enabled_for(LoggingSeverity.DEBUG)
    assert rclpy.logging.get_logging_severity_from_string("fatal") == LoggingSeverity.FATAL
    rclpy.logging.set_logger_level("level_test", LoggingSeverity.UNSET)
