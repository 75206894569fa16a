"""Run a policy many times in the simulator and say how often it does what it is told.

rt-vla evaluate --policy rt1-mini --suite pick-colours --episodes 100 --seed 0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from rt_vla_ros.cli.errors import CliError
from rt_vla_ros.evaluation.evaluate import evaluate
from rt_vla_ros.evaluation.rollout import Episode
from rt_vla_ros.policies.registry import load_policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--policy", default="rt1-mini", help="name or path of a checkpoint (default rt1-mini)")
    parser.add_argument("--suite", default="pick-colours", help="family of tasks (default pick-colours)")
    parser.add_argument("--episodes", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the first episode; the next ones count up (default 0)")
    parser.add_argument("--decoding", choices=("argmax", "expected_value"), help="default: the checkpoint's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (default auto)")
    parser.add_argument("--out", type=Path, help="directory for evaluation.json")
    parser.add_argument("--quiet", action="store_true", help="no line per episode")


def run(args: argparse.Namespace) -> int:
    """0 when the evaluation was made, whatever it says."""
    torch.set_num_threads(1)  # one small image at a time: more threads only get into each other's way
    try:
        policy = load_policy(args.policy, device=args.device, decoding=args.decoding)
        result = evaluate(
            policy, args.suite, args.episodes, args.seed, on_episode=None if args.quiet else _print_episode
        )
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / "evaluation.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        raise CliError(str(error)) from error
    low, high = result.interval
    print(
        f"{result.policy} on {result.suite}: {result.successes} of {len(result.episodes)} done "
        f"({result.success_rate:.0%}, 95% interval {low:.0%} to {high:.0%}); {result.outcomes}"
    )
    return 0


def _print_episode(episode: Episode) -> None:
    print(
        f"{episode.seed:>8}  {episode.outcome.value:<12}  {episode.seconds:4.1f} s  {episode.instruction}", flush=True
    )
