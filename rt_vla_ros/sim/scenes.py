"""Suites of tasks as data, and scenes made from a suite and a seed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from rt_vla_ros.sim.instructions import PICK_PHRASINGS, matches, phrase, shorten, vocabulary
from rt_vla_ros.sim.layout import Layout, Look, PlacedObject
from rt_vla_ros.sim.objects import ALL_KINDS, ObjectKind

AREA_LOW, AREA_HIGH = (0.38, -0.22), (0.62, 0.22)  # where objects are laid, in the base frame [m]
MINIMUM_DISTANCE = 0.10  # between objects [m]
START_LOW, START_HIGH = (0.40, -0.10, 0.20), (0.50, 0.10, 0.30)  # the tool's first position [m]
TIME_LIMIT = 20.0  # [s]

UNSEEN_KINDS: tuple[ObjectKind, ...] = (
    ObjectKind("yellow", "ball"),
    ObjectKind("purple", "cube"),
    ObjectKind("green", "cylinder"),
)
"""Combinations that the seen suites never name or show; their colours and shapes occur in others."""
SEEN_KINDS: tuple[ObjectKind, ...] = tuple(kind for kind in ALL_KINDS if kind not in UNSEEN_KINDS)


@dataclass(frozen=True)
class LookJitter:
    """How much a suite's looks differ: largest deviation, uniformly distributed.

    table: of each colour channel (0 ... 1). light: of the brightness (1). light_direction: of x and y.
    camera, target: of the front camera and the point that it looks at [m].
    """

    table: float = 0.03
    light: float = 0.08
    light_direction: float = 0.15
    camera: float = 0.0
    target: float = 0.0


@dataclass(frozen=True)
class Suite:
    """A family of tasks.

    objects: how many lie on the table. distinct: what differs between them: "colour", or "kind" (colour or shape).
    kinds: which are used. phrasings: how the instruction is said. jitter: of the looks.
    """

    name: str
    objects: int
    distinct: str
    kinds: tuple[ObjectKind, ...] = SEEN_KINDS
    phrasings: tuple[str, ...] = PICK_PHRASINGS
    jitter: LookJitter = LookJitter()


SUITES: MappingProxyType[str, Suite] = MappingProxyType(
    {
        suite.name: suite
        for suite in (
            Suite("pick-colours", objects=3, distinct="colour"),
            Suite("pick-any", objects=3, distinct="kind"),
        )
    }
)


@dataclass(frozen=True)
class Task:
    """What shall be done. target: index of the named object in the layout. time_limit: simulated [s]."""

    instruction: str
    target: int
    time_limit: float = TIME_LIMIT


@dataclass(frozen=True)
class Scene:
    """A laid table and a task on it: a function of suite, seed and instruction."""

    suite: str
    seed: int
    layout: Layout
    task: Task

    @property
    def target(self) -> ObjectKind:
        """What the instruction names."""
        return self.layout.objects[self.task.target].kind


def find_suite(name: str) -> Suite:
    """Raises ValueError, with the names that exist, for an unknown one."""
    if name in SUITES:
        return SUITES[name]
    close = difflib.get_close_matches(name, SUITES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"There is no suite {name!r}.{hint} There are: {', '.join(SUITES)}.")


def make_scene(suite: str, seed: int, instruction: str = "") -> Scene:
    """Lay a table. A given instruction decides which object is the target, and is kept as it is.

    instruction: such as "pick up the red cube"; empty: the suite names one of its objects.
    Raises ValueError for an unknown suite, and for an instruction that names no object this scene can have.
    """
    rules = find_suite(suite)
    if seed < 0:
        raise ValueError(f"The seed is {seed}, expected 0 or more.")
    rng = np.random.default_rng([seed, *suite.encode()])
    kinds = _draw_kinds(rules, rng)
    target = int(rng.integers(len(kinds)))
    template = str(rng.choice(rules.phrasings))
    places = _draw_places(len(kinds), rng)
    yaws = rng.uniform(-np.pi / 4, np.pi / 4, len(kinds))
    start = rng.uniform(START_LOW, START_HIGH)
    start_yaw = float(rng.uniform(-0.3, 0.3))
    look = _draw_look(rules.jitter, rng)
    if instruction.strip():
        kinds, target = _lay_named(instruction, kinds, target, rules, rng)
    objects = tuple(
        PlacedObject(kind, float(x), float(y), float(yaw))
        for kind, (x, y), yaw in zip(kinds, places, yaws, strict=True)
    )
    said = instruction.strip() or phrase(template, kinds[target])
    layout = Layout(objects, (float(start[0]), float(start[1]), float(start[2])), start_yaw, look)
    return Scene(suite, seed, layout, Task(said, target))


def _lay_named(
    instruction: str, kinds: list[ObjectKind], target: int, rules: Suite, rng: np.random.Generator
) -> tuple[list[ObjectKind], int]:
    """The table with what the instruction names on it, and where that is."""
    here = matches(instruction, kinds)
    if len(here) == 1:
        return kinds, kinds.index(here[0])
    if here:
        names = " or ".join(kind.name for kind in here)
        raise ValueError(f"The instruction {shorten(instruction)!r} could mean the {names}. {vocabulary()}")
    elsewhere = matches(instruction, ALL_KINDS)
    wanted = elsewhere[int(rng.integers(len(elsewhere)))]
    return _with_target(kinds, target, wanted, rules, rng), target


def _fits(kind: ObjectKind, others: list[ObjectKind], rules: Suite) -> bool:
    if rules.distinct == "colour":
        return all(kind.colour != other.colour for other in others)
    return kind not in others


def _draw_kinds(rules: Suite, rng: np.random.Generator) -> list[ObjectKind]:
    kinds: list[ObjectKind] = []
    for index in rng.permutation(len(rules.kinds)):
        if len(kinds) < rules.objects and _fits(rules.kinds[index], kinds, rules):
            kinds.append(rules.kinds[index])
    return kinds


def _with_target(
    kinds: list[ObjectKind], target: int, wanted: ObjectKind, rules: Suite, rng: np.random.Generator
) -> list[ObjectKind]:
    """The same table with `wanted` in the target's place, distractors that clash with it replaced."""
    chosen = list(kinds)
    chosen[target] = wanted
    for slot in range(len(chosen)):
        others = chosen[:slot] + chosen[slot + 1 :]
        if slot != target and not _fits(chosen[slot], others, rules):
            candidates = [kind for kind in rules.kinds if _fits(kind, others, rules)]
            chosen[slot] = candidates[int(rng.integers(len(candidates)))]
    return chosen


def _draw_places(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    places: list[np.ndarray] = []
    while len(places) < count:
        place = rng.uniform(AREA_LOW, AREA_HIGH)
        if all(np.linalg.norm(place - other) >= MINIMUM_DISTANCE for other in places):
            places.append(place)
    return places


def _draw_look(jitter: LookJitter, rng: np.random.Generator) -> Look:
    usual = Look()
    table = np.clip(np.add(usual.table, rng.uniform(-jitter.table, jitter.table, 3)), 0, 1)
    direction = np.add(usual.light_direction, [*rng.uniform(-jitter.light_direction, jitter.light_direction, 2), 0.0])
    camera = rng.uniform(-jitter.camera, jitter.camera, 3)
    target = rng.uniform(-jitter.target, jitter.target, 3)
    light = 1.0 + rng.uniform(-jitter.light, jitter.light)
    return Look(_triple(table), float(light), _triple(direction), _triple(camera), _triple(target))


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
