"""Arranges camera images as VLA-0 and VLA-0-Smol need them: `views` in rt2_config.json.

"tiled": center crops, resized to the training size, side by side in one image (VLA-0). "separate": the same, as
separate images. "unscaled": center crops as numbers of 0 to 1, enlarged by the model's processor without rounding
(VLA-0-Smol). `view_crop` is the share of each side that the crop keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.inputs.processor import ComposedProcessor, Inputs, Pixels, ProcessorError

RESAMPLING = {
    Image.Resampling.LANCZOS: "bicubic",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.BILINEAR: "bilinear",
}
"""Interpolation modes of torchvision for tensors: it replaces Lanczos by bicubic."""


class SquareViews(ComposedProcessor):
    """See "tiled" and "separate" in the module's docstring; for processors of Qwen-VL."""

    def __init__(self, *args: Any, config: RT2Config, cameras: int, **options: Any) -> None:
        super().__init__(*args, **options)
        if self._kind != "grid":
            raise ProcessorError(f"The views {config.views!r} are for Qwen-VL, not for this processor.")
        self._config, self._tiled = config, config.views == "tiled"
        pixels = config.view_size**2 * (cameras if self._tiled else 1)
        self._image_processor.size = {"shortest_edge": pixels, "longest_edge": pixels}

    def render(self, prompt: str, images: int, **options: Any) -> str:
        """See Processor."""
        return super().render(prompt, 1 if self._tiled else images, **options)

    def inputs(self, images: Sequence[Pixels], text: str) -> Inputs:
        """See Processor."""
        return super().inputs(square_views(images, self._config), text)

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        """See Processor."""
        return super().image_inputs(square_views(images, self._config))


def square_views(images: Sequence[Pixels], config: RT2Config) -> list[Pixels]:
    """The views "tiled" and "separate" of camera images (H, W, 3).

    Squares, uint8 (S, S, 3), or for "tiled" one image of them, (S, S * cameras, 3).
    """
    squares = [_square(image, config.view_size, config.view_crop) for image in images]
    return [np.concatenate(squares, axis=1)] if config.views == "tiled" else squares


def _square(image: Pixels, side: int, crop: float) -> Pixels:
    whole = torch.tensor(image / 255.0, dtype=torch.float32).permute(2, 0, 1) * 255  # (3, H, W)
    height, width = (int(length * crop) for length in whole.shape[1:])
    middle = center(whole, height, width)
    if (height, width) != (side, side):
        middle = nn.functional.interpolate(middle[None], (side, side), mode="bilinear", align_corners=False)[0]
    square: Pixels = middle.permute(1, 2, 0).numpy().astype(np.uint8)  # truncated, not rounded
    return square


class UnscaledViews(ComposedProcessor):
    """See "unscaled" in the module's docstring; for processors of SmolVLM and Idefics3."""

    def __init__(self, *args: Any, config: RT2Config, cameras: int, **options: Any) -> None:
        super().__init__(*args, **options)
        edge = (getattr(self._image_processor, "max_image_size", None) or {}).get("longest_edge")
        mode = RESAMPLING.get(getattr(self._image_processor, "resample", None))  # type: ignore[arg-type]
        if self._kind != "tiles" or not edge or not mode:
            raise ProcessorError(
                'The views "unscaled" are for SmolVLM: its preprocessor_config.json needs max_image_size, and a '
                "resample of 1 (Lanczos), 2 (bilinear) or 3 (bicubic)."
            )
        self._edge, self._mode, self._crop = int(edge), mode, config.view_crop
        self._mean, self._std = (
            torch.tensor(getattr(self._image_processor, name)).view(3, 1, 1) for name in ("image_mean", "image_std")
        )

    def _features(self, images: Sequence[Pixels]) -> Mapping[str, Any]:
        pixels = torch.stack([self._view(image) for image in images])[None]  # (1, cameras, 3, E, E)
        mask = torch.ones(1, len(images), self._edge, self._edge, dtype=torch.long)
        none = [[0] * len(images)]  # an image is one tile
        return {"pixel_values": pixels, "pixel_attention_mask": mask, "rows": none, "cols": none}

    def _view(self, image: Pixels) -> Tensor:
        whole = torch.from_numpy(image).permute(2, 0, 1).float() / 255  # (3, H, W)
        height, width = (round(side * self._crop) for side in whole.shape[1:])
        if max(height, width) > self._edge:
            raise ProcessorError(
                f"A view is {width}x{height} pixels, larger than the model's tile of {self._edge}; such views were "
                "split in training, which is not supported here. Use smaller cameras in the action card."
            )
        size, middle = (self._edge, self._edge), center(whole, height, width)[None]
        large = nn.functional.interpolate(middle, size, mode=self._mode, align_corners=False, antialias=True)[0]
        return (large - self._mean) / self._std


def center(image: Tensor, height: int, width: int) -> Tensor:
    """Center crop of an image (3, H, W), with torchvision's rounding of halves."""
    top, left = (round((whole - part) / 2) for whole, part in zip(image.shape[1:], (height, width), strict=True))
    return image[:, top : top + height, left : left + width]


def views_of(config: RT2Config, cameras: int) -> Callable[..., ComposedProcessor]:
    """A processor for a configuration's views of the images of this number of cameras."""
    if config.views == "processor":
        return ComposedProcessor
    return partial(UnscaledViews if config.views == "unscaled" else SquareViews, config=config, cameras=cameras)
