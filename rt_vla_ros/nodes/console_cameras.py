"""The console node's cameras: subscribed only while a page is open, and encoded as JPEG."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.console.board import Board, Rate
from rt_vla_ros.console.frames import FrameHub
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.camera_topics import camera_topics
from rt_vla_ros.nodes.console_path import ConsolePath
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.images import open_bridge
from rt_vla_ros.nodes.pictures import Picture, check_picture, rgb_from_picture

LOOK_PERIOD = 0.2  # of whether a page is open, and of the rates [s]
SMALL = 200  # [pixel]
MISSED = 2.0  # without an image [s]


class ConsoleCameras:
    """Feeds a FrameHub, `frames`. path: what is drawn into the pictures."""

    def __init__(self, node: GuardedNode, board: Board, settings: Mapping[str, Any]) -> None:
        """settings: the console node's parameters. Raises StartError."""
        open_bridge()
        self._node, self._board, self._settings = node, board, settings
        self._compressed = settings["image_transport"] == "compressed"
        self._topics = {name: self._image_topic(topic) for name, topic in camera_topics(settings["cameras"]).items()}
        self._rates = {name: Rate() for name in self._topics}
        self._stamps: dict[str, tuple[int, float]] = {}  # of the newest image, and its time of arrival
        self._since = 0.0  # when it subscribed
        self._subscriptions: list[Any] = []
        self._wanted = False
        self._clip_camera = next(iter(self._topics))
        self.frames = FrameHub(self._encode, self._watch, self._failed, settings["picture_rate"], self._keep)
        self.path = ConsolePath(node, board, self._topics, self._now_ns)
        for name, topic in self._topics.items():
            board.camera(name, topic=topic, problem="")
        node.create_timer(LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _image_topic(self, topic: str) -> str:
        full = str(self._node.resolve_topic_name(topic))
        return str(self._node.resolve_topic_name(f"{full}/compressed")) if self._compressed else full

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _keep(self, camera: str, jpeg: bytes) -> None:
        """Clips of the last runs are of the first camera."""
        if camera == self._clip_camera:
            self._board.runs.picture(jpeg)

    def _watch(self, wanted: bool) -> None:
        """In the server's thread: nodes are changed in their own."""
        self._wanted = wanted

    def _failed(self, camera: str, why: str) -> None:
        self._board.camera(camera, problem=why)

    def _look(self) -> None:
        at = time.monotonic()
        if self._wanted and not self._subscriptions:
            newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            kind, self._since = CompressedImage if self._compressed else Image, at
            self._subscriptions = [
                self._node.create_subscription(kind, topic, partial(self._on_image, name), newest)
                for name, topic in self._topics.items()
            ]
            self.path.begin()
        elif not self._wanted and self._subscriptions:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = []
            self.path.end()
        for name, topic in self._topics.items():
            self._tell(name, topic, at)

    def _tell(self, name: str, topic: str, at: float) -> None:
        stamp_ns, came = self._stamps.get(name, (0, self._since))
        if self._subscriptions and at - came > MISSED:
            self._board.camera(name, rate=0.0, age=None, problem=f"No images received on {topic}.")
        elif name in self._stamps:
            age = convert.seconds(self._now_ns() - stamp_ns)
            self._board.camera(name, rate=round(self._rates[name].value(at), 1), age=round(age, 3))

    def _on_image(self, name: str, message: Picture) -> None:
        at, problem = time.monotonic(), check_picture(message)
        self._rates[name].tick(at)
        self._stamps[name] = (convert.nanoseconds(message.header.stamp), at)
        self._board.camera(name, problem=problem or "")
        if problem is None:
            self.frames.offer(name, message)
            self.path.draw(name)

    def _encode(self, camera: str, message: Picture) -> bytes:
        """Raises ValueError."""
        import cv2  # which cv_bridge needs as well, and which has been opened by now

        pixels: NDArray[Any] = rgb_from_picture(message, camera)
        height, width = pixels.shape[:2]
        self.path.size(camera, width, height)
        most = self._settings["picture_width"]
        if width > most:
            size = (most, max(1, round(height * most / width)))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        small = width < SMALL  # the page shows its pixels
        # OpenCV, unlike Pillow, lets the other threads run meanwhile: the page's stick, and its stop.
        options = [cv2.IMWRITE_JPEG_QUALITY, 95 if small else self._settings["jpeg_quality"]]
        if small and hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):  # of OpenCV 4.7
            options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        return bytes(cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1])
