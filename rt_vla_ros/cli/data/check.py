"""Check a dataset for errors that would harm training; each finding has a code and a severity.

rt-vla data check DATA --report check.html
rt-vla data check DATA --json --fail-on warning

docs/data_check.md lists the codes. The dataset is not modified. The exit code is 1 if there is a finding of at least
the severity --fail-on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.check.checking import CheckedSet, check_dataset
from rt_vla_ros.data.check.codes import ERROR, SEVERITIES, WARNING
from rt_vla_ros.data.check.finding import episode_list
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.parquet import arrow
from rt_vla_ros.evaluation.check_report import write_check_report
from rt_vla_ros.out_file import check_out
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError
from zenoh_ros.wire.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="dataset directory")
    add("--json", action="store_true", help="print the findings as JSON")
    add("--report", type=Path, metavar="FILE.html", help="write an HTML report with images")
    add(
        "--fail-on",
        choices=(ERROR, WARNING),
        default=ERROR,
        help="severity from which the exit code is 1 (default error)",
    )


@refused(DatasetError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if there is no finding of at least the severity --fail-on, else 1."""
    if not args.data.is_dir():
        raise CliError(f"{args.data} is not a directory; expected a dataset in LeRobot format.")
    check_out(args.report)
    arrow()
    progress = Progress(sys.stderr)
    checked = check_dataset(args.data, progress.update)
    progress.line("All episodes were read.")
    if args.json:
        print(json.dumps(checked.to_dict(), indent=2))
    else:
        _print(checked)
    if args.report is not None:
        write_check_report(args.report, checked)
        if not args.json:
            print(f"Written: {args.report}")
    worst = SEVERITIES.index(args.fail_on)
    return int(any(finding.rank <= worst for finding in checked.findings))


def _print(checked: CheckedSet) -> None:
    for finding in checked.findings:
        print(printable(f"{finding.severity:<7} {finding.code}: {finding.sentence} {finding.advice}"))
        if finding.episodes and len(finding.episodes) < len(checked.opened.episodes):
            print(f"        {episode_list(finding.episodes)}")
    counts = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in checked.counts().items())
    episodes = checked.opened.episodes
    print(f"{checked.opened.directory}: {len(episodes)} episodes, {sum(map(len, episodes)):,} frames: {counts}.")
