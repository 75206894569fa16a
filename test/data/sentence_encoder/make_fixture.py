"""Writes words.onnx beside this file with the real onnx library: text in, a vector of two numbers out.

pip install onnx && python test/data/sentence_encoder/make_fixture.py     # made with onnx 1.x, opset ml 2
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

PHRASES = {"pick up the red cube": 0.25, "open the drawer": -0.5}


def main() -> None:
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["text"],
            ["number"],
            domain="ai.onnx.ml",
            keys_strings=list(PHRASES),
            values_floats=list(PHRASES.values()),
            default_float=1.0,
        ),
        helper.make_node("Unsqueeze", ["number", "axis"], ["column"]),
        helper.make_node("Mul", ["column", "factors"], ["vector"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.array([[1.0, 2.0]], np.float32), "factors"),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", 2])],
        constants,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    checker.check_model(model)
    save(model, Path(__file__).with_name("words.onnx"))


if __name__ == "__main__":
    main()
