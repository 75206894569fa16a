"""Suites: families of tasks and appearances, defined as data with all rules for generating scenes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, UNSEEN_PICK_PHRASINGS
from rt_vla_ros.sim.objects import ALL_KINDS, PLAIN, RGB, Appearance, ObjectKind
from rt_vla_ros.sim.word_suites import THING_PHRASINGS

T = TypeVar("T")

UNSEEN_KINDS: tuple[ObjectKind, ...] = (
    ObjectKind("yellow", "ball"),
    ObjectKind("purple", "cube"),
    ObjectKind("green", "cylinder"),
)
"""Combinations that only `unseen` names and that do not occur in other suites, neither as the target nor as
a distractor; their colors and shapes occur separately."""
SEEN_KINDS: tuple[ObjectKind, ...] = tuple(kind for kind in ALL_KINDS if kind not in UNSEEN_KINDS)


USUAL = Appearance()


@dataclass(frozen=True)
class AppearanceJitter:
    """Limits of a uniform random deviation from an appearance.

    table: of each color channel (0 ... 1). light: of the brightness (1). light_direction: of x and y. around: the
    nominal appearance.
    """

    table: float = 0.03
    light: float = 0.08
    light_direction: float = 0.15
    around: Appearance = USUAL

    def draw(self, rng: np.random.Generator) -> Appearance:
        """Draws an appearance."""
        usual = self.around
        table = np.clip(np.add(usual.table, rng.uniform(-self.table, self.table, 3)), 0, 1)
        sideways = rng.uniform(-self.light_direction, self.light_direction, 2)
        direction = np.add(usual.light_direction, [*sideways, 0.0])
        rng.random(6)  # unused: keeps the random sequence of published scenes
        light = 1.0 + rng.uniform(-self.light, self.light)
        return replace(usual, table=triple(table), light=float(light), light_direction=triple(direction))


Range = tuple[float, float]


@dataclass(frozen=True)
class AppearanceRanges:
    """Appearances from sets and ranges, so that two suites can be disjoint.

    tables: colors and patterns; empty: a pattern of `patterns` and any muted color (a gray of `gray`, with each channel
    shifted by at most `tint`) that is not close to one of `not_near`. light: ranges of the brightness (1 is the
    default). azimuth: direction of the light, from the base's x axis [deg]. tilt: of the light from the vertical [deg].
    camera, target: ranges of the displacement of the front camera and of its look-at point from the default [m].
    Each of several ranges is equally likely.
    """

    light: tuple[Range, ...]
    azimuth: Range
    tilt: Range
    camera: tuple[Range, ...]
    target: tuple[Range, ...]
    tables: tuple[tuple[RGB, str], ...] = ()
    patterns: tuple[str, ...] = (PLAIN,)
    gray: Range = (0.15, 0.9)
    tint: float = 0.15
    not_near: tuple[RGB, ...] = ()

    def draw(self, rng: np.random.Generator) -> Appearance:
        """Draws an appearance."""
        table, pattern = self._draw_table(rng)
        light = rng.uniform(*_one(rng, self.light))
        azimuth, tilt = np.deg2rad(rng.uniform(*self.azimuth)), np.deg2rad(rng.uniform(*self.tilt))
        direction = np.array([np.tan(tilt) * np.cos(azimuth), np.tan(tilt) * np.sin(azimuth), -1.0])
        camera, target = (_shift(rng, _one(rng, ranges)) for ranges in (self.camera, self.target))
        return Appearance(table, float(light), triple(direction), camera, target, pattern)

    def _draw_table(self, rng: np.random.Generator) -> tuple[RGB, str]:
        if self.tables:
            return _one(rng, self.tables)
        pattern = _one(rng, self.patterns)
        while True:
            colour = np.clip(rng.uniform(*self.gray) + rng.uniform(-self.tint, self.tint, 3), 0.0, 1.0)
            if all(np.abs(np.subtract(colour, other)).max() >= MIN_COLOUR_DISTANCE for other in self.not_near):
                return triple(colour), pattern


MIN_COLOUR_DISTANCE = 0.12  # colors that differ by less in every channel are close

UNSEEN_TABLES: tuple[tuple[RGB, str], ...] = (
    ((0.42, 0.27, 0.17), "wood"),
    ((0.78, 0.62, 0.42), "wood"),
    ((0.92, 0.91, 0.89), "marble"),
    ((0.30, 0.34, 0.40), "marble"),
    ((0.62, 0.72, 0.86), "gingham"),
    ((0.86, 0.62, 0.62), "gingham"),
    ((0.80, 0.78, 0.70), "stripes"),
    ((0.20, 0.36, 0.27), PLAIN),
    ((0.12, 0.13, 0.15), PLAIN),
)
"""Table colors and patterns that are not in the training suites."""

TRAINING_APPEARANCE = AppearanceRanges(
    light=((0.75, 1.25),),
    azimuth=(70.0, 220.0),
    tilt=(5.0, 35.0),
    camera=((0.0, 0.015),),
    target=((0.0, 0.01),),
    patterns=(PLAIN, PLAIN, "checks", "speckles", "clouds"),
    not_near=tuple(colour for colour, _ in UNSEEN_TABLES),
)
WIDE_APPEARANCE = AppearanceRanges(
    light=((0.75, 1.25), (0.75, 1.25), (0.35, 0.55), (1.45, 1.75)),
    azimuth=(52.0, 238.0),
    tilt=(0.0, 55.0),
    camera=((0.0, 0.018), (0.037, 0.055)),
    target=((0.0, 0.011), (0.022, 0.03)),
    patterns=(PLAIN, PLAIN, "checks", "speckles", "clouds", "grid", "dots", "rings", "patches"),
    gray=(0.0, 0.97),
    tint=0.25,
    not_near=tuple(colour for colour, _ in UNSEEN_TABLES),
)
"""Wider than TRAINING_APPEARANCE, on both sides of UNSEEN_APPEARANCE, whose ranges and tables are left out."""
UNSEEN_APPEARANCE = AppearanceRanges(
    light=((0.55, 0.75), (1.25, 1.45)),
    azimuth=(-120.0, 50.0),
    tilt=(15.0, 45.0),
    camera=((0.02, 0.035),),
    target=((0.012, 0.02),),
    tables=UNSEEN_TABLES,
)


LEFT_VIEW = Appearance(table=(0.26, 0.33, 0.36), camera_shift=(-0.34, 0.59, 0.0), light_direction=(0.25, -0.35, -1.0))
"""A dark table seen by the front camera from the arm's left: the setup of another robot."""


