"""The training and held-out episodes of a checkpoint, in a file beside its weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.json_file import read_object

HELD_OUT_FILE = "held_out_episodes.json"


@dataclass(frozen=True)
class EpisodeSplit:
    """Numbers of one dataset's recorded episodes. Those too short or excluded are in neither."""

    dataset: LeRobotDataset
    training: frozenset[int]
    held_out: frozenset[int]


def split_text(splits: Iterable[EpisodeSplit]) -> str:
    """The file's content."""
    sets = [
        {
            "name": one.dataset.directory.name,
            "fingerprint": fingerprint([one.dataset]),
            "training": sorted(one.training),
            "held_out": sorted(one.held_out),
        }
        for one in splits
    ]
    return json.dumps({"datasets": sets}, indent=1) + "\n"


def read_split(directory: Path | None, dataset: LeRobotDataset) -> EpisodeSplit | None:
    """The split of a dataset in a checkpoint's directory; None if it has none for this dataset in its current state.

    Raises DatasetError for a damaged file.
    """
    if directory is None or not (directory / HELD_OUT_FILE).is_file():
        return None
    own, path = fingerprint([dataset]), directory / HELD_OUT_FILE
    data = read_object(path, DatasetError)
    try:
        for one in data["datasets"]:
            if one["fingerprint"] == own:
                return EpisodeSplit(dataset, frozenset(one["training"]), frozenset(one["held_out"]))
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} does not list the held-out episodes ({error!r}).") from error
    return None


def training_episodes(directory: Path) -> int | None:
    """How many recorded episodes a checkpoint was trained on; None where its directory does not say.

    Raises DatasetError for a damaged file.
    """
    path = directory / HELD_OUT_FILE
    if not path.is_file():
        return None
    try:
        return sum(len(one["training"]) for one in read_object(path, DatasetError)["datasets"])
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{path} does not say which episodes were used ({error!r}).") from error
