"""int8 graphs by onnxruntime's own tool (onnxruntime.quantization).

Of the graph of images the convolutions are computed in 8 bits, with ranges measured on images (static); TokenLearner,
FiLM and the shortcuts between them stay in float32. Of the transformer the products are, with ranges that are measured
at every step (dynamic), for the rows of a transformer differ more than those of a picture.
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
from rt_vla_ros.policies.exported.rt1 import FRAME, WINDOW
from rt_vla_ros.policies.exported.to_onnx import ExportError
from rt_vla_ros.policies.policy import Policy

Watch = Callable[[Policy], object]
"""Runs a policy on its calibration data."""
MOST_IMAGES = 128
"""Of a calibration, spread evenly over those that were seen."""


class ImageRecorder:
    """Keeps what the graph of images gets while a policy acts."""

    def __init__(self) -> None:
        self._seen: list[Arrays] = []

    def __call__(self, name: str, inputs: Arrays) -> None:
        """As an ExportedSteps' `record`."""
        if name == FRAME:
            self._seen.append({key: np.array(value) for key, value in inputs.items()})

    def chosen(self) -> list[Arrays]:
        """MOST_IMAGES at most. Raises ExportError for none."""
        if not self._seen:
            raise ExportError("The calibration has no images; give a dataset or a suite with episodes.")
        return [self._seen[number] for number in np.unique(np.linspace(0, len(self._seen) - 1, MOST_IMAGES, dtype=int))]


class _Images:
    """Implements onnxruntime's CalibrationDataReader."""

    def __init__(self, images: Sequence[Arrays]) -> None:
        self._left: Iterator[Arrays] = iter(images)

    def get_next(self) -> Arrays | None:
        """The next inputs; None behind the last."""
        return next(self._left, None)


def quantized(graphs: dict[str, bytes], images: Sequence[Arrays]) -> dict[str, bytes]:
    """The graphs that have 8 bits, by their names. images: inputs of the graph of images. Raises ExportError."""
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
            except Exception as error:  # a tool with no errors of its own
                raise ExportError(f"onnxruntime cannot quantize {name}: {first_line(error)}") from error
            found[name] = made.read_bytes()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Context that suppresses the tool's warnings, which are about preprocessing that is done here."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
