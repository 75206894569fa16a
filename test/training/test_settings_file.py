from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.settings import RECIPES, TrainingSettings, collected_card, network_config
from rt_vla_ros.training.settings_file import (
    FILE,
    check_settings,
    command,
    load_settings,
    save_settings,
    with_settings,
)

RECIPE = RECIPES["rt1-mini"]
CHANGES = (
    "steps=50",
    'dagger.suites=["pick-any"]',
    "dagger.reuse=2",
    "network.time_sequence_length=1",
    "network.resnet_widths=[8, 16]",
)


def test_changes_reach_settings_group_and_network() -> None:
    settings = with_settings(RECIPE, CHANGES)
    assert settings.dagger is not None
    assert (settings.steps, settings.dagger.suites, settings.dagger.reuse) == (50, ("pick-any",), 2)
    config = network_config(settings, collected_card(settings))
    assert (config.time_sequence_length, config.resnet_widths, config.num_layers) == (1, [8, 16], 4)
    words = shlex.split(command(settings, "rt1-mini"))
    changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert with_settings(RECIPE, changes) == settings
    assert "--set" not in command(RECIPE, "rt1-mini")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("steps", "'steps' sets nothing; expected KEY=VALUE"),
        ("step=3", "no setting 'step'. Did you mean 'steps'?"),
        ("network.num_layer=3", "no setting 'network.num_layer'. Did you mean 'network.num_layers'?"),
        ("suites=[]", "no setting 'suites'. Did you mean 'dagger.suites'?"),
        ("steps=many", "steps is 'many', expected something like 9200"),
        ("steps=true", "steps is True, expected something like 9200"),
        ("dagger.suites=pick-any", "dagger.suites is 'pick-any', expected something like"),
        ("network.trunk=vit", "trunk is 'vit', expected one of film_efficientnet"),
        ("network=3", "no setting 'network'"),
        ("dagger=3", "no setting 'dagger'"),
        ("steps=0", "steps is 0, expected at least 1"),
        ("learning_rate=Infinity", "learning_rate is inf, expected a number, more than 0"),
        ("ema=2", "ema is 2, expected a number, at least 0 and below 1"),
        ("shift_rows=-1", "shift_rows is -1, expected a number, at least 0"),
        ("validation=0.1", "validation holds out episodes of datasets"),
        ("dagger.capacity=50", "dagger.capacity is 50, expected at least dagger.first_frames .3000."),
        ("dagger.episode_steps=200000", "dagger.capacity is 150000, expected at least dagger.episode_steps .200000."),
        ("dagger.suites=[]", "dagger.suites is empty"),
        ('dagger.suites=["pick-anny"]', "Did you mean 'pick-any'?"),
        ("dagger.paraphrase=2.0", "dagger.paraphrase is 2.0, expected 0 to 1"),
        ("dagger.learner_share=0.9", "is more than 1"),
    ],
)
def test_an_impossible_change_is_refused(change: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_settings(RECIPE, [change])


def test_a_run_from_datasets_has_no_setting_of_dagger() -> None:
    with pytest.raises(ValueError, match=r"no setting 'dagger\.reuse'"):
        with_settings(TrainingSettings(), ["dagger.reuse=2"])


def test_changes_are_checked_together() -> None:
    together = ("dagger.capacity=50", "dagger.first_frames=40", "dagger.learner_share=0.6", "dagger.mixed_share=0.4")
    dagger = with_settings(RECIPE, together).dagger
    assert dagger is not None
    assert (dagger.capacity, dagger.first_frames, dagger.learner_share) == (50, 40, 0.6)


@pytest.mark.parametrize("settings", [with_settings(RECIPE, CHANGES), TrainingSettings(network={"num_layers": 2})])
def test_a_run_remembers_its_settings(settings: TrainingSettings, tmp_path: Path) -> None:
    assert not check_settings(tmp_path, settings)
    save_settings(tmp_path, settings)
    assert check_settings(tmp_path, settings)
    assert load_settings(tmp_path) == settings
    with pytest.raises(
        TrainingError, match=r"contains a run with different settings \(jitter 0\.12, not 0\.2\)\. Choose"
    ):
        check_settings(tmp_path, replace(settings, jitter=0.2))
    with pytest.raises(TrainingError, match=r"different settings \(seed 0, not 5; datasets '', not 'abc'\)"):
        check_settings(tmp_path, replace(settings, seed=5), "abc")
    (tmp_path / FILE).write_text('{"stepps": 3}')
    with pytest.raises(TrainingError, match="does not contain the settings of a run"):
        load_settings(tmp_path)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(TrainingError, match=r"settings\.json is not JSON"):
        load_settings(tmp_path)


def test_only_a_recipe_can_be_made_longer(tmp_path: Path) -> None:
    save_settings(tmp_path / "a", RECIPE)
    assert check_settings(tmp_path / "a", replace(RECIPE, steps=60))
    save_settings(tmp_path / "b", TrainingSettings())
    with pytest.raises(TrainingError, match="steps 20000, not 60"):
        check_settings(tmp_path / "b", TrainingSettings(steps=60))
    with pytest.raises(TrainingError, match=r"dagger\.suites None, not"):
        check_settings(tmp_path / "b", RECIPE)


def test_a_run_is_described_as_a_command() -> None:
    settings = with_settings(RECIPE, ["steps=50", 'dagger.suites=["pick-any"]', "dagger.collectors=2", "seed=3"])
    how = "rt-vla train rt1 --recipe rt1-mini --seed 3 --set steps=50"
    how += " --set 'dagger.suites=[\"pick-any\"]' --set dagger.collectors=2 --out DIR"
    assert command(settings, "rt1-mini") == how
