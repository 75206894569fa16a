from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.sources import find_encoder

ONNX = Path(__file__).resolve().parents[1] / "fixtures" / "sentence_encoder" / "words.onnx"


def test_an_onnx_network_that_takes_text() -> None:
    encoder = find_encoder(ONNX)
    np.testing.assert_array_equal(encoder.encode(" pick up the red cube "), np.array([0.25, 0.5], np.float32))
    with pytest.raises(InstructionError):
        encoder.encode("")
