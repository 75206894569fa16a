"""Holds the arm still while the policy is not sure of what it does. No ROS in here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rt_vla_ros.action_space.action import EndEffectorAction


class ConfidenceGate:
    """Lets actions through whose confidence is at least `threshold`, and in place of others "stay where you are"."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._gripper: float | None = None

    def reset(self) -> None:
        """A new request."""
        self._gripper = None

    def admit(self, action: EndEffectorAction) -> tuple[EndEffectorAction, str | None]:
        """The action to publish, and why it is not the policy's own, None where it is.

        A terminate is always let through: to stop takes no courage. The gripper stays as the last sure action left it;
        before the first one the policy's own value is taken, for nobody else knows how the gripper stands.
        """
        if action.confidence >= self._threshold or action.terminate:
            self._gripper = action.gripper
            return action, None
        gripper = action.gripper if self._gripper is None else self._gripper
        sentence = (
            f"The policy is less sure than min_confidence ({self._threshold:g}): the arm holds still until it is surer."
        )
        held = replace(
            action,
            translation=np.zeros(3),
            rotation=np.zeros(3),
            gripper=gripper,
            plan=f"{sentence} {action.plan}".strip(),
        )
        return held, sentence
