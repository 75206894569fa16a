"""The tokens of the public cards mean what the public codes computed (test/data/rt1_golden)."""

from __future__ import annotations

import numpy as np
import pytest
from support.rt1_golden import golden

from rt_vla_ros.action_space.rt1_actions import PARTS
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.convert.public_cards import public_card


@pytest.mark.parametrize(
    ("preset", "data", "tokens", "values"),
    [
        ("rt1-x", "flax_small", "codec/tokens_512_pm2", "codec/detok_512_pm2"),
        ("rt1", "tf_full", "episode/action_tokens", "episode/action"),
    ],
)
def test_the_cards_tokenizer_decodes_as_the_public_code(preset: str, data: str, tokens: str, values: str) -> None:
    theirs, tokenizer = golden(data), ActionTokenizer(public_card(RT1Config.preset(preset), preset))
    expected = np.concatenate([theirs[f"{values}/{part}"] for part in PARTS if part != "terminate_episode"], axis=-1)
    given = theirs[tokens].copy()
    given[..., 0] = 0  # the mode, which the networks of random weights choose beyond the three
    decoded = tokenizer.decode(given)
    np.testing.assert_allclose(decoded[..., 1:], expected, atol=2e-6)
    np.testing.assert_array_equal(tokenizer.encode(decoded), given)


@pytest.mark.parametrize(("preset", "tokens"), [("rt1", "tokens_256_pm1"), ("rt1-x", "tokens_512_pm2")])
def test_what_is_decoded_is_encoded_as_it_was(preset: str, tokens: str) -> None:
    given = golden("flax_small")[f"codec/{tokens}"]
    tokenizer = ActionTokenizer(public_card(RT1Config.preset(preset), preset))
    np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(given)), given)
