"""A benchmark in its own process as an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.control.status import Command
from rt_vla_ros.environments.environment import (
    STOPPED_EARLY,
    SUCCESS,
    TIMEOUT,
    Ending,
    EnvironmentRefusal,
    LaidTask,
)
from rt_vla_ros.environments.native_action import NativeActions, Values, joined
from rt_vla_ros.environments.process import START_TIME, EnvironmentProcess
from rt_vla_ros.environments.serving_check import refuse_card
from rt_vla_ros.observations.image import Pixels
from rt_vla_ros.runtime.policy_stepper import StateSource
from rt_vla_ros.sim.pacing import steps_per_action
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, SEEDS_PER_COLLECTION

SENTENCES = {
    SUCCESS: "The environment reports success.",
    STOPPED_EARLY: "The policy terminated before the environment reported success.",
    TIMEOUT: "The step limit was reached, or the environment ended the episode, without success.",
}


@dataclass(frozen=True)
class Benchmark:
    """Static description of an environment.

    card: of its own actions, a step each, and its cameras. protocol: its choices, see environments.protocol.
    sentences: instructions by task, if the environment has none. instruction: of every task, if given.
    describe: the first request to the worker. knows_scene: whether the worker answers where target and tool are.
    """

    name: str
    kind: str
    card: ActionCard
    protocol: Mapping[str, str]
    sentences: dict[str, str]
    instruction: str
    describe: dict[str, Any]
    knows_scene: bool = False


class ForeignEnvironment:
    """See Environment."""

    outcomes: tuple[str, ...] = (SUCCESS, STOPPED_EARLY, TIMEOUT)

    def __init__(self, benchmark: Benchmark, process: EnvironmentProcess) -> None:
        """Starts the process, which ends on close. Raises EnvironmentRefusal, EnvironmentFailure, ValueError."""
        self._benchmark, self._process = benchmark, process
        self.tick_ns = round(benchmark.card.period * 1e9)
        self._answered = about = self._describe()
        self.versions: dict[str, str] = dict(about["versions"])
        self._native = NativeActions(benchmark.card, about["low"], about["high"], self.tick_ns)
        self._tells = False

    def _describe(self) -> dict[str, Any]:
        return dict(self._process.ask("describe", most=START_TIME, **self._benchmark.describe)[0])

    @property
    def knows_scene(self) -> bool:
        """Whether `scene` is known."""
        return self._benchmark.knows_scene

    @property
    def about(self) -> Mapping[str, Any]:
        """Entry `environment`: its name, versions and options, which results depend on."""
        one = self._benchmark
        return {"environment": {"name": one.name, "versions": self.versions, "protocol": dict(one.protocol)}}

    def refuse(self, card: ActionCard) -> None:
        """See Environment."""
        refuse_card(card, self._benchmark.card, self._benchmark.name)

    def lay(self, task: str, seed: int) -> LaidTask:
        """See Environment. The process is restarted after a crash.

        Seeds of training (see sim.suites) have starts that no evaluation has; only benchmarks with an expert have them.
        """
        if not self._process.runs:
            self._describe()
        own = self._own_task(task)
        start = {"seed": seed}
        if seed >= FIRST_TRAINING_SEED:
            collection, number = divmod(seed - FIRST_TRAINING_SEED, SEEDS_PER_COLLECTION)
            start = {"seed": number, "collection": collection}
        answer, _ = self._process.ask("lay", most=START_TIME, task=own, **start)
        self._native.reset()
        self._left, self._succeeded, self._over = int(answer["steps"]), False, False
        given = self._benchmark.instruction or self._benchmark.sentences.get(own) or str(answer["instruction"])
        if not given:
            raise EnvironmentRefusal(f"{task} has no instruction of its own; pass one with --instruction.")
        return LaidTask(seed, given, task, self._left * self.tick_ns / 1e9)

    def see(self, camera: str) -> Pixels:
        """See Environment."""
        answer, body = self._process.ask("see", camera=camera)
        image: Pixels = np.frombuffer(body, np.uint8).reshape(answer["shape"])
        return image

    def do(self, command: Command) -> None:
        """See Environment."""
        self._step(self._native.of_command(command))

    def play_natively(self) -> tuple[list[Values], bool]:
        """Run the package's own expert until the episode ends: its actions (D,) in the card's units, and success.

        They are passed to the environment unchanged, without card or tokens, as a reference.
        """
        answer = self._process.ask("expert", most=START_TIME)[0]
        self._left = 0
        return [self._native.values(action) for action in answer["actions"]], bool(answer["success"])

    def expert_values(self, card: ActionCard) -> Values:
        """The package's own expert's action from the present state, for one period of a policy with this card: (D,).

        The state is left as it is. As float32 numbers, so that a dataset has exactly the action that was taken.
        """
        steps = steps_per_action(card.period, self.tick_ns)
        actions = self._process.ask("label", steps=steps)[0]["actions"]
        exact = joined([self._native.values(action) for action in actions], card)
        return exact.astype(np.float32).astype(np.float64)

    def scene(self) -> NDArray[np.float32] | None:
        """Where the expert's target and the tool are, see data.episode: (10,). None: the benchmark does not say."""
        if not self.knows_scene:
            return None
        return np.array(self._process.ask("scene")[0]["scene"], np.float32)

    def _own_task(self, task: str) -> str:
        """The worker's name of the task."""
        return task.partition(":")[2]

    def _step(self, action: Values) -> None:
        answer, _ = self._process.ask("do", action=action.tolist())
        self._left -= 1
        self._succeeded = self._succeeded or bool(answer["success"])
        self._over = bool(answer["ended"])
        self._tells = self._tells or bool(answer["tells"])

    @property
    def ended(self) -> bool:
        """At the first success, when the environment ends the episode, and at the step limit."""
        return self._over or self._left <= 0

    def states(self, card: ActionCard) -> StateSource | None:
        """None: policies with a state input are refused."""
        return None

    def outcome(self, *, terminated: bool) -> Ending:
        """Raises EnvironmentRefusal if the environment never reports success."""
        if self.ended and not self._tells:
            raise EnvironmentRefusal(
                f"{self._benchmark.name} never reports whether an episode succeeded: its info has neither 'is_success' "
                "nor 'success'."
            )
        word = SUCCESS if self._succeeded else STOPPED_EARLY if terminated else TIMEOUT
        return Ending(word, SENTENCES[word])

    def close(self) -> None:
        """Ends the process."""
        self._process.close()
