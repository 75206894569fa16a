from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.fine_tuning import parts_of
from support.other_vlms import save_other
from support.vlms import random_image, save_vlm

from rt_vla_ros.policies.rt2.inputs.image_memo import remember_images


@pytest.mark.parametrize("family", ["paligemma", "qwen2_5_vl", "smolvlm", "gemma3", "llava"])
def test_a_repeated_image_is_served_from_the_cache(family: str, tmp_path: Path) -> None:
    directory = save_other(tmp_path, family) if family in ("gemma3", "llava") else save_vlm(tmp_path, family)
    plain, processor = parts_of(directory).processor, parts_of(directory).processor
    memo = remember_images(processor, 1 << 20)
    assert memo is not None
    image, other = random_image(0), random_image(1)
    text = processor.render("Q: what? A:", 1, chat=False)
    for number, hits in enumerate((0, 0, 1, 2)):
        found, wanted = (one.inputs([image], text) for one in (processor, plain))
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted), number
        assert memo.hits == hits
    assert not torch.equal(processor.inputs([other], text)["pixel_values"], found["pixel_values"])
    assert memo.hits == 2


def test_the_least_recently_used_result_is_evicted(tmp_path: Path) -> None:
    processor = parts_of(save_vlm(tmp_path, "qwen2_vl")).processor
    images = [random_image(seed) for seed in range(4)]
    size = sum(value.numel() * value.element_size() for value in processor.image_inputs(images[:1]).values())
    memo = remember_images(processor, 2 * size)
    assert memo is not None
    for _ in range(2):
        for image in images:
            processor.image_inputs([image])
    assert memo.bytes == 2 * size
    assert memo.hits == 0
    processor.image_inputs([images[3]])
    assert memo.hits == 1
    processor.image_inputs([np.flipud(images[3]).copy()])
    assert memo.hits == 1
