"""Refuses controllers of inspect-robots that change a policy's actions, or ask for them at other times.

Its API tells a policy nothing about the controller of a run, so the callers of `act` are looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

NEXT_ACTION = "next_action"  # the method of inspect_robots.Controller


def refuse_controllers(horizon: int) -> None:
    """To be called in `act`. horizon: steps of the embodiment per decision.

    Raises inspect_robots' CompatibilityError for a controller other than its default one, which does all of them.
    """
    from inspect_robots.controller import DefaultController
    from inspect_robots.errors import CompatibilityError

    refused = []
    for one in _calling():
        name = type(one).__name__
        if type(one) is not DefaultController:
            refused.append(name)
        elif one.replan_interval is not None and one.replan_interval < horizon:
            refused.append(f"{name}(replan_interval={one.replan_interval})")
    if refused:
        raise CompatibilityError(
            f"Unsupported controller: {' around '.join(reversed(refused))}. The policies of rt_vla_ros decide once per "
            f"{horizon} steps of this embodiment, and their actions are executed unchanged: leave the controller out."
        )


def _calling() -> Iterator[Any]:
    """The controllers that asked for the present action, the innermost first."""
    frame = sys._getframe(2).f_back  # above `refuse_controllers` and the policy's `act`
    while frame is not None and frame.f_code.co_name == NEXT_ACTION:
        yield frame.f_locals.get("self")
        frame = frame.f_back
