"""The objects on the table: colors, shapes and sizes, and the initial layout of an episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rt_vla_ros.sim.cards import Card

RGB = tuple[float, float, float]
MASS = 0.04  # [kg]
PLAIN = "plain"  # a table without a pattern

COLOURS: Mapping[str, RGB] = {
    "red": (0.80, 0.05, 0.06),
    "orange": (1.00, 0.45, 0.02),
    "yellow": (0.98, 0.85, 0.08),
    "green": (0.08, 0.55, 0.12),
    "cyan": (0.10, 0.78, 0.85),
    "blue": (0.08, 0.16, 0.80),
    "purple": (0.50, 0.12, 0.66),
}


@dataclass(frozen=True)
class Shape:
    """A graspable solid. half_size: MuJoCo's geom size [m]; half_height: center above the table when upright [m].

    symmetry: angle of its rotational symmetry about the vertical [rad]; 0 for round shapes.
    """

    name: str
    geom: str
    half_size: tuple[float, ...]
    half_height: float
    symmetry: float


SHAPES: Mapping[str, Shape] = {
    "cube": Shape("cube", "box", (0.021, 0.021, 0.021), 0.021, 1.5707963267948966),
    "cylinder": Shape("cylinder", "cylinder", (0.019, 0.033), 0.033, 0.0),
    "ball": Shape("ball", "sphere", (0.023,), 0.023, 0.0),
}
SHAPE_WORDS: Mapping[str, str] = {
    "cube": "cube", "block": "cube", "box": "cube",
    "cylinder": "cylinder", "can": "cylinder", "tube": "cylinder",
    "ball": "ball", "sphere": "ball",
}  # fmt: skip
"""Synonyms of shapes -> their names here."""


@dataclass(frozen=True)
class ObjectKind:
    """A color and a shape."""

    colour: str
    shape: str

    @property
    def name(self) -> str:
        """The name in instructions, such as "red cube"."""
        return f"{self.colour} {self.shape}"


ALL_KINDS: tuple[ObjectKind, ...] = tuple(ObjectKind(colour, shape) for colour in COLOURS for shape in SHAPES)


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

    table: color of the table, RGB 0 ... 1. pattern: of its top, see tabletop_model. light: brightness, 1 is the
    default. light_direction: direction of the light in the base frame (need not be normalized).
    camera_shift, target_shift: displacement of the front camera and of its look-at point [m].
    """

    table: RGB = (0.60, 0.56, 0.52)
    light: float = 1.0
    light_direction: tuple[float, float, float] = (-0.35, 0.25, -1.0)
    camera_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    target_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pattern: str = PLAIN


@dataclass(frozen=True)
class SceneLayout:
    """Objects, the arm's initial pose, the appearance, and cards under objects.

    start: initial position of the tool between the fingertips in the base frame [m]; start_yaw: its yaw [rad].
    """

    objects: tuple[PlacedObject, ...]
    start: tuple[float, float, float] = (0.44, 0.0, 0.24)
    start_yaw: float = 0.0
    appearance: Appearance = field(default_factory=Appearance)
    cards: tuple[Card, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbol on the card under each object, in the objects' order; "" if there is none."""
        return tuple(
            next((card.symbol for card in self.cards if card.is_under(item.x, item.y)), "") for item in self.objects
        )
