"""Training examples of a vision-language model: images with questions, and instructions with actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Turn:
    """A prompt about an example's images, and the target text.

    text: an instruction where there are bins, else a question or another request. answer: to a question, in words;
    empty for an instruction. bins: of a chunk's steps in turn, horizon * D numbers in the order of the action card's
    dimensions. plan: in words, before the action; empty: no plan. before: earlier questions and
    answers of the same conversation, placed before this one in the prompt.
    """

    text: str
    answer: str = ""
    bins: tuple[int, ...] = ()
    plan: str = ""
    before: tuple[tuple[str, str], ...] = ()

    @property
    def is_action(self) -> bool:
        """Whether the target is an action."""
        return bool(self.bins)


@dataclass(frozen=True)
class Example:
    """Images and the turns about them, each a separate training target.

    images: uint8 RGB (H, W, 3) each, those of the card's cameras in their order; none for text alone.
    state: the robot state in the units and order of the action card's `state`, (S,); None: unknown.
    """

    images: tuple[NDArray[np.uint8], ...]
    turns: tuple[Turn, ...]
    state: NDArray[np.float64] | None = None


class ExampleSource(Protocol):
    """Examples by index, such as the frames of robot datasets or the images of a VQA dataset.

    name: for reports. is_robot: whether its examples hold actions.
    """

    name: str
    is_robot: bool

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Example `index`. rng: for random augmentation. Raises DatasetError for damaged data."""
        ...
