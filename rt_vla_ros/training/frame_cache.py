"""All frames of some datasets, decoded once into one memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import INFO, STATISTICS, write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.training.source import Say

INDEX, IMAGES = "frames.json", "images.npy"


def fingerprint(datasets: Sequence[LeRobotDataset]) -> str:
    """Tells whether frames are of these datasets: a hexadecimal digest of their cards, counts and statistics."""
    digest = hashlib.sha256()
    for dataset in datasets:
        digest.update(json.dumps(dataset.card.to_dict(), sort_keys=True).encode())
        for name in (INFO, STATISTICS):
            path = dataset.directory / name
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def cached_frames(directory: Path, datasets: Sequence[LeRobotDataset], say: Say) -> NDArray[np.uint8]:
    """All frames of the first camera in the datasets' order, (N, H, W, 3), a memory map. Decoded where it is missing.

    Raises DatasetError for damaged data, or a disk that lacks the space, and OSError.
    """
    camera, index = datasets[0].card.cameras[0], directory / INDEX
    shape = (sum(dataset.frames for dataset in datasets), camera.height, camera.width, 3)
    if not _is_complete(index, fingerprint(datasets)):
        _decode(directory, datasets, shape, say)
        write_json(index, {"fingerprint": fingerprint(datasets)})
    try:
        images: NDArray[np.uint8] = np.load(directory / IMAGES, mmap_mode="r")
        if images.shape != shape:
            raise ValueError(f"it has the shape {images.shape}, expected {shape}")
    except (ValueError, EOFError, FileNotFoundError) as error:
        raise DatasetError(
            f"The decoded frames in {directory} are damaged ({error}); delete this directory to decode them again."
        ) from error
    return images


def _is_complete(index: Path, wanted: str) -> bool:
    try:
        return index.is_file() and bool(read_object(index, DatasetError).get("fingerprint") == wanted)
    except DatasetError:
        return False


def _decode(directory: Path, datasets: Sequence[LeRobotDataset], shape: tuple[int, ...], say: Say) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in (INDEX, IMAGES):
        (directory / name).unlink(missing_ok=True)
    needed, free = int(np.prod(shape, dtype=np.int64)), shutil.disk_usage(directory).free
    say(f"the decoded frames need {needed:,} bytes in {directory}; {free:,} are free")
    if needed > free:
        raise DatasetError(
            f"The decoded frames need {needed:,} bytes, but the disk of {directory} has {free:,} left. Train without "
            "--cache-frames, which decodes them on demand."
        )
    camera, total, done = datasets[0].card.cameras[0].name, sum(map(len, datasets)), 0
    try:
        with (directory / IMAGES).open("wb") as file:  # no memory map: a write into one cannot report a full disk
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for dataset in datasets:
                for episode, row in enumerate(dataset.rows):
                    file.write(dataset.images(episode, camera, 0, row["length"]).data)
                    done += 1
                    say(f"decoding videos, episode {done} of {total}")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error
