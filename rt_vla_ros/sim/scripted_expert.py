"""A scripted expert with access to the simulator's state, which labels any state with the next action."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.frames import BASE_LINK, refuse_frame
from rt_vla_ros.control.controller import Controller
from rt_vla_ros.sim.geometry import wrap_angle
from rt_vla_ros.sim.objects import SHAPES
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim

Vector = NDArray[np.float64]

PERIOD = 0.2  # [s]
MAX_STEP = 0.04  # [m] per action and axis
MAX_TURN = 0.35  # [rad] per action
HOVER = 0.09  # height of the fingertips above the grasp until they are over the object [m]
FUNNEL = (0.012, 0.045)  # horizontal distance below which it descends, and above which it hovers [m]
GRASP_ZONE = (0.014, 0.012)  # horizontal and vertical distance at which the fingers close [m]
CLOSING_ZONE = (0.022, 0.022)  # the same while they are closing [m]
OPEN, SHUT = 0.15, 0.93  # closedness below which the gripper is open, and above which it is empty
DONE_CLEARANCE = 0.10  # above the table, high enough to be visible in the image [m]
GRASP_ABOVE = 0.006  # of the tool above the object's center: closing fingers move down by this [m]
LOWEST_GRASP = 0.021  # [m]
GAIN = 0.75  # share of the remaining distance per action, as the arm lags behind its commands


class ScriptedExpert:
    """A memoryless function of the simulator's state, which can label any state that a policy reaches (DAgger)."""

    def __init__(self, scene: Scene) -> None:
        self._target = scene.task.target

    def step(self, sim: TabletopSim) -> EndEffectorStep:
        """The action for the next 0.2 s: at most 0.04 m per axis and 0.35 rad about the vertical, in base axes."""
        gripped = sim.gripped()
        if gripped == self._target and sim.gripper_closedness > OPEN:
            if sim.clearances[self._target] >= DONE_CLEARANCE:
                return _act(np.zeros(3), 0.0, gripper=1.0, terminate=True)
            return _act(np.array([0.0, 0.0, MAX_STEP]), 0.0, gripper=1.0)
        if gripped is not None and sim.gripper_closedness > OPEN:
            return _act(np.zeros(3), 0.0, gripper=0.0)
        return self._approach(sim)

    def plan(self, sim: TabletopSim, steps: int) -> list[EndEffectorStep]:
        """The next steps, each for the state after the previous ones.

        The simulator is restored afterwards. After a terminate, all further steps terminate.
        """
        plan = [self.step(sim)]
        if steps == 1:
            return plan
        with sim.undone():
            controller = Controller(refuse_frame=partial(refuse_frame, known=sim.frames))
            while len(plan) < steps:
                if not plan[-1].terminate:
                    _carry_out(plan[-1], sim, controller)
                plan.append(plan[-1] if plan[-1].terminate else self.step(sim))
        return plan

    def _approach(self, sim: TabletopSim) -> EndEffectorStep:
        grasp = sim.object_positions[self._target]
        grasp[2] = max(grasp[2] + GRASP_ABOVE, LOWEST_GRASP)
        way = grasp - sim.ee_position
        lateral, above = float(np.hypot(way[0], way[1])), float(-way[2])
        closing = sim.gripper_closedness > OPEN
        zone = CLOSING_ZONE if closing else GRASP_ZONE
        if lateral < zone[0] and abs(above) < zone[1] and sim.gripper_closedness < SHUT:
            return _act(GAIN * way, GAIN * self._turn(sim), gripper=1.0)
        # Descend in a funnel; wait above until the gripper is open.
        share = 1.0 if closing else float(np.clip((lateral - FUNNEL[0]) / (FUNNEL[1] - FUNNEL[0]), 0.0, 1.0))
        way[2] += HOVER * share
        return _act(GAIN * way, GAIN * self._turn(sim), gripper=0.0)

    def _turn(self, sim: TabletopSim) -> float:
        """Rotation to the nearest yaw at which the fingers fit around the target [rad]."""
        kind, axes = sim.layout.objects[self._target].kind, sim.object_rotations[self._target]
        if kind.shape == "cylinder" and abs(axes[2, 2]) < 0.7:  # lying on its side
            return wrap_angle(float(np.arctan2(axes[1, 2], axes[0, 2])) - sim.ee_yaw, np.pi)
        if SHAPES[kind.shape].symmetry:
            level = int(np.argmin(np.abs(axes[2])))  # one of the horizontal edges
            return wrap_angle(float(np.arctan2(axes[1, level], axes[0, level])) - sim.ee_yaw, np.pi / 2)
        return wrap_angle(-sim.ee_yaw, np.pi)


def _carry_out(step: EndEffectorStep, sim: TabletopSim, controller: Controller) -> None:
    start = sim.time
    controller.accept(ActionChunk((step,), PERIOD), stamp=start, now=start)
    for tick in range(1, round(PERIOD / CONTROL_PERIOD) + 1):
        command = controller.tick(start + tick * CONTROL_PERIOD)
        sim.command(command.linear, command.angular, command.frame_id or BASE_LINK)
        if command.gripper is not None:
            sim.command_gripper(command.gripper)
        sim.step(CONTROL_PERIOD)


def _act(translation: Vector, turn: float, *, gripper: float, terminate: bool = False) -> EndEffectorStep:
    return EndEffectorStep(
        translation=np.clip(translation, -MAX_STEP, MAX_STEP),
        rotation=np.array([0.0, 0.0, np.clip(turn, -MAX_TURN, MAX_TURN)]),
        gripper=gripper,
        terminate=terminate,
    )
