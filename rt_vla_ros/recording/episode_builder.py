"""From the samples of an episode to an episode of a dataset: actions by the card, images encoded immediately."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.encoded_episode import EncodedEpisode, EpisodeEncoder
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.robot_state import assemble
from rt_vla_ros.recording.episode_origin import ORIGIN, EpisodeOrigin
from rt_vla_ros.recording.resampling import Moment
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.topic_audit import TopicAudit, first_upper

CLIPPED = 0.01
"""Fraction of actions outside the card's range that is not reported."""
REPEATED = 0.02
"""Fraction of frames with a repeated image that is not reported."""
NO_INSTRUCTION = "The episode has no instruction: give one."
WHO_LED: dict[tuple[str, ...], str] = {("human",): "expert", ("expert",): "expert", ("policy",): "learner"}
Audits = list[tuple[str, TopicAudit]]
Decode = Callable[[str, Any], NDArray[np.uint8]]


class RecordingError(ValueError):
    """Nothing of an episode can be kept; the message says why."""


@dataclass(frozen=True)
class SavedEpisode:
    """index: its number in the dataset. problems: violations of its contract, as sentences."""

    index: int
    frames: int
    success: bool
    problems: tuple[str, ...]


class EpisodeBuilder:
    """Takes the moments of one episode in order. An action is the motion until the next moment, including the gripper.
    The last moment of a successful episode is kept as well, with a terminating action if the card has one. Memory only
    grows by the numbers of each frame. May be used in a different thread than the streams.
    """

    def __init__(self, writer: LeRobotWriter, streams: RobotStreams, decode: Decode) -> None:
        """decode: converts a camera's name and picture to RGB, uint8 (H, W, 3), of any size.

        Raises OSError.
        """
        self._writer, self._streams, self._decode = writer, streams, decode
        self._card, self._tokenizer = writer.card, ActionTokenizer(writer.card)
        self._encoder: EpisodeEncoder = writer.encoder()
        self._pending: tuple[Moment, dict[str, NDArray[np.uint8]], NDArray[np.float64] | None] | None = None
        self._kept: list[tuple[str, str, bool]] = []  # instruction, commander, intervention
        self._values: list[NDArray[np.float64]] = []
        self._states: list[NDArray[np.float64]] = []

    @property
    def frames(self) -> int:
        """Number of frames that are certainly kept."""
        return self._encoder.frames

    def add(self, moment: Moment) -> None:
        """The next one. Raises ValueError if it cannot be used, which ends the episode before it; OSError."""
        images = {}
        for camera in self._card.cameras:
            images[camera.name] = fit_image(self._decode(camera.name, moment.pictures[camera.name]), camera)
        state = None
        if self._card.state:
            tip = np.append(moment.tip.position, np.roll(moment.tip.quaternion, -1))
            state = assemble(self._card.state, {**moment.readings, "tip": tip})
        if self._pending is not None:
            self._keep(EndEffectorStep(moment.displacement[:3], moment.displacement[3:], moment.gripper))
        self._pending = (moment, images, state)

    def discard(self) -> None:
        """Discards the episode."""
        self._encoder.abandon()

    def save(
        self,
        *,
        success: bool,
        over: str | None = None,
        audits: Audits | None = None,
        origin: EpisodeOrigin | None = None,
    ) -> SavedEpisode:
        """Into the dataset. over: why the episode ended early, as a sentence; then it is not a success. audits:
        RobotStreams.audits at its end, if called from a different thread than the streams'; None: the current ones.
        origin: for an episode of a bag. Raises RecordingError if there is nothing to keep, OSError if it cannot be
        written; nothing is left then.
        """
        try:
            found = self._streams.audits() if audits is None else audits
            return self._save(success and over is None, over, found, origin)
        except BaseException:
            self.discard()
            raise

    def _save(self, success: bool, over: str | None, audits: Audits, origin: EpisodeOrigin | None) -> SavedEpisode:
        if success and self._card.index("terminate") is not None and self._pending is not None:
            still = np.zeros(3)
            self._keep(EndEffectorStep(still, still, self._pending[0].gripper, terminate=True))
        if not self._kept:
            raise RecordingError(
                over or f"The episode is shorter than one period of the action card, {self._card.period:g} s."
            )
        instructions, commanders, interventions = zip(*self._kept, strict=True)
        if not all(instructions):
            raise RecordingError(NO_INSTRUCTION)
        problems = self._problems(over, audits)
        statistics = self._encoder.close()
        episode = EncodedEpisode(
            card=self._card,
            instruction=instructions[0],
            instructions=instructions,
            values=np.stack(self._values),
            stamps=np.arange(len(self._kept)) / self._writer.rate,
            states=np.stack(self._states) if self._card.state else None,
            leader=_leader(commanders),
            success=success,
            interventions=np.array(interventions),
            commanders=commanders,
            audit=json.dumps(self._audit(problems, audits) | ({ORIGIN: origin.to_dict()} if origin else {})),
            images=statistics,
        )
        index = self._writer.episodes
        self._writer.add(episode)
        return SavedEpisode(index, len(episode), success, problems)

    def _keep(self, step: EndEffectorStep) -> None:
        assert self._pending is not None
        moment, images, state = self._pending
        self._pending = None
        self._encoder.add(images)
        self._values.append(self._tokenizer.from_step(step))
        if state is not None:
            self._states.append(state)
        self._kept.append((moment.instruction, moment.commander, moment.intervention))

    def _problems(self, over: str | None, audits: Audits) -> tuple[str, ...]:
        found = [over] if over is not None else []
        cameras = {stream.name for stream in self._streams.pictures.values()}
        for name, audit in audits:
            found += [first_upper(one) for one in audit.problems(name)]
            if name in cameras and audit.repeated > REPEATED:
                found.append(
                    f"{first_upper(name)} is too slow or irregular: {audit.repeated:.0%} of the frames repeat the "
                    f"previous image; it runs at {audit.rate:.1f} Hz, the card at {self._card.control_rate:g} Hz: "
                    "increase the camera's rate, or lower the card's."
                )
        values = np.stack(self._values)
        for i, dimension in enumerate(self._card.dimensions):
            if dimension.role in ("terminate", "unused"):
                continue
            spare = 1e-6 * (dimension.high - dimension.low)
            beyond = (values[:, i] < dimension.low - spare) | (values[:, i] > dimension.high + spare)
            if beyond.mean() > CLIPPED:
                found.append(
                    f"{beyond.mean():.0%} of the actions are outside the card's range of {dimension.name!r}, "
                    f"{dimension.low:g} to {dimension.high:g} {dimension.unit}; up to {np.abs(values[:, i]).max():.3g}."
                )
        return tuple(found)

    def _audit(self, problems: tuple[str, ...], audits: Audits) -> dict[str, Any]:
        return {
            "action_from": self._streams.topics.action_from,
            "topics": {name: audit.to_dict() for name, audit in audits if audit.messages or audit.unusable},
            "problems": list(problems),
        }


def _leader(commanders: tuple[str, ...]) -> str:
    """See EpisodeLabels."""
    seen = tuple(sorted({*commanders} - {""}))
    return "unknown" if not seen else WHO_LED.get(seen, "mixed" if "policy" in seen else "expert")
