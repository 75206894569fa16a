from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, SIZE

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.policies.rt1.configuration import PRESETS
from rt_vla_ros.training.settings import (
    PAPER,
    RECIPES,
    TrainingSettings,
    collected_card,
    default_settings,
    network_config,
    sentence_encoder,
    table_of_defaults,
)
from rt_vla_ros.training.settings_file import with_settings


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "rt1-mini"])
def test_the_papers_networks_learn_as_in_public(preset: str) -> None:
    settings = default_settings(preset)
    adam = (settings.learning_rate, settings.weight_decay, settings.beta2, settings.epsilon)
    assert adam == (1e-4, 0, 0.999, 1e-7)
    assert not settings.cosine
    assert (settings.warmup_steps, settings.max_grad_norm, settings.ema, settings.jitter) == (0, 0, 0, 0)
    assert (settings.heatmap_weight, settings.position_weight) == (0, 0)
    assert (settings.batch_size, settings.micro_batch) == (1024, 8)
    assert (settings.shift_rows * 256, settings.shift_columns * 320, settings.black_borders) == (20, 50, True)
    config = network_config(settings, CARD)
    assert (config.target_smoothing, config.dropout_rate, config.drop_connect_rate) == (0, 0.1, 0.2)
    assert (config.image_size, config.input_size, config.width_coefficient) == (300, (SIZE, SIZE), 1.2)
    assert config.tokens_per_dimension == [2, 256, 256, 256, 256, 256]


def test_our_own_learns_as_its_recipe_does() -> None:
    settings = default_settings("rt1-mini")
    assert settings == TrainingSettings()
    assert replace(RECIPES["rt1-mini"], steps=20_000, validation=0.1, dagger=None) == settings
    assert default_settings("rt1-mini", steps=50).warmup_steps == 5
    assert replace(RECIPES["rt1-mini"], steps=50).warmup_steps == 200, "it can be made longer"


def test_whatever_depends_on_the_preset_is_told_and_can_be_set() -> None:
    assert set(PAPER) <= {field.name for field in fields(TrainingSettings)}
    assert [line.split()[0] for line in table_of_defaults().splitlines()[1:]] == [
        field.name for field in fields(TrainingSettings) if field.name in PAPER
    ]
    changed = with_settings(default_settings("rt1"), ["epsilon=0.001", "network.num_layers=2", "black_borders=false"])
    assert (changed.epsilon, changed.black_borders) == (1e-3, False)
    assert network_config(changed, CARD).num_layers == 2
    with pytest.raises(ValueError, match=r"no setting 'epsilom'\. Did you mean 'epsilon'"):
        with_settings(changed, ["epsilom=1"])


def test_micro_batches_are_equally_large() -> None:
    assert [default_settings("rt1", batch_size=count).micro_batch for count in (4, 8, 12, 17)] == [4, 8, 6, 1]
    assert replace(TrainingSettings(), batch_size=48).micro_batch == 48


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"precision": "float16"}, "precision is 'float16', expected one of auto, bfloat16, float32"),
        ({"seed": 1 << 31}, "The seed is 2147483648"),
        ({"validation": float("nan")}, "validation is nan, expected 0 to 0.9"),
        ({"validation": 1.5}, "validation is 1.5"),
        ({"micro_batch_size": -1}, "micro_batch_size is -1"),
        ({"jitter": -1}, "jitter is -1, expected 0 to 1"),
        ({"ema": 2}, "ema is 2, expected a number, at least 0 and below 1"),
        ({"beta2": 1.0}, "beta2 is 1.0, expected a number, at least 0 and below 1"),
        ({"epsilon": 0.0}, "epsilon is 0.0, expected a number, more than 0"),
        ({"shift_rows": -0.1}, "shift_rows is -0.1"),
        ({"warmup": -5}, "warmup is -5"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
    ],
)
def test_values_that_cannot_be_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        default_settings("rt1", **changes)


def test_a_card_that_no_such_network_fits_is_refused() -> None:
    wide = replace(CARD, cameras=(*CARD.cameras, replace(CARD.cameras[0], name="wrist", width=48)))
    with pytest.raises(ActionCardError, match="width of the camera 'wrist' 48, the network's width of the input is 32"):
        network_config(default_settings("rt1"), wide)
    seven = tuple(replace(CARD.cameras[0], name=f"camera{i}") for i in range(7))
    with pytest.raises(ValueError, match="num_cameras is 7, expected 1 to 6"):
        network_config(default_settings("rt1"), replace(CARD, cameras=seven))
    with pytest.raises(ActionCardError, match="bins 256, the network's vocab_size is 512"):
        network_config(default_settings("rt1", network={"vocab_size": 512}), CARD)
    with pytest.raises(ValueError, match="no preset 'rt9'"):
        network_config(default_settings("rt9"), CARD)


def test_a_table_of_sentence_vectors_makes_the_network_take_them(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    InstructionTable({"pick up the red cube": np.ones(24, np.float32)}).save(path)
    config = network_config(default_settings("rt1", language=str(path)), CARD)
    assert (config.language, config.language_size) == ("embedding", 24)


def test_sentences_are_hashed_or_looked_up(tmp_path: Path) -> None:
    recipe = RECIPES["rt1-mini"]
    card = collected_card(recipe)
    assert isinstance(sentence_encoder(recipe, network_config(recipe, card)), HashedWords)
    table = tmp_path / "words.safetensors"
    InstructionTable({"pick up the red cube": np.ones(7, np.float32)}).save(table)
    settings = replace(recipe, language=str(table))
    assert sentence_encoder(settings, network_config(settings, card)).encode("pick up the red cube").shape == (7,)
    for wrong, language in ((recipe, "embedding"), (settings, "hashed_words")):
        contradicting = replace(wrong, network={"language": language})
        with pytest.raises(ValueError, match=r"requires network\.language=embedding"):
            sentence_encoder(contradicting, network_config(contradicting, card))
