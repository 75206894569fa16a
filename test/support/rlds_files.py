"""RLDS datasets as TFDS writes them: small ones that TFDS 4.9 wrote itself, and a writer for others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.datasets import png

from rt_vla_ros.protocol_buffers import masked_crc32c

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/rlds/fractal20220817_data/0.1.0"
"""Splits train (4 episodes) and test (2), in two files each, with the features of RT-1's data that matter here."""
Example = dict[str, list[bytes] | NDArray[Any]]


def copy_rlds(directory: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, directory))


def number(value: int) -> bytes:
    """A varint; negative numbers as protocol buffers write them."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(tag: int, content: bytes) -> bytes:
    return number(tag << 3 | 2) + number(len(content)) + content


def feature(values: list[bytes] | NDArray[Any]) -> bytes:
    """A tf.train.Feature."""
    if isinstance(values, list):
        return field(1, b"".join(field(1, value) for value in values))
    if values.dtype.kind == "f":
        return field(2, field(1, values.astype("<f4").tobytes()))
    return field(3, field(1, b"".join(number(int(value)) for value in values.ravel())))


def serialized(example: Mapping[str, list[bytes] | NDArray[Any]]) -> bytes:
    """A tf.train.Example."""
    entries = (field(1, field(1, key.encode()) + field(2, feature(values))) for key, values in example.items())
    return field(1, b"".join(entries))


def write_records(path: Path, records: Sequence[bytes]) -> None:
    with path.open("wb") as file:
        for record in records:
            length = len(record).to_bytes(8, "little")
            for part in (length, record):
                file.write(part + masked_crc32c(part).to_bytes(4, "little"))


def make_example(seed: int, length: int = 5, **changes: list[bytes] | NDArray[Any]) -> Example:
    """An episode of RT-1's data. changes: by key, with / as in the file."""
    rng = np.random.default_rng(seed)
    terminate = np.tile([0, 1, 0], (length, 1))
    terminate[-1] = [1, 0, 0]
    first = np.arange(length) == 0
    return {
        "aspects/has_aspects": np.array([True]),
        "aspects/success": np.array([bool(seed % 2)]),
        "steps/observation/image": [png(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(length)],
        "steps/observation/natural_language_instruction": [b"pick the can"] * length,
        "steps/observation/gripper_closed": rng.random(length).astype(np.float32),
        "steps/action/world_vector": rng.uniform(-0.1, 0.1, (length, 3)).astype(np.float32),
        "steps/action/rotation_delta": rng.uniform(-0.2, 0.2, (length, 3)).astype(np.float32),
        "steps/action/gripper_closedness_action": np.zeros((length, 1), np.float32),
        "steps/action/base_displacement_vector": np.zeros((length, 2), np.float32),
        "steps/action/base_displacement_vertical_rotation": np.zeros((length, 1), np.float32),
        "steps/action/terminate_episode": terminate,
        "steps/reward": np.flip(first).astype(np.float32),
        "steps/is_first": first,
        "steps/is_last": np.flip(first),
        **changes,
    }


def write_rlds(directory: Path, examples: Sequence[Example], per_file: int = 2) -> Path:
    """One split, "train", with the features of FIXTURE."""
    directory.mkdir(parents=True)
    shutil.copy(FIXTURE / "features.json", directory)
    parts = [examples[i : i + per_file] for i in range(0, len(examples), per_file)]
    for i, part in enumerate(parts):
        name = f"fractal20220817_data-train.tfrecord-{i:05d}-of-{len(parts):05d}"
        write_records(directory / name, [serialized(example) for example in part])
    info = json.loads((FIXTURE / "dataset_info.json").read_text())
    info["splits"] = [{**info["splits"][0], "shardLengths": [str(len(part)) for part in parts]}]
    (directory / "dataset_info.json").write_text(json.dumps(info))
    return directory
