"""Reads datasets in the LeRobot format v3.0, this project's own and others that an action card was put into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.episode import DatasetError, Episode, EpisodeError, card_difference
from rt_vla_ros.data.lerobot_layout import ACTION, DATA, INFO, META, SCENE, VIDEO, video_key
from rt_vla_ros.data.parquet import read_table
from rt_vla_ros.data.video import read_video
from rt_vla_ros.json_file import read_object
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
        self.rate = float(self.info["fps"])
        self.card = ActionCard.load(self.directory / META)
        if not self.info["total_episodes"]:
            raise DatasetError(f"The dataset {self.directory} has no episodes; collect some: rt-vla collect.")
        self._check_columns()
        self.rows = read_episode_rows(self.directory, int(self.info["total_episodes"]))
        self._check_files()
        self._table: tuple[Path, Any] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Episode:
        """Episode number `index`, 0 and up. Raises DatasetError where it is damaged."""
        row = self.rows[index]
        table = self._data(self._path("data", row)).slice(*self._span(row))
        try:
            return Episode(
                card=self.card,
                instruction=str(row["tasks"][0]),
                images={camera.name: self._images(camera.name, row) for camera in self.card.cameras},
                values=_matrix(table, ACTION).astype(np.float64),
                stamps=np.asarray(table.column("timestamp").to_numpy(), np.float64),
                scene=_matrix(table, SCENE).astype(np.float32) if SCENE in table.column_names else None,
                leader=str(row.get("leader", "unknown")),
                success=bool(row.get("success", False)),
                suite=str(row.get("suite", "")),
                seed=int(row.get("seed", -1)),
            )
        except (EpisodeError, IndexError, KeyError) as error:
            raise DatasetError(f"{self.directory}, episode {index}: {error}") from error

    @property
    def frames(self) -> int:
        """Moments in all episodes."""
        return sum(int(row["length"]) for row in self.rows)

    def _images(self, camera: str, row: dict[str, Any]) -> NDArray[np.uint8]:
        key = video_key(camera)
        path = self._path(f"videos/{key}", row, key)
        images = read_video(path, float(row[f"videos/{key}/from_timestamp"]), int(row["length"]), self.rate)
        spec = next(c for c in self.card.cameras if c.name == camera)
        if images.shape[1:3] == (spec.height, spec.width):
            return images
        return np.stack([fit_image(image, spec) for image in images])

    def _path(self, kind: str, row: dict[str, Any], key: str = "") -> Path:
        pattern = str(self.info.get("video_path", VIDEO) if key else self.info.get("data_path", DATA))
        numbers = {name: int(row[f"{kind}/{name}"]) for name in ("chunk_index", "file_index")}
        return self.directory / pattern.format(video_key=key, **numbers)

    def _data(self, path: Path) -> Any:
        """The table in a file; the last one is kept, for its other episodes."""
        if self._table is None or self._table[0] != path:
            self._table = (path, read_table(path))
        return self._table[1]

    def _span(self, row: dict[str, Any]) -> tuple[int, int]:
        """Where an episode's rows are in its file: offset and length."""
        path, length = self._path("data", row), int(row["length"])
        offset = int(row["dataset_from_index"]) - int(self._data(path).column("index")[0].as_py())
        if offset < 0 or offset + length > len(self._data(path)):
            raise DatasetError(f"The table {path} lacks rows of episode {row['episode_index']}.")
        return offset, length

    def _check_columns(self) -> None:
        described = self.info["features"]
        width = described.get(ACTION, {}).get("shape")
        if width != [len(self.card.dimensions)]:
            raise DatasetError(
                f"{self.directory}: the column 'action' has the shape {width}, the action card has "
                f"{len(self.card.dimensions)} dimensions."
            )
        films = sorted(name for name, feature in described.items() if feature.get("dtype") == "video")
        for camera in self.card.cameras:
            if video_key(camera.name) not in films:
                raise DatasetError(
                    f"{self.directory} has no film {video_key(camera.name)!r} for the card's camera {camera.name!r}; "
                    f"there is: {', '.join(films) or 'none'}."
                )

    def _check_files(self) -> None:
        for row in self.rows:
            paths = [self._path("data", row)]
            paths += [self._path(f"videos/{k}", row, k) for k in (video_key(c.name) for c in self.card.cameras)]
            for path in paths:
                if not path.is_file():
                    raise DatasetError(f"The dataset {self.directory} is not whole: {path} is missing.")


def read_info(directory: Path) -> dict[str, Any]:
    """meta/info.json. Raises DatasetError."""
    path = directory / INFO
    if not path.is_file():
        raise DatasetError(f"{directory} is no dataset in the LeRobot format: there is no {path}.")
    info = read_object(path, DatasetError)
    needed = {"codebase_version": str, "fps": (int, float), "total_episodes": int, "features": dict}
    for key, kind in needed.items():
        if not isinstance(info.get(key), kind):  # type: ignore[arg-type]
            raise DatasetError(f"{path} lacks {key!r}, or has something else there.")
    if not info["codebase_version"].startswith("v3."):
        raise DatasetError(
            f"{path} says version {info['codebase_version']}; this reads v3.0. The lerobot package converts older ones."
        )
    return dict(info)


def read_episode_rows(directory: Path, total: int) -> list[dict[str, Any]]:
    """The rows of meta/episodes that count, in the episodes' order. Raises DatasetError where some are missing."""
    paths = sorted((directory / "meta/episodes").glob("*/*.parquet"))
    rows: list[dict[str, Any]] = []
    for path in paths:
        table = read_table(path)
        rows += table.select([name for name in table.column_names if not name.startswith("stats/")]).to_pylist()
    rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: int(row["episode_index"]))
    if [row["episode_index"] for row in rows] != list(range(total)):
        raise DatasetError(
            f"The dataset {directory} is not whole: meta/episodes describes {len(rows)} of {total} episodes."
        )
    return rows


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


def _matrix(table: Any, name: str) -> NDArray[Any]:
    """A column of lists of one length, (N, D)."""
    column = table.column(name)
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(table), -1)
