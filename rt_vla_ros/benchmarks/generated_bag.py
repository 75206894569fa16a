"""A bag of any length with two VGA cameras at 30 Hz, joints and TF at 100 Hz, written by rosbags."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from rt_vla_ros.benchmarks.recorded_scene import (
    BASE,
    CAMERAS,
    HEIGHT,
    IMAGE_RATE,
    INSTRUCTION,
    JOINT_NAMES,
    STATE_RATE,
    TIP,
    WIDTH,
    moving_pictures,
    tip_at,
)

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
QUALITY = 90  # of the JPEG
LATE = SECOND // 50
"""Delay of images after their timestamps [ns]."""
_STORE = get_typestore(Stores.ROS2_JAZZY)


class _Written(NamedTuple):
    time_ns: int
    topic: str
    kind: str
    data: bytes | memoryview


def write_bag(path: Path, seconds: float, *, raw: bool = False) -> None:
    """path: a new directory. raw: sensor_msgs/Image in place of JPEG images. Raises OSError."""
    parts = [_state(seconds), *(_images(name, number, seconds, raw=raw) for number, name in enumerate(CAMERAS))]
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for one in heapq.merge(*parts, key=lambda one: one.time_ns):
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(one.topic, one.kind, typestore=_STORE)
            writer.write(connections[one.topic], one.time_ns, one.data)


def topic_of(camera: str, *, raw: bool) -> str:
    """The topic of a camera's images."""
    return f"/{camera}/image" if raw else f"/{camera}/image/compressed"


def _state(seconds: float) -> Iterator[_Written]:
    yield _written(BEGIN, "/instruction", "std_msgs/msg/String", data=INSTRUCTION)
    for number in range(round(seconds * STATE_RATE)):
        time_ns = BEGIN + round(number * SECOND / STATE_RATE)
        still = np.zeros(0)
        fields = {"name": list(JOINT_NAMES), "position": np.full(len(JOINT_NAMES), 0.1), "velocity": still}
        header = _header(time_ns)
        yield _written(time_ns, "/joint_states", "sensor_msgs/msg/JointState", header=header, effort=still, **fields)
        yield _written(time_ns, "/tf", "tf2_msgs/msg/TFMessage", transforms=[_tip(time_ns)])


def _images(camera: str, seed: int, seconds: float, *, raw: bool) -> Iterator[_Written]:
    kind = "sensor_msgs/msg/Image" if raw else "sensor_msgs/msg/CompressedImage"
    pictures = [_fields(one, raw=raw) for one in moving_pictures(seed)]
    for number in range(round(seconds * IMAGE_RATE)):
        stamp_ns = BEGIN + round(number * SECOND / IMAGE_RATE)
        fields = pictures[number % len(pictures)]
        header = _header(stamp_ns, camera)
        yield _written(stamp_ns + LATE, topic_of(camera, raw=raw), kind, header=header, **fields)


def _fields(pixels: np.ndarray[Any, np.dtype[np.uint8]], *, raw: bool) -> dict[str, Any]:
    if raw:
        shape = {"height": HEIGHT, "width": WIDTH, "step": 3 * WIDTH}
        return {**shape, "encoding": "rgb8", "is_bigendian": 0, "data": pixels.ravel()}
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=QUALITY)
    return {"format": "rgb8; jpeg compressed bgr8", "data": np.frombuffer(file.getvalue(), np.uint8)}


def _tip(time_ns: int) -> Any:
    at = _made("geometry_msgs/msg/Vector3", x=tip_at((time_ns - BEGIN) / SECOND), y=0.0, z=0.2)
    turn = _made("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    placed = _made("geometry_msgs/msg/Transform", translation=at, rotation=turn)
    header = _header(time_ns, BASE)
    return _made("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=TIP, transform=placed)


def _header(time_ns: int, frame: str = "") -> Any:
    stamp = _made("builtin_interfaces/msg/Time", sec=time_ns // SECOND, nanosec=time_ns % SECOND)
    return _made("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def _made(kind: str, **fields: Any) -> Any:
    return _STORE.types[kind](**fields)


def _written(time_ns: int, topic: str, kind: str, **fields: Any) -> _Written:
    return _Written(time_ns, topic, kind, _STORE.serialize_cdr(_made(kind, **fields), kind))
