"""One image topic, watched for a while: its publisher, rate, size, stamps, and whether it is frozen."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.graph_look import GraphLook
from rt_vla_ros.cli.doctor.parameter_files import SIM_TIME
from rt_vla_ros.nodes.conversions import nanoseconds, seconds
from rt_vla_ros.nodes.image_encodings import check_image

SUFFIX = "/compressed"
ENOUGH = 5  # images that say something of a rate


class CameraWatch:
    """Listens from now on. last: the newest image; None before the first."""

    def __init__(self, look: GraphLook, topic: str, kind: type) -> None:
        self._look, self._node, self.topic = look, look.node, topic
        self._arrivals: list[float] = []  # [s]
        self._wall_ages: list[float] = []  # by this machine's clock [s]
        self._simulated_ages: list[float] = []  # by /clock [s]
        self._stamps: list[int] = []  # [ns]
        self._contents: list[int] = []
        self.last: Any = None
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(kind, topic, self._on_image, newest)

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._arrivals.append(time.monotonic())
        self._wall_ages.append(seconds(time.time_ns() - stamp_ns))
        if self._look.clock_ns is not None:
            self._simulated_ages.append(seconds(self._look.clock_ns - stamp_ns))
        self._stamps.append(stamp_ns)
        self._contents.append(hash(bytes(message.data)))
        self.last = message

    def is_due(self) -> bool:
        """Whether there is a camera with too few images so far."""
        return len(self._arrivals) < ENOUGH and bool(self._node.count_publishers(self.topic))

    def findings(self, values: Mapping[str, Any], card: ActionCard | None) -> Iterator[Finding]:
        """values: of the parameters use_sim_time and max_image_age."""
        if self.last is None:
            yield Finding(False, self._silence())
            return
        problem = check_image(self.last) if isinstance(self.last, Image) else None
        if problem is not None:
            yield Finding(False, f"{self.topic}: {problem}")
        yield Finding(True, f"{self.topic}: {self._description()}.")
        yield from self._slow(card)
        yield from self._untimely(self.age(simulated=values[SIM_TIME]), values["max_image_age"])
        yield from self._still()

    def _silence(self) -> str:
        if self._node.count_publishers(self.topic):
            return f"{self.topic} has a publisher, but no images: is the camera streaming, is the network fast?"
        raw = self.topic.removesuffix(SUFFIX)
        other = raw if raw != self.topic else f"{raw}{SUFFIX}"
        if self._node.count_publishers(other):
            transport = "raw" if other == raw else "compressed"
            return f"No publisher on {self.topic}, but {other} exists: set image_transport to {transport!r}."
        return f"No publisher on {self.topic}: start the camera, or remap the topic to the camera's."

    def rate(self) -> float | None:
        """Images per second [Hz], from the median interval, which ignores single pauses of this machine.

        None for too few images.
        """
        if len(self._arrivals) < ENOUGH:
            return None
        return 1.0 / max(statistics.median(later - earlier for earlier, later in pairwise(self._arrivals)), 1e-9)

    def _description(self) -> str:
        last, rate = self.last, self.rate()
        kind = f"{last.encoding} {last.width}x{last.height}" if isinstance(last, Image) else last.format or "compressed"
        how_often = f"{rate:.3g} a second" if rate is not None else f"{len(self._arrivals)} in all"
        sources = self._node.get_publishers_info_by_topic(self.topic)
        names = sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in sources})
        return f"{kind}, {len(last.data):,} bytes, {how_often}, from {' and '.join(names) or 'a node that has left'}"

    def _slow(self, card: ActionCard | None) -> Iterator[Finding]:
        rate = self.rate()
        if rate is None:
            yield Finding(False, f"{self.topic}: hardly any images ({len(self._arrivals)}).")
        elif card is not None and rate * card.decision_period < 0.9:
            wanted = f"the policy decides {1 / card.decision_period:.3g} times per second"
            yield Finding(False, f"{self.topic}: {rate:.3g} images per second, but {wanted}: the arm will pause.")

    def age(self, *, simulated: bool) -> float | None:
        """Age of images on arrival, by /clock or this machine's clock [s]; None if unknown."""
        ages = self._simulated_ages if simulated else self._wall_ages
        return statistics.median(ages) if ages else None

    def _untimely(self, age: float | None, max_age: float) -> Iterator[Finding]:
        if age is None:  # simulated time without a clock, which is told of
            return
        if not self._stamps[-1]:
            yield Finding(
                False, f"{self.topic}: the images have no timestamp (0). Configure the camera driver to set it."
            )
        elif age > max_age:
            why = "its clock or the network is behind"
            yield Finding(False, f"{self.topic}: the images are {age:.3g} s old, more than max_image_age: {why}.")
        elif -age > max_age:
            cure = "synchronize the clocks of both hosts (chrony, ptp)"
            yield Finding(False, f"{self.topic}: the images are {-age:.3g} s in the future: {cure}.")
        else:
            yield Finding(True, f"{self.topic}: the images are {age:.2g} s old on arrival.")

    def _still(self) -> Iterator[Finding]:
        if len(self._stamps) < ENOUGH:
            return
        if len(set(self._stamps)) == 1:
            yield Finding(False, f"{self.topic}: all images have the same timestamp: the camera is frozen.")
        elif any(later < earlier for earlier, later in pairwise(self._stamps)):
            yield Finding(False, f"{self.topic}: timestamps go backwards: does more than one camera publish there?")
        elif len(set(self._contents)) == 1:
            yield Finding(True, f"{self.topic}: all images are identical: the camera is simulated, covered or frozen.")
