"""From images and a prompt to a model's inputs: through the checkpoint's own processor, or composed of its parts.

Several combined processors of transformers need torchvision for videos. Their image processors have variants that use
PIL, and their tokenizers work alone; what is left is to write the right number of image tokens into the prompt.
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
"""Outputs of processors that are for training or for the prompt; a mask of ones says nothing."""
IMAGE_TOKENS = {
    "grid": ("image_token", "<|image_pad|>"),
    "tiles": ("image_token", "<image>"),
    "patches": ("context_image_token", "<IMG_CONTEXT>"),
    "rows": ("image_token", "[IMG]"),
}
"""Of Qwen-VL, of Idefics3 and SmolVLM, of InternVL, of Pixtral: the tokenizer's name for the image token, and what it
usually is."""
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
        """The text with placeholders for images. system, vision_id: of the chat, see RT2Config.

        before: of a chat, how many earlier turns of the same prompt there are, each with an answer that is a HOLE.
        """

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """Everything that the model takes, batch size 1. text: as `render` and `insert_text` made it."""

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """Of that, only what is made from the images."""


class CombinedProcessor:
    """A processor of transformers that works as it is."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.tokenizer: PreTrainedTokenizerBase = processor.tokenizer
        self._placeholder = str(getattr(processor, "image_token", "<image>"))

    def complete(self, config: PreTrainedConfig) -> None:
        """Takes from the model's configuration what older checkpoints of LLaVA leave out: the size of a patch."""
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
    """An image processor and a tokenizer, with the image tokens written as the model's family writes them."""

    def __init__(
        self,
        image_processor: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        image_tokens: int | None = None,
        token_size: int = 16,
        chat_template: str | None = None,
    ) -> None:
        """image_tokens: number of tokens an image (or a tile of one) takes, where the image processor does not say.

        token_size: side of what a token of Pixtral stands for [pixels].
        Raises UnknownProcessorError where the family cannot be recognised by the image processor.
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
        """See Processor. Raises ProcessorError where text and images do not fit each other."""
        features = self._features(images) if images else {}
        parts = text.split(self._image_token)
        if len(parts) != len(images) + 1:
            raise ProcessorError(f"The prompt has {len(parts) - 1} places for images, there are {len(images)} images.")
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
    """How a family's image processor tells the number of image tokens: see IMAGE_TOKENS.

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
        f"how {type(image_processor).__name__} counts image tokens is not known here. Install what the combined "
        "processor asks for."
    )


class PreparedPrompt:
    """A prompt whose text is tokenized once: later frames go through the processor's image part alone.

    That is done if it gave the very same tensors for the first frame and a later frame's shapes are the same.
    """

    def __init__(
        self, processor: Processor, text: str, pixels: Callable[[Sequence[Pixels]], Inputs] | None = None
    ) -> None:
        """pixels: another way to what the image part makes of images of the cameras' sizes, such as DeviceImages."""
        self._processor, self.text, self._pixels = processor, text, pixels
        self._first: Inputs | None = None
        self._alone = False  # whether the image part can be taken alone

    def inputs(self, images: Sequence[Pixels], text: str = "") -> Inputs:
        """Everything the model takes for these images; what `pixels` gave is on its device, the rest on the CPU.

        text: in place of the prompt's own, where something in it changes from frame to frame.
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
        """What steers the layout of the prompt (grids, masks) must be equal; of pixels only the shape."""
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
        raise ProcessorError(
            f"The tokenizer has no token {token!r}, which stands for an image in this model's prompts."
        )
    return int(found)


def _chat(owner: Any, prompt: str, images: int, system: str, vision_id: bool, before: int) -> str:
    if not owner.chat_template:
        raise ProcessorError(
            "rt2_config.json asks for the chat template, the tokenizer has none. "
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
            raise ValueError("it has no system turn")
        return text
    except Exception as error:  # a template is a program
        raise ProcessorError(
            f"The checkpoint's chat template cannot be used: {first_line(error).rstrip('.')}. Copy the template of the "
            "model that yours was made from, or set chat: false in rt2_config.json."
        ) from error


def _beginning_once(tokenizer: PreTrainedTokenizerBase, text: str) -> dict[str, bool]:
    """Tells a tokenizer to add no beginning of its own where a chat template wrote one (as `apply_chat_template`)."""
    beginning = tokenizer.bos_token
    return {"add_special_tokens": False} if beginning and text.startswith(str(beginning)) else {}


def _pictures(images: Sequence[Pixels]) -> list[Image.Image]:
    """What every processor takes; some take no arrays."""
    return [Image.fromarray(image) for image in images]


def _tensors(features: Mapping[str, Any]) -> Inputs:
    return {key: value for key, value in features.items() if isinstance(value, Tensor) and key not in NOT_FOR_THE_MODEL}
