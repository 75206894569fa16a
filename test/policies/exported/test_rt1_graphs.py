"""RT-1 in three graphs is the same network: every kind of it, in short and in full windows, without the exporter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.rt1 import tiny_model
from support.rt1_checkpoints import TINY

from rt_vla_ros.policies.exported.graph_source import GraphSource
from rt_vla_ros.policies.exported.rt1 import ExportedSteps
from rt_vla_ros.policies.exported.rt1_writer import sources
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.policies.rt1.policy import PlainSteps
from rt_vla_ros.policies.rt1.steps import Steps, steps_together

TOLERANCE = 1e-4


class TorchGraph:
    """Runs a graph's module in torch, in place of onnxruntime."""

    def __init__(self, source: GraphSource) -> None:
        self._module = source.module

    @torch.inference_mode()
    def run(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        found = self._module(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


def as_graphs(model: RT1Model) -> ExportedSteps:
    graphs: Any = {name: TorchGraph(source) for name, source in sources(model).items()}
    return ExportedSteps(model.config, graphs)


def public(preset: str, **changes: Any) -> RT1Model:
    torch.manual_seed(0)
    return RT1Model(RT1Config.preset(preset, **{**TINY, "time_sequence_length": 3, **changes})).eval()


NETWORKS = {
    "mini": lambda: tiny_model(),
    "two cameras, state, a horizon of 2": lambda: tiny_model(num_cameras=2, state_size=4, horizon=2),
    "the release": lambda: public("rt1"),
    "the release that sees its actions": lambda: public("rt1", action_embedding="previous"),
    "RT-1-X": lambda: public("rt1-x", num_image_tokens=4),
}


def features_of(model: RT1Model, rng: np.random.Generator) -> torch.Tensor:
    if model.config.language == "hashed_words":
        return torch.from_numpy(rng.integers(1, model.config.word_buckets, (1, 63)))
    return torch.from_numpy(rng.standard_normal((1, model.config.language_size)).astype(np.float32))


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_graphs_give_the_networks_logits_from_the_first_step_on(name: str) -> None:
    model, rng = NETWORKS[name](), np.random.default_rng(1)
    plain, graphs = PlainSteps(model), as_graphs(model)
    features, config = features_of(model, rng), model.config
    robots: list[Steps] = [plain, graphs]
    for one in robots:
        one.begin(features)
    for _ in range(config.time_sequence_length + 2):
        images = torch.from_numpy(rng.integers(0, 256, (config.num_cameras, *config.input_size, 3), dtype=np.uint8))
        state = torch.from_numpy(rng.uniform(-1, 1, (1, 4)).astype(np.float32)) if config.state_size else None
        expected, found = (one.step(images, state) for one in robots)
        assert (expected - found).abs().max() <= TOLERANCE * expected.abs().max()
        for one in robots:
            one.chosen(expected.argmax(dim=-1))


@torch.inference_mode()
def test_robots_with_windows_of_different_lengths_share_a_pass() -> None:
    model, rng = tiny_model(), np.random.default_rng(2)
    first = as_graphs(model)
    robots = [first, first.another()]
    alone = [PlainSteps(model), PlainSteps(model)]
    features = features_of(model, rng)
    images = torch.from_numpy(rng.integers(0, 256, (2, 1, *model.config.input_size, 3), dtype=np.uint8))
    for one in (*robots, *alone):
        one.begin(features)
    for one in (robots[0], alone[0]):
        one.step(images[1])
    found = steps_together(robots, images, None)
    expected = torch.stack([one.step(image) for one, image in zip(alone, images, strict=True)])
    assert (expected - found).abs().max() <= TOLERANCE * expected.abs().max()
