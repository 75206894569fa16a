"""Background processes that generate data during a training run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rt_vla_ros.parent_process import ends_with_this_process


@contextmanager
def in_background(commands: Sequence[Sequence[str]], run: Path) -> Iterator[Callable[[], None]]:
    """Context in which the processes run. The returned function raises ValueError if one of them has ended.

    run: directory of the run, for the message.
    """
    running = [_start(command) for command in commands]

    def check() -> None:
        ended = [process.returncode for process in running if process.poll() is not None]
        if ended:
            how = f"(status {ended[0]}); its message is above"
            if ended[0] < 0:
                how = f"(signal {-ended[0]}); the system does this when memory runs out"
            raise ValueError(
                f"A data generating process has ended {how}. Run the same command again to resume from {run}."
            )

    try:
        yield check
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is inherited: Ctrl-C is for this process alone
    try:
        ends = ends_with_this_process(signal.SIGTERM)
        return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, preexec_fn=ends)
    finally:
        signal.signal(signal.SIGINT, before)
