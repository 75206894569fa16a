"""Rendered frames of the simulated table with all that is known about them, in arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.sim.objects import COLOURS, SHAPES, ObjectKind
from rt_vla_ros.sim.scenes import Scene, Task
from rt_vla_ros.sim.scripted_expert import ScriptedExpert
from rt_vla_ros.sim.tabletop_sim import CAPACITIES, TabletopSim
from rt_vla_ros.training.dagger_policy import image_position

MOST = CAPACITIES[-1]  # objects
CAMERA = "front"
Frames = dict[str, NDArray[Any]]
"""N frames. images: uint8 (N, H, W, 3). count: objects (N,). kinds: colour and shape, indices (N, MOST, 2). places: of
the objects in the image, u and v, (N, MOST, 2). positions: of the objects [m], (N, MOST, 3). tool_place (N, 2),
tool (N, 3) [m]. closed: gripper, 0 ... 1, (N,). held: index of the object between the fingers, -1 for none (N,).
target: index of the object that an episode is about (N,). bins: of the expert's action for each object (N, MOST, D), -1 where nobody asked for one."""


def observe(sim: TabletopSim, actions: ActionTokenizer | None, target: int) -> Frames:
    """One frame, N = 1. actions: of the card, for the expert's action towards each of the objects; None: no actions."""
    layout, count = sim.layout, len(sim.layout.objects)
    kinds, places = np.full((MOST, 2), -1, np.int8), np.full((MOST, 2), -1, np.float32)
    positions = np.zeros((MOST, 3), np.float32)
    bins = np.full((MOST, len(actions.card.dimensions) if actions else 0), -1, np.int16)
    for i, position in enumerate(sim.object_positions):
        kind = layout.objects[i].kind
        kinds[i] = list(COLOURS).index(kind.colour), list(SHAPES).index(kind.shape)
        places[i], positions[i] = image_position(sim, CAMERA, position), position
        if actions is not None:
            step = ScriptedExpert(Scene("", 0, layout, Task("", i))).step(sim)
            bins[i] = actions.encode(actions.from_step(step))
    held = sim.gripped()
    one = {
        "images": sim.render(CAMERA),
        "count": np.int8(count),
        "kinds": kinds,
        "places": places,
        "positions": positions,
        "tool_place": image_position(sim, CAMERA, sim.ee_position).astype(np.float32),
        "tool": sim.ee_position.astype(np.float32),
        "closed": np.float32(sim.gripper_closedness),
        "held": np.int8(-1 if held is None else held),
        "target": np.int8(target),
        "bins": bins,
    }
    return {name: np.asarray(value)[None] for name, value in one.items()}


def joined(parts: Iterable[Frames]) -> Frames:
    """The frames of all parts in turn."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def save_frames(path: Path, frames: Frames) -> None:
    """Write them, whole or not at all. Raises OSError."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **frames)
    unfinished.replace(path)


def load_frames(path: Path) -> Frames:
    """Raises OSError, and ValueError for a damaged file."""
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def kinds_of(frames: Frames, index: int) -> tuple[ObjectKind, ...]:
    """Of the objects on a frame."""
    pairs = frames["kinds"][index][: int(frames["count"][index])]
    colours, shapes = list(COLOURS), list(SHAPES)
    return tuple(ObjectKind(colours[colour], shapes[shape]) for colour, shape in pairs)
