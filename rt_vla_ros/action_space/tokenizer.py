"""Converts actions to tokens and back: one bin index per dimension of the action card (RT-1, 5.1; RT-2, 3.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard
from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, EndEffectorStep
from rt_vla_ros.action_space.rotation import rpy_from_rotation_vector

ROUNDING_ERROR = 1e-6
"""[bin]: without it, truncating the exact value of a bin could give the bin below."""


class ActionTokenizer:
    """Encodes values into bins and decodes tokens, or distributions over tokens, into values.

    A value vector has shape (..., D), one entry per dimension of the card in its unit; the entry of the role
    "terminate" is the index of its mode. A token vector has the same shape, int64, each entry in 0 ... bins - 1.
    """

    def __init__(self, card: ActionCard) -> None:
        self.card = card
        self._is_mode = np.array([d.role == "terminate" for d in card.dimensions])
        self._modes = np.array([max(len(d.modes), 1) for d in card.dimensions])
        self._low = np.array([0.0 if d.role == "terminate" else d.low for d in card.dimensions])
        self._high = np.array([float(card.bins - 1) if d.role == "terminate" else d.high for d in card.dimensions])
        self._gripper = card.index("gripper")
        self._terminate = card.index("terminate")
        self._terminate_mode = (
            card.dimensions[self._terminate].modes.index("terminate") if self._terminate is not None else -1
        )

    @property
    def legal(self) -> NDArray[np.bool_]:
        """The legal tokens of each dimension, shape (D, bins): all bins, or one per mode."""
        limits = np.where(self._is_mode, self._modes, self.card.bins)  # (D,)
        return np.arange(self.card.bins)[None, :] < limits[:, None]

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Values (..., D) -> tokens (..., D); values outside the range are clipped.

        Raises ValueError for NaN, infinity or a wrong number of dimensions.
        """
        array = self.check_values(values)
        position = (np.clip(array, self._low, self._high) - self._low) / (self._high - self._low) * (self.card.bins - 1)
        if self.card.quantization == "round":
            binned = np.rint(position)
        elif self.card.quantization == "middles":  # an edge belongs to the interval below it, as in torch.bucketize
            binned = np.maximum(np.ceil(position / (self.card.bins - 1) * self.card.bins - ROUNDING_ERROR) - 1, 0)
        else:
            binned = np.trunc(position + ROUNDING_ERROR)
        tokens: NDArray[np.int64] = binned.astype(np.int64)
        return np.where(self._is_mode, np.minimum(tokens, self._modes - 1), tokens)

    def decode(self, tokens: ArrayLike) -> NDArray[np.float64]:
        """Tokens (..., D) -> values (..., D), the points that the bins represent.

        Raises ValueError for a token that the dimension does not have.
        """
        array = np.asarray(tokens, dtype=np.int64)
        limits = np.where(self._is_mode, self._modes, self.card.bins)
        if array.shape[-1:] != limits.shape or (array < 0).any() or (array >= limits).any():
            raise ValueError(f"expected {len(limits)} tokens below {limits.tolist()}, got {array.tolist()}")
        values = self._low + self._place(array) / (self.card.bins - 1) * (self._high - self._low)
        # A mode is its index: a rounding error below it would give the previous mode.
        exact: NDArray[np.float64] = np.where(self._is_mode, array, values)
        return exact

    def decode_expected(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Probabilities (..., D, bins) -> values (..., D): the mean over the bins; for modes the most likely one."""
        p = np.asarray(probabilities, dtype=np.float64)
        places = self._place(np.arange(self.card.bins))
        mean = self._low + (p @ places) / (self.card.bins - 1) * (self._high - self._low)  # (..., D)
        values: NDArray[np.float64] = np.where(self._is_mode, p.argmax(-1), mean)
        return values

    def _place(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bins, any shape -> their positions in a dimension's range, 0 ... bins - 1."""
        if self.card.quantization == "centers":
            return np.asarray(np.minimum(tokens, self.card.bins - 2) + 0.5, dtype=np.float64)
        if self.card.quantization == "middles":
            return np.asarray((tokens + 0.5) / self.card.bins * (self.card.bins - 1), dtype=np.float64)
        return tokens.astype(np.float64)

    def from_step(self, step: EndEffectorStep) -> NDArray[np.float64]:
        """A step -> values (D,), for cards without postprocessing; the inverse of ActionDecoder.step.

        Unused entries are 0; the mode of a step without terminate is the first other one, or "move_base" if the card
        has it and the base moves. Raises ValueError for a step that keeps the gripper, unless only the base moves,
        for a step that moves both arm and base if each has a mode, and for a card with postprocessing.
        """
        if self.card.postprocessing:
            raise ValueError(f"Actions cannot be encoded with the postprocessing {self.card.postprocessing!r}.")
        drives = self.card.moves_base and self.card.base_mode is not None and bool(step.base.any())
        if drives and (step.translation.any() or step.rotation.any()):
            raise ValueError("A step moves both arm and base, but each mode of the action card moves only one of them.")
        if self._gripper is not None and step.gripper == KEEP_GRIPPER and not drives:
            raise ValueError("A step that keeps the gripper has no value for the gripper dimension.")
        rotation = step.rotation if self.card.rotation == "rotation_vector" else rpy_from_rotation_vector(step.rotation)
        parts = {f"translation_{a}": step.translation[i] for i, a in enumerate("xyz")}
        parts |= {f"rotation_{a}": rotation[i] for i, a in enumerate("xyz")}
        closed = 0.0 if step.gripper == KEEP_GRIPPER else step.gripper
        parts["gripper"] = self.card.gripper_open + closed * (self.card.gripper_closed - self.card.gripper_open)
        parts |= dict(zip(BASE_ROLES, step.base, strict=True))
        parts["terminate"] = float(self._terminate_mode if step.terminate else self._mode(drives))
        return np.array([parts.get(d.role, 0.0) for d in self.card.dimensions])

    def _mode(self, drives: bool) -> int:
        """The mode of a step that does not terminate: the arm's first one or, if the base `drives`, the base's."""
        modes = () if self._terminate is None else self.card.dimensions[self._terminate].modes
        others = [i for i in range(len(modes)) if i != self._terminate_mode]
        wanted = [i for i in others if (i == self.card.base_mode) == drives]
        return next(iter(wanted or others), 0)

    def check_values(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values (..., D) as float64. Raises ValueError for NaN, infinity or a wrong number of dimensions."""
        array = np.asarray(values, dtype=np.float64)
        if array.shape[-1:] != (len(self.card.dimensions),):
            raise ValueError(f"expected {len(self.card.dimensions)} values per action, got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"an action must be finite, got {array.tolist()}")
        return array
