"""The simulated table as an embodiment of inspect-robots, with the controller of `rt-vla evaluate`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, ActionDimension
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder
from rt_vla_ros.environments.environment import SUCCESS
from rt_vla_ros.environments.tabletop import TabletopEnvironment
from rt_vla_ros.evaluation.inspect_plugin.spaces import box_of_card, cameras_of_card
from rt_vla_ros.evaluation.rollout import make_controller
from rt_vla_ros.policies.tabletop_card import STEP, TURN, tabletop_card
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.sim.tabletop_sim import TabletopSim

if TYPE_CHECKING:
    import inspect_robots

NAME = "rt_vla_ros"
TARGET = "rt_vla_ros_tabletop"
"""Kind of the targets of our tasks; its spec has `suite` and `seed`."""
DOCS = """A simulated Panda arm at a table with objects; the instruction names one to pick up.
- dx, dy, dz: displacement of the tool in meters: x away from the base, y to the left, z up.
- drx, dry, drz: its rotation vector in radians in the same axes. Initially the gripper points down.
- gripper: 0 closed, 1 open.
An episode is judged when the policy stops (request_stop), after 20 s, or at the task's step limit if that is shorter:
the named object, and no other, must be held 5 cm or more above the table for one second. The scenes of the tasks
tabletop-* have seeds of their own: further epochs repeat them."""


def embodiment_card(rate: float = 5.0, image_size: int = 96, cameras: str = "front") -> ActionCard:
    """All that the simulated arm does, faster or slower steps at the same speeds. Raises ValueError.

    rate: actions per second [Hz], a divisor of the simulation's 50 Hz. cameras: front, wrist or both with a comma.
    """
    if not 0 < rate <= 50 or abs(50 / rate - round(50 / rate)) > 1e-6:
        raise ValueError(f"rate is {rate:g}, expected a divisor of 50 Hz, such as 5.")
    card = tabletop_card(TARGET, image_size=image_size, cameras=cameras.split(","))
    step, turn = STEP * card.control_rate / rate, TURN * card.control_rate / rate
    dimensions = (
        *(ActionDimension(f"d{axis}", f"translation_{axis}", -step, step, "m") for axis in "xyz"),
        *(ActionDimension(f"dr{axis}", f"rotation_{axis}", -turn, turn, "rad") for axis in "xyz"),
        ActionDimension("gripper", "gripper", 0.0, 1.0, "1"),
    )
    return replace(card, dimensions=dimensions, gripper_open=1.0, gripper_closed=0.0, control_rate=float(rate))


def open_embodiment(
    rate: float = 5.0, image_size: int = 96, cameras: str = "front", suite: str = "pick-any"
) -> TabletopEmbodiment:
    """The entry point. suite: of scenes that are not of our tasks, with the scene's own instruction.

    Raises inspect_robots' ConfigError, with a sentence.
    """
    from inspect_robots.errors import ConfigError

    try:
        return TabletopEmbodiment(embodiment_card(rate, image_size, cameras), find_suite(suite).name)
    except ValueError as error:
        raise ConfigError(str(error)) from error


class TabletopEmbodiment:
    """See inspect_robots.Embodiment. One step is one period of its card, in the steps of evaluation.rollout."""

    def __init__(self, card: ActionCard, suite: str) -> None:
        """card: see embodiment_card. suite: see open_embodiment."""
        from inspect_robots import EmbodimentInfo, ObservationSpace, StateField, StateSpec

        self._card, self._suite, self._decoder = card, suite, ActionDecoder(card)
        sim = TabletopSim(size=(card.cameras[0].width, card.cameras[0].height))
        self._table, self._controller = TabletopEnvironment(sim), make_controller(sim)
        self._ticks = round(card.period * 1e9 / self._table.tick_ns)
        self._most: int | None = None
        state = StateSpec(
            (
                StateField("joint_pos", (len(sim.arm.joint_names),), "rad"),
                StateField("eef_pos", (3,), "m"),
                StateField("gripper", (1,), "normalized"),
            )
        )
        self.info: inspect_robots.EmbodimentInfo = EmbodimentInfo(
            name=NAME,
            action_space=box_of_card(card),
            observation_space=ObservationSpace(cameras=cameras_of_card(card), state=state),
            control_hz=card.control_rate,
            is_simulated=True,
            capabilities=frozenset({"seedable", "resettable", "auto_reset", "privileged_success", "renderable"}),
            supported_target_kinds=frozenset({TARGET}),
            docs=DOCS,
        )

    def bind_task(self, envelope: inspect_robots.TaskEnvelope) -> None:
        """The last step of an episode is the one to judge it in."""
        self._most = envelope.max_steps

    def reset(self, scene: inspect_robots.Scene, *, seed: int | None = None) -> inspect_robots.Observation:
        """The table of our suite and seed; for a scene of somebody else that of `seed`, with its instruction.

        Raises PolicyError for an instruction that names none of the objects: the errors of an embodiment would end the
        whole evaluation, not only this sample.
        """
        from inspect_robots.errors import PolicyError

        ours = scene.target is not None and scene.target.kind == TARGET
        try:
            if ours:
                spec = scene.target.spec
                made = make_scene(str(spec["suite"]), int(spec["seed"]))
            else:
                made = make_scene(self._suite, seed or 0, scene.instruction)
        except ValueError as error:
            raise PolicyError(str(error)) from error
        laid = self._table.lay_scene(made)
        self._controller.reset()
        self._time, self._steps, self._instruction = 0, 0, scene.instruction
        own = round(laid.time_limit * self._card.control_rate)
        self._limit = own if self._most is None else min(own, self._most)
        return self._observe()

    def step(self, action: inspect_robots.Action) -> inspect_robots.StepResult:
        """One period; an action that requests a stop is not done, but judged."""
        from inspect_robots import StepResult

        if action.meta.get("request_stop"):
            return self._end(terminated=True)
        step, now = self._decoder.step(np.asarray(action.data, np.float64).ravel()), self._seconds()
        chunk = ActionChunk((step,), self._card.period, frame_id=self._card.frame_id)
        refusal = self._controller.accept(chunk, stamp=now, now=now)
        for _ in range(self._ticks):
            self._time += 1
            self._table.do(self._controller.tick(self._seconds()))
        self._steps += 1
        if self._steps >= self._limit:
            return self._end(terminated=False, refusal=refusal)
        return StepResult(self._observe(), info={"refused": refusal} if refusal else {})

    def close(self) -> None:
        """Releases the graphics memory."""
        self._table.close()

    def _end(self, *, terminated: bool, refusal: str | None = None) -> inspect_robots.StepResult:
        from inspect_robots import StepResult

        ending = self._table.outcome(terminated=terminated)
        cut = not terminated and ending.value != SUCCESS
        info = {"success": ending.value == SUCCESS, "outcome": ending.value, "reason": ending.sentence}
        info |= {"refused": refusal} if refusal else {}
        return StepResult(
            self._observe(), terminated=not cut, termination_reason=ending.value, truncated=cut, info=info
        )

    def _observe(self) -> inspect_robots.Observation:
        from inspect_robots import Observation

        sim = self._table.sim
        joints = len(sim.arm.joint_names)
        state = {
            "joint_pos": np.array(sim.joint_positions[:joints]),
            "eef_pos": np.array(sim.link_poses[sim.arm.tool_frame].position),
            "gripper": np.array([1.0 - sim.gripper_closedness]),
        }
        images = {one.name: self._table.see(one.name) for one in self._card.cameras}
        times = dict.fromkeys(images, self._seconds())
        return Observation(images, state, self._instruction, times, self._seconds())

    def _seconds(self) -> float:
        """Simulated time, a ROS stamp in nanoseconds as float."""
        return self._time * self._table.tick_ns / 1e9
