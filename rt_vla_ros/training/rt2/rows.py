"""Turns examples into training rows, with the same prompt tokens as the policy's."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rt_vla_ros.data.example import Example, Turn
from rt_vla_ros.policies.rt2.configuration import PAPER_PROMPT, RT2Config, plan_config, question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import placeholders
from rt_vla_ros.policies.rt2.decoding.session import extended
from rt_vla_ros.policies.rt2.inputs.processor import Inputs
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, check_tokens, context_length
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor
from rt_vla_ros.policies.rt2.prompting import rendered, state_words
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.answers import AnswerWriter
from rt_vla_ros.training.rt2.training_row import IGNORED, TrainingRow

ONE_AT_A_TIME = threading.RLock()
"""Tokenizers are not thread-safe: one for batches, and one for questions asked meanwhile."""
UNTOUCHED = 0.1
"""Share of actions without masked numbers (VLA-0's, from its re-implementation)."""


class RowMaker:
    """Inputs and targets for each turn of an example."""

    def __init__(
        self, parts: RT2Parts, *, plan_tokens: int = 0, label_mask: float = 0.0, web_weight: float = 1.0
    ) -> None:
        """plan_tokens: see AnswerWriter. label_mask, web_weight: see FineTuneSettings. Raises VocabularyError."""
        self.parts, self.answers = parts, AnswerWriter(parts, plan_tokens)
        self._label_mask, self._web_weight = label_mask, web_weight
        self._control = placeholders(parts.model.config)
        self._acting = parts.config if not parts.config.plan_tokens else replace(parts.config, prompt=PAPER_PROMPT)
        self._hidden = hiding_token(parts)
        self._longest = context_length(parts.model.config)

    def row(self, example: Example, turn: Turn, rng: np.random.Generator, origin: str) -> TrainingRow:
        """origin: for messages. Raises TrainingError, with origin, for an unusable sample."""
        make = self._action if turn.is_action else self._words
        try:
            with ONE_AT_A_TIME:
                return make(example, turn, rng, origin)
        except ValueError as error:  # of the tokenizer, the processor, the images: all say what is wrong
            raise TrainingError(f"{origin}: {error}") from error

    def prompt(self, example: Example, turn: Turn) -> tuple[str, Inputs]:
        """The text before an answer, and the model's other inputs."""
        with ONE_AT_A_TIME:
            text = self._text(example, turn)
            images = example.images if turn.is_action else [self._fitting(image) for image in example.images]
            return text, self.parts.processor.inputs(images, text)

    def _fitting(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Downscale an image (H, W, 3) of any size to at most the camera's, from which views are made."""
        camera = self.parts.card.cameras[0]
        scale = min(camera.height / image.shape[0], camera.width / image.shape[1])
        if self.parts.config.views == "processor" or scale >= 1:
            return image
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))

    def _text(self, example: Example, turn: Turn) -> str:
        processor, images = self.parts.processor, len(example.images)
        if not turn.is_action:
            prompt = question_prompt(self.parts.config, turn.text, turn.before)
            return rendered(processor, self.parts.config, prompt, images, self._control)
        config = self._config_of(turn)
        state = state_words(config, self.parts.card, example.state)
        return rendered(processor, config, robot_prompt(config, turn.text, state), images, self._control)

    def _config_of(self, turn: Turn) -> RT2Config:
        if not turn.plan:
            return self._acting
        if isinstance(self.parts.processor, OpenVLAProcessor) and not self.parts.config.plan_tokens:
            raise TrainingError("OpenVLA writes no plans before its actions; leave plan_share at 0.")
        return plan_config(self.parts.config, 1)

    def _action(self, example: Example, turn: Turn, rng: np.random.Generator, origin: str) -> TrainingRow:
        action, places = self.answers.action(turn.bins)
        before = self.answers.plan(turn.plan) if turn.plan else []
        places = [slice(place.start + len(before), place.stop + len(before)) for place in places]
        hidden = self._draw_hidden(rng, places)
        _, inputs = self.prompt(example, turn)
        return self._whole(inputs, [*before, *action], 1.0, True, origin, hidden)

    def _words(self, example: Example, turn: Turn, rng: np.random.Generator, origin: str) -> TrainingRow:
        text, inputs = self.prompt(example, turn)
        return self._whole(inputs, self.answers.words(turn.answer, text), self._web_weight, False, origin)

    def _draw_hidden(self, rng: np.random.Generator, places: Sequence[slice]) -> list[slice]:
        """Mask numbers in the input."""
        if not self._label_mask or rng.random() < UNTOUCHED:
            return []
        count = int(len(places) * rng.uniform(0, self._label_mask))
        return [places[i] for i in sorted(rng.choice(len(places), count, replace=False).tolist())]

    def _whole(
        self,
        prompt: Inputs,
        answer: Sequence[int],
        weight: float,
        is_action: bool,
        origin: str,
        hidden: Sequence[slice] = (),
    ) -> TrainingRow:
        length = prompt["input_ids"].shape[1]
        inputs: dict[str, Tensor] = extended(self.parts.model, prompt, answer)
        check_tokens(self.parts.model, inputs["input_ids"])
        labels = inputs["input_ids"].clone()
        labels[:, :length] = IGNORED
        for place in hidden:
            inputs["input_ids"][:, length + place.start : length + place.stop] = self._hidden
            labels[:, length + place.start : length + place.stop] = IGNORED
        if self._longest is not None and labels.shape[1] > self._longest:
            raise TrainingError(
                f"prompt, images and answer take {labels.shape[1]} tokens, the model's context has {self._longest}; "
                "drop the sample, or let preprocessor_config.json make images smaller."
            )
        return TrainingRow(inputs, labels, weight, is_action, length, origin)


def hiding_token(parts: RT2Parts) -> int:
    """The token for masked numbers and padding.

    Not an image token, and in the model's vocabulary.
    """
    names = ("mask_token_id", "pad_token_id", "unk_token_id", "eos_token_id")
    named = [getattr(parts.processor.tokenizer, name, None) for name in names]
    rows, control = int(parts.model.config.get_text_config().vocab_size), placeholders(parts.model.config)
    others = (token for token in range(rows) if token not in control)
    return next((t for t in named if isinstance(t, int) and t < rows and t not in control), next(others))
