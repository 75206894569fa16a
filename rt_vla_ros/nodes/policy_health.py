"""The health of a policy node: its most serious problem, as a sentence with advice."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any

from rclpy.utilities import get_rmw_implementation_identifier

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.nodes.diagnostics import Level, Report, listed
from rt_vla_ros.policies.policy import ListedPolicy, Policy
from rt_vla_ros.runtime.frame_buffer import FrameBuffer, refuse_age

# A camera without an image for this long [s] is reported.
MISSED = 2.0
# A camera slower than this fraction of the policy's rate causes a warning.
SLOW = 0.8
# A step hangs if it takes longer than this [s] and than this many warm steps; a large model on a CPU is just slow.
HUNG, HUNG_STEPS = 5.0, 10
# The policy's own pace is judged by the median of its last steps, once there are enough of them.
STEPS, ENOUGH_STEPS = 11, 5
# Why a middleware may lose large images, and what helps.
_FAST_DDS = (
    " Fast DDS loses large images in its default configuration: set the policy node's parameter image_transport to "
    "'compressed', or "
    "give Fast DDS larger shared memory (docs/cameras.md)."
)
_LOSSY = {"rmw_fastrtps_cpp": _FAST_DDS, "rmw_fastrtps_dynamic_cpp": _FAST_DDS}


def longest_decision(card: ActionCard) -> float:
    """How long a decision may take without the arm standing still for it [s].

    The steps of a chunk count from its image, so they must last until the image of the next decision, and until that
    decision is made: max(decision_period, longest) + longest = horizon * period. Where all steps are executed before
    the next decision is due, the arm waits for it in any case, and a period is taken. A single step counts from its
    arrival.
    """
    steps = min(card.horizon / 2, card.horizon - card.execute_steps)
    return round(max(steps, 1) * card.period, 9)


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
        self._hung_ns = HUNG * 1e9
        self._steps_ns: deque[int] = deque(maxlen=STEPS)
        self._median_ns: float | None = None
        self.parts_of_latency: Mapping[str, float] = {}  # of the last decision, see policies.policy.TimedPolicy
        self._inference_ns = self._actions = self._refused_images = 0
        self._legal: float | None = None
        self.failure: str | None = None
        self._loading = ""
        self._unloaded = Level.WARN, "The policy is being loaded."

    def load(self) -> None:
        """A policy is being loaded."""
        self._unloaded, self._loading = (Level.WARN, "The policy is being loaded."), ""
        self._problem = self._lasting = None  # what was refused for want of a policy is no trouble any more

    def unload(self, problem: str | None, node: str) -> None:
        """There is none any more, nor on its way. problem: why, where it was not meant. node: its full name."""
        cure = f"`ros2 lifecycle set {node} configure` loads"
        why = (Level.ERROR, f"{problem} After fixing this, {cure} it.") if problem else None
        self._unloaded = why or (Level.OK, f"No policy is loaded: {cure} one.")
        self._policy, self._problem, self._lasting = None, None, None

    def loading(self, sentence: str) -> None:
        """How far the loading of the policy is."""
        self._loading = sentence

    @property
    def awaited(self) -> str | None:
        """Why no action can come yet, as a sentence; None if the policy is loaded, or none is on its way."""
        level, sentence = self._unloaded
        if self._policy is not None or level is not Level.WARN:
            return None
        return f"{sentence.removesuffix('.')}: {self._loading}." if self._loading else sentence

    def ready(self, policy: Policy, warm_up_ns: int) -> None:
        """The policy is loaded; a warm step takes `warm_up_ns`."""
        self._policy, self._hung_ns = policy, max(HUNG * 1e9, HUNG_STEPS * warm_up_ns)
        self._arrivals = dict.fromkeys(self._topics, time.monotonic_ns())

    def enable(self, enabled: bool) -> None:
        """Whether instructions are carried out."""
        self._enabled, self._problem = enabled, None

    def begin(self) -> None:
        """A new request."""
        self._problem = self._lasting = self._median_ns = None
        self._steps_ns.clear()

    def end(self) -> None:
        """The request has ended."""
        self._problem = None

    def image(self, camera: str, arrival_ns: int, problem: str | None) -> None:
        """An image came; `problem` says why it cannot be used."""
        self._arrivals[camera] = arrival_ns
        if problem is None:
            self._bad_image.pop(camera, None)
        else:
            self._bad_image[camera] = problem
            self._refused_images += 1

    def acted(self, inference_ns: int, step_ns: int, legal_probability: float) -> None:
        """The policy made an action; times as in policy_runner.PolicyStep, legal_probability as in the action."""
        self._problem, self._inference_ns, self._legal = None, inference_ns, legal_probability
        self._steps_ns.append(step_ns)
        self._median_ns = median(self._steps_ns) if len(self._steps_ns) >= ENOUGH_STEPS else None
        self._actions += 1

    def problem(self, sentence: str, *, lasting: bool = False) -> None:
        """Something was refused or went wrong."""
        if lasting:
            self._lasting = sentence
        else:
            self._problem = sentence

    def report(
        self,
        buffer: FrameBuffer[Any] | None,
        *,
        running: bool,
        text: str,
        busy_ns: int = 0,
        smoother: tuple[Level, str] | None = None,
        state: str | None = None,
    ) -> Report:
        """How it is now.

        buffer: the frames' counters. running: whether a request runs. text: the last instruction. busy_ns: how long the
        step in the making has taken so far. smoother: what is wrong with it. state: what is missing of the robot's.
        """
        level, message = self._judge(buffer, running, busy_ns, smoother, state)
        return Report(level, message, self._values(buffer, running, text, busy_ns))

    def _judge(
        self,
        buffer: FrameBuffer[Any] | None,
        running: bool,
        busy_ns: int,
        smoother: tuple[Level, str] | None,
        state: str | None,
    ) -> tuple[Level, str]:
        if self.failure is not None:
            return Level.ERROR, self.failure
        if self._policy is None:
            return self._unloaded if self._problem is None else (Level.ERROR, self._problem)
        if busy_ns > self._hung_ns:
            return Level.ERROR, (
                f"An inference has been running for more than {self._hung_ns / 1e9:.3g} s: the policy hangs or waits "
                "for its device. There are no actions until it ends; if it does not, restart the policy node."
            )
        slow = self._pauses(running) or (None if buffer is None else self._slow_camera(buffer))
        found = [
            smoother or (Level.OK, ""),
            (Level.ERROR if running else Level.WARN, state),
            (Level.ERROR, self._bad_images() or self._problem or self._lasting),
            (Level.ERROR if running else Level.WARN, self._missing_camera()),
            (Level.ERROR, self._untimely_image(buffer) if running else None),
            (Level.WARN, slow),
        ]
        troubles = [(level, sentence) for level, sentence in found if sentence]
        return max(troubles, key=lambda trouble: trouble[0].value, default=self._all_well(running))

    def _all_well(self, running: bool) -> tuple[Level, str]:
        if not self._enabled:
            return Level.OK, "Disabled."
        if not running:
            return Level.OK, "Waiting for an instruction."
        assert self._policy is not None
        due = self._policy.card.decision_period
        if self._median_ns is None or self._median_ns <= due * 1e9:
            return Level.OK, "Executing the instruction."
        return Level.OK, (
            f"Executing the instruction. Most decisions take longer than the decision period of {due:g} s, but the "
            "steps of a chunk last until the next one."
        )

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
                    f"No image of camera {camera!r} for more than {MISSED:g} s on the topic "
                    f"{self._topics[camera]!r}: is the camera driver running?"
                )
        return None

    def _untimely_image(self, buffer: FrameBuffer[Any] | None) -> str | None:
        for camera, age_ns in {} if buffer is None else buffer.ages_ns.items():
            untimely = refuse_age(camera, age_ns, self._max_image_age)
            if untimely is not None:
                return untimely
        return None

    def _pauses(self, running: bool) -> str | None:
        """Why the arm pauses between two chunks, as a sentence; None if they are in time."""
        assert self._policy is not None
        card = self._policy.card
        longest = longest_decision(card)
        if not running or self._median_ns is None or self._median_ns <= longest * 1e9:
            return None
        cure = "Use a faster device or a smaller policy."
        if card.horizon == 1:
            return (
                f"Most actions take longer than the policy's period ({longest:g} s): the arm moves slower than in "
                f"training and pauses between actions. {cure}"
            )
        fewer = " Or reduce execute_steps in the action card." if 2 * card.execute_steps > card.horizon else ""
        return (
            f"Most decisions take longer than {longest:g} s: the steps of a chunk, {card.horizon * card.period:g} s "
            f"from its image, end before the next chunk arrives, and the arm pauses in between. {cure}{fewer}"
        )

    def _slow_camera(self, buffer: FrameBuffer[Any]) -> str | None:
        assert self._policy is not None
        wanted = 1 / self._policy.card.decision_period
        for camera, measured in buffer.rates.items():
            if measured.rate is not None and measured.rate < SLOW * wanted:
                topic = self._topics[camera]
                cure = "" if topic.endswith("/compressed") else _LOSSY.get(get_rmw_implementation_identifier(), "")
                return (
                    f"Images of camera {camera!r} arrive slower than the policy acts ({wanted:g} Hz). The camera on "
                    f"{topic!r} may publish at a lower rate, this computer may be overloaded, or images are lost in "
                    f"transit.{cure}"
                )
        return None

    def _values(self, buffer: FrameBuffer[Any] | None, running: bool, text: str, busy_ns: int) -> dict[str, object]:
        values: dict[str, object] = {
            "policy": "" if self._policy is None else self._policy.name,
            "running": running,
            "instruction": text[:200],
            "actions": self._actions,
            "inference_ms": round(self._inference_ns / 1e6, 2),
            "inference_running_s": round(busy_ns / 1e9, 1),
            "median_step_ms": "" if self._median_ns is None else round(self._median_ns / 1e6, 2),
            "legal_probability": "" if self._legal is None else f"{self._legal:.3g}",
            "images_refused": self._refused_images,
        }
        values |= {f"{part}_part_ms": round(1000 * spent, 1) for part, spent in self.parts_of_latency.items()}
        if self._policy is None:
            values["loading"] = self._loading
        else:
            card = self._policy.card
            values |= {"horizon": card.horizon, "execute_steps": card.execute_steps}
            values["chunk_s"] = round(card.horizon * card.period, 9)
        if isinstance(self._policy, ListedPolicy) and self._policy.instructions:
            values["instructions"] = listed(self._policy.instructions)
        if buffer is not None:
            values |= {
                "images_received": buffer.received,
                "images_dropped": buffer.dropped,
                "images_stale": buffer.stale,
                "images_repeated": buffer.repeated,
                "image_age_ms": "" if buffer.age_ns is None else round(buffer.age_ns / 1e6, 1),
            }
            values |= {f"age_{camera}_ms": round(age_ns / 1e6, 1) for camera, age_ns in buffer.ages_ns.items()}
            values |= {
                f"rate_{camera}": f"{measured.rate:.1f}" for camera, measured in buffer.rates.items() if measured.rate
            }
        return values
