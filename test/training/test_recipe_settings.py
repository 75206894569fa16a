from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.training.recipe import RECIPES, Recipe
from rt_vla_ros.training.recipe_settings import (
    FILE,
    changes,
    command,
    load_recipe,
    network_config,
    save_recipe,
    sentence_encoder,
    with_settings,
)

SETTINGS = (
    "steps=50",
    'suites=["pick-any"]',
    "reuse=2",
    "network.time_sequence_length=1",
    "network.resnet_widths=[8, 16]",
)


def test_settings_change_recipe_and_network() -> None:
    recipe = with_settings(Recipe(), SETTINGS)
    assert (recipe.steps, recipe.suites, recipe.reuse) == (50, ("pick-any",), 2)
    config = network_config(recipe)
    assert (config.time_sequence_length, config.resnet_widths, config.num_layers) == (1, [8, 16], 4)
    assert with_settings(Recipe(), changes(recipe, Recipe())) == recipe
    assert changes(Recipe(), Recipe()) == []


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("steps", "'steps' sets nothing; expected KEY=VALUE"),
        ("step=3", "no setting 'step'. Did you mean 'steps'?"),
        ("network.num_layer=3", "no setting 'network.num_layer'. Did you mean 'network.num_layers'?"),
        ("steps=many", "steps is 'many', expected something like 9200"),
        ("steps=true", "steps is True, expected something like 9200"),
        ("suites=pick-any", "suites is 'pick-any', expected something like"),
        ("network.trunk=vit", "trunk is 'vit', expected one of film_efficientnet"),
        ("network=3", "no setting 'network'"),
        ("steps=0", "steps is 0, expected a number, more than 0"),
        ("learning_rate=Infinity", "learning_rate is inf, expected a number, more than 0"),
        ("ema=2", "ema is 2, expected a number, at least 0 and below 1"),
        ("shift=-1", "shift is -1, expected a number, at least 0"),
        ("replay=50", "replay is 50, expected first_frames .3000. at least"),
        ("episode_steps=200000", "replay is 150000, expected episode_steps .200000. at least"),
        ("suites=[]", "suites is empty"),
        ('suites=["pick-anny"]', "Did you mean 'pick-any'?"),
        ("wording=2.0", "wording is 2.0, expected 0 to 1"),
        ("learner_share=0.9", "more than 1 together"),
    ],
)
def test_a_setting_that_there_is_not_is_refused(setting: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_settings(Recipe(), [setting])


def test_settings_are_judged_together() -> None:
    recipe = with_settings(Recipe(), ["replay=50", "first_frames=40", "learner_share=0.6", "mixed_share=0.4"])
    assert (recipe.replay, recipe.first_frames, recipe.learner_share) == (50, 40, 0.6)


def test_a_run_remembers_its_recipe(tmp_path: Path) -> None:
    recipe = with_settings(Recipe(), SETTINGS)
    save_recipe(tmp_path, recipe, 0, 1)
    assert load_recipe(tmp_path) == with_settings(Recipe(), SETTINGS)
    save_recipe(tmp_path, replace(recipe, steps=60), 0, 1)  # longer
    assert load_recipe(tmp_path).steps == 60
    with pytest.raises(ValueError, match=r"holds a run with other settings \(shift 2, not 3\)\. Name another --out"):
        save_recipe(tmp_path, replace(recipe, shift=3), 0, 1)
    with pytest.raises(ValueError, match=r"settings \(seed 0, not 5; collectors 1, not 2\)"):
        save_recipe(tmp_path, recipe, 5, 2)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ValueError, match="is no recipe"):
        load_recipe(tmp_path)


def test_a_run_is_told_as_a_command() -> None:
    recipe = with_settings(RECIPES["rt1-mini"], ["steps=50", 'suites=["pick-any"]'])
    how = "rt-vla train rt1 --recipe rt1-mini --seed 3 --collectors 2"
    how += " --set 'suites=[\"pick-any\"]' --set steps=50 --out DIR"
    assert command("rt1-mini", recipe, 3, 2) == how


def test_sentences_are_hashed_or_looked_up(tmp_path: Path) -> None:
    assert isinstance(sentence_encoder(Recipe(), network_config(Recipe())), HashedWords)
    table = tmp_path / "words.safetensors"
    InstructionTable({"pick up the red cube": np.ones(7, np.float32)}).save(table)
    language = "network.language=embedding"
    recipe = with_settings(Recipe(), [language, "network.language_size=7", f"language={table}"])
    assert sentence_encoder(recipe, network_config(recipe)).encode("pick up the red cube").shape == (7,)
    for wrong in ([language], [f"language={table}"]):
        contradicting = with_settings(Recipe(), wrong)
        with pytest.raises(ValueError, match=r"goes with network\.language=embedding"):
            sentence_encoder(contradicting, network_config(contradicting))
