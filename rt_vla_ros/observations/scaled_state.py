"""Checks the robot state in an observation against the action card, and scales it for a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard


def check_state(state: NDArray[Any] | None, card: ActionCard) -> NDArray[np.float64]:
    """The state, (S,). Raises ValueError unless it has a finite number for each state dimension of the card."""
    names = [dimension.name for dimension in card.state]
    if state is None:
        raise ValueError(f"The policy needs the robot's state ({', '.join(names)}); the observation has none.")
    if not isinstance(state, np.ndarray) or state.shape != (len(names),):
        found = f"an array of shape {state.shape}" if isinstance(state, np.ndarray) else type(state).__name__
        raise ValueError(f"The robot's state is {found}, expected {len(names)} numbers ({', '.join(names)}).")
    bad = [f"{name} {value}" for name, value in zip(names, state, strict=True) if not np.isfinite(value)]
    if bad:
        raise ValueError(f"The robot's state must be finite, got {', '.join(bad)}.")
    return state.astype(np.float64)


def scaled_state(states: NDArray[np.float64], card: ActionCard) -> NDArray[np.float32]:
    """States (..., S) in the card's order and units -> (..., S), -1 ... 1 over the card's ranges.

    Values outside a range are clipped.
    """
    low, high = np.array([(one.low, one.high) for one in card.state]).reshape(-1, 2).T
    scaled: NDArray[np.float32] = (2 * (np.clip(states, low, high) - low) / (high - low) - 1).astype(np.float32)
    return scaled
