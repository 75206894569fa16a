"""Train a policy on the simulated arm from nothing: collectors play, this process learns (continuous DAgger)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch

from rt_vla_ros.evaluation.evaluate import Evaluation, evaluate
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.language.instruction_table import TABLE_FILE
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.suites import EVALUATION_SUITES
from rt_vla_ros.training.collect import ENOUGH, EPISODES, WEIGHTS
from rt_vla_ros.training.data_card import FILE as DATA_CARD
from rt_vla_ros.training.data_card import data_card
from rt_vla_ros.training.episode_file import SUFFIX, RecordedEpisode
from rt_vla_ros.training.learner import STATE, Learner, Losses
from rt_vla_ros.training.model_card import model_card
from rt_vla_ros.training.played_episodes import PlayedEpisodes
from rt_vla_ros.training.recipe import Recipe, check_seed
from rt_vla_ros.training.recipe_settings import command, network_config, save_recipe, sentence_encoder
from rt_vla_ros.training.replay import Replay
from rt_vla_ros.training.run_log import RunLog
from rt_vla_ros.training.saving import saving
from rt_vla_ros.training.unheard_words import heard_sentences, silence_unheard_words

REPORT, SAVE = 20.0, 180.0  # [s] between progress lines and between saved states
FIRST = 5.0  # [s] between lines while the first frames are played
EVALUATION_SEED = 0
ORIGIN = """\
Episodes on the simulated table, played while the policy learned (continuous DAgger). They are not kept; `{command}`
plays them anew. The scenes are the same then, what happens on them depends on the policy's versions of that run."""
MOST_BEHIND = 1.5  # times the recipe's reuse of a frame at which the learner waits


