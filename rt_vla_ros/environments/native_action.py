"""Converts between velocities in SI units and an environment's action vector, using its action card."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.control.status import Command

Values = NDArray[np.float64]


class NativeActions:
    """One element of the action vector per dimension of the card, whose range is mapped to that of the Box.

    Without a gripper command, the last one is kept; the gripper is open at the start of an episode.
    """

    def __init__(self, card: ActionCard, low: ArrayLike, high: ArrayLike, tick_ns: int) -> None:
        """low, high: of the Box, shape (D,). Raises ValueError if they are not finite or have a different length."""
        self._card, self._tick, self._tokenizer = card, tick_ns / 1e9, ActionTokenizer(card)
        self._low, self._high = np.asarray(low, np.float64).ravel(), np.asarray(high, np.float64).ravel()
        size = len(card.dimensions)
        if not self._low.size == self._high.size == size or not np.isfinite([self._low, self._high]).all():
            raise ValueError(
                f"The environment's action is a Box from {self._low.tolist()} to {self._high.tolist()}, its action "
                f"card has {size} dimensions; expected one finite range for each."
            )
        self._from = np.array([one.low for one in card.dimensions])
        self._span = np.array([one.high - one.low for one in card.dimensions])
        self.reset()

    def reset(self) -> None:
        """An episode begins."""
        self._gripper = 0.0

    def of_command(self, command: Command) -> Values:
        """The action vector (D,) of one tick at the command's velocity, clipped to the Box."""
        self._gripper = self._gripper if command.gripper is None else command.gripper
        step = EndEffectorStep(command.linear * self._tick, command.angular * self._tick, self._gripper)
        share = (self._tokenizer.from_step(step) - self._from) / self._span
        native: Values = np.clip(self._low + share * (self._high - self._low), self._low, self._high)
        return native

    def values(self, action: ArrayLike) -> Values:
        """Action vector (D,) -> values (D,) in the card's units, clipped to its ranges."""
        share = (np.asarray(action, np.float64) - self._low) / (self._high - self._low)
        values: Values = self._from + np.clip(share, 0.0, 1.0) * self._span
        return values


def joined(steps: ArrayLike, card: ActionCard) -> Values:
    """Values (T, D) of consecutive steps of the environment -> those of one action (D,) of a policy, for their time.

    Displacements add up, as an action is divided into equal parts over its steps; rotations are small enough for that.
    The gripper command is the mean. card: of the policy, with the environment's dimensions.
    """
    array = np.asarray(steps, np.float64)
    moves = [one.role.startswith(("translation_", "rotation_")) for one in card.dimensions]
    low, high = np.array([(one.low, one.high) for one in card.dimensions]).T
    values: Values = np.clip(np.where(moves, array.sum(axis=0), array.mean(axis=0)), low, high)
    return values
