"""A compiled graph, whatever runs it: onnxruntime (graph.py) or machine code from AOTInductor (aot_graph.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from rt_vla_ros.json_file import build, checked_keys
from rt_vla_ros.policies.checkpoint.errors import CheckpointError


@dataclass(frozen=True)
class Signature:
    """inputs: shapes of the inputs by their names, in order; dynamic axes have names. outputs: names, in order."""

    inputs: Mapping[str, list[int | str]]
    outputs: list[str]

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self)

    @classmethod
    def of(cls, data: Any, where: str) -> Signature:
        """From the content of a JSON file. where: for the message. Raises CheckpointError."""
        if not isinstance(data, dict):
            raise CheckpointError(f"{where} lacks the inputs and outputs of a graph; export the policy again.")
        return build(cls, checked_keys(cls, data, where, CheckpointError, optional=()), CheckpointError)


class CompiledGraph(Protocol):
    """One graph, on the CPU or a device; its inputs and outputs are arrays on the CPU.

    inputs, outputs: see Signature.
    """

    @property
    def inputs(self) -> Mapping[str, list[int | str]]: ...
    @property
    def outputs(self) -> list[str]: ...

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, in order. Inputs that the graph does not have are ignored."""
        ...
