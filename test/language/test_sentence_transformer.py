from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from rt_vla_ros.language.sources import find_encoder


def test_a_sentence_transformers_folder(folder: Path) -> None:
    encoder = find_encoder(folder)
    red, cube = encoder.encode("pick up the red"), encoder.encode("pick up the cube")
    assert red.shape == (8,)
    np.testing.assert_allclose(np.linalg.norm(red), 1, rtol=1e-5)
    assert np.abs(red - cube).max() > 1e-3
    np.testing.assert_array_equal(red, encoder.encode("pick up the red"))


def test_a_control_token_in_an_instruction_is_text(folder: Path) -> None:
    encoder = find_encoder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    taken = next(token.content for token in tokenizer.added_tokens_decoder.values() if token.content != "[UNK]")
    assert np.abs(encoder.encode(f"pick {taken} up") - encoder.encode("pick up")).max() > 1e-3
    # It is read as what its marks and letters are, each of them unknown to this tokenizer.
    spelt = " ".join(re.findall(r"\w+|\W", taken))
    np.testing.assert_allclose(encoder.encode(f"pick {taken} up"), encoder.encode(f"pick {spelt} up"), rtol=1e-5)


def test_refuses_other_ways_of_pooling(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    config = folder / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"pooling_mode_mean_tokens": False}))
    with pytest.raises(ValueError, match="does not use mean pooling"):
        find_encoder(folder)
    config.unlink()


def test_refuses_weights_that_can_hold_code(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        find_encoder(folder)
