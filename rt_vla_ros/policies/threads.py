"""How many threads torch uses for a policy: as few as keep up with its rate."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

WAIT_POLICY = "OMP_WAIT_POLICY"
# A further thread must save at least this share of a step, else its core is left to other processes.
WORTHWHILE = 0.1
# A step that takes longer [s] with torch's own number never keeps up, and trying fewer could take an hour.
TOO_LONG = 10.0


def wait_passively() -> None:
    """Threads of torch that wait for each other sleep; without this they spin. Call it before torch is imported.

    On a machine whose cores are busy a spinning thread keeps the very core that the thread it waits for needs: steps
    take a hundred times longer. What the environment says already is kept.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_threads(step: Callable[[], float], budget: float, threads: int = 0, *, usual: float = 0.0) -> int:
    """Sets torch's number of threads for the calling thread, and for threads that begin to use torch later.

    step: makes one usual, warm step of the policy; how long it took [s]. budget: a step of at most this time keeps
    up [s]. threads: the number, see set_threads; 0: that of OMP_NUM_THREADS where it is set, else the fewest with which
    a step keeps up, and where none does those with which it is fastest. usual: what a step takes with torch's own
    number [s]. Returns the number; 1 where nothing has imported torch.
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
    """Sets torch's number of threads, at most one for each core: a number may be another machine's. Returns it."""
    torch = sys.modules["torch"]
    number = min(number, usable_cores())
    torch.set_num_threads(number)
    return number


def _from_environment() -> int:
    """Torch takes the first number of a list; what is no number it ignores, and so does this."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if re.fullmatch(r"\d{1,20}", first) else 0
