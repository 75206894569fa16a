"""How a policy acts on camera frames: the same rules for a running robot and for the offline rollout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.action_space.ensemble import ALONE
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.policies.policy import Policy, StreamingPolicy
from rt_vla_ros.runtime.chunk_check import check_chunk
from rt_vla_ros.runtime.confidence_gate import ConfidenceGate
from rt_vla_ros.runtime.frame_buffer import Frame, FrameBuffer

Message = TypeVar("Message")


class StateSource(Protocol):
    """The source of the robot's state, for a policy whose card has one."""

    def is_known(self, stamp_ns: int, now_ns: int) -> bool:
        """Whether `at` is final for images of that stamp; False while waiting may improve it."""

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """The state at that time, shape (S,), in the card's order. Raises StateError if there is no usable one."""


@dataclass(frozen=True)
class DueFrames(Generic[Message]):
    """Frames to act on, one per camera.

    stamp_ns: of the oldest of them, for an action is as old as that. arrival_ns: when the last one was there, on this
    host's monotonic clock. first: the policy has to begin again with them. state: the robot's, of that stamp, or why
    there is none; None if the policy takes none.
    """

    frames: Mapping[str, Frame[Message]]
    stamp_ns: int
    arrival_ns: int
    first: bool
    state: NDArray[np.float64] | StateError | None = None


@dataclass(frozen=True)
class PolicyDecision:
    """chunk: to be published. unsure: why it is not the policy's own, None if it is. inference_ns: of `act` so far.

    A step of the chunk that terminates ends the request: the policy does not decide again.
    whole: False for the first steps of a chunk that is still being decided.
    """

    chunk: ActionChunk
    unsure: str | None
    inference_ns: int
    whole: bool


class PolicyStepper(Generic[Message]):
    """Frames in, decisions out. Not thread-safe, except that `decide` may run while frames are offered and taken.

    decode: camera name and message -> RGB image in the size of the policy's camera; raises ValueError with a sentence.
    max_image_age: older frames are not used [s].
    states: the robot's state; None if the policy takes none. Frames wait for the state of their time.
    stream: publish the first steps of a chunk before the rest is decided, if `refuse_stream` allows it.
    """

    def __init__(
        self,
        policy: Policy,
        decode: Callable[[Policy, str, Message], NDArray[np.uint8]],
        *,
        max_image_age: float,
        min_confidence: float,
        min_legal_probability: float = 0.0,
        states: StateSource | None = None,
        stream: bool = False,
    ) -> None:
        cameras = [camera.name for camera in policy.card.cameras]
        period_ns, max_age_ns = round(policy.card.period * 1e9), round(max_image_age * 1e9)
        self.policy = policy
        self.buffer: FrameBuffer[Message] = FrameBuffer(cameras, period_ns, max_age_ns, policy.card.execute_steps)
        self._decode, self._gate = decode, ConfidenceGate(min_confidence, min_legal_probability)
        self._states, self._max_age_ns = states, max_age_ns
        self._waiting: dict[str, Frame[Message]] | None = None
        self._stream = stream and refuse_stream(policy) is None
        self._first = True
        self._acted_ns = 0  # stamp of the last frames that were taken

    def restart(self) -> None:
        """A new request begins: any frame is due, even one that was used before."""
        self.buffer.restart()
        self._waiting = None
        self._first = True

    def take(self, now_ns: int) -> DueFrames[Message] | None:
        """The frames to act on at the time `now_ns`; None if there is nothing to do."""
        frames = self._waiting or self.buffer.take(now_ns)
        if frames is None:
            return None
        stamp_ns = min(frame.stamp_ns for frame in frames.values())
        if self._waiting is not None and abs(now_ns - stamp_ns) > self._max_age_ns:
            self._waiting = None  # they were not polled in time
            return self.take(now_ns)
        if self._states is not None and not self._states.is_known(stamp_ns, now_ns):
            self._waiting = frames
            return None
        self._waiting = None
        # The buffer passes older frames only after a clock restart: the history does not extend across it.
        first = self._first or stamp_ns < self._acted_ns
        self._acted_ns = stamp_ns
        arrival_ns = max(frame.arrival_ns for frame in frames.values())
        return DueFrames(frames, stamp_ns, arrival_ns, first, self._state_at(stamp_ns))

    def _state_at(self, stamp_ns: int) -> NDArray[np.float64] | StateError | None:
        try:
            return None if self._states is None else self._states.at(stamp_ns)
        except StateError as error:
            return error

    def begun(self) -> None:
        """The policy has received the instruction of the running request."""
        self._first = False

    def decide(self, due: DueFrames[Message]) -> PolicyDecision:
        """The whole chunk. Raises what `decisions` raises."""
        *_, decision = self.decisions(due)
        return decision

    def decisions(self, due: DueFrames[Message]) -> Iterator[PolicyDecision]:
        """The chunk, and before it, where chunks are streamed, its first steps.

        Raises ValueError for frames that cannot be used, StateError if the robot's state is unknown, DecodingError for
        a chunk that contradicts the action card, and the policy's exceptions.
        """
        if isinstance(due.state, StateError):
            raise due.state
        images = {camera: self._decode(self.policy, camera, frame.message) for camera, frame in due.frames.items()}
        started = time.monotonic_ns()
        observation = Observation(images, due.stamp_ns / 1_000_000_000, due.state)
        told: tuple[EndEffectorStep, ...] = ()  # of this chunk, already published
        count, card = 0, self.policy.card
        for chunk in self._chunks(observation):
            check_chunk(chunk, card, whole=not self._stream)
            count = len(chunk.steps)
            admitted, unsure = self._gate.admit(chunk)
            if unsure is None or count == card.horizon:  # the whole chunk may be more confident than its beginning
                steps = told + self._until_next(admitted).steps[len(told) :]
                inference_ns = time.monotonic_ns() - started
                yield PolicyDecision(replace(admitted, steps=steps), unsure, inference_ns, count == card.horizon)
                told = steps
        if count != card.horizon:
            raise DecodingError(f"The policy ended its chunk after {count} steps of {card.horizon}.")

    def _chunks(self, observation: Observation) -> Iterator[ActionChunk]:
        if self._stream and isinstance(self.policy, StreamingPolicy):
            yield from self.policy.act_streaming(observation)
        else:
            yield self.policy.act(observation)

    def _until_next(self, chunk: ActionChunk) -> ActionChunk:
        """Cuts steps from a terminate on if the policy decides again before it: the arm waits there."""
        end = chunk.terminates_at
        if end is None or end < self.policy.card.execute_steps:
            return chunk
        still = (EndEffectorStep.still(),) * (len(chunk.steps) - end)
        return replace(chunk, steps=chunk.steps[:end] + still)


def refuse_stream(policy: Policy) -> str | None:
    """Why the first steps of the policy's chunks cannot be streamed, as a sentence; None if they can."""
    if not isinstance(policy, StreamingPolicy):
        return f"The policy {policy.name!r} decides all steps at once: its chunks are not streamed."
    if policy.card.ensemble.rule not in ALONE:
        return (
            f"The action card combines chunks by the rule {policy.card.ensemble.rule!r}, which needs whole chunks: "
            "they are not streamed."
        )
    return None
