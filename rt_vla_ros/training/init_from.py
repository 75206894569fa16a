"""Initialises a network from the weights of a checkpoint, such as a public one that was converted."""

from __future__ import annotations

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.rt1.checkpoint import load_checkpoint
from rt_vla_ros.training.learner import Learner

ARCHITECTURE = (
    "trunk",
    "stride_padding",
    "image_mean",
    "image_std",
    "feed_forward",
    "image_attends_past_actions",
    "action_embedding",
)
"""Options under which the same weights compute another function."""


def init_from(learner: Learner, checkpoint: str) -> str:
    """Take over the weights of a checkpoint, by name or path. Returns a line for people on what stays random.

    Raises CheckpointError where its weights would mean something else in this network, or nothing fits.
    """
    model, _ = load_checkpoint(resolve(checkpoint))
    ours, theirs = learner.model.config, model.config
    different = [name for name in ARCHITECTURE if getattr(ours, name) != getattr(theirs, name)]
    if different:
        wanted = ", ".join(f"{name} {getattr(theirs, name)!r}, not {getattr(ours, name)!r}" for name in different)
        raise CheckpointError(
            f"{checkpoint} is of another architecture ({wanted}); name the --preset that it was made with, or set "
            f"these options (--set network.{different[0]}=...)."
        )
    count = len(learner.model.state_dict())
    random = learner.load_matching(model.state_dict())
    if len(random) == count:
        raise CheckpointError(f"No tensor of {checkpoint} has the name and shape of one of this network.")
    parts = sorted({name.split(".")[0] for name in random})
    rest = f"; initialised at random: {len(random)} of {', '.join(parts)}" if random else ""
    return f"Initialised from {count - len(random)} of {count} tensors of {checkpoint}{rest}."
