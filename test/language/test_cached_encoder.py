from __future__ import annotations

import numpy as np

from rt_vla_ros.language.cached_encoder import CachedEncoder
from rt_vla_ros.language.instruction_table import InstructionTable


def test_an_instruction_is_encoded_once() -> None:
    asked: list[str] = []

    class Counting:
        def encode(self, instruction: str) -> np.ndarray:
            asked.append(instruction)
            return np.zeros(2)

    encoder = CachedEncoder(Counting())
    for text in ("a", "b", "a", "b"):
        encoder.encode(text)
    assert asked == ["a", "b"]
    assert encoder.known == ""
    assert CachedEncoder(InstructionTable({"a": np.zeros(2)})).known == "a"
