"""Several questions in a row are asked as if each were alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rt_vla_ros.training.rt2.mini.batches import pixels
from rt_vla_ros.training.rt2.mini.network import IMAGE_TOKENS, make_model, make_tokenizer
from rt_vla_ros.training.rt2.packing import HIDDEN, Segment, pack

SEGMENTS = [
    Segment([9, 10, 11], [60, 61, 62]),
    Segment([9, 12], [70]),
    Segment([9, 10, 11, 12, 13], [80, 81], seen=[90, 81]),
]


@pytest.fixture(scope="module")
def model():
    return make_model(make_tokenizer(["red", "cube"]), 0).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return pixels(np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8))


def image_tokens(model) -> list[int]:
    return [model.config.image_token_index] * IMAGE_TOKENS


def test_a_packed_question_is_answered_as_one_that_is_asked_alone(model, images) -> None:
    rows = pack([SEGMENTS, SEGMENTS[:1]], image_tokens(model), 0)
    with torch.no_grad():
        found = model.model(
            input_ids=rows.input_ids,
            pixel_values=images,
            attention_mask=rows.mask,
            position_ids=rows.position_ids,
        )
        packed = model.lm_head(found.last_hidden_state.flatten(0, 1)[rows.at])
        alone = []
        for number, one in [(0, SEGMENTS[0]), (0, SEGMENTS[1]), (0, SEGMENTS[2]), (1, SEGMENTS[0])]:
            seen = one.answer if one.seen is None else one.seen
            ids = torch.tensor([[*image_tokens(model), *one.prompt, *seen[:-1]]])
            logits = model(input_ids=ids, pixel_values=images[number : number + 1]).logits[0]
            alone.append(logits[-len(one.answer) :])
    torch.testing.assert_close(packed, torch.cat(alone), rtol=1e-4, atol=1e-4)
    assert packed.std() > 0.1  # it says something, and not the same of all


def test_labels_are_the_answers_whatever_the_model_reads(model) -> None:
    rows = pack([SEGMENTS, SEGMENTS[:1]], image_tokens(model), 0)
    assert rows.labels.tolist() == [60, 61, 62, 70, 80, 81, 60, 61, 62]
    assert rows.segments.tolist() == [0, 0, 0, 1, 2, 2, 3, 3, 3]
    assert rows.answer_rows.tolist() == [0] * 6 + [1] * 3
    assert 90 in rows.input_ids[0].tolist()
    assert 80 not in rows.input_ids[0].tolist()


def test_the_last_token_of_each_prompt_is_found(model) -> None:
    rows = pack([SEGMENTS, SEGMENTS[:1]], image_tokens(model), 0)
    row, place = rows.places
    assert rows.input_ids[row, place].tolist() == [11, 12, 13, 11]


def test_padding_is_counted_and_never_seen(model) -> None:
    rows = pack([SEGMENTS, SEGMENTS[:1]], image_tokens(model), 0)
    used = IMAGE_TOKENS + 5
    length = rows.input_ids.shape[1]
    assert rows.padding == pytest.approx((length - used) / (2 * length))
    assert (rows.mask[1, 0, :used, used:] == HIDDEN).all()
