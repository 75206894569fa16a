"""Reads the metadata of TensorFlow Datasets directories, without TensorFlow.

features.json and dataset_info.json are messages of tensorflow_datasets/core/proto (feature.proto, dataset_info.proto).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import inside
from rt_vla_ros.json_file import read_object

FEATURES, INFO = "features.json", "dataset_info.json"
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
STEPS = "steps/"
DEEPEST = 20


@dataclass(frozen=True)
class TfdsFeature:
    """A feature of an episode, or, below "steps/", of each of its steps.

    kind: "image", "text", "numbers", or an unsupported one. shape: of one value; for an image height, width and
    channels.
    """

    key: str
    kind: str
    shape: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of elements of one value."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class TfdsShard:
    """A record file with `length` records; None: unknown."""

    path: Path
    split: str
    length: int | None


@dataclass(frozen=True)
class TfdsDirectory:
    """name: of the dataset. shards: the existing ones. missing: names of the others."""

    directory: Path
    name: str
    features: Mapping[str, TfdsFeature]
    shards: tuple[TfdsShard, ...]
    missing: tuple[str, ...]


def open_tfds(directory: Path) -> TfdsDirectory:
    """Raises DatasetError for a directory that is no TFDS dataset, or whose files are not TFRecord."""
    if not (directory / FEATURES).is_file() or not (directory / INFO).is_file():
        below = sorted(path.parent for path in directory.glob(f"*/{FEATURES}")) if directory.is_dir() else []
        hint = f" Did you mean {below[-1]}?" if below else ""
        raise DatasetError(f"{directory} is not a TFDS (RLDS) dataset: it has no {FEATURES} and {INFO}.{hint}")
    info = read_object(directory / INFO, DatasetError)
    form = info.get("fileFormat", "tfrecord")
    if form != "tfrecord":
        raise DatasetError(f"{directory} has files in the format {form!r:.50}, expected tfrecord; convert it.")
    name, splits = info.get("name"), info.get("splits")
    if not isinstance(name, str) or not isinstance(splits, list):
        raise DatasetError(f"{directory / INFO} lacks the name or the splits.")
    shards, missing = list[TfdsShard](), list[str]()
    for split in splits:
        for shard in _shards(directory, name, split):
            (shards.append(shard) if shard.path.is_file() else missing.append(shard.path.name))
    if not shards:
        raise DatasetError(f"{directory} has none of its {len(missing)} record files ({', '.join(missing[:1])} ...).")
    features = dict(_flat("", read_object(directory / FEATURES, DatasetError), directory))
    return TfdsDirectory(directory, name, features, tuple(shards), tuple(missing))


def _shards(directory: Path, name: str, split: Any) -> Iterator[TfdsShard]:
    where = f"{directory / INFO}: the split {split!r:.100}"
    if not isinstance(split, dict) or not isinstance(split.get("name"), str):
        raise DatasetError(f"{where} has no name.")
    lengths = split.get("shardLengths", [])
    if not isinstance(lengths, list) or not all(str(length).isdecimal() for length in lengths):
        raise DatasetError(f"{where} has no valid shardLengths (integers).")
    for number, length in enumerate(lengths):
        file = str(split.get("filepathTemplate") or TEMPLATE)
        names = {"DATASET": name, "SPLIT": split["name"], "FILEFORMAT": "tfrecord"}
        names |= {"SHARD_X_OF_Y": f"{number:05d}-of-{len(lengths):05d}", "SHARD_INDEX": f"{number:05d}"}
        names |= {"NUM_SHARDS": f"{len(lengths):05d}"}
        for key, value in names.items():
            file = file.replace(f"{{{key}}}", value)
        try:
            yield TfdsShard(inside(directory, file), split["name"], int(length))
        except ValueError as error:
            raise DatasetError(f"{where}: {error}") from error


def _flat(key: str, node: Any, directory: Path, depth: int = 0) -> Iterator[tuple[str, TfdsFeature]]:
    """The features by their keys in an Example, with parts joined by slashes."""
    if not isinstance(node, dict) or depth > DEEPEST:
        raise DatasetError(f"{directory / FEATURES}: {key or 'the top'} is {node!r:.100}, expected an object.")
    if "featuresDict" in node:
        for name, inner in (node["featuresDict"].get("features") or {}).items():
            yield from _flat(f"{key}/{name}".lstrip("/"), inner, directory, depth + 1)
    elif "sequence" in node and f"{key}/" == STEPS:
        yield from _flat(key, node["sequence"].get("feature"), directory, depth + 1)
    else:
        yield key, _feature(key, node, directory)


def _feature(key: str, node: Mapping[str, Any], directory: Path) -> TfdsFeature:
    if "text" in node:
        return TfdsFeature(key, "text")
    if "image" in node:
        return TfdsFeature(key, "image", _shape(key, node["image"], directory))
    tensor = node.get("tensor")
    if isinstance(tensor, dict) and tensor.get("encoding", "none") in ("none", ""):
        shape = _shape(key, tensor, directory)
        if tensor.get("dtype") == "string":
            return TfdsFeature(key, "text" if shape == () else "texts", shape)
        return TfdsFeature(key, "numbers" if all(side > 0 for side in shape) else "ragged numbers", shape)
    kinds = [name for name in node if name != "pythonClassName"]
    return TfdsFeature(key, kinds[0] if kinds else "unknown")


def _shape(key: str, node: Mapping[str, Any], directory: Path) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in (node.get("shape") or {}).get("dimensions", []))
    except (ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{directory / FEATURES}: {key} has the shape {node.get('shape')!r:.100}.") from error
