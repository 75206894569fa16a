"""Scenes, made from a suite and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rt_vla_ros.sim.cards import SPACING, SYMBOLS, card_at
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, matches, names_kind, phrase, said_symbols, shorten, vocabulary
from rt_vla_ros.sim.objects import ALL_KINDS, ObjectKind, PlacedObject, SceneLayout
from rt_vla_ros.sim.suites import Suite, find_suite, triple
from rt_vla_ros.sim.word_suites import MEANINGS, ON_SYMBOL, WordMeaning, synonyms

AREA_LOW, AREA_HIGH = (0.38, -0.22), (0.62, 0.22)  # where objects are placed, in the base frame [m]
MINIMUM_DISTANCE = 0.10  # between objects [m]
MAX_CARD_TURN = 0.3  # [rad]
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

    @property
    def instructions(self) -> list[str]:
        """The task's, then one to pick up each of the objects."""
        each = (phrase(PICK_PHRASINGS[0], item.kind) for item in self.layout.objects)
        return list(dict.fromkeys([self.task.instruction, *each]))


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
    places = draw_places(len(kinds), rng, SPACING if rules.names == "symbol" else MINIMUM_DISTANCE)
    yaws = rng.uniform(-np.pi / 4, np.pi / 4, len(kinds))
    start = rng.uniform(START_LOW, START_HIGH)
    start_yaw = float(rng.uniform(-0.3, 0.3))
    appearance = rules.appearance.draw(rng)
    if rules.targets:
        kinds = _with_target(kinds, target, rules.targets[int(rng.integers(len(rules.targets)))], rules, rng)
    symbols = draw_symbols(len(kinds), rng) if rules.names == "symbol" else ()
    sentence = instruction.strip()
    if not sentence:
        kinds, sentence = _in_words(template, kinds, symbols, target, rules, rng)
    elif symbols and (said := said_symbols(sentence)):
        kinds, symbols, target = _with_symbol(sentence, said, kinds, symbols, target, rules, rng)
    else:
        kinds, target = _with_named(sentence, kinds, target, rules, rng)
    laid = zip(kinds, places, yaws, strict=True)
    objects = tuple(PlacedObject(kind, float(x), float(y), float(yaw)) for kind, (x, y), yaw in laid)
    turns = rng.uniform(-MAX_CARD_TURN, MAX_CARD_TURN, len(symbols))
    cards = (card_at(*card) for card in zip(symbols, *np.transpose(places).tolist(), turns.tolist(), strict=False))
    layout = SceneLayout(objects, triple(start), start_yaw, appearance, tuple(cards))
    return Scene(suite, seed, layout, Task(sentence, target))


def draw_symbols(count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Different symbols, as many as there are at most."""
    return tuple(SYMBOLS[index] for index in rng.permutation(len(SYMBOLS))[:count])


def _in_words(
    template: str,
    kinds: list[ObjectKind],
    symbols: tuple[str, ...],
    target: int,
    rules: Suite,
    rng: np.random.Generator,
) -> tuple[list[ObjectKind], str]:
    """The instruction in the suite's words; objects that it could also mean, or that make it too easy, are replaced."""
    if rules.names == "synonym":
        kinds = _with_same_colour(kinds, target, rules, rng)
        names = synonyms(kinds[target].shape)
        return kinds, phrase(template, ObjectKind(kinds[target].colour, names[int(rng.integers(len(names)))]))
    if rules.names == "meaning":
        meaning, wanted = _draw_meaning(rules, rng)
        kinds = _with_target(kinds, target, wanted, rules, rng, meaning.kinds)
        return kinds, template.format(thing=meaning.phrase)
    if rules.names == "symbol":
        on_card = ON_SYMBOL[int(rng.integers(len(ON_SYMBOL)))].format(symbol=symbols[target])
        return kinds, template.format(thing=on_card)
    return kinds, phrase(template, kinds[target])


def _draw_meaning(rules: Suite, rng: np.random.Generator) -> tuple[WordMeaning, ObjectKind]:
    """A meaning, as likely of each group, and one of the suite's kinds for which it is true."""
    groups = sorted({meaning.group for meaning in MEANINGS})
    group = groups[int(rng.integers(len(groups)))]
    usable = [(m, [kind for kind in rules.kinds if kind in m.kinds]) for m in MEANINGS if m.group == group]
    usable = [(meaning, kinds) for meaning, kinds in usable if kinds]
    meaning, kinds = usable[int(rng.integers(len(usable)))]
    return meaning, kinds[int(rng.integers(len(kinds)))]


def _with_same_colour(kinds: list[ObjectKind], target: int, rules: Suite, rng: np.random.Generator) -> list[ObjectKind]:
    """The same kinds, one of which has the target's colour besides the target."""
    wanted = kinds[target]
    if sum(kind.colour == wanted.colour for kind in kinds) > 1:
        return kinds
    same = [kind for kind in rules.kinds if kind.colour == wanted.colour and kind != wanted]
    slot = [index for index in range(len(kinds)) if index != target][int(rng.integers(len(kinds) - 1))]
    return [*kinds[:slot], same[int(rng.integers(len(same)))], *kinds[slot + 1 :]]


def _with_symbol(
    instruction: str,
    said: list[str],
    kinds: list[ObjectKind],
    symbols: tuple[str, ...],
    target: int,
    rules: Suite,
    rng: np.random.Generator,
) -> tuple[list[ObjectKind], tuple[str, ...], int]:
    """Kinds, symbols and target such that what the instruction says of the target's card, and of it, is true."""
    if len(said) > 1:
        raise ValueError(f"The instruction {shorten(instruction)!r} names more than one card: {', '.join(said)}.")
    if said[0] in symbols:
        target = symbols.index(said[0])
    else:
        symbols = (*symbols[:target], said[0], *symbols[target + 1 :])
    if names_kind(instruction) and kinds[target] not in (true_for := matches(instruction, ALL_KINDS)):
        kinds = _with_target(kinds, target, true_for[int(rng.integers(len(true_for)))], rules, rng)
    return kinds, symbols, target


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
    return _with_target(kinds, target, wanted, rules, rng, elsewhere), target


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
    kinds: list[ObjectKind],
    target: int,
    wanted: ObjectKind,
    rules: Suite,
    rng: np.random.Generator,
    meant: Sequence[ObjectKind] = (),
) -> list[ObjectKind]:
    """With `wanted` at the target's index; distractors that conflict with it, or are `meant` too, are replaced."""
    chosen = [*kinds[:target], wanted, *kinds[target + 1 :]]
    for slot in range(len(chosen)):
        others = chosen[:slot] + chosen[slot + 1 :]
        if slot != target and (chosen[slot] in meant or not _fits(chosen[slot], others, rules)):
            candidates = [kind for kind in rules.kinds if kind not in meant and _fits(kind, others, rules)]
            chosen[slot] = candidates[int(rng.integers(len(candidates)))]
    return chosen


def draw_places(count: int, rng: np.random.Generator, spacing: float = MINIMUM_DISTANCE) -> list[np.ndarray]:
    """Positions on the table at least `spacing` apart [m], shape (2,) each."""
    places, tries = list[np.ndarray](), 0
    while len(places) < count:
        place = rng.uniform(AREA_LOW, AREA_HIGH)
        tries += 1
        if tries > MAX_TRIES:  # the first ones leave no space for the last
            places, tries = [], 0
        elif all(np.linalg.norm(place - other) >= spacing for other in places):
            places.append(place)
    return places
