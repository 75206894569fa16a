"""A process that plays episodes in the simulator and writes them down, with the newest policy of a training run."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.corrected_policy import CorrectedPolicy, Leading
from rt_vla_ros.training.episode_file import SUFFIX, RecordedEpisode
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.recipe_settings import load_recipe, network_config, sentence_encoder

EPISODES, WEIGHTS = "episodes", "policy.safetensors"
ENOUGH = "enough_episodes"  # while this file is there, collectors wait
COLLECTOR_SEEDS = 1 << 32  # every collector has this many seeds of its own


class Collector:
    """Plays one episode after the other; everything random comes from its seed and the weights it finds."""

    def __init__(self, run: Path, recipe: Recipe, number: int, seed: int = 0) -> None:
        """run: directory of the training run. number: of this collector. seed: of the run."""
        self._run, self._recipe, self._number = run, recipe, number
        self._first_seed = FIRST_TRAINING_SEED * (1 + seed) + number * COLLECTOR_SEEDS
        config = network_config(recipe)
        self._card = tabletop_card(recipe.preset, image_size=config.image_size)
        self._model = RT1Model(config)
        self._learner = RT1Policy(self._model, self._card, encoder=sentence_encoder(recipe, config))
        self._sim = TabletopSim(size=(config.image_size, config.image_size))
        self._controller = make_controller(self._sim)
        self._version: int | None = None
        (run / EPISODES).mkdir(parents=True, exist_ok=True)

    def play(self, index: int) -> RecordedEpisode:
        """Episode number `index`; again the same with the same weights."""
        self._load_newest()
        seed = self._first_seed + index
        rng = np.random.default_rng([seed, 1])
        suites = self._recipe.suites if index < self._recipe.later_from else self._recipe.later_suites
        scene = make_scene(suites[index % len(suites)], seed)
        leading = self._draw_leading(rng)
        policy = CorrectedPolicy(self._card, self._learner, self._sim, rng)
        policy.begin(scene, leading)
        episode = rollout(policy, scene, self._sim, self._controller, max_steps=self._recipe.episode_steps)
        return policy.recorded(episode.success)

    def write(self, index: int) -> RecordedEpisode:
        """Play and write it to the run's directory."""
        recorded = self.play(index)
        recorded.save(self._run / EPISODES / f"{self._number:02d}_{index:08d}{SUFFIX}")
        return recorded

    def next_index(self) -> int:
        """One after the last written by this collector."""
        written = (self._run / EPISODES).glob(f"{self._number:02d}_*{SUFFIX}")
        return max((int(path.stem.split("_")[1]) + 1 for path in written), default=0)

    def _draw_leading(self, rng: np.random.Generator) -> Leading:
        kind, strength = rng.random(), float(rng.choice([0.0, 0.4, 1.0]))
        if self._version is None:
            return Leading("expert", 1.0, strength)
        if kind < self._recipe.learner_share:
            return Leading("learner", 0.0, 0.0)
        if kind < self._recipe.learner_share + self._recipe.mixed_share:
            return Leading("mixed", float(rng.uniform(0.1, 0.9)), strength)
        return Leading("expert", 1.0, strength)

    def _load_newest(self) -> None:
        path = self._run / WEIGHTS
        if not path.exists() or path.stat().st_mtime_ns == self._version:
            return
        self._version = path.stat().st_mtime_ns
        self._model.load_state_dict(load_file(path))


def main() -> int:
    """Collect until the process that started this one is gone; 1, after a sentence, where that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of the training run")
    parser.add_argument("--number", type=int, default=0, help="of this collector, 0 and up")
    parser.add_argument("--seed", type=int, default=0, help="of the run")
    parser.add_argument("--parent", type=int, required=True, help="process that this one ends with")
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        _collect(args)
    except (OSError, SafetensorError, ValueError) as error:
        said = in_words(error) if isinstance(error, OSError) else error
        print(f"Episodes can no longer be played: {said}", file=sys.stderr)
        return 1
    return 0


def _collect(args: argparse.Namespace) -> None:
    collector = Collector(args.run, load_recipe(args.run), args.number, args.seed)
    index = collector.next_index()
    while os.getppid() == args.parent:
        if (args.run / ENOUGH).exists():
            time.sleep(0.1)
            continue
        collector.write(index)
        index += 1


if __name__ == "__main__":
    sys.exit(main())
