"""Check that converting actions to tokens and back does not change an environment's outcomes.

rt-vla env check metaworld:MT10 --episodes 10 --out check.json
rt-vla env check libero:object --episodes 1

From each initial state a scripted expert (Meta-World's own; for LIBERO's object suite one of this package) is run
directly, then its recorded actions are replayed as tokens of an action card, with the same conversion to SI units as
for policies. From one in five, random tokens are run.
The replay must succeed in 9 of 10 episodes in which the expert succeeds.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.installs import version_note
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.evaluation.plumbing import Unseen, check_plumbing, plumbing_sentence
from rt_vla_ros.out_file import check_out, write_json
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.numbers import nonnegative_int, positive_int

ENOUGH = 0.9  # of the expert's successes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", metavar="metaworld:TASK|libero:object[/TASK]", help="one or more comma-separated tasks")
    parser.add_argument("--episodes", type=positive_int, default=10, help="episodes per task (default 10)")
    parser.add_argument("--seed", type=nonnegative_int, default=0, help="seed of the first episode (default 0)")
    parser.add_argument(
        "--env-python", type=Path, metavar="PATH", help="Python interpreter that has it (default: as installed)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results as JSON")


@refused(ValueError, EnvironmentFailure)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the replayed actions succeed often enough in every task, else 1."""
    choice, progress = EnvironmentChoice(args.env, args.env_python), Progress()
    tasks = choice.tasks_with_expert
    check_out(args.out)
    environment = choice.open(None, Unseen)
    try:
        if note := version_note(choice.kind, environment.versions):
            progress.line(note)
        rows, seeds = [], range(args.seed, args.seed + args.episodes)
        for task in tasks:
            row = check_plumbing(environment, choice.own_card(), task, seeds, progress.update)
            rows.append(row)
            progress.line(f"{plumbing_sentence(row)}; {row.episodes} episodes")
    finally:
        environment.close()
    write_json(args.out, {"versions": environment.versions, "rows": [asdict(row) for row in rows]})
    bad = [row.task for row in rows if row.replayed < ENOUGH * row.expert]
    if bad:
        progress.line(f"The action conversion changes the outcomes of {', '.join(bad)}.")
    return 1 if bad else 0
