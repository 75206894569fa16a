"""Reads datasets in the LeRobot format v3.0, this project's own and others that an action card was put into."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError, Episode, EpisodeLabels, card_difference
from rt_vla_ros.data.lerobot_layout import (
    ACTION,
    META,
    SCENE,
    file_path,
    matrix,
    read_data,
    read_episode_rows,
    read_info,
    video_key,
)
from rt_vla_ros.data.video import VideoReader
from rt_vla_ros.observations.image import fit_image


class LeRobotDataset:
    """The episodes of a directory, as a sequence.

    The action card is meta/action_card.json. The column "action" holds its dimensions in its units, and each of its
    cameras has the column "observation.images.NAME". Images of another size are brought to the card's by its crop.
    """

    def __init__(self, directory: Path) -> None:
        """Raises DatasetError or ActionCardError for what is missing, damaged, empty or of another format."""
        self.directory = Path(directory)
        self.info = read_info(self.directory)
        self.rate, self.card = float(self.info["fps"]), ActionCard.load(self.directory / META)
        if self.info["total_episodes"] < 1:
            raise DatasetError(f"The dataset {self.directory} has no episodes; collect some: rt-vla collect.")
        self._check_card()
        videos = [f"videos/{video_key(camera.name)}" for camera in self.card.cameras]
        self.rows = read_episode_rows(self.directory, self.info["total_episodes"], ["data", *videos])
        self._check_files()
        self.frames = sum(row["length"] for row in self.rows)
        self._table: tuple[Path, Any] | None = None
        self._videos = VideoReader()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Episode]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Episode:
        """Episode number `index`, 0 and up. Raises DatasetError where it is damaged."""
        labels = self.labels(index)
        images = {camera.name: self.images(index, camera.name, 0, len(labels)) for camera in self.card.cameras}
        with self._naming(index):
            return Episode(images=images, **{item.name: getattr(labels, item.name) for item in fields(labels)})

    def labels(self, index: int) -> EpisodeLabels:
        """Everything of an episode but its images. Raises DatasetError where it is damaged."""
        row = self.rows[index]
        table = self._data(self._path("data", row)).slice(*self._span(row))
        with self._naming(index):
            return EpisodeLabels(
                card=self.card,
                instruction=str(row["tasks"][0]),
                values=matrix(table, ACTION).astype(np.float64),
                stamps=np.asarray(table.column("timestamp").to_numpy(), np.float64),
                scene=matrix(table, SCENE).astype(np.float32) if SCENE in table.column_names else None,
                leader=str(row.get("leader", "unknown")),
                success=bool(row.get("success", False)),
                suite=str(row.get("suite", "")),
                seed=int(row.get("seed", -1)),
            )

    def images(self, index: int, camera: str, first: int, count: int) -> NDArray[np.uint8]:
        """An episode's images from time step `first` on, RGB uint8 (count, H, W, 3) in the card's size.

        Decoded when asked for; may be called from several threads. Raises DatasetError.
        """
        row, key = self.rows[index], video_key(camera)
        time = row[f"videos/{key}/from_timestamp"] + first / self.rate
        images = self._videos.read(self._path(f"videos/{key}", row, key), time, count, self.rate)
        spec = next(c for c in self.card.cameras if c.name == camera)
        same = images.shape[1:3] == (spec.height, spec.width)
        return images if same else np.stack([fit_image(image, spec) for image in images])

    @contextmanager
    def _naming(self, index: int) -> Iterator[None]:
        try:
            yield
        except DatasetError:
            raise  # it names its file
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{self.directory}, episode {index}: {error}") from error

    def _path(self, kind: str, row: dict[str, Any], key: str = "") -> Path:
        names = {"video_key": key} if key else {}
        names |= {name: row[f"{kind}/{name}"] for name in ("chunk_index", "file_index")}
        return file_path(self.directory, self.info, "video_path" if key else "data_path", **names)

    def _data(self, path: Path) -> Any:
        """The table in a file; the last one is kept, for its other episodes."""
        if self._table is None or self._table[0] != path:
            widths = {ACTION: len(self.card.dimensions), SCENE: SCENE_SIZE}
            self._table = (path, read_data(path, widths, optional=(SCENE,)))
        return self._table[1]

    def _span(self, row: dict[str, Any]) -> tuple[int, int]:
        """Where an episode's rows are in its file: offset and length."""
        path, length = self._path("data", row), row["length"]
        index = self._data(path).column("index")
        offset = row["dataset_from_index"] - (index[0].as_py() if len(index) else 0)
        if offset < 0 or offset + length > len(index):
            raise DatasetError(f"The table {path} lacks rows of episode {row['episode_index']}.")
        return offset, length

    def _check_card(self) -> None:
        if not math.isclose(self.rate, self.card.control_rate, rel_tol=1e-3):
            raise DatasetError(
                f"{self.directory} has {self.rate:g} frames a second (fps in meta/info.json), but its action card has "
                f"{self.card.control_rate:g} actions a second (control_rate); they must be the same: correct one."
            )
        described = self.info["features"]
        width = described.get(ACTION, {}).get("shape")
        if width != [len(self.card.dimensions)]:
            raise DatasetError(
                f"{self.directory}: the column 'action' has the shape {width}, the action card has "
                f"{len(self.card.dimensions)} dimensions."
            )
        videos = sorted(name for name, feature in described.items() if feature.get("dtype") == "video")
        for camera in self.card.cameras:
            if video_key(camera.name) not in videos:
                raise DatasetError(
                    f"{self.directory} has no video {video_key(camera.name)!r} for the card's camera {camera.name!r}; "
                    f"there is: {', '.join(videos) or 'none'}."
                )

    def _check_files(self) -> None:
        for row in self.rows:
            keys = [video_key(camera.name) for camera in self.card.cameras]
            for path in (self._path("data", row), *(self._path(f"videos/{key}", row, key) for key in keys)):
                if not path.is_file():
                    raise DatasetError(f"The dataset {self.directory} is not whole: {path} is missing.")


def load_datasets(directories: list[Path]) -> list[LeRobotDataset]:
    """Datasets that mean the same by an action. Raises DatasetError, ActionCardError."""
    datasets = [LeRobotDataset(directory) for directory in directories]
    for dataset in datasets[1:]:
        difference = card_difference(datasets[0].card, dataset.card)
        if difference:
            raise ActionCardError(
                f"{dataset.directory} has another action card than {datasets[0].directory} ({difference}); a policy "
                "has one, so train on datasets with the same."
            )
    return datasets
