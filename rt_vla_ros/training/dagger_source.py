"""Batches from the newest episodes, collected while the policy is trained on them (continuous DAgger)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import SCENE_SIZE, Episode
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.observations.scaled_state import scaled_state
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.training.background import in_background
from rt_vla_ros.training.batch import Batch, Shift, chunk_tokens, draw_shifts, shift_images
from rt_vla_ros.training.collect import ENOUGH, EPISODES, SUFFIX, WEIGHTS, load_episode
from rt_vla_ros.training.data_card import FILE as DATA_CARD
from rt_vla_ros.training.data_card import CollectedEpisodes, data_card
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.paraphrase import paraphrase, training_sentences, zero_unseen_words
from rt_vla_ros.training.settings import TrainingSettings, collected_card, sentence_encoder
from rt_vla_ros.training.settings_file import command
from rt_vla_ros.training.source import BatchSource, Say, SourceDescription
from rt_vla_ros.training.teacher import Teacher, find_teacher
from rt_vla_ros.training.teacher_labels import duration


class ReplayBuffer:
    """A ring buffer of frames with the images of the card's cameras; old ones are overwritten."""

    def __init__(
        self, capacity: int, window: int, card: ActionCard, encoder: LanguageEncoder, *, paraphrase: float = 0.0
    ) -> None:
        """window: time steps. paraphrase: maximum share of an instruction's words to change, 0 ... 1."""
        self.capacity, self._window, self._encoder, self._paraphrase = capacity, window, encoder, paraphrase
        self._card, self._tokenizer = card, ActionTokenizer(card)
        self._size = (card.cameras[0].height, card.cameras[0].width)
        self._images = np.zeros((capacity, len(card.cameras), *self._size, 3), np.uint8)
        self._states = np.zeros((capacity, len(card.state)), np.float32)
        self._tokens = np.zeros((capacity, card.horizon * len(card.dimensions)), np.int64)
        self._scene = np.zeros((capacity, SCENE_SIZE), np.float32)
        self._episode = np.full(capacity, -1, np.int64)
        self._instructions: dict[int, str] = {}
        self._next, self._episodes, self.frames_seen = 0, 0, 0

    def __len__(self) -> int:
        return min(self.frames_seen, self.capacity)

    def add(self, episode: Episode) -> None:
        """Add an episode's frames; one shorter than a window is dropped."""
        if (count := len(episode)) < self._window:
            return
        at = (self._next + np.arange(count)) % self.capacity
        for number, camera in enumerate(self._card.cameras):
            self._images[at, number] = episode.images[camera.name]
        self._tokens[at] = self._chunks(episode)
        self._states[at] = 0 if episode.states is None else scaled_state(episode.states, self._card)
        self._scene[at] = 0 if episode.scene is None else episode.scene
        self._episode[at], self._instructions[self._episodes] = self._episodes, episode.instruction
        self._next = (self._next + count) % self.capacity
        self._episodes += 1
        self.frames_seen += count

    def sample(self, rng: np.random.Generator, count: int, shift: Shift = (0, 0), black_borders: bool = False) -> Batch:
        """`count` windows, randomly shifted by up to `shift`, fractions of height and width, with their image
        positions.

        black_borders: of shifted images; otherwise the edges are repeated.
        Raises ValueError if there are no frames yet.
        """
        if not self.frames_seen:
            raise ValueError("The replay buffer is empty: there are no episodes yet.")
        starts = self._starts(rng, count)
        at = (starts[:, None] + np.arange(self._window)) % self.capacity  # (B, T)
        images, scene = self._images[at], self._scene[at]
        if any(shift):
            shifts = draw_shifts(rng, (count, len(self._card.cameras)), shift, self._size)
            shift_images(images, scene, shifts, black_borders)
        instructions = [self._instructions[i] for i in self._episode[starts]]
        if self._paraphrase:
            instructions = [paraphrase(text, rng, self._paraphrase) for text in instructions]
        sentences = np.stack([self._encoder.encode(text) for text in instructions])
        return Batch(images, sentences, self._tokens[at], scene, self._states[at])

    def _chunks(self, episode: Episode) -> NDArray[np.int64]:
        """Tokens (N, H * D)."""
        if episode.chunks is None:
            return chunk_tokens(self._tokenizer.encode(episode.values), self._card.horizon)
        return self._tokenizer.encode(episode.chunks).reshape(len(episode), -1)

    def _starts(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        chosen: list[int] = []
        while len(chosen) < count:
            start = rng.integers(0, len(self), count)
            end = (start + self._window - 1) % self.capacity
            whole = (self._episode[start] == self._episode[end]) & (self._episode[start] >= 0)
            chosen.extend(start[whole].tolist())
        return np.array(chosen[:count])


READ_INTERVAL = 10  # steps between two looks for new episodes
MAX_LAG = 1.5  # times `reuse` at which the learner waits for the collectors
ORIGIN = """\
Episodes on the simulated table, collected while the policy was trained (continuous DAgger). They are not kept;
`{command}` collects them again, with the same scenes; the trajectories depend on the policy's versions in that run."""
METHOD = """\
Continuous DAgger: {expert} labels every state that the policy visits.
{frames:,} different images were collected by {collectors} process(es). Auxiliary heads predict the positions of target
and tool in training; they are not part of the checkpoint.
{words}
`DATA_CARD.md` describes the episodes, and what is held out."""
SCRIPTED = "a scripted expert, a function of the simulator's state,"
TAUGHT = "instead of a scripted expert, the teacher {}"
LIMITS = """\
- It knows one skill, picking up one of the table's objects, and the words of that: colors red, orange, yellow, green,
  cyan, blue, purple; shapes {shapes}. Other words are ignored: it will pick
  some object, or not move.
- It was trained only on this simulator's table, camera, lighting and gripper. It is not suited for a real arm.
- It does not notice if the named object is missing."""


class DaggerSource(BatchSource):
    """Random windows of the newest episodes that collectors wrote to the run's directory."""

    def __init__(
        self,
        settings: TrainingSettings,
        recipe: str,
        check: Callable[[], None] = lambda: None,
        remote: RemoteSettings | None = None,
    ) -> None:
        """recipe: its name, for the cards. check: called while waiting for episodes; raises if none will come.

        remote: for the settings' teacher, see load_policy. Raises ValueError for an unusable one.
        """
        if settings.dagger is None:
            raise ValueError("These settings are for training from datasets; a recipe needs the group dagger.")
        self.settings, self.dagger, self._recipe, self.check_collectors = settings, settings.dagger, recipe, check
        self.card = collected_card(settings)
        self.teacher: Teacher | None = None
        if settings.teacher:
            self.teacher = find_teacher(settings.teacher, remote)
            self.identity = self.teacher.identity
        self._outcomes: deque[bool] = deque(maxlen=100)
        self._read: set[str] = set()
        self._last_published: int | None = None

    def check(self, config: RT1Config) -> TrainingSettings:
        """Raises ValueError for episodes that are shorter than a window, and a teacher that does not fit them."""
        if self.teacher is not None:
            self.teacher.check(self.card, "the simulated arm with this network")
        self._window = int(config.time_sequence_length)
        if self.dagger.episode_steps < self._window:
            raise ValueError(
                f"dagger.episode_steps is {self.dagger.episode_steps} and network.time_sequence_length {self._window}; "
                "an episode must be at least as long as a window."
            )
        sentence_encoder(self.settings, config)
        return self.settings

    def prepare(self, directory: Path, config: RT1Config, say: Say) -> None:
        self._directory, encoder = directory, sentence_encoder(self.settings, config)
        if self.teacher is not None:
            self.teacher.check_place(directory)
        paraphrase = 0.0 if self.settings.language else self.dagger.paraphrase
        self.replay = ReplayBuffer(self.dagger.capacity, self._window, self.card, encoder, paraphrase=paraphrase)
        self.collected = CollectedEpisodes(directory)

    def _images(self, steps: int) -> int:
        """Images trained on after this many steps."""
        return steps * self.settings.batch_size * self._window

    def batches(self, first_step: int, say: Say) -> Iterator[Iterable[Batch]]:
        settings = self.settings
        rng, shift = np.random.default_rng([settings.seed, first_step]), (settings.shift_rows, settings.shift_columns)
        for step in range(first_step, settings.steps):
            if (step - first_step) % READ_INTERVAL == 0:
                self._wait_for_frames(step, say)
            count = settings.batch_size // settings.micro_batch
            drawn = (settings.micro_batch, shift, settings.black_borders)
            yield [self.replay.sample(rng, *drawn) for _ in range(count)]

    def after_step(self, learner: Learner) -> None:
        """Publish a new version of the policy for the collectors from time to time."""
        images = self._images(learner.steps)
        if self._last_published is None:
            self._last_published = self._images(learner.steps - 1)
        if images > self.dagger.learner_after and images - self._last_published > self.dagger.publish_images:
            learner.publish(self._directory / WEIGHTS)
            self._last_published = images

    def metrics(self, learner: Learner) -> dict[str, float]:
        """Success rate of the last episodes in which the policy acted alone, if any."""
        return {"learner_success": float(np.mean(self._outcomes))} if self._outcomes else {}

    def finish(self, model: RT1Model) -> None:
        if not self.settings.language:
            sentences = training_sentences(self.dagger.all_suites, paraphrased=self.dagger.paraphrase > 0)
            zero_unseen_words(model, sentences)

    def save(self) -> None:
        self.collected.save()

    def files(self) -> Mapping[str, str | Path]:
        card = data_card(
            self.collected.counts,
            title=f"Training data of {self.settings.preset}",
            origin=ORIGIN.format(command=command(self.settings, self._recipe)),
            suites=self.dagger.all_suites,
            card=self.card,
            teacher="" if self.teacher is None else self.teacher.name,
        )
        return {DATA_CARD: card} | ({TABLE_FILE: Path(self.settings.language)} if self.settings.language else {})

    def describe(self) -> SourceDescription:
        paraphrased = self.dagger.paraphrase > 0
        words = "Instructions were randomly shortened, with random synonyms of shapes.\n" * paraphrased
        words += "The embeddings of words that do not occur in training were set to zero: such words are ignored."
        if self.settings.language:
            words = "Sentence embeddings come from a table in the checkpoint; other sentences are rejected."
        shapes = "cube (block, box), cylinder (can, tube), ball (sphere)" if paraphrased else "cube, cylinder, ball"
        counts, teacher = {"frames": self.collected.frames, "collectors": self.dagger.collectors}, self.teacher
        expert = SCRIPTED if teacher is None else TAUGHT.format(teacher.described)
        return SourceDescription(
            command(self.settings, self._recipe),
            METHOD.format(expert=expert, words=words, **counts),
            LIMITS.format(shapes=shapes),
            **({"license": teacher.license} if teacher else {}),
        )

    def is_short_of_frames(self, step: int) -> bool:
        """Whether there are far fewer frames than required by the settings at this step."""
        most = self.collected.frames * self.dagger.reuse * MAX_LAG
        return len(self.replay) < self.dagger.first_frames or most < self._images(step)

    def read_episodes(self, step: int) -> None:
        """Add new episodes; files that no longer fit into the replay buffer are deleted."""
        names = sorted((self._directory / EPISODES).glob(f"*{SUFFIX}"), key=lambda path: path.stem.split("_")[::-1])
        for path in (path for path in names if path.name not in self._read):
            self._read.add(path.name)
            try:
                episode = load_episode(path, self.card)
                self.replay.add(episode)
                self.collected.add(path, episode)
                if episode.leader == "learner":
                    self._outcomes.append(episode.success)
            except ValueError as error:
                print(f"Skipped: {error}", flush=True)
        wanted = self.dagger.first_frames + self._images(step) / self.dagger.reuse
        if self.collected.frames > wanted and len(self.replay) >= self.dagger.first_frames:
            (self._directory / ENOUGH).touch()
        else:
            (self._directory / ENOUGH).unlink(missing_ok=True)
        mean = self.replay.frames_seen / max(1, len(self._read))
        success = f"{np.mean(self._outcomes):.0%} of {len(self._outcomes)}" if self._outcomes else "none yet"
        self.status = f"{self.collected.frames:,} frames  policy success {success}"
        for path in names[: max(0, len(names) - int(self.dagger.capacity / max(mean, 1)))]:
            path.unlink()

    def _wait_for_frames(self, step: int, say: Say) -> None:
        self.read_episodes(step)
        started, before = time.monotonic(), len(self.replay)
        while self.is_short_of_frames(step):
            self.check_collectors()
            if (there := len(self.replay)) < (wanted := self.dagger.first_frames):
                left = (time.monotonic() - started) * (wanted - there) / max(there - before, 1)
                when = f", {duration(left)} left" if there > before else ""
                say(f"collecting the first frames: {there:,} of {wanted:,}{when}")
            time.sleep(0.5)
            self.read_episodes(step)


def collectors(
    directory: Path, count: int, device: str = "auto", remote: RemoteSettings | None = None
) -> AbstractContextManager[Callable[[], None]]:
    """Context with running collector processes. The returned function raises ValueError if one of them has ended.

    device, remote: to load the settings' teacher with, see load_policy.
    """
    (directory / ENOUGH).unlink(missing_ok=True)
    command = [sys.executable, "-m", "rt_vla_ros.training.collect", "--run", str(directory)]
    command += ["--parent", str(os.getpid()), "--device", device]
    command += [] if remote is None else ["--remote", json.dumps(asdict(remote))]
    return in_background([[*command, "--number", str(number)] for number in range(count)], directory)
