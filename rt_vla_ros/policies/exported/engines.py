"""What compiles the graphs of an exported policy: torch.onnx for onnxruntime, or AOTInductor to machine code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from rt_vla_ros.policies.exported import machine_code
from rt_vla_ros.policies.exported.aot_graph import AotGraph, target
from rt_vla_ros.policies.exported.compiled_graph import CompiledGraph, Signature
from rt_vla_ros.policies.exported.graph import OnnxGraph, providers
from rt_vla_ros.policies.exported.graph_source import GraphSource
from rt_vla_ros.policies.exported.to_aot import check_compiler, to_aot
from rt_vla_ros.policies.exported.to_onnx import check_installed, to_onnx


class Engine(Protocol):
    """Compiles graphs for an export.

    opset: ONNX opset, 0 for machine code. target: what the graphs depend on, empty if they run anywhere. packages: that
    write the graphs.
    """

    @property
    def opset(self) -> int: ...
    @property
    def target(self) -> dict[str, str]: ...
    @property
    def packages(self) -> tuple[str, ...]: ...

    def check(self) -> None:
        """Raises ImportError or ExportError, with instructions, if something needed for exporting is missing."""
        ...

    def compiled(self, name: str, source: GraphSource) -> bytes:
        """The content of a graph's file. Raises ExportError."""
        ...

    def opened(self, content: bytes, name: str, signature: Signature) -> CompiledGraph:
        """A graph that was compiled just now, on the CPU."""
        ...

    def finished(self, graphs: Iterable[bytes]) -> None:
        """Called before graphs are written that are the same as torch's. Raises OSError."""
        ...


@dataclass(frozen=True)
class OnnxEngine:
    """Implements Engine with onnxruntime."""

    opset: int
    packages = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")

    @property
    def target(self) -> dict[str, str]:
        """See Engine."""
        return {}

    def check(self) -> None:
        """See Engine."""
        check_installed()

    def compiled(self, name: str, source: GraphSource) -> bytes:
        """See Engine."""
        return to_onnx(name, source, self.opset)

    def opened(self, content: bytes, name: str, signature: Signature) -> OnnxGraph:
        """See Engine."""
        return OnnxGraph(content, name, providers("cpu"))

    def finished(self, graphs: Iterable[bytes]) -> None:
        """ONNX graphs are data: nothing to allow."""


@dataclass(frozen=True)
class AotEngine:
    """Implements Engine with AOTInductor."""

    opset = 0
    packages = ("torch", "transformers")

    @property
    def target(self) -> dict[str, str]:
        """See Engine."""
        return target()

    def check(self) -> None:
        """See Engine."""
        check_compiler()

    def compiled(self, name: str, source: GraphSource) -> bytes:
        """See Engine."""
        return to_aot(name, source)

    def opened(self, content: bytes, name: str, signature: Signature) -> AotGraph:
        """See Engine."""
        return AotGraph(content, name, signature)

    def finished(self, graphs: Iterable[bytes]) -> None:
        """Records the graphs as compiled here."""
        for content in graphs:
            machine_code.record(content)
