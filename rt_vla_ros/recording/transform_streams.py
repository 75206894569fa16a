"""TF over time: the pose of a frame in another, interpolated between messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.rotation import rotation_vector_from_quaternion
from rt_vla_ros.control.track import IDENTITY, conjugate, multiply, rotate, rotation
from rt_vla_ros.recording.sample_stream import SECOND, SampleStream

Vector = NDArray[np.float64]
UNIT_TOLERANCE = 0.01
"""tf2's own, of a unit quaternion's squared norm."""


class Placement(NamedTuple):
    """The pose of a frame in another: position [m], shape (3,); quaternion w, x, y, z, shape (4,)."""

    position: Vector
    quaternion: Vector


HERE = Placement(np.zeros(3), IDENTITY)


class _Link(NamedTuple):
    parent: str
    stream: SampleStream[Placement] | None
    static: Placement


class TransformStreams:
    """The transforms of every frame. Between two of a frame it is interpolated, along a straight line and one turn."""

    def __init__(self, max_gap: float, stood_still: Callable[[int, int], int] = lambda _first_ns, _last_ns: 0) -> None:
        """max_gap: maximum distance of two transforms for interpolation [s]. stood_still: how much of a time between
        two stamps does not count [ns].
        """
        self._max_gap_ns, self._stood_still = round(max_gap * SECOND), stood_still
        self._links: dict[str, _Link] = {}

    @property
    def frames(self) -> set[str]:
        """All known frames."""
        return {*self._links, *(link.parent for link in self._links.values())}

    def put(
        self, child: str, parent: str, stamp_ns: int | None, position: Vector, quaternion: Vector, now_ns: int
    ) -> str | None:
        """Adds a transform from `parent` to `child`; returns a sentence if it is invalid or its clock was set back.

        stamp_ns: None for a static one. quaternion: w, x, y, z.
        """
        child, parent = child.lstrip("/"), parent.lstrip("/")
        refusal = refuse_transform(child, parent, position, quaternion)
        if refusal is not None:
            return refusal
        placed = Placement(position, quaternion / np.linalg.norm(quaternion))
        if stamp_ns is None:
            self._links[child] = _Link(parent, None, placed)
            return None
        link = self._links.get(child)
        if link is None or link.stream is None or link.parent != parent:
            link = self._links[child] = _Link(parent, SampleStream(f"the transform of {child!r}"), placed)
        assert link.stream is not None
        return link.stream.put(stamp_ns, placed, now_ns)

    def streams(self, target: str, source: str) -> list[SampleStream[Placement]]:
        """The streams of the moving frames on the path between two frames."""
        links = (self._links[frame] for frame in self._between(target, source))
        return [link.stream for link in links if link.stream is not None]

    def connected(self, target: str, source: str) -> bool:
        """Whether there is a path between two frames."""
        return self._root(target) == self._root(source) and {target, source} <= self.frames | {target} & {source}

    def at(self, target: str, source: str, time_ns: int) -> Placement | str:
        """The pose of the frame `source` in `target`, or why it is unknown, as a clause."""
        if not self.connected(target, source):
            known = ", ".join(sorted(self.frames)[:12]) or "none"
            return f"TF has no path from {target!r} to {source!r}; its frames are: {known}"
        up, down = self._ancestors(source), self._ancestors(target)
        from_root = HERE
        for frame in reversed([frame for frame in up if frame not in down]):
            found = self._link_at(frame, time_ns)
            if isinstance(found, str):
                return found
            from_root = compose(from_root, found)
        to_root = HERE
        for frame in reversed([frame for frame in down if frame not in up]):
            found = self._link_at(frame, time_ns)
            if isinstance(found, str):
                return found
            to_root = compose(to_root, found)
        return compose(inverse(to_root), from_root)

    def forget(self, before_ns: int) -> None:
        """Drops everything before this time."""
        for link in self._links.values():
            if link.stream is not None:
                link.stream.forget(before_ns)

    def begin(self) -> None:
        """Starts counting for an episode."""
        for link in self._links.values():
            if link.stream is not None:
                link.stream.begin()

    def _link_at(self, frame: str, time_ns: int) -> Placement | str:
        link = self._links[frame]
        if link.stream is None:
            return link.static
        before, after = link.stream.at(time_ns), link.stream.after(time_ns)
        if before is not None and before[0] == time_ns:
            return before[1]
        if before is None or after is None:
            return f"TF has no transform of {frame!r} {'before' if before is None else 'after'} that time"
        gap_ns = after[0] - before[0]
        if gap_ns > self._max_gap_ns and gap_ns - self._stood_still(before[0], after[0]) > self._max_gap_ns:
            return f"TF has a gap of {gap_ns / SECOND:.2f} s in the transforms of {frame!r}"
        return interpolate(before[1], after[1], (time_ns - before[0]) / gap_ns)

    def _between(self, target: str, source: str) -> list[str]:
        up, down = self._ancestors(source), self._ancestors(target)
        return [frame for frame in [*up, *down] if (frame in up) != (frame in down)]

    def _ancestors(self, frame: str) -> list[str]:
        """The frame and those above it, nearest first, without the root."""
        chain: list[str] = []
        while frame in self._links and frame not in chain:
            chain.append(frame)
            frame = self._links[frame].parent
        return chain

    def _root(self, frame: str) -> str:
        chain = self._ancestors(frame)
        return self._links[chain[-1]].parent if chain else frame


def refuse_transform(child: str, parent: str, position: Vector, quaternion: Vector) -> str | None:
    """Why a transform is invalid, as a sentence, else None. quaternion: in any order."""
    if not child or not parent or child == parent:
        return f"The transform leads from {parent[:100]!r} to {child[:100]!r}, expected two different frame names."
    numbers = np.append(position, quaternion)
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(quaternion @ quaternion)
    if not np.isfinite(numbers).all() or abs(norm - 1) >= UNIT_TOLERANCE:
        return f"The transform of {child[:100]!r} is {numbers.tolist()}, expected finite numbers and a unit quaternion."
    return None


def compose(outer: Placement, inner: Placement) -> Placement:
    """The composition of `outer` and `inner`."""
    return Placement(
        outer.position + rotate(outer.quaternion, inner.position), multiply(outer.quaternion, inner.quaternion)
    )


def inverse(placement: Placement) -> Placement:
    """The pose of the parent in the frame."""
    back = conjugate(placement.quaternion)
    return Placement(-rotate(back, placement.position), back)


def turn_between(first: Vector, second: Vector) -> Vector:
    """The rotation vector (3,) [rad], in the axes of the parent, that turns the first quaternion into the second."""
    return rotation_vector_from_quaternion(np.roll(multiply(second, conjugate(first)), -1))


def interpolate(first: Placement, second: Placement, share: float) -> Placement:
    """share: 0 for the first, 1 for the second."""
    turn = rotation(share * turn_between(first.quaternion, second.quaternion))
    position = first.position + share * (second.position - first.position)
    return Placement(position, multiply(turn, first.quaternion))
