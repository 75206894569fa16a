"""Runs episodes in an environment without ROS; on the simulated table in the same steps as the nodes in lock step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.frames import refuse_frame
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.environments.environment import Environment, LaidTask
from rt_vla_ros.environments.tabletop import TabletopEnvironment
from rt_vla_ros.evaluation.record import EpisodeRecord, make_record
from rt_vla_ros.observations.image import Pixels, fit_image
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_stepper import PolicyStepper
from rt_vla_ros.sim.pacing import steps_per_action
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

MAX_IMAGE_AGE = 0.5  # [s]; no image is older here than the moment it is looked at
LONGEST_DELAY = ControllerSettings().max_action_age


@dataclass(frozen=True)
class RolloutStep:
    """One decision of the policy. image: RGB uint8 (H, W, 3) of its camera. latency: of `act` [s]."""

    stamp: float
    image: NDArray[np.uint8]
    chunk: ActionChunk
    latency: float


def check_delay(delay: float) -> float:
    """Return the delay. Raises ValueError unless it is a multiple of 20 ms from 0 to LONGEST_DELAY [s]."""
    if not (0 <= delay <= LONGEST_DELAY and round(delay * 1e9) % TabletopEnvironment.tick_ns == 0):
        raise ValueError(
            f"A delay of {delay:g} s cannot be simulated: expected a multiple of {CONTROL_PERIOD:g} s from 0 to "
            f"{LONGEST_DELAY:g} s, the controller's max_action_age."
        )
    return delay


class Follower(Protocol):
    """Executes a policy's actions: the robot's Controller, or a benchmark's execution."""

    @property
    def state(self) -> State:
        """TERMINATED once a step that terminates came due."""

    def reset(self) -> None:
        """An episode begins."""

    def accept(self, chunk: ActionChunk, *, stamp: float, now: float) -> str | None:
        """Accept an action on an image of `stamp` [s]; returns the reason if it was rejected, else None."""

    def tick(self, now: float) -> Command:
        """The command for the tick that ends at `now` [s]."""


def rollout(
    policy: Policy,
    scene: Scene,
    sim: TabletopSim,
    controller: Controller,
    *,
    delay: float = 0.0,
    max_steps: int | None = None,
    min_confidence: float = 0.0,
    min_legal_probability: float = 0.0,
    on_step: Callable[[RolloutStep], None] | None = None,
    on_period: Callable[[float], None] | None = None,
) -> EpisodeRecord:
    """Reset the scene, give the instruction, act until terminate or the time limit, and judge the result.

    delay: from an image to the time when the action decided on it takes effect [s]. The next decision uses the newest
    image at that time, but not before it is due by the action card.
    max_steps: time limit as a number of decisions without a delay; None: the scene's time limit. min_confidence,
    min_legal_probability: as in the policy node.
    on_step: called with every decision. on_period: called with the start time [s] of each period.
    Simulated time starts at 0 and is a multiple of 20 ms. Raises ValueError for an impossible delay or actions that
    move a base, and what the policy raises.
    """
    environment = TabletopEnvironment(sim)
    environment.refuse(policy.card)
    check_delay(delay)
    return play_episode(
        policy,
        environment,
        environment.lay_scene(scene),
        controller,
        delay=delay,
        max_steps=max_steps,
        min_confidence=min_confidence,
        min_legal_probability=min_legal_probability,
        on_step=on_step,
        on_period=on_period,
    )


