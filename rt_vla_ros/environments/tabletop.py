"""The simulated table of this package as an environment; the suites are its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard, ActionCardError
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.status import Command
from rt_vla_ros.environments.environment import Ending, LaidTask
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.runtime.policy_stepper import StateSource
from rt_vla_ros.sim.judge import Outcome, settle
from rt_vla_ros.sim.robot_state import SimState
from rt_vla_ros.sim.scenes import Scene, make_scene
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD, TabletopSim


def check_table_arm(card: ActionCard) -> None:
    """Raises ActionCardError for actions that the fixed simulated arm cannot execute."""
    if card.moves_base:
        names = ", ".join(one.name for one in card.dimensions if one.role in BASE_ROLES)
        raise ActionCardError(
            f"The actions move a mobile base ({names}), and the simulated arm has none. Compare the policy with "
            "recorded episodes (rt-vla evaluate --dataset DIR), or give these dimensions of its card the role 'unused'."
        )


class TabletopEnvironment:
    """See Environment. scene: the last one that was set up."""

    tick_ns = 20_000_000
    outcomes = tuple(outcome.value for outcome in Outcome)
    about: Mapping[str, Any] = MappingProxyType({})
    ended = False  # only the policy and the time limit end an episode

    def __init__(self, sim: TabletopSim) -> None:
        """sim: closed with it."""
        self.sim = sim
        self.scene: Scene

    def refuse(self, card: ActionCard) -> None:
        """See Environment. Other mismatches are reported where they occur."""
        check_table_arm(card)

    def lay(self, task: str, seed: int) -> LaidTask:
        """The scene of a suite. Raises ValueError for an unknown one."""
        return self.lay_scene(make_scene(task, seed))

    def lay_scene(self, scene: Scene) -> LaidTask:
        """Any scene."""
        self.scene = scene
        self.sim.reset(scene.layout)
        return LaidTask(scene.seed, scene.task.instruction, scene.target.name, scene.task.time_limit)

    def see(self, camera: str) -> Pixels:
        """See Environment."""
        return self.sim.render(camera)

    def do(self, command: Command) -> None:
        """See Environment."""
        self.sim.command(command.linear, command.angular, command.frame_id or BASE_LINK)
        if command.gripper is not None:
            self.sim.command_gripper(command.gripper)
        self.sim.step(CONTROL_PERIOD)

    def states(self, card: ActionCard) -> StateSource | None:
        """See Environment."""
        return SimState(self.sim, card) if card.state else None

    def outcome(self, *, terminated: bool) -> Ending:
        """Holds the arm still for a second and judges, see `settle`."""
        found = settle(self.sim, self.scene.task, terminated=terminated)
        return Ending(found.value, found.sentence)

    def close(self) -> None:
        """Releases the graphics memory."""
        self.sim.close()
