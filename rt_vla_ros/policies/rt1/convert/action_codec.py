"""RT-1's actions as the public codes name them, to tokens and back, in their own single precision.

The rest of the house speaks through ActionTokenizer and the card; this is for data sets, and for comparing with the
references bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

INVALID = ("first", "last", "none")
DEFAULT_RULE = {"jax": "last", "tensorflow": "first"}
MODES = 3
Singles = NDArray[np.float32]


def _by_division(values: Singles, divisor: float) -> Singles:
    quotient: Singles = values / np.float32(divisor)
    return quotient


def _by_reciprocal(values: Singles, divisor: float) -> Singles:
    """What XLA makes of a division by a constant."""
    product: Singles = values * (np.float32(1) / np.float32(divisor))
    return product


class RT1ActionCodec:
    """Dictionaries of arrays (..., n) <-> tokens (..., 11), in the order of the JAX code.

    terminate_episode: (..., 3) one-hot: terminate, arm, base. world_vector (..., 3), rotation_delta (..., 3) [rad],
    gripper_closedness_action (..., 1), base_displacement_vertical_rotation (..., 1) [rad], base_displacement_vector
    (..., 2).
    """

    def __init__(
        self,
        vocab_size: int,
        world_vector_range: tuple[float, float] = (-1.0, 1.0),
        *,
        flavour: str,
        invalid_terminate: str | None = None,
    ) -> None:
        """flavour: "jax" or "tensorflow". invalid_terminate: what a token beyond the three modes means.

        The "first" mode, as in the release in TensorFlow (None there), the "last", as in the JAX example (None there),
        or "none", three zeros, as in the JAX function by itself. Raises ValueError for other names.
        """
        if flavour not in DEFAULT_RULE:
            raise ValueError(f"There is no flavour {flavour!r}; there are {', '.join(DEFAULT_RULE)}.")
        invalid_terminate = invalid_terminate or DEFAULT_RULE[flavour]
        if invalid_terminate not in INVALID:
            raise ValueError(f"There is no rule {invalid_terminate!r}; there are {', '.join(INVALID)}.")
        self._divide = _by_reciprocal if flavour == "jax" else _by_division
        self.vocab_size, self.invalid_terminate = vocab_size, invalid_terminate
        self.parts: tuple[tuple[str, int, float, float], ...] = (
            ("world_vector", 3, *world_vector_range),
            ("rotation_delta", 3, -math.pi / 2, math.pi / 2),
            ("gripper_closedness_action", 1, -1.0, 1.0),
            ("base_displacement_vertical_rotation", 1, -math.pi, math.pi),
            ("base_displacement_vector", 2, -1.0, 1.0),
        )

    def encode(self, action: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Values beyond a range are taken at its limit, bins are truncated. Raises ValueError for NaN and infinity."""
        tokens = [np.argmax(action["terminate_episode"], axis=-1)[..., None]]
        for name, _, low, high in self.parts:
            value = np.asarray(action[name], dtype=np.float32)
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite, got {value.tolist()}")
            above = np.clip(value, np.float32(low), np.float32(high)) - np.float32(low)
            share = self._divide(above, high - low)
            tokens.append((share * np.float32(self.vocab_size - 1)).astype(np.int64))
        return np.concatenate(tokens, axis=-1).astype(np.int64)

    def decode(self, tokens: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Raises ValueError for a token outside 0 ... vocab_size - 1 or a wrong number of them."""
        tokens = np.asarray(tokens)
        if tokens.shape[-1:] != (11,) or (tokens < 0).any() or (tokens >= self.vocab_size).any():
            raise ValueError(f"expected 11 tokens below {self.vocab_size}, got {tokens.tolist()}")
        action: dict[str, NDArray[Any]] = {"terminate_episode": self._modes(tokens[..., 0])}
        at = 1
        for name, count, low, high in self.parts:
            share = self._divide(tokens[..., at : at + count].astype(np.float32), self.vocab_size - 1)
            action[name] = share * np.float32(high - low) + np.float32(low)
            at += count
        return action

    def _modes(self, token: NDArray[Any]) -> NDArray[np.int32]:
        if self.invalid_terminate != "none":
            token = np.where(token < MODES, token, 0 if self.invalid_terminate == "first" else MODES - 1)
        chosen: NDArray[np.int32] = (token[..., None] == np.arange(MODES)).astype(np.int32)
        return chosen
