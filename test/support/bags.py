"""A small robot in a bag, written by rosbags; its streams are known."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image as Pillow
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
FOREVER = QosTime(2147483647, 0)
LATCHED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, FOREVER, FOREVER,
    QosLiveliness.AUTOMATIC, FOREVER, False,
)  # fmt: skip
"""As /tf_static is offered."""


class Said(NamedTuple):
    """A message: topic, type, when it came [ns], the message."""

    topic: str
    kind: str
    time_ns: int
    message: Any


def made(kind: str, **fields: Any) -> Any:
    return STORE.types[kind](**fields)


def header(stamp_ns: int, frame: str = "") -> Any:
    stamp = made("builtin_interfaces/msg/Time", sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND)
    return made("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def transform(child: str, parent: str, stamp_ns: int, x: float) -> Any:
    at = made("geometry_msgs/msg/Vector3", x=x, y=0.0, z=0.2)
    turn = made("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    placed = made("geometry_msgs/msg/Transform", translation=at, rotation=turn)
    one = made(
        "geometry_msgs/msg/TransformStamped", header=header(stamp_ns, parent), child_frame_id=child, transform=placed
    )
    return made("tf2_msgs/msg/TFMessage", transforms=[one])


def text(words: str) -> Any:
    return made("std_msgs/msg/String", data=words)


def number(value: float) -> Any:
    return made("std_msgs/msg/Float64", data=value)


def pixels(number: int, size: int) -> np.ndarray[Any, Any]:
    return np.full((size, size, 3), number % 256, np.uint8)


def robot(
    seconds: float = 3.0,
    *,
    size: int = 16,
    image_rate: float = 10.0,
    compressed: bool = False,
    camera_until: float = 1e9,
    shift: float = 0.0,
    static: bool = True,
) -> list[Said]:
    """Joints and TF at 50 Hz, images 20 ms late; a fixed tip below the flange. shift: of all stamps [s]."""
    said = [Said("/tf_static", "tf2_msgs/msg/TFMessage", BEGIN, transform("tool", "flange", 0, 0.1))] * static
    said.append(Said("/instruction", "std_msgs/msg/String", BEGIN, text("lift the cube")))
    for number in range(round(seconds * 50)):
        time_ns = BEGIN + number * SECOND // 50
        stamp_ns = time_ns + round(shift * SECOND)
        said.append(Said("/tf", "tf2_msgs/msg/TFMessage", time_ns, transform("flange", "base", stamp_ns, number / 500)))
        joints = made(
            "sensor_msgs/msg/JointState",
            header=header(stamp_ns),
            name=["panda_joint1", "panda_joint2"],
            position=np.array([0.1, 0.2]),
            velocity=np.array([]),
            effort=np.array([]),
        )
        said.append(Said("/joint_states", "sensor_msgs/msg/JointState", time_ns, joints))
    for number in range(round(min(seconds, camera_until) * image_rate)):
        time_ns = BEGIN + round(number * SECOND / image_rate)
        said.append(image(number, time_ns + round(shift * SECOND), time_ns + SECOND // 50, size, compressed))
    return sorted(said, key=lambda one: one.time_ns)


def image(number: int, stamp_ns: int, time_ns: int, size: int, compressed: bool) -> Said:
    if compressed:
        file = io.BytesIO()
        Pillow.fromarray(pixels(number, size)).save(file, "png")
        data = np.frombuffer(file.getvalue(), np.uint8)
        message = made("sensor_msgs/msg/CompressedImage", header=header(stamp_ns), format="png", data=data)
        return Said("/camera/image/compressed", "sensor_msgs/msg/CompressedImage", time_ns, message)
    message = made(
        "sensor_msgs/msg/Image",
        header=header(stamp_ns),
        height=size,
        width=size,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * size,
        data=pixels(number, size).ravel(),
    )
    return Said("/camera/image", "sensor_msgs/msg/Image", time_ns, message)


def write(
    path: Path,
    said: Iterable[Said],
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    writer = Writer(path, version=9, storage_plugin=storage)
    if compression != CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    with writer:
        for one in said:
            if one.topic not in connections:
                offered = [LATCHED] if one.topic == "/tf_static" else []
                connections[one.topic] = writer.add_connection(
                    one.topic, one.kind, typestore=STORE, offered_qos_profiles=offered
                )
            writer.write(connections[one.topic], one.time_ns, STORE.serialize_cdr(one.message, one.kind))
    return path


def topic_map(path: Path, **changes: Any) -> Path:
    values = {"cameras": ["front=/camera/image"], "base_frame": "base", "tip_frame": "tool", **changes}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path