class Run:
    """A training run in its directory; starting it again carries on from the last saved state."""

    def __init__(
        self, directory: Path, out: Path, recipe_name: str, recipe: Recipe, *, seed: int = 0, collectors: int = 1
    ) -> None:
        """directory: for episodes and state. out: of the checkpoint, written now and then and at the end.

        Raises ValueError for a directory with a run of other settings, or settings that no run can be made of.
        """
        self.directory, self.out = directory, out
        self.recipe_name, self.recipe, self.seed, self.collectors = recipe_name, recipe, seed, collectors
        check_seed(seed)
        config = network_config(recipe)
        if recipe.episode_steps < config.time_sequence_length:
            raise ValueError(
                f"episode_steps is {recipe.episode_steps} and network.time_sequence_length "
                f"{config.time_sequence_length}; an episode must be as long as a history at least."
            )
        encoder = sentence_encoder(recipe, config)
        directory.mkdir(parents=True, exist_ok=True)
        save_recipe(directory, recipe, seed, collectors)
        self.learner = Learner(recipe, seed, config=config)
        self.steps_per_window = config.time_sequence_length
        self.replay = Replay(
            recipe.replay,
            config.time_sequence_length,
            encoder,
            config.image_size,
            config.num_action_tokens,
            wording=0.0 if recipe.language else recipe.wording,
        )
        self.seconds_before = self.learner.load(directory) if (directory / STATE).exists() else 0.0
        self.started, self._saved_seconds = time.monotonic(), self.seconds_before
        self._rng = np.random.default_rng([seed, self.learner.steps])
        self._read: set[str] = set()
        self._outcomes: deque[bool] = deque(maxlen=100)
        self.played = PlayedEpisodes(directory)
        self._recent: deque[Losses] = deque(maxlen=100)
        self._reported, self._reported_steps = self.seconds, self.learner.steps
        self._said_first = float("-inf")
        self.log = RunLog(directory, self.learner.steps)

    @property
    def seconds(self) -> float:
        """Wall time of the run, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """0 ... 1."""
        return self.learner.steps / self.recipe.steps

    @property
    def images(self) -> int:
        """Images learned from so far."""
        return self.learner.steps * self.recipe.windows * int(self.steps_per_window)

    @property
    def collectors_are_behind(self) -> bool:
        """Whether there are far fewer frames than the recipe wants for what was learned so far."""
        return self.played.frames * self.recipe.reuse * MOST_BEHIND < self.images

    def train(self, check: Callable[[], None] = lambda: None) -> None:
        """Learn until the recipe's last step; a run that is there already is left as it is.

        check: called where episodes have to be waited for; raises where none will come. Raises TrainingError where
        something cannot be written; what was saved before stands.
        """
        published, saved = self.images, self.seconds
        if self.progress >= 1:
            return
        while self.progress < 1:
            self.read_episodes()
            if len(self.replay) < self.recipe.first_frames or self.collectors_are_behind:
                check()
                self._say_first_frames()
                time.sleep(0.5)
                continue
            for _ in range(min(10, self.recipe.steps - self.learner.steps)):
                batch = self.replay.sample(self._rng, self.recipe.windows, self.recipe.shift)
                self._recent.append(self.learner.step(batch, self.progress))
            if self.images > self.recipe.learner_after and self.images - published > self.recipe.publish:
                with self._saving("The newest policy"):
                    self.learner.publish(self.directory / WEIGHTS)
                published = self.images
            if self.seconds - saved > SAVE:
                self._save()
                saved = self.seconds
            if self.seconds - self._reported > REPORT:
                self._report()
        if self._reported_steps < self.learner.steps:
            self._report()
        self._save()

    def _save(self) -> None:
        with self._saving(f"Step {self.learner.steps}"):
            self.played.save()
            self._saved_seconds = self.seconds
            self.learner.save(self.directory, self._saved_seconds)
            self.write_checkpoint()
            self.log.save(f"{self.recipe_name}: how it went")

    def _saving(self, what: str) -> AbstractContextManager[None]:
        stands = f"the last checkpoint in {self.out}" if self.out.is_dir() else "there is no checkpoint yet"
        return saving(what, self.directory, stands)

    def write_checkpoint(self, evaluations: Sequence[Evaluation] = (), sha256: str | None = None) -> None:
        """The averaged weights as a policy that can be loaded, described by its model card."""
        model = self.learner.averaged_model()
        if not self.recipe.language:
            suites = (*self.recipe.suites, *self.recipe.later_suites)
            silence_unheard_words(model, heard_sentences(suites, otherwise=self.recipe.wording > 0))
        text = model_card(
            self.recipe_name,
            self.recipe,
            seed=self.seed,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            window=self.steps_per_window,
            steps=self.learner.steps,
            images=self.images,
            frames=self.played.frames,
            collectors=self.collectors,
            seconds=self._saved_seconds,
            evaluations=evaluations,
            sha256=sha256,
        )
        card = tabletop_card(self.recipe.preset, image_size=model.config.image_size)
        beside: dict[str, str | Path] = {DATA_CARD: self._data_card(model.config.image_size)}
        if self.recipe.language:
            beside[TABLE_FILE] = Path(self.recipe.language)
        save_checkpoint(self.out, model, card, text, beside=beside)

    def _data_card(self, image_size: int) -> str:
        how = command(self.recipe_name, self.recipe, self.seed, self.collectors)
        return data_card(
            self.played.counts,
            title=f"What {self.recipe.preset} learned from",
            origin=ORIGIN.format(command=how),
            suites=(*self.recipe.suites, *self.recipe.later_suites),
            image_size=image_size,
        )

    def evaluate(self, episodes: int) -> None:
        """Measure the checkpoint on all suites for measuring, and write the figures into its model card."""
        policy, results = load_policy(str(self.out), device="cpu"), []
        for suite in EVALUATION_SUITES:
            results.append(evaluate(policy, suite, episodes, EVALUATION_SEED))
            print(f"{suite}: {results[-1].successes} of {episodes}", flush=True)
        with self._saving("The measured figures"):
            self.write_checkpoint(results, checkpoint_hash(str(self.out)))

    def read_episodes(self) -> None:
        """Take over new episodes; files that no longer fit into the replay are deleted."""
        names = sorted((self.directory / EPISODES).glob(f"*{SUFFIX}"), key=lambda path: path.stem.split("_")[::-1])
        fresh = [path for path in names if path.name not in self._read]
        for path in fresh:
            self._read.add(path.name)
            try:
                self._take(path, RecordedEpisode.load(path))
            except ValueError as error:
                print(f"Left out: {error}", flush=True)
        wanted = self.recipe.first_frames + self.images / self.recipe.reuse
        if self.played.frames > wanted and len(self.replay) >= self.recipe.first_frames:
            (self.directory / ENOUGH).touch()
        else:
            (self.directory / ENOUGH).unlink(missing_ok=True)
        mean = self.replay.frames_seen / max(1, len(self._read))
        for path in names[: max(0, len(names) - int(self.recipe.replay / max(mean, 1)))]:
            path.unlink()

    def _take(self, path: Path, episode: RecordedEpisode) -> None:
        self.replay.add(episode)
        self.played.add(path, episode)
        if episode.leader == "learner":
            self._outcomes.append(episode.success)

    def _say_first_frames(self) -> None:
        there, wanted = len(self.replay), self.recipe.first_frames
        if there < wanted and self.seconds - self._said_first >= FIRST:
            self._said_first = self.seconds
            print(f"The first frames are being played: {there:,} of {wanted:,}", flush=True)

    def _report(self) -> None:
        seconds, steps = self.seconds, self.learner.steps
        rate = (steps - self._reported_steps) * self.recipe.windows * self.steps_per_window / (seconds - self._reported)
        self._reported, self._reported_steps = seconds, steps
        mean = {
            key: np.mean([getattr(losses, key) for losses in self._recent])
            for key in ("action", "heatmap", "position", "target_error")
        }
        dimensions = np.mean([losses.dimensions for losses in self._recent], axis=0)
        alone = float(np.mean(self._outcomes)) if self._outcomes else None
        self.log.add(steps, seconds, float(mean["action"]), alone)
        success = "none yet" if alone is None else f"{alone:.0%} of {len(self._outcomes)}"
        print(
            f"{seconds / 60:5.1f} min  images {self.images:>8,} ({rate:3.0f}/s)  loss {mean['action']:.3f} "
            f"[{' '.join(f'{value:.2f}' for value in dimensions)}]  heatmap {mean['heatmap']:.2f}  "
            f"target {100 * mean['target_error']:.1f} cm  lr {self.learner.learning_rate(self.progress):.1e}  "
            f"frames {self.played.frames:,} of {dict(self.played.counts.episodes)}  success alone {success}",
            flush=True,
        )


def train_by_recipe(
    name: str,
    recipe: Recipe,
    directory: Path,
    out: Path,
    *,
    seed: int = 0,
    episodes: int = 100,
    collectors: int = 1,
    threads: int = 1,
) -> None:
    """Train from nothing, or carry on in a directory that holds such a run.

    name: of the recipe, for the model card. directory: for episodes and state. out: of the checkpoint. episodes: per
    suite that are evaluated at the end, 0 for none. collectors: processes that play. threads: of this process.
    Raises ValueError for a directory with a run of other settings.
    """
    torch.set_num_threads(threads)
    run = Run(directory, out, name, recipe, seed=seed, collectors=collectors)
    (directory / ENOUGH).unlink(missing_ok=True)
    players = [_start_collector(directory, number, seed) for number in range(collectors)]

    def check_players() -> None:
        ended = [player.returncode for player in players if player.poll() is not None]
        if ended:
            raise ValueError(
                f"A process that plays episodes has ended (status {ended[0]}); what it said is above. The same command "
                f"carries on from what is in {directory}."
            )

    try:
        run.train(check_players)
    finally:
        for player in players:
            player.terminate()
            player.wait()
    if episodes:
        run.evaluate(episodes)
    print(f"Wrote {out}")


def _start_collector(run: Path, number: int, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rt_vla_ros.training.collect"]
    command += ["--run", str(run), "--number", str(number), "--seed", str(seed), "--parent", str(os.getpid())]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is inherited: Ctrl-C is for this process alone
    try:
        return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    finally:
        signal.signal(signal.SIGINT, before)
