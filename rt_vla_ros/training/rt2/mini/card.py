"""The action card of `rt2-mini`."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.tabletop_card import tabletop_card

ORDER = ("terminate", "gripper", "translation_z", "translation_x", "translation_y")
"""What depends on the stage of the task is written first: whether to lift must not be read off an x of exactly 128."""


def mini_card(name: str = "rt2-mini") -> ActionCard:
    """That of the simulated arm, without rotation (closing fingers turn a cube by themselves), in ORDER."""
    card = tabletop_card(name)
    by_role = {dimension.role: dimension for dimension in card.dimensions}
    return replace(card, dimensions=tuple(by_role[role] for role in ORDER))
