"""Resizing on a device is Pillow's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from support.vlms import random_image

from rt_vla_ros.policies.rt2.inputs import pillow_resize
from rt_vla_ros.policies.rt2.inputs.pillow_resize import PRECISION, SUPPORT, PillowResize, weights

CPU = torch.device("cpu")
SIZES = [
    ((480, 640), (224, 224)),
    ((96, 96), (224, 224)),
    ((50, 301), (56, 28)),
    ((64, 64), (64, 32)),
    ((9, 7), (9, 7)),
]
SIZES += [((200, 130), (196, 140)), ((130, 200), (140, 196))]


@pytest.mark.parametrize("kind", SUPPORT)
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_every_pixel_is_pillows(kind: str, old: tuple[int, int], new: tuple[int, int]) -> None:
    resize = PillowResize(old, new, kind, CPU)
    edges = np.where(random_image(1, *old) > 127, 255, 0).astype(np.uint8)  # overshoots on both sides are cut off
    for image in (random_image(0, *old), edges):
        expected = Image.fromarray(image).resize(new[::-1], Image.Resampling[kind.upper()])
        found = resize(torch.from_numpy(image).permute(2, 0, 1))
        assert found.dtype == torch.float64
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_another_version_of_pillow_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_resize, "PRECISION", 6)
    with pytest.raises(ValueError, match="in an unknown way"):
        PillowResize((40, 30), (20, 20), "bicubic", CPU)


def test_weights_are_integers_and_sum_to_one() -> None:
    matrix = weights(640, 224, "bicubic")
    assert matrix.shape == (224, 640)
    assert torch.equal(matrix, matrix.round())
    assert float((matrix.sum(dim=1) / 2**PRECISION - 1).abs().max()) < 1e-5
    assert float(matrix.min()) < 0  # bicubic
