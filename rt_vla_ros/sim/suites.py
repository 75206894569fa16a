"""Suites: families of tasks and appearances, as data. Every rule by which a scene is made is here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, UNSEEN_PICK_PHRASINGS
from rt_vla_ros.sim.objects import ALL_KINDS, PLAIN, RGB, Appearance, ObjectKind
from rt_vla_ros.sim.word_suites import THING_PHRASINGS

UNSEEN_KINDS: tuple[ObjectKind, ...] = (
    ObjectKind("yellow", "ball"),
    ObjectKind("purple", "cube"),
    ObjectKind("green", "cylinder"),
)
"""Combinations that only `unseen` names, and that are on no other suite's tables, neither as the named object nor as
a distractor; their colours and shapes occur in others."""
SEEN_KINDS: tuple[ObjectKind, ...] = tuple(kind for kind in ALL_KINDS if kind not in UNSEEN_KINDS)


USUAL = Appearance()


@dataclass(frozen=True)
class AppearanceJitter:
    """Uniform random deviation from an appearance: the largest one.

    table: of each colour channel (0 ... 1). light: of the brightness (1). light_direction: of x and y. around: the
    appearance that it is a deviation from.
    """

    table: float = 0.03
    light: float = 0.08
    light_direction: float = 0.15
    around: Appearance = USUAL

    def draw(self, rng: np.random.Generator) -> Appearance:
        """A random appearance."""
        usual = self.around
        table = np.clip(np.add(usual.table, rng.uniform(-self.table, self.table, 3)), 0, 1)
        sideways = rng.uniform(-self.light_direction, self.light_direction, 2)
        direction = np.add(usual.light_direction, [*sideways, 0.0])
        rng.random(6)  # not used: keeps the random sequence of published scenes
        light = 1.0 + rng.uniform(-self.light, self.light)
        return replace(usual, table=triple(table), light=float(light), light_direction=triple(direction))


@dataclass(frozen=True)
class AppearanceRanges:
    """Appearances from sets and ranges, so that two suites can have none in common.

    tables: colour and pattern of each; empty: a pattern of `patterns` and any muted colour (a grey, each channel up to
    TINT away from it) that is not near one of `not_near`. light: ranges of the brightness (1 is the default).
    azimuth: of where the light shines to, from the base's x axis [deg]. tilt: of the light from the vertical [deg].
    camera, target: displacement of the front camera, and of the point that it looks at, from the default [m].
    """

    light: tuple[tuple[float, float], ...]
    azimuth: tuple[float, float]
    tilt: tuple[float, float]
    camera: tuple[float, float]
    target: tuple[float, float]
    tables: tuple[tuple[RGB, str], ...] = ()
    patterns: tuple[str, ...] = (PLAIN,)
    not_near: tuple[RGB, ...] = ()

    def draw(self, rng: np.random.Generator) -> Appearance:
        """A random appearance."""
        table, pattern = self._draw_table(rng)
        light = rng.uniform(*self.light[int(rng.integers(len(self.light)))])
        azimuth, tilt = np.deg2rad(rng.uniform(*self.azimuth)), np.deg2rad(rng.uniform(*self.tilt))
        direction = np.array([np.tan(tilt) * np.cos(azimuth), np.tan(tilt) * np.sin(azimuth), -1.0])
        camera, target = (_shift(rng, distances) for distances in (self.camera, self.target))
        return Appearance(table, float(light), triple(direction), camera, target, pattern)

    def _draw_table(self, rng: np.random.Generator) -> tuple[RGB, str]:
        if self.tables:
            return self.tables[int(rng.integers(len(self.tables)))]
        pattern = self.patterns[int(rng.integers(len(self.patterns)))]
        while True:
            colour = np.clip(rng.uniform(0.15, 0.9) + rng.uniform(-TINT, TINT, 3), 0.0, 1.0)
            if all(np.abs(np.subtract(colour, other)).max() >= MIN_COLOUR_DISTANCE for other in self.not_near):
                return triple(colour), pattern


TINT = 0.15  # how far a muted colour's channels are from grey at most
MIN_COLOUR_DISTANCE = 0.12  # colours that differ by less in every channel are near each other

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
"""Table colours and patterns that are not in the training suites."""

TRAINING_APPEARANCE = AppearanceRanges(
    light=((0.75, 1.25),),
    azimuth=(70.0, 220.0),
    tilt=(5.0, 35.0),
    camera=(0.0, 0.015),
    target=(0.0, 0.01),
    patterns=(PLAIN, PLAIN, "checks", "speckles", "clouds"),
    not_near=tuple(colour for colour, _ in UNSEEN_TABLES),
)
UNSEEN_APPEARANCE = AppearanceRanges(
    light=((0.55, 0.75), (1.25, 1.45)),
    azimuth=(-120.0, 50.0),
    tilt=(15.0, 45.0),
    camera=(0.02, 0.035),
    target=(0.012, 0.02),
    tables=UNSEEN_TABLES,
)


LEFT_VIEW = Appearance(table=(0.26, 0.33, 0.36), camera_shift=(-0.34, 0.59, 0.0), light_direction=(0.25, -0.35, -1.0))
"""A dark table that the front camera sees from the arm's left: where another robot stands."""


@dataclass(frozen=True)
class Suite:
    """A family of tasks.

    objects: their number on the table, from ... to. distinct: what differs between them: "colour", or "kind" (colour or
    shape). kinds: which are used. targets: which are named; empty: any on the table. phrasings: of the instruction.
    names: how the target is called: by its "kind"; by a "synonym" of its shape, which tells it from another object of
    its colour; by a "meaning" of word_suites, true for it alone; by the "symbol" on the card that it stands on (every
    object stands on one then). appearance: of table, light and camera. view: "front", or "left" where the front camera
    stands elsewhere. training: a training distribution, not a benchmark.
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
    )
}


EVALUATION_SUITES = ("pick-colours", "pick-any", "unseen", "distractors", "backgrounds")
"""Names of the suites that every policy is measured on."""
WORD_SUITES: tuple[str, ...] = tuple(suite.name for suite in SUITES.values() if suite.names != "kind")
"""Names of the suites in words that only web data has: of use for policies that were trained on some."""
FIRST_TRAINING_SEED = 1 << 40
"""Training uses seeds from here up, so every smaller seed gives a scene that was never trained on."""


def find_suite(name: str) -> Suite:
    """Raises ValueError, with the names that exist, for an unknown one."""
    if name in SUITES:
        return SUITES[name]
    close = difflib.get_close_matches(name, SUITES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no suite {name!r}.{hint} Available: {', '.join(SUITES)}.")


def triple(values: np.ndarray) -> tuple[float, float, float]:
    """An array of shape (3,) as a tuple."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def _shift(rng: np.random.Generator, distances: tuple[float, float]) -> tuple[float, float, float]:
    """A displacement in any direction whose length is in a range [m]."""
    direction = rng.normal(size=3)
    return triple(direction * (rng.uniform(*distances) / np.linalg.norm(direction)))
