"""Measure how often messages come: `rt-vla topic hz /image`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from typing import Any

from rclpy.qos import qos_profile_sensor_data

from zenoh_ros.commands.graph import absolute, graph_node, require_name, spin_until, topics
from zenoh_ros.commands.numbers import positive_int
from zenoh_ros.commands.values import interface

_REPORT_PERIOD = 1.0


class RateMeter:
    """Intervals between messages.

    Args:
        window: how many intervals are looked at.
    """

    def __init__(self, window: int) -> None:
        self._intervals: deque[float] = deque(maxlen=window)
        self._last: float | None = None

    def tick(self, now: float) -> None:
        """A message came at this time [s]."""
        if self._last is not None:
            self._intervals.append(now - self._last)
        self._last = now

    def report(self) -> str | None:
        """What `ros2 topic hz` prints; None before the second message."""
        if not self._intervals:
            return None
        mean = statistics.fmean(self._intervals)
        rate = 1.0 / mean if mean > 0 else 0.0
        return (
            f"average rate: {rate:.3f}\n"
            f"\tmin: {min(self._intervals):.3f}s max: {max(self._intervals):.3f}s "
            f"std dev: {statistics.pstdev(self._intervals):.5f}s window: {len(self._intervals)}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic_name", help="e.g. /image")
    parser.add_argument(
        "-w",
        "--window",
        type=positive_int,
        default=10000,
        metavar="N",
        help="look at the last N messages (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    topic = absolute(args.topic_name)
    meter = RateMeter(args.window)

    def on_message(message: Any) -> None:
        meter.tick(time.monotonic())

    with graph_node() as node:
        message_type = interface(require_name(topic, "topic", lambda: topics(node))[0], "msg")
        node.create_subscription(message_type, topic, on_message, qos_profile_sensor_data)
        while True:
            spin_until(node, lambda: False, _REPORT_PERIOD)
            print(meter.report() or "no new messages", flush=True)
