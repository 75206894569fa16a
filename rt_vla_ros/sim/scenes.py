"""Scenes, made from a suite and a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rt_vla_ros.sim.instructions import matches, phrase, shorten, vocabulary
from rt_vla_ros.sim.objects import ALL_KINDS, ObjectKind, PlacedObject, SceneLayout
from rt_vla_ros.sim.suites import Suite, find_suite, triple

AREA_LOW, AREA_HIGH = (0.38, -0.22), (0.62, 0.22)  # where objects are placed, in the base frame [m]
MINIMUM_DISTANCE = 0.10  # between objects [m]
MAX_TRIES = 500  # to place objects before starting over
START_LOW, START_HIGH = (0.40, -0.10, 0.20), (0.50, 0.10, 0.30)  # the tool's first position [m]
TIME_LIMIT = 20.0  # [s]
LONGEST_TEXT = 10_000  # [characters]


@dataclass(frozen=True)
class Task:
    """What the policy is to do. target: index of the named object in the layout. time_limit: simulated [s]."""

    instruction: str
    target: int
    time_limit: float = TIME_LIMIT


@dataclass(frozen=True)
class Scene:
    """A table with objects and a task: a function of suite, seed and instruction."""

    suite: str
    seed: int
    layout: SceneLayout
    task: Task

    @property
    def target(self) -> ObjectKind:
        """What the instruction names."""
        return self.layout.objects[self.task.target].kind


def make_scene(suite: str, seed: int, instruction: str = "") -> Scene:
    """Sets up a scene. A given instruction decides which object is the target, and is kept as it is.

    instruction: such as "pick up the red cube"; empty: the suite names one of its objects.
    Raises ValueError for an unknown suite, and for an instruction that names no object this scene can have.
    """
    for name, text in (("name of the suite", suite), ("instruction", instruction)):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"The {name} has {len(text)} characters, expected at most {LONGEST_TEXT}.")
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
    appearance = rules.appearance.draw(rng)
    if rules.targets:
        kinds = _with_target(kinds, target, rules.targets[int(rng.integers(len(rules.targets)))], rules, rng)
    if instruction.strip():
        kinds, target = _with_named(instruction, kinds, target, rules, rng)
    laid = zip(kinds, places, yaws, strict=True)
    objects = tuple(PlacedObject(kind, float(x), float(y), float(yaw)) for kind, (x, y), yaw in laid)
    sentence = instruction.strip() or phrase(template, kinds[target])
    layout = SceneLayout(objects, triple(start), start_yaw, appearance)
    return Scene(suite, seed, layout, Task(sentence, target))


def _with_named(
    instruction: str, kinds: list[ObjectKind], target: int, rules: Suite, rng: np.random.Generator
) -> tuple[list[ObjectKind], int]:
    """Object kinds that include the one that the instruction names, and the index of that one."""
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
    return all(kind.colour != other.colour if rules.distinct == "colour" else kind != other for other in others)


def _draw_kinds(rules: Suite, rng: np.random.Generator) -> list[ObjectKind]:
    kinds, (fewest, most) = list[ObjectKind](), rules.objects
    count = fewest if fewest == most else int(rng.integers(fewest, most + 1))
    for index in rng.permutation(len(rules.kinds)):
        if len(kinds) < count and _fits(rules.kinds[index], kinds, rules):
            kinds.append(rules.kinds[index])
    return kinds


def _with_target(
    kinds: list[ObjectKind], target: int, wanted: ObjectKind, rules: Suite, rng: np.random.Generator
) -> list[ObjectKind]:
    """The same kinds with `wanted` at the target's index; distractors that conflict with it are replaced."""
    chosen = [*kinds[:target], wanted, *kinds[target + 1 :]]
    for slot in range(len(chosen)):
        others = chosen[:slot] + chosen[slot + 1 :]
        if slot != target and not _fits(chosen[slot], others, rules):
            candidates = [kind for kind in rules.kinds if _fits(kind, others, rules)]
            chosen[slot] = candidates[int(rng.integers(len(candidates)))]
    return chosen


def _draw_places(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    places, tries = list[np.ndarray](), 0
    while len(places) < count:
        place = rng.uniform(AREA_LOW, AREA_HIGH)
        tries += 1
        if tries > MAX_TRIES:  # the first ones leave no space for the last
            places, tries = [], 0
        elif all(np.linalg.norm(place - other) >= MINIMUM_DISTANCE for other in places):
            places.append(place)
    return places
