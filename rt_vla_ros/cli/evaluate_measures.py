"""`rt-vla evaluate --measures` and `--learning-curve`: several evaluations, summarized on one page and in one file.

Each is a separate evaluation in its own subdirectory of --out, and can be resumed like any other.
"""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rt_vla_ros.cli.evaluate_env import chosen
from rt_vla_ros.data.held_out_episodes import training_episodes
from rt_vla_ros.environments.opening import TABLETOP
from rt_vla_ros.evaluation.baselines import ABLATIONS, EXPERT, OTHER_INSTRUCTION
from rt_vla_ros.evaluation.comparison.evaluations import read_evaluation
from rt_vla_ros.evaluation.measures import CurvePoint, Evaluations, Runs, measures
from rt_vla_ros.evaluation.measures_page import write_measures_page
from rt_vla_ros.out_file import replace_json
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS

Evaluate = Callable[[Namespace], int]
MEASURES, PAGE = "measures.json", "measures.html"
SEEN, UNSEEN = "pick-colours,pick-any,distractors", "unseen,backgrounds"
DELAYS = (0.2, 0.4, 0.6)  # [s]
ABOUT = ("policy", "checkpoint_sha256", "versions", "environment")


class MeasuresError(ValueError):
    """Options conflict or are missing; the message says which and what to do."""


def add_measures_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `rt-vla evaluate`."""
    group = parser.add_argument_group("several measures on one page")
    group.add_argument(
        "--measures",
        action="store_true",
        help="success rate, generalization gap, inference latency, robustness to delay and instruction following",
    )
    group.add_argument(
        "--unseen", metavar="TASKS", help=f"with --measures: unseen suites (default {UNSEEN}), or other tasks, as --env"
    )
    group.add_argument(
        "--learning-curve",
        nargs="+",
        metavar="[N=]CHECKPOINT",
        help="sample efficiency: success rate against the number N of training episodes (default: as recorded "
        "in a checkpoint trained on datasets)",
    )


def run_measures(args: Namespace, evaluate: Evaluate, usual_suite: str, command: Callable[[Namespace], str]) -> int:
    """Runs what is missing and writes both files. evaluate: runs one evaluation, as `rt-vla evaluate` does.

    usual_suite: the default of --suite. command: the command line of such options. Raises MeasuresError, and what
    `evaluate` raises.
    """
    _check(args)
    curve = list(_checkpoints(args.learning_curve or ()))
    if args.measures and args.env == TABLETOP and args.suite == usual_suite:
        args.suite = SEEN
    plan = _Plan(args, evaluate, usual_suite)
    made = Evaluations(curve=[plan.point(path, name, episodes) for path, name, episodes in curve])
    if args.measures:
        made = plan.measured(made)
    found = measures(made)
    first = next(iter((made.seen or made.curve[0].runs).values()))
    about = {**{name: first[name] for name in ABOUT if name in first}, "seed": args.seed, "command": command(args)}
    if not args.measures:
        about |= {"policy": ", ".join(point.checkpoint for point in made.curve), "checkpoint_sha256": None}
    replace_json(args.out / MEASURES, {**about, **found})
    write_measures_page(args.out / PAGE, about, found, made)
    if "generalization_gap" in found:
        print(found["generalization_gap"]["says"])
    print(f"Written: {args.out / MEASURES} and {args.out / PAGE}")
    return 0


def _check(args: Namespace) -> None:
    option = "--measures" if args.measures else "--learning-curve"
    if args.out is None:
        raise MeasuresError(f"{option} writes several evaluations; it needs --out DIR.")
    names = ("ablation", "against", "compare_with", "dataset", "stop_when_decided", "through_ros")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name)]
    if given:
        raise MeasuresError(f"{option} chooses the evaluations itself; leave out {' and '.join(given)}.")
    if args.policy == EXPERT:
        raise MeasuresError(f"{EXPERT} uses neither images nor words; {option} is for a checkpoint.")
    if args.learning_curve and not args.measures and any(args.delay):
        raise MeasuresError("--learning-curve has no delays; --delay is for --measures.")


def _checkpoints(given: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Path, name and number of training episodes of each. Raises MeasuresError where the number is not known."""
    seen: set[str] = set()
    for one in given:
        number, found, path = one.partition("=")
        if not (found and number.isdecimal()):
            path = one
        directory = Path(path) if Path(path).is_dir() else CHECKPOINTS / path
        episodes = int(number) if path != one else training_episodes(directory)
        if episodes is None:
            raise MeasuresError(
                f"{path} does not record the number of its training episodes; write it before the name: 100={path}."
            )
        parts = Path(path).parts
        name = "/".join(parts[-2:]) if parts[-1] == "checkpoint" and len(parts) > 1 else parts[-1]
        if name in seen:
            raise MeasuresError(f"--learning-curve names {name} twice; give the checkpoints different directory names.")
        seen.add(name)
        yield path, name, episodes


class _Plan:
    """Which evaluations are made, with which options, and where."""

    def __init__(self, args: Namespace, evaluate: Evaluate, usual_suite: str) -> None:
        self._args, self._evaluate = args, evaluate
        self._choice = chosen(args, usual_suite)
        self._one = {"suite": args.suite.split(",")[0].strip()} if self._choice is None else {}

    def measured(self, made: Evaluations) -> Evaluations:
        """With everything but the learning curve, which is there."""
        return Evaluations(
            seen=self._runs("seen"),
            unseen=self._unseen(),
            delayed=self._delayed(),
            ablated={ablation: self._runs(ablation, **self._one, ablation=ablation) for ablation in self._ablations()},
            curve=made.curve,
        )

    def point(self, path: str, name: str, episodes: int) -> CurvePoint:
        """Of the learning curve."""
        runs = self._runs(f"curve/{name.replace('/', '-')}", policy=path, **self._one)
        return CurvePoint(name, episodes, runs)

    def _unseen(self) -> Runs:
        if self._choice is None:
            return self._runs("unseen", suite=self._args.unseen or UNSEEN)
        return self._runs("unseen", env=self._args.unseen) if self._args.unseen else {}

    def _delayed(self) -> list[Mapping[str, Any]]:
        """One evaluation per delay, so that each delay can be run alone."""
        runs = [self._runs(f"delay_{delay:g}", **self._one, delay=(delay,)) for delay in self._delays()]
        return [result for found in runs for result in found.values()]

    def _delays(self) -> list[float]:
        asked = [delay for delay in self._args.delay if delay]
        if asked or self._choice is None:
            return asked or list(DELAYS)
        tick = self._choice.own_card().period
        return list(dict.fromkeys(max(1, round(delay / tick)) * tick for delay in DELAYS))

    def _ablations(self) -> list[str]:
        missing = self._choice is not None and len(self._choice.instructions) < 2
        return [one for one in ABLATIONS if not (missing and one == OTHER_INSTRUCTION)]

    def _runs(self, name: str, **changes: Any) -> Runs:
        """Run or resume one evaluation; its results by suite."""
        out = self._args.out / name
        usual = {"measures": False, "learning_curve": None, "unseen": None, "delay": (0.0,), "videos": 0, "out": out}
        print(f"{name}:", flush=True)
        self._evaluate(Namespace(**{**vars(self._args), **usual, **changes}))
        return {str(result["suite"]): result for result in read_evaluation(out).runs.values()}
