"""Episodes in the simulator without ROS, in the very steps that the nodes take in lock-step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard, ActionCardError
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.frames import BASE_LINK, refuse_frame
from rt_vla_ros.control.controller import Controller, ControllerSettings
from rt_vla_ros.control.status import State
from rt_vla_ros.evaluation.baselines import PrivilegedPolicy
from rt_vla_ros.evaluation.record import EpisodeRecord, Trajectory, make_record
from rt_vla_ros.observations.image import Pixels, fit_image
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_stepper import PolicyStepper
from rt_vla_ros.sim.judge import settle
from rt_vla_ros.sim.pacing import steps_per_action
from rt_vla_ros.sim.robot_state import SimState
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

TICK_NANOSECONDS = 20_000_000
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
    """Returns it. Raises ValueError for what is no multiple of 20 ms from 0 to LONGEST_DELAY [s]."""
    if not (0 <= delay <= LONGEST_DELAY and round(delay * 1e9) % TICK_NANOSECONDS == 0):
        raise ValueError(
            f"A delay of {delay:g} s cannot be simulated: expected a multiple of {CONTROL_PERIOD:g} s from 0 to "
            f"{LONGEST_DELAY:g} s, the controller's max_action_age."
        )
    return delay


def check_table_arm(card: ActionCard) -> None:
    """Raises ActionCardError for actions that the simulated arm cannot carry out: it stands on a table."""
    if card.moves_base:
        names = ", ".join(one.name for one in card.dimensions if one.role in BASE_ROLES)
        raise ActionCardError(
            f"The actions move a mobile base ({names}), and the simulated arm has none. Compare the policy with "
            "recorded episodes (rt-vla evaluate --dataset DIR), or give these dimensions of its card the role 'unused'."
        )


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
    """Lay the table, give the instruction, act until terminate or the time limit, and let the judge decide.

    delay: from an image to the moment at which what was decided on it takes effect [s]. The next decision is made on
    the newest image when this one is there, and not before it is due by the action card.
    max_steps: the time of so many decisions without a delay; None: the scene's time limit. min_confidence,
    min_legal_probability: as in the policy node.
    on_step: sees every decision when it is made. on_period: gets the time [s] at which each period begins.
    Simulated time starts at 0 and is a multiple of 20 ms. Raises ValueError for an impossible delay or actions that
    move a base, and what the policy raises.
    """
    check_table_arm(policy.card)
    sim.reset(scene.layout)
    controller.reset()
    policy.reset(scene.task.instruction)
    stepper = PolicyStepper(
        policy,
        _fit,
        max_image_age=MAX_IMAGE_AGE,
        min_confidence=min_confidence,
        min_legal_probability=min_legal_probability,
        states=SimState(sim, policy.card) if policy.card.state else None,
    )
    decisions = _Decisions(stepper, sim, controller, check_delay(delay), on_step)
    period = steps_per_action(policy.card.period)
    between = policy.card.execute_steps * period
    ticks, end = 0, scene.task.time_limit - CONTROL_PERIOD / 2 if max_steps is None else _stamp(max_steps * between)
    while not _terminated(controller) and _stamp(ticks) < end:
        for _ in range(between):
            if on_period is not None and ticks % period == 0:
                on_period(_stamp(ticks))
            decisions.look(ticks)
            if _terminated(controller):
                break
            ticks += 1
            command = controller.tick(_stamp(ticks))
            sim.command(command.linear, command.angular, command.frame_id or BASE_LINK)
            if command.gripper is not None:
                sim.command_gripper(command.gripper)
            sim.step(CONTROL_PERIOD)
    terminated = _terminated(controller)
    outcome = settle(sim, scene.task, terminated=terminated)
    made, refusal = decisions.made, decisions.refusal
    return make_record(scene, outcome, made, seconds=_stamp(ticks), terminated=terminated, refusal=refusal)


class _Decisions:
    """The policy's decisions, one after the other, and when they reach the controller.

    made: each with its latency [s]. refusal: why there was none, or the controller refused it, the last time.
    """

    def __init__(
        self,
        stepper: PolicyStepper[Pixels],
        sim: TabletopSim,
        controller: Controller,
        delay: float,
        on_step: Callable[[RolloutStep], None] | None,
    ) -> None:
        card = stepper.policy.card
        self._stepper, self._sim, self._controller, self._on_step = stepper, sim, controller, on_step
        self._delay = round(delay / CONTROL_PERIOD)  # [ticks], as all times here
        self._between = card.execute_steps * steps_per_action(card.period)
        self._next = 0  # when the next one is due
        self._arrival = 0  # when the last one is there
        self._under_way: RolloutStep | None = None
        self.made: list[tuple[ActionChunk, float]] = []
        self.refusal = ""

    def look(self, ticks: int) -> None:
        """Hands over what is there by now, and begins with what is due."""
        self._hand_over(ticks)
        if self._under_way is None and ticks >= self._next and not _terminated(self._controller):
            self._under_way = self._decide(ticks)
            self._next, self._arrival = ticks + self._between, ticks + self._delay
            self._hand_over(ticks)

    def _hand_over(self, ticks: int) -> None:
        step = self._under_way
        if step is not None and ticks >= self._arrival:
            self._under_way = None
            self.refusal = self._controller.accept(step.chunk, stamp=step.stamp, now=_stamp(ticks)) or self.refusal

    def _decide(self, ticks: int) -> RolloutStep | None:
        """None while the robot's state cannot be used: as with the nodes, there is no action then."""
        stepper, stamp_ns = self._stepper, ticks * TICK_NANOSECONDS
        for camera in stepper.policy.card.cameras:
            stepper.buffer.put(camera.name, Frame(self._sim.render(camera.name), stamp_ns, stamp_ns))
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
        step = RolloutStep(_stamp(ticks), image, decision.chunk, latency)
        self.made.append((step.chunk, latency))
        if self._on_step is not None:
            self._on_step(step)
        return step


