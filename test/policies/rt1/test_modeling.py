from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.rt1 import tiny_config, tiny_model

from rt_vla_ros.policies.rt1.configuration import PRESETS, RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model


def batch(size: int = 2, steps: int = 3, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (size, steps, side, side, 3), dtype=torch.uint8, generator=generator)
    return images, torch.randint(1, 64, (size, 5), generator=generator)


def test_shapes() -> None:
    model = tiny_model()
    output = model(*batch())
    assert output.logits.shape == (2, 3, 6, 256)
    assert output.loss is None
    assert model.image_tokens(batch()[0][0], torch.zeros(3, 8)).shape == (3, 3, 16)


def test_the_sentence_matters() -> None:
    model, (images, words) = tiny_model(), batch(1)
    with torch.inference_mode():
        assert (model(images, words).logits - model(images, words + 1).logits).abs().max() > 1e-3


def test_padding_of_the_sentence_does_not_matter() -> None:
    model, (images, words) = tiny_model(), batch(1)
    padded = torch.cat([words, torch.zeros(1, 4, dtype=torch.int64)], dim=1)
    with torch.inference_mode():
        torch.testing.assert_close(model(images, words).logits, model(images, padded).logits)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    model, inputs = tiny_model(), batch()
    model.save_pretrained(tmp_path)
    loaded = RT1Model.from_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    with torch.inference_mode():
        torch.testing.assert_close(loaded(*inputs).logits, model(*inputs).logits, rtol=0, atol=0)


def test_it_can_overfit_one_batch() -> None:
    """Every part passes gradients on: thirty steps suffice for two histories."""
    torch.manual_seed(0)
    model, inputs = RT1Model(tiny_config(target_smoothing=0.0)).train(), batch()
    labels = torch.randint(0, 2, (2, 3, 6), generator=torch.Generator().manual_seed(2)) * 100
    labels[..., 0] = labels[..., 0] // 100
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model(*inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 4
    assert losses[-1] < 0.7
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_public_networks_have_their_size() -> None:
    """The release counts its statistics; RT-1-X is counted without them."""
    with torch.device("meta"):
        release, rt1_x = (RT1Model(RT1Config.preset(name)) for name in ("rt1", "rt1-x"))
    variables = {name: v for name, v in release.state_dict().items() if "num_batches_tracked" not in name}
    assert sum(v.numel() for v in variables.values()) == 35_339_431
    assert sum(p.numel() for p in rt1_x.parameters()) == 56_896_809


def test_the_papers_trunk_runs_in_the_whole_network() -> None:
    config = tiny_config(
        trunk="film_efficientnet", width_coefficient=0.25, depth_coefficient=0.5, language="embedding", image_size=64
    )
    images = batch(2, 2, 64)[0]
    assert RT1Model(config).eval()(images, torch.randn(2, 8)).logits.shape == (2, 2, 6, 256)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_survive_the_disk(preset: str, tmp_path: Path) -> None:
    config = RT1Config.preset(preset)
    config.save_pretrained(tmp_path)
    assert RT1Config.from_pretrained(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trunk": "vit"}, "trunk is 'vit', expected one of film_efficientnet, film_resnet"),
        ({"feed_forward": "moe"}, "expected one of linear, swiglu"),
        ({"language": "use"}, "expected one of embedding, hashed_words"),
        ({"decoding": "beam"}, "expected one of argmax, expected_value"),
        ({"stride_padding": "valid"}, "expected one of same, keras"),
        ({"action_embedding": "learned"}, "expected one of none, zeroed, previous"),
        ({"history_start": "long"}, "expected one of short, zero_frames"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"tokens_per_dimension": (2, 257)}, "expected 1 to vocab_size"),
        ({"tokens_per_dimension": ()}, "expected 1 to vocab_size"),
        ({"tokens_per_dimension": (0, 2)}, "each of tokens_per_dimension is 0, expected at least 1"),
        ({"num_layer": 3}, "RT-1 has no option 'num_layer'; did you mean 'num_layers'?"),
        ({"zzz": 3}, "RT-1 has no option 'zzz'; available: image_size, "),
        ({"time_sequence_length": 2.0}, r"time_sequence_length is 2\.0, expected a whole number"),
        ({"time_sequence_length": "2"}, "time_sequence_length is '2', expected a whole number"),
        ({"num_layers": None}, "num_layers is None, expected a whole number"),
        ({"layer_size": 0}, "layer_size is 0, expected at least 1"),
        ({"input_height": 0}, "input_height is 0, expected at least 1"),
        ({"image_mean": "x"}, "image_mean is 'x', expected a list of 3 numbers"),
        ({"image_std": (0, 0, 0)}, "each of image_std is 0, expected a number, more than 0"),
        ({"dropout_rate": 2}, "dropout_rate is 2, expected a number, at least 0 and below 1"),
        ({"world_vector_range": (2, -2)}, "expected low < high"),
        ({"world_vector_range": (1,)}, "expected a list of 2 numbers"),
        ({"position_bias": "yes"}, "position_bias is 'yes', expected true or false"),
    ],
)
def test_refuses_options_and_values_that_do_not_exist(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tiny_config(**changes)


def test_refuses_unknown_presets() -> None:
    with pytest.raises(
        ValueError, match="There is no preset 'rt3'; available: rt1, rt1-multirobot, rt1-jax, rt1-x, rt1-mini"
    ):
        RT1Config.preset("rt3")


@pytest.mark.parametrize(
    ("key", "meant"), [("image_sise", "image_size"), ("num_layer", "num_layers"), ("decodng", "decoding")]
)
def test_a_misspelt_option_of_a_checkpoint_is_refused(key: str, meant: str) -> None:
    """Other keys are transformers' own, or somebody's notes, and are kept."""
    written = {**tiny_config().to_dict(), "note": "x", "auto_map": {}}
    assert RT1Config.from_dict(written).note == "x"
    with pytest.raises(ValueError, match=f"RT-1 has no option '{key}'; did you mean '{meant}'"):
        RT1Config.from_dict({**written, key: 3})
