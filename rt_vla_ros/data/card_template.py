"""A template of an action card for a dataset without one: known values, and question marks to fill in."""

from __future__ import annotations

from typing import Any

from rt_vla_ros.action_space.card import ROLES, UNITS
from rt_vla_ros.data.episode_source import EpisodeSource
from rt_vla_ros.data.lerobot_info import image_size, is_grey, names_in_order
from rt_vla_ros.data.lerobot_layout import ACTION, CAMERA_PREFIX, STATE
from rt_vla_ros.data.lerobot_v2 import action_range

UNKNOWN = "?"
"""Marks a value to fill in, or to confirm by removing the mark."""
GUESSES = {
    **{name: f"translation_{name}" for name in "xyz"},
    **{name: f"rotation_{axis}" for axis, name in zip("xyz", ("roll", "pitch", "yaw"), strict=True)},
    "gripper": "gripper",
}


def template(source: EpisodeSource) -> dict[str, Any]:
    """The card's JSON; `unfilled` lists what is missing. Raises DatasetError if a column cannot be read."""
    low, high = action_range(source, ACTION, _width(source, ACTION))
    names = _names(source, ACTION)
    data: dict[str, Any] = {
        "name": source.directory.resolve().name,
        "dimensions": [_dimension(*one) for one in zip(names, low, high, strict=True)],
        "bins": 256,
        "quantization": "round",
        "frame": UNKNOWN,
        "frame_id": UNKNOWN,
        "rotation": UNKNOWN,
        "gripper_open": UNKNOWN,
        "gripper_closed": UNKNOWN,
        "control_rate": float(source.info["fps"]),
        "cameras": [_camera(source, name) for name in _cameras(source)],
        "version": 1,
        "notes": ["low and high are the smallest and largest value in the dataset."],
    }
    if STATE in source.features:
        ranges = action_range(source, STATE, _width(source, STATE))
        state = zip(_names(source, STATE), *ranges, strict=True)
        data["state"] = [
            {"name": name, "unit": UNKNOWN, **_range(low, high), "source": UNKNOWN} for name, low, high in state
        ]
    return data


def unfilled(data: Any, where: str = "") -> list[str]:
    """Paths of values with a question mark at the end, such as "dimensions[0].unit"."""
    if isinstance(data, dict):
        return [at for key, value in data.items() for at in unfilled(value, f"{where}.{key}".lstrip("."))]
    if isinstance(data, list):
        return (
            [] if where == "notes" else [at for i, value in enumerate(data) for at in unfilled(value, f"{where}[{i}]")]
        )
    return [where] if isinstance(data, str) and data.endswith(UNKNOWN) else []


def explanation(data: dict[str, Any]) -> list[str]:
    """One line of help for each value to fill in."""
    lines = [
        f"role: what the dimension controls of the arm or its base: {', '.join(ROLES)}.",
        "unit: m, rad or 1; displacement of the end effector or base per action. Convert other units first.",
        'frame: "base" or "end_effector", the axes of the displacements; frame_id: its name in TF.',
        'rotation: "rotation_vector" or "rpy" (fixed axes x, y, z).',
        "gripper_open, gripper_closed: the gripper's values for open and closed.",
    ]
    state = 'state: units and sources on a robot ("joint:NAME", "tip:x" ...); remove "state" to leave it out.'
    return [*lines, state] if "state" in data else lines


def _width(source: EpisodeSource, column: str) -> int:
    shape = source.features[column].get("shape") or [1]
    return int(shape[0])


def _names(source: EpisodeSource, column: str) -> list[str]:
    names = names_in_order(source.features[column])
    width = _width(source, column)
    return names if len(names) == width == len({*names}) else [f"{column}_{i}" for i in range(width)]


def _range(low: float, high: float) -> dict[str, float]:
    """A range must not be empty, even if all values are equal."""
    return {"low": low, "high": high if high > low else low + 1.0}


def _dimension(name: str, low: float, high: float) -> dict[str, Any]:
    role = GUESSES.get(name.lower(), "")
    if "terminate" in name.lower():
        modes = [UNKNOWN] * (int(high) + 1 if 0 <= high < 10 else 1)
        return {"name": name, "role": f"terminate{UNKNOWN}", "low": 0, "high": 0, "unit": "mode", "modes": modes}
    return {"name": name, "role": role + UNKNOWN, **_range(low, high), "unit": UNITS.get(role, "") + UNKNOWN}


def _cameras(source: EpisodeSource) -> list[str]:
    features = source.features
    return [name for name, one in features.items() if one.get("dtype") in ("video", "image") and not is_grey(one)]


def _camera(source: EpisodeSource, column: str) -> dict[str, Any]:
    height, width = image_size(source.directory, source.info, column)
    name = column.removeprefix(CAMERA_PREFIX).rpartition(".")[2]
    camera = {"name": name, "width": width, "height": height, "crop": "none", "vertical_fov": 0.0}
    return camera if CAMERA_PREFIX + name == column else {**camera, "column": column}
