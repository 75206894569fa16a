"""All frames of some datasets, decoded once into flat files, and random histories out of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError, Episode
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import INFO, STATISTICS, write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.training.augmentation import blacken_borders
from rt_vla_ros.training.replay import Batch, shift_images

INDEX = "frames.json"


@dataclass(frozen=True)
class Span:
    """Where an episode's frames are. has_scene: whether the auxiliary losses have something to learn from."""

    start: int
    length: int
    instruction: str
    has_scene: bool


@dataclass(frozen=True)
class Draw:
    """Which histories make a batch: (episode, its step that the history begins with; before 0: with black images).

    shifts: by which their images are moved in x and y [pixel], (B, 2).
    """

    starts: Sequence[tuple[Span, int]]
    shifts: NDArray[np.int64]

    def part(self, which: slice) -> Draw:
        """Some of the histories."""
        return Draw(self.starts[which], self.shifts[which])


class FrameStore:
    """Frames in memory-mapped files: a dataset may be larger than memory."""

    def __init__(self, directory: Path, datasets: Sequence[LeRobotDataset], on_episode: Callable[[int], None]) -> None:
        """directory: of the files, filled at first use. on_episode: is told how many episodes are decoded.

        Raises DatasetError for damaged data and OSError for a disk without room.
        """
        self.card = datasets[0].card
        self.fingerprint = fingerprint(datasets)
        self._directory = directory
        self._standstill = ActionTokenizer(self.card).encode(np.zeros(len(self.card.dimensions)))
        if not self._is_filled():
            try:
                self._fill(datasets, on_episode)
            except OSError as error:
                if error.filename is None and error.errno is not None:
                    raise OSError(error.errno, error.strerror, str(directory)) from error
                raise
        try:
            index = read_object(directory / INDEX, DatasetError)
            self.episodes = [Span(**span) for span in index["episodes"]]
            self._images, self._tokens, self._scene = (
                np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("images", "tokens", "scene")
            )
        except (ValueError, KeyError, TypeError, EOFError, FileNotFoundError) as error:
            raise DatasetError(
                f"The decoded films in {directory} are damaged ({error}); delete this directory, and it is made anew."
            ) from error

    @property
    def frames(self) -> int:
        """In all episodes."""
        return len(self._tokens)

    def batch(self, draw: Draw, steps: int, encoder: LanguageEncoder, *, black_borders: bool = False) -> Batch:
        """The histories of a draw, each of `steps` frames.

        Steps before an episode's first are black, and their action is zero, as where RT-1-X was trained.
        black_borders: of images that are moved; otherwise their edges are repeated.
        """
        offsets = np.array([offset for _, offset in draw.starts])[:, None] + np.arange(steps)  # (B, T)
        at = np.array([span.start for span, _ in draw.starts])[:, None] + offsets.clip(min=0)
        images, tokens, scene = self._images[at], self._tokens[at].astype(np.int64), self._scene[at]
        before = offsets < 0
        images[before], tokens[before], scene[before] = 0, self._standstill, 0
        if draw.shifts.any():
            shift_images(images, scene, draw.shifts)
            if black_borders:
                blacken_borders(images, draw.shifts)
        sentences = np.stack([encoder.encode(span.instruction) for span, _ in draw.starts])
        return Batch(images, sentences, tokens, scene, before.sum(axis=1) if before.any() else None)

    def draw(
        self,
        spans: Sequence[Span],
        rng: np.random.Generator,
        count: int,
        steps: int,
        *,
        before: int = 0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> Draw:
        """`count` random histories of `steps` frames from these episodes.

        before: steps at most that a history may begin before its episode. shift: up to which images are moved, as
        shares of height and width.
        """
        room = np.array([span.length - steps + 1 + before for span in spans])
        chosen = rng.choice(len(spans), count, p=room / room.sum())
        starts = [(spans[i], int(rng.integers(room[i])) - before) for i in chosen]
        camera = self.card.cameras[0]
        farthest = np.rint([shift[1] * camera.width, shift[0] * camera.height]).astype(np.int64)
        return Draw(starts, rng.integers(-farthest, farthest + 1, (count, 2)))

    def _is_filled(self) -> bool:
        path = self._directory / INDEX
        try:
            return path.is_file() and bool(read_object(path, DatasetError).get("fingerprint") == self.fingerprint)
        except DatasetError:
            return False

    def _fill(self, datasets: Sequence[LeRobotDataset], on_episode: Callable[[int], None]) -> None:
        directory, camera = self._directory, self.card.cameras[0]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / INDEX).unlink(missing_ok=True)
        total = sum(dataset.frames for dataset in datasets)
        images = _reserve(directory / "images.npy", np.uint8, (total, camera.height, camera.width, 3))
        tokens = _reserve(directory / "tokens.npy", np.int16, (total, len(self.card.dimensions)))
        scene = _reserve(directory / "scene.npy", np.float32, (total, SCENE_SIZE))
        tokenizer, spans, at = ActionTokenizer(self.card), [], 0
        for dataset in datasets:
            for episode in dataset:
                part = slice(at, at + len(episode))
                images[part] = episode.images[camera.name]
                tokens[part] = tokenizer.encode(episode.values)
                scene[part] = 0 if episode.scene is None else episode.scene
                spans.append(_span(episode, at))
                at = part.stop
                on_episode(len(spans))
        for array in (images, tokens, scene):
            array.flush()
        write_json(directory / INDEX, {"fingerprint": self.fingerprint, "episodes": spans})


def fingerprint(datasets: Sequence[LeRobotDataset]) -> str:
    """Tells whether frames are of these datasets: a hexadecimal digest of their cards, counts and statistics."""
    digest = hashlib.sha256()
    for dataset in datasets:
        digest.update(json.dumps(dataset.card.to_dict(), sort_keys=True).encode())
        for name in (INFO, STATISTICS):
            path = dataset.directory / name
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def split(spans: Sequence[Span], share: float, steps: int, seed: int) -> tuple[list[Span], list[Span]]:
    """Episodes to learn from and to validate on; those shorter than a history of `steps` are in neither.

    share: for validation, 0 ... 0.9. Raises DatasetError where nothing is left to learn from.
    """
    long = [span for span in spans if span.length >= steps]
    held_back = 0 if share == 0 else max(1, round(share * len(long)))
    if len(long) <= held_back:
        raise DatasetError(
            f"Of {len(spans)} episodes, {len(long)} have the {steps} frames of a history and {held_back} would be held "
            "back for validation: nothing is left to learn from. Collect more."
        )
    order = np.random.default_rng([seed, 3]).permutation(len(long))
    return [long[i] for i in sorted(order[held_back:])], [long[i] for i in sorted(order[:held_back])]


def _span(episode: Episode, start: int) -> dict[str, Any]:
    return {
        "start": start,
        "length": len(episode),
        "instruction": episode.instruction,
        "has_scene": episode.scene is not None,
    }


def _reserve(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new file of this array, with its room on the disk taken at once: a write into a map cannot say "disk full"."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none; there a full disk ends the process with a signal
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
