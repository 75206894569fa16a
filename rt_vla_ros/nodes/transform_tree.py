"""The TF tree as received by a node: its frames and their current relative poses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped
from numpy.typing import NDArray
from rclpy.time import Time
from tf2_ros import Buffer, TransformException, TransformListener

from rt_vla_ros.action_space.frames import refuse_frame
from rt_vla_ros.nodes.arrival import MAX_AGE, Arrival
from rt_vla_ros.nodes.conversions import nanoseconds, refuse_stamp
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.recording.transform_streams import refuse_transform


class Placed(NamedTuple):
    """The pose of a frame in another. at_ns: its time, at the latest that of its arrival [ns]."""

    transform: Transform
    at_ns: int


class _Heard(NamedTuple):
    """The last transform of a frame; a static one has no age."""

    parent: str
    arrival: Arrival


class TransformTree:
    """Listens to /tf and /tf_static and keeps the transform of every frame that was heard last.

    In a tf2 buffer alone, one transform from the future would stay the newest one for as long, and those that come
    later would be filed behind it. So the buffer, which composes transforms, holds one of each frame, for all times;
    their ages are judged here, by the clock of the stamps [ns].
    """

    def __init__(
        self, node: GuardedNode, clock: Callable[[], int], on_transform: Callable[[], None] = lambda: None
    ) -> None:
        """on_transform: called after each transform that was taken."""
        self._node, self._clock, self._on_transform = node, clock, on_transform
        self._buffer = Buffer()
        self._heard: dict[str, _Heard] = {}
        self._future: dict[str, str] = {}  # a sentence for each frame until it is reported
        self._names: set[str] = set()
        self._listener = TransformListener(self, node)

    def destroy(self) -> None:
        """Ends its subscriptions."""
        self._listener.unregister()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Called by TransformListener for each transform on /tf."""
        if self._accepts(transform, "/tf"):
            self._take(transform, authority, nanoseconds(transform.header.stamp))

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Called by TransformListener for each transform on /tf_static."""
        if self._accepts(transform, "/tf_static"):
            self._take(transform, authority, None)

    def refuse(self, frame_id: str, own: Collection[str] = ()) -> str | None:
        """Why actions in a frame cannot be executed, as a sentence; None if the tree or `own` has it."""
        return refuse_frame(frame_id, self._names.union(own))

    def lookup(self, target: str, source: str) -> Placed | str:
        """The current pose of the frame `source` in the frame `target`, or why it is unknown."""
        target, source = target.lstrip("/"), source.lstrip("/")  # as in ROS 1
        now_ns = self._clock()
        between = self._between(target, source)
        for frame in between:
            unknown = self._future.pop(frame, None) or self._unknown(frame, now_ns)
            if unknown is not None:
                return unknown
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except TransformException as error:
            return str(error).rstrip(". ")  # it becomes part of a sentence
        arrivals = (self._heard[frame].arrival for frame in between)
        at_ns = min((one.at_ns for one in arrivals if one.stamp_ns is not None), default=now_ns)
        return Placed(found.transform, at_ns)

    def root(self, frame: str) -> str:
        """The root of a frame's tree; the frame itself if it has no known parent."""
        chain = self._ancestors(frame.lstrip("/"))
        return self._heard[chain[-1]].parent if chain else frame.lstrip("/")

    def stamp_ns(self, target: str, source: str) -> int | None:
        """The oldest stamp on the way between two frames [ns]; None if nothing that moves is known there."""
        between = self._between(target.lstrip("/"), source.lstrip("/"))
        stamps = (self._heard[frame].arrival.stamp_ns for frame in between)
        return min((stamp_ns for stamp_ns in stamps if stamp_ns is not None), default=None)

    def _accepts(self, transform: TransformStamped, topic: str) -> bool:
        refused = _refuse_transform(transform)
        if refused is not None:
            self._node.drop(topic, refused)
        return refused is None

    def _take(self, transform: TransformStamped, authority: str, stamp_ns: int | None) -> None:
        child, parent = transform.child_frame_id.lstrip("/"), transform.header.frame_id.lstrip("/")
        self._names |= {child, parent}
        now_ns = self._clock()
        arrival = Arrival(stamp_ns, now_ns)
        if arrival.lead < -MAX_AGE and child in self._heard and self._unknown(child, now_ns) is None:
            return  # a newer one has overtaken it
        self._heard[child] = _Heard(parent, arrival)
        if (future := arrival.from_future(_transform_of(child))) is not None:
            self._future[child] = future
        else:
            self._buffer.set_transform_static(transform, authority)
        self._on_transform()

    def _between(self, target: str, source: str) -> list[str]:
        """The frames whose transforms lie between two frames."""
        up, down = self._ancestors(source), self._ancestors(target)
        return [frame for frame in [*up, *down] if (frame in up) != (frame in down)]

    def _ancestors(self, frame: str) -> list[str]:
        """The frame and those above it, nearest first, without the root."""
        chain: list[str] = []
        while frame in self._heard and frame not in chain:
            chain.append(frame)
            frame = self._heard[frame].parent
        return chain

    def _unknown(self, frame: str, now_ns: int) -> str | None:
        """Why the last transform of a frame is unusable now, else None."""
        return self._heard[frame].arrival.unusable(_transform_of(frame), now_ns)


def _transform_of(frame: str) -> str:
    return f"transform of {frame!r}"


def _refuse_transform(message: TransformStamped) -> str | None:
    """Why a transform is invalid, as a sentence, else None."""
    child, parent = message.child_frame_id.lstrip("/"), message.header.frame_id.lstrip("/")
    at, turn = message.transform.translation, message.transform.rotation
    position, quaternion = np.array([at.x, at.y, at.z]), np.array([turn.x, turn.y, turn.z, turn.w])
    return refuse_transform(child, parent, position, quaternion) or refuse_stamp(message.header.stamp)


def rotation_of(transform: Transform) -> NDArray[np.float64]:
    """The rotation of a transform as a matrix, shape (3, 3)."""
    q = transform.rotation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
