"""What a model calls its cache: transformers says `cache` from 5.24 on, and `past_key_values` before."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache

from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast

OLD = "past_key_values"
CACHE = "cache" if "cache" in {one.name for one in fields(BaseModelOutputWithPast)} else OLD
"""In outputs, and in the arguments of transformers' own models."""


def cache_argument(module: nn.Module) -> str:
    """Of a model's `forward`; code that comes with a checkpoint may still have the old one."""
    return _taken_by(type(module).forward)


@lru_cache
def _taken_by(forward: Callable[..., object]) -> str:
    return OLD if OLD in inspect.signature(forward).parameters else CACHE
