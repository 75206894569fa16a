"""Cards that the tests of several packages start from."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.action_space.card import ActionCard


def card_data(**changes: Any) -> dict[str, Any]:
    """A complete card as JSON knows it, with some of its keys changed."""
    dimensions = [
        {
            "name": "end",
            "role": "terminate",
            "low": 0,
            "high": 0,
            "unit": "mode",
            "modes": ["terminate", "arm", "base"],
        },
        *({"name": f"t{a}", "role": f"translation_{a}", "low": -0.5, "high": 1.0, "unit": "m"} for a in "xyz"),
        *({"name": f"r{a}", "role": f"rotation_{a}", "low": -0.9, "high": 0.9, "unit": "rad"} for a in "xyz"),
        {"name": "grip", "role": "gripper", "low": -1, "high": 1, "unit": "1"},
        {"name": "wheels", "role": "unused", "low": -3, "high": 3, "unit": "m"},
    ]
    return {
        "name": "test",
        "dimensions": dimensions,
        "bins": 256,
        "quantization": "round",
        "frame": "base",
        "frame_id": "panda_link0",
        "rotation": "rotation_vector",
        "gripper_open": 1.0,
        "gripper_closed": -1.0,
        "control_rate": 3.0,
        "cameras": [{"name": "front", "width": 96, "height": 64, "crop": "center", "vertical_fov": 0.5}],
        "version": 1,
        **changes,
    }


def card(**changes: Any) -> ActionCard:
    return ActionCard.from_dict(card_data(**changes))
