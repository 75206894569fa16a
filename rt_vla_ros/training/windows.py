"""Samples (windows of images with action tokens) from datasets, and a cache of all decoded frames."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.action_space.plausibility import check_recorded, check_recorded_state, measure_use
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import SCENE_SIZE, DatasetError
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.frame_weights import ALL_ALIKE, FrameWeighting
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.observations.scaled_state import scaled_state
from rt_vla_ros.training.batch import Batch, Shift, chunk_tokens, draw_shifts, shift_images
from rt_vla_ros.training.source import Say
from rt_vla_ros.training.teacher_labels import TaughtActions


@dataclass(frozen=True)
class EpisodeSpan:
    """An episode: number `episode` of dataset number `dataset`; `start` is the global index of its first frame.

    recorded: number of the recorded episode that contains it. index: of the episode in all datasets.
    """

    dataset: int
    episode: int
    start: int
    length: int
    instruction: str
    recorded: int
    index: int


@dataclass(frozen=True)
class WindowIndices:
    """The windows of a batch: (episode, first step; below 0: starts with black images).

    shifts: of each camera's images in x and y [pixel], (B, K, 2).
    """

    starts: Sequence[tuple[EpisodeSpan, int]]
    shifts: NDArray[np.int64]

    def part(self, which: slice) -> WindowIndices:
        return WindowIndices(self.starts[which], self.shifts[which])


class WindowDataset:
    """Labels of all episodes in memory; images are read per batch, thread-safe."""

    def __init__(
        self,
        datasets: Sequence[LeRobotDataset],
        window: int,
        encoder: LanguageEncoder,
        *,
        horizon: int = 1,
        weighting: FrameWeighting = ALL_ALIKE,
        taught: TaughtActions | None = None,
    ) -> None:
        """window: time steps. horizon: predicted action steps at each. Images are decoded on demand.

        taught: actions of a teacher instead of the recorded ones.
        Raises DatasetError for damaged data and an invalid weighting, and ImplausibleActionsError for
        actions and states that contradict the card.
        """
        card = datasets[0].card
        self.learned = weighting.of(datasets)
        self._learned = [one for parts in self.learned for one in parts]
        self._sums = dict[tuple[int, int], NDArray[np.float64]]()
        self.cameras, self.window = card.cameras, window
        self._encoder, tokenizer = encoder, ActionTokenizer(card)
        self._zero_action = np.tile(tokenizer.encode(np.zeros(len(card.dimensions))), horizon)
        self.episodes, self.frames, scenes = list[EpisodeSpan](), 0, list[NDArray[np.float32]]()
        values = list[NDArray[np.float64]]()
        states = list[NDArray[np.float64]]()
        for number, dataset in enumerate(datasets):
            for episode, part in enumerate(dataset.parts):
                labels = dataset.labels(episode)
                index = len(self.episodes)
                span = EpisodeSpan(number, episode, self.frames, len(labels), labels.instruction, part.recorded, index)
                self.episodes.append(span)
                values.append(labels.values)
                missing = np.zeros((len(labels), SCENE_SIZE), np.float32)
                scenes.append(missing if labels.scene is None else labels.scene)
                states.append(np.zeros((len(labels), 0)) if labels.states is None else labels.states)
                self.frames += len(labels)
        self._reach = np.concatenate([one.reach for one in self._learned])
        if taught is None:
            self.use = check_recorded(card, np.concatenate(values))
            tokens = [chunk_tokens(tokenizer.encode(one), horizon) for one in values]
        else:  # whole chunks, whoever commanded the arm then
            chunks = np.concatenate([one[:, :horizon] for parts in taught for one in parts])
            self.use, tokens = measure_use(card, chunks[:, 0]), [tokenizer.encode(chunks).reshape(self.frames, -1)]
            self._reach = np.where(self._reach > 0, horizon, 0)
        check_recorded_state(card, np.concatenate(states))
        self._states = scaled_state(np.concatenate(states), card)
        self._tokens, self._scene = np.concatenate(tokens).astype(np.int32), np.concatenate(scenes)
        self._steps = np.repeat(np.arange(horizon), len(card.dimensions))  # of a chunk, for each of its tokens
        self.read_images: Callable[[EpisodeSpan, int, int], NDArray[np.uint8]]
        """`count` images of an episode from a step on: uint8 (count, K, H, W, 3)."""
        self.read_images = lambda span, *which: all_images(datasets[span.dataset], span.episode, *which)

    def use_cache(self, frames: NDArray[np.uint8]) -> None:
        """Use these images from now on, all frames in order."""
        self.read_images = lambda span, first, count: frames[span.start + first : span.start + first + count]

    def batch(self, indices: WindowIndices, *, black_borders: bool = False) -> Batch:
        """The windows of these indices.

        Steps before an episode's first are black, with zero action and state, as in RT-1-X's training.
        black_borders: of shifted images; otherwise their edges are repeated. Raises DatasetError.
        """
        offsets = np.array([offset for _, offset in indices.starts])[:, None] + np.arange(self.window)  # (B, T)
        at = np.array([span.start for span, _ in indices.starts])[:, None] + offsets.clip(min=0)
        images = np.zeros((*at.shape, len(self.cameras), *_size(self.cameras), 3), np.uint8)
        for history, (span, offset) in zip(images, indices.starts, strict=True):
            history[max(0, -offset) :] = self.read_images(span, max(0, offset), self.window + min(0, offset))
        tokens, scene, state = self._tokens[at].astype(np.int64), self._scene[at], self._states[at]
        padded = offsets < 0
        tokens[padded], scene[padded], state[padded] = self._zero_action, 0, 0
        learned = padded[..., None] | (self._steps < self._reach[at][..., None])
        if indices.shifts.any():
            shift_images(images, scene, indices.shifts, black_borders)
        sentences = np.stack([self._encoder.encode(span.instruction) for span, _ in indices.starts])
        return Batch(images, sentences, tokens, scene, state, padded.sum(axis=1) if padded.any() else None, learned)

    def draw(
        self, of: Sequence[EpisodeSpan], rng: np.random.Generator, count: int, padding: int = 0, shift: Shift = (0, 0)
    ) -> WindowIndices:
        """`count` random windows `of` episodes. padding: maximum number of steps before the episode's start.

        The sampling weight of a window is the mean weight of its frames.
        """
        sums = [self._window_sums(span, padding) for span in of]
        totals = np.array([one[-1] for one in sums])
        chosen = rng.choice(len(of), count, p=totals / totals.sum())
        places = rng.random(count) * totals[chosen]
        starts = [
            (of[i], int(np.searchsorted(sums[i], place, side="right")) - padding)
            for i, place in zip(chosen.tolist(), places.tolist(), strict=True)
        ]
        return WindowIndices(starts, draw_shifts(rng, (count, len(self.cameras)), shift, _size(self.cameras)))

    def is_learned(self, span: EpisodeSpan, padding: int = 0) -> bool:
        """Whether an episode has a window with a target."""
        return bool(self._window_sums(span, padding)[-1] > 0)

    def draws(self, span: EpisodeSpan, padding: int = 0) -> NDArray[np.float64]:
        """Relative sampling weights of an episode's frames, (N,)."""
        windows = np.diff(self._window_sums(span, padding), prepend=0.0)
        often = np.convolve(windows, np.ones(self.window))[padding:]
        return np.asarray(often * (self._learned[span.index].weights > 0))

    def _window_sums(self, span: EpisodeSpan, padding: int) -> NDArray[np.float64]:
        """Cumulative weights of an episode's windows."""
        key = (span.index, padding)
        if key not in self._sums:
            weights = self._learned[span.index].weights
            totals = np.append(0.0, np.cumsum(weights))
            first = np.arange(-padding, span.length - self.window + 1)
            start, end = first.clip(min=0), first + self.window
            self._sums[key] = np.cumsum((totals[end] - totals[start]) / (end - start))
        return self._sums[key]


