"""OpenVLA's processor of images and prompts, configured by preprocessor_config.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rt_vla_ros.language.plain_text import drop_separators
from rt_vla_ros.policies.rt2.inputs.processor import Inputs, Pixels, ProcessorError
from rt_vla_ros.policies.rt2.openvla.card import CROP_AREA

EMPTY_TOKEN = 29871
"""Llama's token for an empty piece; in training it preceded every action."""
STRATEGIES = ("resize-naive", "letterbox", "resize-crop")


class OpenVLAProcessor:
    """Implements rt2.processor.Processor. One image; each vision tower has its own normalization."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        tokenizer: PreTrainedTokenizerBase,
        *,
        image_tokens: int,
        image_token_id: int,
        center_crop: bool = False,
        action_follows: bool = True,
    ) -> None:
        """settings: preprocessor_config.json. action_follows: whether an action follows a prompt, not a plan.

        Raises ProcessorError for missing or unknown settings."""
        self.tokenizer = tokenizer
        self._image_tokens, self._image_token_id, self._center_crop = image_tokens, image_token_id, center_crop
        self._action_follows = action_follows
        self._strategy = settings.get("image_resize_strategy")
        if self._strategy not in STRATEGIES:
            raise ProcessorError(
                f"image_resize_strategy is {self._strategy!r} in preprocessor_config.json, expected one of "
                f"{', '.join(STRATEGIES)}."
            )
        try:
            self._size = int(settings["input_sizes"][0][-1])
            statistics = settings.get("tvf_normalize_params") or [
                {"mean": mean, "std": std} for mean, std in zip(settings["means"], settings["stds"], strict=True)
            ]
            self._mean = torch.tensor([tower["mean"] for tower in statistics])[:, :, None, None]  # (towers, 3, 1, 1)
            self._std = torch.tensor([tower["std"] for tower in statistics])[:, :, None, None]
            means = settings["means"][0] if "means" in settings else statistics[0]["mean"]
            fill = settings.get("tvf_letterbox_fill") or [int(255 * mean) for mean in means]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ProcessorError(f"preprocessor_config.json is not OpenVLA's: {error!r}.") from error
        self._fill: tuple[int, ...] = tuple(int(value) for value in fill)

    def render(
        self, prompt: str, images: int, *, chat: bool, system: str = "", vision_id: bool = False, before: int = 0
    ) -> str:
        """See Processor; the image's position is fixed. Raises ProcessorError for more than one image."""
        if images != 1:
            raise ProcessorError(f"OpenVLA takes one image, the action card has {images} cameras.")
        return prompt

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """See Processor."""
        ids = drop_separators(self.tokenizer, self.tokenizer(text, return_tensors="pt"))["input_ids"][0].tolist()
        return {"input_ids": self.token_ids(ids)[None], **self.image_inputs(images)}

    def token_ids(self, prompt: Sequence[int]) -> Tensor:
        """The prompt's tokens with the image after the first, and the empty token before an action, shape (N,)."""
        ids = list(prompt)
        if self._action_follows and ids[-1] != EMPTY_TOKEN:
            ids.append(EMPTY_TOKEN)
        return torch.tensor([ids[0], *[self._image_token_id] * self._image_tokens, *ids[1:]])

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """See Processor: pixel_values (1, 3 x towers, S, S)."""
        image = Image.fromarray(images[0])
        if self._center_crop:
            image = center_crop(image)
        pixels = torch.from_numpy(np.asarray(self._resize(image)).copy()).permute(2, 0, 1).float() / 255  # (3, S, S)
        normalized = (pixels[None] - self._mean) / self._std  # (towers, 3, S, S)
        return {"pixel_values": normalized.flatten(0, 1)[None]}

    def _resize(self, image: Image.Image) -> Image.Image:
        size = self._size
        if self._strategy == "letterbox":
            image = _letterbox(image, self._fill)
        elif self._strategy == "resize-crop":
            short = min(image.size)
            width, height = (size if side == short else int(size * side / short) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
            left, top = round((width - size) / 2), round((height - size) / 2)
            return image.crop((left, top, left + size, top + size))
        return image.resize((size, size), Image.Resampling.BICUBIC)


def center_crop(image: Image.Image) -> Image.Image:
    """Center crop of sqrt(0.9) of each side, resized to the original size."""
    side = math.sqrt(CROP_AREA)
    width, height = image.size
    box = ((1 - side) / 2 * width, (1 - side) / 2 * height, (1 + side) / 2 * width, (1 + side) / 2 * height)
    return image.resize(image.size, Image.Resampling.BILINEAR, box=box)


def _letterbox(image: Image.Image, fill: tuple[int, ...]) -> Image.Image:
    """Pads an image to a square with bars above and below, or left and right."""
    side = max(image.size)
    left, top = ((side - length) // 2 for length in image.size)
    square = Image.new("RGB", (side, side), fill)
    square.paste(image, (left, top))
    return square
