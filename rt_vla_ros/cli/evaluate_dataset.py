"""`rt-vla evaluate --dataset`: how far a policy's actions are from recorded ones, on held-out episodes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.fingerprint import fingerprint
from rt_vla_ros.data.held_out_episodes import EpisodeSplit, read_split
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.evaluation.offline import WARNING, check_same_actions, offline_result, offline_steps
from rt_vla_ros.evaluation.offline_table import offline_table
from rt_vla_ros.evaluation.provenance import checkpoint_hash, versions
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.progress import Progress

PARTS = ("held-out", "training", "all")
OFFLINE = "offline.json"


def evaluate_dataset(args: argparse.Namespace, load: Callable[[], Policy]) -> int:
    """Return 0 if the evaluation was made. args: of `evaluate.add_arguments`. load: makes the policy.

    Raises DatasetError, ActionCardError, CheckpointError, and OSError where the result cannot be written.
    """
    dataset, progress, checkpoint = LeRobotDataset(args.dataset), Progress(), resolve(args.policy)
    check_same_actions(checkpoint.read_card(), dataset)
    directory = checkpoint.adapter or checkpoint.directory
    split = read_split(directory, dataset)
    part, episodes = chosen_episodes(dataset, split, args.part, args.episodes)
    policy = load()
    steps = offline_steps(policy, dataset, episodes, progress.update)
    about: dict[str, Any] = {"policy": policy.name, "checkpoint_sha256": checkpoint_hash(args.policy)}
    about |= {"dataset": dataset.directory.name, "dataset_sha256": fingerprint([dataset])}
    about |= {"episodes": len(episodes), "part": part, "versions": versions()}
    result = {**about, **offline_result(policy.card, steps)}
    progress.line(f"{policy.name} on {len(episodes)} episodes of {dataset.directory.name}: {_WORDS[part]}\n")
    progress.line(offline_table(result))
    progress.line(f"\n{WARNING}")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / OFFLINE).write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        progress.line(f"Written: {args.out / OFFLINE}")
    return 0


UNKNOWN = "unknown"
_WORDS = {
    "held-out": "they were held out from training.",
    "training": "training data, so this is the training error, which says nothing about generalization.",
    "all": "partly training data, so the error on new data is probably larger.",
    UNKNOWN: "the checkpoint does not say whether they are training data; if so, the error on new data is larger.",
}


def chosen_episodes(
    dataset: LeRobotDataset, split: EpisodeSplit | None, part: str | None, most: int | None
) -> tuple[str, list[int]]:
    """The kind of episodes, a key of _WORDS, and their indices in the dataset's `parts`.

    part: one of PARTS; None: the held-out ones if the checkpoint records the split, else all. most: limit, from the
    first on. Raises DatasetError if none is left.
    """
    if split is None:
        if part not in (None, "all"):
            raise DatasetError(
                f"The checkpoint does not say which episodes of {dataset.directory} it was trained on: they are "
                "different ones, or have changed since. Leave --part out and use episodes that it was not trained on."
            )
        kind, wanted = UNKNOWN, {one.recorded for one in dataset.parts}
    else:
        kind = part or "held-out"
        sets = {"held-out": split.held_out, "training": split.training}
        wanted = set(sets.get(kind, {one.recorded for one in dataset.parts}))
    found = [index for index, one in enumerate(dataset.parts) if one.recorded in wanted][:most]
    if not found:
        what = "held out" if kind == "held-out" else "used for training"
        raise DatasetError(
            f"No episode of {dataset.directory} was {what} when the policy was trained; use --part all, or train with "
            "--validation above 0."
        )
    return kind, found


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `rt-vla evaluate`."""
    group = parser.add_argument_group("offline evaluation on recorded episodes")
    data = "LeRobot dataset with the policy's action card; measures the action error, not a success rate"
    group.add_argument("--dataset", type=Path, metavar="DIR", help=data)
    part = "episodes to use: held-out, training or all (default: held-out, if the checkpoint records the split)"
    group.add_argument("--part", choices=PARTS, help=part)
