"""Measure a policy's success rate in simulation, on the built-in table or an external benchmark.

rt-vla evaluate --policy rt1-mini --suite pick-colours --episodes 200 --seed 0 --out evaluation/pick-colours
rt-vla evaluate --policy rt1-mini --suite all --episodes 200 --seed 0 --out evaluation
rt-vla evaluate --policy runs/mine/checkpoint --env metaworld:reach-v3 --episodes 50    # see rt-vla env --help
rt-vla evaluate --policy runs/mine/checkpoint --dataset data/expert                 # action error on recorded frames

Writes evaluation.json, report.html, episodes.jsonl and videos. Run the same command again to resume.
"""

from __future__ import annotations

import argparse
import errno
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rt_vla_ros import ros
from rt_vla_ros.cli.evaluate_compare import Against, add_compare_options, compare_evaluations, say_episodes_needed
from rt_vla_ros.cli.evaluate_dataset import add_dataset_options, evaluate_dataset
from rt_vla_ros.cli.evaluate_env import OF_ENVIRONMENTS, add_env_options, chosen, env_player, env_words, usual_episodes
from rt_vla_ros.cli.evaluate_measures import add_measures_options, run_measures
from rt_vla_ros.cli.main import claims_out, refused
from rt_vla_ros.cli.remote_options import add_remote_options, launch_arguments, patient, remote_settings
from rt_vla_ros.environments.environment import EnvironmentFailure
from rt_vla_ros.environments.opening import TABLETOP, EnvironmentChoice
from rt_vla_ros.evaluation.baselines import ABLATIONS, EXPERT, OTHER_INSTRUCTION, AblatedPolicy, ExpertPolicy
from rt_vla_ros.evaluation.delays import by_suite, delay_plot, delay_table
from rt_vla_ros.evaluation.players import DirectPlayer, Player
from rt_vla_ros.evaluation.provenance import center_cropped, checkpoint_hash, versions
from rt_vla_ros.evaluation.report import run_title, write_report
from rt_vla_ros.evaluation.rollout import LONGEST_DELAY, check_delay
from rt_vla_ros.evaluation.suite_run import SuiteRun
from rt_vla_ros.evaluation.summary import Log, compare, read_logs
from rt_vla_ros.os_error import in_words
from rt_vla_ros.out_file import replace_json
from rt_vla_ros.policies.checkpoint.resolve import WEIGHTS, resolve
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.threads import wait_passively
from rt_vla_ros.progress import Progress
from rt_vla_ros.runtime.confidence_gate import THRESHOLDS
from rt_vla_ros.runtime.warm_up import warm_up
from rt_vla_ros.sim.suites import EVALUATION_SUITES, FIRST_TRAINING_SEED, find_suite
from rt_vla_ros.sim.tabletop_sim import CONTROL_PERIOD
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import nonnegative_int

RESULT, REPORT, DELAYS = "evaluation.json", "report.html", "delays.svg"
# Options with their defaults: the first apply to checkpoints only, the second only with --out.
OF_CHECKPOINTS = {
    "decoding": None,
    "plan": False,
    "weights": WEIGHTS[0],
    "device": "auto",
    "threads": 0,
    "trust_remote_code": False,
}
OF_OUT = {"videos": 3, "overwrite": False}
USUAL_SUITE = "pick-colours"
OF_SUITES = {
    "env": TABLETOP,
    **OF_ENVIRONMENTS,
    "suite": USUAL_SUITE,
    "seed": 0,
    "delay": (0.0,),
    "through_ros": False,
    "compare_with": None,
    "against": None,
    "stop_when_decided": False,
    "ablation": None,
    **dict.fromkeys(THRESHOLDS, 0.0),
    **OF_OUT,
}
"""Options of simulator evaluations with their defaults."""
EPISODES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--policy", default="rt1-mini", help=f"checkpoint name or path, or {EXPERT} (default rt1-mini)")
    add("--suite", help=f"comma-separated suites, or all (default {USUAL_SUITE})")
    add(
        "--episodes",
        type=int,
        help="episodes per suite (default 100, libero 50); with --dataset: maximum (default: all)",
    )
    add("--seed", type=int, help="seed of the first episode, incremented per episode (default 0)")
    add("--out", type=Path, metavar="DIR", help="output directory; without it no files are written")
    add("--delay", type=_delays, metavar="S,...", help="delays from image to action, comma-separated (default 0)")
    add("--through-ros", action="store_true", help="run policy, smoother and arm as ROS nodes")
    add("--compare-with", type=Path, metavar="DIR", help="check that all actions match those of this evaluation")
    add("--ablation", choices=ABLATIONS, help="remove or replace one input of the policy (docs/evaluation.md)")
    add("--decoding", choices=("argmax", "expected_value"), help="action decoding (default: the checkpoint's)")
    add("--plan", action="store_true", help="write a plan in words before each action (an RT-2 trained with plans)")
    still = "do not move while {} is below this, as in policy_node"
    add("--min-confidence", type=float, help=still.format("confidence"))
    add("--min-legal-probability", type=float, help=still.format("legal_probability"))
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N (default auto)")
    add("--weights", choices=WEIGHTS, default="auto", help="weight format (default auto)")
    add("--threads", type=nonnegative_int, default=0, metavar="N", help="torch threads (default: as few as keep up)")
    add("--trust-remote-code", action="store_true", help="run code of the checkpoint")
    add("--videos", type=int, metavar="N", help="videos of the first N successes and N failures (default 3)")
    add("--overwrite", action="store_true", help="overwrite an existing evaluation in the output directory")
    add_env_options(parser)
    add_measures_options(parser)
    add_compare_options(parser)
    add_dataset_options(parser)
    add_remote_options(parser)
    parser.set_defaults(**OF_SUITES)


