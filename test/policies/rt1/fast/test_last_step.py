from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rt_vla_ros.policies.rt1.fast import last_step as module
from rt_vla_ros.policies.rt1.fast.last_step import causal_attention


def made(rows: int, keys: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows + keys)
    query = torch.randn(2, rows, 3, 16, generator=generator)
    key, value = torch.randn(2, 2, keys, 3, 16, generator=generator)
    return query.to(dtype), key.to(dtype), value.to(dtype)


def expected(query: Tensor, key: Tensor, value: Tensor, first: int) -> Tensor:
    mask = torch.arange(first, first + query.shape[1])[:, None] >= torch.arange(key.shape[1])[None, :]
    query, key, value = (x.float().transpose(1, 2) for x in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize("block", [4, 256])
@pytest.mark.parametrize("first", [0, 5, 12, 15])
def test_every_row_sees_the_keys_up_to_its_own(first: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one block and in several, and rows after the last key."""
    monkeypatch.setattr(module, "BLOCK", block)
    query, key, value = made(16 - first, 13)
    got = causal_attention(query, key, value, first)
    torch.testing.assert_close(got, expected(query, key, value, first))


def test_in_bfloat16() -> None:
    query, key, value = made(300, 290, torch.bfloat16)
    got = causal_attention(query, key, value)
    assert got.dtype == torch.bfloat16
    assert (got.float() - expected(query, key, value, 0)).abs().max() < 0.03


@pytest.mark.parametrize("first", [0, 12])
def test_as_a_gpu_computes_it(first: int) -> None:
    query, key, value = made(16 - first, 13)
    torch.testing.assert_close(module._fused(query, key, value, first), expected(query, key, value, first))
