"""OpenVLA's `norm_stats`, what an action's numbers mean in each data set, as an action card."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.policies.checkpoint.errors import CheckpointError

ROLES = (*(f"translation_{a}" for a in "xyz"), *(f"rotation_{a}" for a in "xyz"), "gripper")
NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
UNITS = ("m",) * 3 + ("rad",) * 3 + ("1",)
RATES = {"bridge": 5.0, "fractal": 3.0, "libero": 20.0, "droid": 15.0}
"""Actions per second [Hz] in which known data sets were recorded, by the beginning of their names."""
USUAL_RATE = 5.0
"""For other data sets: that of OpenVLA's own experiments. Slower than a data set's rate only makes the arm slower."""


def card_from_statistics(
    statistics: Mapping[str, Any], key: str, *, bins: int = 256, image_size: int = 224
) -> ActionCard:
    """The card of a checkpoint's data set; key: which one, empty where there is only one.

    Dimensions whose mask is false are not normalised: they range over -1 ... 1 as they are. In the data that OpenVLA is
    made from (Open X-Embodiment) a gripper is 1 open and 0 closed, and frames are those of the arm's base.
    Raises CheckpointError for an unknown or missing key and for statistics of another shape.
    """
    key = choose_key(statistics, key)
    action = statistics[key].get("action") if isinstance(statistics[key], Mapping) else None
    if not isinstance(action, Mapping) or not all(_is_of_an_action(action.get(name)) for name in ("q01", "q99")):
        raise CheckpointError(
            f"The statistics of {key!r} have no q01 and q99 of {len(ROLES)} numbers each, "
            "which is what an OpenVLA action has (x, y, z, roll, pitch, yaw, gripper)."
        )
    mask = action.get("mask") or [True] * len(ROLES)
    if not _is_of_an_action(mask):
        raise CheckpointError(
            f"The statistics of {key!r} have the mask {mask!r}, expected {len(ROLES)} times true or false."
        )
    ranges = [
        (float(low), float(high)) if use else (-1.0, 1.0)
        for low, high, use in zip(action["q01"], action["q99"], mask, strict=True)
    ]
    gripper_open, gripper_closed = (ranges[-1][1], ranges[-1][0]) if mask[-1] else (1.0, 0.0)
    return ActionCard(
        name=f"OpenVLA, actions of {key}",
        dimensions=tuple(
            ActionDimension(name, role, low, _above(low, high), unit)
            for name, role, unit, (low, high) in zip(NAMES, ROLES, UNITS, ranges, strict=True)
        ),
        bins=bins,
        quantization="centers",
        frame="base",
        frame_id="base_link",
        rotation="rpy",
        gripper_open=gripper_open,
        gripper_closed=gripper_closed,
        control_rate=next((rate for name, rate in RATES.items() if key.startswith(name)), USUAL_RATE),
        cameras=(CameraSpec("front", image_size, image_size, "stretch", 0.0),),
    )


def choose_key(statistics: Mapping[str, Any], key: str) -> str:
    """The data set to use. Raises CheckpointError, listing those there are, for an unknown or missing name."""
    if not isinstance(statistics, Mapping):
        raise CheckpointError(f"The statistics are a {type(statistics).__name__}, expected an entry for each data set.")
    if not statistics:
        raise CheckpointError("The checkpoint's config.json has no norm_stats: nobody knows what its actions mean.")
    if not key and len(statistics) == 1:
        return next(iter(statistics))
    known = ", ".join(sorted(statistics))
    if not key:
        raise CheckpointError(
            f"The checkpoint has the statistics of {len(statistics)} data sets: say which one your arm is like, by "
            f"unnorm_key in rt2_config.json or as DIRECTORY#KEY. There are: {known}."
        )
    if key not in statistics:
        close = difflib.get_close_matches(key, statistics, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise CheckpointError(f"There are no statistics for the unnorm_key {key!r}.{hint} There are: {known}.")
    return key


def _is_of_an_action(values: object) -> bool:
    """Whether there is a finite number for each part of an action."""
    return (
        isinstance(values, list)
        and len(values) == len(ROLES)
        and all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    )


def _above(low: float, high: float) -> float:
    """A dimension that never moved in the data has an empty range; a card's must not be empty."""
    return high if high > low else math.nextafter(low, math.inf)
