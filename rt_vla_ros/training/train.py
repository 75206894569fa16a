"""Train a policy on the simulated arm from nothing: collectors play, this process learns (continuous DAgger).

python -m rt_vla_ros.training.train --recipe rt1-mini --run runs/mini --out runs/mini/checkpoint
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rt_vla_ros.evaluation.evaluate import Evaluation, evaluate
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.policies.cards import tabletop_card
from rt_vla_ros.policies.checkpoint import save_checkpoint
from rt_vla_ros.policies.registry import load_policy
from rt_vla_ros.training.collect import ENOUGH, EPISODES, WEIGHTS
from rt_vla_ros.training.episode_file import SUFFIX, RecordedEpisode
from rt_vla_ros.training.learner import STATE, Learner, Losses
from rt_vla_ros.training.model_card import model_card
from rt_vla_ros.training.recipe import RECIPES, Recipe
from rt_vla_ros.training.replay import Replay
from rt_vla_ros.training.unheard_words import heard_sentences, silence_unheard_words

REPORT, SAVE = 20.0, 180.0  # [s] between progress lines and between saved states
EVALUATION_SEED = 0


class Run:
    """A training run in its directory; starting it again carries on from the last saved state."""

    def __init__(self, directory: Path, out: Path, recipe_name: str, recipe: Recipe, seed: int) -> None:
        """directory: for episodes and state. out: of the checkpoint, written now and then and at the end."""
        self.directory, self.out = directory, out
        self.recipe_name, self.recipe, self.seed = recipe_name, recipe, seed
        self.learner = Learner(recipe, seed)
        config = self.learner.model.config
        self.steps_per_window = config.time_sequence_length
        self.replay = Replay(
            recipe.replay,
            config.time_sequence_length,
            HashedWords(config.word_buckets),
            config.image_size,
            config.num_action_tokens,
        )
        self.seconds_before = self.learner.load(directory) if (directory / STATE).exists() else 0.0
        self.started = time.monotonic()
        self._rng = np.random.default_rng([seed, self.learner.steps])
        self._read: set[str] = set()
        self._outcomes: deque[bool] = deque(maxlen=100)
        self._leaders: Counter[str] = Counter()
        self._recent: deque[Losses] = deque(maxlen=100)
        self._reported, self._reported_steps = self.seconds, self.learner.steps

    @property
    def seconds(self) -> float:
        """Wall time of the run, earlier sittings included."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """0 ... 1."""
        return self.seconds / (60 * self.recipe.minutes)

    @property
    def images(self) -> int:
        """Images learned from so far."""
        return self.learner.steps * self.recipe.windows * int(self.steps_per_window)

    def train(self) -> None:
        """Learn until the recipe's time is over."""
        published = saved = self.seconds
        while self.progress < 1:
            self._read_episodes()
            if len(self.replay) < self.recipe.first_frames:
                time.sleep(0.5)
                continue
            for _ in range(10):
                batch = self.replay.sample(self._rng, self.recipe.windows, self.recipe.shift)
                self._recent.append(self.learner.step(batch, self.progress))
            if self.images > self.recipe.learner_after and self.seconds - published > self.recipe.publish:
                self.learner.publish(self.directory / WEIGHTS)
                published = self.seconds
            if self.seconds - saved > SAVE:
                self.learner.save(self.directory, self.seconds)
                self.write_checkpoint()
                saved = self.seconds
            if self.seconds - self._reported > REPORT:
                self._report()
        self.learner.save(self.directory, self.seconds)
        self.write_checkpoint()

    def write_checkpoint(self, evaluations: Sequence[Evaluation] = ()) -> None:
        """The averaged weights as a policy that can be loaded, described by its model card."""
        model = self.learner.averaged_model()
        silence_unheard_words(model, heard_sentences((*self.recipe.suites, *self.recipe.later_suites)))
        text = model_card(
            self.recipe_name,
            self.recipe,
            seed=self.seed,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            window=self.steps_per_window,
            images=self.images,
            frames=self.replay.frames_seen,
            seconds=min(self.seconds, 60 * self.recipe.minutes),
            evaluations=evaluations,
        )
        save_checkpoint(self.out, model, tabletop_card(self.recipe.preset), text)

    def evaluate(self, episodes: int) -> None:
        """Measure the checkpoint on the recipe's suites and write the figures into its model card."""
        policy, results = load_policy(str(self.out), device="cpu"), []
        for suite in self.recipe.suites:
            results.append(evaluate(policy, suite, episodes, EVALUATION_SEED))
            print(f"{suite}: {results[-1].successes} of {episodes}", flush=True)
        self.write_checkpoint(results)

    def _read_episodes(self) -> None:
        """Take over new episodes; files that no longer fit into the replay are deleted."""
        names = sorted((self.directory / EPISODES).glob(f"*{SUFFIX}"), key=lambda path: path.stem.split("_")[::-1])
        fresh = [path for path in names if path.name not in self._read]
        for path in fresh:
            self._read.add(path.name)
            try:
                self._take(RecordedEpisode.load(path))
            except ValueError as error:
                print(f"Left out: {error}", flush=True)
        wanted = self.recipe.first_frames + self.images / self.recipe.reuse
        if self.replay.frames_seen > wanted:
            (self.directory / ENOUGH).touch()
        else:
            (self.directory / ENOUGH).unlink(missing_ok=True)
        mean = self.replay.frames_seen / max(1, len(self._read))
        for path in names[: max(0, len(names) - int(self.recipe.replay / max(mean, 1)))]:
            path.unlink()

    def _take(self, episode: RecordedEpisode) -> None:
        self.replay.add(episode)
        self._leaders[episode.leader] += 1
        if episode.leader == "learner":
            self._outcomes.append(episode.success)

    def _report(self) -> None:
        seconds, steps = self.seconds, self.learner.steps
        rate = (steps - self._reported_steps) * self.recipe.windows * self.steps_per_window / (seconds - self._reported)
        self._reported, self._reported_steps = seconds, steps
        mean = {
            key: np.mean([getattr(losses, key) for losses in self._recent])
            for key in ("action", "heatmap", "position", "target_error")
        }
        dimensions = np.mean([losses.dimensions for losses in self._recent], axis=0)
        success = f"{np.mean(self._outcomes):.0%} of {len(self._outcomes)}" if self._outcomes else "none yet"
        print(
            f"{seconds / 60:5.1f} min  images {self.images:>8,} ({rate:3.0f}/s)  loss {mean['action']:.3f} "
            f"[{' '.join(f'{value:.2f}' for value in dimensions)}]  heatmap {mean['heatmap']:.2f}  "
            f"target {100 * mean['target_error']:.1f} cm  lr {self.learner.learning_rate(self.progress):.1e}  "
            f"frames {self.replay.frames_seen:,} of {dict(self._leaders)}  success alone {success}",
            flush=True,
        )


