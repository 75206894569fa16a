"""Records a function of fixed-shape tensors as a CUDA graph and replays it: many small kernels in one launch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

RUNS_BEFORE = 3
"""Runs before recording, in which libraries initialize themselves (PyTorch's notes on CUDA graphs)."""


class RecordedCall:
    """Runs `function(**inputs)` on static buffers, into which the inputs of every call are copied.

    On a CUDA device the function is recorded as a CUDA graph and replayed from then on; it must not read tensor values
    on the host. On other devices it is called directly, on the same buffers.
    """

    def __init__(self, function: Callable[..., Tensor], inputs: Mapping[str, Tensor], *, record: bool) -> None:
        """inputs: of the first call; the buffers get their shapes and dtypes.

        Raises PyTorch's RuntimeError if the function cannot be recorded.
        """
        self._function = function
        self._buffers = {name: tensor.clone() for name, tensor in inputs.items()}
        self._graph: torch.cuda.CUDAGraph | None = None
        if record:
            with torch.cuda.device(next(iter(self._buffers.values())).device):
                self._record()

    def __call__(self, **inputs: Tensor) -> Tensor:
        """The function's output. It is overwritten by the next call."""
        for name, buffer in self._buffers.items():
            buffer.copy_(inputs[name], non_blocking=True)
        if self._graph is None:
            return self._function(**self._buffers)
        self._graph.replay()
        return self._output

    def _record(self) -> None:
        aside: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(RUNS_BEFORE):
                self._function(**self._buffers)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile; the default stream of a graph may belong to another device.
        with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            self._output = self._function(**self._buffers)
        self._graph = graph


def graphed(function: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Tensor], Tensor]:
    """Wraps a function so that it is recorded at the first call with each shape, then replayed; unchanged on a CPU.

    The output is overwritten by the next call with the same shape. Other tensors that the function reads must stay in
    place. If recording fails, the function is called directly from then on, and the reason is logged.
    """
    if device.type != "cuda":
        return function
    calls: dict[torch.Size, RecordedCall | None] = {}

    def call(x: Tensor) -> Tensor:
        if x.shape not in calls:
            try:
                calls[x.shape] = RecordedCall(lambda x: function(x), {"x": x.to(device)}, record=True)
            except RuntimeError as error:
                logger.warning("A step continues without CUDA graphs: %s", str(error).strip().splitlines()[0])
                calls[x.shape] = None
        recorded = calls[x.shape]
        return function(x.to(device)) if recorded is None else recorded(x=x)

    return call