def all_images(dataset: LeRobotDataset, episode: int, first: int, count: int) -> NDArray[np.uint8]:
    """Images of every camera of the card, uint8 (count, K, H, W, 3); equal sizes. Raises DatasetError."""
    return np.stack([dataset.images(episode, camera.name, first, count) for camera in dataset.card.cameras], axis=1)


def _size(cameras: Sequence[CameraSpec]) -> tuple[int, int]:
    """Height and width [pixel]; the same for all cameras of a network."""
    return cameras[0].height, cameras[0].width


def split(
    episodes: Sequence[EpisodeSpan], share: float, steps: int, seed: int
) -> tuple[list[EpisodeSpan], list[EpisodeSpan]]:
    """Episodes for training and validation; those shorter than `steps` are in neither. Recorded ones are not split.

    share: of each dataset's episodes for validation, 0 ... 0.9: at least one in total, and never all of a dataset.
    Raises DatasetError if nothing is left for training.
    """
    long = [span for span in episodes if span.length >= steps]
    recorded = dict[int, list[int]]()
    for dataset, number in dict.fromkeys((span.dataset, span.recorded) for span in long):
        recorded.setdefault(dataset, []).append(number)
    counts = {dataset: min(round(share * len(own)), len(own) - 1) for dataset, own in recorded.items()}
    largest = max(recorded, key=lambda dataset: len(recorded[dataset]), default=None)
    alone = largest is not None and len(recorded) == 1 and len(recorded[largest]) == 1
    if largest is None or (alone and share):
        raise DatasetError(
            f"Of {len(episodes)} episodes, {int(alone)} have the {steps} frames of a window and {int(share > 0)} would "
            "be held out for validation: nothing is left for training. Collect more."
        )
    if share and not any(counts.values()) and len(recorded[largest]) > 1:
        counts[largest] = 1
    held_out = dict[int, frozenset[int]]()
    for dataset, own in recorded.items():
        order = np.random.default_rng([seed, 3]).permutation(len(own))
        held_out[dataset] = frozenset(own[i] for i in order[: counts[dataset]].tolist())
    return parted(long, held_out)


