"""Reads the ranges of VLA-0's actions from the published files. Does not import torch."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.json_file import check_file, read_object
from rt_vla_ros.model_folder import inside, stored_shapes
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.rt2.vla0.pickled_numbers import PickledArray, read_numbers

STATISTICS = "dataset_stats.pkl"
POSTPROCESSOR = "policy_postprocessor.json"
ACTION, STATE = ("out_ori_act", "action", "actions"), ("state", "observation.state")
"""Keys of the parts: NVlabs', LeRobot's, and those of LIBERO in LeRobot's format."""
DIMENSIONS, STATE_DIMENSIONS = 7, 8
LARGEST = 1.001
"""Tolerance of the range: LIBERO's commands are within -1 ... 1."""
SMALLEST_SPAN = 1e-8
"""Minimum range of a constant dimension, as in LeRobot's normalization."""
BY_HAND = f"""Give the numbers by hand: `rt-vla convert vla0 ... --statistics numbers.json` with {{"min": [...], \
"max": [...]}}, {DIMENSIONS} numbers each: x, y, z, rotation about x, y, z and gripper, in LIBERO's scale of -1 to 1."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of each dimension, in the data set's own scale; low < high."""

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Statistics:
    """Statistics of a data set. state: None if the file has none."""

    action: Range
    state: Range | None = None


def find_statistics(directory: Path) -> Path | None:
    """The statistics file of a published folder: in it, or in its parent, where training writes it."""
    if (directory / POSTPROCESSOR).is_file():
        return directory / POSTPROCESSOR
    return next((place / STATISTICS for place in (directory, directory.parent) if (place / STATISTICS).is_file()), None)


def read_statistics(path: Path) -> Statistics:
    """Reads dataset_stats.pkl (without executing it), policy_postprocessor.json, a .safetensors or a .json file.

    Raises CheckpointError for a file that is damaged or of another robot.
    """
    try:
        parts = _parts(path)
        action = _range(parts, ACTION, DIMENSIONS)
        if action is None:
            raise CheckpointError(f"it has no {' nor '.join(ACTION)} (it has: {some(list(map(reprlib.repr, parts)))}).")
        if max(map(abs, (*action.low, *action.high))) > LARGEST:
            raise CheckpointError(
                f"its actions range from {min(action.low):g} to {max(action.high):g}: these are joint angles or in "
                "another robot's scale; LIBERO's commands are within -1 and 1."
            )
        return Statistics(action, _range(parts, STATE, STATE_DIMENSIONS))
    except (ValueError, OverflowError) as error:  # includes Python's error for integers of thousands of digits
        told = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        raise CheckpointError(f"{told} {BY_HAND}") from error


def _parts(path: Path) -> Mapping[Any, Any]:
    """The file's parts by name, each with its min and max."""
    check_file(path, CheckpointError)
    if path.name == POSTPROCESSOR:
        return _tensors(inside(path.parent, _state_file(path), CheckpointError))
    if path.suffix == ".safetensors":
        return _tensors(path)
    data = read_object(path, CheckpointError) if path.suffix == ".json" else read_numbers(path)
    if not isinstance(data, dict):
        raise CheckpointError(f"it holds a {type(data).__name__}, expected a dictionary.")
    return {ACTION[0]: data, **data} if "min" in data else data


def _state_file(path: Path) -> object:
    """The state file of LeRobot's post-processor. Raises CheckpointError unless it normalizes by min and max."""
    steps = read_object(path, CheckpointError).get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and step.get("registry_name") == "unnormalizer_processor":
            modes = (step.get("config") or {}).get("norm_map") or {}
            if modes.get("ACTION") != "MIN_MAX":
                raise CheckpointError(f"its actions are scaled by {modes.get('ACTION')}, expected MIN_MAX.")
            return step.get("state_file")
    raise CheckpointError("it has no unnormalizer_processor, which has the ranges of the actions.")


def _tensors(path: Path) -> dict[str, dict[str, Any]]:
    """The parts from tensors named PART.min and PART.max."""
    from safetensors.numpy import load_file

    stored_shapes(path, CheckpointError)
    try:
        tensors = load_file(path)
    except Exception as error:  # errors of safetensors, and of NumPy for unknown dtypes
        raise CheckpointError(f"it is damaged ({error}).") from error
    parts: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        part, _, kind = name.rpartition(".")
        parts.setdefault(part, {})[kind] = tensor
    return parts


def _range(parts: Mapping[Any, Any], names: tuple[str, ...], size: int) -> Range | None:
    name = next((name for name in names if name in parts), None)
    if name is None:
        return None
    part = parts[name]
    if not isinstance(part, Mapping) or not {"min", "max"} <= part.keys():
        raise CheckpointError(f"its {name} has no min and max.")
    low, high = (_numbers(part[key], f"{name}.{key}", size) for key in ("min", "max"))
    if any(least > most for least, most in zip(low, high, strict=True)):
        raise CheckpointError(f"its {name} has a min above its max.")
    return Range(low, tuple(max(most, least + SMALLEST_SPAN) for least, most in zip(low, high, strict=True)))


def _numbers(values: Any, what: str, size: int) -> tuple[float, ...]:
    found = values.value if isinstance(values, PickledArray) else values
    shape: object = reprlib.repr(found)  # not np.shape: a pickled list may contain itself
    if isinstance(found, np.ndarray):
        shape, found = found.shape, list(found) if found.ndim == 1 else ()
    elif isinstance(found, list | tuple):
        shape = len(found)
    if not isinstance(found, list | tuple) or len(found) != size:
        raise CheckpointError(f"its {what} is {shape}, expected {size} numbers; is it another robot's?")
    numbers = tuple(float(one) for one in found if isinstance(one, int | float | np.number))
    if len(numbers) != size or not all(map(math.isfinite, numbers)):
        raise CheckpointError(f"its {what} contains something other than finite numbers.")
    return numbers
