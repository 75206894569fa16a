"""The LeRobot dataset format v3.0 (github.com/huggingface/lerobot, src/lerobot/datasets): the layout."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError, EpisodeLabels
from rt_vla_ros.data.video import CODECS

VERSION = "v3.0"
INFO, STATISTICS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
META = "meta"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_PER_CHUNK = 1000
ACTION, STATE, SCENE, CAMERA_PREFIX = "action", "observation.state", "scene", "observation.images."
INTERVENTION, COMMANDER = "intervention", "commander"
ROBOT = "panda_robotiq_2f85_simulated"

COUNTED: dict[str, dict[str, Any]] = {
    name: {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1], "names": None}
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index")
}
"""Columns of every LeRobot dataset."""
OPTIONAL: dict[str, dict[str, Any]] = {
    SCENE: {"dtype": "float32", "shape": [SCENE_SIZE], "names": None},
    INTERVENTION: {"dtype": "bool", "shape": [1], "names": None},
    COMMANDER: {"dtype": "string", "shape": [1], "names": None},
}
"""Columns that either all episodes of a dataset have or none."""


def optional_columns(episode: EpisodeLabels) -> frozenset[str]:
    """The ones that the episode has."""
    there = {SCENE: episode.scene, INTERVENTION: episode.interventions, COMMANDER: episode.commanders}
    return frozenset(name for name, column in there.items() if column is not None)


def camera_column(camera: CameraSpec) -> str:
    return camera.column or CAMERA_PREFIX + camera.name


def names_of(card: ActionCard) -> dict[str, list[str]]:
    """The numeric columns of the card and the names of their elements, in the card's order."""
    state = {STATE: [one.name for one in card.state]} if card.state else {}
    return {ACTION: [one.name for one in card.dimensions], **state}


def place(pattern: str, file_number: int, **names: str) -> str:
    """Path of file number `file_number` of a kind, relative to the dataset."""
    return pattern.format(chunk_index=file_number // FILES_PER_CHUNK, file_index=file_number % FILES_PER_CHUNK, **names)


def kinds_of_files(row: Mapping[str, Any]) -> list[str]:
    """The kinds of files in a row of meta/episodes, such as "data" and "videos/COLUMN"."""
    return [name.removesuffix("/file_index") for name in row if name.endswith("/file_index")]


def numbered(row: Mapping[str, Any], kind: str) -> int:
    """The global number, over all chunks, of the file of a kind in a row of meta/episodes."""
    return int(row[f"{kind}/chunk_index"]) * FILES_PER_CHUNK + int(row[f"{kind}/file_index"])


def features(
    card: ActionCard, rate: int, optional: Collection[str], codec: str = "lossless"
) -> dict[str, dict[str, Any]]:
    """The features of the columns, for info.json. optional: names in OPTIONAL. codec: a name in data.video.CODECS."""
    video = CODECS[codec]
    described: dict[str, dict[str, Any]] = {
        column: {"dtype": "float32", "shape": [len(names)], "names": names} for column, names in names_of(card).items()
    }
    for camera in card.cameras:
        shape = [camera.height, camera.width, 3]
        info: dict[str, Any] = {"height": camera.height, "width": camera.width}
        info |= {"codec": video.name, "pix_fmt": video.stored, "is_depth_map": False, "fps": rate, "channels": 3}
        described[camera_column(camera)] = {
            "dtype": "video",
            "shape": shape,
            "names": ["height", "width", "channels"],
            "info": {**{f"video.{key}": value for key, value in info.items()}, "has_audio": False},
        }
    return described | {name: about for name, about in OPTIONAL.items() if name in optional} | COUNTED


def video_format(feature: Mapping[str, Any]) -> tuple[Any, Any]:
    """Codec and pixel format of a camera's column in info.json."""
    about = feature.get("info") or {}
    return about.get("video.codec"), about.get("video.pix_fmt")


def write_text(path: Path, text: str) -> None:
    """Write atomically. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write atomically. Raises OSError."""
    write_text(path, json.dumps(data, indent=2) + "\n")


FIELD = re.compile(r"(0?[1-9]d)?")  # a width of nine at most: ":>2000000000" would be a path of 2 GB


def file_path(directory: Path, info: Mapping[str, Any], kind: str, **names: str | int) -> Path:
    """Path of a file inside the dataset's directory. kind: "data_path" or "video_path". Raises DatasetError."""
    pattern = info[kind]
    try:
        fields = [field[1:] for field in string.Formatter().parse(pattern) if field[1] is not None]
        if all(name in names and not conversion and FIELD.fullmatch(spec or "") for name, spec, conversion in fields):
            return inside(directory, pattern.format(**names))
    except (TypeError, ValueError, AttributeError):
        pass
    raise DatasetError(
        f"{directory / INFO}: {kind} is {pattern!r:.200}, expected a path inside the dataset with only "
        f"{', '.join(names)} in braces, such as {VIDEO if kind == 'video_path' else DATA}."
    )


def inside(directory: Path, name: str) -> Path:
    """The file of that name in a directory or below. Raises ValueError if it is outside."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{name!r:.200} leaves the directory {directory}")
    return directory / path
