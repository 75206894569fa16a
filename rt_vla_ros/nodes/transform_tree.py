"""The TF tree as a node hears it: which frames there are, and where they are to each other."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import yaml
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformException, TransformListener

from rt_vla_ros.action_space.frames import refuse_frame

CACHE_TIME = 2.0  # [s]


class TransformTree:
    """Listens to /tf and /tf_static."""

    def __init__(self, node: Node) -> None:
        self._buffer = Buffer(cache_time=Duration(seconds=CACHE_TIME))
        self._listener = TransformListener(self._buffer, node)
        self._found: set[str] = set()

    def refuse(self, frame_id: str, own: Collection[str] = ()) -> str | None:
        """Why actions in a frame cannot be carried out, in a sentence; None where the tree or `own` has it."""
        if frame_id not in self._found:
            children = yaml.safe_load(self._buffer.all_frames_as_yaml()) or {}
            self._found = {str(child) for child in children} | {str(entry["parent"]) for entry in children.values()}
        return refuse_frame(frame_id, self._found.union(own))

    def lookup(self, target: str, source: str) -> TransformStamped | str:
        """The newest pose of the frame `source` in the frame `target`, or why it is not known."""
        try:
            return self._buffer.lookup_transform(target, source, Time())
        except TransformException as error:
            return str(error)


def rotation_of(transform: TransformStamped) -> NDArray[np.float64]:
    """The rotation of a transform as a matrix, shape (3, 3)."""
    q = transform.transform.rotation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
