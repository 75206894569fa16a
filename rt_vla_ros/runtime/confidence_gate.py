"""Holds the arm still while the policy's confidence or legal probability is too low. No ROS in here."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep

THRESHOLDS = ("min_confidence", "min_legal_probability")
"""The names of the gate's settings."""
HARDLY_LEGAL = 0.01
"""Below this legal_probability a model was not trained to write actions after this prompt: a trained one is near 1."""


class ConfidenceGate:
    """Passes actions that are confident and legal enough, and replaces others by standing still."""

    def __init__(self, min_confidence: float, min_legal_probability: float = 0.0) -> None:
        self._confidence, self._legal = min_confidence, min_legal_probability

    def admit(self, chunk: ActionChunk) -> tuple[ActionChunk, str | None]:
        """The chunk to publish, and why it is not the policy's own, None if it is.

        A terminate is always let through: to stop takes no courage. The gripper stays as it is.
        """
        sentence = None if chunk.terminate else self._refusal(chunk)
        if sentence is None:
            return chunk, None
        still = tuple(EndEffectorStep.still() for _ in chunk.steps)
        return replace(chunk, steps=still, plan=f"{sentence} {chunk.plan}".strip()), sentence

    def _refusal(self, chunk: ActionChunk) -> str | None:
        """Written so that NaN is refused at every threshold."""
        if not chunk.legal_probability >= self._legal:
            return (
                "The model's probability of writing a valid action is below min_legal_probability "
                f"({self._legal:g}): the arm holds still. Does its prompt match the checkpoint?"
            )
        if not chunk.confidence >= self._confidence:
            return (
                f"The policy's confidence is below min_confidence ({self._confidence:g}): the arm holds still until "
                "it is higher."
            )
        return None


def legal_doubt(legal_probability: float) -> str | None:
    """A warning if the policy's model hardly writes actions unconstrained; None if it does."""
    if legal_probability >= HARDLY_LEGAL:
        return None
    return (
        "The prompt or the checkpoint does not match: unconstrained, the model would write an action with a "
        f"probability of only {legal_probability:.2g} (legal_probability; a trained policy is near 1), so its "
        "actions are unreliable, whatever their confidence. Compare prompt, chat and vocabulary in rt2_config.json "
        "with those of the training."
    )
