"""The action cards of the public RT-1 checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.action_space.card import ActionCard, ActionCardError, CameraSpec
from rt_vla_ros.action_space.rt1_actions import JAX_ORDER, PARTS, rt1_card
from rt_vla_ros.policies.rt1.configuration import RT1Config

ORDERS = {
    "jax": JAX_ORDER,
    "base-vector-first": (*JAX_ORDER[:4], "base_displacement_vector", "base_displacement_vertical_rotation"),
}
"""`jax`: tokenize_action of open_x_embodiment. `base-vector-first`: the order that a third party lists for rt1main."""


def action_order(text: str) -> tuple[str, ...]:
    """Parses a name in ORDERS, or the six parts of an action separated by commas. Raises ActionCardError."""
    order = ORDERS.get(text) or tuple(part.strip() for part in text.split(","))
    if sorted(order) != sorted(PARTS):
        raise ActionCardError(
            f"The action order is {text!r}, expected one of {', '.join(ORDERS)}, or all of {', '.join(PARTS)} in the "
            "order of their tokens, separated by commas."
        )
    return order


def public_card(
    config: RT1Config,
    name: str,
    *,
    robot: str = "google_robot",
    order: Sequence[str] = JAX_ORDER,
    verified: bool = True,
    base: bool = False,
) -> ActionCard:
    """The card of a public checkpoint: `rt1_card` with the range and the vocabulary of a network's config.

    Raises ActionCardError like `rt1_card`, and for a config that is not of a public checkpoint.
    """
    if config.world_vector_range is None:
        raise ActionCardError("The network's config has no world_vector_range, so it is not a public checkpoint's.")
    low, high = config.world_vector_range
    height, width = config.input_size
    camera = CameraSpec("front", width, height, "pad", 0.0)
    return rt1_card(
        name,
        camera,
        reach=(low, high),
        bins=config.vocab_size,
        robot=robot,
        order=order,
        verified=verified,
        base=base,
    )
