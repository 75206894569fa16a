"""A process that renders frames for a training run of `rt2-mini`, with the newest policy of the run."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from rt_vla_ros.action_space.chunk import EndEffectorStep
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt2.inputs.processor import CombinedProcessor
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, phrase
from rt_vla_ros.sim.objects import SceneLayout
from rt_vla_ros.sim.scenes import START_HIGH, START_LOW, Scene, Task
from rt_vla_ros.sim.suites import triple
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.dagger_policy import DaggerPolicy, draw_who_acts
from rt_vla_ros.training.labeling_policy import WhoActs
from rt_vla_ros.training.rt2.mini.batches import mini_config
from rt_vla_ros.training.rt2.mini.embodiments import Embodiment
from rt_vla_ros.training.rt2.mini.frames import Frames, joined, observe, save_frames
from rt_vla_ros.training.rt2.mini.network import IMAGE_SIZE, make_model, make_processor, make_tokenizer
from rt_vla_ros.training.rt2.mini.questions import vocabulary
from rt_vla_ros.training.rt2.mini.settings import MiniSettings
from rt_vla_ros.training.rt2.mini.table_layouts import random_table_layout

FRAMES, WEIGHTS, SUFFIX = "frames", "policy.safetensors", ".npz"
ENOUGH = "enough_frames"  # while this file is there, nothing is rendered
WEB, ROBOT, EPISODES = "web", "robot", "episodes"
EPISODE_STEPS = 40
LEARNER_SHARE, MIXED_SHARE = 0.4, 0.35  # of the episodes; the rest by the expert
WEB_AGAIN = 10
"""Once the requested numbers are rendered, one shard in this many has web images, the others episodes."""


class _Player(DaggerPolicy):
    """Records frames, with the expert's action towards every object."""

    def __init__(self, embodiment: Embodiment, learner: Policy, sim: TabletopSim, scene: Scene, *others: Any) -> None:
        super().__init__(embodiment.card, learner, sim, scene, *others)
        self._expert, self._embodiment = embodiment.expert(scene), embodiment
        self.frames = list[Frames]()

    def _record(self, observation: Observation, plan: Sequence[EndEffectorStep]) -> None:
        self.frames.append(observe(self._sim, self._embodiment, self._from.task.target))


class FrameCollector:
    """Renders shards of frames; all randomness comes from its seed and the weights it finds."""

    def __init__(self, run: Path, settings: MiniSettings) -> None:
        """run: directory of the training run."""
        self._run, self._seed = run, settings.seed
        self._shard, self._first = settings.shard, first_shards(settings)
        self._embodiments = settings.robots
        tokenizer = make_tokenizer(vocabulary())
        self._model = make_model(tokenizer, 0, width=settings.width, layers=settings.layers).eval()
        processor = CombinedProcessor(make_processor(tokenizer))
        parts = [RT2Parts(self._model, processor, mini_config(), one.card) for one in self._embodiments]
        self._policies = [RT2Policy(one, pack=False) for one in parts]
        self._version: int | None = None
        self._sim = TabletopSim(size=(IMAGE_SIZE, IMAGE_SIZE))
        self._controller = make_controller(self._sim)
        (run / FRAMES).mkdir(parents=True, exist_ok=True)

    def write(self, number: int) -> Path:
        """Shard `number`, rendered and written."""
        rng, kind, which = np.random.default_rng([self._seed, number]), self._kind(number), self._turn(number)
        if kind == EPISODES:
            self._take_newest_policy()
            frames = self._episodes(which, rng)
        else:
            frames = self._pictures(None if kind == WEB else self._embodiments[which], rng)
        path = self._run / FRAMES / file_name(self.whose(number), number)
        save_frames(path, frames)
        return path

    def _kind(self, number: int) -> str:
        """Frames of a shard: web images, robot images, or frames of episodes."""
        if number < len(self._first):
            return self._first[number]
        return WEB if number % WEB_AGAIN == 0 else EPISODES

    def whose(self, number: int) -> str:
        """WEB, or the name of a shard's robot."""
        return WEB if self._kind(number) == WEB else self._embodiments[self._turn(number)].name

    def _turn(self, number: int) -> int:
        """The robot of a shard, unless it has web images: round robin."""
        before = sum(self._kind(earlier) != WEB for earlier in range(number))
        return before % len(self._embodiments)

    def _pictures(self, embodiment: Embodiment | None, rng: np.random.Generator) -> Frames:
        """Frames of web data, without an embodiment."""
        made = list[Frames]()
        while len(made) < self._shard:
            layout = random_table_layout(rng, web=embodiment is None)
            self._sim.reset(layout if embodiment is None else embodiment.before(layout, rng))
            made.append(observe(self._sim, embodiment, int(rng.integers(len(layout.objects)))))
        return joined(made)

    def _episodes(self, which: int, rng: np.random.Generator) -> Frames:
        """Frames of the embodiment with this index."""
        made = list[Frames]()
        while len(made) < self._shard:
            layout = random_table_layout(rng, web=False)
            layout = replace(layout, start=triple(rng.uniform(START_LOW, START_HIGH)), start_yaw=rng.uniform(-0.3, 0.3))
            target = int(rng.integers(len(layout.objects)))
            layout = self._embodiments[which].before(layout, rng)
            made.extend(self._episode(which, layout, target, self._who_acts(rng), rng))
        return joined(made[: self._shard])

    def _episode(
        self, which: int, layout: SceneLayout, target: int, mixture: WhoActs, rng: np.random.Generator
    ) -> list[Frames]:
        template = PICK_PHRASINGS[int(rng.integers(len(PICK_PHRASINGS)))]
        scene = Scene("", 0, layout, Task(phrase(template, layout.objects[target].kind), target))
        player = _Player(self._embodiments[which], self._policies[which], self._sim, scene, mixture, rng)
        rollout(player, scene, self._sim, self._controller, max_steps=EPISODE_STEPS)
        return player.frames

    def _who_acts(self, rng: np.random.Generator) -> WhoActs:
        return draw_who_acts(rng, LEARNER_SHARE, MIXED_SHARE, learner=self._version is not None)

    def _take_newest_policy(self) -> None:
        path = self._run / WEIGHTS
        if path.exists() and (version := path.stat().st_mtime_ns) != self._version:
            self._version = version
            self._model.load_state_dict(load_file(path))


