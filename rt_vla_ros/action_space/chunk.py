"""What a policy decides on one observation, in SI units: what every policy returns and every controller takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.action_space.frames import BASE_LINK

# For a gripper that shall stay as it is, whatever that is.
KEEP_GRIPPER = -1.0


@dataclass(frozen=True)
class EndEffectorStep:
    """How the end effector, and a mobile base under the arm, shall move during one period.

    translation: displacement in [m], shape (3,), float64. rotation: rotation vector (axis times angle) in [rad], shape
    (3,), float64. Both in the axes of the chunk's frame.
    gripper: 0 open ... 1 closed; KEEP_GRIPPER: as it is.
    terminate: the instruction is carried out when this step comes due: it is not done, nor is what follows.
    base: displacement of the base in its own axes (REP-103), x forward [m] and y to the left [m], and its turn to the
    left [rad], shape (3,), float64; zero where it stays.
    """

    translation: NDArray[np.float64]
    rotation: NDArray[np.float64]
    gripper: float = KEEP_GRIPPER
    terminate: bool = False
    base: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def still(cls, *, terminate: bool = False) -> EndEffectorStep:
        """No motion; the gripper stays as it is."""
        return cls(np.zeros(3), np.zeros(3), terminate=terminate)

    @property
    def gripper_word(self) -> str:
        """open, closed or kept, for people."""
        return "kept" if self.gripper == KEEP_GRIPPER else "closed" if self.gripper > 0.5 else "open"


@dataclass(frozen=True)
class ActionChunk:
    """The steps that a policy decided on one observation, each of one period, from the observation's stamp on.

    steps: none at all: what was decided before is not to be followed any more; stand still until the next chunk.
    period: of each step [s].
    confidence: probability that the policy gives to what it chose, 0 ... 1, over all steps.
    tokens: the action tokens, those of the first step in the order of the card's dimensions, then those of the next;
    empty if the policy has none.
    plan: what the policy said it would do, in words; may be empty.
    frame_id: name of a frame in the TF tree of the arm, for all steps.
    legal_probability: probability that the policy's model, left free, goes on writing an action, 0 ... 1; near 1 where
    prompt and checkpoint fit each other, whatever the confidence. 1 where a policy can give nothing but actions.
    ensemble: how it is combined with the chunks before it that have steps for the same moments.
    """

    steps: tuple[EndEffectorStep, ...]
    period: float
    confidence: float = 1.0
    tokens: tuple[int, ...] = ()
    plan: str = ""
    frame_id: str = BASE_LINK
    legal_probability: float = 1.0
    ensemble: Ensemble = NEWEST

    @property
    def terminates_at(self) -> int | None:
        """Number of the first step that terminates, 0: at once; None if none does."""
        return next((i for i, step in enumerate(self.steps) if step.terminate), None)

    @property
    def terminate(self) -> bool:
        """Whether the instruction is carried out already."""
        return self.terminates_at == 0
