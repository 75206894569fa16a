"""The options of `rt-vla evaluate` for external environments, checked before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.installs import RECIPES, version_note
from rt_vla_ros.environments.language_table import LANGUAGE_TABLE, check_checkout
from rt_vla_ros.environments.libero import LIBERO
from rt_vla_ros.environments.opening import FORMS, GYMNASIUM, TABLETOP, EnvironmentChoice
from rt_vla_ros.environments.process import ANSWER_TIME
from rt_vla_ros.environments.worker.libero_suites import STATES
from rt_vla_ros.evaluation.baselines import EXPERT, OTHER_INSTRUCTION
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.numbers import positive_float

OF_ENVIRONMENTS: dict[str, Any] = {
    "env_python": None,
    "env_card": None,
    "env_checkout": None,
    "env_timeout": ANSWER_TIME,
    "instruction": "",
}


def add_env_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--env", help=f"{FORMS} (default {TABLETOP}, with the suites as tasks)")
    add(
        "--env-python",
        type=Path,
        metavar="PATH",
        help="Python interpreter that has the environment (default: as installed)",
    )
    add("--env-card", type=Path, metavar="FILE", help=f"{GYMNASIUM}: action card of the environment's actions")
    add("--env-checkout", type=Path, metavar="DIR", help=f"{LANGUAGE_TABLE}: its checkout (adapter untested)")
    add("--env-timeout", type=positive_float, metavar="S", help="timeout of an environment's answer (default 120)")
    add("--instruction", metavar="TEXT", help=f"{GYMNASIUM}: instruction, unless reset() gives one")


def chosen(args: argparse.Namespace, usual_suite: str) -> EnvironmentChoice | None:
    """None for the built-in table. Raises ValueError for options that conflict or an environment not installed."""
    if args.env == TABLETOP:
        given = [
            f"--{name.replace('_', '-')}" for name, usual in OF_ENVIRONMENTS.items() if getattr(args, name) != usual
        ]
        if given:
            raise ValueError(f"{', '.join(given)} is for external environments, not for {TABLETOP}.")
        return None
    choice = EnvironmentChoice(
        args.env, args.env_python, args.env_card, args.instruction, args.env_timeout, args.env_checkout
    )
    tasks = choice.tasks
    if not choice.interpreter.is_file():
        raise ValueError(f"--env-python {choice.interpreter}: there is no such file.")
    tick = choice.tick
    if choice.kind != GYMNASIUM and (args.instruction or args.env_card):
        raise ValueError(f"--instruction and --env-card are for {GYMNASIUM}; {choice.kind} has its own.")
    _check_checkout(choice)
    _check_states(choice, args.seed, args.episodes)
    if args.suite != usual_suite:
        raise ValueError(f"--suite is for {TABLETOP}; the tasks here are {', '.join(tasks)}, from --env.")
    if args.through_ros or args.policy == EXPERT:
        raise ValueError(f"{'--through-ros' if args.through_ros else EXPERT} is for {TABLETOP} only.")
    if args.ablation == OTHER_INSTRUCTION and len(choice.instructions) < 2:
        raise ValueError(f"--ablation {OTHER_INSTRUCTION} needs the instructions of other tasks; {args.env} has none.")
    for delay in args.delay:
        if abs(delay / tick - round(delay / tick)) > 1e-6:
            raise ValueError(f"A delay of {delay:g} s is not a multiple of the environment's step of {tick:g} s.")
    return choice


def usual_episodes(env: str, usual: int) -> int:
    """Episodes per task unless given: LIBERO has as many as initial states."""
    return min(usual, STATES) if env.partition(":")[0] == LIBERO else usual


def _check_checkout(choice: EnvironmentChoice) -> None:
    if choice.kind == LANGUAGE_TABLE:
        check_checkout(choice.checkout)
    elif choice.checkout is not None:
        raise ValueError(f"--env-checkout is for {LANGUAGE_TABLE}, not for {choice.kind}.")


def _check_states(choice: EnvironmentChoice, seed: int, episodes: int) -> None:
    if choice.kind == LIBERO and seed + episodes > STATES:
        raise ValueError(
            f"{LIBERO} has {STATES} initial states per task, the seeds 0 to {STATES - 1}; {episodes} episodes from the "
            f"seed {seed} would repeat some, which adds no independent trials."
        )


def env_player(choice: EnvironmentChoice, policy: Policy, progress: Progress, **thresholds: float) -> DirectPlayer:
    """Start the environment's process. Raises ValueError, EnvironmentFailure."""
    environment = choice.open(policy.card)
    try:
        if note := version_note(choice.kind, environment.versions) if choice.kind in RECIPES else "":
            progress.line(note)
        return DirectPlayer(policy, environment, ExactFollower(environment.tick_ns), **thresholds)
    except BaseException:
        environment.close()
        raise


def env_words(args: argparse.Namespace) -> list[str]:
    """The words of the command line that a report shows."""
    words = ["--env", args.env]
    for name, usual in OF_ENVIRONMENTS.items():
        value = getattr(args, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value != usual else []
    return words
