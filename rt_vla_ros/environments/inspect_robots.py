"""inspect-robots (https://docs.inspectrobots.org): its registered tasks on a simulated embodiment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.control.status import Command, State
from rt_vla_ros.environments.declared_card import refuse_declaration
from rt_vla_ros.environments.environment import STOPPED_EARLY, SUCCESS, TIMEOUT, Ending
from rt_vla_ros.environments.foreign import SENTENCES, Benchmark, ForeignEnvironment
from rt_vla_ros.environments.process import START_TIME, EnvironmentProcess

INSPECT = "inspect"
PROTOCOL = {
    "own-limit": "the task's own step limit; the embodiment may end an episode earlier",
    "scenes-by-epochs": (
        "seeds 0 to N-1 are the task's N scenes as in `inspect-robots run --seed 0`, N to 2N-1 their second epoch, ..."
    ),
    "first-yes-or-no-scorer": (
        "the first of the task's scorers that returns yes or no determines success; no grader and no operator"
    ),
    "equal-parts-clipped": (
        "an action of the policy is divided equally over the steps of its period, and clipped to the action space"
    ),
    "meters-radians-upper-open": (
        "units are meters and radians, the gripper's upper bound is open: the conventions of its adapters, not declared"
    ),
}


def names_of(rest: str) -> list[str]:
    """`TASK,TASK@EMBODIMENT` -> TASK@EMBODIMENT for each task; without an embodiment, the tasks alone."""
    tasks, at, embodiment = rest.partition("@")
    return [f"{task.strip()}{at}{embodiment.strip()}" for task in tasks.split(",")]


@lru_cache(maxsize=8)
def ask_declaration(python: Path, names: tuple[str, ...], answer_time: float) -> Mapping[str, Any]:
    """What the embodiment declares. Starts the process and ends it. Raises EnvironmentRefusal, EnvironmentFailure."""
    process = EnvironmentProcess(python, INSPECT, INSPECT, answer_time)
    try:
        return MappingProxyType(dict(process.ask("describe", most=START_TIME, **request_of(names))[0]))
    finally:
        process.close()


def request_of(names: tuple[str, ...]) -> dict[str, Any]:
    """names: see names_of."""
    return {"tasks": [name.partition("@")[0] for name in names], "embodiment": names[0].partition("@")[2]}


def inspect_benchmark(env: str, names: tuple[str, ...], card: ActionCard) -> Benchmark:
    """card: of the embodiment."""
    return Benchmark(env, INSPECT, card, PROTOCOL, {}, "", request_of(names))


class InspectEnvironment(ForeignEnvironment):
    """Asks the task's scorers at the end of an episode."""

    def refuse(self, card: ActionCard) -> None:
        """See Environment."""
        refuse_declaration(card, self._answered, self._benchmark.name)

    def outcome(self, *, terminated: bool) -> Ending:
        """A policy that terminates does one step without motion that says so, as in inspect-robots' own rollout."""
        if terminated and not self.ended:
            still = Command(np.zeros(3), np.zeros(3), "", None, State.TERMINATED, "", True, False)
            self._process.ask("do", action=self._native.of_command(still).tolist(), stop=True)
        told = self._process.ask("judge")[0]
        word = SUCCESS if told["success"] else STOPPED_EARLY if terminated else TIMEOUT
        return Ending(word, f"{SENTENCES[word]} {told['reason']}.")

    def _own_task(self, task: str) -> str:
        return super()._own_task(task).partition("@")[0]
