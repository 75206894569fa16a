"""Where onnxruntime runs, and what is said where it cannot."""

from __future__ import annotations

import sys

import onnxruntime
import pytest

from rt_vla_ros.policies.exported.graph import providers


def test_auto_uses_a_gpu_only_if_onnxruntime_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert providers("auto") == providers("cpu") == [("CPUExecutionProvider", {})]
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    assert providers("auto") == [("CUDAExecutionProvider", {"device_id": 0}), ("CPUExecutionProvider", {})]
    assert [name for name, _ in providers("tensorrt:1")] == both
    assert providers("cuda:1")[0] == ("CUDAExecutionProvider", {"device_id": 1})


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda", "The device 'cuda' is not available: this onnxruntime has CPUExecutionProvider and no CUDAExecution"),
        ("tensorrt", "no TensorrtExecutionProvider. Install onnxruntime-gpu"),
        ("mps", "There is no device 'mps' for an ONNX policy; expected auto, cpu, cuda, cuda:N or tensorrt."),
        ("cpu:1", "There is no device 'cpu:1'"),
        ("cuda:x", "There is no device 'cuda:x'"),
    ],
)
def test_an_unavailable_device_is_refused(device: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ValueError, match=sentence):
        providers(device)


def test_without_onnxruntime_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'rt_vla_ros\[onnx\]'"):
        providers("auto")
