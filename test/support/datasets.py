"""Small datasets, random but always the same, and ways to change them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.parquet import arrow, read_table, write_table
from rt_vla_ros.selftest.random_episodes import CARD, SIZE, make_episode, write_dataset

__all__ = ["CARD", "SIZE", "make_episode", "write_dataset"]

TABLES = [f"data/chunk-000/file-00{number}.parquet" for number in range(2)]
ROWS = [f"meta/episodes/chunk-000/file-00{number}.parquet" for number in range(2)]
VIDEOS = [f"videos/observation.images.front/chunk-000/file-00{number}.mp4" for number in range(2)]
FRONT = "observation.images.front"


def change_info(dataset: Path, **changes: object) -> None:
    path = dataset / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_feature(dataset: Path, name: str, **changes: object) -> None:
    features = json.loads((dataset / "meta/info.json").read_text())["features"]
    change_info(dataset, features={**features, name: {**features[name], **changes}})


def change_column(path: Path, name: str, values: list[Any] | None, kind: Any = None) -> None:
    """values: repeated to the end of the table; None: the column goes. kind: None: as it was."""
    table = read_table(path)
    place, field = table.schema.get_field_index(name), table.schema.field(name)
    if values is None:
        write_table(table.remove_column(place), path)
    else:
        column = arrow().array((values * len(table))[: len(table)], kind or field.type)
        write_table(table.set_column(place, name, column), path)


def change_cell(path: Path, name: str, row: int, value: object) -> None:
    values = read_table(path).column(name).to_pylist()
    change_column(path, name, [*values[:row], value, *values[row + 1 :]])


def png(image: NDArray[np.uint8], form: str = "PNG") -> bytes:
    """An image (H, W, 3), or (H, W) for a grey one, in a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, form)
    return file.getvalue()


def put_images_into_tables(
    dataset: Path, change: Callable[[bytes], dict[str, Any]] = lambda data: {"bytes": data, "path": "a.png"}
) -> None:
    """The videos' images become PNG in the tables of the time steps, which LeRobot calls the dtype "image"."""
    images = [image for episode in LeRobotDataset(dataset) for image in episode.images["front"]]
    pa = arrow()
    for name in TABLES:
        table = read_table(dataset / name)
        cells = [change(png(images[index])) for index in table.column("index").to_pylist()]
        column = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        write_table(table.append_column(FRONT, column), dataset / name, rows_per_group=4)
    change_feature(dataset, FRONT, dtype="image", info=None)
    change_info(dataset, video_path=None)
    for name in VIDEOS:
        (dataset / name).unlink()
