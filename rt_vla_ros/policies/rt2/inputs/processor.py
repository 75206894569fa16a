"""Converts images and a prompt to a model's inputs, with the checkpoint's own processor or one composed of its parts.

Several combined processors of transformers need torchvision for videos. Their image processors have PIL variants, and
their tokenizers work separately; what remains is to insert the right number of image tokens into the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from rt_vla_ros.language.plain_text import HOLE, drop_separators
from rt_vla_ros.policies.checkpoint.errors import first_line

Inputs = dict[str, Tensor]
Pixels = NDArray[np.uint8]
NOT_FOR_THE_MODEL = ("labels", "attention_mask", "rows", "cols", "num_crops", "num_patches")
"""Processor outputs for training or for the prompt, not for the model; an all-ones mask is redundant."""
IMAGE_TOKENS = {
    "grid": ("image_token", "<|image_pad|>"),
    "tiles": ("image_token", "<image>"),
    "patches": ("context_image_token", "<IMG_CONTEXT>"),
    "rows": ("image_token", "[IMG]"),
}
"""Qwen-VL, Idefics3 and SmolVLM, InternVL, Pixtral: the tokenizer's attribute for the image token and its default."""
VISION_START = "<|vision_start|>"


class ProcessorError(ValueError):
    """The processor is missing or unusable; the message says what is needed."""


class UnknownProcessorError(ProcessorError):
    """The number of image tokens of this image processor is unknown."""


class Processor(Protocol):
    """The interface of a processor as used by a policy."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of prompts and answers."""

    def render(
        self, prompt: str, images: int, *, chat: bool, system: str = "", vision_id: bool = False, before: int = 0
    ) -> str:
        """Renders the text with placeholders for images. system, vision_id: of the chat, see RT2Config.

        before: for a chat, the number of earlier turns with the same prompt, each with a HOLE as its answer.
        """

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """All model inputs, batch size 1. text: from `render` and `insert_text`."""

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """Only the model inputs that are computed from the images."""


class CombinedProcessor:
    """A combined processor of transformers that works unchanged."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.tokenizer: PreTrainedTokenizerBase = processor.tokenizer
        self._placeholder = str(getattr(processor, "image_token", "<image>"))

    def complete(self, config: PreTrainedConfig) -> None:
        """Sets the patch size, which older LLaVA checkpoints omit, from the model's configuration."""
        if getattr(self._processor, "patch_size", 0) is None:
            self._processor.patch_size = getattr(getattr(config, "vision_config", None), "patch_size", None)

    def render(
        self, prompt: str, images: int, *, chat: bool, system: str = "", vision_id: bool = False, before: int = 0
    ) -> str:
        """See Processor."""
        if chat:
            owner = self._processor if self._processor.chat_template else self.tokenizer
            return _chat(owner, prompt, images, system, vision_id, before)
        return self._placeholder * images + prompt

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """See Processor."""
        once = _beginning_once(self.tokenizer, text)
        pictures = _pictures(images) or None
        inputs = _tensors(self._processor(images=pictures, text=text, return_tensors="pt", **once))
        return drop_separators(self.tokenizer, inputs)

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """See Processor."""
        return _tensors(self._processor.image_processor(_pictures(images), return_tensors="pt"))


