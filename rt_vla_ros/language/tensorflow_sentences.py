"""The Universal Sentence Encoder as published, a TensorFlow SavedModel; needs TensorFlow."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.language.encoder import checked


class TensorflowSentences:
    """Instruction -> vector, float32 (size,). For computing a table, so that the robot needs no TensorFlow."""

    def __init__(self, folder: Path) -> None:
        """Raises ImportError without TensorFlow, and ValueError for an unusable folder."""
        try:
            tensorflow: Any = importlib.import_module("tensorflow")
        except ImportError as error:
            raise ImportError(
                f"{folder} is a TensorFlow SavedModel, but TensorFlow is not installed. Compute the table where it "
                "is (pip install tensorflow-cpu), or use an encoder in ONNX."
            ) from error
        try:
            self._model = tensorflow.saved_model.load(str(folder))
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} cannot be loaded as a SavedModel: {error}") from error

    def encode(self, instruction: str) -> NDArray[np.float32]:
        """Raises InstructionError, and ValueError if the network's output is not one vector."""
        output = np.asarray(self._model([checked(instruction)]))
        if output.ndim != 2 or len(output) != 1:
            raise ValueError(f"The encoder returned an array of shape {output.shape}, expected (1, size).")
        vector: NDArray[np.float32] = output[0].astype(np.float32)
        return vector
