"""What an embodiment of inspect-robots declares about itself, as JSON. Needs only NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def declaration_of(info: Any) -> dict[str, Any]:
    """info: inspect_robots.EmbodimentInfo. What is not declared is None; bounds are lists of the flattened Box."""
    space, semantics = info.action_space, info.action_space.semantics
    bounds = {
        name: None if bound is None else np.asarray(bound, np.float64).ravel().tolist()
        for name, bound in (("low", space.low), ("high", space.high))
    }
    meaning = {
        key: None if semantics is None else getattr(semantics, key)
        for key in ("control_mode", "rotation_repr", "gripper", "frame", "dim_labels")
    }
    cameras = [[one.name, one.width, one.height] for one in info.observation_space.cameras]
    return {
        "name": info.name,
        "size": space.dim,
        "control_hz": info.control_hz,
        "is_simulated": info.is_simulated,
        "cameras": cameras,
        **bounds,
        **meaning,
    }
