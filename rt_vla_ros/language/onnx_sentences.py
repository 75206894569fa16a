"""A sentence encoder in ONNX with text input, such as an exported Universal Sentence Encoder (RT-1's)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.language.encoder import checked

INSTALL = "Encoders in ONNX need onnxruntime: pip install 'rt_vla_ros[onnx]'."


class OnnxSentences:
    """Instruction -> vector, float32 (size,), by a network with one input of strings (N,) and vectors (N, size) out.

    USE's text operators need the package onnxruntime-extensions, which is used if installed.
    """

    def __init__(self, path: Path) -> None:
        """Raises ValueError for an unusable file, and ImportError without onnxruntime."""
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(INSTALL) from error
        settings = onnxruntime.SessionOptions()
        try:
            from onnxruntime_extensions import get_library_path

            settings.register_custom_ops_library(get_library_path())
        except ImportError:
            pass  # a network of standard operators needs none
        try:
            self._session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ValueError(f"{path} cannot be loaded as an ONNX network: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(string)":
            kinds = ", ".join(f"{i.name}: {i.type}" for i in inputs)
            raise ValueError(
                f"{path} takes ({kinds}), expected one tensor of strings: the encoder must tokenize itself."
            )
        self._input = inputs[0].name

    def encode(self, instruction: str) -> NDArray[np.float32]:
        """Raises InstructionError, and ValueError if the network's output is not one vector."""
        output = np.asarray(self._session.run(None, {self._input: np.array([checked(instruction)], dtype=object)})[0])
        if output.ndim != 2 or len(output) != 1 or not np.isfinite(output).all():
            raise ValueError(
                f"The encoder returned an array of shape {output.shape}, expected (1, size) of finite numbers."
            )
        vector: NDArray[np.float32] = output[0].astype(np.float32)
        return vector
