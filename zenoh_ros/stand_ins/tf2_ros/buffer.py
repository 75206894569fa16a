"""A buffer of transforms, with lookup between any two frames."""

from __future__ import annotations

import threading
import time as wall
from bisect import bisect_left, insort
from typing import Any

import numpy as np
import yaml
from geometry_msgs.msg import TransformStamped
from rclpy.constants import S_TO_NS
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.rigid import Rigid, identity, interpolate

_LATEST = 0
_POLL_S = 0.02
_UNIT_TOLERANCE = 0.01  # of a quaternion's squared norm


class _Track:
    """The transforms from a child frame to its parents, by time [ns]; a static transform is a single entry."""

    def __init__(self, static: bool) -> None:
        self.static = static
        self.entries: list[tuple[int, int, str, Rigid]] = []  # stamp, counter, parent, transform
        self._count = 0

    def add(self, stamp: int, parent: str, transform: Rigid, keep: int) -> None:
        if self.static:
            self.entries = []
        self._count += 1
        insort(self.entries, (stamp, self._count, parent, transform), key=lambda entry: entry[:2])
        oldest = self.entries[-1][0] - keep
        while self.entries[0][0] < oldest:
            self.entries.pop(0)

    @property
    def newest(self) -> int:
        return self.entries[-1][0]

    def at(self, stamp: int, child: str) -> tuple[str, Rigid]:
        """Parent and transform at a time."""
        if self.static or stamp == self.newest:
            return self.entries[-1][2:]
        after = bisect_left(self.entries, stamp, key=lambda entry: entry[0])
        if after == len(self.entries) or (after == 0 and self.entries[0][0] != stamp):
            way = "future" if after else "past"
            raise ExtrapolationException(
                f"Lookup would require extrapolation into the {way}. Requested time {stamp / 1e9:.6f} but the frame "
                f"'{child}' is known from {self.entries[0][0] / 1e9:.6f} to {self.newest / 1e9:.6f}"
            )
        if self.entries[after][0] == stamp:
            return self.entries[after][2:]
        (before_at, _, parent, before), (after_at, _, later_parent, later) = self.entries[after - 1 : after + 1]
        if later_parent != parent:
            return parent, before
        return parent, interpolate(before, later, (stamp - before_at) / (after_at - before_at))


