"""A policy at work in a thread of its own, so that inference never blocks a callback. No ROS in here."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, WARM_UP_RUNS, Policy, WarmUpPolicy
from rt_vla_ros.runtime.frame_buffer import Frame, FrameBuffer

Message = TypeVar("Message")


@dataclass(frozen=True)
class Step:
    """One action and what it was made from.

    stamp_ns: of the oldest of the images, for an action is as old as that. step_ns: how long all of it took by the
    node's clock, which stands still where a simulation waits. The rest is on this host's monotonic clock; arrival_ns:
    when the last of what it needs was there, an image or the request.
    """

    action: EndEffectorAction
    stamp_ns: int
    arrival_ns: int
    inference_ns: int
    step_ns: int


class Listener(Protocol):
    """Who is told, in the runner's thread; `acted`, `stumbled` and `ended` with its lock held."""

    def ready(self, policy: Policy, warm_up_ns: int) -> None:
        """The policy is loaded and warm."""

    def acted(self, step: Step) -> None:
        """An action of the running request."""

    def stumbled(self, sentence: str) -> None:
        """The frames could not be used, so there is no action; the request goes on."""

    def ended(self, sentence: str) -> None:
        """The running request cannot be carried out and is over."""

    def broken(self, sentence: str) -> None:
        """The policy cannot be loaded; the thread has ended."""


class PolicyRunner(Generic[Message]):
    """Loads a policy, then acts on the newest frames as long as a request runs.

    decode: camera name and message -> RGB image in the size of the policy's camera; raises ValueError with a sentence.
    clock: the node's clock [ns], the one of the frames' stamps.
    """

    def __init__(
        self,
        load: Callable[[], Policy],
        make_buffer: Callable[[Policy], FrameBuffer[Message]],
        decode: Callable[[Policy, str, Message], NDArray[np.uint8]],
        clock: Callable[[], int],
        listener: Listener,
    ) -> None:
        self._load, self._make_buffer, self._decode = load, make_buffer, decode
        self._clock, self._listener = clock, listener
        self._changed = threading.Condition(threading.RLock())
        self._instruction: str | None = None
        self._fresh = False  # the running request has not reached the policy yet
        self._request = 0
        self._requested_ns = 0
        self._closing = False
        self._begun_ns: int | None = None  # of the step in the making
        self._acted_ns = 0  # stamp of the last frames that the policy saw
        self.buffer: FrameBuffer[Message] | None = None
        self._thread = threading.Thread(target=self._work, name="policy", daemon=True)

    @property
    def lock(self) -> threading.Condition:
        """Held by whoever wants no action to come between two things that it does."""
        return self._changed

    @property
    def running(self) -> bool:
        """Whether a request is being carried out."""
        return self._instruction is not None

    @property
    def busy_ns(self) -> int:
        """How long the step in the making has taken so far, on the monotonic clock; 0 between two steps."""
        begun_ns = self._begun_ns
        return 0 if begun_ns is None else time.monotonic_ns() - begun_ns

    def start(self) -> None:
        """Begins to load the policy."""
        self._thread.start()

    def request(self, instruction: str) -> None:
        """Carries out an instruction from the next frames on, in place of the one before."""
        with self._changed:
            self._instruction, self._fresh = instruction, True
            self._request += 1
            self._requested_ns = time.monotonic_ns()
            if self.buffer is not None:
                self.buffer.restart()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Ends the running request; when this returns, no action of it will come any more."""
        with self._changed:
            self._instruction = None
            self._request += 1

    def offer(self, camera: str, frame: Frame[Message]) -> None:
        """A frame has come."""
        with self._changed:
            if self.buffer is not None:
                self.buffer.put(camera, frame)
                self._changed.notify_all()

    def close(self, timeout: float = 1.0) -> bool:
        """Ends the thread; False where it is left behind, in a loading or an inference longer than `timeout` [s]."""
        with self._changed:
            self._closing = True
            self.cancel()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            policy, took_ns = self._load_and_warm_up()
        except Exception as error:
            self._listener.broken(_sentence(error))
            return
        with self._changed:
            if self._closing:
                return
            self.buffer = self._make_buffer(policy)
        self._listener.ready(policy, took_ns)
        while True:
            with self._changed:
                frames = self._wait_for_frames()
                if frames is None:
                    return
                stamp_ns = min(frame.stamp_ns for frame in frames.values())
                # The buffer lets older frames pass only where the clock began anew: no history reaches across that.
                begin = self._fresh or stamp_ns < self._acted_ns
                request, instruction, self._acted_ns = self._request, self._instruction, stamp_ns
                arrival_ns = max(self._requested_ns, *(frame.arrival_ns for frame in frames.values()))
            self._begun_ns = time.monotonic_ns()
            self._act(policy, request, instruction if begin else None, frames, arrival_ns)
            self._begun_ns = None

    def _load_and_warm_up(self) -> tuple[Policy, int]:
        """The first inferences of a process are slow; nobody shall wait for them with an arm in motion."""
        policy = self._load()
        black = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in policy.card.cameras}
        instruction, runs = WARM_UP_INSTRUCTION, WARM_UP_RUNS
        if isinstance(policy, WarmUpPolicy):
            instruction, runs = policy.warm_up_instruction, policy.warm_up_runs
        policy.reset(instruction)
        started = time.monotonic_ns()
        for i in range(runs):
            started = time.monotonic_ns()
            policy.act(Observation(black, i * policy.card.period))
        return policy, time.monotonic_ns() - started

    def _wait_for_frames(self) -> Mapping[str, Frame[Message]] | None:
        """With the lock held; None when the runner closes."""
        while not self._closing:
            if self._instruction is not None and self.buffer is not None:
                frames = self.buffer.take(self._clock())
                if frames is not None:
                    return frames
            self._changed.wait()
        return None

    def _act(
        self,
        policy: Policy,
        request: int,
        instruction: str | None,
        frames: Mapping[str, Frame[Message]],
        arrival_ns: int,
    ) -> None:
        stamp_ns, begun_ns = min(frame.stamp_ns for frame in frames.values()), self._clock()
        try:
            if instruction is not None:
                policy.reset(instruction)
        except Exception as error:
            self._end(request, error)
            return
        self._settle(request)
        try:
            images = {camera: self._decode(policy, camera, frame.message) for camera, frame in frames.items()}
            started = time.monotonic_ns()
            action = policy.act(Observation(images, stamp_ns / 1_000_000_000))
            inference_ns = time.monotonic_ns() - started
        except ValueError as error:
            with self._changed:
                if request == self._request:
                    self._listener.stumbled(_sentence(error))
            return
        except Exception as error:
            self._end(request, error)
            return
        self._tell(request, Step(action, stamp_ns, arrival_ns, inference_ns, self._clock() - begun_ns))

    def _tell(self, request: int, step: Step) -> None:
        """An action that cannot be told must not end the thread: nobody would learn why nothing comes any more."""
        with self._changed:
            if request != self._request:
                return
            if step.action.terminate:
                self._instruction = None
            try:
                self._listener.acted(step)
            except Exception as error:
                self._end(request, error)

    def _settle(self, request: int) -> None:
        with self._changed:
            if request == self._request:
                self._fresh = False

    def _end(self, request: int, error: Exception) -> None:
        with self._changed:
            if request == self._request:
                self._instruction = None
                self._listener.ended(_sentence(error))


def _sentence(error: Exception) -> str:
    """What is told to people: the error's own words where it was meant for them, else also where it came from."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, ValueError | OSError | ImportError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({last.name}, line {last.lineno})"
