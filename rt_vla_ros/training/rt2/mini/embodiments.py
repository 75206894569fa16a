"""The robots of `rt2-mini`'s training data, each with its own camera view and action card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.sim.arm import ArmDescription
from rt_vla_ros.sim.objects import SceneLayout
from rt_vla_ros.sim.scenes import Scene
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.suites import LEFT_VIEW, AppearanceJitter
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.rt2.mini.card import mini_card

LEFT_STEP = 0.06  # [m] per action and axis


@dataclass(frozen=True)
class Embodiment:
    """name: in settings. card: of its actions. looks: its camera's appearance; None: from the layout."""

    name: str
    card: ActionCard
    looks: AppearanceJitter | None = None

    def before(self, layout: SceneLayout, rng: np.random.Generator) -> SceneLayout:
        """The same table from this robot's camera."""
        return layout if self.looks is None else replace(layout, appearance=self.looks.draw(rng))

    def expert(self, scene: Scene) -> FramedExpert:
        """The simulator's tool pose, in the axes of the card."""
        return FramedExpert(scene, in_tool_axes=self.card.frame == "end_effector")


class FramedExpert(ScriptedExpert):
    """A scripted expert whose steps are in the axes of an action card."""

    def __init__(self, scene: Scene, *, in_tool_axes: bool) -> None:
        super().__init__(scene)
        self._in_tool_axes = in_tool_axes

    def step(self, sim: TabletopSim) -> EndEffectorStep:
        """See ScriptedExpert."""
        step = super().step(sim)
        if not self._in_tool_axes:
            return step
        axes = sim.ee_rotation.T
        return replace(step, translation=axes @ step.translation, rotation=axes @ step.rotation)

    def plan(self, sim: TabletopSim, steps: int) -> list[EndEffectorStep]:
        """See ScriptedExpert; only a horizon of one step. Raises ValueError otherwise."""
        if steps != 1:
            raise ValueError(f"expected a horizon of 1 step, got {steps}")
        return [self.step(sim)]


def _left_card() -> ActionCard:
    """Longer steps, in the tool's axes, and a gripper dimension for the opening."""
    card = mini_card("rt2-mini-left")
    dimensions = tuple(
        replace(one, name="gripper_openness")
        if one.role == "gripper"
        else replace(one, low=-LEFT_STEP, high=LEFT_STEP)
        if one.role.startswith("translation")
        else one
        for one in card.dimensions
    )
    return replace(
        card,
        dimensions=dimensions,
        frame="end_effector",
        frame_id=ArmDescription.tool_frame,
        gripper_open=1.0,
        gripper_closed=0.0,
    )


EMBODIMENTS: Mapping[str, Embodiment] = {
    one.name: one
    for one in (
        Embodiment("front", mini_card()),
        Embodiment("left", _left_card(), AppearanceJitter(around=LEFT_VIEW)),
    )
}