@dataclass(frozen=True)
class Suite:
    """A family of tasks.

    objects: smallest and largest number on the table. distinct: how objects differ: in "colour", or in "kind" (color or
    shape). kinds: of the objects. targets: kinds of the target; empty: any on the table. phrasings: of the instruction.
    names: how the target is described: by its "kind"; by a "synonym" of its shape, which distinguishes it from another
    object of its color; by a "meaning" of word_suites that matches only it; by the "symbol" on its card (every object
    then stands on a card). appearance: of table, light and camera. view: "front", or "left" for another position of
    the front camera. training: whether it is a training distribution, not a benchmark.
    """

    name: str
    objects: tuple[int, int] = (3, 3)
    distinct: str = "kind"
    kinds: tuple[ObjectKind, ...] = SEEN_KINDS
    targets: tuple[ObjectKind, ...] = ()
    phrasings: tuple[str, ...] = PICK_PHRASINGS
    names: str = "kind"
    appearance: AppearanceJitter | AppearanceRanges = AppearanceJitter()
    view: str = "front"
    training: bool = False


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("pick-colours", distinct="colour"),
        Suite("pick-any"),
        Suite("unseen", targets=UNSEEN_KINDS, phrasings=UNSEEN_PICK_PHRASINGS),
        Suite("distractors", objects=(6, 9)),
        Suite("backgrounds", appearance=UNSEEN_APPEARANCE),
        Suite("synonyms", names="synonym"),
        Suite("reasoning", names="meaning", phrasings=THING_PHRASINGS),
        Suite("symbols", names="symbol", phrasings=THING_PHRASINGS),
        Suite("red-cube", objects=(1, 1), kinds=(ObjectKind("red", "cube"),)),
        Suite("left-any", appearance=AppearanceJitter(around=LEFT_VIEW), view="left"),
        Suite("train-looks", appearance=TRAINING_APPEARANCE, training=True),
        Suite("train-clutter", objects=(3, 7), appearance=TRAINING_APPEARANCE, training=True),
        Suite("train-wide", appearance=WIDE_APPEARANCE, training=True),
        Suite("train-wide-clutter", objects=(3, 7), appearance=WIDE_APPEARANCE, training=True),
    )
}


EVALUATION_SUITES = ("pick-colours", "pick-any", "unseen", "distractors", "backgrounds")
"""Names of the suites on which every policy is evaluated."""
WORD_SUITES: tuple[str, ...] = tuple(suite.name for suite in SUITES.values() if suite.names != "kind")
"""Names of the suites with words that occur only in web data: for policies trained on web data."""
FIRST_TRAINING_SEED = 1 << 40
"""Training uses seeds from here on, so scenes of smaller seeds are never trained on."""
SEEDS_PER_COLLECTION, MOST_COLLECTIONS = 1 << 32, 1 << 16
"""Of a dataset that is collected, and of the collections, by their seed, that have seeds of their own."""


def find_suite(name: str) -> Suite:
    """A suite by its name. Raises ValueError, with the known names, for an unknown one."""
    if name in SUITES:
        return SUITES[name]
    close = difflib.get_close_matches(name, SUITES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no suite {name!r}.{hint} Available: {', '.join(SUITES)}.")


def triple(values: np.ndarray) -> tuple[float, float, float]:
    """An array of shape (3,) as a tuple."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def _one(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """Draws one of them."""
    return choices[int(rng.integers(len(choices)))]


def _shift(rng: np.random.Generator, distances: Range) -> tuple[float, float, float]:
    """Draws a displacement in a random direction, with a length in a range [m]."""
    direction = rng.normal(size=3)
    return triple(direction * (rng.uniform(*distances) / np.linalg.norm(direction)))
