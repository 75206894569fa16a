"""`rt-vla evaluate --dataset`: how far a policy's actions are from recorded ones, on episodes that were held out."""

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
    """0 when the evaluation was made. args: of `evaluate.add_arguments`. load: makes the policy.

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
    "held-out": "they were held out when it was trained.",
    "training": "it was trained on them, so this says how well they were learned and not what it can do.",
    "all": "it was trained on some of them, so this says little of what it can do.",
    UNKNOWN: "its checkpoint does not say whether it was trained on them; if it was, this says little.",
}


def chosen_episodes(
    dataset: LeRobotDataset, split: EpisodeSplit | None, part: str | None, most: int | None
) -> tuple[str, list[int]]:
    """What kind of episodes, a key of _WORDS, and their numbers among the dataset's `parts`.

    part: one of PARTS; None: those held out, where the checkpoint says which, else all. most: the first ones, at most.
    Raises DatasetError where there is none.
    """
    if split is None:
        if part not in (None, "all"):
            raise DatasetError(
                f"The checkpoint does not say which episodes of {dataset.directory} it was trained on: they are "
                "others, or have changed since. Leave --part out, and give episodes that it has not seen."
            )
        kind, wanted = UNKNOWN, {one.recorded for one in dataset.parts}
    else:
        kind = part or "held-out"
        sets = {"held-out": split.held_out, "training": split.training}
        wanted = set(sets.get(kind, {one.recorded for one in dataset.parts}))
    found = [index for index, one in enumerate(dataset.parts) if one.recorded in wanted][:most]
    if not found:
        what = "held out" if kind == "held-out" else "learned"
        raise DatasetError(
            f"No episode of {dataset.directory} was {what} when the policy was trained; say --part all, or train with "
            "--validation above 0."
        )
    return kind, found


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """To those of `rt-vla evaluate`."""
    group = parser.add_argument_group("on recorded episodes, without a simulator")
    data = "a LeRobot data set with the policy's action card: its error on recorded frames, which is no success rate"
    group.add_argument("--dataset", type=Path, metavar="DIR", help=data)
    part = "of the data set: held-out, training or all; default: held-out, where the checkpoint says which those are"
    group.add_argument("--part", choices=PARTS, help=part)
