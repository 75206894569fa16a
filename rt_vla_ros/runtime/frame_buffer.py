"""The newest frame of every camera: what is used, what is too old, what was dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Message = TypeVar("Message")
# A frame counts as due this much of a period after the last one that was acted on: cameras are not punctual.
DUE = 0.95
# The camera's rate is measured over this many frames.
RATE_FRAMES = 10


@dataclass(frozen=True)
class Frame(Generic[Message]):
    """A camera's image as it came: `stamp_ns` when it was taken, `arrival_ns` on the monotonic clock of this host."""

    message: Message
    stamp_ns: int
    arrival_ns: int


class CameraRate:
    """Frames per second by the frames' own stamps, so that it holds in simulated time and sees what a network lost."""

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=RATE_FRAMES + 1)

    def add(self, stamp_ns: int) -> None:
        """A stamp from before the last one means that the clock began anew."""
        if self._stamps and stamp_ns < self._stamps[-1]:
            self._stamps.clear()
        if not self._stamps or stamp_ns > self._stamps[-1]:
            self._stamps.append(stamp_ns)

    @property
    def rate(self) -> float | None:
        """[Hz]; None before enough frames have come."""
        if len(self._stamps) <= RATE_FRAMES:
            return None
        return 1e9 * RATE_FRAMES / (self._stamps[-1] - self._stamps[0])


class FrameBuffer(Generic[Message]):
    """Keeps one frame per camera and hands out complete sets that are due. Not thread-safe.

    A set is due when every camera has a frame from at least 0.95 periods after the last set. The counters: `received`
    frames, `dropped` ones that a newer one replaced before they were used, `stale` ones that were too old when their
    turn came, `repeated` ones no newer than the last set.
    """

    def __init__(self, cameras: Sequence[str], period_ns: int, max_age_ns: int) -> None:
        self._due_ns = int(period_ns * DUE)
        self._max_age_ns = max_age_ns
        self._frames: dict[str, Frame[Message] | None] = dict.fromkeys(cameras)
        self._acted_ns: int | None = None
        self.rates = {camera: CameraRate() for camera in cameras}
        self.received = self.dropped = self.stale = self.repeated = 0
        self.age_ns: int | None = None

    def restart(self) -> None:
        """For a new request: any frame is due, also one that was acted on before."""
        self._acted_ns = self.age_ns = None

    def put(self, camera: str, frame: Frame[Message]) -> None:
        """A frame has come; those of cameras that the policy does not look through are left alone."""
        if camera not in self._frames:
            return
        self.received += 1
        self.rates[camera].add(frame.stamp_ns)
        if self._acted_ns is not None and frame.stamp_ns <= self._acted_ns:
            if self._acted_ns - frame.stamp_ns > self._max_age_ns:
                self._acted_ns = None  # the clock jumped back, or the simulation began anew
            else:
                self.repeated += 1
                return
        self.dropped += self._frames[camera] is not None
        self._frames[camera] = frame

    def take(self, now_ns: int) -> dict[str, Frame[Message]] | None:
        """The frames to act on at the time `now_ns`, in the cameras' order; None where there is nothing to do."""
        frames = {camera: frame for camera, frame in self._frames.items() if frame is not None}
        if len(frames) < len(self._frames):
            return None
        oldest = min(frame.stamp_ns for frame in frames.values())
        if self._acted_ns is not None and oldest < self._acted_ns + self._due_ns:
            return None
        self.age_ns = now_ns - oldest
        if self.age_ns > self._max_age_ns:
            self.stale += self._discard_older_than(now_ns - self._max_age_ns)
            return None
        self._acted_ns = oldest
        self._frames = dict.fromkeys(self._frames)
        return frames

    def _discard_older_than(self, limit_ns: int) -> int:
        old = [camera for camera, frame in self._frames.items() if frame is not None and frame.stamp_ns < limit_ns]
        for camera in old:
            self._frames[camera] = None
        return len(old)
