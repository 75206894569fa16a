"""Runs a policy in its own thread, so that inference never blocks a callback. No ROS in here."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.policies.policy import Policy, PolicyFaultError, PolicyLateError, PolicyLostError
from rt_vla_ros.runtime.frame_buffer import Frame, FrameBuffer
from rt_vla_ros.runtime.policy_stepper import DueFrames, PolicyDecision, PolicyStepper
from rt_vla_ros.runtime.warm_up import Warm, warm_up

Message = TypeVar("Message")
LONGEST_LOSS = 10.0
"""A policy that is lost or late for longer ends the request [s]: an arm must not start to move unexpectedly later."""


@dataclass(frozen=True)
class PolicyStep:
    """One decision and its inputs. stamp_ns: of the oldest image, which determines the age of the action. arrival_ns:
    arrival of its last input, an image or the request, on this host's monotonic clock. took_ns: total, by the node's
    clock, which stops while a simulation waits.
    """

    decision: PolicyDecision
    stamp_ns: int
    arrival_ns: int
    took_ns: int


class RunnerListener(Protocol):
    """Called in the runner's thread; all but `on_ready` and `on_load_failed` with its lock held."""

    def on_ready(self, policy: Policy, warm: Warm) -> None:
        """The policy is loaded and warm."""

    def on_step(self, step: PolicyStep) -> None:
        """An action of the running request."""

    def on_frames_rejected(self, sentence: str) -> None:
        """The frames could not be used, so there is no action; the request continues."""

    def on_policy_lost(self, sentence: str) -> None:
        """Earlier actions must not be followed any more; the request continues if the policy is back soon."""

    def on_request_failed(self, sentence: str) -> None:
        """The running request has failed and is over."""

    def on_load_failed(self, sentence: str) -> None:
        """The policy cannot be loaded; the thread has ended."""


