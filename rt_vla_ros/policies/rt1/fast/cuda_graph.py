"""Functions of one tensor as CUDA graphs: launched as one piece, without the host's time per kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP_RUNS = 3
Function = Callable[[Tensor], Tensor]


def graphed(function: Function, device: torch.device) -> Function:
    """A function that records a graph at the first call with a shape, then replays it; on a CPU the function itself.

    What a replay returns is overwritten by the next one with the same shape: copy it to keep it. Other tensors that the
    function reads must keep their place in memory, and it must not bring any from the host once it has run.
    """
    return function if device.type != "cuda" else _Graphed(function, device)


class _Graphed:
    def __init__(self, function: Function, device: torch.device) -> None:
        self._function, self._device = function, device
        self._graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape)
        if shape not in self._graphs:
            self._graphs[shape] = self._record(x.to(self._device))
        graph, given, result = self._graphs[shape]
        given.copy_(x, non_blocking=True)
        graph.replay()
        return result

    def _record(self, x: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = x.clone()
        side: torch.cuda.Stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                self._function(given)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):  # its own default stream lies on the current device
            result = self._function(given)
        return graph, given, result