def play_episode(
    policy: Policy,
    environment: Environment,
    task: LaidTask,
    follower: Follower,
    *,
    delay: float = 0.0,
    max_steps: int | None = None,
    min_confidence: float = 0.0,
    min_legal_probability: float = 0.0,
    on_step: Callable[[RolloutStep], None] | None = None,
    on_period: Callable[[float], None] | None = None,
) -> EpisodeRecord:
    """Run an episode of a task that was just reset in an environment that supports the policy; see `rollout`.

    Simulated time starts at 0 and is a multiple of the environment's tick. Also raises what the environment raises.
    """
    follower.reset()
    policy.reset(task.instruction)
    stepper = PolicyStepper(
        policy,
        _fit,
        max_image_age=MAX_IMAGE_AGE,
        min_confidence=min_confidence,
        min_legal_probability=min_legal_probability,
        states=environment.states(policy.card),
    )
    decisions, tick = _Decisions(stepper, environment, follower, delay, on_step), environment.tick_ns
    period = steps_per_action(policy.card.period, tick)
    between = policy.card.execute_steps * period
    ticks, end = 0, task.time_limit - tick / 2e9 if max_steps is None else _stamp(max_steps * between, tick)
    while not _terminated(follower) and not environment.ended and _stamp(ticks, tick) < end:
        for _ in range(between):
            if environment.ended:
                break
            if on_period is not None and ticks % period == 0:
                on_period(_stamp(ticks, tick))
            decisions.look(ticks)
            if _terminated(follower):
                break
            ticks += 1
            environment.do(follower.tick(_stamp(ticks, tick)))
    terminated = _terminated(follower)
    ending = environment.outcome(terminated=terminated)
    made, refusal, seconds = decisions.made, decisions.refusal, _stamp(ticks, tick)
    by_itself = environment.ended
    return make_record(
        task, ending, made, seconds=seconds, terminated=terminated, refusal=refusal, ended_by_itself=by_itself
    )


class _Decisions:
    """The policy's decisions in sequence, and the times at which they reach the controller.

    made: each with its latency [s]. refusal: reason of the last missing or rejected decision.
    """

    def __init__(
        self,
        stepper: PolicyStepper[Pixels],
        environment: Environment,
        follower: Follower,
        delay: float,
        on_step: Callable[[RolloutStep], None] | None,
    ) -> None:
        card = stepper.policy.card
        self._stepper, self._environment, self._follower, self._on_step = stepper, environment, follower, on_step
        self._tick = environment.tick_ns
        self._delay = round(delay * 1e9 / self._tick)  # [ticks], as all times here
        self._between = card.execute_steps * steps_per_action(card.period, self._tick)
        self._next = 0  # when the next one is due
        self._arrival = 0  # when the last one is there
        self._under_way: RolloutStep | None = None
        self.made: list[tuple[ActionChunk, float]] = []
        self.refusal = ""

    def look(self, ticks: int) -> None:
        """Deliver decisions that are ready, and start those that are due."""
        self._hand_over(ticks)
        if self._under_way is None and ticks >= self._next and not _terminated(self._follower):
            self._under_way = self._decide(ticks)
            self._next, self._arrival = ticks + self._between, ticks + self._delay
            self._hand_over(ticks)

    def _hand_over(self, ticks: int) -> None:
        step = self._under_way
        if step is not None and ticks >= self._arrival:
            self._under_way = None
            self.refusal = self._follower.accept(step.chunk, stamp=step.stamp, now=self._time(ticks)) or self.refusal

    def _decide(self, ticks: int) -> RolloutStep | None:
        """None while the robot's state is unusable: as in the nodes, there is no action then."""
        stepper, stamp_ns = self._stepper, ticks * self._tick
        for camera in stepper.policy.card.cameras:
            stepper.buffer.put(camera.name, Frame(self._environment.see(camera.name), stamp_ns, stamp_ns))
        due = stepper.take(stamp_ns)
        assert due is not None, "images of this moment from all cameras are due"
        started = time.perf_counter()
        try:
            decision = stepper.decide(due)
        except StateError as error:
            self.refusal = str(error)
            return None
        latency = time.perf_counter() - started
        image = due.frames[stepper.policy.card.cameras[0].name].message
        step = RolloutStep(self._time(ticks), image, decision.chunk, latency)
        self.made.append((step.chunk, latency))
        if self._on_step is not None:
            self._on_step(step)
        return step

    def _time(self, ticks: int) -> float:
        return _stamp(ticks, self._tick)


def make_controller(sim: TabletopSim) -> Controller:
    """The smoother node's controller with its defaults, in the frames of the simulated arm."""
    return Controller(refuse_frame=partial(refuse_frame, known=sim.frames))


def _terminated(follower: Follower) -> bool:
    return follower.state is State.TERMINATED


def _fit(policy: Policy, camera: str, image: Pixels) -> Pixels:
    return fit_image(image, next(spec for spec in policy.card.cameras if spec.name == camera))


def _stamp(ticks: int, tick_ns: int) -> float:
    """A ROS timestamp in nanoseconds as float [s]."""
    return ticks * tick_ns / 1e9
