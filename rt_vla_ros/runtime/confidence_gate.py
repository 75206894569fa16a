"""Holds the arm still while the policy is not sure of what it does. No ROS in here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rt_vla_ros.action_space.action import KEEP_GRIPPER, EndEffectorAction


class ConfidenceGate:
    """Lets actions through whose confidence is at least `threshold`, and in place of others "stay where you are"."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def admit(self, action: EndEffectorAction) -> tuple[EndEffectorAction, str | None]:
        """The action to publish, and why it is not the policy's own, None where it is.

        A terminate is always let through: to stop takes no courage. The gripper stays as it is.
        """
        if action.confidence >= self._threshold or action.terminate:
            return action, None
        sentence = (
            f"The policy is less sure than min_confidence ({self._threshold:g}): the arm holds still until it is surer."
        )
        held = replace(
            action,
            translation=np.zeros(3),
            rotation=np.zeros(3),
            gripper=KEEP_GRIPPER,
            plan=f"{sentence} {action.plan}".strip(),
        )
        return held, sentence
