"""An episode whose videos were written while it was recorded, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rt_vla_ros.data.column_statistics import Statistics, statistics_of_counts
from rt_vla_ros.data.episode import EpisodeError, EpisodeLabels
from rt_vla_ros.data.video import VideoWriter


@dataclass(frozen=True, kw_only=True)
class EncodedEpisode(EpisodeLabels):
    """instructions: of each step; LeRobotDataset splits the episode where they change. `instruction` is the first.

    images: camera name -> statistics of its images, which are in the files from `LeRobotWriter.encoder`.
    Raises EpisodeError.
    """

    instructions: tuple[str, ...]
    images: Mapping[str, Statistics]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.instructions) != len(self) or not all(one.strip() for one in self.instructions):
            raise EpisodeError(f"The episode has {len(self.instructions)} instructions for {len(self)} time steps.")


class EpisodeEncoder:
    """Writes the images of one episode into a video per camera.

    frames: number of frames written.
    """

    def __init__(self, paths: Mapping[str, Path], rate: int, codec: str) -> None:
        """paths: of each camera's video. Raises OSError."""
        self.frames = 0
        self._counts = {camera: np.zeros((3, 256), np.int64) for camera in paths}
        self._writers: dict[str, VideoWriter] = {}
        try:
            for camera, path in paths.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._writers[camera] = VideoWriter(path, rate, codec, hurried=True)
        except BaseException:
            self.abandon()
            raise

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> None:
        """One image of each camera, RGB uint8 (H, W, 3). Raises OSError, ValueError."""
        for camera, writer in self._writers.items():
            writer.add(images[camera])
            self._counts[camera] += np.array(Image.fromarray(images[camera]).histogram()).reshape(3, 256)
        self.frames += 1

    def close(self) -> dict[str, Statistics]:
        """Finish the videos; return the statistics of each camera's images. Raises OSError."""
        for writer in self._writers.values():
            writer.close()
        return {camera: statistics_of_counts(counts, self.frames) for camera, counts in self._counts.items()}

    def abandon(self) -> None:
        """Delete the videos."""
        for writer in self._writers.values():
            writer.abandon()