@claims_out
@refused(ValueError, ImportError, EnvironmentFailure)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the evaluation was made, whatever the result; 1 if --compare-with found a difference."""
    if args.episodes_needed is not None:
        return say_episodes_needed(args.episodes_needed)
    if args.compare is not None:
        first, second = args.compare
        return compare_evaluations(first, second, args.out)
    if args.measures or args.learning_curve:
        args.episodes = usual_episodes(args.env, EPISODES) if args.episodes is None else args.episodes
        return run_measures(args, run, USUAL_SUITE, _command)
    if args.unseen is not None:
        raise ValueError("--unseen is for --measures.")
    if args.dataset is not None:
        return _on_dataset(args)
    if args.part is not None:
        raise ValueError("--part requires --dataset DIR.")
    args.episodes = usual_episodes(args.env, EPISODES) if args.episodes is None else args.episodes
    try:
        choice = chosen(args, USUAL_SUITE)
        suites = _checked(args, choice)
        seeds, reference = range(args.seed, args.seed + args.episodes), None
        if args.compare_with is not None:
            reference = read_logs(args.compare_with / RESULT, suites, seeds)
        against = _against(args, suites, seeds)
        about = _about(args)
        progress, results, videos = Progress(), list[dict[str, Any]](), dict[str, list[Path]]()
        with _player(args, choice, progress) as player:
            about |= player.about
            for suite, delay in product(suites, args.delay):
                if isinstance(player, DirectPlayer):
                    player.delay = delay
                run_about, out = {**about, "delay": delay}, _directory(args, suites, suite, delay)
                made = SuiteRun(player, suite, run_about, out, progress)
                enough = {} if against is None else {"enough": partial(against.enough, suite)}
                made.play(seeds, videos=args.videos, overwrite=args.overwrite, **enough)
                results.append({**run_about, "suite": suite, **made.summary})
                if args.stop_when_decided:
                    results[-1]["stopped_when_decided"] = len(made.records) < len(seeds)
                videos[run_title(results[-1])] = made.videos
                progress.line(_sentence(results[-1]))
                if against is not None:
                    progress.line(against.sentence(suite, results[-1]["log"]))
                if out is not None:
                    _write(out, results[-1], results[-1:], videos)
        _finish(args, about, results, videos, progress)
        return 0 if reference is None else _compare(args.compare_with, results, reference, progress)
    except OSError as error:
        kept = "" if args.out is None else f" Finished episodes are kept in {args.out}; the same command resumes."
        raise CliError(in_words(error) + (kept if error.errno in (errno.ENOSPC, errno.EDQUOT) else "")) from error


def _on_dataset(args: argparse.Namespace) -> int:
    given = [f"--{name.replace('_', '-')}" for name, usual in OF_SUITES.items() if getattr(args, name) != usual]
    if given:
        raise ValueError(f"{', '.join(given)} is for simulator evaluations, not for --dataset.")
    if args.policy == EXPERT:
        raise ValueError(f"{EXPERT} uses the simulator's state, which a dataset does not have.")
    if args.episodes is not None and args.episodes < 1:
        raise ValueError(f"An evaluation needs at least 1 episode, not {args.episodes}.")
    return evaluate_dataset(args, lambda: _load(args))


def _checked(args: argparse.Namespace, choice: EnvironmentChoice | None) -> list[str]:
    """The suites, or a benchmark's tasks. Raises ValueError for errors that can be found before anything starts."""
    names = EVALUATION_SUITES if args.suite == "all" else args.suite.split(",")
    suites = [find_suite(name.strip()).name for name in names] if choice is None else choice.tasks
    if len(set(suites)) < len(suites):
        raise ValueError(f"--suite {args.suite} lists a suite twice.")
    if args.episodes < 1:
        raise ValueError(f"An evaluation needs at least 1 episode, not {args.episodes}.")
    if not 0 <= args.seed <= FIRST_TRAINING_SEED - args.episodes:
        allowed = f"Seeds are from 0 to {FIRST_TRAINING_SEED - 1}: training uses those above"
        raise ValueError(f"{allowed}. Given: {args.seed}.")
    for name in THRESHOLDS:
        if not 0 <= getattr(args, name) <= 1:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(args, name):g}, expected 0 to 1.")
    if len(set(args.delay)) < len(args.delay):
        raise ValueError(f"--delay {','.join(f'{delay:g}' for delay in args.delay)} lists a delay twice.")
    if args.compare_with is not None and len(args.delay) > 1:
        raise ValueError("--compare-with needs a single delay; give one --delay.")
    if args.through_ros and args.delay != (0.0,):
        raise ValueError("--through-ros runs in lock step, without delays; --delay cannot be combined with it.")
    if args.videos < 0:
        raise ValueError(f"--videos is {args.videos}, expected 0 or more.")
    beyond = [name for name in ("ablation", "decoding") if getattr(args, name)]
    if args.through_ros and (beyond or args.policy == EXPERT):
        raise ValueError(f"--through-ros evaluates a checkpoint unchanged, without {beyond[0] if beyond else EXPERT}.")
    if args.policy == EXPERT and (given := _given(args, OF_CHECKPOINTS)):
        raise ValueError(f"{EXPERT} is not a checkpoint; {given} applies to checkpoints only.")
    if args.out is None and (given := _given(args, OF_OUT)):
        raise ValueError(f"{given} requires --out DIR.")
    if args.policy == EXPERT and args.ablation not in (None, OTHER_INSTRUCTION):
        raise ValueError(f"{EXPERT} uses no images and no words, so --ablation {args.ablation} would change nothing.")
    if args.compare_with is not None and not (args.compare_with / RESULT).is_file():
        raise ValueError(f"--compare-with: there is no {args.compare_with / RESULT}.")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    return suites


