"""The token tables of an exported RT-2: what is in the file is checked before anything is built from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.exported.rt2 import read_tables

TABLE = torch.arange(12.0).reshape(4, 3)
FILE = Path("tables.safetensors")


@pytest.mark.parametrize("others", [{}, {"head": TABLE + 1}, {"head": TABLE + 1, "head_bias": torch.ones(4)}])
def test_tables_are_read_as_they_were_written(others: dict[str, Tensor]) -> None:
    written = {"embeddings": TABLE, **others}
    found = read_tables(FILE, save(written))
    assert found.keys() == written.keys()
    assert all(torch.equal(found[name], written[name]) for name in written)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 64, save({"embeddings": TABLE})[:-4]])
def test_tables_in_another_format_or_cut_short_are_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"^tables\.safetensors is not a safetensors file: "):
        read_tables(FILE, content)


@pytest.mark.parametrize(
    "tensors",
    [
        {"head": TABLE},
        {"embeddings": TABLE[0]},
        {"embeddings": TABLE, "head": TABLE[:2].clone()},
        {"embeddings": TABLE, "head_bias": torch.ones(3)},
        {"embeddings": TABLE, "other": TABLE},
    ],
)
def test_tables_of_other_names_or_shapes_are_refused(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"has tensors of the shapes .*Export the policy again"):
        read_tables(FILE, save({name: one.contiguous().clone() for name, one in tensors.items()}))
