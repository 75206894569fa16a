"""Quantizes graphs to int8 with onnxruntime.quantization.

In the image graph, the convolutions are quantized statically, with ranges measured on calibration images; TokenLearner,
FiLM and the shortcuts between them stay in float32. In the transformer, the matrix products are quantized dynamically,
with ranges computed at every step, because activations vary more between the rows of a transformer than between images.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.exported.graph import Arrays
from rt_vla_ros.policies.exported.graph_source import ExportError
from rt_vla_ros.policies.exported.rt1 import FRAME, WINDOW
from rt_vla_ros.policies.policy import Policy

Watch = Callable[[Policy], object]
"""Runs a policy on its calibration data."""
MOST_IMAGES = 128
"""Most images of a calibration, spread evenly over the recorded ones."""


class ImageRecorder:
    """Records the inputs of the image graph while a policy acts."""

    def __init__(self) -> None:
        self._seen: list[Arrays] = []

    def __call__(self, name: str, inputs: Arrays) -> None:
        """The `record` callback of ExportedSteps."""
        if name == FRAME:
            self._seen.append({key: np.array(value) for key, value in inputs.items()})

    def chosen(self) -> list[Arrays]:
        """At most MOST_IMAGES of the recorded inputs. Raises ExportError if there are none."""
        if not self._seen:
            raise ExportError("The calibration has no images; give a dataset or a suite with episodes.")
        return [self._seen[number] for number in np.unique(np.linspace(0, len(self._seen) - 1, MOST_IMAGES, dtype=int))]


class _Images:
    """Implements onnxruntime's CalibrationDataReader."""

    def __init__(self, images: Sequence[Arrays]) -> None:
        self._left: Iterator[Arrays] = iter(images)

    def get_next(self) -> Arrays | None:
        """The next inputs; None after the last."""
        return next(self._left, None)


def quantized(graphs: dict[str, bytes], images: Sequence[Arrays]) -> dict[str, bytes]:
    """The quantized graphs by their names. images: inputs of the image graph. Raises ExportError."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    found = {}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, prepared, made = (Path(folder) / f"{name}.onnx" for name in ("given", "prepared", "made"))
        for name in (FRAME, WINDOW):
            given.write_bytes(graphs[name])
            try:
                quant_pre_process(given, prepared)
                if name == FRAME:
                    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
                    options = {**kinds, "quant_format": QuantFormat.QDQ, "per_channel": True}
                    quantize_static(prepared, made, _Images(images), op_types_to_quantize=["Conv"], **options)
                else:
                    products = ["MatMul", "Gemm"]
                    quantize_dynamic(prepared, made, products, per_channel=True, weight_type=QuantType.QInt8)
            except Exception as error:  # the tool has no exception class
                raise ExportError(f"onnxruntime cannot quantize {name}: {first_line(error)}") from error
            found[name] = made.read_bytes()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses the tool's warnings about preprocessing, which is done here."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
