"""One decoded step of a policy, in SI units: what every policy returns and every controller takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.frames import BASE_LINK

# For a gripper that shall stay as it is, whatever that is.
KEEP_GRIPPER = -1.0


@dataclass(frozen=True)
class EndEffectorAction:
    """How the end effector shall move during the next `period`.

    translation: displacement in [m], shape (3,), float64, in the axes of `frame_id`.
    rotation: rotation vector (axis times angle) in [rad], shape (3,), float64, in the axes of `frame_id`.
    gripper: 0 open ... 1 closed; KEEP_GRIPPER: as it is.
    terminate: the policy says that the instruction is carried out.
    confidence: probability that the policy gives to what it chose, 0 ... 1.
    period: time in which the displacement shall be made [s].
    tokens: the action tokens in the order of the card's dimensions; empty where the policy has none.
    plan: what the policy said it would do, in words; may be empty.
    frame_id: name of a frame in the TF tree of the arm.
    legal_probability: probability that the policy's model, left free, goes on writing an action, 0 ... 1; near 1 where
    prompt and checkpoint fit each other, whatever the confidence. 1 where a policy can give nothing but actions.
    """

    translation: NDArray[np.float64]
    rotation: NDArray[np.float64]
    gripper: float
    terminate: bool
    confidence: float
    period: float
    tokens: tuple[int, ...] = ()
    plan: str = ""
    frame_id: str = BASE_LINK
    legal_probability: float = 1.0

    @property
    def gripper_word(self) -> str:
        """open, closed or kept, for people."""
        return "kept" if self.gripper == KEEP_GRIPPER else "closed" if self.gripper > 0.5 else "open"
