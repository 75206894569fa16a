"""File names of checkpoints, and the callback that reports the progress of loading."""

from __future__ import annotations

from collections.abc import Callable

CONFIG_FILE, WEIGHTS_FILE, RT2_CONFIG_FILE = "config.json", "model.safetensors", "rt2_config.json"
ADAPTER_CONFIG = "adapter_config.json"
ENGINE_FILE = "engine.json"
RT1_ONNX, RT2_ONNX, RT1_AOT, RT2_AOT = EXPORTED = ("rt1_onnx", "rt2_onnx", "rt1_aot", "rt2_aot")
"""The model_type of policies written by `rt-vla export`."""
LEROBOT_VLA0 = ("vla0", "vla0_smol")
"""LeRobot policy types of VLA-0-Smol."""

Tell = Callable[[str], None]


def say_nothing(_sentence: str) -> None:
    """For callers that do not show progress."""
