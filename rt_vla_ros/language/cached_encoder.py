"""A cache in front of a sentence encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rt_vla_ros.language.encoder import LanguageEncoder

CACHE_SIZE = 256


class CachedEncoder:
    """Caches the features of the last CACHE_SIZE instructions."""

    def __init__(self, encoder: LanguageEncoder) -> None:
        self._encoder = encoder
        self._features: OrderedDict[str, NDArray[Any]] = OrderedDict()

    @property
    def known(self) -> str:
        """An instruction that the encoder accepts; empty if it accepts any."""
        return str(getattr(self._encoder, "known", ""))

    @property
    def instructions(self) -> Sequence[str]:
        """All instructions that the encoder accepts; none if it accepts any."""
        return tuple(getattr(self._encoder, "instructions", ()))

    def encode(self, instruction: str) -> NDArray[Any]:
        """See the encoder. Raises InstructionError."""
        if instruction not in self._features:
            self._features[instruction] = self._encoder.encode(instruction)
            if len(self._features) > CACHE_SIZE:
                self._features.popitem(last=False)
        self._features.move_to_end(instruction)
        return self._features[instruction]
