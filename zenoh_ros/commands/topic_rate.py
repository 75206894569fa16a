"""Measure a topic's rate, bandwidth or delay once a second, until Ctrl-C."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time

from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.graph import absolute, graph_node, spin_until
from zenoh_ros.commands.numbers import positive_int
from zenoh_ros.commands.topic_types import topic_class

_REPORT_PERIOD = 1.0


class Meter(Protocol):
    """Receives each message, and reports once a second."""

    def tick(self, message: Any, now: float, ros_now: float) -> None:
        """Process a message or its bytes; `now` is on a steady clock, `ros_now` on the node's clock [s]."""

    def report(self, now: float) -> str | None:
        """The report in the format of `ros2 topic`; None if there is nothing to report."""


class RateMeter:
    """Intervals between messages, the last `window` of them."""

    def __init__(self, window: int) -> None:
        self._intervals: deque[float] = deque(maxlen=window)
        self._last: float | None = None

    def tick(self, message: Any, now: float, ros_now: float) -> None:
        """See Meter."""
        if self._last is not None:
            self._intervals.append(now - self._last)
        self._last = now

    def report(self, now: float) -> str | None:
        """None before the second message."""
        if not self._intervals:
            return None
        mean = statistics.fmean(self._intervals)
        rate = 1.0 / mean if mean > 0 else 0.0
        return f"average rate: {rate:.3f}\n\t{_spread(self._intervals)}"


class BandwidthMeter:
    """Sizes of messages [bytes], the last `window` of them."""

    def __init__(self, window: int) -> None:
        self._sizes: deque[tuple[float, int]] = deque(maxlen=window)

    def tick(self, message: Any, now: float, ros_now: float) -> None:
        """See Meter; `message` is its bytes."""
        self._sizes.append((now, len(message)))

    def report(self, now: float) -> str | None:
        """None before the second message."""
        if len(self._sizes) < 2:
            return None
        sizes = [size for _, size in self._sizes]
        per_second = sum(sizes) / max(now - self._sizes[0][0], 1e-9)
        steps = ((1e3, 1.0, "{:.0f} B"), (1e6, 1e3, "{:.2f} KB"), (float("inf"), 1e6, "{:.2f} MB"))
        unit, form = next((unit, form) for below, unit, form in steps if per_second < below)
        mean, least, most = (form.format(size / unit) for size in (statistics.fmean(sizes), min(sizes), max(sizes)))
        return (
            f"{form.format(per_second / unit)}/s from {len(sizes)} messages\n"
            f"\tMessage size mean: {mean} min: {least} max: {most}"
        )


class DelayMeter:
    """Delays from the timestamps of messages to their arrival [s], the last `window` of them."""

    def __init__(self, window: int) -> None:
        self._delays: deque[float] = deque(maxlen=window)

    def tick(self, message: Any, now: float, ros_now: float) -> None:
        """See Meter."""
        self._delays.append(ros_now - Time.from_msg(message.header.stamp).nanoseconds / 1e9)

    def report(self, now: float) -> str | None:
        """None before the first message."""
        if not self._delays:
            return None
        return f"average delay: {statistics.fmean(self._delays):.3f}\n\t{_spread(self._delays)}"


def _spread(values: deque[float]) -> str:
    deviation = statistics.pstdev(values)
    return f"min: {min(values):.3f}s max: {max(values):.3f}s std dev: {deviation:.5f}s window: {len(values)}"


# verb: the measured quantity, the default window size
METERS: dict[str, tuple[Callable[[int], Meter], int, str]] = {
    "hz": (RateMeter, 10000, "measure the rate of messages"),
    "bw": (BandwidthMeter, 100, "measure the bandwidth"),
    "delay": (DelayMeter, 10000, "measure the delay of messages by their header's stamp"),
}


def add_arguments(verbs: Any) -> None:
    """The verbs of `topic` that measure."""
    for verb, (_, window, text) in METERS.items():
        parser = verbs.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}, until Ctrl-C.")
        parser.add_argument("topic_name", help="name of the topic, e.g. /image")
        parser.add_argument(
            "-w",
            "--window",
            type=positive_int,
            default=window,
            metavar="N",
            help="window size in messages (%(default)s)",
        )


def run(args: argparse.Namespace) -> int:
    topic = absolute(args.topic_name)
    kind, _, _ = METERS[args.verb]
    meter = kind(args.window)
    heard = told = 0
    with graph_node() as node:
        message_type = topic_class(node, topic)
        if kind is DelayMeter and not hasattr(message_type, "header"):
            raise CliError(f"the messages of {topic} have no header with a stamp")

        def on_message(message: Any) -> None:
            nonlocal heard
            heard += 1
            meter.tick(message, time.monotonic(), node.get_clock().now().nanoseconds / 1e9)

        node.create_subscription(message_type, topic, on_message, qos_profile_sensor_data, raw=kind is BandwidthMeter)
        if kind is BandwidthMeter:
            print(f"Subscribed to [{topic}]", flush=True)
        while True:
            spin_until(node, lambda: False, _REPORT_PERIOD)
            said = meter.report(time.monotonic())
            print("no new messages" if said is None or heard == told else said, flush=True)
            told = heard
