"""What is wrong with a policy node, if anything: the most serious thing, in a sentence that says what to do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rt_vla_ros.nodes.diagnostics import Level, Report
from rt_vla_ros.nodes.frames import FrameBuffer
from rt_vla_ros.policies.policy import Policy

# A camera that was silent for this long [s] is missed.
MISSED = 2.0
# A camera slower than this part of the policy's rate is worth a warning.
SLOW = 0.8


class PolicyHealth:
    """Collects what happens in a policy node; `report` puts it in order.

    A problem stays until an action was made, a lasting one until the next request. The sentences hold no measured
    numbers, because each new sentence is published and logged at once; the numbers are among the values.
    """

    def __init__(self, max_image_age: float, topics: Mapping[str, str]) -> None:
        self._max_image_age = max_image_age
        self._topics = dict(topics)
        self._policy: Policy | None = None
        self._enabled = True
        self._problem: str | None = None
        self._lasting: str | None = None
        self._bad_image: dict[str, str] = {}
        now = time.monotonic_ns()
        self._arrivals = dict.fromkeys(self._topics, now)
        self._inference_ns = self._actions = self._refused_images = 0
        self.failure: str | None = None

    def ready(self, policy: Policy) -> None:
        """The policy is loaded."""
        self._policy = policy
        self._arrivals = dict.fromkeys(self._topics, time.monotonic_ns())

    def fail(self, sentence: str) -> None:
        """It never will be."""
        self.failure = sentence

    def enable(self, enabled: bool) -> None:
        """Whether instructions are carried out."""
        self._enabled, self._problem = enabled, None

    def begin(self) -> None:
        """A new request."""
        self._problem = self._lasting = None

    def end(self) -> None:
        """The request is over."""
        self._problem = None

    def image(self, camera: str, arrival_ns: int, problem: str | None) -> None:
        """An image came; `problem` says why it cannot be used."""
        self._arrivals[camera] = arrival_ns
        if problem is None:
            self._bad_image.pop(camera, None)
        else:
            self._bad_image[camera] = problem
            self._refused_images += 1

    def acted(self, inference_ns: int) -> None:
        """The policy made an action."""
        self._problem, self._inference_ns = None, inference_ns
        self._actions += 1

    def problem(self, sentence: str, *, lasting: bool = False) -> None:
        """Something was refused or went wrong."""
        if lasting:
            self._lasting = sentence
        else:
            self._problem = sentence

    def report(self, buffer: FrameBuffer[Any] | None, *, running: bool, text: str) -> Report:
        """How it is now. buffer: the frames' counters; running: whether a request runs; text: the last instruction."""
        level, message = self._judge(buffer, running)
        return Report(level, message, self._values(buffer, running, text))

    def _judge(self, buffer: FrameBuffer[Any] | None, running: bool) -> tuple[Level, str]:
        if self.failure is not None:
            return Level.ERROR, self.failure
        if self._policy is None:
            return Level.WARN, "The policy is being loaded."
        serious = self._bad_images() or self._problem or self._lasting
        if serious is not None:
            return Level.ERROR, serious
        camera = self._missing_camera()
        if camera is not None:
            return (Level.ERROR if running else Level.WARN), camera
        if buffer is not None and running and buffer.age_ns is not None and buffer.age_ns > self._max_image_age * 1e9:
            return Level.ERROR, (
                f"The newest image is older than max_image_age ({self._max_image_age:g} s): nothing is done until a "
                "fresh one comes. Are the clocks of camera and policy in step?"
            )
        slow = None if buffer is None else self._slow_camera(buffer)
        if slow is not None:
            return Level.WARN, slow
        return self._all_well(running)

    def _all_well(self, running: bool) -> tuple[Level, str]:
        if not self._enabled:
            return Level.OK, "Disabled."
        return Level.OK, "Carrying out the instruction." if running else "Waiting for an instruction."

    def _bad_images(self) -> str | None:
        for camera, problem in self._bad_image.items():
            return f"Camera {camera!r} cannot be used: {problem}"
        return None

    def _missing_camera(self) -> str | None:
        assert self._policy is not None
        now = time.monotonic_ns()
        for camera in (spec.name for spec in self._policy.card.cameras):
            if now - self._arrivals[camera] > MISSED * 1e9:
                return (
                    f"No image of camera {camera!r} has come for more than {MISSED:g} s on the topic "
                    f"{self._topics[camera]!r}: does a camera publish there?"
                )
        return None

    def _slow_camera(self, buffer: FrameBuffer[Any]) -> str | None:
        assert self._policy is not None
        wanted = self._policy.card.control_rate
        for camera, measured in buffer.rates.items():
            if measured.rate is not None and measured.rate < SLOW * wanted:
                return (
                    f"Images of camera {camera!r} come slower than the policy acts ({wanted:g} Hz). If the camera "
                    "sends faster, the network loses them: use image_transport:=compressed or give Fast DDS larger "
                    "shared memory (docs/cameras.md)."
                )
        return None

    def _values(self, buffer: FrameBuffer[Any] | None, running: bool, text: str) -> dict[str, object]:
        values: dict[str, object] = {
            "policy": "" if self._policy is None else self._policy.name,
            "running": running,
            "instruction": text[:200],
            "actions": self._actions,
            "inference_ms": round(self._inference_ns / 1e6, 2),
            "images_refused": self._refused_images,
        }
        if buffer is not None:
            values |= {
                "images_received": buffer.received,
                "images_dropped": buffer.dropped,
                "images_stale": buffer.stale,
                "images_repeated": buffer.repeated,
                "image_age_ms": "" if buffer.age_ns is None else round(buffer.age_ns / 1e6, 1),
            }
            values |= {
                f"rate_{camera}": f"{measured.rate:.1f}" for camera, measured in buffer.rates.items() if measured.rate
            }
        return values
