"""Exports modules to ONNX with torch.onnx."""

from __future__ import annotations

from typing import Any

import torch

from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.exported.graph_source import ExportError, GraphSource, dynamic_shapes, quiet
from rt_vla_ros.policies.exported.manifest import LARGEST_GRAPH

INSTALL = "Exporting to ONNX needs onnx, onnxscript and onnxruntime: pip install 'rt_vla_ros[export]'."
OPSET, OLDEST_OPSET = 20, 18
"""ONNX opsets: 20 covers RT-1 and is supported by onnxruntime from 1.17; 18 is the lowest that torch writes."""


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

    try:
        with quiet():
            program: Any = torch.onnx.export(
                source.module.eval(),
                kwargs=dict(source.inputs),
                dynamo=True,
                dynamic_shapes=dynamic_shapes(source),
                opset_version=opset,
                input_names=list(source.input_names),
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
    _check_axes(name, source, model)
    written = next(one.version for one in model.opset_import if not one.domain)
    if written != opset:
        raise ExportError(
            f"{name} cannot be written in ONNX opset {opset}, torch chose {written}; use --opset {written}."
        )
    _strip(model.graph)
    return bytes(model.SerializeToString())


def _check_axes(name: str, source: GraphSource, model: Any) -> None:
    """Raises ExportError if an axis that should be dynamic was exported with a fixed length."""
    found = {one.name: one.type.tensor_type.shape.dim for one in model.graph.input}
    for one, key in source.input_names.items():
        for axis, called in source.axes.get(key, {}).items():
            if one in found and not found[one][axis].dim_param:
                raise ExportError(f"torch {torch.__version__} has exported {name} with a fixed number of {called}.")


def _strip(graph: Any) -> None:
    """Removes the exporter's notes, with paths of this machine, so that the same network gives the same file."""
    for one in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del one.metadata_props[:]
        one.doc_string = ""
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
                _strip(inner)
