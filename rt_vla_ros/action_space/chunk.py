"""Action chunks in SI units, the output of every policy and the input of every controller."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.action_space.frames import BASE_LINK

# The value for a gripper that should not change.
KEEP_GRIPPER = -1.0


@dataclass(frozen=True)
class EndEffectorStep:
    """The desired motion of the end effector, and of a mobile base, during one period.

    translation: displacement [m], shape (3,), float64. rotation: rotation vector (axis times angle) [rad], shape
    (3,), float64. Both in the axes of the chunk's frame.
    gripper: 0 open ... 1 closed; KEEP_GRIPPER: unchanged.
    terminate: the instruction is complete when this step is due: this and all later steps are not executed.
    base: displacement of the base in its own axes (REP-103), x forward [m] and y to the left [m], and its rotation to
    the left [rad], shape (3,), float64; zero if it does not move.
    """

    translation: NDArray[np.float64]
    rotation: NDArray[np.float64]
    gripper: float = KEEP_GRIPPER
    terminate: bool = False
    base: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def still(cls, *, terminate: bool = False) -> EndEffectorStep:
        """A step without motion; the gripper is unchanged."""
        return cls(np.zeros(3), np.zeros(3), terminate=terminate)

    @property
    def gripper_word(self) -> str:
        """open, closed or kept, for display."""
        return "kept" if self.gripper == KEEP_GRIPPER else "closed" if self.gripper > 0.5 else "open"


@dataclass(frozen=True)
class ActionChunk:
    """The steps that a policy decided on one observation, each of one period, starting at the observation's stamp.

    steps: empty: earlier decisions are canceled; stand still until the next chunk.
    period: of each step [s].
    confidence: the policy's probability of its choice, 0 ... 1, over all steps.
    tokens: the action tokens, ordered by step, then by the card's dimensions; empty if the policy has none.
    plan: the policy's plan in words; may be empty.
    frame_id: name of a frame in the TF tree of the arm, for all steps.
    legal_probability: probability that the unconstrained model outputs an action, 0 ... 1; near 1 if
    prompt and checkpoint match, regardless of the confidence. 1 for policies that can output only actions.
    ensemble: how it is combined with earlier chunks that have steps for the same times.
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
        """Index of the first step that terminates, 0: immediately; None if none does."""
        return next((i for i, step in enumerate(self.steps) if step.terminate), None)

    @property
    def terminate(self) -> bool:
        """Whether the instruction is complete already."""
        return self.terminates_at == 0
