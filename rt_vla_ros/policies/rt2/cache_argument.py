"""The argument name of a model's KV cache: `cache` from transformers 5.24 on, `past_key_values` before."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache

from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast

OLD = "past_key_values"
CACHE = "cache" if "cache" in {one.name for one in fields(BaseModelOutputWithPast)} else OLD
"""The name in outputs, and in the arguments of transformers' own models."""


def cache_argument(module: nn.Module) -> str:
    """The name that a model's `forward` uses; a checkpoint's own code may still use the old one."""
    return _taken_by(type(module).forward)


@lru_cache
def _taken_by(forward: Callable[..., object]) -> str:
    return OLD if OLD in inspect.signature(forward).parameters else CACHE
