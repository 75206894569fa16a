"""Stops a network in the making that is larger than its weights."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

TIMES = 4
"""A stored tensor may become several parameters; one counts again when it is tied, and when it gets its values."""
SPARE_PARTS, SPARE_NUMBERS = 10_000, 1 << 24
"""What a network may have besides: modules without weights, tables of positions."""


@contextmanager
def no_larger_than(
    shapes: Iterable[tuple[int, ...]], failure: type[Exception], config: str = "config.json"
) -> Iterator[None]:
    """Within, this thread's networks may have as many weights as there are in a checkpoint, and not many more.

    shapes: of all its tensors. config: where the network is described. Make it on the meta device, where a parameter
    takes no memory.
    Raises `failure`, with a sentence, as soon as it is larger: its configuration is of another model.
    """
    stored = [prod(shape) for shape in shapes]
    most_parts, most_numbers = TIMES * len(stored) + SPARE_PARTS, TIMES * sum(stored) + SPARE_NUMBERS
    thread, parts, numbers = threading.get_ident(), 0, 0

    def count(_module: nn.Module, name: str, part: Tensor | nn.Module | None) -> None:
        nonlocal parts, numbers
        if threading.get_ident() != thread:
            return
        parts += 1
        numbers += part.numel() if isinstance(part, Tensor) else 0
        if parts > most_parts or numbers > most_numbers:
            raise failure(
                f"{config} describes a larger model than the weights are: they are {len(stored):,} tensors with "
                f"{sum(stored):,} numbers, and {name!r} would be beyond them. The two files do not belong together."
            )

    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
        register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
