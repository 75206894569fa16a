"""Holds the arm still while the policy is not sure of what it does, or hardly writes actions. No ROS in here."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep

THRESHOLDS = ("min_confidence", "min_legal_probability")
"""The gate's settings, by the names they have everywhere."""
HARDLY_LEGAL = 0.01
"""Below this legal_probability a model did not learn to write actions behind this prompt: one that did is near 1."""


class ConfidenceGate:
    """Lets actions through that are sure and legal enough, and in place of others "stay where you are"."""

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
        """Written so that a NaN is refused at every threshold."""
        if not chunk.legal_probability >= self._legal:
            return (
                f"The policy's model would write an action by itself less often than min_legal_probability "
                f"({self._legal:g}): the arm holds still. Does its prompt fit the checkpoint?"
            )
        if not chunk.confidence >= self._confidence:
            return (
                f"The policy is less sure than min_confidence ({self._confidence:g}): the arm holds still until it is "
                "surer."
            )
        return None


def legal_doubt(legal_probability: float) -> str | None:
    """What to tell people of a policy whose model hardly writes actions by itself; None if it does."""
    if legal_probability >= HARDLY_LEGAL:
        return None
    return (
        f"The prompt or the checkpoint does not fit: left free, the model would write an action with a probability of "
        f"{legal_probability:.2g} only (legal_probability; a trained policy is near 1), so what it does means little, "
        "whatever its confidence. Compare prompt, chat and vocabulary in rt2_config.json with what it was trained on."
    )
