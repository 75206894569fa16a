"""The state of the simulated arm for a policy's action card."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.observations.robot_state import assemble
from rt_vla_ros.sim.tabletop_sim import TabletopSim


def state_of(sim: TabletopSim, card: ActionCard) -> NDArray[np.float64]:
    """The arm's current state, shape (S,), in the order of `card.state`.

    The tip's pose is in the frame of the arm's base link. Raises StateError, see observations.robot_state.assemble;
    ValueError for joints that the arm does not have, and for elements of the topic `state`, which it does not publish.
    """
    tool = sim.link_poses[sim.arm.tool_frame]
    readings = {"tip": np.append(tool.position, tool.quaternion), "gripper": np.array([sim.gripper_closedness])}
    readings |= {f"joint:{name}": at for name, at in zip(sim.joint_names, sim.joint_positions[:, None], strict=True)}
    for one in card.state:
        if one.reading not in readings:
            raise ValueError(f"{one} is missing: the simulated arm has {', '.join(readings)}.")
    return assemble(card.state, readings)


class SimState:
    """See runtime.policy_stepper.StateSource."""

    def __init__(self, sim: TabletopSim, card: ActionCard) -> None:
        self._sim, self._card = sim, card

    def is_known(self, stamp_ns: int, now_ns: int) -> bool:
        """Always true: the images are current as well."""
        return True

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """The current state."""
        return state_of(self._sim, self._card)
