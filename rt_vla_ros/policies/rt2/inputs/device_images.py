"""Image preprocessing on the model's device, bit-identical to the processor's.

A processor resizes an image, maps each 8-bit value with a table (rescale and normalize) and arranges the results
(patches, several towers). Layout and tables are inferred by giving the processor images of the final size, for any
family; then both are compared on noise, and the device is used only if the results are bit-identical.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rt_vla_ros.policies.rt2.inputs.pillow_resize import SUPPORT, PillowResize
from rt_vla_ros.policies.rt2.inputs.processor import Inputs, Pixels, Processor

Size = tuple[int, int]
SEED = 0


class DeviceImages:
    """Maps images of fixed sizes to the processor's output, computed on a device.

    name: of the only model input that depends on the pixels.
    """

    def __init__(self, name: str, resizes: Sequence[PillowResize], layout: PixelLayout, device: torch.device) -> None:
        self.name, self._resizes, self._device, self._shape = name, resizes, device, layout.shape
        self._places, self._tables, self._rows = (t.to(device) for t in (layout.places, layout.tables, layout.rows))

    def __call__(self, images: Sequence[Pixels]) -> Inputs:
        """images: uint8 (H, W, 3), one per camera. Returns that input, float32 on the device."""
        flat = [
            resize(torch.tensor(image, device=self._device).permute(2, 0, 1)).flatten()
            for image, resize in zip(images, self._resizes, strict=True)
        ]
        values = torch.cat(flat).long()[self._places]  # one per element of the model's input
        return {self.name: self._tables[self._rows + values].view(self._shape)}


def find_device_images(processor: Processor, sizes: Sequence[Size], device: torch.device) -> DeviceImages | None:
    """Device preprocessing for cameras of these sizes (height, width); None if it would not be bit-identical."""
    noise = np.random.default_rng(SEED)
    tries = [[noise.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes] for _ in range(2)]
    tries.append([np.full((*size, 3), 255, np.uint8) for size in sizes])
    expected = [processor.image_inputs(images) for images in tries]
    name = next((name for name, value in expected[0].items() if value.is_floating_point()), "")
    if not name or not _steady(expected, name):
        return None
    final = _final_sizes(expected[0], expected[0][name], len(sizes))
    layout = None if final is None else _read_layout(processor, final, name, expected[0][name].shape)
    if final is None or layout is None:
        return None
    for kind in SUPPORT:
        try:
            resizes = [PillowResize(old, new, kind, device) for old, new in zip(sizes, final, strict=True)]
        except ValueError:
            return None
        found = DeviceImages(name, resizes, layout, device)
        if all(torch.equal(found(i)[name].cpu(), e[name]) for i, e in zip(tries, expected, strict=True)):
            return found
    return None


@dataclass(frozen=True)
class PixelLayout:
    """How the elements of a model's input are computed from resized images.

    places: for each element, the index of its 8-bit value in the concatenated images (3, H', W'), (N,).
    tables: lookup tables of 256 numbers, concatenated. rows: where each element's table begins, (N,).
    """

    places: Tensor
    tables: Tensor
    rows: Tensor
    shape: torch.Size


def _read_layout(processor: Processor, sizes: Sequence[Size], name: str, shape: torch.Size) -> PixelLayout | None:
    """Gives the processor images in which each value encodes its position, one bit at a time."""
    count = sum(3 * height * width for height, width in sizes)
    numbers = torch.arange(count)

    def shown(values: Tensor) -> Tensor:
        found = processor.image_inputs(_images(values, sizes)).get(name, torch.empty(0))
        return found.flatten() if found.shape == shape else torch.full((shape.numel(),), torch.nan)

    low, high = shown(torch.zeros(count)), shown(torch.full((count,), 255))
    places = torch.zeros(shape.numel(), dtype=torch.long)
    for bit in range(count.bit_length()):
        found = shown((numbers >> bit & 1) * 255)
        if not bool(((low != high) & ((found == low) | (found == high))).all()):
            return None  # an element depends on more than one value, or on none
        places += (found == high).long() << bit
    kinds, table = torch.stack([low, high], dim=1).unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    if int(places.max()) >= count:
        return None
    tables, values = torch.full((len(kinds), 256), torch.nan), numbers % 256
    tables[table, values[places]] = shown(values)
    return PixelLayout(places, tables.flatten(), table * 256, shape)


def _images(values: Tensor, sizes: Sequence[Size]) -> list[Pixels]:
    """Splits concatenated values of images (3, H, W) into images (H, W, 3)."""
    parts = values.to(torch.uint8).split([3 * height * width for height, width in sizes])  # type: ignore[no-untyped-call]
    return [
        np.ascontiguousarray(part.view(3, *size).permute(1, 2, 0).numpy())
        for part, size in zip(parts, sizes, strict=True)
    ]


def _final_sizes(inputs: Inputs, pixels: Tensor, cameras: int) -> list[Size] | None:
    """The sizes of the resized images, from the tensor or from the grid of patches returned with it."""
    if pixels.dim() >= 4:
        return [(pixels.shape[-2], pixels.shape[-1])] * cameras
    grid = inputs.get("image_grid_thw")
    if grid is None or len(grid) != cameras:
        return None
    for frames in (1, 2):
        side = math.isqrt(pixels.shape[-1] // (3 * frames))
        if 3 * frames * side * side == pixels.shape[-1]:
            return [(int(rows) * side, int(columns) * side) for _, rows, columns in grid]
    return None


def _steady(inputs: Sequence[Inputs], name: str) -> bool:
    """Whether all other inputs are the same for every image."""
    first = {**inputs[0], name: None}
    return all(
        set(first) == set(each) and all(value is None or torch.equal(value, each[key]) for key, value in first.items())
        for each in inputs
    )
