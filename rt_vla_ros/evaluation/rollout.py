"""One episode in the simulator without ROS, in the very steps that the nodes take in lock-step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.action import EndEffectorAction
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.judge import Judge, Outcome
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

TICK_NANOSECONDS = 20_000_000


@dataclass(frozen=True)
class Step:
    """What the policy saw and did. image: RGB uint8 (H, W, 3) of its camera. latency: of `act` [s]."""

    stamp: float
    image: NDArray[np.uint8]
    action: EndEffectorAction
    latency: float


@dataclass(frozen=True)
class Episode:
    """How an episode went. steps: actions taken. seconds: simulated time until terminate or the time limit.

    terminated: whether the policy ended it. latencies: of each `act` [s].
    """

    suite: str
    seed: int
    instruction: str
    outcome: Outcome
    steps: int
    seconds: float
    terminated: bool
    latencies: tuple[float, ...]

    @property
    def success(self) -> bool:
        """The named object, alone, was held up for a second."""
        return self.outcome is Outcome.SUCCESS


def rollout(
    policy: Policy,
    scene: Scene,
    sim: TabletopSim,
    controller: Controller,
    *,
    max_steps: int | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Episode:
    """Lay the table, give the instruction, act until terminate or the time limit, and let the judge decide.

    max_steps: of the policy; None: the scene's time limit. on_step: sees every step after the policy acted on it.
    Simulated time starts at 0 and is a multiple of 20 ms. Raises what the policy raises.
    """
    sim.reset(scene.layout)
    controller.reset()
    policy.reset(scene.task.instruction)
    ticks_per_step = round(policy.card.period / CONTROL_PERIOD)
    limit = round(scene.task.time_limit / policy.card.period) if max_steps is None else max_steps
    latencies: list[float] = []
    ticks, terminated = 0, False
    while len(latencies) < limit and not terminated:
        step = _see_and_act(policy, sim, _stamp(ticks))
        latencies.append(step.latency)
        if on_step is not None:
            on_step(step)
        controller.accept(step.action, stamp=step.stamp, now=step.stamp)
        terminated = step.action.terminate
        for _ in range(0 if terminated else ticks_per_step):
            ticks += 1
            _move(sim, controller, _stamp(ticks))
    outcome = Judge(scene.task).settle(sim)
    return Episode(
        suite=scene.suite,
        seed=scene.seed,
        instruction=scene.task.instruction,
        outcome=outcome,
        steps=len(latencies),
        seconds=_stamp(ticks),
        terminated=terminated,
        latencies=tuple(latencies),
    )


def _see_and_act(policy: Policy, sim: TabletopSim, stamp: float) -> Step:
    images = {camera.name: sim.render(camera.name) for camera in policy.card.cameras}
    started = time.perf_counter()
    action = policy.act(Observation(images, stamp))
    return Step(stamp, images[policy.card.cameras[0].name], action, time.perf_counter() - started)


def _move(sim: TabletopSim, controller: Controller, now: float) -> None:
    command = controller.tick(now)
    sim.command(command.linear, command.angular)
    if command.gripper is not None:
        sim.command_gripper(command.gripper)
    sim.step(CONTROL_PERIOD)


def _stamp(ticks: int) -> float:
    """As a ROS stamp of whole nanoseconds becomes a float [s]."""
    return ticks * TICK_NANOSECONDS / 1e9