def make_controller(sim: TabletopSim) -> Controller:
    """The controller of the smoother node, with its defaults, for the frames of the simulated arm."""
    return Controller(refuse_frame=partial(refuse_frame, known=sim.frames))


class Player(Protocol):
    """Runs episodes of one policy, one after the other: in this process, or somewhere else."""

    def play(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory]:
        """One episode, from the reset to the outcome."""


class DirectPlayer:
    """Simulator and policy in this process, without ROS, in the same steps as the nodes in lock step.

    delay: of the episodes that are played from now on, see rollout [s].
    """

    def __init__(self, policy: Policy, *, min_confidence: float = 0.0, min_legal_probability: float = 0.0) -> None:
        """min_confidence, min_legal_probability: as in the policy node."""
        self.delay = 0.0
        camera = policy.card.cameras[0]
        self._policy = policy
        self._rollout = partial(rollout, min_confidence=min_confidence, min_legal_probability=min_legal_probability)
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._controller = make_controller(self._sim)

    def play(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory]:
        """See Player."""
        trajectory, delay = Trajectory(), self.delay

        def on_period(time: float) -> None:
            trajectory.states.append((time, self._sim.data.qpos.copy()))

        def on_step(step: RolloutStep) -> None:
            trajectory.images.append((step.stamp, step.image))
            trajectory.actions.append((step.stamp + delay, step.chunk, delay or step.latency))

        if isinstance(self._policy, PrivilegedPolicy):
            self._policy.set_scene(scene, self._sim)
        record = self._rollout(
            self._policy, scene, self._sim, self._controller, delay=delay, on_step=on_step, on_period=on_period
        )
        return record, trajectory

    def close(self) -> None:
        """Release the graphics memory."""
        self._sim.close()


def _terminated(controller: Controller) -> bool:
    return controller.state is State.TERMINATED


def _fit(policy: Policy, camera: str, image: Pixels) -> Pixels:
    return fit_image(image, next(spec for spec in policy.card.cameras if spec.name == camera))


def _stamp(ticks: int) -> float:
    """As a ROS stamp of whole nanoseconds becomes a float [s]."""
    return ticks * TICK_NANOSECONDS / 1e9
