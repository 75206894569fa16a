from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.rt1 import seen, tiny_card, tiny_model

from rt_vla_ros.policies.load import UnknownPolicyError, find_device, load_policy, policy_names
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.checkpoint import save_checkpoint


def test_every_policy_that_is_listed_loads_and_acts() -> None:
    assert "rt1-mini" in policy_names()
    for name in policy_names():
        policy = load_policy(name)
        assert isinstance(policy, Policy)
        assert policy.name == name
        policy.reset("pick up the red cube")
        action = policy.act(seen(0, side=policy.card.cameras[0].width))
        assert np.isfinite(action.steps[0].translation).all()


def test_untrained_is_always_the_same_and_leaves_the_seed_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    actions = []
    for _ in range(2):
        policy = load_policy("rt1-untrained")
        policy.reset("pick up the red cube")
        actions.append(policy.act(seen(0, side=96)))
    np.testing.assert_array_equal(actions[0].steps[0].translation, actions[1].steps[0].translation)
    assert torch.rand(1) == expected


def test_a_path_is_a_policy_too(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "mine", tiny_model(), tiny_card(), "")
    assert load_policy(str(tmp_path / "mine"), device="cpu").name == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("rt1-mimi", "Did you mean 'rt1-mini'?"),
        (
            "nonsense",
            "Known policies: rt1-mini, rt1-mini-1, rt1-mini-h4, rt2-mini, rt1-untrained, rt2-untrained; or give",
        ),
        ("no/such/directory", "There is no policy 'no/such/directory' and no directory"),
        ("", "No policy given."),
    ],
)
def test_an_unknown_name_lists_what_there_is(name: str, sentence: str) -> None:
    with pytest.raises(UnknownPolicyError) as refusal:
        load_policy(name)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("name", ["rt1-mini", "rt1-untrained", "rt2-untrained"])
def test_a_sentence_encoder_is_refused_where_none_is_used(name: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' takes text directly; language \(given: table.safetensors\)"):
        load_policy(name, device="cpu", language="table.safetensors")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "tpu"])
def test_refuses_devices_that_are_not_there(device: str) -> None:
    with pytest.raises(ValueError, match=f"'{device}'"):
        find_device(device)


@pytest.mark.parametrize("name", ["rt1-mini", "rt1-untrained"])
def test_other_weight_formats_are_refused_for_small_networks(name: str) -> None:
    with pytest.raises(ValueError, match=f"The weights of {name} are small and always in float32; use weights:=auto"):
        load_policy(name, device="cpu", weights="bfloat16")
    assert load_policy(name, device="cpu", weights="float32").name == name


def test_decoding_is_passed_on() -> None:
    with pytest.raises(ValueError, match="Unknown decoding 'beam'"):
        load_policy("rt1-untrained", decoding="beam")
