"""A turn as a model reads it: prompt, images and answer in one row of tokens."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

IGNORED = -100
"""The label of a token that is not learned."""


@dataclass(frozen=True)
class TrainingRow:
    """inputs: all that the model takes, int64 (1, N) what has an entry for each token, else of the images.

    labels: int64 (1, N), IGNORED for the prompt. weight: of its tokens in the loss. is_action: or words.
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
        """Whether the model sees something."""
        return any(value.is_floating_point() for value in self.inputs.values())

    @property
    def teaches(self) -> bool:
        """Whether anything is learned from it."""
        return bool((self.labels != IGNORED).any())

    def __len__(self) -> int:
        return int(self.labels.shape[1])