class ComposedProcessor:
    """An image processor and a tokenizer; image tokens are inserted in the format of the model's family."""

    def __init__(
        self,
        image_processor: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        image_tokens: int | None = None,
        token_size: int = 16,
        chat_template: str | None = None,
    ) -> None:
        """image_tokens: number of tokens of an image (or a tile), if the image processor does not define it.

        token_size: side of the image region of a Pixtral token [pixels].
        Raises UnknownProcessorError if the image processor's family is unknown.
        """
        self._image_processor, self.tokenizer = image_processor, tokenizer
        self._image_tokens, self._token_size = image_tokens, token_size
        if chat_template and not tokenizer.chat_template:
            tokenizer.chat_template = chat_template
        self._kind = _kind(image_processor, tokenizer)
        self._image_token = self._named(*IMAGE_TOKENS[self._kind])
        self._image_id = token_id(tokenizer, self._image_token)

    def render(
        self, prompt: str, images: int, *, chat: bool, system: str = "", vision_id: bool = False, before: int = 0
    ) -> str:
        """See Processor."""
        if chat:
            return _chat(self.tokenizer, prompt, images, system, vision_id, before)
        token = self._image_token
        return (f"{VISION_START}{token}<|vision_end|>" if self._kind == "grid" else token) * images + prompt

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """See Processor. Raises ProcessorError if text and images do not match."""
        features = self._features(images) if images else {}
        parts = text.split(self._image_token)
        if len(parts) != len(images) + 1:
            raise ProcessorError(f"The prompt has {len(parts) - 1} image placeholders for {len(images)} images.")
        whole = parts[0] + "".join(self._expand(features, i) + part for i, part in enumerate(parts[1:]))
        read = self.tokenizer(whole, return_tensors="pt", **_beginning_once(self.tokenizer, text))
        ids = drop_separators(self.tokenizer, read)["input_ids"]
        inputs = {"input_ids": ids} | _tensors(features)
        if self._kind == "grid":
            inputs["mm_token_type_ids"] = (ids == self._image_id).int()
        return inputs

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """See Processor."""
        return _tensors(self._features(images))

    def _features(self, images: Sequence[Pixels]) -> Mapping[str, Any]:
        pictures: Any = _pictures(images)
        options: dict[str, Any] = {}
        if self._kind == "tiles":
            pictures, options = [pictures], {"return_row_col_info": True}
        elif self._kind == "rows":
            options = {"patch_size": self._token_size}
        return dict(self._image_processor(pictures, return_tensors="pt", **options))

    def _expand(self, features: Mapping[str, Any], index: int) -> str:
        """The tokens of an image."""
        if self._kind == "grid":
            patches = int(features["image_grid_thw"][index].prod())
            return self._image_token * (patches // int(self._image_processor.merge_size) ** 2)
        if self._kind == "rows":
            height, width = (int(side) // self._token_size for side in features["image_sizes"][index])
            row, last = self._image_token * width, self._named("image_break_token", "[IMG_BREAK]")
            return (row + last) * (height - 1) + row + self._named("image_end_token", "[IMG_END]")
        if not self._image_tokens:
            key = "image_seq_len, the tokens of one tile" if self._kind == "tiles" else "image_seq_length, of a patch"
            raise ProcessorError(f"The checkpoint's processor_config.json lacks {key}.")
        if self._kind == "patches":
            start, end = self._named("start_image_token", "<img>"), self._named("end_image_token", "</img>")
            return start + self._image_token * (self._image_tokens * int(features["num_patches"][index])) + end
        rows, columns = ([n for row in features[key] for n in row][index] for key in ("rows", "cols"))
        around = self._named("fake_image_token", "<fake_token_around_image>")
        whole = self._named("global_image_token", "<global-img>")
        return str(get_image_prompt_string(rows, columns, self._image_tokens, around, self._image_token, whole))

    def _named(self, attribute: str, usual: str) -> str:
        return str(getattr(self.tokenizer, attribute, None) or usual)


def _kind(image_processor: Any, tokenizer: PreTrainedTokenizerBase) -> str:
    """How a family counts image tokens: a key of IMAGE_TOKENS.

    Raises UnknownProcessorError.
    """
    outputs, vocabulary = getattr(image_processor, "model_input_names", ()), tokenizer.get_vocab()
    if "image_grid_thw" in outputs and VISION_START in vocabulary:  # GLM-4V has other tokens around an image
        return "grid"
    if "image_sizes" in outputs and "[IMG_BREAK]" in vocabulary:
        return "rows"
    for kind, attribute in (("tiles", "max_image_size"), ("patches", "crop_to_patches")):
        if hasattr(image_processor, attribute):
            return kind
    raise UnknownProcessorError(
        f"how {type(image_processor).__name__} counts image tokens is unknown. Install the packages that the combined "
        "processor needs."
    )


class PreparedPrompt:
    """A prompt whose text is tokenized once; later frames run only the image part of the processor.

    This is done only if it gave identical tensors for the first frame and if a later frame has the same shapes.
    """

    def __init__(
        self, processor: Processor, text: str, pixels: Callable[[Sequence[Pixels]], Inputs] | None = None
    ) -> None:
        """pixels: a replacement of the image part for images of the cameras' sizes, such as DeviceImages."""
        self._processor, self.text, self._pixels = processor, text, pixels
        self._first: Inputs | None = None
        self._alone = False  # whether the image part alone gives the same results

    def inputs(self, images: Sequence[Pixels], text: str = "") -> Inputs:
        """All model inputs for these images; results of `pixels` are on its device, the rest is on the CPU.

        text: replaces the prompt's text if a part of it changes from frame to frame.
        """
        if text and text != self.text:
            return self._processor.inputs(images, text)
        if self._first is not None and self._alone:
            if self._pixels is not None:
                return {**self._first, **self._pixels(images)}
            fresh = self._processor.image_inputs(images)
            if self._same_layout(fresh):
                return {**self._first, **fresh}
        inputs = self._processor.inputs(images, self.text)
        if self._first is None:
            part = self._processor.image_inputs(images)
            self._alone = all(key in inputs and torch.equal(inputs[key], value) for key, value in part.items())
            self._first = inputs
        return inputs

    def _same_layout(self, fresh: Inputs) -> bool:
        """Whether inputs that determine the layout (grids, masks) are equal, and pixels have the same shape."""
        first = self._first or {}
        return all(
            key in first
            and value.shape == first[key].shape
            and (value.is_floating_point() or torch.equal(value, first[key]))
            for key, value in fresh.items()
        )


def token_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """Raises ProcessorError for a token that the tokenizer does not have."""
    found = tokenizer.get_vocab().get(token)
    if found is None:
        raise ProcessorError(f"The tokenizer has no token {token!r}, the image placeholder of this model's prompts.")
    return int(found)


def _chat(owner: Any, prompt: str, images: int, system: str, vision_id: bool, before: int) -> str:
    if not owner.chat_template:
        raise ProcessorError(
            "rt2_config.json requires a chat template, but the tokenizer has none. "
            "Add chat_template.jinja, or set chat: false."
        )
    turns = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
    for number in range(before + 1):
        pictures = [{"type": "image"}] * images if number == 0 else []
        turns.append({"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]})
        if number < before:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": HOLE}]})
    numbered = {"add_vision_id": True} if vision_id else {}
    try:
        text = str(owner.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **numbered))
        if system and system not in text:
            raise ValueError("it does not support a system message")
        return text
    except Exception as error:  # a template is a program
        raise ProcessorError(
            f"The checkpoint's chat template cannot be used: {first_line(error).rstrip('.')}. Copy the template of the "
            "base model, or set chat: false in rt2_config.json."
        ) from error


def _beginning_once(tokenizer: PreTrainedTokenizerBase, text: str) -> dict[str, bool]:
    """Makes a tokenizer add no BOS token if the chat template already has (as `apply_chat_template` does)."""
    beginning = tokenizer.bos_token
    return {"add_special_tokens": False} if beginning and text.startswith(str(beginning)) else {}


def _pictures(images: Sequence[Pixels]) -> list[Image.Image]:
    """PIL images, which every processor accepts; some do not accept arrays."""
    return [Image.fromarray(image) for image in images]


def _tensors(features: Mapping[str, Any]) -> Inputs:
    return {key: value for key, value in features.items() if isinstance(value, Tensor) and key not in NOT_FOR_THE_MODEL}
