"""Collect episodes in simulation as a dataset (LeRobot format v3.0), on the built-in table or an external benchmark.

rt-vla collect --suite pick-colours,pick-any --episodes 1000 --noise 0.5 --out data/expert
rt-vla collect --suite pick-any --episodes 500 --policy rt1-mini --noise 0.3 --out data/corrected
rt-vla collect --env metaworld:MT10 --episodes 500 --noise 0.3 --out data/metaworld     # see rt-vla env --help

Without --policy a scripted expert acts; with --policy the policy acts and the expert labels each state (DAgger). Run
the same command again to resume.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.collect_benchmark import (
    add_benchmark_options,
    collect_from_benchmark,
    refuse_benchmark_options,
)
from rt_vla_ros.cli.collection import (
    ABOUT,
    DATASET_CARD,
    USUAL_SIZE,
    about_policy,
    check_policy_options,
    check_same,
    committed,
    image_size,
    load,
    policy_words,
)
from rt_vla_ros.cli.main import claims_out, refused
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import META, write_json
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.opening import TABLETOP
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.dagger_policy import CollectionSettings, Demonstrator, measured_only
from rt_vla_ros.training.data_card import EpisodeCounts, data_card
from zenoh_ros.commands.numbers import nonnegative_int, positive_int

USUAL_SUITES = "pick-colours,pick-any"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--suite", help=f"comma-separated task suites (default {USUAL_SUITES})")
    add("--episodes", type=positive_int, default=100, help="total episodes in the dataset (default 100)")
    add("--seed", type=nonnegative_int, default=0, help="random seed (default 0)")
    add("--out", type=Path, required=True, metavar="DIR", help="dataset directory; resumes if it exists")
    add("--policy", metavar="P", help="checkpoint that acts, by name or path; default: the expert")
    add(
        "--expert-share",
        type=float,
        default=0.0,
        help="with --policy: share of steps where the expert acts, 0 to 1 (default 0)",
    )
    add("--noise", type=float, default=0.5, help="perturbation strength of executed actions, 0 to 1 (default 0.5)")
    add(
        "--image-size",
        type=positive_int,
        metavar="PX",
        help=f"camera image size (default {USUAL_SIZE}, with --policy the policy's)",
    )
    add("--cameras", help="comma-separated cameras to record, such as front,wrist (default front, or the first)")
    add("--state", action="store_true", help="record the robot state: joints and gripper")
    add("--per-file", type=positive_int, default=50, help="episodes per file (default 50)")
    add("--device", default="auto", help="device of the policy: auto, cpu, cuda, cuda:N (default auto)")
    add_benchmark_options(parser)


@claims_out
@refused(ValueError, EnvironmentFailure)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset has its episodes."""
    check_policy_options(args)
    if args.env != TABLETOP:
        return collect_from_benchmark(args)
    refuse_benchmark_options(args)
    suites = tuple(name.strip() for name in (args.suite or USUAL_SUITES).split(","))
    collection, progress = CollectionSettings(suites, args.seed, args.noise, args.expert_share), Progress()
    about = _about(args, collection)
    cameras = [name.strip() for name in (args.cameras or "front").split(",")]
    state = TABLETOP_STATE if args.state else ()
    check_same(args.out, about)
    policy = load(args)
    card = tabletop_card("tabletop", image_size=image_size(args, policy), cameras=cameras, state=state)
    demonstrator = Demonstrator(collection, card, policy)
    writer = LeRobotWriter(args.out, card, with_scene=True, episodes_per_file=args.per_file)
    write_json(args.out / META / ABOUT, about)
    for suite in measured_only(collection.suites):
        progress.line(f"Note: {suite!r} is an evaluation suite: a policy trained on it cannot be evaluated on it.")
    if writer.episodes:
        progress.line(f"Resuming: {args.out} already has {writer.episodes} episodes.")
    with closing(demonstrator), committed(writer):
        _collect_episodes(args, demonstrator, writer, progress)
    (args.out / "README.md").write_text(_data_card(args, collection, card), encoding="utf-8")
    progress.line(f"{args.out}: {writer.episodes} episodes, {writer.frames:,} frames.")
    return 0


def _collect_episodes(
    args: argparse.Namespace, demonstrator: Demonstrator, writer: LeRobotWriter, progress: Progress
) -> None:
    outcomes: Counter[bool] = Counter()
    first, started = writer.episodes, time.monotonic()
    for index in range(first, args.episodes):
        episode = demonstrator.collect(index)
        outcomes[episode.success] += 1
        writer.add(episode)
        rate = (index + 1 - first) / (time.monotonic() - started)
        done = f"episode {index + 1} of {args.episodes}, {outcomes[True]} of {outcomes.total()} succeeded"
        progress.update(f"{done}, {60 * rate:.0f} per minute, {(args.episodes - index - 1) / rate:.0f} s left")


def _data_card(args: argparse.Namespace, collection: CollectionSettings, card: ActionCard) -> str:
    counts, rows = EpisodeCounts(), LeRobotDataset(args.out).rows
    for row in rows:
        counts.add(str(row["tasks"][0]), str(row["leader"]), int(row["length"]), bool(row["success"]))
    names = ",".join(camera.name for camera in card.cameras)
    options = "" if names == "front" else f" --cameras {names}"
    options += " --state" * args.state
    acting, digest = policy_words(args)
    options += acting
    command = f"rt-vla collect --suite {','.join(collection.suites)} --episodes {len(rows)} --seed {args.seed} "
    command += f"--noise {args.noise} --image-size {card.cameras[0].width}{options} --out DIR"
    title, suites = f"Episodes of {', '.join(collection.suites)}", collection.suites
    origin = f"Collected in simulation; reproduce with `{command}`{digest}."
    return DATASET_CARD + data_card(counts, title=title, origin=origin, suites=suites, card=card)


def _about(args: argparse.Namespace, collection: CollectionSettings) -> dict[str, Any]:
    """The settings that the episodes depend on."""
    return {**asdict(collection), "suites": list(collection.suites), **about_policy(args)}
