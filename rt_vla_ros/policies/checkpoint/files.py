"""The files of a checkpoint by their names, and how the progress of loading is reported."""

from __future__ import annotations

from collections.abc import Callable

CONFIG_FILE, WEIGHTS_FILE, RT2_CONFIG_FILE = "config.json", "model.safetensors", "rt2_config.json"
ADAPTER_CONFIG = "adapter_config.json"
RT1_ONNX = "rt1_onnx"
EXPORTED = (RT1_ONNX,)
"""The model_type of policies that `rt-vla export` has written."""
LEROBOT_VLA0 = ("vla0", "vla0_smol")
"""Types of LeRobot's policies that are VLA-0-Smol."""

Tell = Callable[[str], None]


def say_nothing(_sentence: str) -> None:
    """For callers that do not show progress."""
