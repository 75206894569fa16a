"""Suites in words that robot data has not: one object is meant, and no training distribution has the words."""

from __future__ import annotations

import hashlib
import itertools
import json
import re

import numpy as np
import pytest

from rt_vla_ros.sim import SUITES, make_scene
from rt_vla_ros.sim.cards import SPACING, SYMBOLS
from rt_vla_ros.sim.instructions import PICK_PHRASINGS, matches, said_symbols
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS, SHAPE_WORDS, SHAPES
from rt_vla_ros.sim.suites import EVALUATION_SUITES, SEEN_KINDS, UNSEEN_KINDS, WORD_SUITES
from rt_vla_ros.sim.word_suites import (
    MEANINGS,
    ON_SYMBOL,
    ROBOT_KINDS,
    THING_KINDS,
    THING_PHRASINGS,
    WEB_ONLY_KINDS,
    WEB_ONLY_WORDS,
    synonyms,
)

RULES = {
    "synonyms": "7b5005f83aba7140ce5b0e800707b4b944f77db2292a8a4d5609bf9efa7ddaf3",
    "reasoning": "8b107674cc6b645933230ef8a03da1a42cc55cdc7e6a3487f8584ac1e2e0fdcb",
    "symbols": "1366d96e43e4e2aa30fa677a7908f724f69067d5a440acae1b220223eded899e",
}


def kinds_of(scene):
    return [item.kind for item in scene.layout.objects]


@pytest.mark.parametrize("suite", RULES)
def test_the_rules_are_those_that_were_fixed_before_any_policy_was_measured(suite):
    scenes = [make_scene(suite, seed) for seed in range(200)]
    said = [[s.task.instruction, s.task.target, [k.name for k in kinds_of(s)], s.layout.symbols] for s in scenes]
    assert hashlib.sha256(json.dumps(said).encode()).hexdigest() == RULES[suite]


def test_robot_data_has_none_of_the_words_and_kinds():
    assert set(ROBOT_KINDS) | set(WEB_ONLY_KINDS) == set(ALL_KINDS)
    assert not set(ROBOT_KINDS) & set(WEB_ONLY_KINDS)
    assert set(UNSEEN_KINDS) <= set(WEB_ONLY_KINDS)
    said = " ".join(t.format(colour=k.colour, shape=k.shape) for t in PICK_PHRASINGS for k in ROBOT_KINDS)
    robot_words = set(re.findall(r"\w+", said))
    assert not robot_words & (WEB_ONLY_WORDS | set(SYMBOLS))
    for suite in WORD_SUITES:
        for seed in range(100):
            instruction = make_scene(suite, seed).task.instruction
            assert set(re.findall(r"\w+", instruction)) & (WEB_ONLY_WORDS | set(SYMBOLS)), instruction


def test_word_suites_are_separate_from_the_benchmark_suites():
    assert WORD_SUITES == ("synonyms", "reasoning", "symbols")
    assert EVALUATION_SUITES == ("pick-colours", "pick-any", "unseen", "distractors", "backgrounds")
    assert not any(make_scene(suite, seed).layout.cards for suite in SUITES if suite != "symbols" for seed in range(20))


@pytest.mark.parametrize("suite", WORD_SUITES)
def test_a_scene_is_a_function_of_its_seed_with_three_different_objects(suite):
    for seed in range(100):
        scene = make_scene(suite, seed)
        assert scene == make_scene(suite, seed)
        assert len(set(kinds_of(scene))) == 3
        assert set(kinds_of(scene)) <= set(SEEN_KINDS)


def test_a_synonym_distinguishes_the_target_from_another_object_of_its_colour():
    seen = set()
    for seed in range(300):
        scene = make_scene("synonyms", seed)
        words = set(scene.task.instruction.split())
        assert len(words & set(synonyms(scene.target.shape))) == 1
        assert not words & set(SHAPES)
        assert sum(kind.colour == scene.target.colour for kind in kinds_of(scene)) >= 2
        assert matches(scene.task.instruction, kinds_of(scene)) == [scene.target]
        seen |= words & set(SHAPE_WORDS)
    assert seen == {"block", "box", "can", "tube", "sphere"}


