"""The initial state of an episode: everything that a reset needs, and nothing random."""

from __future__ import annotations

from dataclasses import dataclass, field

from rt_vla_ros.sim.objects import RGB, ObjectKind
from rt_vla_ros.sim.table_patterns import PLAIN


@dataclass(frozen=True)
class PlacedObject:
    """An object standing on the table. x, y: in the base frame [m]; yaw: about the vertical [rad]."""

    kind: ObjectKind
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Appearance:
    """The visual appearance of a scene.

    table: colour of the table, RGB 0 ... 1. pattern: what is on it, see table_patterns.
    light: brightness, 1 is the usual.
    light_direction: where the light shines to in the base frame (need not be normalised).
    camera_shift, target_shift: displacement of the front camera and of the point that it looks at [m].
    """

    table: RGB = (0.60, 0.56, 0.52)
    light: float = 1.0
    light_direction: tuple[float, float, float] = (-0.35, 0.25, -1.0)
    camera_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    target_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pattern: str = PLAIN


@dataclass(frozen=True)
class SceneLayout:
    """Objects, the arm's initial pose and the appearance.

    start: position of the tool between the fingertips in the base frame [m]; start_yaw: its yaw [rad].
    """

    objects: tuple[PlacedObject, ...]
    start: tuple[float, float, float] = (0.44, 0.0, 0.24)
    start_yaw: float = 0.0
    appearance: Appearance = field(default_factory=Appearance)
