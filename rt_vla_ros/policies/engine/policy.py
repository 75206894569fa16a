"""RT-2 as a policy whose model runs in an inference engine: prompt and images there, checked numbers back."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import ActionDecoder, DecodingError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE, Tell
from rt_vla_ros.policies.checkpoint.resolve import Checkpoint
from rt_vla_ros.policies.engine.action_text import ActionText
from rt_vla_ros.policies.engine.answer import EngineAnswer, read_answer
from rt_vla_ros.policies.engine.client import EngineClient, EngineLateError
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.engine.request import EngineRequests, check_plain
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, PolicyLostError
from rt_vla_ros.policies.remote.settings import SHORTEST_BUDGET, RemoteSettings
from rt_vla_ros.policies.rt2.configuration import RT2Config, plan_config, question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.vla0.published import check_state

SILENCE = 1.0  # silence of an engine beyond the budget after which it counts as lost [s]
OPENING, LONGEST_QUESTION = 120.0, 120.0  # an engine may load its model at the first request [s]


class EnginePolicy:
    """Implements policies.policy.AnsweringPolicy and TimedPolicy.

    `act` and `ask` may be called from two threads, each has its connection. The engine keeps nothing between decisions.
    legal_probability: of every chunk, see `check`.
    """

    def __init__(
        self, name: str, card: ActionCard, config: RT2Config, engine: EngineConfig, settings: RemoteSettings
    ) -> None:
        """Raises CheckpointError for a checkpoint that writes no text, ValueError for unusable token or TLS files."""
        check_supported(config, card)
        self.name, self.card, self._config, self._engine = name, card, config, engine
        self.budget = settings.budget or max(SHORTEST_BUDGET, card.decision_period)
        self.legal_probability = 1.0
        self._text = ActionText(card, config)
        self._requests = EngineRequests(engine, config, card, self._text, settings.jpeg)
        self._decoder = ActionDecoder(card)
        self._acting, self._asking = EngineClient(engine, settings), EngineClient(engine, settings)
        self._one_question = threading.Lock()
        self._end = weakref.finalize(self, _close, self._acting, self._asking)
        self._instruction: str | None = None
        self._owed: float | None = None  # since when an answer is due, on a monotonic clock
        self._parts: dict[str, float] = {}

    @property
    def parts_of_latency(self) -> Mapping[str, float]:
        """See policies.policy.TimedPolicy: encoding and engine [s]."""
        return self._parts

    def close(self) -> None:
        """Closes the connections; the policy cannot be used afterwards."""
        self._end()

    def check(self) -> None:
        """Asks for actions on black images, which takes the time that the engine needs to get ready.

        An engine that constrains its answers is also asked without the constraint: `legal_probability` is then 1 if
        the model writes an action by itself, else 0. Raises what `act` raises.
        """
        black = {one.name: np.zeros((one.height, one.width, 3), np.uint8) for one in self.card.cameras}
        prompt = robot_prompt(self._config, WARM_UP_INSTRUCTION, self._state(middle_state(self.card.state)))
        self._read(self._post(self._acting, self._requests.action(black, prompt), OPENING))
        if self._engine.engine == "vllm":
            free = self._post(self._acting, self._requests.action(black, prompt, constrained=False), OPENING)
            self.legal_probability = float(self._text.starts(free.text))

    def reset(self, instruction: str) -> None:
        """See policies.policy.Policy."""
        check_plain(instruction)
        robot_prompt(self._config, instruction)
        self._decoder.reset()
        self._owed = None
        self._instruction = instruction

    def act(self, observation: Observation) -> ActionChunk:
        """See policies.policy.Policy.

        Raises EngineLateError for an answer that is not there in time, PolicyLostError if the engine cannot be reached,
        refuses the request or has been silent for longer, and DecodingError for an answer that is not an action.
        """
        began = time.monotonic()
        if self._instruction is None:
            raise RuntimeError("The policy has no instruction yet; call reset(instruction) first.")
        prompt = robot_prompt(self._config, self._instruction, self._state(observation.state))
        body = self._requests.action(observation.images, prompt)
        asked = time.monotonic()
        bins, plan, confidence = self._read(self._in_time(body, began + self.budget - asked))
        self._parts = {"encoding": asked - began, "engine": time.monotonic() - asked}
        self._decoder.begin(observation.stamp)
        return self._decoder.from_tokens(
            bins, confidence=confidence, legal_probability=self.legal_probability, plan=plan
        )

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str) -> str:
        """See policies.policy.AnsweringPolicy. Raises PolicyLostError and EngineLateError too."""
        check_plain(question)
        body = self._requests.answer(images, question_prompt(self._config, question))
        with self._one_question:
            return self._post(self._asking, body, LONGEST_QUESTION).text.strip()

    def _state(self, state: NDArray[np.float64] | None) -> str:
        if not self._config.state_bins:
            return ""
        from rt_vla_ros.policies.rt2.prompting import state_words  # imports torch

        return state_words(self._config, self.card, state)

    def _in_time(self, body: bytes, left: float) -> EngineAnswer:
        """The answer to `body` within `left` [s]. An engine that is late again and again is lost."""
        since = self._owed = time.monotonic() if self._owed is None else self._owed
        try:
            answer = self._post(self._acting, body, left)
        except EngineLateError as error:
            silent = time.monotonic() - since
            if silent <= self.budget + SILENCE:
                raise
            self._owed = None
            place = self._engine.place
            raise PolicyLostError(f"The engine at {place} has been silent for {silent:.1f} s.") from error
        except ValueError:
            self._owed = None
            raise
        self._owed = None
        return answer

    def _post(self, client: EngineClient, body: bytes, timeout: float) -> EngineAnswer:
        return read_answer(client.post(body, timeout))

    def _read(self, answer: EngineAnswer) -> tuple[tuple[int, ...], str, float]:
        """The bins, the plan, and the confidence. Raises DecodingError for an answer that is not a whole action."""
        ended = ("stop", "length") if self._requests.cut else ("stop",)
        if answer.finish not in ended:
            raise DecodingError(
                f"The engine's answer {answer.text[:120]!r} is not an action: it was cut off "
                f"(finish_reason {answer.finish[:40]!r}). It is not executed."
            )
        bins, plan = self._text.read(answer.text)
        return bins, plan, answer.confidence(" ".join(map(str, bins)), len(bins))


def check_supported(config: RT2Config, card: ActionCard) -> None:
    """Raises CheckpointError for a checkpoint whose actions or images an engine cannot read or write."""
    if config.vocabulary != "integers":
        raise CheckpointError(
            f"The vocabulary is {config.vocabulary!r}; an engine can only be asked for actions as text, so it must be "
            '"integers".'
        )
    if config.views == "unscaled":
        raise CheckpointError(
            'The views are "unscaled", which are no 8-bit images; an engine can only be sent "processor", "tiled" and '
            '"separate".'
        )
    check_state(config, card)


def open_policy(checkpoint: Checkpoint, *, plan: bool, tell: Tell) -> EnginePolicy:
    """Opens a policy, and asks the engine for a first action.

    Raises CheckpointError, ActionCardError, RT2ConfigError, PolicyLostError, EngineLateError and DecodingError, which
    are ValueErrors with a message for the user.
    """
    directory = checkpoint.model_directory
    engine, config = EngineConfig.load(directory), RT2Config.load(checkpoint.place_of(RT2_CONFIG_FILE))
    if plan:
        config = plan_config(config, config.plan_on_request)
    policy = EnginePolicy(checkpoint.name, checkpoint.read_card(), config, engine, checkpoint.remote)
    tell(f"asking the engine at {engine.place} for a first action")
    try:
        policy.check()
    except ValueError:
        policy.close()
        raise
    return policy


def _close(*clients: EngineClient) -> None:
    for client in clients:
        client.close()
