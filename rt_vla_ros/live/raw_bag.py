"""Record the raw messages alongside a dataset: `rt-vla bag record` in its own process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rt_vla_ros.parent_process import ends_with_this_process
from zenoh_ros.commands.errors import CliError

BESIDE = ("/tf", "/tf_static", "/clock", "recorder_node/episode")
"""Recorded with the topics of a topic map, to convert the bag into the same episodes."""
ENDS_WITHIN = 30.0  # to write what waits [s]


@contextmanager
def raw_bag(path: Path, topics: Sequence[str]) -> Iterator[None]:
    """Context in which the topics are recorded to a new bag. Raises CliError if that fails, also at the end."""
    command = [sys.executable, "-m", "rt_vla_ros.cli", "bag", "record", "-o", str(path), *topics]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the recorder, which ends this one
        preexec_fn=ends_with_this_process(signal.SIGINT),
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():  # it has said why
            raise CliError(f"Could not start the bag {path}; nothing was recorded.")
        try:
            yield
        finally:
            ended_before = process.poll() is not None
            _close(process, path)
        if ended_before:
            raise CliError(
                f"The recorder of the bag {path} ended early; see its output above. The dataset is complete."
            )
    finally:
        process.kill()
        process.wait()


def _close(process: subprocess.Popen[str], path: Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        print(process.communicate(timeout=ENDS_WITHIN)[0], end="", flush=True)
    except subprocess.TimeoutExpired as error:
        raise CliError(f"The bag {path} was not closed within {ENDS_WITHIN:g} s.") from error
