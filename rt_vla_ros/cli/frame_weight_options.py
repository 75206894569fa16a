"""Options of `rt-vla train rt1` and `rt2` that say which recorded frames are learned, and how often."""

from __future__ import annotations

import argparse

from rt_vla_ros.data.frame_weights import FrameWeighting

PLAIN: dict[str, object] = {"intervention_weight": None, "before_takeover": None, "commanders": None}
"""The options, and what they are where they are not given."""


def add_frame_weight_options(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """To a group of options."""
    add = group.add_argument
    weight = "how often frames that a human corrected (column `intervention`) are drawn, against others; default 1. "
    weight += "What IWR (arXiv:2012.06733) does is the weight with which they are half of all: the share is said"
    add("--intervention-weight", type=float, metavar="W", help=weight)
    early = "leave out what the policy did in the last S seconds before a takeover, as Sirius (arXiv:2211.08416) does; "
    early += "default 0: nothing"
    add("--before-takeover", type=float, metavar="S", help=early)
    who = (
        "learn frames that these commanded (column `commander`: human, policy, expert), separated by commas; default: "
    )
    who += "all. A policy's frames are its own actions: HG-DAgger (arXiv:1810.02890) leaves them out: human,expert"
    add("--commanders", metavar="NAME,...", help=who)


def frame_weighting(args: argparse.Namespace, weights: list[float] | None = None) -> FrameWeighting:
    """weights: of the datasets. Raises DatasetError."""
    names = [name.strip() for name in (args.commanders or "").split(",")]
    return FrameWeighting(
        tuple(weights or ()),
        1.0 if args.intervention_weight is None else args.intervention_weight,
        args.before_takeover or 0.0,
        tuple(name for name in names if name),
    )