def test_reasoning_is_true_for_one_object():
    phrases, groups, phrasings = set(), [], set()
    for seed in range(1500):
        scene = make_scene("reasoning", seed)
        said = [meaning for meaning in MEANINGS if meaning.phrase in scene.task.instruction]
        assert len(said) == 1
        assert [kind for kind in kinds_of(scene) if kind in said[0].kinds] == [scene.target]
        assert matches(scene.task.instruction, kinds_of(scene)) == [scene.target]
        phrases.add(said[0].phrase)
        groups.append(said[0].group)
        phrasings.add(scene.task.instruction.replace(said[0].phrase, "{thing}"))
    assert phrases == {meaning.phrase for meaning in MEANINGS if set(meaning.kinds) & set(SEEN_KINDS)}
    assert phrasings == set(THING_PHRASINGS)
    assert all(400 < groups.count(group) < 600 for group in ("thing", "category", "likeness"))


def test_on_a_symbol_is_one_object():
    said = set()
    for seed in range(300):
        scene = make_scene("symbols", seed)
        symbols = scene.layout.symbols
        assert len(set(symbols)) == 3
        assert set(symbols) <= set(SYMBOLS)
        assert said_symbols(scene.task.instruction) == [symbols[scene.task.target]]
        for one, other in itertools.combinations(scene.layout.objects, 2):
            assert np.hypot(one.x - other.x, one.y - other.y) >= SPACING
        said.add(next(t for t in ON_SYMBOL if t.format(symbol=symbols[scene.task.target]) in scene.task.instruction))
    assert said == set(ON_SYMBOL)


def test_meanings_are_unambiguous():
    assert len(THING_KINDS) == len(set(THING_KINDS.values())) == 12
    assert len({meaning.phrase for meaning in MEANINGS}) == len(MEANINGS)
    for meaning in MEANINGS:
        assert 0 < len(meaning.kinds) < len(ALL_KINDS)
        said = matches(f"pick up {meaning.phrase}", ALL_KINDS)
        assert said == [kind for kind in ALL_KINDS if kind in meaning.kinds]


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("Pick up the APPLE!", {"red ball"}),
        ("pick up the ice cube", {"cyan cube"}),
        ("lift something you can drink from", {"blue cylinder"}),
        ("take the thing that has the color of grass", {"green cube", "green ball", "green cylinder"}),
        ("take the cube with the colour of the sun", {"yellow cube"}),
        ("give me something cold", {"cyan cube"}),
        ("get the can", {f"{colour} cylinder" for colour in COLOURS}),
        ("get the red thing that I can eat", {"red ball", "red cylinder"}),
    ],
)
@pytest.mark.parametrize("suite", ["pick-colours", "pick-any", "distractors"])
def test_user_instructions_put_their_object_on_the_table(suite, instruction, names):
    usual = [kinds_of(make_scene(suite, seed)) for seed in range(20)]
    clear = [seed for seed, kinds in enumerate(usual) if len(matches(instruction, kinds)) < 2]
    assert clear
    for seed in clear:
        scene = make_scene(suite, seed, instruction)
        assert matches(instruction, kinds_of(scene)) == [scene.target]
        assert scene.target.name in names


@pytest.mark.parametrize("instruction", ["the blue apple", "the cold one that is a fruit", "the purple brick"])
def test_a_description_that_matches_no_object_is_refused(instruction):
    with pytest.raises(ValueError, match=r"describes no object on the table.*Name a color"):
        make_scene("pick-any", 0, f"pick up {instruction}")


def test_user_instructions_may_refer_to_cards():
    for seed in range(20):
        for symbol in SYMBOLS:
            scene = make_scene("symbols", seed, f"Take the thing on the {symbol}")
            assert scene.layout.symbols[scene.task.target] == symbol
            assert len(set(scene.layout.symbols)) == 3
        scene = make_scene("symbols", seed, "take the red cube on the moon")
        assert scene.layout.symbols[scene.task.target] == "moon"
        assert scene.target.name == "red cube"
        assert len(set(kinds_of(scene))) == 3
        assert make_scene("symbols", seed, "take the red cube").target.name == "red cube"
    with pytest.raises(ValueError, match="names more than one card: star, moon"):
        make_scene("symbols", 0, "take what is on the moon or the star")
    with pytest.raises(ValueError, match="names no object but a card, and only the suite symbols has cards"):
        make_scene("pick-any", 0, "take what is on the moon")
