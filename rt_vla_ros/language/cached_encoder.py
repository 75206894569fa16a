"""An encoder that is asked once per instruction."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

from rt_vla_ros.language.encoder import LanguageEncoder

KEPT = 256


class CachedEncoder:
    """Keeps the features of the last KEPT instructions."""

    def __init__(self, encoder: LanguageEncoder) -> None:
        self._encoder = encoder
        self._features: OrderedDict[str, NDArray[Any]] = OrderedDict()

    @property
    def known(self) -> str:
        """An instruction that the encoder surely takes; empty where it takes any."""
        return str(getattr(self._encoder, "known", ""))

    def encode(self, instruction: str) -> NDArray[Any]:
        """As the encoder says. Raises InstructionError."""
        if instruction not in self._features:
            self._features[instruction] = self._encoder.encode(instruction)
            if len(self._features) > KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(instruction)
        return self._features[instruction]
