"""`rt-vla evaluate --compare`, `--against` and `--episodes-needed`: compare the success rates of two policies."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rt_vla_ros.evaluation.comparison.evaluations import RESULT, Evaluation, compared, names, read_evaluation
from rt_vla_ros.evaluation.comparison.paired import paired_result, successes
from rt_vla_ros.evaluation.comparison.power import episodes_needed
from rt_vla_ros.evaluation.comparison.sequential import SequentialTest
from rt_vla_ros.evaluation.comparison.unpaired import StatisticsError
from rt_vla_ros.evaluation.comparison.verdict import (
    difference_sentence,
    holm,
    rate_sentence,
    sequential_sentence,
    verdict,
)
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.evaluation.summary import Log, read_logs
from rt_vla_ros.out_file import write_json
from zenoh_ros.commands.errors import CliError

COMPARISON = "comparison.json"


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `rt-vla evaluate`."""
    group = parser.add_argument_group("comparison of two policies")
    both = "compare two finished evaluations, given by their --out directories; runs no episodes"
    group.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help=both)
    against = "after the run, compare with this evaluation of another policy on the same seeds"
    group.add_argument("--against", type=Path, metavar="DIR", help=against)
    decided = "with --against: end each suite as soon as one policy is significantly better"
    group.add_argument("--stop-when-decided", action="store_true", help=decided)
    needed = "print the number of episodes needed to distinguish two success rates, e.g. 0.8 0.9; runs no episodes"
    group.add_argument("--episodes-needed", nargs=2, type=float, metavar="RATE", help=needed)


def say_episodes_needed(rates: tuple[float, float]) -> int:
    """Print the number. Raises ValueError for rates that cannot be distinguished."""
    number = episodes_needed(*rates)
    print(
        f"To distinguish a success rate of {rates[0]:.1%} from {rates[1]:.1%}: {number:,} episodes of each policy, on "
        "the same seeds (McNemar's exact test at the 5% level with a power of 80%, assuming independent outcomes of "
        "the two policies; fewer if both fail in the same scenes)."
    )
    return 0


def compare_evaluations(first: Path, second: Path, out: Path | None) -> int:
    """Print the comparison of each run that both have; with `out`, a directory, write comparison.json.

    Raises ComparisonError, a ValueError, and CliError if SciPy is needed and missing.
    """
    one, other = read_evaluation(first), read_evaluation(second)
    both = names(one, other)
    results = compared(one, other)
    sequential = {title: test for title in results if (test := _stopped(one, other, title)) is not None}
    fixed = {title: result for title, result in results.items() if title not in sequential}
    try:
        p_values = {title: result.p_value for title, result in fixed.items()}
    except StatisticsError as error:
        raise CliError(str(error)) from error
    together = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    rows: dict[str, Any] = {}
    print(f"First: {one.policy} ({one.directory}). Second: {other.policy} ({other.directory}).")
    for text in _other_conditions(one, other):
        print(text)
    for title, result in results.items():
        said = (
            [sequential_sentence(both, sequential[title])]
            if title in sequential
            else [difference_sentence(result, p_values[title]), verdict(both, result, together[title])]
        )
        rates = _rates(one, other, title)
        print("\n".join([f"\n{title}", *(f"  {text}" for text in (*rates, *said))]))
        rows[title] = {**asdict(result), "difference": result.difference, "interval_95": list(result.interval_95)}
        rows[title] |= {"p_value": p_values.get(title), "p_value_holm": together.get(title), "says": [*rates, *said]}
    if len(fixed) > 1:
        print(f"\nVerdicts are at the 5% level for all {len(fixed)} comparisons together (Holm).")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / COMPARISON, {"first": str(first), "second": str(second), "policies": both, "runs": rows})
    return 0


def _rates(one: Evaluation, other: Evaluation, title: str) -> list[str]:
    """The success rate of each policy, over all of its episodes."""
    said = []
    for word, evaluation in (("First", one), ("Second", other)):
        won = successes(evaluation.runs[title]["log"]).values()
        said.append(f"{word}: {rate_sentence(sum(won), len(won))}.")
    return said


def _stopped(one: Evaluation, other: Evaluation, title: str) -> SequentialTest | None:
    """The sequential test of a run with early stopping; None for a fixed number of episodes."""
    runs = one.runs[title], other.runs[title]
    if not any(run.get("stopped_when_decided") for run in runs):
        return None
    test, won = SequentialTest(), [successes(run["log"]) for run in runs]
    for seed in sorted(won[0].keys() & won[1].keys()):
        test.add(won[0][seed], won[1][seed])
    return test


def _other_conditions(one: Evaluation, other: Evaluation) -> list[str]:
    """The conditions in which the two evaluations differ."""
    first, second = one.conditions(), other.conditions()
    differ = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    said = [f"{name}: {first.get(name, 'no')} first, {second.get(name, 'no')} second." for name in differ]
    hashes = {next(iter(evaluation.runs.values())).get("checkpoint_sha256") for evaluation in (one, other)}
    if len(hashes) == 1 and None not in hashes:
        said.append("Both are evaluations of the same weights.")
    return said


class Against:
    """A finished evaluation of another policy, to compare a running one with, suite by suite."""

    def __init__(self, directory: Path, policy: str, suites: Collection[str], seeds: range, *, stop: bool) -> None:
        """policy: name of the running one. Raises ComparisonError if the finished one lacks a seed."""
        self._logs = read_logs(directory / RESULT, suites, seeds)
        other = read_evaluation(directory).policy
        self._names = (other, policy) if other != policy else (f"{other} of {directory}", "this one")
        self._stop = stop
        self._tests = {suite: SequentialTest() for suite in suites}
        self._won = {suite: successes(log) for suite, log in self._logs.items()}

    def enough(self, suite: str, record: EpisodeRecord) -> bool:
        """Add one episode; return whether the suite is decided and should end here."""
        test = self._tests[suite]
        test.add(self._won[suite][record.seed], record.success)
        return self._stop and test.decided

    def sentence(self, suite: str, log: Log) -> str:
        """The result of a finished suite. log: of the policy that ran."""
        if self._stop:
            return sequential_sentence(self._names, self._tests[suite])
        result = paired_result(self._logs[suite], log)
        said = difference_sentence(result, result.p_value), verdict(self._names, result, result.p_value)
        return f"First: {self._names[0]}. Second: {self._names[1]}. {' '.join(said)}"
