"""The resampling of a robot's messages to frames, the same for a live graph and for a bag.

Frame k is at t0 + k / control_rate, where t0 is just after an image of the card's first camera: the first one from the
start on for which all other inputs of a frame have a recent sample. "Just after" is 10 ms, or a quarter of the period
if that is shorter: cameras have jitter, and one at the frame rate would otherwise often be late by a millisecond, so
that frames repeat images. A frame has the newest sample of each camera and joint that is no later than its time, and
the tip's pose interpolated between the transforms around it. It is final once all inputs have a sample from its time
or later, or `PATIENCE_NS` after it: later samples are too late.

An input that is too old at a frame ends the episode, and so does a gap in TF. A pause of all inputs together is
tolerated, up to half a second: if only one topic pauses, it was lost; if all do, the computer was suspended. Such
pauses are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.control.track import IDENTITY, conjugate, multiply, rotate, rotation
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.sample_stream import JUMP_NS, SECOND, SampleStream
from rt_vla_ros.recording.topic_audit import first_upper
from rt_vla_ros.recording.transform_streams import Placement, turn_between

Vector = NDArray[np.float64]
PATIENCE_NS = 2 * SECOND
"""How long a frame waits for samples from its time or later."""
SLACK_NS = SECOND // 100
"""Maximum delay of the first frame after its image."""
HUMAN_NS = SECOND // 2
"""How long a human counts as the commander after a command, if there is no status."""
STATUS_NS = SECOND
"""An older status is ignored."""


@dataclass(frozen=True)
class Moment:
    """All samples at one time. pictures, readings: see RobotStreams. tip: in the base frame. displacement: of the tip
    since the moment before, in the axes of the actions at that moment: translation [m] and rotation vector [rad],
    shape (6,); zero for the first one. gripper: as commanded, 0 open ... 1 closed. instruction: empty if none was
    given.
    """

    time_ns: int
    pictures: Mapping[str, Any]
    readings: Mapping[str, Vector]
    tip: Placement
    displacement: Vector
    gripper: float
    instruction: str
    commander: str
    intervention: bool


class Resampler:
    """Yields the moments of one episode as soon as they are final; memory does not grow with its length.

    over: why there are no more, as a sentence; None while there may be. resume_ns: when another episode may start
    after a gap; None: there was no gap, or the stamps are not reliable any more.
    """

    def __init__(self, streams: RobotStreams, start_ns: int) -> None:
        """start_ns: no frame is earlier. Begins the streams' counting."""
        self._streams, self._topics = streams, streams.topics
        self._start_ns, self._first_ns = start_ns, 0
        self._count, self._started = 0, False
        self._rate = streams.card.control_rate
        self._slack_ns = min(SLACK_NS, round(SECOND / self._rate / 4))
        self._last: tuple[int, Placement, Vector] | None = None  # time, tip, axes
        self._policy_acted = False
        self._now_ns = start_ns
        self._stop_ns: int | None = None
        self._ended = False
        self.over: str | None = None
        self.resume_ns: int | None = None
        streams.begin()

    @property
    def time_ns(self) -> int:
        """The time of the next frame; before the first one, its earliest time."""
        if not self._started:
            return self._start_ns
        return self._first_ns + round(self._count * SECOND / self._rate)

    def due(self, now_ns: int) -> Iterator[Moment]:
        """The moments that are final by now. now_ns: by the clock of the stamps."""
        if now_ns < self._now_ns - JUMP_NS:
            self._streams.jumps.append(f"the clock jumped back by {(self._now_ns - now_ns) / SECOND:.1f} s.")
        self._now_ns = now_ns
        while not self.finished:
            if self._streams.jumps:
                self.over = f"The episode ended early: {self._streams.jumps[0]}"
                return
            if not self._started and not self._begin(now_ns):
                if self._stop_ns is not None and now_ns - self._stop_ns > PATIENCE_NS:
                    self.over = " ".join(["Nothing was recorded.", *self.lacking()])
                return
            time_ns = self.time_ns
            if self.finished or not self._is_decided(time_ns, now_ns):
                return
            moment = self._moment(time_ns)
            if isinstance(moment, str) and self._count and self._is_last(time_ns):
                self._ended = True
                return
            if isinstance(moment, str):
                at = (time_ns - self._first_ns) / SECOND
                self.over = f"The episode ended after {at:.1f} s, early: {moment}"
                gap = isinstance(self._samples(time_ns), str) or isinstance(self._poses(time_ns), str)
                self.resume_ns = time_ns if gap or self._count > 1 else None
                return
            self._count += 1
            self._streams.forget(time_ns)
            yield moment

    def stop(self, stop_ns: int) -> None:
        """Allows no frame after this time."""
        self._stop_ns = stop_ns
        self._streams.stop(stop_ns)

    @property
    def finished(self) -> bool:
        """Whether there are no more moments."""
        return self.over is not None or self._ended or (self._stop_ns is not None and self.time_ns > self._stop_ns)

    def _is_last(self, time_ns: int) -> bool:
        """Whether the stop is before the next frame: then a silence may be the robot's, which stopped at once."""
        return self._stop_ns is not None and self._stop_ns - time_ns < SECOND / self._rate

    def lacking(self) -> list[str]:
        """What an episode is waiting for before its start, as sentences."""
        if self._started:
            return []
        found = [f"{first_upper(why)}." for why in self._silent()]
        streams = self._streams
        for frame in dict.fromkeys((streams.tip, streams.axes)):
            if not streams.transforms.connected(streams.base, frame):
                found.append(f"{streams.transforms.at(streams.base, frame, self._start_ns)}.")
        return found

    def _silent(self) -> Iterator[str]:
        for stream, max_age_ns in self._needed():
            newest = stream.at(self._now_ns)
            if newest is None or self._now_ns - newest[0] > max_age_ns:
                trouble = stream.audit.trouble
                yield f"{stream.name} has no recent sample" + (f": {trouble.rstrip('.')}" if trouble else "")

    def _needed(self) -> list[tuple[SampleStream[Any], int]]:
        """The inputs of every frame, and their maximum ages [ns]."""
        streams, state_ns = self._streams, round(self._topics.max_state_age * SECOND)
        image_ns = round(self._topics.max_image_age * SECOND)
        needed: list[tuple[SampleStream[Any], int]] = [(one, image_ns) for one in streams.pictures.values()]
        needed += [(one, state_ns) for one in streams.readings.values()]
        return needed + [(one, state_ns) for one in streams.moving()]

    def _is_decided(self, time_ns: int, now_ns: int) -> bool:
        """Whether the samples of that time are final."""
        if now_ns < time_ns:
            return False
        return now_ns - time_ns > PATIENCE_NS or all(one.reaches(time_ns) for one, _ in self._needed())

    def _begin(self, now_ns: int) -> bool:
        """Whether the first frame's time is known."""
        streams = self._streams
        if not all(streams.transforms.connected(streams.base, frame) for frame in (streams.tip, streams.axes)):
            return False
        first = next(iter(streams.pictures.values()))
        while (image := first.after(self._start_ns - 1)) is not None:
            time_ns = image[0] + self._slack_ns
            if not self._is_decided(time_ns, now_ns):
                return False
            if not isinstance(self._samples(time_ns), str) and not isinstance(self._poses(time_ns), str):
                self._first_ns, self._started = time_ns, True
                return True
            self._start_ns = image[0] + 1
            streams.forget(image[0])
        return False

    def _samples(self, time_ns: int) -> list[tuple[SampleStream[Any], int, Any]] | str:
        """Stamp and value of all inputs at that time; or which of them is silent, as a clause."""
        found = []
        for stream, max_age_ns in self._needed():
            newest = stream.at(time_ns)
            if newest is None or self._is_stale(newest[0], time_ns, max_age_ns):
                trouble = f" ({stream.audit.trouble})" if stream.audit.trouble else ""
                silent = "nothing" if newest is None else f"sent nothing for {(time_ns - newest[0]) / SECOND:.2f} s"
                return f"{stream.name} has {silent}{trouble}"
            found.append((stream, *newest))
        return found

    def _is_stale(self, stamp_ns: int, time_ns: int, max_age_ns: int) -> bool:
        age_ns = time_ns - stamp_ns
        return age_ns > max_age_ns and age_ns - self._streams.stood_still(stamp_ns, time_ns) > max_age_ns

    def _poses(self, time_ns: int) -> tuple[Placement, Vector] | str:
        """The tip's pose, and the axes of the actions as a quaternion, in the base frame."""
        streams = self._streams
        tip, axes = (streams.transforms.at(streams.base, frame, time_ns) for frame in (streams.tip, streams.axes))
        if isinstance(tip, str):
            return tip
        return axes if isinstance(axes, str) else (tip, axes.quaternion)

    def _moment(self, time_ns: int) -> Moment | str:
        streams = self._streams
        streams.bridged_ns = 0
        samples, poses = self._samples(time_ns), self._poses(time_ns)
        if isinstance(samples, str) or isinstance(poses, str):
            return f"{samples if isinstance(samples, str) else poses}."
        tip, axes = poses
        displacement = self._displacement(time_ns, tip)
        if isinstance(displacement, str):
            return f"{displacement}."
        if streams.bridged_ns and self._is_last(time_ns):
            return "the pause that follows is not the episode's."
        audit = next(iter(streams.pictures.values())).audit
        audit.bridged_ns = max(audit.bridged_ns, streams.bridged_ns)
        for stream, stamp_ns, _ in samples:
            stream.audit.used(stamp_ns, time_ns)
        found = {id(stream): value for stream, _, value in samples}
        self._last = (time_ns, tip, axes)
        readings = {name: found[id(stream)] for name, stream in streams.readings.items()}
        commander = self._commander(time_ns)
        self._policy_acted |= commander in ("policy", "expert")
        return Moment(
            time_ns,
            {name: found[id(stream)] for name, stream in streams.pictures.items()},
            readings,
            tip,
            displacement,
            self._gripper(time_ns, readings),
            said[1] if (said := streams.instructions.at(time_ns)) is not None else "",
            commander,
            commander == "human" and self._policy_acted,
        )

    def _displacement(self, time_ns: int, tip: Placement) -> Vector | str:
        """Since the previous moment, in the axes of the actions there; or why it is unknown, as a clause."""
        if self._last is None:
            return np.zeros(6)
        before_ns, before, axes = self._last
        if self._topics.action_from == "tf":
            moved = tip.position - before.position, turn_between(before.quaternion, tip.quaternion)
        else:
            integral = self._integral(before_ns, time_ns)
            if isinstance(integral, str):
                return integral
            moved = integral
        back = conjugate(axes)
        return np.concatenate([rotate(back, one) for one in moved])

    def _integral(self, first_ns: int, last_ns: int) -> tuple[Vector, Vector] | str:
        """The displacement and the rotation vector that were commanded within a time, in the axes of the base."""
        streams, hold_ns = self._streams, round(self._topics.twist_timeout * SECOND)
        held = streams.twists.at(first_ns)
        samples = ([held] if held is not None else []) + streams.twists.between(first_ns, last_ns)
        shift, turn = np.zeros(3), IDENTITY
        for i, (stamp_ns, sample) in enumerate(samples):
            until_ns = min(samples[i + 1][0] if i + 1 < len(samples) else last_ns, stamp_ns + hold_ns, last_ns)
            lasting = (until_ns - max(stamp_ns, first_ns)) / SECOND
            if lasting <= 0:
                continue
            placed = streams.transforms.at(streams.base, sample.frame_id, max(stamp_ns, first_ns))
            if isinstance(placed, str):
                return f"a commanded twist is in the frame {sample.frame_id!r}, and {placed}"
            shift = shift + rotate(placed.quaternion, sample.velocity[:3]) * lasting
            turn = multiply(rotation(rotate(placed.quaternion, sample.velocity[3:]) * lasting), turn)
        return shift, turn_between(IDENTITY, turn)

    def _gripper(self, time_ns: int, readings: Mapping[str, Vector]) -> float:
        commanded = self._streams.grippers.at(time_ns)
        if commanded is not None:
            return commanded[1]
        return float(readings["gripper"][0]) if "gripper" in readings else 0.0

    def _commander(self, time_ns: int) -> str:
        if self._topics.commander:
            return self._topics.commander
        status, human = self._streams.controls.at(time_ns), self._streams.humans.at(time_ns)
        if status is not None and time_ns - status[0] <= STATUS_NS:
            return status[1]  # also if nobody does: an inactive stick may keep publishing
        return "human" if human is not None and time_ns - human[0] <= HUMAN_NS else ""
