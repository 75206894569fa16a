"""Run the project's tests; arguments are pytest's: `rt-vla test test/control -k terminate`.

With pytest-xdist, tests run on all cores first, three for every two cores since many wait for messages or processes;
tests marked `serial` then run one by one. What failed runs once more, alone: a test that then passes is reported but is
no failure, since many tests wait for other processes.
`rt-vla test -m "not slow"` skips tests that take more than ten seconds; `rt-vla test --cov` measures coverage.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rt_vla_ros.cli.main import signals_to
from zenoh_ros.commands.errors import CliError

CHECKOUT = Path(__file__).resolve().parents[2]
MAX_WORKERS = 8  # each imports torch and MuJoCo, and there are not enough tests for more
FAILED, NOTHING_COLLECTED = 1, 5  # exit statuses of pytest
# With one of these the user controls the processes, or no tests run.
SINGLE = {"-n", "--numprocesses", "--dist", "--pdb", "--trace", "--co", "--collect-only", "--version", "-h", "--help"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything goes to pytest, options too (also `--help`)."""
    parser.prefix_chars = "\0"  # so that nothing looks like an option of ours
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")


def run(args: argparse.Namespace) -> int:
    """Return pytest's exit status. Raises CliError if there are no tests to run."""
    if not (CHECKOUT / "test").is_dir():
        only = f"the tests are in the source tree, not in an installation ({CHECKOUT})"
        raise CliError(f"{only}: run ./rt-vla test in a checkout.")
    if importlib.util.find_spec("pytest") is None:
        raise CliError("pytest is not installed here; `./rt-vla test` installs it, or: pip install 'rt_vla_ros[test]'.")
    os.chdir(CHECKOUT)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    workers = min(cores + cores // 2, MAX_WORKERS) if importlib.util.find_spec("xdist") is not None else 1
    stops = any(word in ("-x", "--exitfirst") or word.startswith("--maxfail") for word in args.pytest)
    started, statuses = time.monotonic(), list[int]()
    for arguments in passes(args.pytest, workers):
        statuses.append(_run_pytest(arguments))
        if statuses[-1] not in (0, FAILED, NOTHING_COLLECTED) or (statuses[-1] == FAILED and stops):
            break
    unstable = len(statuses) == 2 and FAILED in statuses and not stops and _passes_alone(args.pytest)
    if unstable:
        statuses = [0 if status == FAILED else status for status in statuses]
    # The first failed pass decides; pytest has its own status for no tests.
    status = next((status for status in statuses if status not in (0, NOTHING_COLLECTED)), min(statuses))
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    word = f"status {status}" if status else "passed, some tests only when repeated," if unstable else "passed"
    print(f"rt-vla test: {word} after {minutes} min {seconds} s.")
    return status


def passes(arguments: Sequence[str], workers: int) -> list[list[str]]:
    """The arguments of each pytest run: a single one, or a parallel one and then a serial one.

    A single one for one worker, for files or single tests, and if the user sets the processes.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="markers", default="")
    given, rest = parser.parse_known_args(arguments)
    options = ["--durations=5", "--durations-min=1", *rest]
    single = any(word.partition("=")[0] in SINGLE or word.startswith("-n") for word in rest)
    if workers < 2 or single or any(Path(word.partition("::")[0]).is_file() for word in rest):
        return [[*options, *(["-m", given.markers] if given.markers else [])]]
    also = f" and ({given.markers})" if given.markers else ""
    parallel = [*options, "-n", str(workers), "--dist", "worksteal", "-m", f"not serial{also}"]
    together = ["--cov-append"] if _measures_coverage(rest) else []
    return [parallel, [*options, *together, "-m", f"serial{also}"]]


def _passes_alone(arguments: Sequence[str]) -> bool:
    """Whether what failed in both passes passes when it runs by itself."""
    repeated = repetition(arguments)
    if repeated is None:
        return False
    print("rt-vla test: what failed runs once more, alone.", flush=True)
    return _run_pytest(repeated) == 0


def repetition(arguments: Sequence[str]) -> list[str] | None:
    """pytest's arguments for what failed last, up to the first that fails again. None without pytest's cache of it."""
    if any(word.endswith("no:cacheprovider") for word in arguments):
        return None
    together = ["--cov-append"] if _measures_coverage(arguments) else []
    return [*arguments, *together, "--last-failed", "--last-failed-no-failures=none", "--exitfirst"]


def _measures_coverage(arguments: Sequence[str]) -> bool:
    return any(word.partition("=")[0] == "--cov" for word in arguments)


def _run_pytest(arguments: Sequence[str]) -> int:
    """Return pytest's exit status. Ctrl-C and a `kill` end pytest, which then reports its results so far."""
    process = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])

    def forward(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:  # which the terminal has sent to pytest too
            process.send_signal(number)

    with signals_to(forward, signal.SIGINT, signal.SIGTERM):
        return process.wait()
