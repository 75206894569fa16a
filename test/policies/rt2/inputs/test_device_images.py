"""Images prepared on a device are the processor's, to the last bit; where they cannot be, the processor does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_tokenizers import small_tokenizer
from support.vlms import random_image, save_openvla, save_vlm
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt2.checkpoint import open_policy
from rt_vla_ros.policies.rt2.inputs.device_images import find_device_images
from rt_vla_ros.policies.rt2.inputs.processor import ComposedProcessor, Inputs, Pixels
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.openvla.processor import OpenVLAProcessor
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.tiny.small_models import SPECIAL

CPU = torch.device("cpu")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.fixture(scope="module", params=["paligemma", "qwen2_vl", "qwen2_5_vl", "openvla"])
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RT2Parts:
    directory: Path = tmp_path_factory.mktemp(request.param)
    saved = save_openvla(directory) if request.param == "openvla" else save_vlm(directory, request.param)
    return open_policy(resolve(saved), device=CPU).parts


def test_tokens_and_probabilities_are_the_very_same(parts: RT2Parts) -> None:
    camera = parts.card.cameras[0]
    policies = [RT2Policy(parts, device_images=on_device) for on_device in (False, True)]
    for policy in policies:
        policy.reset("pick up the red cube")
    assert policies[0]._pixels is None
    assert policies[1]._pixels is not None
    for seed in range(3):
        seen = Observation({camera.name: random_image(seed, camera.height, camera.width)}, 0.0)
        expected, found = (policy.decode(seen) for policy in policies)
        assert found == expected


def openvla(strategy: str, **options: Any) -> OpenVLAProcessor:
    settings: dict[str, Any] = {"image_resize_strategy": strategy, "input_sizes": [[3, 224, 224]] * 2}
    settings["tvf_normalize_params"] = [IMAGENET, HALF]
    tokenizer = small_tokenizer("byte_bpe")
    return OpenVLAProcessor(settings, tokenizer, image_tokens=256, image_token_id=32000, **options)


def qwen() -> ComposedProcessor:
    names = SPECIAL["qwen2_vl"]
    tokenizer = small_tokenizer("split_digits", special=list(names.values()), named=names)
    return ComposedProcessor(Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 50176}), tokenizer)


@pytest.mark.parametrize("sizes", [[(480, 640)], [(90, 120)], [(200, 200)]])
def test_processors_of_published_models(sizes: list[tuple[int, int]]) -> None:
    """As openvla-7b, with two towers' normalisations, and as Qwen2-VL, with patches in windows."""
    for processor in (openvla("resize-naive"), qwen()):
        found = find_device_images(processor, sizes, CPU)
        assert found is not None
        images = [random_image(i, *size) for i, size in enumerate(sizes)]
        assert torch.equal(found(images)["pixel_values"], processor.image_inputs(images)["pixel_values"])


def test_two_cameras_of_different_sizes() -> None:
    processor, sizes = qwen(), [(90, 120), (200, 130)]
    found = find_device_images(processor, sizes, CPU)
    assert found is not None
    images = [random_image(i, *size) for i, size in enumerate(sizes)]
    assert torch.equal(found(images)["pixel_values"], processor.image_inputs(images)["pixel_values"])
    assert not torch.equal(
        found(images[::-1][::-1])["pixel_values"], found([images[0], images[1] // 2])["pixel_values"]
    )


class Blurring:
    """A processor in which a pixel has a say in its neighbours."""

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
        return {"pixel_values": pixels + 0.25 * pixels.roll(1, dims=-1)}


class Telling:
    """A processor that tells more than pixels."""

    def image_inputs(self, images: Sequence[Pixels]) -> Inputs:
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
        return {"pixel_values": pixels, "brightness": pixels.mean().long()}


OTHERS: dict[str, Callable[[], Any]] = {
    "letterbox": lambda: openvla("letterbox"),
    "resize-crop": lambda: openvla("resize-crop"),
    "centre crop": lambda: openvla("resize-naive", center_crop=True),
    "blurring": Blurring,
    "telling": Telling,
}


@pytest.mark.parametrize("which", OTHERS)
def test_unknown_preprocessing_is_left_to_the_processor(which: str) -> None:
    assert find_device_images(OTHERS[which](), [(90, 120)], CPU) is None
