"""Buffers the newest frame of every camera, and decides which are used, too old or dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Message = TypeVar("Message")
# A frame counts as due this fraction of a period early, to tolerate jitter of cameras.
EARLY = 0.05
# The camera's rate is measured over this many frames.
RATE_FRAMES = 10
# An age of more than three years [s]: stamps have a different epoch.
ANOTHER_CLOCK = 1e8


@dataclass(frozen=True)
class Frame(Generic[Message]):
    """A camera's image as received: `stamp_ns` when it was taken, `arrival_ns` on the monotonic clock of this host."""

    message: Message
    stamp_ns: int
    arrival_ns: int


def refuse_age(camera: str, age_ns: int, max_age: float) -> str | None:
    """Why a camera's image cannot be used now, as a sentence, else None. max_age [s] applies to past and future. The
    age is rounded to one digit, so that the sentence stays the same.
    """
    if abs(age_ns) <= max_age * 1e9:
        return None
    what = "is older than" if age_ns > 0 else "is stamped further in the future than"
    about, clocks = explain_age(age_ns, "camera")
    return (
        f"The newest image {what} max_image_age ({max_age:g} s): that of camera {camera!r} is {about}. The policy "
        f"waits for a recent one. {clocks}"
    )


def explain_age(age_ns: int, source: str) -> tuple[str, str]:
    """The approximate age of data from `source`, or its lead into the future; and the probable cause."""
    about = float(f"{abs(age_ns) / 1e9:.1g}")
    cause = f"Are the clocks of {source} and policy synchronized?"
    if about >= ANOTHER_CLOCK:
        cause = (
            f"Its stamps are of another clock: does the {source}'s driver set them, and is use_sim_time the same "
            "everywhere?"
        )
    return f"about {about:,.12g} s {'old' if age_ns > 0 else 'ahead'}", cause


class CameraRate:
    """Frames per second by the frames' own stamps, so that it is valid in simulated time and includes network
    losses.
    """

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=RATE_FRAMES + 1)

    def add(self, stamp_ns: int) -> None:
        """A stamp from before the last one means that the clock restarted."""
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
    """Keeps one frame per camera and returns complete sets that are due. Not thread-safe.

    A set is due when every camera has a frame from `periods` periods after the last set, or 0.05 periods earlier. The
    counters: `received` frames, `dropped` ones that a newer one replaced before they were used, `stale` ones that were
    too old, or too far in the future, when their turn came, `repeated` ones no newer than the last set. ages_ns: of
    each camera's frame when its turn came.
    """

    def __init__(self, cameras: Sequence[str], period_ns: int, max_age_ns: int, periods: int = 1) -> None:
        self._due_ns = int(period_ns * (periods - EARLY))
        self._max_age_ns = max_age_ns
        self._frames: dict[str, Frame[Message] | None] = dict.fromkeys(cameras)
        self._acted_ns: int | None = None
        self.rates = {camera: CameraRate() for camera in cameras}
        self.received = self.dropped = self.stale = self.repeated = 0
        self.ages_ns: dict[str, int] = {}

    @property
    def age_ns(self) -> int | None:
        """The age of the oldest frame; None before any was looked at."""
        return max(self.ages_ns.values(), default=None)

    def restart(self) -> None:
        """For a new request: any frame is due, even one that was used before."""
        self._acted_ns, self.ages_ns = None, {}

    def put(self, camera: str, frame: Frame[Message]) -> None:
        """Adds a frame; ignores cameras that the policy does not use."""
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
        """The frames to act on at the time `now_ns`, in the cameras' order; None if there is nothing to do."""
        frames = {camera: frame for camera, frame in self._frames.items() if frame is not None}
        if len(frames) < len(self._frames):
            return None
        oldest = min(frame.stamp_ns for frame in frames.values())
        if self._acted_ns is not None and oldest < self._acted_ns + self._due_ns:
            return None
        self.ages_ns = {camera: now_ns - frame.stamp_ns for camera, frame in frames.items()}
        untimely = [camera for camera, age_ns in self.ages_ns.items() if abs(age_ns) > self._max_age_ns]
        if untimely:
            self.stale += len(untimely)
            self._frames.update(dict.fromkeys(untimely))
            return None
        self._acted_ns = oldest
        self._frames = dict.fromkeys(self._frames)
        return frames
