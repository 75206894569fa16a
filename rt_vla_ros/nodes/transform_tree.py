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
from rt_vla_ros.control.watchdog import SMALL_STEP
from rt_vla_ros.nodes.conversions import NANOSECONDS, nanoseconds, refuse_stamp, seconds
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.recording.transform_streams import refuse_transform
from rt_vla_ros.runtime.frame_buffer import ANOTHER_CLOCK

# A transform older than this [s], or this far in the future, is ignored.
MAX_AGE = 0.5


class Placed(NamedTuple):
    """The pose of a frame in another. at_ns: its time, at the latest that of its arrival [ns]."""

    transform: Transform
    at_ns: int


class _Heard(NamedTuple):
    """The last transform of a frame. stamp_ns: None for a static one, which has no age."""

    parent: str
    stamp_ns: int | None
    arrival_ns: int

    @property
    def lead(self) -> float:
        """How far in the future it was on arrival [s]."""
        return 0.0 if self.stamp_ns is None else seconds(self.stamp_ns - self.arrival_ns)

    def from_future(self, frame: str) -> str:
        """The problem of a stamp too far in the future, in words."""
        return f"the transform of {frame!r} is stamped {self.lead:.2f} s in the future"


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
            return str(error).rstrip(".")  # it becomes part of a sentence
        moving = [heard for frame in between if (heard := self._heard[frame]).stamp_ns is not None]
        at_ns = min((min(heard.stamp_ns or 0, heard.arrival_ns) for heard in moving), default=now_ns)
        return Placed(found.transform, at_ns)

    def root(self, frame: str) -> str:
        """The root of a frame's tree; the frame itself if it has no known parent."""
        chain = self._ancestors(frame.lstrip("/"))
        return self._heard[chain[-1]].parent if chain else frame.lstrip("/")

    def stamp_ns(self, target: str, source: str) -> int | None:
        """The oldest stamp on the way between two frames [ns]; None if nothing that moves is known there."""
        between = [self._heard[frame].stamp_ns for frame in self._between(target.lstrip("/"), source.lstrip("/"))]
        return min((stamp_ns for stamp_ns in between if stamp_ns is not None), default=None)

    def _accepts(self, transform: TransformStamped, topic: str) -> bool:
        refused = _refuse_transform(transform)
        if refused is not None:
            self._node.drop(topic, refused)
        return refused is None

    def _take(self, transform: TransformStamped, authority: str, stamp_ns: int | None) -> None:
        child, parent = transform.child_frame_id.lstrip("/"), transform.header.frame_id.lstrip("/")
        self._names |= {child, parent}
        now_ns = self._clock()
        heard = _Heard(parent, stamp_ns, now_ns)
        if heard.lead < -MAX_AGE and child in self._heard and self._unknown(child, now_ns) is None:
            return  # a newer one has overtaken it
        self._heard[child] = heard
        if heard.lead > MAX_AGE:
            self._future[child] = heard.from_future(child)
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
        heard = self._heard[frame]
        if heard.stamp_ns is None:
            return None
        if heard.lead > MAX_AGE:
            return heard.from_future(frame)
        if heard.arrival_ns > now_ns + SMALL_STEP * NANOSECONDS:
            return f"no transform of {frame!r} was received since the clock jumped back"
        age = seconds(now_ns - min(heard.stamp_ns, heard.arrival_ns))
        if age > ANOTHER_CLOCK:
            return f"the transforms of {frame!r} are stamped by another clock: is use_sim_time the same in all nodes?"
        return f"the last transform of {frame!r} is {age:.2f} s old" if age > MAX_AGE else None


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
