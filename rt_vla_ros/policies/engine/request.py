"""Requests of OpenAI's chat completions API: images, the checkpoint's prompt, and what may be answered."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.plain_text import PromptText
from rt_vla_ros.observations.image import Pixels, card_images
from rt_vla_ros.policies.engine.action_text import ActionText
from rt_vla_ros.policies.engine.description import EngineConfig
from rt_vla_ros.policies.remote.image_wire import jpeg_bytes
from rt_vla_ros.policies.rt2.configuration import RT2Config

CONTROL = ("<", "[")
"""One of these is in the control tokens of all tokenizers, such as <|im_end|>, </s> and [INST]."""
LONGEST_ANSWER = 64  # to a question [tokens]


class EngineRequests:
    """Makes requests as JSON."""

    def __init__(self, engine: EngineConfig, config: RT2Config, card: ActionCard, text: ActionText, jpeg: int) -> None:
        """config: of the prompts that are asked. jpeg: quality of the images, 0 for PNG."""
        self._engine, self._config, self._card, self._jpeg = engine, config, card, jpeg
        self._pattern = text.pattern
        self.cut = engine.action_tokens > 0 and not config.plan_tokens
        self._most = engine.action_tokens if self.cut else config.plan_tokens + text.longest + 1

    def action(self, images: Mapping[str, NDArray[np.uint8]], prompt: PromptText, *, constrained: bool = True) -> bytes:
        """A request for an action. Raises ValueError for images that do not match the card."""
        body = self._body(images, prompt, self._most) | {"logprobs": True}
        if self._engine.engine == "vllm" and constrained:
            body["structured_outputs"] = {"regex": self._pattern}
        return json.dumps(body).encode()

    def answer(self, images: Mapping[str, NDArray[np.uint8]], prompt: PromptText) -> bytes:
        """A request for an answer to a question. Raises ValueError for images that do not match the card."""
        return json.dumps(self._body(images, prompt, LONGEST_ANSWER)).encode()

    def _body(self, images: Mapping[str, NDArray[np.uint8]], prompt: PromptText, most: int) -> dict[str, Any]:
        shown = [{"type": "image_url", "image_url": {"url": self._data_url(one)}} for one in self._views(images)]
        messages = [{"role": "system", "content": [_text(prompt.system)]}] if prompt.system else []
        messages.append({"role": "user", "content": [*shown, _text(str(prompt))]})
        # The penalties, because the engine's defaults may come from generation_config.json.
        body = {"model": self._engine.model, "messages": messages, "max_tokens": most, "temperature": 0.0}
        body |= {"frequency_penalty": 0.0, "presence_penalty": 0.0}
        if self._engine.engine == "vllm":
            body["repetition_penalty"] = 1.0
        if self._config.vision_id:
            body["chat_template_kwargs"] = {"add_vision_id": True}
        return body

    def _views(self, images: Mapping[str, NDArray[np.uint8]]) -> Sequence[Pixels]:
        pictures = card_images(images, self._card.cameras)
        if self._config.views == "processor":
            return pictures
        from rt_vla_ros.policies.rt2.vla0.views import square_views  # imports torch

        return square_views(pictures, self._config)

    def _data_url(self, image: Pixels) -> str:
        kind, data = ("jpeg", jpeg_bytes(image, self._jpeg)) if self._jpeg else ("png", _png(image))
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def check_plain(text: str) -> None:
    """Raises InstructionError for text that the engine's tokenizer could read as a control token."""
    found = next((sign for sign in CONTROL if sign in text), None)
    if found is not None:
        raise InstructionError(
            f"The text contains {found!r}, which starts a control token, and an engine would read it as one. "
            "Rephrase it."
        )


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _png(image: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
