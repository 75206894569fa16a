"""A turn as model input: prompt, images and answer in one row of tokens."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

IGNORED = -100
"""The label of a token that is not a target."""


@dataclass(frozen=True)
class TrainingRow:
    """inputs: all model inputs; int64 (1, N) those with an entry per token, else of the images.

    labels: int64 (1, N), IGNORED for the prompt. weight: of its tokens in the loss. is_action: an action, not words.
    prompt: tokens before the answer. origin: where it comes from, for messages.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    weight: float
    is_action: bool
    prompt: int
    origin: str

    @property
    def shows_image(self) -> bool:
        """Whether it has images."""
        return any(value.is_floating_point() for value in self.inputs.values())

    @property
    def teaches(self) -> bool:
        """Whether it has targets."""
        return bool((self.labels != IGNORED).any())

    def __len__(self) -> int:
        return int(self.labels.shape[1])