def _against(args: argparse.Namespace, suites: Sequence[str], seeds: range) -> Against | None:
    if args.against is None:
        if args.stop_when_decided:
            raise ValueError("--stop-when-decided requires --against DIR, the evaluation to compare with.")
        return None
    if len(args.delay) > 1:
        raise ValueError("--against needs a single delay; give one --delay.")
    return Against(args.against, Path(args.policy).name, suites, seeds, stop=args.stop_when_decided)


def _delays(text: str) -> tuple[float, ...]:
    try:
        return tuple(check_delay(float(one)) for one in text.split(","))
    except ValueError as error:
        limits = f"multiples of {CONTROL_PERIOD:g} s from 0 to {LONGEST_DELAY:g} s, the controller's max_action_age"
        raise argparse.ArgumentTypeError(f"expected {limits}, separated by commas, got {text!r}") from error


def _directory(args: argparse.Namespace, suites: Sequence[str], suite: str, delay: float) -> Path | None:
    """Where one run's files are: a directory of its own where there are several."""
    if args.out is None:
        return None
    out: Path = args.out / suite.replace(":", "-").replace("/", "-") if len(suites) > 1 else args.out
    return out / f"delay_{delay:g}" if len(args.delay) > 1 else out


def _finish(
    args: argparse.Namespace,
    about: dict[str, Any],
    results: list[dict[str, Any]],
    videos: Mapping[str, Sequence[Path]],
    progress: Progress,
) -> None:
    """What several runs have together."""
    if len(args.delay) > 1:
        progress.line(delay_table(results))
    if args.out is None or len(results) == 1:
        return
    if len(args.delay) > 1:
        (args.out / DELAYS).write_text(delay_plot(by_suite(results)), encoding="utf-8")
        _write(args.out, {**about, "delays": results}, results, videos)
    else:
        _write(args.out, {**about, "suites": {result["suite"]: result for result in results}}, results, videos)


def _given(args: argparse.Namespace, defaults: Mapping[str, object]) -> str:
    names = [name for name, usual in defaults.items() if getattr(args, name) not in (usual, 0)]
    return " and ".join(f"--{name.replace('_', '-')}" for name in names)


def _about(args: argparse.Namespace) -> dict[str, Any]:
    """What was evaluated, and with which versions. Raises UnknownPolicyError."""
    digest = None if args.policy == EXPERT else checkpoint_hash(args.policy, remote_settings(args))
    options = ("seed", "through_ros", "ablation", "decoding", "plan", *THRESHOLDS, "weights")
    cropped = None if args.policy == EXPERT else center_cropped(args.policy, remote_settings(args))
    about = {"policy": Path(args.policy).name, "checkpoint_sha256": digest, "center_crop": cropped}
    return {**about, **{n: getattr(args, n) for n in options}, "command": _command(args), "versions": versions()}