def file_name(whose: str, number: int) -> str:
    """Path of a shard. whose: WEB, or the name of a robot."""
    return f"{whose}_{number:06d}{SUFFIX}"


def shards(run: Path) -> dict[int, Path]:
    """The shards of a run by number; other files are ignored."""
    found = dict[int, Path]()
    for path in (run / FRAMES).glob(f"*_*{SUFFIX}"):
        whose, _, number = path.stem.partition("_")
        if number.isdecimal() and path.name == file_name(whose, int(number)):
            found[int(number)] = path
    return dict(sorted(found.items()))


def whose(path: Path) -> str:
    """WEB, or the name of a shard's robot."""
    return path.stem.partition("_")[0]


def first_missing(run: Path, turn: int = 0, of: int = 1) -> int:
    """Number of the first missing shard of collector `turn`.

    Every `of` shards are assigned randomly, one per collector: in a fixed order, one of ten would render only web
    images, which are faster to render than episodes, and there would be too many of them.
    """
    there = shards(run)
    dealt = (block * of + int(np.random.default_rng([of, block]).permutation(of)[turn]) for block in count())
    return next(number for number in dealt if number not in there)


def first_shards(settings: MiniSettings) -> list[str]:
    """Contents of the first shards: all kinds interleaved, web images first."""
    counts = {WEB: settings.web_frames, ROBOT: settings.robot_frames, EPISODES: settings.expert_frames}
    places = []
    for kind, frames in counts.items():
        shards = -(-frames // settings.shard)
        places += [((number + (kind != WEB)) / (shards + (kind != WEB)), kind) for number in range(shards)]
    return [kind for _, kind in sorted(places, key=lambda one: one[0])]


def main() -> int:
    """Render until the parent process ends; prints a message and returns 1 on failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of the training run")
    parser.add_argument("--parent", type=int, required=True, help="ID of the parent process")
    parser.add_argument("--number", type=int, default=0, help="index of this collector, from 0")
    parser.add_argument("--of", type=int, default=1, help="number of collectors")
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        _collect(args)
    except (OSError, SafetensorError, ValueError) as error:
        reason = in_words(error) if isinstance(error, OSError) else error
        print(f"Cannot continue to render frames: {reason}", file=sys.stderr)
        return 1
    return 0


def _collect(args: argparse.Namespace) -> None:
    collector = FrameCollector(args.run, MiniSettings.load(args.run))
    while os.getppid() == args.parent:
        if (args.run / ENOUGH).exists():
            time.sleep(0.1)
        else:
            collector.write(first_missing(args.run, args.number, args.of))


if __name__ == "__main__":
    sys.exit(main())
