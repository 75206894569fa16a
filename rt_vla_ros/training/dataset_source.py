"""Batches from datasets, prefetched in threads, with videos decoded on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rt_vla_ros.action_space.plausibility import table
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.frame_weights import ALL_ALIKE, FrameWeighting, effect, set_names
from rt_vla_ros.data.held_out_episodes import HELD_OUT_FILE, EpisodeSplit, read_split, split_text
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import SCENE
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.loss import IGNORED
from rt_vla_ros.training.batch import Batch
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.distributed import SINGLE_PROCESS, ProcessGroup
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.run import CHECKPOINT
from rt_vla_ros.training.settings import TrainingSettings, sentence_encoder
from rt_vla_ros.training.source import BatchSource, Say, SourceDescription
from rt_vla_ros.training.teacher import Teacher, find_teacher
from rt_vla_ros.training.teacher_labels import TaughtActions, agreement, taught_actions
from rt_vla_ros.training.windows import WindowDataset, cached_frames, parted, split

FRAMES, TEACHER = "frames", "teacher"
VALIDATION_WINDOWS = 256  # that a validation looks at, at most
METHOD = """\
Imitation learning (behavior cloning) on {datasets}: {training} episodes for training, {validation} held out,
{frames:,} frames in all. Use of the card's ranges by the {actions} actions; values outside are clipped:

