"""Reads datasets in the LeRobot format v3.0 with an action card, this project's own and others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, CameraSpec
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError, Episode, EpisodeLabels, card_difference
from rt_vla_ros.data.lerobot_info import check_features, held_out, image_size, read_info
from rt_vla_ros.data.lerobot_layout import (
    ACTION,
    COMMANDER,
    INTERVENTION,
    META,
    SCENE,
    STATE,
    camera_column,
    file_path,
    names_of,
)
from rt_vla_ros.data.lerobot_pictures import CameraPictures, TablePictures, VideoPictures
from rt_vla_ros.data.lerobot_rows import Row, instructions, read_episode_rows, read_sentences, read_steps
from rt_vla_ros.data.parquet import read_lists, read_numbers
from rt_vla_ros.observations.image import fit_image

_T = TypeVar("_T", str, bool)


@dataclass(frozen=True)
class KeptSteps:
    """`length` time steps of the recorded episode number `recorded`, from step `first` on, of one instruction."""

    recorded: int
    first: int
    length: int
    instruction: str


class LeRobotDataset:
    """The episodes of a dataset directory, as a sequence.

    The action card is meta/action_card.json. The column "action" holds its dimensions in its units, the column
    "observation.state" its state, where it has one; each of its cameras has a column of images, which are brought to
    the card's size by its crop. A recorded episode in which the instruction changes becomes several episodes, one per
    instruction (`parts`). Splits other than "train" are excluded.
    """

    def __init__(self, directory: Path) -> None:
        """Raises DatasetError or ActionCardError for missing, damaged, empty or unsupported data.

        Everything but actions, states and images is read and validated.
        """
        self.directory = Path(directory)
        self.info = read_info(self.directory)
        self.rate, self.card = float(self.info["fps"]), ActionCard.load(self.directory / META)
        if self.info["total_episodes"] < 1:
            raise DatasetError(f"The dataset {self.directory} has no episodes; collect some: rt-vla collect.")
        check_features(self.directory, self.info, self.card)
        self.rows = read_episode_rows(self.directory, self.info, self._kinds())
        self._paths: dict[tuple[str, int, int], Path] = {}
        for kind in self._kinds():
            for row in self.rows:
                self._path(kind, row)
        self._steps = read_steps(self.rows, lambda row: self._path("data", row), self.rate)
        self.parts = self._parts()
        self.frames = sum(part.length for part in self.parts)
        self._lists: tuple[Path, dict[str, list[Any]]] = (Path(), {})
        self._table: tuple[Path, dict[str, NDArray[np.float64]]] | None = None
        self._pictures = {camera.name: self._pictures_of(camera) for camera in self.card.cameras}

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Episode]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Episode:
        """Episode number `index`, from 0. Raises DatasetError if it is damaged."""
        labels = self.labels(index)
        images = {camera.name: self.images(index, camera.name, 0, len(labels)) for camera in self.card.cameras}
        with self._naming(index):
            return Episode(images=images, **{item.name: getattr(labels, item.name) for item in fields(labels)})

    def labels(self, index: int) -> EpisodeLabels:
        """An episode without its images, after checking that each time step has one.

        Raises DatasetError if it is damaged.
        """
        part = self.parts[index]
        row, steps, which = (
            self.rows[part.recorded],
            self._steps[part.recorded],
            slice(part.first, part.first + part.length),
        )
        table = self._numbers(steps.path)
        flags, words = self._cells(index, INTERVENTION, bool, "true or false"), self.words(index, COMMANDER)
        for pictures in self._pictures.values():
            pictures.check(part.recorded)
        with self._naming(index):
            return EpisodeLabels(
                card=self.card,
                instruction=part.instruction,
                values=table[ACTION][steps.rows[which]].astype(np.float64),
                stamps=steps.stamps[which] - steps.stamps[part.first],
                states=table[STATE][steps.rows[which]].astype(np.float64) if STATE in table else None,
                scene=table[SCENE][steps.rows[which]].astype(np.float32) if SCENE in table else None,
                leader=str(row.get("leader", "unknown")),
                success=bool(row.get("success", False)),
                suite=str(row.get("suite", "")),
                seed=int(row.get("seed", -1)),
                interventions=None if flags is None else np.array(flags, np.bool_),
                commanders=None if words is None else tuple(words),
                audit=str(row.get("audit") or ""),
            )

    def images(self, index: int, camera: str, first: int, count: int) -> NDArray[np.uint8]:
        """An episode's images from time step `first` on, RGB uint8 (count, H, W, 3) in the card's size.

        Decoded on demand; thread-safe. Raises DatasetError.
        """
        part, spec = self.parts[index], next(c for c in self.card.cameras if c.name == camera)
        with self._naming(index):
            found = self._pictures[camera].read(part.recorded, part.first + first, count)
            return np.stack([fit_image(image, spec) for image in found])

    def words(self, index: int, column: str) -> list[str] | None:
        """A string column of an episode, one value for each time step; None if the dataset has no such column.

        Raises DatasetError for a column of another type.
        """
        return self._cells(index, column, str, "a text")

    def _cells(self, index: int, column: str, kind: type[_T], expected: str) -> list[_T] | None:
        if column not in self.info["features"]:
            return None
        part = self.parts[index]
        steps = self._steps[part.recorded]
        if self._lists[0] != steps.path:
            self._lists = (steps.path, {})
        if column not in self._lists[1]:
            self._lists[1][column] = read_lists(steps.path, [column]).get(column, [])
        found, cells = self._lists[1][column], list[_T]()
        for step, row in enumerate(steps.rows[part.first : part.first + part.length].tolist()):
            cell = found[row] if row < len(found) else None
            if not isinstance(cell, kind):
                what = f"{cell!r:.60} in the column {column!r}, time step {step}"
                raise DatasetError(f"{self.directory}, episode {part.recorded}: {what}, expected {expected}.")
            cells.append(cell)
        return cells

    @contextmanager
    def _naming(self, index: int) -> Iterator[None]:
        try:
            yield
        except DatasetError:
            raise  # it names its file
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{self.directory}, episode {self.parts[index].recorded}: {error}") from error

    def _kinds(self) -> list[str]:
        """The kinds of files of an episode."""
        columns = map(camera_column, self.card.cameras)
        return ["data", *(f"videos/{name}" for name in columns if self.info["features"][name]["dtype"] == "video")]

    def _path(self, kind: str, row: Row) -> Path:
        """Path of an episode's file of a kind. Raises DatasetError if it is missing."""
        place = (kind, row[f"{kind}/chunk_index"], row[f"{kind}/file_index"])
        if place not in self._paths:
            names: dict[str, str | int] = {"chunk_index": place[1], "file_index": place[2]}
            names |= {} if kind == "data" else {"video_key": kind.removeprefix("videos/")}
            path = file_path(self.directory, self.info, "data_path" if kind == "data" else "video_path", **names)
            if not path.is_file():
                raise DatasetError(f"The dataset {self.directory} is incomplete: {path} is missing.")
            self._paths[place] = path
        return self._paths[place]

    def _parts(self) -> list[KeptSteps]:
        sentences, others = read_sentences(self.directory), held_out(self.directory, self.info)
        found = []
        for number, (row, steps) in enumerate(zip(self.rows, self._steps, strict=True)):
            parts = instructions(self.directory, row, steps, sentences)
            if not any(number in episodes for episodes in others):
                found += [KeptSteps(number, *part) for part in parts]
        if not found:
            raise DatasetError(f"The dataset {self.directory} has no episodes for training: all are in other splits.")
        return found

    def _numbers(self, path: Path) -> dict[str, NDArray[np.float64]]:
        """The card's columns, and scenes if present, of a file; cached for its other episodes."""
        if self._table is None or self._table[0] != path:
            widths: dict[str, int | None] = {column: len(names) for column, names in names_of(self.card).items()}
            widths |= {SCENE: SCENE_SIZE} if SCENE in self.info["features"] else {}
            self._table = (path, read_numbers(path, widths))
        return self._table[1]

    def _pictures_of(self, camera: CameraSpec) -> CameraPictures:
        column = camera_column(camera)
        size = image_size(self.directory, self.info, column)
        if self.info["features"][column]["dtype"] == "image":
            return TablePictures(column, size, self.directory, self._steps)
        kind = f"videos/{column}"
        return VideoPictures(column, size, self.rows, self._steps, lambda row: self._path(kind, row), self.rate)


def load_datasets(directories: list[Path]) -> list[LeRobotDataset]:
    """Datasets with equivalent action cards. Raises DatasetError, ActionCardError."""
    datasets = [LeRobotDataset(directory) for directory in directories]
    for dataset in datasets[1:]:
        difference = card_difference(datasets[0].card, dataset.card)
        if difference:
            raise ActionCardError(
                f"{dataset.directory} has a different action card than {datasets[0].directory} ({difference}); "
                "all datasets of a policy need the same."
            )
    return datasets
