"""What a part of the selftest is given and what it answers."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Machine:
    """device: what everything runs on."""

    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return self.device.type == "cuda"

    @property
    def name(self) -> str:
        """The GPU's name as its driver tells it, or the kind of CPU."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else f"CPU ({platform.machine()})"


@dataclass(frozen=True)
class Found:
    """What a part that passed has to say: a sentence, figures for the results file, and a table for people."""

    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""


class FailedError(Exception):
    """A criterion does not hold; the message says which, what was measured and what was expected."""

    def __init__(self, sentence: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.figures = dict(figures or {})


class SkippedError(Exception):
    """The part makes no sense on this machine; the message says why."""


@dataclass(frozen=True)
class Part:
    """name: words with hyphens, the subject first. run: raises FailedError, SkippedError, or whatever goes wrong.

    gpu_only: skipped on a CPU.
    """

    name: str
    summary: str
    run: Callable[[Machine], Found]
    gpu_only: bool = False


@contextmanager
def exact_float32() -> Iterator[None]:
    """Within, float32 on a GPU is not shortened to TF32, which torch does in convolutions by default."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])
