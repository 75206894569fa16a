"""RT-2 as a policy: maps a prompt with images to a legal action; the same model answers questions."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import NOT_FINITE, ActionDecoder, DecoderSnapshot, DecodingError
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.plain_text import PromptText
from rt_vla_ros.observations.image import card_images
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.packed_linear import pack_linears
from rt_vla_ros.policies.policy import NO_INSTRUCTION, WARM_UP_INSTRUCTION
from rt_vla_ros.policies.rt2.configuration import question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import (
    OPENVLA_TAIL,
    VocabularyError,
    make_vocabulary,
    placeholders,
)
from rt_vla_ros.policies.rt2.decoding.batch import BatchError
from rt_vla_ros.policies.rt2.decoding.batch_check import check_batches
from rt_vla_ros.policies.rt2.decoding.engine import Decoded, DecodingEngine
from rt_vla_ros.policies.rt2.decoding.joint import JointDecoding, OutputRequest
from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar, PlanGrammar
from rt_vla_ros.policies.rt2.decoding.priority_lock import PriorityLock
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.policies.rt2.families import FirstPromptError, ModelFamilyError
from rt_vla_ros.policies.rt2.inputs.device_images import DeviceImages, find_device_images
from rt_vla_ros.policies.rt2.inputs.processor import Inputs, PreparedPrompt, ProcessorError
from rt_vla_ros.policies.rt2.loading.memory import OutOfMemoryError
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, check_tokens, context_length
from rt_vla_ros.policies.rt2.openvla.processor import EMPTY_TOKEN
from rt_vla_ros.policies.rt2.prompting import rendered, state_words

LONGEST_ANSWER = 64


@dataclass(frozen=True)
class RT2Snapshot:
    """The state of a request, see PortablePolicy. previous: tokens of the last chunk."""

    instruction: str
    previous: tuple[int, ...]
    decoder: DecoderSnapshot


class RT2Policy:
    """Implements policies.policy.StreamingPolicy, AnsweringPolicy and PortablePolicy.

    `act` and `ask` may be called from two threads: an action, or each part of a streamed chunk, waits for at most one
    pass of an answer.
    previous: tokens of the last chunk; without its executed steps they are the draft of the next. prompt_tokens:
    length of the prompt with its images.
    """

    def __init__(
        self,
        parts: RT2Parts,
        *,
        name: str = "rt2",
        temperature: float = 0.0,
        seed: int = 0,
        speculate: bool = True,
        pack: bool = True,
        fixed_shapes: bool = False,
        device_images: bool = False,
    ) -> None:
        """temperature: 0 for greedy decoding. seed: for sampling at other temperatures.

        speculate: whether to use the previous chunk as a draft; the result is the same either way.
        pack: whether to pack the linear layers of a model on a CPU in place for faster passes.
        fixed_shapes: whether passes have fixed shapes and are recorded as CUDA graphs, for models on a GPU.
        device_images: whether to preprocess images on the model's device if that is bit-identical.
        Raises VocabularyError, a ValueError, if tokenizer and card do not match.
        """
        self.name, self.card, self.parts = name, parts.card, parts
        self._temperature, self._speculate = temperature, speculate
        self._generator = torch.Generator(parts.model.device).manual_seed(seed)
        if pack:
            pack_linears(parts.model, but=parts.model.get_output_embeddings())
        self._engine = DecodingEngine(parts.model, fixed=fixed_shapes)
        self._decoder = ActionDecoder(parts.card)
        self._grammar = make_grammar(parts)
        self._device_images = device_images
        self._pixels: DeviceImages | None = None
        self._prompt: PreparedPrompt | None = None
        self.previous: tuple[int, ...] = ()
        self.prompt_tokens, self._instruction = 0, ""
        self._prepared = False
        self._lock = PriorityLock()

    @property
    def recorded_prompt_lengths(self) -> int:
        """Number of prompt lengths with fixed-shape passes."""
        return self._engine.recorded

    def reset(self, instruction: str) -> None:
        """Clears the previous action and sets a new instruction.

        Raises ValueError for an empty instruction, and if the prompt exceeds the model's context length.
        """
        self._prompt = None
        longest = self._state(np.array([one.high for one in self.card.state]))
        text = robot_prompt(self.parts.config, instruction, longest)
        sizes = [(camera.height, camera.width) for camera in self.card.cameras]
        black = [np.zeros((*size, 3), np.uint8) for size in sizes]
        with self._lock.high():  # tokenizers are not thread-safe either
            self._stop_writing()
            with self._explained():
                if not self._prepared and self._device_images:
                    self._pixels = find_device_images(self.parts.processor, sizes, self.parts.model.device)
                prompt = self._make_prompt(text)
                inputs = prompt.inputs(black)
            self._check_length(inputs, self._grammar.longest, "The instruction", text)
            with self._explained():
                on_device = self._to_device(inputs)
                if not self._prepared:
                    noise = np.random.default_rng(0)
                    other = [noise.integers(0, 256, image.shape, np.uint8) for image in black]
                    self._engine.prepare(on_device, self._grammar, self._to_device(prompt.inputs(other)))
                self._prepared = True
                self._engine.record(on_device, self._grammar)
        self._decoder.reset()
        self._prompt, self.previous, self.prompt_tokens = prompt, (), inputs["input_ids"].shape[1]
        self._instruction = instruction

    def act(self, observation: Observation) -> ActionChunk:
        """Decides a chunk of the card's horizon.

        Raises RuntimeError before the first reset, ValueError for images that do not match the card and for an invalid
        timestamp, and DecodingError if the model's output is not finite.
        """
        return self._chunk(self.decode(observation))

    def snapshot(self) -> RT2Snapshot:
        """See policies.policy.PortablePolicy."""
        if self._prompt is None:
            raise RuntimeError(NO_INSTRUCTION)
        return RT2Snapshot(self._instruction, self.previous, self._decoder.snapshot())

    def restore(self, snapshot: RT2Snapshot) -> None:
        """See policies.policy.PortablePolicy."""
        if self._prompt is None or snapshot.instruction != self._instruction:
            self.reset(snapshot.instruction)
        self.previous = snapshot.previous
        self._decoder.restore(snapshot.decoder)

    def another(self) -> RT2Policy:
        """A policy with the same model for another robot, without an instruction. They must not decide concurrently."""
        other = copy.copy(self)
        other._decoder = ActionDecoder(self.card)
        other._prompt, other.previous, other.prompt_tokens, other._instruction = None, (), 0, ""
        return other

    def check_together(self) -> None:
        """Raises BatchError, with the rest of a sentence, if a batch would give other results than `act`."""
        if self._temperature > 0:
            raise BatchError("its tokens are sampled")
        if not self._prepared:
            self.reset(WARM_UP_INSTRUCTION)
        longest = self._state(np.array([one.high for one in self.card.state]))
        text = robot_prompt(self.parts.config, WARM_UP_INSTRUCTION, longest)
        black = [np.zeros((camera.height, camera.width, 3), np.uint8) for camera in self.card.cameras]
        with self.control():
            check_batches(self._engine, self._to_device(self._make_prompt(text).inputs(black)), self._grammar)

    def control(self) -> AbstractContextManager[None]:
        """Waits for at most one pass of an answer, and keeps further ones out."""
        return self._lock.high()

    def joint_decoding(self) -> JointDecoding[RT2Policy]:
        """Decodes outputs of several policies of this model (`another`), in `control`; see `request` and `finish`."""
        return JointDecoding(self._engine, self._grammar)

    def request(self, observation: Observation) -> OutputRequest:
        """Begins a decision whose output is decoded elsewhere. Raises what `act` raises."""
        return OutputRequest(*self._begin(observation))

    def finish(self, decoded: Decoded) -> ActionChunk:
        """The decision from the complete output of the last `request`. Raises DecodingError."""
        self._remember(decoded)
        return self._chunk(decoded)

    def act_streaming(self, observation: Observation) -> Iterator[ActionChunk]:
        """See policies.policy.StreamingPolicy."""
        return map(self._chunk, self.outputs(observation, early=len(self.card.dimensions)))

    def decode(self, observation: Observation) -> Decoded:
        """A chunk as tokens, before they are decoded into actions."""
        *_, decoded = self.outputs(observation)
        return decoded

    def outputs(self, observation: Observation, *, early: int = 0) -> Iterator[Decoded]:
        """Like `decode`; with early, the numbers per step, also yields the first steps before the rest."""
        with self._lock.high():  # held until the first output: passes of answers in between would add up
            inputs, previous = self._begin(observation)
            writing = self._engine.writing = self._engine.decode(
                inputs,
                self._grammar,
                previous=previous,
                temperature=self._temperature,
                generator=self._generator,
                early=early,
            )
            decoded = self._next(writing)
        while decoded is not None:
            self._remember(decoded)
            yield decoded
            if decoded.numbers == self._grammar.size:
                return
            with self._lock.high():  # released while the caller processes the result
                decoded = self._next(writing)

    def _begin(self, observation: Observation) -> tuple[dict[str, Tensor], tuple[int, ...]]:
        """Inputs of a new output, and its draft. Raises what `act` raises."""
        inputs = self._to_device(self._inputs(observation))
        self._stop_writing()
        done = self._decoder.begin(observation.stamp)
        return inputs, self._grammar.shifted(self.previous, done) if self.previous else ()

    def _remember(self, decoded: Decoded) -> None:
        if self._speculate and decoded.numbers == self._grammar.size:
            self.previous = decoded.tokens

    def _next(self, writing: Generator[Decoded, None, None]) -> Decoded | None:
        """The next part of the output; None if another one was started. Ends the generator after the whole chunk."""
        decoded = next(writing, None)
        if decoded is not None and decoded.numbers == self._grammar.size:
            writing.close()
        return decoded

    def _stop_writing(self) -> None:
        """Ends the current output: two at a time would share one cache."""
        if self._engine.writing is not None:
            self._engine.writing.close()

    def _chunk(self, decoded: Decoded) -> ActionChunk:
        legal = math.exp(min(decoded.log_legal * len(self.card.dimensions) / decoded.numbers, 0.0))
        if not np.isfinite([*decoded.probabilities, legal]).all():
            raise DecodingError(NOT_FINITE)
        return self._decoder.from_tokens(
            self._grammar.read(decoded.tokens)[: decoded.numbers],
            confidence=self._confidence(decoded),
            legal_probability=legal,
            plan=self._grammar.plan(decoded.tokens),
        )

    def ask(self, images: Mapping[str, NDArray[np.uint8]], question: str, *, limit: int = LONGEST_ANSWER) -> str:
        """An answer in words of at most `limit` tokens.

        images: as in Observation. Raises ValueError for an empty or too long question and for images that do not match
        the card.
        """
        text, pictures = question_prompt(self.parts.config, question), card_images(images, self.card.cameras)
        with self._lock.low():
            inputs = self._make_prompt(text).inputs(pictures)
        self._check_length(inputs, limit, "The question", text)
        tokenizer = self.parts.processor.tokenizer
        stop = placeholders(self.parts.model.config).union(stop_tokens(self.parts.model, tokenizer))
        words = self._engine.write(self._to_device(inputs), stop, limit)
        tokens: list[int] = []
        while True:
            with self._lock.low():  # one pass at a time, so that actions can run in between
                token = next(words, None)
            if token is None:
                return str(tokenizer.decode(tokens, skip_special_tokens=True)).strip()
            tokens.append(token)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the first prompt get an explanation; later errors are unchanged."""
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"The prompt does not fit into memory together with the model: {first_line(error)} Stop other programs "
                f"on {self.parts.model.device}, or use weights:=int8 or int4."
            ) from error
        except Exception as error:  # a mismatched processor and model raise anything
            if self._prepared or isinstance(error, ProcessorError | ModelFamilyError | InstructionError):
                raise
            raise FirstPromptError(self.parts.model.config, error) from error

    def _make_prompt(self, prompt: PromptText) -> PreparedPrompt:
        return PreparedPrompt(self.parts.processor, self._text(prompt), self._pixels)

    def _text(self, prompt: PromptText) -> str:
        """Raises InstructionError, a ValueError, for text that contains control tokens."""
        parts, cameras = self.parts, len(self.card.cameras)
        return rendered(parts.processor, parts.config, prompt, cameras, placeholders(parts.model.config))

    def _inputs(self, observation: Observation) -> Inputs:
        if self._prompt is None:
            raise RuntimeError(NO_INSTRUCTION)
        images = card_images(observation.images, self.card.cameras)
        state = self._state(observation.state)
        text = self._text(robot_prompt(self.parts.config, self._instruction, state)) if state else ""
        return self._prompt.inputs(images, text)

    def _state(self, state: NDArray[np.float64] | None) -> str:
        """The robot state (S,) as text for the prompt; empty if it is not used. Raises ValueError if it is missing."""
        return state_words(self.parts.config, self.card, state)

    def _confidence(self, decoded: Decoded) -> float:
        """Geometric mean of the probabilities of the numbers."""
        length = self._grammar.action_length(decoded.tokens)
        chances = np.clip(decoded.probabilities[len(decoded.tokens) - length :], 1e-12, 1.0)
        return float(np.exp(np.log(chances).sum() / decoded.numbers))

    def _check_length(self, inputs: Inputs, output: int, what: str, text: PromptText) -> None:
        check_tokens(self.parts.model, inputs["input_ids"])
        length, limit = inputs["input_ids"].shape[1], context_length(self.parts.model.config)
        if limit is not None and length + output > limit:
            others = length - len(self.parts.processor.tokenizer(str(text))["input_ids"])
            if others + output > limit:
                raise ProcessorError(
                    f"The images take {others} tokens and the output up to {output}, the model's context has {limit}: "
                    "reduce the image size in preprocessor_config.json, or use fewer cameras in the action card."
                )
            raise ValueError(
                f"{what} is too long: prompt and images take {length} tokens and the output up to {output}, "
                f"the model's context has {limit}."
            )

    def _to_device(self, inputs: Inputs) -> dict[str, Tensor]:
        model = self.parts.model
        return {
            key: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for key, value in inputs.items()
        }


