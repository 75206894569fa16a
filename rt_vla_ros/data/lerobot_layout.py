"""Names and places of the LeRobot dataset format v3.0 (github.com/huggingface/lerobot, src/lerobot/datasets)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import SCENE_SIZE
from rt_vla_ros.data.video import CODEC_NAME

VERSION = "v3.0"
INFO, STATISTICS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
META = "meta"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FILES_PER_CHUNK = 1000
ACTION, SCENE, CAMERA_PREFIX = "action", "scene", "observation.images."
ROBOT = "panda_robotiq_2f85_simulated"

COUNTED: dict[str, dict[str, Any]] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    **{
        name: {"dtype": "int64", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index")
    },
}
"""Columns that every LeRobot dataset has."""


def video_key(camera: str) -> str:
    """The column of a camera's images."""
    return CAMERA_PREFIX + camera


def place(pattern: str, file_number: int, **names: str) -> str:
    """Where file number `file_number` of a kind is, from the dataset's directory."""
    return pattern.format(chunk_index=file_number // FILES_PER_CHUNK, file_index=file_number % FILES_PER_CHUNK, **names)


def features(card: ActionCard, rate: int, with_scene: bool) -> dict[str, dict[str, Any]]:
    """What the columns are, for info.json."""
    described: dict[str, dict[str, Any]] = {
        ACTION: {
            "dtype": "float32",
            "shape": [len(card.dimensions)],
            "names": [dimension.name for dimension in card.dimensions],
        }
    }
    for camera in card.cameras:
        described[video_key(camera.name)] = {
            "dtype": "video",
            "shape": [camera.height, camera.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": camera.height,
                "video.width": camera.width,
                "video.codec": CODEC_NAME,
                "video.pix_fmt": "gbrp",
                "video.is_depth_map": False,
                "video.fps": rate,
                "video.channels": 3,
                "has_audio": False,
            },
        }
    if with_scene:
        described[SCENE] = {"dtype": "float32", "shape": [SCENE_SIZE], "names": None}
    return described | COUNTED


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
