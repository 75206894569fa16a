"""One recorded episode as a file: how collectors hand their work to the trainer."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npz"


@dataclass(frozen=True)
class RecordedEpisode:
    """images: RGB uint8 (N, H, W, 3). tokens: the expert's answer to each, int64 (N, D).

    scene: what auxiliary losses predict, float32 (N, 10): target x, y, z and tool x, y, z in the base frame [m], then
    where both are in the image, u, v in 0 ... 1 from the top left corner.
    leader: "expert", "mixed" or "learner". success: how it ended.
    """

    instruction: str
    images: NDArray[np.uint8]
    tokens: NDArray[np.int64]
    scene: NDArray[np.float32]
    leader: str
    success: bool

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(
                file,
                instruction=np.array(self.instruction),
                images=self.images,
                tokens=self.tokens.astype(np.int16),
                scene=self.scene,
                leader=np.array(self.leader),
                success=np.array(self.success),
            )
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path: Path) -> RecordedEpisode:
        """Raises OSError, or ValueError for a file that is not whole."""
        try:
            return cls._load(path)
        except (zipfile.BadZipFile, EOFError, KeyError) as error:
            raise ValueError(f"{path} is not a whole episode: {error}") from error

    @classmethod
    def _load(cls, path: Path) -> RecordedEpisode:
        with np.load(path) as data:
            return cls(
                instruction=str(data["instruction"]),
                images=data["images"],
                tokens=data["tokens"].astype(np.int64),
                scene=data["scene"],
                leader=str(data["leader"]),
                success=bool(data["success"]),
            )
