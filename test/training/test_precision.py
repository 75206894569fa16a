from __future__ import annotations

import pytest
import torch

from rt_vla_ros.training import precision
from rt_vla_ros.training.precision import in_bfloat16

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("has", [True, False])
def test_automatic_precision_is_what_the_device_is_made_for(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has)
    assert in_bfloat16("auto", GPU)
    assert in_bfloat16("auto", CPU) is has
    assert in_bfloat16("bfloat16", CPU)
    assert not in_bfloat16("float32", GPU)


def test_a_cpu_is_asked_and_a_torch_without_the_question_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert precision.cpu_has_bfloat16()
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert not precision.cpu_has_bfloat16()
