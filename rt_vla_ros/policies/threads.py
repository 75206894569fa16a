"""Chooses torch's number of threads for a policy: the fewest that keep up with its rate."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

WAIT_POLICY = "OMP_WAIT_POLICY"
# A further thread must save at least this share of a step, otherwise its core is left to other processes.
WORTHWHILE = 0.1
# A step that takes longer than this [s] with torch's default never keeps up, and trying fewer could take an hour.
TOO_LONG = 10.0


def wait_passively() -> None:
    """Makes waiting threads of torch sleep instead of spin. Call it before torch is imported.

    On a machine with busy cores, a spinning thread occupies the core that the thread it waits for needs: steps
    take a hundred times longer. Existing environment variables are kept.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_threads(step: Callable[[], float], budget: float, threads: int = 0, *, usual: float = 0.0) -> int:
    """Sets torch's number of threads for the calling thread, and for threads that start to use torch later.

    step: runs one typical, warm step of the policy and returns its duration [s]. budget: longest step that keeps up
    [s]. threads: the number, see set_threads; 0: OMP_NUM_THREADS if set, otherwise the fewest that keep up, or the
    fastest if none does. usual: duration of a step with torch's default [s]. Returns the number; 1 if torch is not
    imported.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return 1
    given = threads or _from_environment()
    if given:
        return set_threads(given)
    if usual > TOO_LONG:
        return int(torch.get_num_threads())
    best, fastest, number = 1, float("inf"), 1
    while True:
        torch.set_num_threads(number)
        took = min(step(), step())
        if took < fastest * (1 - WORTHWHILE):
            best, fastest = number, took
        if fastest <= budget or number == usable_cores():
            break
        number = min(2 * number, usable_cores())
    torch.set_num_threads(best)
    return best


def set_threads(number: int) -> int:
    """Sets torch's number of threads, at most one per core, as the number may come from another machine. Returns it."""
    torch = sys.modules["torch"]
    number = min(number, usable_cores())
    torch.set_num_threads(number)
    return number


def _from_environment() -> int:
    """The number in OMP_NUM_THREADS: like torch, takes the first of a list and ignores anything but numbers."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if re.fullmatch(r"\d{1,20}", first) else 0
