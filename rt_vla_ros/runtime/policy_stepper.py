"""How a policy acts on camera frames: the same rules for a running robot and for the offline rollout."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.confidence_gate import ConfidenceGate
from rt_vla_ros.runtime.frame_buffer import Frame, FrameBuffer

Message = TypeVar("Message")


class StateSource(Protocol):
    """Where the robot's state comes from, for a policy whose card has one."""

    def is_known(self, stamp_ns: int, now_ns: int) -> bool:
        """Whether `at` has its final answer for images of that stamp; False while a later one is worth waiting for."""

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """The state at that time, shape (S,), in the card's order. Raises StateError where there is none to act on."""


@dataclass(frozen=True)
class DueFrames(Generic[Message]):
    """Frames to act on, one per camera.

    stamp_ns: of the oldest of them, for an action is as old as that. arrival_ns: when the last one was there, on this
    host's monotonic clock. first: the policy has to begin anew with them. state: the robot's, of that stamp, or why
    there is none; None where the policy takes none.
    """

    frames: Mapping[str, Frame[Message]]
    stamp_ns: int
    arrival_ns: int
    first: bool
    state: NDArray[np.float64] | StateError | None = None


@dataclass(frozen=True)
class PolicyDecision:
    """chunk: what to publish. unsure: why it is not the policy's own, None where it is. inference_ns: of `act`."""

    chunk: ActionChunk
    unsure: str | None
    inference_ns: int


class PolicyStepper(Generic[Message]):
    """Frames in, decisions out. Not thread-safe, except that `decide` may run while frames are offered and taken.

    decode: camera name and message -> RGB image in the size of the policy's camera; raises ValueError with a sentence.
    max_image_age: older frames are not acted on [s].
    states: the robot's state; None where the policy takes none. Frames wait for the state of their time.
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
    ) -> None:
        cameras = [camera.name for camera in policy.card.cameras]
        period_ns, max_age_ns = round(policy.card.period * 1e9), round(max_image_age * 1e9)
        self.policy = policy
        self.buffer: FrameBuffer[Message] = FrameBuffer(cameras, period_ns, max_age_ns)
        self._decode, self._gate = decode, ConfidenceGate(min_confidence, min_legal_probability)
        self._states, self._max_age_ns = states, max_age_ns
        self._waiting: dict[str, Frame[Message]] | None = None
        self._first = True
        self._acted_ns = 0  # stamp of the last frames that were taken

    def restart(self) -> None:
        """A new request begins: any frame is due, also one that was acted on before."""
        self.buffer.restart()
        self._waiting = None
        self._first = True

    def take(self, now_ns: int) -> DueFrames[Message] | None:
        """The frames to act on at the time `now_ns`; None where there is nothing to do."""
        frames = self._waiting or self.buffer.take(now_ns)
        if frames is None:
            return None
        stamp_ns = min(frame.stamp_ns for frame in frames.values())
        if self._waiting is not None and abs(now_ns - stamp_ns) > self._max_age_ns:
            self._waiting = None  # nobody looked at them in time
            return self.take(now_ns)
        if self._states is not None and not self._states.is_known(stamp_ns, now_ns):
            self._waiting = frames
            return None
        self._waiting = None
        # The buffer lets older frames pass only where the clock began anew: no history reaches across that.
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
        """The policy has taken the instruction of the running request."""
        self._first = False

    def decide(self, due: DueFrames[Message]) -> PolicyDecision:
        """One step of the policy. Raises ValueError for frames that cannot be used, and what the policy raises.

        Raises StateError where the robot's state is not known.
        """
        if isinstance(due.state, StateError):
            raise due.state
        images = {camera: self._decode(self.policy, camera, frame.message) for camera, frame in due.frames.items()}
        started = time.monotonic_ns()
        chunk = self.policy.act(Observation(images, due.stamp_ns / 1_000_000_000, due.state))
        inference_ns = time.monotonic_ns() - started
        admitted, unsure = self._gate.admit(chunk)
        return PolicyDecision(admitted, unsure, inference_ns)
