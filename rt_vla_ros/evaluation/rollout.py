"""Episodes in the simulator without ROS, in the very steps that the nodes take in lock-step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.frames import BASE_LINK, refuse_frame
from rt_vla_ros.control.controller import Controller
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
MAX_IMAGE_AGE = 0.5  # [s]; no image is older here than the moment it is acted on


@dataclass(frozen=True)
class RolloutStep:
    """One step of the policy. image: RGB uint8 (H, W, 3) of its camera. latency: of `act` [s]."""

    stamp: float
    image: NDArray[np.uint8]
    chunk: ActionChunk
    latency: float


def rollout(
    policy: Policy,
    scene: Scene,
    sim: TabletopSim,
    controller: Controller,
    *,
    max_steps: int | None = None,
    min_confidence: float = 0.0,
    min_legal_probability: float = 0.0,
    on_step: Callable[[RolloutStep], None] | None = None,
) -> EpisodeRecord:
    """Lay the table, give the instruction, act until terminate or the time limit, and let the judge decide.

    max_steps: of the policy; None: the scene's time limit. min_confidence, min_legal_probability: as in the
    policy node.
    on_step: sees every step after the policy acted on it.
    Simulated time starts at 0 and is a multiple of 20 ms. Raises what the policy raises.
    """
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
    ticks_per_decision = policy.card.execute_steps * steps_per_action(policy.card.period)
    chunks: list[tuple[ActionChunk, float]] = []
    ticks, terminated, refusal = 0, False, ""
    end = scene.task.time_limit - CONTROL_PERIOD / 2
    while not terminated and (_stamp(ticks) < end if max_steps is None else len(chunks) < max_steps):
        try:
            step = _see_and_act(stepper, sim, ticks)
        except StateError as error:  # as with the nodes: no action while the state cannot be used
            step, refusal, max_steps = None, str(error), None
        if step is not None:
            chunks.append((step.chunk, step.latency))
            if on_step is not None:
                on_step(step)
            refusal = controller.accept(step.chunk, stamp=step.stamp, now=step.stamp) or refusal
            terminated = step.chunk.terminates_at is not None
        for _ in range(0 if step is not None and step.chunk.terminate else ticks_per_decision):
            ticks += 1
            command = controller.tick(_stamp(ticks))
            sim.command(command.linear, command.angular, command.frame_id or BASE_LINK)
            if command.gripper is not None:
                sim.command_gripper(command.gripper)
            sim.step(CONTROL_PERIOD)
            if command.terminate:
                break
    outcome = settle(sim, scene.task, terminated=terminated)
    return make_record(scene, outcome, chunks, seconds=_stamp(ticks), terminated=terminated, refusal=refusal)


def make_controller(sim: TabletopSim) -> Controller:
    """The controller of the smoother node, with its defaults, for the frames of the simulated arm."""
    return Controller(refuse_frame=partial(refuse_frame, known=sim.frames))


class Player(Protocol):
    """Runs episodes of one policy, one after the other: in this process, or somewhere else."""

    def play(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory]:
        """One episode, from the reset to the outcome."""


class DirectPlayer:
    """Simulator and policy in this process, without ROS, in the same steps as the nodes in lock step."""

    def __init__(self, policy: Policy, *, min_confidence: float = 0.0, min_legal_probability: float = 0.0) -> None:
        """min_confidence, min_legal_probability: as in the policy node."""
        camera = policy.card.cameras[0]
        self._policy = policy
        self._rollout = partial(rollout, min_confidence=min_confidence, min_legal_probability=min_legal_probability)
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._controller = make_controller(self._sim)

    def play(self, scene: Scene) -> tuple[EpisodeRecord, Trajectory]:
        """See Player."""
        trajectory = Trajectory()

        def on_step(step: RolloutStep) -> None:
            trajectory.states.append((step.stamp, self._sim.data.qpos.copy()))
            trajectory.images.append((step.stamp, step.image))
            trajectory.actions.append((step.stamp, step.chunk, step.latency))

        if isinstance(self._policy, PrivilegedPolicy):
            self._policy.set_scene(scene, self._sim)
        record = self._rollout(self._policy, scene, self._sim, self._controller, on_step=on_step)
        return record, trajectory

    def close(self) -> None:
        """Release the graphics memory."""
        self._sim.close()


def _see_and_act(stepper: PolicyStepper[Pixels], sim: TabletopSim, ticks: int) -> RolloutStep | None:
    """None where no images are due."""
    stamp_ns = ticks * TICK_NANOSECONDS
    for camera in stepper.policy.card.cameras:
        stepper.buffer.put(camera.name, Frame(sim.render(camera.name), stamp_ns, stamp_ns))
    if (due := stepper.take(stamp_ns)) is None:
        return None
    started = time.perf_counter()
    decision = stepper.decide(due)
    latency = time.perf_counter() - started
    image = due.frames[stepper.policy.card.cameras[0].name].message
    return RolloutStep(_stamp(ticks), image, decision.chunk, latency)


def _fit(policy: Policy, camera: str, image: Pixels) -> Pixels:
    return fit_image(image, next(spec for spec in policy.card.cameras if spec.name == camera))


def _stamp(ticks: int) -> float:
    """As a ROS stamp of whole nanoseconds becomes a float [s]."""
    return ticks * TICK_NANOSECONDS / 1e9
