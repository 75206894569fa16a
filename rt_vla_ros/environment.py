"""The variables of the environment that this project reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

VARIABLES = ("RT_VLA_PYTHON", "RT_VLA_ENVS", "RT_VLA_ROS_ARM_MJCF", "RT_VLA_ROS_ROUTER", "RT_VLA_UV", "RT_VLA_VENV")


def without_effect(names: Iterable[str]) -> list[str]:
    """A sentence about each variable with a similar name that is not one of these."""
    unknown = sorted(name for name in names if name.startswith("RT_VLA_") and name not in VARIABLES)
    return [f"The variable {name} has no effect. {_hint(name)}" for name in unknown]


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.7)
    return f"Did you mean {near[0]}?" if near else f"There is {', '.join(VARIABLES)}."
