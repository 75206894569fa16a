"""An RT-2 in two graphs is the same model: each family that can be exported, without the exporter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from support.other_vlms import save_other
from support.vlms import random_image, save_vlm
from torch import Tensor
from transformers import PreTrainedModel

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.exported.graph_source import ExportError, GraphSource
from rt_vla_ros.policies.exported.rt2_graphs import rt2_sources, sample_pass
from rt_vla_ros.policies.exported.rt2_model import exported_model, tables_of
from rt_vla_ros.policies.exported.rt2_writer import EXPORTABLE, check_same_logits, sample_prompts
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts, load_rt2
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.shared import SharedRT2
from rt_vla_ros.policies.rt2.tiny.small_models import FAMILIES

SMALL = sorted(set(EXPORTABLE) - {"fast_vlm"})
"""Families other than that of rt2-mini, whose graphs are tested in test_rt2.py."""


class GraphInTorch:
    """Runs a graph's module in torch, with the interface of OnnxGraph."""

    def __init__(self, source: GraphSource) -> None:
        self._source, signature = source, source.signature
        self.inputs, self.outputs = signature.inputs, signature.outputs

    @torch.inference_mode()
    def run(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        given: dict[str, Any] = {}
        for name, argument in self._source.input_names.items():
            one = torch.from_numpy(inputs[name])
            if isinstance(self._source.inputs[argument], Tensor):
                given[argument] = one
            else:
                given.setdefault(argument, []).append(one)
        return [one.numpy() for one in self._source.module(**given)]


def loaded(family: str, directory: Path) -> RT2Parts:
    saved = save_vlm(directory, family) if family in FAMILIES else save_other(directory, family)
    return load_rt2(resolve(saved), device=torch.device("cpu"))


def in_graphs(parts: RT2Parts) -> PreTrainedModel:
    sample = sample_pass(parts.model, sample_prompts(parts)[0])
    graphs: Any = {name: GraphInTorch(source) for name, source in rt2_sources(parts.model, sample).items()}
    return exported_model(parts.model.config, tables_of(parts.model), graphs)


@pytest.mark.parametrize("family", SMALL)
def test_the_graphs_give_the_tokens_of_the_model(family: str, tmp_path: Path) -> None:
    parts = loaded(family, tmp_path)
    found = replace(parts, model=in_graphs(parts))
    check_same_logits(parts.model, found.model, sample_prompts(parts))
    original, exported = RT2Policy(parts, pack=False), RT2Policy(found)
    chosen = set()
    for instruction in ("pick up the red cube", "open the top drawer, please"):
        for policy in (original, exported):
            policy.reset(instruction)
        for number in range(2):
            seen = Observation({"front": random_image(number)}, number / 3)
            expected, tokens = (policy.decode(seen).tokens for policy in (original, exported))
            assert tokens == expected
            chosen.add(tokens)
    assert len(chosen) > 1
    assert exported.ask(seen.images, "what is on the table?") == original.ask(seen.images, "what is on the table?")
    SharedRT2(exported)


@pytest.mark.parametrize(
    ("family", "sentence"),
    [
        ("gemma3", "A model of the type 'gemma3' cannot be exported: it has a sliding window, or layers without"),
        ("qwen3_vl", "its language model also needs"),
    ],
)
def test_a_model_whose_language_model_needs_more_is_refused(family: str, sentence: str, tmp_path: Path) -> None:
    parts = loaded(family, tmp_path)
    with pytest.raises(ExportError, match=sentence):
        sample_pass(parts.model, sample_prompts(parts)[0])
