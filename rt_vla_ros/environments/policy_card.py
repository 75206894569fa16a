"""The action card of a policy for an environment: its own card at another rate, image size or with fewer cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.environments.environment import EnvironmentRefusal

SAME = 1e-6  # of the number of steps per action


def policy_card(
    own: ActionCard,
    *,
    rate: float | None = None,
    image_size: int | None = None,
    cameras: Sequence[str] | None = None,
) -> ActionCard:
    """own: the environment's card. rate: actions per second. image_size: width and height [px]. cameras: names.

    Raises EnvironmentRefusal for a rate that is no divisor of the environment's, and for unknown cameras.
    """
    specs = own.cameras
    if cameras is not None:
        known = {one.name: one for one in own.cameras}
        for name in cameras:
            if name not in known:
                raise EnvironmentRefusal.of_name(f"{own.name} has no camera", name, [*known])
        specs = tuple(known[name] for name in dict.fromkeys(cameras))
    if image_size is not None:
        specs = tuple(replace(one, width=image_size, height=image_size) for one in specs)
    card = replace(own, cameras=specs)
    if rate is None:
        return card
    ticks = own.control_rate / rate if rate > 0 else 0.0
    if ticks < 1 - SAME or abs(ticks - round(ticks)) > SAME:
        raise EnvironmentRefusal(f"--rate is {rate:g}, expected a divisor of {own.control_rate:g} Hz, such as 10.")
    return _slower(card, round(ticks), rate)


def _slower(card: ActionCard, ticks: int, rate: float) -> ActionCard:
    """ticks: steps of the environment per action, each of which moves as far as it may; the gripper stays as it is."""
    dimensions = tuple(
        one if one.role == "gripper" else replace(one, low=one.low * ticks, high=one.high * ticks)
        for one in card.dimensions
    )
    return replace(card, dimensions=dimensions, control_rate=rate)