def make_grammar(parts: RT2Parts) -> Grammar:
    """The grammar of the model's outputs on a robot prompt. Raises VocabularyError."""
    card, config, tokenizer = parts.card, parts.config, parts.processor.tokenizer
    rows = parts.model.config.get_text_config().vocab_size
    seen = placeholders(parts.model.config)
    tail = getattr(parts.model.config, "pad_to_multiple_of", OPENVLA_TAIL)
    ends = stop_tokens(parts.model, tokenizer)
    vocabulary = make_vocabulary(config, tokenizer, card.bins, int(rows), ends, seen, tail)
    action = ActionGrammar(vocabulary, card.counts, card.horizon)
    limit = context_length(parts.model.config)
    if limit is not None and action.longest + config.plan_tokens >= limit:
        plan = f" and a plan {config.plan_tokens}" if config.plan_tokens else ""
        steps = f"{card.horizon} steps of {len(card.counts)} numbers"
        raise VocabularyError(
            f"The action card's {steps} take up to {action.longest} tokens{plan}; "
            f"with prompt and images the model's context has {limit}. Give the card the horizon that the model was "
            "trained with."
        )
    if not config.plan_tokens:
        return action
    lead = (EMPTY_TOKEN,) if config.vocabulary == "openvla" else ()
    return PlanGrammar(action, tokenizer, config.plan_tokens, int(rows), seen, marker=config.plan_end, lead=lead)
