"""Parses `--env` and opens the environment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.environments.declared_card import card_of_declaration, refuse_declaration
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.foreign import Benchmark, ForeignEnvironment
from rt_vla_ros.environments.inspect_robots import (
    INSPECT,
    InspectEnvironment,
    ask_declaration,
    inspect_benchmark,
    names_of,
)
from rt_vla_ros.environments.installs import python_of
from rt_vla_ros.environments.language_table import (
    HOW,
    LANGUAGE_TABLE,
    families_of,
    language_table_benchmark,
    language_table_card,
)
from rt_vla_ros.environments.libero import (
    LIBERO,
    LiberoEnvironment,
    ask_suite,
    libero_benchmark,
    libero_card,
    libero_tasks,
)
from rt_vla_ros.environments.metaworld import SENTENCES, metaworld_benchmark, metaworld_card, tasks_of
from rt_vla_ros.environments.process import ANSWER_TIME, EnvironmentProcess
from rt_vla_ros.environments.worker.libero_suites import EXPERT_SUITE
from rt_vla_ros.json_file import read_object

TABLETOP, METAWORLD, GYMNASIUM = "tabletop", "metaworld", "gymnasium"
KINDS = (METAWORLD, LIBERO, LANGUAGE_TABLE, GYMNASIUM, INSPECT)
FORMS = (
    f"{TABLETOP}, {METAWORLD}:TASK (or several, MT10, MT50), {LIBERO}:SUITE[/TASK], "
    f"{LANGUAGE_TABLE}:FAMILY (untested), {GYMNASIUM}:ID, {INSPECT}:TASK[@EMBODIMENT]"
)
CLASSES: dict[str, type[ForeignEnvironment]] = {INSPECT: InspectEnvironment, LIBERO: LiberoEnvironment}
CARDS = {METAWORLD: metaworld_card, LIBERO: libero_card, LANGUAGE_TABLE: language_table_card}
PROTOCOL_OF_GYMNASIUM = {
    "own-limit-first-success": (
        "the environment's own max_episode_steps; an episode ends at its first success, as reported in info"
    ),
    "reset-seed": "the seed of an episode is that of reset()",
    "image-or-render": "the image is the observation, an entry of it with the camera's name, or render()",
    "equal-parts": (
        "an action of the policy is divided equally over the steps of its period, without smoothing or limits"
    ),
}


@dataclass(frozen=True)
class EnvironmentChoice:
    """The user's choice. card: of a Gymnasium environment. python: interpreter instead of the installed one.

    checkout: of Language-Table.
    """

    env: str
    python: Path | None = None
    card: Path | None = None
    instruction: str = ""
    answer_time: float = ANSWER_TIME
    checkout: Path | None = None

    @property
    def kind(self) -> str:
        """The part before the colon."""
        return self.env.partition(":")[0]

    @property
    def tasks(self) -> list[str]:
        """Names in results, such as metaworld:reach-v3. Raises EnvironmentRefusal for unknown names."""
        kind, _, rest = self.env.partition(":")
        if kind not in KINDS or not rest:
            near = difflib.get_close_matches(kind, (TABLETOP, *KINDS), n=1)
            hint = f" Did you mean {near[0]}?" if near and near[0] != kind else ""
            raise EnvironmentRefusal(f"--env is {self.env!r}, expected {FORMS}.{hint}")
        if kind == GYMNASIUM:
            return [self.env]
        names = self._names(rest)
        if len(set(names)) < len(names):
            raise EnvironmentRefusal(f"--env {self.env} lists a task twice.")
        return [f"{kind}:{name}" for name in names]

    @property
    def tasks_with_expert(self) -> list[str]:
        """As `tasks`. Raises EnvironmentRefusal also for those without a scripted expert."""
        tasks = self.tasks
        if self.kind != METAWORLD and not all(task.startswith(f"{LIBERO}:{EXPERT_SUITE}/") for task in tasks):
            raise EnvironmentRefusal(
                f"{self.env} has no scripted expert; there are experts for {METAWORLD} and {LIBERO}:{EXPERT_SUITE}."
            )
        return tasks

    @property
    def tick(self) -> float:
        """The environment's step [s]. Raises what own_card raises."""
        if self.kind == INSPECT and (rate := self._declaration["control_hz"]):
            return round(1.0 / float(rate), 9)
        return self.own_card().period

    def own_card(self) -> ActionCard:
        """The card of the environment's own actions and cameras. Raises EnvironmentRefusal, ActionCardError."""
        if self.kind in CARDS:
            return CARDS[self.kind]()
        if self.kind == INSPECT:
            return card_of_declaration(self._declaration)
        if self.card is None:
            raise EnvironmentRefusal(
                f"The meaning of the actions of {self.env} is unknown: pass its action card with --env-card FILE "
                "(example in docs/evaluation.md)."
            )
        try:
            return ActionCard.from_dict(read_object(self.card, ActionCardError))
        except ActionCardError as error:
            raise ActionCardError(f"{self.card}: {error}") from error

    def open(self, policy: ActionCard | None, made: type[ForeignEnvironment] | None = None) -> ForeignEnvironment:
        """policy: its action card; None: no images. Starts the process. Raises ValueError, see there."""
        python, made = self.interpreter, made or CLASSES.get(self.kind, ForeignEnvironment)
        benchmark = self._benchmark(policy)
        process = EnvironmentProcess(python, self.kind, self.kind, self.answer_time)
        try:
            return made(benchmark, process)
        except BaseException:
            process.close()
            raise

    @property
    def instructions(self) -> tuple[str, ...]:
        """Of all tasks of the benchmark, or of LIBERO's chosen suites, if it has sentences for them; else none."""
        if self.kind == LIBERO:
            suites = dict.fromkeys(name.partition(":")[2].partition("/")[0] for name in self.tasks)
            found = [ask_suite(self.interpreter, suite, self.answer_time)["instructions"] for suite in suites]
            return tuple(dict.fromkeys(sentence for one in found for sentence in one))
        return tuple(dict.fromkeys(SENTENCES.values())) if self.kind == METAWORLD else ()

    @property
    def interpreter(self) -> Path:
        """Of its process. Raises EnvironmentRefusal with what to do if it is not installed."""
        if self.python is None and self.kind == LANGUAGE_TABLE:
            raise EnvironmentRefusal(f"{HOW}.")
        return self.python or python_of(self.kind)

    def _names(self, rest: str) -> list[str]:
        """The benchmark's names of the tasks. rest: what is after the colon."""
        if self.kind == INSPECT:
            return names_of(rest)
        if self.kind == LIBERO:
            return libero_tasks(rest, lambda suite: ask_suite(self.interpreter, suite, self.answer_time)["names"])
        if self.kind == LANGUAGE_TABLE:
            return families_of(rest)
        names = tasks_of(rest)
        for name in names:
            if name not in SENTENCES:
                known = [*SENTENCES, "MT10", "MT50"]
                raise EnvironmentRefusal.of_name("Meta-World has no task", name, known, [*SENTENCES])
        return names

    @property
    def _inspect_names(self) -> tuple[str, ...]:
        return tuple(task.partition(":")[2] for task in self.tasks)

    @property
    def _declaration(self) -> Mapping[str, Any]:
        return ask_declaration(self.interpreter, self._inspect_names, self.answer_time)

    def _benchmark(self, policy: ActionCard | None) -> Benchmark:
        if self.kind == METAWORLD:
            camera = None if policy is None else policy.cameras[0]
            return metaworld_benchmark((16, 16) if camera is None else (camera.width, camera.height))
        if self.kind == LIBERO:
            return libero_benchmark(policy)
        if self.kind == LANGUAGE_TABLE:
            return language_table_benchmark(self.checkout)
        if self.kind == INSPECT:
            own = self.own_card() if policy is None else refuse_declaration(policy, self._declaration, self.env)
            return inspect_benchmark(self.env, self._inspect_names, own)
        ident, own = self.env.partition(":")[2], self.own_card()
        return Benchmark(self.env, GYMNASIUM, own, PROTOCOL_OF_GYMNASIUM, {}, self.instruction, {"task": ident})