def _command(args: argparse.Namespace) -> str:
    words = ["rt-vla", "evaluate", "--policy", args.policy]
    words += ["--suite", args.suite] if args.env == TABLETOP else env_words(args)
    words += ["--episodes", str(args.episodes), "--seed", str(args.seed)]
    for name in ("ablation", "decoding", "against", "out"):
        value = getattr(args, name)
        words += [f"--{name}", str(value)] if value else []
    words += ["--delay", ",".join(f"{delay:g}" for delay in args.delay)] if any(args.delay) else []
    for name in THRESHOLDS:
        words += [f"--{name.replace('_', '-')}", f"{getattr(args, name):g}"] if getattr(args, name) else []
    words += ["--weights", args.weights] if args.weights != WEIGHTS[0] else []
    words += ["--threads", str(args.threads)] if args.threads else []
    words += ["--unseen", args.unseen] if args.unseen else []
    words += ["--learning-curve", *args.learning_curve] if args.learning_curve else []
    switches = ("measures", "plan", "trust_remote_code", "through_ros", "stop_when_decided")
    words += [f"--{name.replace('_', '-')}" for name in switches if getattr(args, name)]
    return shlex.join(words)


@contextmanager
def _player(args: argparse.Namespace, choice: EnvironmentChoice | None, progress: Progress) -> Iterator[Player]:
    if args.through_ros:
        ros.ensure()
        from rt_vla_ros.live.evaluate_through_ros import ros_player  # imports rclpy

        remote = patient(remote_settings(args))
        checkpoint = resolve(args.policy, progress.line, remote)
        if args.plan:
            checkpoint.check_plans()
        names = ("device", "weights", "trust_remote_code", "threads", "plan", *THRESHOLDS)
        options = {name: getattr(args, name) for name in names}
        card, server = checkpoint.read_card(), launch_arguments(remote)
        with ros_player(checkpoint.reference, card, options, progress, server) as player:
            yield player
        return
    policy, thresholds = (
        _load(args, choice.instructions if choice is not None and args.ablation == OTHER_INSTRUCTION else ()),
        {name: getattr(args, name) for name in THRESHOLDS},
    )
    made = DirectPlayer(policy, **thresholds) if choice is None else env_player(choice, policy, progress, **thresholds)
    with closing(made) as direct:
        yield direct


def _load(args: argparse.Namespace, others: Sequence[str] = ()) -> Policy:
    """others: see AblatedPolicy."""
    if args.policy == EXPERT:
        return AblatedPolicy(ExpertPolicy(), args.ablation) if args.ablation else ExpertPolicy()
    wait_passively()
    # Importing torch takes seconds: report misspelt arguments first.
    from rt_vla_ros.policies.load import load_policy

    options = {name: getattr(args, name) for name in ("device", "decoding", "weights", "trust_remote_code", "plan")}
    policy = load_policy(args.policy, remote=patient(remote_settings(args)), **options)
    warm_up(policy, args.threads)
    return AblatedPolicy(policy, args.ablation, others) if args.ablation else policy


def _sentence(result: dict[str, Any]) -> str:
    low, high = result["interval_95"]
    rest = ", ".join(f"{count} {name}" for name, count in result["outcomes"].items() if count and name != "success")
    refusals = "".join(f"\n  {count} with refused actions: {why}" for why, count in result["refusals"].items())
    return (
        f"{result['policy']} on {run_title(result)}: {result['successes']} of {result['episodes']} succeeded "
        f"({result['success_rate']:.1%}, 95% interval {low:.1%} to {high:.1%}){'; ' + rest if rest else ''}{refusals}"
    )


def _write(out: Path, data: Any, results: list[dict[str, Any]], videos: Mapping[str, Sequence[Path]]) -> None:
    """Writes both files atomically; several suites share one file and one report."""
    replace_json(out / RESULT, data)
    write_report(out / REPORT, results, videos)


def _compare(other: Path, results: list[dict[str, Any]], reference: dict[str, Log], progress: Progress) -> int:
    same = True
    for ours in results:
        found = compare(ours["log"], reference[ours["suite"]])
        progress.line(
            f"{ours['suite']}: {found['episodes']} episodes are in {other} too; {found['same_outcome']} of them have "
            f"the same outcome and {found['same_actions']} the same actions, bit for bit."
        )
        same = same and found["episodes"] == found["same_actions"] == found["same_outcome"]
    return 0 if same else 1
