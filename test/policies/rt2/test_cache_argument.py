"""Which name a cache is given by."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from torch import nn
from transformers import LlamaModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from rt_vla_ros.policies.rt2.cache_argument import CACHE, OLD, cache_argument
from rt_vla_ros.policies.rt2.openvla.model import OpenVLAModel


class OfACheckpoint(nn.Module):
    def forward(self, input_ids: Any, past_key_values: Any = None) -> None: ...


def test_transformers_own_models_take_the_name_of_this_version() -> None:
    assert CACHE in inspect.signature(LlamaModel.forward).parameters
    with_cache = BaseModelOutputWithPast(**{CACHE: 1})  # type: ignore[arg-type]
    assert getattr(with_cache, CACHE) == 1


@pytest.mark.parametrize(("kind", "name"), [(LlamaModel, CACHE), (OpenVLAModel, CACHE), (OfACheckpoint, OLD)])
def test_a_model_gets_its_cache_under_the_right_argument_name(kind: type[nn.Module], name: str) -> None:
    assert cache_argument(kind.__new__(kind)) == name
