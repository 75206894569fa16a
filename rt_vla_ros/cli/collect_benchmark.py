"""`rt-vla collect --env`: episodes of the scripted experts of benchmarks, and of policies that they label."""

from __future__ import annotations

import argparse
import shlex
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.collection import (
    ABOUT,
    DATASET_CARD,
    about_policy,
    check_same,
    committed,
    image_size,
    load,
    policy_words,
)
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import META, write_json
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.installs import version_note
from rt_vla_ros.environments.libero import LIBERO
from rt_vla_ros.environments.opening import METAWORLD, TABLETOP, EnvironmentChoice
from rt_vla_ros.environments.policy_card import policy_card
from rt_vla_ros.environments.process import ANSWER_TIME
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.progress import Progress
from rt_vla_ros.training.benchmark_card import benchmark_card
from rt_vla_ros.training.benchmark_demonstrator import BenchmarkCollection, BenchmarkDemonstrator, LeftOut
from rt_vla_ros.training.left_out import FILE, LeftOutAttempts
from zenoh_ros.commands.numbers import positive_float

USUAL_RATES = {METAWORLD: 10.0}  # [Hz]; of others their own
OF_BENCHMARKS: dict[str, Any] = {"env_python": None, "env_timeout": ANSWER_TIME, "rate": None}


def add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--env",
        default=TABLETOP,
        help=f"{TABLETOP} (default), {METAWORLD}:TASK (or several, MT10, MT50) or {LIBERO}:object[/TASK]",
    )
    add(
        "--rate",
        type=positive_float,
        metavar="HZ",
        help=f"actions per second of --env (default {METAWORLD} 10, with --policy the policy's)",
    )
    add(
        "--env-python",
        type=Path,
        metavar="PATH",
        help="Python interpreter that has the environment (default: as installed)",
    )
    add(
        "--env-timeout",
        type=positive_float,
        default=ANSWER_TIME,
        metavar="S",
        help="timeout of an environment's answer (default 120)",
    )


def refuse_benchmark_options(args: argparse.Namespace) -> None:
    """Raises ValueError for options of benchmarks on the tabletop."""
    given = [f"--{name.replace('_', '-')}" for name, usual in OF_BENCHMARKS.items() if getattr(args, name) != usual]
    if given:
        raise ValueError(f"{', '.join(given)} is for external environments, not for {TABLETOP}.")


def collect_from_benchmark(args: argparse.Namespace) -> int:
    """Return 0 if the dataset has its episodes. Raises ValueError, EnvironmentFailure."""
    choice, progress = EnvironmentChoice(args.env, args.env_python, answer_time=args.env_timeout), Progress()
    collection = BenchmarkCollection(tuple(choice.tasks_with_expert), args.seed, args.noise, args.expert_share)
    _refuse_options(args, choice)
    policy = load(args)
    card = _card(args, choice, policy)
    with closing(choice.open(card)) as environment:
        if note := version_note(choice.kind, environment.versions):
            progress.line(note)
        settings = {**asdict(collection), "tasks": list(collection.tasks), "versions": environment.versions}
        about = {**settings, **about_policy(args)}
        check_same(args.out, about)
        demonstrator = BenchmarkDemonstrator(collection, card, environment, policy)
        scene, per_file = environment.knows_scene, args.per_file
        writer = LeRobotWriter(args.out, card, with_scene=scene, episodes_per_file=per_file)
        write_json(args.out / META / ABOUT, about)
        left_out = LeftOutAttempts(args.out / META / FILE)
        if writer.episodes:
            progress.line(f"Resuming: {args.out} already has {writer.episodes} episodes.")
        with committed(writer):
            _collect(args, collection, demonstrator, writer, left_out, progress)
        text = _data_card(args, collection, card, left_out, environment.versions)
        (args.out / "README.md").write_text(text, encoding="utf-8")
    gone = f" {len(left_out.reasons)} more attempts were left out." if left_out.reasons else ""
    progress.line(f"{args.out}: {writer.episodes} episodes, {writer.frames:,} frames.{gone}")
    return 0