class PolicyRunner(Generic[Message]):
    """Loads a policy, then acts on the newest frames while a request runs.

    load: returns the policy with its stepping rules, ready for warm-up.
    clock: the node's clock [ns], the one of the frames' stamps.
    threads: of torch, see policies.threads.choose_threads.
    """

    def __init__(
        self,
        load: Callable[[], PolicyStepper[Message]],
        clock: Callable[[], int],
        listener: RunnerListener,
        threads: int = 0,
    ) -> None:
        self._load, self._clock, self._listener = load, clock, listener
        self.threads = threads  # as they are when it starts
        self._changed = threading.Condition(threading.RLock())
        self._instruction: str | None = None
        self._request = 0
        self._requested_ns = 0
        self._closing = self._suspended = False
        self._not_before_ns = 0  # older frames are not used
        self._end_ns: tuple[int, int] | None = None  # when the policy decided the end of the request, and when it ends
        self._begun_ns: int | None = None  # of the current step
        self._missed: tuple[float, str] | None = None  # since when the policy is lost, by a steady clock; why
        self._stepper: PolicyStepper[Message] | None = None
        self._thread = threading.Thread(target=self._work, name="policy", daemon=True)

    @property
    def lock(self) -> threading.Condition:
        """While it is held, there are no actions."""
        return self._changed

    @property
    def running(self) -> bool:
        """Whether a request is running: until the arm has had the time for its last step, see `conclude`."""
        return self._instruction is not None

    @property
    def busy_ns(self) -> int:
        """How long the current step has taken so far, on the monotonic clock; 0 between two steps."""
        begun_ns = self._begun_ns
        return 0 if begun_ns is None else time.monotonic_ns() - begun_ns

    @property
    def buffer(self) -> FrameBuffer[Message] | None:
        """The frames that wait for the policy; None until it is loaded."""
        return None if self._stepper is None else self._stepper.buffer

    def start(self) -> None:
        """Starts loading the policy."""
        self._thread.start()

    def request(self, instruction: str) -> None:
        """Executes an instruction from the next frames on, replacing the previous one."""
        with self._changed:
            self._instruction, self._end_ns, self._missed = instruction, None, None
            self._request += 1
            self._requested_ns = time.monotonic_ns()
            if self._stepper is not None:
                self._stepper.restart()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Ends the running request; after this returns, there are no more actions of it."""
        with self._changed:
            self._instruction = self._end_ns = None
            self._request += 1

    def suspend(self) -> None:
        """Keeps the request but pauses decisions until `go_on`: a decision in progress is dropped, and so is a pending
        end of the request.
        """
        with self._changed:
            self._suspended, self._end_ns = True, None
            self._request += 1

    def go_on(self) -> None:
        """Continues the request as if it began now: without a history, and from frames taken from now on."""
        with self._changed:
            self._suspended, self._not_before_ns, self._missed = False, self._clock(), None
            self._requested_ns = time.monotonic_ns()
            if self._stepper is not None:
                self._stepper.restart()
            self._changed.notify_all()

    def conclude(self) -> bool:
        """Ends the request if the policy has terminated it and its last step is over; whether it did."""
        with self._changed:
            if self._end_ns is None:
                return False
            said_ns, end_ns = self._end_ns
            if said_ns <= self._clock() < end_ns:  # before that, the clock began anew
                return False
            self.cancel()
            return True

    def offer(self, camera: str, frame: Frame[Message]) -> None:
        """Adds a frame."""
        with self._changed:
            if self._stepper is not None:
                self._stepper.buffer.put(camera, frame)
                self._changed.notify_all()

    def close(self, timeout: float = 0.3) -> bool:
        """Ends the thread; False if it is still busy loading or in an inference after `timeout` [s]."""
        with self._changed:
            self._closing = True
            self.cancel()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            stepper = self._load()
            warm = warm_up(stepper.policy, self.threads)
        except Exception as error:
            self._listener.on_load_failed(_sentence(error))
            return
        with self._changed:
            if self._closing:
                return
            self._stepper = stepper
        self._listener.on_ready(stepper.policy, warm)
        while True:
            with self._changed:
                due = self._wait_for_frames(stepper)
                if due is None:
                    return
                request, instruction = self._request, self._instruction
                arrival_ns = max(self._requested_ns, due.arrival_ns)
            self._begun_ns = time.monotonic_ns()
            self._act(stepper, request, instruction if due.first else None, due, arrival_ns)
            self._begun_ns = None

    def _wait_for_frames(self, stepper: PolicyStepper[Message]) -> DueFrames[Message] | None:
        """With the lock held; None when the runner closes."""
        while not self._closing:
            if self._instruction is not None and self._end_ns is None and not self._suspended:
                now_ns = self._clock()
                due = stepper.take(now_ns)
                if due is not None and due.stamp_ns < self._not_before_ns <= now_ns:  # else the clock began anew
                    stepper.restart()
                    continue
                if due is not None:
                    return due
            self._changed.wait(self._give_up())
        return None

    def _give_up(self) -> float | None:
        """With the lock held: ends a request whose policy was lost for too long; otherwise the remaining time [s].
        None if it is not lost.
        """
        if self._missed is None or self._instruction is None or self._suspended:
            return None
        since, why = self._missed
        left = since + LONGEST_LOSS - time.monotonic()
        if left > 0:
            return left
        why = f"The policy could not decide for more than {LONGEST_LOSS:g} s, so the request has ended. {why}"
        self._end(self._request, ValueError(why))
        return None

    def _miss(self, why: str) -> None:
        """With the lock held: the policy has not decided. why: a sentence."""
        self._missed = (time.monotonic() if self._missed is None else self._missed[0]), why

    def _act(
        self,
        stepper: PolicyStepper[Message],
        request: int,
        instruction: str | None,
        due: DueFrames[Message],
        arrival_ns: int,
    ) -> None:
        begun_ns = self._clock()
        try:
            if instruction is not None:
                stepper.policy.reset(instruction)
        except PolicyLostError as error:
            self._lost(stepper, request, error)
            return
        except Exception as error:
            self._end(request, error)
            return
        with self._changed:
            if request == self._request:
                stepper.begun()
        try:
            for decision in stepper.decisions(due):
                now_ns = self._clock()
                if _is_late(decision, now_ns - due.stamp_ns):
                    continue
                step = PolicyStep(decision, due.stamp_ns, arrival_ns, now_ns - begun_ns)
                if not self._tell(request, step):
                    return
        except DecodingError as error:
            self._end(request, error)
            return
        except PolicyLostError as error:
            self._lost(stepper, request, error)
        except ValueError as error:
            with self._changed:
                if request == self._request:
                    if isinstance(error, PolicyLateError):
                        self._miss(_sentence(error))
                    self._listener.on_frames_rejected(_sentence(error))
            return
        except Exception as error:
            self._end(request, error)

    def _lost(self, stepper: PolicyStepper[Message], request: int, error: PolicyLostError) -> None:
        """The request restarts, from a frame that is taken from now on: the policy may be back long after this."""
        with self._changed:
            if request == self._request:
                self._end_ns, self._not_before_ns = None, self._clock()
                stepper.restart()
                self._miss(_sentence(error))
                self._listener.on_policy_lost(_sentence(error))

    def _tell(self, request: int, step: PolicyStep) -> bool:
        """Whether the policy continues. An action that cannot be published must not end the thread: the reason would
        be lost.
        """
        with self._changed:
            self._give_up()
            if request != self._request:
                return False
            self._missed = None
            chunk = step.decision.chunk
            end = chunk.terminates_at
            if end == 0:
                self._instruction = None
            elif end is not None:
                self._end_ns = self._clock(), step.stamp_ns + round(end * chunk.period * 1e9)
            try:
                self._listener.on_step(step)
            except Exception as error:
                self._end(request, error)
            return end is None and request == self._request

    def _end(self, request: int, error: Exception) -> None:
        with self._changed:
            if request == self._request:
                self.cancel()
                self._listener.on_request_failed(_sentence(error))


def _is_late(decision: PolicyDecision, age_ns: int) -> bool:
    """Whether the time of the first steps of a chunk is over, if none of them ends the request. They would replace the
    steps due in the previous chunk. age_ns: of the image.
    """
    chunk = decision.chunk
    return not decision.whole and chunk.terminates_at is None and age_ns >= len(chunk.steps) * chunk.period * 1e9


def _sentence(error: Exception) -> str:
    """The message for users: the error's own text if meant for them, otherwise with its location."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, ValueError | OSError | ImportError | PolicyFaultError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({last.name}, line {last.lineno})"