class Buffer:
    """A tree of frames over the last `cache_time` (10 s by default)."""

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        self._keep = 10 * S_TO_NS if cache_time is None else cache_time.nanoseconds
        self._tracks: dict[str, _Track] = {}
        self._lock = threading.RLock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform, valid at its timestamp.

        Raises:
            InvalidArgumentException: an empty frame name, a frame that is its own parent, not a unit quaternion.
        """
        self._remember(transform, static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Add a static transform; raises as set_transform does."""
        self._remember(transform, static=True)

    def _remember(self, message: TransformStamped, static: bool) -> None:
        child, parent = _clean(message.child_frame_id), _clean(message.header.frame_id)
        at, turn = message.transform.translation, message.transform.rotation
        rigid = Rigid(np.array([at.x, at.y, at.z]), np.array([turn.x, turn.y, turn.z, turn.w]))
        if child == parent:
            raise InvalidArgumentException(f"the frame '{child}' cannot be its own parent")
        if not np.isfinite(rigid.translation).all() or not abs(rigid.rotation @ rigid.rotation - 1.0) < _UNIT_TOLERANCE:
            raise InvalidArgumentException(f"the transform of '{child}' has {rigid}: expected a unit quaternion")
        stamp = message.header.stamp.sec * S_TO_NS + message.header.stamp.nanosec
        with self._lock:
            track = self._tracks.get(child)
            if track is None or track.static != static:
                track = self._tracks[child] = _Track(static)
            track.add(stamp, parent, rigid, self._keep)

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration | None = None
    ) -> TransformStamped:
        """Return the pose of the source frame in the target frame.

        Args:
            time: zero for the latest time at which all transforms between the frames are available.
            timeout: how long to wait for the transforms; an executor must spin in another thread.

        Raises:
            LookupException, ConnectivityException, ExtrapolationException, InvalidArgumentException.
        """
        end = wall.monotonic() + (timeout.nanoseconds / S_TO_NS if timeout is not None else 0.0)
        while True:
            try:
                return self._look_up(_clean(target_frame), _clean(source_frame), time.nanoseconds)
            except TransformException:
                if wall.monotonic() >= end:
                    raise
            wall.sleep(_POLL_S)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration | None = None,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Return whether lookup_transform would succeed; with `return_debug_tuple` also why not."""
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException as error:
            return (False, str(error)) if return_debug_tuple else False
        return (True, "") if return_debug_tuple else True

    def clear(self) -> None:
        """Remove all transforms except static ones."""
        with self._lock:
            self._tracks = {child: track for child, track in self._tracks.items() if track.static}

    def all_frames_as_string(self) -> str:
        """Return one line per frame."""
        with self._lock:
            tracks = sorted(self._tracks.items())
        return "".join(f"Frame {child} exists with parent {track.entries[-1][2]}.\n" for child, track in tracks)

    def all_frames_as_yaml(self) -> str:
        """Return all frames with a parent, with that parent and the newest timestamp [s], as YAML."""
        with self._lock:
            tracks = sorted(self._tracks.items())
        frames = {
            child: {"parent": track.entries[-1][2], "most_recent_transform": track.newest / 1e9}
            for child, track in tracks
        }
        return str(yaml.safe_dump(frames)) if frames else ""

    def _look_up(self, target: str, source: str, stamp: int) -> TransformStamped:
        with self._lock:
            parents = {track.entries[-1][2] for track in self._tracks.values()}
            for frame in (target, source):
                if frame not in self._tracks and frame not in parents:
                    raise LookupException(f'"{frame}" passed to lookup_transform does not exist.')
            if stamp == _LATEST:
                stamp = self._latest_common_time(target, source)
            (to_target, target_gap), (to_source, source_gap) = (
                self._ancestors(frame, stamp) for frame in (target, source)
            )
        shared = next((frame for frame in to_source if frame in to_target), None)
        if shared is None:
            for gap in (target_gap, source_gap):
                if gap is not None:
                    raise gap
            raise ConnectivityException(
                f"Could not find a connection between '{target}' and '{source}' because they are not part of the "
                "same tree. Tf has two or more unconnected trees."
            )
        return _message(to_target[shared].inverse() @ to_source[shared], target, source, stamp)

    def _ancestors(self, frame: str, stamp: int) -> tuple[dict[str, Rigid], ExtrapolationException | None]:
        """The frame and its ancestors, nearest first, each with the pose of `frame` in it; and why the chain ends."""
        found = {frame: identity()}
        pose = identity()
        while frame in self._tracks:
            try:
                frame, step = self._tracks[frame].at(stamp, frame)
            except ExtrapolationException as gap:
                return found, gap  # further ancestors may not be needed
            pose = step @ pose
            if frame in found:
                raise ConnectivityException(f"the frame '{frame}' is its own ancestor")
            found[frame] = pose
        return found, None

    def _latest_common_time(self, target: str, source: str) -> int:
        chains = [self._chain(target), self._chain(source)]
        shared = set(chains[0]) & set(chains[1])
        on_the_way = [frame for chain in chains for frame in chain if frame not in shared]
        stamps = [self._tracks[frame].newest for frame in on_the_way if not self._tracks[frame].static]
        return min(stamps, default=_LATEST)

    def _chain(self, frame: str) -> list[str]:
        """The frame and its ancestors except the root, according to the newest transforms."""
        chain = []
        while frame in self._tracks and frame not in chain:
            chain.append(frame)
            frame = self._tracks[frame].entries[-1][2]
        return chain


def _clean(frame: str) -> str:
    name = frame.lstrip("/")
    if not name:
        raise InvalidArgumentException("a frame name must not be empty")
    return name


def _message(pose: Rigid, target: str, source: str, stamp: int) -> TransformStamped:
    message: Any = TransformStamped(child_frame_id=source)
    message.header.frame_id = target
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, S_TO_NS)
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z = (float(value) for value in pose.translation)
    rotation.x, rotation.y, rotation.z, rotation.w = (float(value) for value in pose.rotation)
    return message
