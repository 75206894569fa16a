"""Options of `rt-vla train rt1` and `rt2` that select and weight recorded frames."""

from __future__ import annotations

import argparse

from rt_vla_ros.data.frame_weights import FrameWeighting

PLAIN: dict[str, object] = {"intervention_weight": None, "before_takeover": None, "commanders": None}
"""The options with their defaults."""


def add_frame_weight_options(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add the options to a group."""
    add = group.add_argument
    weight = "sampling weight of frames corrected by a human (column `intervention`); default 1. "
    weight += "IWR (arXiv:2012.06733) balances them to half of all samples; the resulting share is printed"
    add("--intervention-weight", type=float, metavar="W", help=weight)
    early = "drop the policy's last S seconds before each takeover, as Sirius (arXiv:2211.08416) does; "
    early += "default 0"
    add("--before-takeover", type=float, metavar="S", help=early)
    who = "comma-separated commanders (column `commander`: human, policy, expert) whose frames to train on; default: "
    who += "all. HG-DAgger (arXiv:1810.02890) excludes the policy's own actions: human,expert"
    add("--commanders", metavar="NAME,...", help=who)


def frame_weighting(args: argparse.Namespace, weights: list[float] | None = None) -> FrameWeighting:
    """weights: sampling weights of the datasets. Raises DatasetError."""
    names = [name.strip() for name in (args.commanders or "").split(",")]
    return FrameWeighting(
        tuple(weights or ()),
        1.0 if args.intervention_weight is None else args.intervention_weight,
        args.before_takeover or 0.0,
        tuple(name for name in names if name),
    )
