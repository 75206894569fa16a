"""What a vision-language model learns from: images with questions about them, and instructions with actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Turn:
    """Something said about an example's images, and what is to be written behind it.

    text: an instruction where there are bins, else a question or another request. answer: to a question, in words;
    empty for an instruction. bins: of a chunk's steps in turn, horizon * D numbers in the order of the action card's
    dimensions. plan: in words, before the action; empty: the action comes at once. before: earlier questions and
    answers of the same conversation, which stand before this one in the prompt.
    """

    text: str
    answer: str = ""
    bins: tuple[int, ...] = ()
    plan: str = ""
    before: tuple[tuple[str, str], ...] = ()

    @property
    def is_action(self) -> bool:
        """Whether the model is to write an action."""
        return bool(self.bins)


@dataclass(frozen=True)
class Example:
    """Images and the turns about them, each of which is learned by itself.

    images: uint8 RGB (H, W, 3) each, those of the card's cameras in their order; none for text alone.
    state: the robot's, in the units and order of the action card's `state`, (S,); None: not known.
    """

    images: tuple[NDArray[np.uint8], ...]
    turns: tuple[Turn, ...]
    state: NDArray[np.float64] | None = None


class ExampleSource(Protocol):
    """Examples by number, such as the frames of robot data sets or the pictures of a VQA set.

    name: for reports. is_robot: whether its examples hold actions.
    """

    name: str
    is_robot: bool

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Number `index`. rng: for what is drawn anew each time. Raises DatasetError for damaged data."""
        ...
