from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.language.sources import find_encoder


def test_a_sentence_transformers_folder(folder: Path) -> None:
    encoder = find_encoder(folder)
    red, cube = encoder.encode("pick up the red"), encoder.encode("pick up the cube")
    assert red.shape == (8,)
    np.testing.assert_allclose(np.linalg.norm(red), 1, rtol=1e-5)
    assert np.abs(red - cube).max() > 1e-3
    np.testing.assert_array_equal(red, encoder.encode("pick up the red"))


def test_refuses_other_ways_of_pooling(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    config = folder / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"pooling_mode_mean_tokens": False}))
    with pytest.raises(ValueError, match="does not pool by the mean"):
        find_encoder(folder)
    config.unlink()
