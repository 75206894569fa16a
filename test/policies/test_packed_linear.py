"""Packed linear layers give what plain ones give, and what cannot be packed is left alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from rt_vla_ros.policies import packed_linear
from rt_vla_ros.policies.packed_linear import TOLERANCE, PackedLinear, can_pack, pack_linears


@pytest.mark.parametrize("shape", [(1, 1, 96), (1, 2, 96), (1, 24, 96), (2, 283, 96), (3, 96)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_a_packed_layer_gives_what_the_plain_one_gives(shape: tuple[int, ...], bias: bool) -> None:
    linear = nn.Linear(96, 160, bias=bias)
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    expected, found = linear(rows), PackedLinear(linear)(rows)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= TOLERANCE * float(expected.abs().max())
    columns = rows.transpose(0, -2).contiguous().transpose(0, -2)  # as attention leaves them: not contiguous
    assert torch.equal(PackedLinear(linear)(columns), found)


class Own(nn.Linear):
    """A layer that does more than its base class."""


def model() -> nn.Module:
    inner = nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 8).to(torch.bfloat16), "own": Own(8, 8)})
    return nn.ModuleDict({"inner": inner, "head": nn.Linear(8, 4)})


def test_only_plain_float32_layers_are_packed() -> None:
    found: Any = model()
    assert pack_linears(found, but=found["head"]) == 1
    assert isinstance(found["inner"]["a"], PackedLinear)
    assert type(found["inner"]["b"]) is nn.Linear
    assert type(found["inner"]["own"]) is Own
    assert type(found["head"]) is nn.Linear
    assert pack_linears(found, but=found["head"]) == 0  # a second policy of the same model


def test_without_packing_support_the_model_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_pack()
    before = model()
    after = copy.deepcopy(before)
    for operations in (object(), _Wrong()):
        monkeypatch.setattr(packed_linear, "_operations", lambda operations=operations: operations)
        assert not can_pack()
        assert pack_linears(after) == 0
    assert repr(after) == repr(before)


class _Wrong:
    """Operations of another PyTorch, which give something else."""

    def _reorder_linear_weight(self, weight: torch.Tensor) -> torch.Tensor:
        return weight

    def _linear_pointwise(self, rows: torch.Tensor, weight: torch.Tensor, *_: object) -> torch.Tensor:
        return rows @ weight.T * 1.001