def main() -> None:
    """Train; start again with the same --run to carry on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="rt1-mini")
    parser.add_argument("--run", type=Path, required=True, help="directory for episodes and state; may exist: carry on")
    parser.add_argument("--out", type=Path, required=True, help="directory of the checkpoint, written every 3 minutes")
    parser.add_argument("--minutes", type=float, help="wall time; default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--evaluate", type=int, default=100, help="episodes per suite at the end (default 100; 0: none)"
    )
    parser.add_argument("--collectors", type=int, default=1, help="processes that play episodes (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="of this process (default 1)")
    args = parser.parse_args()
    train_by_recipe(
        args.recipe,
        args.run,
        args.out,
        minutes=args.minutes,
        seed=args.seed,
        episodes=args.evaluate,
        collectors=args.collectors,
        threads=args.threads,
    )


def train_by_recipe(
    recipe_name: str,
    directory: Path,
    out: Path,
    *,
    minutes: float | None = None,
    seed: int = 0,
    episodes: int = 100,
    collectors: int = 1,
    threads: int = 1,
) -> None:
    """Train from nothing, or carry on in a directory that holds such a run.

    directory: for episodes and state. out: of the checkpoint. minutes: wall time; None: the recipe's. episodes: per
    suite that are evaluated at the end, 0 for none. collectors: processes that play. threads: of this process.
    """
    torch.set_num_threads(threads)
    recipe = RECIPES[recipe_name]
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ENOUGH).unlink(missing_ok=True)
    players = [_start_collector(directory, recipe_name, number) for number in range(collectors)]
    try:
        run = Run(directory, out, recipe_name, recipe, seed)
        run.train()
    finally:
        for player in players:
            player.terminate()
            player.wait()
    if episodes:
        run.evaluate(episodes)
    print(f"Wrote {out}")


def _start_collector(run: Path, recipe: str, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rt_vla_ros.training.collect"]
    command += ["--run", str(run), "--recipe", recipe, "--number", str(number)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
