"""The scales and shifts of all FiLM layers of a network for a sentence, computed once per instruction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.rt1.layers import FiLM


class Films:
    """The FiLM layers of a network. Their factors are concatenated into one row per image, (N, W)."""

    def __init__(self, model: nn.Module) -> None:
        self._films = [module for module in model.modules() if isinstance(module, FiLM)]
        self._buffers: dict[int, Tensor] = {}  # by batch size: a CUDA graph reads these exact addresses
        self._set: Tensor | None = None

    def factors(self, sentence: Tensor) -> Tensor:
        """Sentences (N, language_size) -> (N, W).

        Each robot's factors are computed separately: rows of a larger product may be rounded differently.
        """
        return torch.cat([part for film in self._films for part in film.factors(sentence)], dim=1)

    def fix(self, factors: Tensor) -> None:
        """Makes the layers use these factors, (N, W), for N images, instead of the sentence."""
        if factors is self._set:
            return
        if (buffer := self._buffers.get(len(factors))) is None:
            buffer = self._buffers[len(factors)] = factors.clone()
        else:
            buffer.copy_(factors)
        self._hand_out(buffer)
        self._set = factors

    @contextmanager
    def fixed(self, factors: Tensor) -> Iterator[None]:
        """A context in which the layers use these factors instead of the sentence."""
        self._hand_out(factors)
        try:
            yield
        finally:
            for film in self._films:
                film.fixed = None
            self._set = None

    def _hand_out(self, rows: Tensor) -> None:
        sizes = [size for film in self._films for size in (film.channels,) * 2]
        parts = iter(torch.split(rows, sizes, dim=1))
        for film, scale, shift in zip(self._films, parts, parts, strict=True):
            film.fixed = scale[:, :, None, None], shift[:, :, None, None]
