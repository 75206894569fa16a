"""A compiled graph, whatever runs it: onnxruntime (graph.py) or machine code from AOTInductor (aot_graph.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray


class CompiledGraph(Protocol):
    """One graph, on the CPU or a device; its inputs and outputs are arrays on the CPU."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, in order. Inputs that the graph does not have are ignored."""
        ...
