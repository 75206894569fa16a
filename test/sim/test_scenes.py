"""Suites, scenes from seeds, and what instructions do to them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rt_vla_ros.sim import SUITES, make_scene
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, UNSEEN_PICK_PHRASINGS, matches
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS
from rt_vla_ros.sim.scenes import AREA_HIGH, AREA_LOW, MINIMUM_DISTANCE, SEEN_KINDS, UNSEEN_KINDS


@pytest.mark.parametrize("suite", SUITES)
def test_scenes_keep_the_rules_of_their_suite(suite):
    phrasings, targets = set(), set()
    for seed in range(200):
        scene = make_scene(suite, seed)
        assert scene == make_scene(suite, seed)
        things = scene.layout.objects
        assert len(things) == 3
        assert len({thing.kind for thing in things}) == 3
        if suite == "pick-colours":
            assert len({thing.kind.colour for thing in things}) == 3
        for thing in things:
            assert AREA_LOW[0] <= thing.x <= AREA_HIGH[0]
            assert AREA_LOW[1] <= thing.y <= AREA_HIGH[1]
            assert thing.kind in SEEN_KINDS
        for one, other in itertools.combinations(things, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) >= MINIMUM_DISTANCE
        assert matches(scene.task.instruction, [thing.kind for thing in things]) == [scene.target]
        phrasings.add(scene.task.instruction.replace(scene.target.colour, "C").replace(scene.target.shape, "S"))
        targets.add(scene.target)
    assert len(phrasings) == len(PICK_PHRASINGS)
    assert targets == set(SEEN_KINDS)


def test_suites_and_seeds_lay_different_tables():
    scenes = [make_scene(suite, seed).layout for suite in SUITES for seed in range(20)]
    assert len(set(scenes)) == len(scenes)


def test_some_words_and_combinations_are_kept_for_later():
    assert len(SEEN_KINDS) >= 18
    assert not set(PICK_PHRASINGS) & set(UNSEEN_PICK_PHRASINGS)
    assert set(SEEN_KINDS) | set(UNSEEN_KINDS) == set(ALL_KINDS)
    assert {kind.colour for kind in UNSEEN_KINDS} <= {kind.colour for kind in SEEN_KINDS}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_an_instruction_brings_its_object_to_the_table(suite, kind):
    for seed in range(5):
        scene = make_scene(suite, seed, f"  Pick up the {kind.name.upper()}!")
        assert scene.target == kind
        assert scene.task.instruction == f"Pick up the {kind.name.upper()}!"
        assert len({thing.kind for thing in scene.layout.objects}) == 3
        assert scene == make_scene(suite, seed, f"  Pick up the {kind.name.upper()}!")
        if suite == "pick-colours":
            assert len({thing.kind.colour for thing in scene.layout.objects}) == 3


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_alone_is_enough_where_it_is_clear(colour):
    for seed in range(10):
        scene = make_scene("pick-colours", seed, f"lift the {colour} one")
        assert scene.target.colour == colour


def test_a_colour_alone_is_refused_where_it_is_not_clear():
    seed = next(
        seed
        for seed in range(100)
        if len({thing.kind.colour for thing in make_scene("pick-any", seed).layout.objects}) < 3
    )
    colours = [thing.kind.colour for thing in make_scene("pick-any", seed).layout.objects]
    double = max(colours, key=colours.count)
    with pytest.raises(ValueError, match=f"could mean the {double} .* or {double} .*Say a colour"):
        make_scene("pick-any", seed, f"take the {double} one")


@pytest.mark.parametrize(
    ("instruction", "problem"),
    [
        ("pick up the pink cube", "asks for pink, which no object has"),
        ("dance", "names no object"),
        ("🦾🦾", "names no object"),
        ("pick up the red or the blue cube", "names more than one: blue, cube, red"),
        ("pick up the ball and the cube", "names more than one: ball, cube"),
        ("x" * 10_000, "names no object"),
    ],
)
def test_what_no_scene_can_serve_is_refused_with_the_words_that_would_do(instruction, problem):
    with pytest.raises(
        ValueError, match=r"red, orange, yellow, green, cyan, blue, purple.*cube, cylinder, ball"
    ) as info:
        make_scene("pick-colours", 0, instruction)
    assert problem in str(info.value)
    assert len(str(info.value)) < 400


def test_unknown_suite_and_bad_seed():
    with pytest.raises(
        ValueError, match=r"no suite 'pick-colors'\. Did you mean 'pick-colours'\? There are: pick-colours"
    ):
        make_scene("pick-colors", 0)
    with pytest.raises(ValueError, match=r"There is no suite 'zzz'\. There are: pick-colours, pick-any"):
        make_scene("zzz", 0)
    with pytest.raises(ValueError, match="The seed is -1, expected 0 or more"):
        make_scene("pick-any", -1)
