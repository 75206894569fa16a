"""Survey of a live ROS graph, for a few seconds."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rclpy._rclpy_pybind11 import RCLError
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String

from rt_vla_ros.cli.card.survey import (
    DESCRIPTION,
    IMAGE_KINDS,
    JOINTS_KIND,
    STRING_KIND,
    CameraSeen,
    JointsSeen,
    Survey,
)
from rt_vla_ros.cli.doctor.camera_watch import ENOUGH, CameraWatch
from rt_vla_ros.cli.doctor.graph_look import GraphLook, on_graph
from rt_vla_ros.nodes.camera_topics import camera_info_topic
from rt_vla_ros.nodes.conversions import nanoseconds, seconds
from rt_vla_ros.nodes.pictures import check_picture, rgb_from_picture
from rt_vla_ros.recording.transform_streams import TransformStreams
from zenoh_ros.commands.errors import CliError

DISCOVERY = 2.0
"""Timeout of the discovery of topics [s]."""
LISTENING = 3.0
"""Listening time [s]."""
PATIENCE = 7.0
"""Extra listening time for published topics without messages so far [s]."""
NO_IMAGES = ("/compressedDepth", "/theora", "/zstd", "/ffmpeg")
KINDS = dict(zip(IMAGE_KINDS, (Image, CompressedImage), strict=True))


def survey_graph(listening: float = LISTENING, discovery: float = DISCOVERY) -> Survey:
    """listening, discovery: times [s]. Raises CliError if there is no graph, or nothing on it."""
    try:
        with on_graph() as look:
            return _survey(look, listening, discovery)
    except RCLError as error:
        raise CliError(f"cannot join the graph: {error}") from error


def _survey(look: GraphLook, listening: float, discovery: float) -> Survey:
    look.spin(discovery)
    node = look.node
    topics = {name: kinds[0] for name, kinds in node.get_topic_names_and_types()}
    published = frozenset(name for name in topics if node.count_publishers(name))
    if not look.full_names():
        raise CliError("no nodes on the graph: start the robot's nodes, or check ROS_DOMAIN_ID and the namespace.")
    cameras = {
        name: (CameraWatch(look, name, KINDS[kind]), _Infos(look, name))
        for name, kind in topics.items()
        if kind in KINDS and name in published and not name.endswith(NO_IMAGES)
    }
    joints = {name: _Joints(look, name) for name, kind in topics.items() if kind == JOINTS_KIND and name in published}
    description = _Description(look, topics, published)
    look.spin(listening)
    look.spin(PATIENCE, lambda: not (description.is_due() or any(watch.is_due() for watch, _ in cameras.values())))
    parents = look.parents()
    transforms, stamps = TransformStreams(1.0), {}
    for child, parent in parents.items():
        found = look.placed(parent, child)
        if isinstance(found, str):
            continue
        at, turn = found.transform.translation, found.transform.rotation
        quaternion = np.array([turn.w, turn.x, turn.y, turn.z])
        transforms.put(child, parent, None, np.array([at.x, at.y, at.z]), quaternion, 0)
        if nanoseconds(found.header.stamp):
            stamps[child] = nanoseconds(found.header.stamp)
    now_ns = look.clock_ns if look.clock_ns is not None else time.time_ns()
    return Survey(
        topics,
        published,
        {name: _camera(look, *watches) for name, watches in cameras.items()},
        {name: one.seen() for name, one in joints.items()},
        parents,
        frozenset(stamps),
        {child: seconds(now_ns - stamp_ns) for child, stamp_ns in stamps.items()},
        transforms,
        description.text,
    )


class _Infos:
    """A camera's calibration, on the topic beside that of its images."""

    def __init__(self, look: GraphLook, topic: str) -> None:
        self.last: Any = None
        look.node.create_subscription(CameraInfo, camera_info_topic(topic), self._on_info, _newest())

    def _on_info(self, message: CameraInfo) -> None:
        self.last = message

    def vertical_fov(self) -> float:
        focal = float(self.last.k[4]) if self.last is not None else 0.0
        return 2 * math.atan(self.last.height / (2 * focal)) if focal > 0 and math.isfinite(focal) else 0.0


class _Description:
    """The robot's URDF, which a robot_state_publisher keeps for those that come later. The shortest topic's."""

    def __init__(self, look: GraphLook, topics: Mapping[str, str], published: Collection[str]) -> None:
        self.text = ""
        names = [name for name, kind in topics.items() if kind == STRING_KIND and name.endswith(DESCRIPTION)]
        self._topic = min((name for name in names if name in published), key=len, default="")
        if self._topic:
            lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            look.node.create_subscription(String, self._topic, self._on_text, lasting)

    def is_due(self) -> bool:
        return bool(self._topic) and not self.text

    def _on_text(self, message: String) -> None:
        self.text = message.data


class _Joints:
    def __init__(self, look: GraphLook, topic: str) -> None:
        self._arrivals: list[float] = []
        self._positions: dict[str, float] = {}
        look.node.create_subscription(JointState, topic, self._on_joints, _newest(50))

    def _on_joints(self, message: JointState) -> None:
        self._arrivals.append(time.monotonic())
        self._positions |= zip(message.name, map(float, message.position), strict=False)

    def seen(self) -> JointsSeen:
        return JointsSeen(_rate(self._arrivals), dict(self._positions))


def _newest(depth: int = 1) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def _rate(times: Sequence[float]) -> float:
    """From the median interval [Hz]; 0 for too few messages."""
    if len(times) < ENOUGH:
        return 0.0
    return 1.0 / max(statistics.median(later - earlier for earlier, later in pairwise(times)), 1e-9)


def _camera(look: GraphLook, watch: CameraWatch, infos: _Infos) -> CameraSeen:
    message = watch.last
    if message is None:
        return CameraSeen(problem="it has a publisher, but there are no images: is the camera streaming?")
    encoding = message.encoding if isinstance(message, Image) else message.format
    rate, age = watch.rate() or 0.0, watch.age(simulated=look.clock_ns is not None) or 0.0
    try:
        problem = check_picture(message)
        height, width = rgb_from_picture(message, watch.topic).shape[:2] if problem is None else (0, 0)
    except ValueError as error:
        problem, height, width = str(error), 0, 0
    return CameraSeen(width, height, encoding, rate, age, infos.vertical_fov(), problem or "")
