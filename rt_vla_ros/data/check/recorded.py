"""The data that the checks keep of a recorded episode: numbers, and summaries of its images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PictureChanges:
    """Summary of a camera's n images of an episode.

    change: from each image to the next, mean of the absolute differences of green in 0 ... 255, float32 (n - 1,).
    contrast: between the brightest and the darkest green of each image, 0 ... 255, float32 (n,); of the
    most varying channel if that is small.
    """

    change: NDArray[np.float32]
    contrast: NDArray[np.float32]


@dataclass
class RecordedEpisode:
    """N time steps as they were recorded, whatever the instruction; about 150 bytes a time step.

    values: (N, D) in the card's dimensions and units. states: (N, S), None where the card has none. tool, turn: where
    the tool was measured, position [m] and rotation vector [rad] in the base frame, (N, 3), None where that is unknown.
    tasks: numbers of sentences, (N,). success: None where it was not recorded. problems: the recorder's sentences.
    own: whether `values` were executed; a teacher's labels for a learner's steps were not.
    pictures: by camera.
    """

    number: int
    values: NDArray[np.float32]
    stamps: NDArray[np.float64]
    tasks: NDArray[np.int64]
    states: NDArray[np.float32] | None = None
    tool: NDArray[np.float64] | None = None
    turn: NDArray[np.float64] | None = None
    sentences: tuple[str, ...] = ()
    success: bool | None = None
    problems: tuple[str, ...] = ()
    own: bool = True
    pictures: dict[str, PictureChanges] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)