def parted(
    episodes: Sequence[EpisodeSpan], held_out: Mapping[int, Collection[int]]
) -> tuple[list[EpisodeSpan], list[EpisodeSpan]]:
    """Episodes for training and validation. held_out: numbers of recorded episodes of each dataset."""
    parts: tuple[list[EpisodeSpan], list[EpisodeSpan]] = ([], [])
    for span in episodes:
        parts[span.recorded in held_out[span.dataset]].append(span)
    return parts


INDEX, IMAGES = "frames.json", "images.npy"


def cached_frames(directory: Path, datasets: Sequence[LeRobotDataset], say: Say) -> NDArray[np.uint8]:
    """All frames of all cameras in the datasets' order, (N, K, H, W, 3), a memory map. Decoded if missing.

    Raises DatasetError for damaged data or too little disk space, and OSError.
    """
    cameras, index = datasets[0].card.cameras, directory / INDEX
    shape = (sum(dataset.frames for dataset in datasets), len(cameras), *_size(cameras), 3)
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
        return bool(read_object(index, DatasetError).get("fingerprint") == wanted)
    except DatasetError:  # missing or damaged
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
    total, done = sum(map(len, datasets)), 0
    try:
        with (directory / IMAGES).open("wb") as file:  # no memory map: a write into one cannot report a full disk
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for dataset in datasets:
                for episode, part in enumerate(dataset.parts):
                    file.write(all_images(dataset, episode, 0, part.length).data)
                    done += 1
                    say(f"decoding videos, episode {done} of {total}")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error
