"""What `rt-vla collect` does alike in all environments: the policy, the settings of a dataset, its writing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rt_vla_ros.data.lerobot_layout import META
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.json_file import read_object
from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.threads import wait_passively
from rt_vla_ros.runtime.warm_up import warm_up
from zenoh_ros.commands.errors import CliError

ABOUT = "collection.json"
USUAL_SIZE = 96  # of images [px]
DATASET_CARD = "---\nlicense: apache-2.0\ntask_categories: [robotics]\ntags: [LeRobot, rt-1]\n---\n\n"


def check_policy_options(args: argparse.Namespace) -> None:
    """Raises ValueError for options of a policy without one."""
    if args.policy is None and (args.expert_share or args.device != "auto"):
        given = "--expert-share" if args.expert_share else "--device"
        raise ValueError(f"{given} needs a policy; give one with --policy.")


def about_policy(args: argparse.Namespace) -> dict[str, Any]:
    """Which policy acts: entries of the dataset's settings. Raises UnknownPolicyError."""
    if args.policy is None:
        return {"policy": "", "checkpoint_sha256": None}
    return {"policy": Path(args.policy).name, "checkpoint_sha256": checkpoint_hash(args.policy)}


def policy_words(args: argparse.Namespace) -> tuple[str, str]:
    """For a data card: the options of the policy, and the sentence that says which one it was."""
    if args.policy is None:
        return "", ""
    words = f" --policy CHECKPOINT --expert-share {args.expert_share}"
    return words, f"; CHECKPOINT's weights have the SHA-256 {checkpoint_hash(args.policy)}"


def check_same(out: Path, about: dict[str, Any]) -> None:
    """Raises ValueError if a dataset was collected with other settings."""
    path = out / META / ABOUT
    there = read_object(path, ValueError) if path.is_file() else about
    different = [f"{key} {there.get(key)!r}, not {value!r}" for key, value in about.items() if there.get(key) != value]
    if different:
        found = f"{out} was collected with different settings ({', '.join(different)})"
        raise ValueError(f"{found}. Choose another directory; `rt-vla train` accepts several.")


def image_size(args: argparse.Namespace, policy: Policy | None) -> int:
    """Width and height of the images [px]: as given, else as the policy's, else 96."""
    if args.image_size is None:
        return USUAL_SIZE if policy is None else policy.card.cameras[0].width
    return int(args.image_size)


def load(args: argparse.Namespace) -> Policy | None:
    """The policy that acts, if any."""
    if args.policy is None:
        return None
    wait_passively()
    from rt_vla_ros.policies.load import load_policy

    policy = load_policy(args.policy, device=args.device)
    warm_up(policy)
    return policy


@contextmanager
def committed(writer: LeRobotWriter) -> Iterator[None]:
    """Context in which episodes are added; they are on disk after it, however it ends. Raises CliError."""
    try:
        try:
            yield
        finally:
            writer.commit()
    except OSError as error:
        kept = f"{writer.directory} has {writer.episodes} complete episodes; run the same command again to resume."
        raise CliError(f"{in_words(error)} {kept}") from error
