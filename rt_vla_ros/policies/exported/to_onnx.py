"""Exports modules to ONNX with torch.onnx."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.exported.manifest import LARGEST_GRAPH

INSTALL = "Exporting to ONNX needs onnx, onnxscript and onnxruntime: pip install 'rt_vla_ros[export]'."
OPSET, OLDEST_OPSET = 20, 18
"""ONNX opsets: 20 covers RT-1 and is supported by onnxruntime from 1.17; 18 is the lowest that torch writes."""
ROBOTS = "robots"
"""The axis of the robots that are decided for together."""
LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class ExportError(ValueError):
    """The policy cannot be exported; the message says why."""


@dataclass(frozen=True)
class GraphSource:
    """A module to export. inputs: example inputs by the argument names of `forward`. several: whether the first axis of
    inputs and outputs is dynamic."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    several: bool = True


def check_installed() -> None:
    """Raises ImportError, with instructions, if a package needed for exporting is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(INSTALL) from error


@torch.no_grad()
def to_onnx(name: str, source: GraphSource, opset: int) -> bytes:
    """The content of a .onnx file. Raises ExportError."""
    import onnx

    robots = torch.export.Dim(ROBOTS, min=1, max=1 << 16)
    shapes: Any = {key: {0: robots} for key in source.inputs} if source.several else None
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                source.module.eval(),
                kwargs=dict(source.inputs),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=opset,
                input_names=list(source.inputs),
                output_names=list(source.outputs),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises anything
        raise ExportError(f"torch {torch.__version__} cannot export {name}: {first_line(error)}") from error
    model: onnx.ModelProto = program.model_proto
    if model.ByteSize() > LARGEST_GRAPH:
        raise ExportError(
            f"The graph {name} has {model.ByteSize() / 1e9:.1f} GB, an ONNX file has at most "
            f"{LARGEST_GRAPH / 1e9:.1f} GB; run larger policies on a server (rt-vla serve)."
        )
    lengths = {one.name: one.type.tensor_type.shape.dim[0].dim_param for one in model.graph.input}
    if source.several and not all(lengths.values()):
        raise ExportError(f"torch {torch.__version__} has exported {name} with a fixed number of robots.")
    written = next(one.version for one in model.opset_import if not one.domain)
    if written != opset:
        raise ExportError(
            f"{name} cannot be written in ONNX opset {opset}, torch chose {written}; use --opset {written}."
        )
    return bytes(model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
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
