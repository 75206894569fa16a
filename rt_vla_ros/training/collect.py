"""A process that collects episodes in the simulator with the newest policy of a training run, one file each."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.sim.scenes import make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.asked_teacher import AskedTeacher
from rt_vla_ros.training.dagger_policy import collect_episode, draw_who_acts
from rt_vla_ros.training.settings import TrainingSettings, collected_card, network_config, sentence_encoder
from rt_vla_ros.training.settings_file import load_settings
from rt_vla_ros.training.teacher import find_teacher

SUFFIX = ".npz"
OPTIONAL = ("scene", "states", "chunks")
FIELDS = ("instruction", "values", "stamps", "leader", "success", "suite", "seed")


def save_episode(path: Path, episode: Episode) -> None:
    """Write it, without its card, atomically. Raises OSError."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(episode, name)) for name in FIELDS}
    arrays |= {name: value for name in OPTIONAL if (value := getattr(episode, name)) is not None}
    arrays |= {f"images.{camera}": images for camera, images in episode.images.items()}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


def load_episode(path: Path, card: ActionCard) -> Episode:
    """An episode of this card. Raises OSError, or ValueError for a file that is incomplete or of another card."""
    try:
        with np.load(path) as data:
            scalars = {name: data[name].item() for name in FIELDS if data[name].ndim == 0}
            return Episode(
                card=card,
                images={camera.name: data[f"images.{camera.name}"] for camera in card.cameras},
                values=data["values"],
                stamps=data["stamps"],
                **{name: data.get(name) for name in OPTIONAL},
                **scalars,
            )
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f"{path} is not a complete episode: {error}") from error


EPISODES, WEIGHTS = "episodes", "policy.safetensors"
ENOUGH = "enough_episodes"  # while this file is there, collectors wait
COLLECTOR_SEEDS = 1 << 32  # every collector has this many seeds of its own


class Collector:
    """Collects episodes; all randomness comes from its seed and the weights it finds."""

    def __init__(self, run: Path, settings: TrainingSettings, number: int, teacher: Policy | None = None) -> None:
        """run: directory of the training run. number: index of this collector. teacher: labels the states.

        Without a teacher, the scripted expert does.
        """
        if settings.dagger is None:
            raise ValueError(f"{run} is a training run from datasets, which needs no collectors.")
        self._run, self._settings, self._number = run, settings.dagger, number
        self._first_seed = FIRST_TRAINING_SEED * (1 + settings.seed) + number * COLLECTOR_SEEDS
        self._card = collected_card(settings)
        config, camera = network_config(settings, self._card), self._card.cameras[0]
        self._model = RT1Model(config)
        self._learner = RT1Policy(self._model, self._card, encoder=sentence_encoder(settings, config))
        self._sim = TabletopSim(size=(camera.width, camera.height))
        self._teacher = None if teacher is None else AskedTeacher(teacher, self._card)
        self._version: int | None = None
        (run / EPISODES).mkdir(parents=True, exist_ok=True)

    def collect(self, index: int) -> Episode:
        """Episode number `index`; deterministic for the same weights."""
        path = self._run / WEIGHTS
        if path.exists() and (version := path.stat().st_mtime_ns) != self._version:
            self._version = version
            self._model.load_state_dict(load_file(path))
        settings, seed = self._settings, self._first_seed + index
        rng = np.random.default_rng([seed, 1])
        suites = settings.suites if index < settings.later_from else settings.later_suites
        scene, there = make_scene(suites[index % len(suites)], seed), self._version is not None
        mixture = draw_who_acts(rng, settings.learner_share, settings.mixed_share, learner=there)
        steps = settings.episode_steps
        return collect_episode(self._card, self._learner, self._sim, scene, mixture, rng, steps, self._teacher)

    def write(self, index: int) -> Episode:
        """Collect one and write it to the run's directory."""
        save_episode(self._run / EPISODES / f"{self._number:02d}_{index:08d}{SUFFIX}", episode := self.collect(index))
        return episode

    def next_index(self) -> int:
        written = (self._run / EPISODES).glob(f"{self._number:02d}_*{SUFFIX}")
        return max((int(path.stem.split("_")[1]) + 1 for path in written), default=0)


def main() -> int:
    """Collect until the parent process ends; prints a message and returns 1 on failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of the training run")
    parser.add_argument("--number", type=int, default=0, help="index of this collector, from 0")
    parser.add_argument(
        "--parent", type=int, required=True, help="ID of the parent process; collecting stops when it ends"
    )
    parser.add_argument("--device", default="auto", help="device of the teacher, as in load_policy")
    parser.add_argument("--remote", type=json.loads, default={}, help="fields of RemoteSettings for the teacher, JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        _collect(args)
    except (ImportError, OSError, SafetensorError, ValueError) as error:
        reason = in_words(error) if isinstance(error, OSError) else error
        print(f"Cannot continue to collect episodes: {reason}", file=sys.stderr)
        return 1
    return 0


def _collect(args: argparse.Namespace) -> None:
    settings = load_settings(args.run)
    collector = Collector(args.run, settings, args.number, _teacher(args, settings))
    index = collector.next_index()
    while os.getppid() == args.parent:
        if (args.run / ENOUGH).exists():
            time.sleep(0.1)
        else:
            collector.write(index)
            index += 1


def _teacher(args: argparse.Namespace, settings: TrainingSettings) -> Policy | None:
    if not settings.teacher:
        return None
    return find_teacher(settings.teacher, RemoteSettings(**args.remote)).open(args.device, lambda _: None)


if __name__ == "__main__":
    sys.exit(main())
