"""Runs an ONNX graph with onnxruntime, with the same number of threads as torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line

Arrays = dict[str, NDArray[Any]]
Provider = tuple[str, dict[str, Any]]

INSTALL = "Policies in ONNX need onnxruntime: pip install 'rt_vla_ros[onnx]'."
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
KINDS = {"cpu": (CPU,), "cuda": (CUDA, CPU), "tensorrt": (TENSORRT, CUDA, CPU)}
"""onnxruntime's execution providers for each kind of device; the later ones run what the first cannot."""
FATAL = 4
"""Lowest severity of the messages that onnxruntime prints: errors are raised, so they need not be printed as well."""


def runtime() -> Any:
    """The module onnxruntime. Raises ImportError, with instructions, if it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(INSTALL) from error
    return onnxruntime


def providers(device: str) -> list[Provider]:
    """Execution providers of a device.

    device: "auto" (a GPU if this onnxruntime has one), "cpu", "cuda", "cuda:1", "tensorrt" ...
    Raises ValueError for a device that this onnxruntime does not support, ImportError without onnxruntime.
    """
    there = runtime().get_available_providers()
    kind, _, number = device.partition(":")
    if device == "auto":
        kind = "cuda" if CUDA in there else "cpu"
    if kind not in KINDS or (number and (kind == "cpu" or not number.isdecimal())):
        raise ValueError(
            f"There is no device {device!r} for an ONNX policy; expected auto, cpu, cuda, cuda:N or tensorrt."
        )
    wanted = KINDS[kind]
    if wanted[0] not in there:
        raise ValueError(
            f"The device {device!r} is not available: this onnxruntime has {', '.join(there)} and no {wanted[0]}. "
            "Install onnxruntime-gpu in place of onnxruntime, or NVIDIA's own build on a Jetson, or use cpu or auto."
        )
    chosen = {} if kind == "cpu" else {"device_id": int(number or 0)}
    return [(name, {} if name == CPU else chosen) for name in wanted if name in there]


class OnnxGraph:
    """One graph. Its session is recreated when torch's number of threads changes: both use the same number."""

    def __init__(self, content: bytes, where: str, chosen: Sequence[Provider]) -> None:
        """content: of the .onnx file. where: its path, for messages. chosen: see providers. Raises CheckpointError."""
        self._content, self._where, self._providers = content, where, chosen
        self._session: Any = self._open()
        self.inputs: dict[str, list[int | str]] = {one.name: list(one.shape) for one in self._session.get_inputs()}
        """Shapes of the inputs by their names; dynamic axes have names."""
        self.outputs: list[str] = [one.name for one in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs, in order. Inputs that the graph does not have are ignored."""
        if torch.get_num_threads() != self._threads:
            self._session = self._open()
        return [np.asarray(x) for x in self._session.run(None, {k: x for k, x in inputs.items() if k in self.inputs})]

    def _open(self) -> Any:
        """A session with torch's current number of threads."""
        onnxruntime, settings = runtime(), runtime().SessionOptions()
        self._threads = torch.get_num_threads()
        settings.intra_op_num_threads, settings.log_severity_level = self._threads, FATAL
        # Idle threads sleep instead of spinning, as torch's do here: see policies.threads.wait_passively.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session: Any = onnxruntime.InferenceSession(self._content, settings, providers=list(self._providers))
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise CheckpointError(
                f"{self._where} cannot be loaded by onnxruntime {onnxruntime.__version__}: {first_line(error)} If it "
                "uses a newer version of ONNX, update onnxruntime, or export the policy again with an older --opset."
            ) from error
        asked = self._providers[0][0]
        if session.get_providers()[0] != asked:
            raise ValueError(
                f"onnxruntime has {asked} but cannot use it on this machine: its libraries (CUDA, cuDNN, TensorRT) or "
                "the GPU are missing. Use cpu, or install the libraries."
            )
        return session