{use}"""
DISTILLATION = (
    "Distillation: the teacher's actions are learned instead of the recorded ones. The teacher is {teacher}.\n"
)
LIMITS = """\
- It is limited to its datasets{teacher}.
- The loss measures how well the {actions} actions are predicted, not the success rate."""
BY_COMMANDERS = (
    "With --teacher all actions are the teacher's, so frames cannot be selected or weighted by who commanded them. "
    "Leave out --intervention-weight, --before-takeover and --commanders."
)


class DatasetSource(BatchSource):
    """Random windows of the datasets' episodes, determined by the step, also after resuming."""

    def __init__(
        self,
        datasets: Sequence[LeRobotDataset],
        settings: TrainingSettings,
        group: ProcessGroup = SINGLE_PROCESS,
        *,
        weighting: FrameWeighting = ALL_ALIKE,
        cache_frames: bool = False,
        num_workers: int = 1,
        device: str = "auto",
        remote: RemoteSettings | None = None,
    ) -> None:
        """cache_frames: decode all frames into a file first. num_workers: prefetching threads.

        device, remote: to load the settings' teacher with, see load_policy. Raises ValueError for an unusable one.
        """
        self.settings, self._datasets, self._group = settings, datasets, group
        self._weighting, self._cache_frames, self._num_workers = weighting, cache_frames, num_workers
        card = datasets[0].card
        if "horizon" in settings.network:  # a dataset's actions are of single steps, whatever is predicted at once
            card = card.with_horizon(RT1Config.preset(settings.preset, **settings.network).horizon)
        self.card = replace(card, name=f"{settings.preset}, {card.name}")
        rules = str(weighting)
        self.identity, self.status = fingerprint(datasets) + (f" ({rules})" if rules else ""), "validation -"
        self.teacher: Teacher | None = None
        self._device, self._agreement = device, ""
        if settings.teacher:
            self.teacher = find_teacher(settings.teacher, remote)
            self.identity += f", {self.teacher.identity}"

    def check(self, config: RT1Config) -> TrainingSettings:
        """Without auxiliary losses if the data has no targets for them.

        Raises TrainingError if they are requested anyway, and for a teacher that does not fit the datasets;
        DistributedError for an indivisible batch.
        """
        settings = self.settings
        if self.teacher is not None:
            self.teacher.check(self.card, f"the dataset {self._datasets[0].directory}")
            if replace(self._weighting, datasets=()) != ALL_ALIKE:
                raise TrainingError(BY_COMMANDERS)
        self._group.shard(settings.micro_batch)
        names = ("heatmap_weight", "position_weight")
        asked = [name for name in settings.changed_by_user(names) if getattr(settings, name)]
        blind = [str(one.directory) for one in self._datasets if SCENE not in one.info["features"]]
        padded = config.history_start == "zero_frames"
        if asked and (padded or blind):
            why = "windows that start with black images (network.history_start zero_frames)"
            why = f"{', '.join(blind)} without the column {SCENE!r}" if blind else why
            raise TrainingError(
                f"{asked[0]} is {getattr(settings, asked[0])}, but the auxiliary losses have no targets in {why}. "
                "Leave the setting out, or collect episodes with rt-vla collect."
            )
        if padded or blind:
            self.settings = replace(settings, heatmap_weight=0.0, position_weight=0.0)
        return self.settings

    def prepare(self, directory: Path, config: RT1Config, say: Say) -> None:
        window = int(config.time_sequence_length)
        self._padding = window - 1 if config.history_start == "zero_frames" else 0
        encoder = sentence_encoder(self.settings, config)
        self.windows = WindowDataset(
            self._datasets,
            window,
            encoder,
            horizon=self.card.horizon,
            weighting=self._weighting,
            taught=self._taught(directory, say),
        )
        if self._cache_frames:
            self.windows.use_cache(cached_frames(directory / FRAMES, self._datasets, say))
        least = window - self._padding
        usable = [
            one for one in self.windows.episodes if one.length < least or self.windows.is_learned(one, self._padding)
        ]
        known = self._known_splits(directory / CHECKPOINT)
        if known is None:
            self.training, self.validation = split(usable, self.settings.validation, least, self.settings.seed)
        else:
            there = [one for one in usable if one.recorded in known[one.dataset].training | known[one.dataset].held_out]
            held_out = {number: one.held_out for number, one in enumerate(known)}
            self.training, self.validation = parted([one for one in there if one.length >= least], held_out)

    def _taught(self, directory: Path, say: Say) -> TaughtActions | None:
        """The teacher's actions, from the run's directory."""
        if self.teacher is None:
            return None
        self.teacher.check_place(directory)
        taught = taught_actions(directory / TEACHER, self._datasets, self.teacher, self._device, say)
        self._agreement = agreement(self._datasets, taught, self.teacher)
        return taught

    def _known_splits(self, checkpoint: Path) -> list[EpisodeSplit] | None:
        """The split of a resumed run, also of one that drew its episodes by an earlier rule; None for a new one."""
        found = [read_split(checkpoint, dataset) for dataset in self._datasets]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def effect(self) -> list[str]:
        """Sentences on the teacher's labels, and on the frames used of each dataset and their shares in the windows."""
        used, draws = {span.index for span in self.training}, list[list[NDArray[np.float64]]]()
        for number in range(len(self._datasets)):
            own = [span for span in self.windows.episodes if span.dataset == number]
            draws.append(
                [
                    self.windows.draws(span, self._padding) if span.index in used else np.zeros(span.length)
                    for span in own
                ]
            )
        labels = [self._agreement] if self._agreement else []
        return labels + effect(set_names(self._datasets), self.windows.learned, draws)

    def batches(self, first_step: int, say: Say) -> Iterator[Iterable[Batch]]:
        made = prefetch(self._calls(first_step), self._num_workers)
        for step in range(first_step, self.settings.steps):
            yield self._one_step(made, step, say)

    def _one_step(self, made: Iterator[Batch], step: int, say: Say) -> Iterator[Batch]:
        micro, size = self.settings.micro_batch, self.settings.batch_size
        for done, batch in enumerate(islice(made, size // micro), 1):
            yield batch
            if done * micro < size:
                say(f"step {step + 1:,}: {done * micro:,} of {size:,} windows")

    def _calls(self, first_step: int) -> Iterator[Callable[[], Batch]]:
        settings, own = self.settings, self._group.shard(self.settings.micro_batch)
        for step in range(first_step, settings.steps):
            rng, shift = np.random.default_rng([settings.seed, 4, step]), (settings.shift_rows, settings.shift_columns)
            indices = self.windows.draw(self.training, rng, settings.batch_size, padding=self._padding, shift=shift)
            for first in range(0, settings.batch_size, settings.micro_batch):
                part = indices.part(slice(first + own.start, first + own.stop))
                yield partial(self.windows.batch, part, black_borders=settings.black_borders)

    def metrics(self, learner: Learner) -> dict[str, float]:
        """Validation of the averaged weights: loss, and share of tokens within 4 bins (modes: 0)."""
        if not self.validation:
            return {}
        model, rng = learner.ema_model(), np.random.default_rng([self.settings.seed, 5])
        wide = torch.tensor([0 if d.role == "terminate" else 4 for d in self.card.dimensions] * self.card.horizon)
        losses, hits = [], []
        count = min(self.settings.micro_batch, VALIDATION_WINDOWS)
        for _ in range(max(1, min(VALIDATION_WINDOWS, 4 * len(self.validation)) // count)):
            batch = self.windows.batch(self.windows.draw(self.validation, rng, count, padding=self._padding))
            loss, chosen = learner.evaluate(model, batch)
            losses.append(loss)
            tokens = torch.from_numpy(batch.targets)
            near = (chosen - tokens).abs() <= wide
            hits.append(float(near[tokens != IGNORED].float().mean()))
        loss = float(np.mean(losses))
        self.status = f"validation {loss:.3f}"
        return {"validation": loss, "token_accuracy": float(np.mean(hits))}

    def files(self) -> Mapping[str, str | Path]:
        found: dict[str, str | Path] = {HELD_OUT_FILE: split_text(self._splits())}
        return found | ({TABLE_FILE: Path(self.settings.language)} if self.settings.language else {})

    def _splits(self) -> Iterator[EpisodeSplit]:
        for number, dataset in enumerate(self._datasets):
            own, held = (
                frozenset(span.recorded for span in spans if span.dataset == number)
                for spans in (self.training, self.validation)
            )
            yield EpisodeSplit(dataset, own, held)

    def describe(self) -> SourceDescription:
        counts: dict[str, object] = {"use": table(self.windows.use)}
        counts |= {"training": len(self.training), "validation": len(self.validation), "frames": self.windows.frames}
        names = ", ".join(f"`{dataset.directory.name}`" for dataset in self._datasets)
        teacher = self.teacher
        actions = "recorded" if teacher is None else "teacher's"
        method = METHOD.format(datasets=names, actions=actions, **counts)
        if teacher is not None:
            method = DISTILLATION.format(teacher=teacher.described) + method
        learned = "".join(f"\n- {sentence}" for sentence in self.effect())
        command = f"rt-vla train rt1 --data ... {f'--teacher {teacher.name} ' if teacher else ''}--out DIR"
        limits = LIMITS.format(teacher=" and its teacher" if teacher else "", actions=actions)
        method += f"\n{learned}" * bool(learned)
        return SourceDescription(command, method, limits, **({"license": teacher.license} if teacher else {}))


T = TypeVar("T")


def prefetch(calls: Iterable[Callable[[], T]], workers: int = 1) -> Iterator[T]:
    """Results of the calls, in order; `workers` threads compute that many ahead. Their errors are raised here."""
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
