"""A module to export, with example inputs and its dynamic axes, for any compiler."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.exported.compiled_graph import Signature

ROBOTS = "robots"
"""The axis of the robots that are decided for together."""
DERIVED = "derived"
"""An axis whose length follows from the others."""
LONGEST_AXIS = 1 << 16
Axes = Mapping[str, Mapping[int, str]]
LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class ExportError(ValueError):
    """The policy cannot be exported; the message says why."""


@dataclass(frozen=True)
class GraphSource:
    """A module to export. inputs: example inputs by the argument names of `forward`, tensors or lists of tensors.

    axes: names of the dynamic axes by input and axis; those of a list are the same for all its tensors. Axes of the
    same name have the same length, which must not be 1 in the example inputs. empty: names of axes that may have the
    length 0.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor | Sequence[Tensor]]
    outputs: tuple[str, ...]
    axes: Axes = field(default_factory=dict)
    empty: tuple[str, ...] = ()

    @property
    def input_names(self) -> dict[str, str]:
        """The graph's inputs in order, with the argument of each; those of a list are numbered, such as past_0."""
        each = {name: 0 if isinstance(given, Tensor) else len(given) for name, given in self.inputs.items()}
        return {
            one: name
            for name, count in each.items()
            for one in ([f"{name}_{i}" for i in range(count)] if count else [name])
        }

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs."""
        shapes = dict[str, list[int | str]]()
        for name, argument in self.input_names.items():
            given, axes = self.inputs[argument], self.axes.get(argument, {})
            example = given if isinstance(given, Tensor) else given[0]
            shapes[name] = [axes.get(axis, length) for axis, length in enumerate(example.shape)]
        return Signature(shapes, list(self.outputs))


def robots_axes(inputs: Mapping[str, Tensor]) -> Axes:
    """The axes of inputs whose first axis is that of the robots."""
    return {name: {0: ROBOTS} for name in inputs}


def dynamic_shapes(source: GraphSource) -> Any:
    """The dynamic axes in the form of torch.export; None without any."""
    if not source.axes:
        return None
    names = {one for axes in source.axes.values() for one in axes.values()} - {DERIVED}
    lengths: dict[str, Any] = {DERIVED: torch.export.Dim.AUTO}
    for one in sorted(names):
        lengths[one] = torch.export.Dim(one, min=0 if one in source.empty else 1, max=LONGEST_AXIS)
    each = {key: {axis: lengths[one] for axis, one in source.axes.get(key, {}).items()} for key in source.inputs}
    given = source.inputs
    return {key: one if isinstance(given[key], Tensor) else [one] * len(given[key]) for key, one in each.items()}


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the progress output of torch's exporter; errors are still raised."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