def _collect(
    args: argparse.Namespace,
    collection: BenchmarkCollection,
    demonstrator: BenchmarkDemonstrator,
    writer: LeRobotWriter,
    left_out: LeftOutAttempts,
    progress: Progress,
) -> None:
    first, attempt, started = writer.episodes, _next_attempt(args.out, writer, collection), time.monotonic()
    done, successes = first, 0
    while done < args.episodes:
        task, seed = collection.start(attempt)
        if attempt not in left_out.reasons:
            try:
                episode = demonstrator.collect(attempt)
            except LeftOut as reason:
                left_out.add(attempt, task, seed, str(reason))
                progress.line(f"Left out: {task}, seed {seed}: {reason}")
            else:
                writer.add(episode)
                left_out.kept(task)
                done, successes = done + 1, successes + episode.success
        attempt += 1
        rate = max(1, done - first) / (time.monotonic() - started)
        said = f"episode {done} of {args.episodes}, {successes} of {done - first} succeeded, "
        said += f"{len(left_out.reasons)} attempts left out"
        progress.update(f"{said}, {60 * rate:.0f} per minute, {(args.episodes - done) / rate:.0f} s left")


def _next_attempt(out: Path, writer: LeRobotWriter, collection: BenchmarkCollection) -> int:
    """After the last one that is an episode of the dataset."""
    if not writer.episodes:
        return 0
    last = LeRobotDataset(out).rows[-1]
    return collection.attempt(str(last["suite"]), int(last["seed"])) + 1


def _card(args: argparse.Namespace, choice: EnvironmentChoice, policy: Policy | None) -> ActionCard:
    own = choice.own_card()
    cameras = [own.cameras[0].name] if args.cameras is None else [name.strip() for name in args.cameras.split(",")]
    usual = USUAL_RATES.get(choice.kind, own.control_rate) if policy is None else policy.card.control_rate
    rate = usual if args.rate is None else args.rate
    return policy_card(own, rate=rate, image_size=image_size(args, policy), cameras=cameras)


def _refuse_options(args: argparse.Namespace, choice: EnvironmentChoice) -> None:
    if args.suite is not None:
        raise ValueError(f"--suite is for {TABLETOP}; the tasks here are {', '.join(choice.tasks)}, from --env.")
    if args.state:
        raise ValueError(f"--state is for {TABLETOP}; {choice.kind} gives only images.")
    if choice.kind == LIBERO and (args.policy is not None or args.rate not in (None, choice.own_card().control_rate)):
        given = "--rate" if args.policy is None else "--policy"
        raise EnvironmentRefusal(
            f"The scripted expert of {LIBERO} follows its own plan through an episode, step by step at "
            f"{choice.own_card().control_rate:g} Hz, so {given} is not possible; it is for {METAWORLD}."
        )


def _data_card(
    args: argparse.Namespace,
    collection: BenchmarkCollection,
    card: ActionCard,
    left_out: LeftOutAttempts,
    versions: dict[str, str],
) -> str:
    rows = LeRobotDataset(args.out).rows
    acting, digest = policy_words(args)
    cameras = ",".join(one.name for one in card.cameras)
    command = f"rt-vla collect --env {shlex.quote(args.env)} --episodes {len(rows)} --seed {args.seed} "
    command += f"--noise {args.noise} --rate {card.control_rate:g} --image-size {card.cameras[0].width} "
    command += f"--cameras {cameras}"
    origin = f"Collected in simulation; reproduce with `{command}{acting} --out DIR`{digest}."
    tasks = ", ".join(collection.tasks)
    return DATASET_CARD + benchmark_card(
        rows,
        left_out.tasks,
        title=f"Episodes of {tasks}",
        origin=origin,
        card=card,
        versions=versions,
        by_policy=args.policy is not None,
    )
