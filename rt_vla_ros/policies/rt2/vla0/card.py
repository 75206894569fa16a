"""The action cards of VLA-0 and VLA-0-Smol, made from their statistics. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.action_space.postprocessing import MEANINGS
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.policies.rt2.configuration import EDGE
from rt_vla_ros.policies.rt2.openvla.card import NAMES, RECORDINGS, ROLES, UNITS
from rt_vla_ros.policies.rt2.vla0.statistics import Range, Statistics

LIBERO = RECORDINGS["libero"]
SCALES = (LIBERO.metres,) * 3 + (LIBERO.radians,) * 3 + (1.0,)
STATE = (
    *(("position_" + axis, "m", "tip:" + axis) for axis in "xyz"),
    *(("rotation_" + axis, "rad", "tip:r" + axis) for axis in "xyz"),
    ("finger_1", "m", "joint:panda_finger_joint1"),
    ("finger_2", "m", "-joint:panda_finger_joint2"),
)
"""LIBERO's state: name, unit, source."""
MOST_CHUNKS = 8
SCALE = f"Scale, control rate and gripper are those of LIBERO (1 is {LIBERO.metres} m and {LIBERO.radians} rad)."
WORLD = "Not verified: LIBERO's positions are in the world frame; the arm's base is elsewhere in each scene."


def vla0_card(
    name: str, statistics: Statistics, *, bins: int, horizon: int, cameras: Sequence[CameraSpec]
) -> ActionCard:
    """VLA-0's card: a number i means min + i / (bins - 1) * (max - min)."""
    ensemble = Ensemble("weighted", 0.5, min(MOST_CHUNKS, horizon)) if horizon > 1 else NEWEST
    return _card(name, statistics.action, bins, "round", horizon, ensemble, cameras, ())


def smol_card(
    name: str, statistics: Statistics, *, bins: int, horizon: int, cameras: Sequence[CameraSpec], with_state: bool
) -> ActionCard:
    """VLA-0-Smol's card: a number means the middle of an interval; they extend slightly beyond min and max."""
    low, high = statistics.action.low, statistics.action.high
    margins = [EDGE / 2 * (most - least) for least, most in zip(low, high, strict=True)]
    wider = Range(
        tuple(least - margin for least, margin in zip(low, margins, strict=True)),
        tuple(most + margin for most, margin in zip(high, margins, strict=True)),
    )
    ensemble = Ensemble("mean", chunks=min(MOST_CHUNKS, horizon)) if horizon > 1 else NEWEST
    state = statistics.state if with_state else None
    ranges = () if state is None else zip(STATE, state.low, state.high, strict=True)
    dimensions = tuple(StateDimension(what, unit, least, most, source) for (what, unit, source), least, most in ranges)
    return _card(name, wider, bins, "middles", horizon, ensemble, cameras, dimensions)


def _card(
    name: str,
    action: Range,
    bins: int,
    quantization: str,
    horizon: int,
    ensemble: Ensemble,
    cameras: Sequence[CameraSpec],
    state: tuple[StateDimension, ...],
) -> ActionCard:
    ranges = zip(NAMES, ROLES, UNITS, SCALES, action.low, action.high, strict=True)
    return ActionCard(
        name=name,
        dimensions=tuple(
            ActionDimension(name, role, low * scale, high * scale, unit)
            for name, role, unit, scale, low, high in ranges
        ),
        bins=bins,
        quantization=quantization,
        frame="base",
        frame_id="base_link",
        **asdict(MEANINGS["libero"]),
        control_rate=LIBERO.rate,
        cameras=tuple(cameras),
        postprocessing="libero",
        notes=(SCALE, WORLD) if state else (SCALE,),
        horizon=horizon,
        ensemble=ensemble,
        state=state,
    )
