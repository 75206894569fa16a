"""A policy runner with who listens to it and a policy that notes what it is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_runner import PolicyRunner, PolicyStep
from rt_vla_ros.runtime.policy_stepper import PolicyStepper
from rt_vla_ros.runtime.warm_up import Warm

MS = 1_000_000
PATIENCE = 60.0
BLACK = np.zeros((96, 96, 3), np.uint8)


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []
        self._changed = threading.Condition()

    def _hear(self, kind: str, what: object) -> None:
        with self._changed:
            self.heard.append((kind, what))
            self._changed.notify_all()

    def on_ready(self, policy: Policy, warm: Warm) -> None:
        self._hear("ready", policy)

    def on_step(self, step: PolicyStep) -> None:
        self._hear("step", step)

    def on_frames_rejected(self, sentence: str) -> None:
        self._hear("rejected", sentence)

    def on_policy_lost(self, sentence: str) -> None:
        self._hear("lost", sentence)

    def on_request_failed(self, sentence: str) -> None:
        self._hear("failed", sentence)

    def on_load_failed(self, sentence: str) -> None:
        self._hear("load_failed", sentence)

    def all(self, kind: str) -> list[object]:
        return [what for heard, what in self.heard if heard == kind]

    def wait(self, kind: str, count: int = 1) -> list[object]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all(kind)) >= count, PATIENCE), self.heard
        return self.all(kind)


class Recorder(ConstantPolicy):
    """Notes what it is given; `gate` can hold an inference up."""

    def __init__(self, **changes: object) -> None:
        super().__init__(**changes)
        self.instructions: list[str] = []
        self.stamps: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Event()
        self.error: Exception | None = None

    def reset(self, instruction: str) -> None:
        self.instructions.append(instruction)
        if instruction == "nonsense":
            raise ValueError("The instruction is nonsense.")

    def act(self, observation: Observation) -> ActionChunk:
        self.inside.set()
        assert self.gate.wait(PATIENCE)
        self.stamps.append(observation.stamp)
        if self.error is not None:
            raise self.error
        return super().act(observation)


def decode(policy: Policy, camera: str, message: str) -> NDArray[np.uint8]:
    if message == "bad":
        raise ValueError("The image is no image.")
    return BLACK


class Desk:
    def __init__(self, policy: Recorder, *cameras: str) -> None:
        self.policy, self.listener, self.now_ms = policy, Listener(), 1000.0
        if cameras:
            (front,) = policy.card.cameras
            policy.card = replace(policy.card, cameras=tuple(replace(front, name=name) for name in cameras))
        self.load: Callable[[], Policy] = lambda: self.policy
        self.stream = False
        self.runner: PolicyRunner[str] = PolicyRunner(
            lambda: PolicyStepper(self.load(), decode, max_image_age=0.5, min_confidence=0.0, stream=self.stream),
            lambda: int(self.now_ms * MS),
            self.listener,
        )

    def start(self) -> None:
        self.runner.start()
        self.listener.wait("ready")

    def show(self, stamp_ms: float, message: str = "", arrival_ns: int = 5, camera: str = "front") -> None:
        self.now_ms = max(self.now_ms, stamp_ms)
        self.runner.offer(camera, Frame(message, int(stamp_ms * MS), arrival_ns))
