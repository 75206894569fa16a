"""The model of rt2-mini as the RT-2 policy runs it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.training.rt2.mini.batches import mini_config, pixels
from rt_vla_ros.training.rt2.mini.card import ORDER, mini_card
from rt_vla_ros.training.rt2.mini.network import BINS, make_model, make_processor


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer, 0).eval()


def test_every_word_and_number_is_one_token(tokenizer) -> None:
    ids = tokenizer("Q: What action should the robot take to Pick up the red cube? A: 1 255 0")["input_ids"]
    words = "q:|what action should the robot take to|pick|up|the|red|cube|?|a:|1|255|0"
    assert tokenizer.convert_ids_to_tokens(ids) == words.split("|")
    first = tokenizer.convert_tokens_to_ids("0")
    assert tokenizer.convert_tokens_to_ids(str(BINS - 1)) == first + BINS - 1


def test_a_word_that_it_does_not_know_is_unknown(tokenizer) -> None:
    assert tokenizer.unk_token_id in tokenizer("pick up the giraffe")["input_ids"]


def test_it_is_as_small_as_it_says(model) -> None:
    assert 1.2e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.4e6


def test_neighbouring_numbers_begin_as_neighbours(model, tokenizer) -> None:
    first = tokenizer.convert_tokens_to_ids("0")
    rows = model.get_input_embeddings().weight[first : first + BINS]
    near = (rows[1:] - rows[:-1]).norm(dim=1).mean()
    far = (rows[100:] - rows[:-100]).norm(dim=1).mean()
    assert near < 0.5 * far


def test_saved_it_is_a_policy_that_acts_and_answers(model, tokenizer, tmp_path, web_frames) -> None:
    model.save_pretrained(tmp_path)
    make_processor(tokenizer).save_pretrained(tmp_path)
    mini_config().save(tmp_path)
    mini_card().save(tmp_path)
    policy = load_policy(str(tmp_path), device="cpu")
    policy.reset("Pick up the red cube.")
    chunk = policy.act(Observation({"front": web_frames["images"][0]}, 0.0))
    assert len(chunk.tokens) == len(ORDER)
    assert (chunk.steps[0].rotation == 0).all()
    assert isinstance(policy.ask({"front": web_frames["images"][0]}, "where is the gripper?"), str)


def test_pixels_are_those_of_the_processor(tokenizer, web_frames) -> None:
    images = web_frames["images"][:2]
    made = make_processor(tokenizer).image_processor(list(images), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixels(images), made, rtol=1e-5, atol=1e-5)
    assert np.ptp(made.numpy()) > 1
