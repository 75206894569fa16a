"""The action card of `rt2-mini`."""

from __future__ import annotations

from dataclasses import replace

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.tabletop_card import tabletop_card

ORDER = ("terminate", "gripper", "translation_z", "translation_x", "translation_y")
"""Dimensions that depend on the task's phase come first: lifting must not be inferred from an x of exactly 128."""


def mini_card(name: str = "rt2-mini") -> ActionCard:
    """The simulated arm's card in ORDER, without rotation (the closing gripper aligns a cube)."""
    card = tabletop_card(name)
    by_role = {dimension.role: dimension for dimension in card.dimensions}
    return replace(card, dimensions=tuple(by_role[role] for role in ORDER))
