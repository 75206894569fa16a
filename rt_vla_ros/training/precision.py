"""Selects the precision of training."""

from __future__ import annotations

import torch

AUTO, BFLOAT16, FLOAT32 = "auto", "bfloat16", "float32"
PRECISIONS = (AUTO, BFLOAT16, FLOAT32)


def in_bfloat16(precision: str, device: torch.device) -> bool:
    """precision: one of PRECISIONS; auto is bfloat16 on a GPU and on CPUs with native support."""
    if precision == AUTO:
        return device.type != "cpu" or cpu_has_bfloat16()
    return precision == BFLOAT16


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them, bfloat16 is slower than float32."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private to torch: absent in other versions
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in questions)
