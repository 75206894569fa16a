"""What is recorded, how often and onto which buffers; the GPU's part is played by a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from rt_vla_ros.policies import recorded_call
from rt_vla_ros.policies.recorded_call import RUNS_BEFORE, RecordedCall


class Log:
    """Which addresses the function was given, and in which phase."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []
        self.phase = "plain"

    def function(self, a: Tensor, b: Tensor) -> Tensor:
        self.calls.append((self.phase, a.data_ptr(), b.data_ptr()))
        return a + b


def test_without_a_gpu_the_function_runs_on_the_same_buffers_each_time() -> None:
    log = Log()
    call = RecordedCall(log.function, {"a": torch.zeros(3), "b": torch.ones(3)}, record=False)
    for i in range(3):
        assert call(a=torch.full((3,), float(i)), b=torch.full((3,), 2.0)).tolist() == [i + 2.0] * 3
    assert len(log.calls) == 3
    assert len(set(log.calls)) == 1


class StandIn:
    """As much of torch.cuda as a recording takes; a replay does what was recorded, with what is in the buffers."""

    def __init__(self, log: Log) -> None:
        self.log, self.recorded = log, list[Any]()
        self.device = self.stream = lambda _: nullcontext()
        self.replays = 0

    class Stream:
        def wait_stream(self, other: object) -> None:
            assert isinstance(other, StandIn.Stream)

    def current_stream(self) -> Any:
        return self.Stream()

    def CUDAGraph(self) -> Any:
        return self

    @contextmanager
    def graph(self, graph: object, *, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert graph is self
        assert isinstance(stream, StandIn.Stream)
        assert capture_error_mode == "thread_local"
        self.log.phase = "recorded"
        yield
        self.log.phase = "after"

    def replay(self) -> None:
        self.replays += 1


def test_on_a_gpu_it_runs_before_is_recorded_once_and_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    gpu = StandIn(log)
    monkeypatch.setattr(recorded_call.torch, "cuda", gpu)
    call = RecordedCall(log.function, {"a": torch.zeros(3), "b": torch.ones(3)}, record=True)
    assert [phase for phase, _, _ in log.calls] == ["plain"] * RUNS_BEFORE + ["recorded"]
    assert len({(a, b) for _, a, b in log.calls}) == 1
    outputs = [call(a=torch.full((3,), float(i)), b=torch.ones(3)) for i in range(3)]
    assert gpu.replays == 3
    assert len(log.calls) == RUNS_BEFORE + 1  # the function itself is not run any more
    assert outputs[0] is outputs[1] is outputs[2]  # the place that the graph writes to
    buffers = call._buffers
    assert buffers["a"].tolist() == [2.0] * 3  # what the graph reads is what was given
    assert (buffers["a"].data_ptr(), buffers["b"].data_ptr()) == log.calls[-1][1:]


class OnTheGPU(torch.Tensor):
    """A tensor for which there is a GPU."""

    def to(self, *_: Any, **__: Any) -> OnTheGPU:  # type: ignore[override]
        return self


def test_an_unrecordable_function_is_run_directly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def cannot(*_: object, **__: object) -> None:
        tried.append(1)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(recorded_call, "RecordedCall", cannot)
    call = recorded_call.graphed(lambda x: 2 * x, torch.device("cuda"))
    for value in (1.0, 3.0):
        assert float(call(torch.full((1,), value).as_subclass(OnTheGPU))) == 2 * value
    assert tried == [1], "recording is tried once a shape"
    assert "continues without CUDA graphs: CUDA error: operation not permitted when stream is capturing" in caplog.text
    assert "more" not in caplog.text
