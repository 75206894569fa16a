"""Rendered frames of the simulated table with ground truth, in arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.objects import COLOURS, SHAPES, ObjectKind
from rt_vla_ros.sim.scenes import Scene, Task
from rt_vla_ros.sim.tabletop_sim import CAPACITIES, TabletopSim
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.mini.embodiments import Embodiment
from rt_vla_ros.training.rt2.mini.questions import Table
from rt_vla_ros.training.rt2.mini.tables import CAMERA, table_of

MOST = CAPACITIES[-1]  # objects
COLOUR_NAMES, SHAPE_NAMES = list(COLOURS), list(SHAPES)
KINDS = [[ObjectKind(colour, shape) for shape in SHAPE_NAMES] for colour in COLOUR_NAMES]
Frames = dict[str, NDArray[Any]]
"""N frames. images: uint8 (N, H, W, 3). count: objects (N,). kinds: color and shape, indices (N, MOST, 2). symbols: of
cards under objects, indices, -1 for none (N, MOST). places: of the objects in the image, u and v, NaN where hidden,
(N, MOST, 2). positions: of the objects [m], (N, MOST, 3). tool_place (N, 2), tool (N, 3) [m]. closed: gripper, 0 ... 1,
(N,). held: index of the grasped object, -1 for none (N,). target: index of an episode's target object
(N,). bins: of the expert's action for each object (N, MOST, D), -1 if not requested."""


def observe(sim: TabletopSim, embodiment: Embodiment | None, target: int) -> Frames:
    """One frame, N = 1. embodiment: its expert labels each of the objects; None: no labels."""
    layout, count, table = sim.layout, len(sim.layout.objects), table_of(sim)
    kinds, places = np.full((MOST, 2), -1, np.int8), np.full((MOST, 2), np.nan, np.float32)
    positions, symbols = np.zeros((MOST, 3), np.float32), np.full(MOST, -1, np.int8)
    actions = None if embodiment is None else ActionTokenizer(embodiment.card)
    bins = np.full((MOST, len(actions.card.dimensions) if actions else 0), -1, np.int16)
    for i, position in enumerate(sim.object_positions):
        kind, symbol = table.kinds[i], table.symbols[i]
        kinds[i] = COLOUR_NAMES.index(kind.colour), SHAPE_NAMES.index(kind.shape)
        places[i], positions[i] = table.places[i], position
        symbols[i] = SYMBOLS.index(symbol) if symbol else -1
        if actions is not None and embodiment is not None:
            step = embodiment.expert(Scene("", 0, layout, Task("", i))).step(sim)
            bins[i] = actions.encode(actions.from_step(step))
    one = {
        "images": sim.render(CAMERA),
        "count": np.int8(count),
        "kinds": kinds,
        "symbols": symbols,
        "places": places,
        "positions": positions,
        "tool_place": table.tool.astype(np.float32),
        "tool": sim.ee_position.astype(np.float32),
        "closed": np.float32(sim.gripper_closedness),
        "held": np.int8(-1 if table.held is None else table.held),
        "target": np.int8(target),
        "bins": bins,
    }
    return {name: np.asarray(value)[None] for name, value in one.items()}


def joined(parts: Iterable[Frames]) -> Frames:
    """Concatenate the frames of all parts."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def save_frames(path: Path, frames: Frames) -> None:
    """Write them atomically. Raises OSError."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **frames)
    unfinished.replace(path)


def load_frames(path: Path) -> Frames:
    """Raises OSError, and TrainingError for a damaged file."""
    try:
        with np.load(path) as data:
            return {name: data[name] for name in data.files}
    except (BadZipFile, EOFError, ValueError) as error:
        raise TrainingError(
            f"{path} is damaged ({error}). Delete it and run the command again to render it."
        ) from error


def kinds_of(frames: Frames, index: int) -> tuple[ObjectKind, ...]:
    """Kinds of the objects in a frame."""
    pairs = frames["kinds"][index][: int(frames["count"][index])].tolist()
    return tuple(KINDS[colour][shape] for colour, shape in pairs)


def table_in(frames: Frames, index: int) -> Table:
    """The content of a frame."""
    kinds, held = kinds_of(frames, index), int(frames["held"][index])
    symbols = tuple(SYMBOLS[one] if one >= 0 else "" for one in frames["symbols"][index][: len(kinds)].tolist())
    places = frames["places"][index][: len(kinds)]
    return Table(kinds, places, symbols, frames["tool_place"][index], None if held < 0 else held)


class FrameStore:
    """A ring buffer of the newest frames: old ones are overwritten."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.seen = capacity, 0
        self._ring: Frames = {}

    def add(self, frames: Frames) -> None:
        """Add all frames."""
        if not self._ring:
            shapes = {name: ((self.capacity, *one.shape[1:]), one.dtype) for name, one in frames.items()}
            self._ring = {name: np.zeros(*shape) for name, shape in shapes.items()}
        count = len(frames["count"])
        at = (self.seen + np.arange(count)) % self.capacity
        for name, ring in self._ring.items():
            ring[at] = frames[name]
        self.seen += count

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    @property
    def frames(self) -> Frames:
        """All frames, as a view."""
        return {name: ring[: len(self)] for name, ring in self._ring.items()}
