"""The policy node's cameras: their topics, their newest images for questions, and the detection of frozen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.camera_topics import camera_topics
from rt_vla_ros.nodes.images import open_bridge
from rt_vla_ros.nodes.pictures import Picture, rgb_from_picture
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.frame_buffer import refuse_age
from rt_vla_ros.runtime.frozen_camera import FrozenCamera


class PolicyCameras:
    """Not thread-safe, except `decode`.

    topics: full name of each camera's topic.
    """

    def __init__(self, node: Node, settings: Mapping[str, Any]) -> None:
        """settings: the policy node's parameters. Raises StartError."""
        open_bridge()
        self._node, self._settings = node, settings
        self.topics = {name: self._image_topic(topic) for name, topic in camera_topics(settings["cameras"]).items()}
        self._frozen = {name: FrozenCamera(name, settings["max_frozen_way"]) for name in self.topics}
        self._newest: dict[str, Picture] = {}

    def _image_topic(self, topic: str) -> str:
        """In full; as with image_transport, a camera is remapped by its own name, without that of the transport."""
        compressed = self._settings["image_transport"] == "compressed"
        full: str = self._node.resolve_topic_name(topic)
        return self._node.resolve_topic_name(f"{full}/compressed") if compressed else full

    def subscribe(self, on_image: Callable[[str, Picture], None]) -> None:
        """on_image: called with a camera's name and each of its images."""
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        kind = CompressedImage if self._settings["image_transport"] == "compressed" else Image
        for name, topic in self.topics.items():
            self._node.create_subscription(kind, topic, partial(on_image, name), newest)

    def keep(self, camera: str, message: Picture) -> None:
        """Keeps a usable image as the newest one."""
        self._newest[camera] = message

    def forget(self) -> None:
        """Forgets the newest images."""
        self._newest.clear()

    def newest(self, policy: Policy, now_ns: int) -> dict[str, NDArray[np.uint8]]:
        """The policy's view now. Raises ValueError if a camera has no image, or an unusable one."""
        return {
            spec.name: self.decode(policy, spec.name, self._fresh(spec.name, now_ns)) for spec in policy.card.cameras
        }

    def _fresh(self, camera: str, now_ns: int) -> Picture:
        newest = self._newest.get(camera)
        if newest is None:
            raise ValueError(f"No image received from the camera {camera!r} yet.")
        age_ns = now_ns - convert.nanoseconds(newest.header.stamp)
        untimely = refuse_age(camera, age_ns, self._settings["max_image_age"])
        if untimely is not None:
            raise ValueError(untimely)
        return newest

    def restart(self) -> None:
        """A new request begins: images from before it do not count for the frozen-camera check."""
        for camera in self._frozen.values():
            camera.restart()

    def frozen(
        self, camera: str, message: Picture, stamp_ns: int, times_ns: tuple[int, int], way: float | None
    ) -> str | None:
        """Why a camera counts as frozen, as a sentence; see FrozenCamera.look."""
        return self._frozen[camera].look(message.data, stamp_ns=stamp_ns, times_ns=times_ns, way=way)

    def decode(self, policy: Policy, camera: str, message: Picture) -> NDArray[np.uint8]:
        """The image for the policy: uint8, shape (height, width, 3). Raises ValueError if it cannot be used."""
        pixels = rgb_from_picture(message, camera)
        spec = next(spec for spec in policy.card.cameras if spec.name == camera)
        fit = self._settings["image_fit"]
        return fit_image(pixels, spec if fit == "card" else replace(spec, crop=fit))
